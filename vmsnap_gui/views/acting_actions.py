"""The actions that change images, with when each can be used, and why not where it cannot."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtGui import QAction, QKeySequence

from vmsnap_gui.control.terms import Verb
from vmsnap_gui.models import words
from vmsnap_gui.views.action_making import separator, window_action

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMainWindow, QMenu

    from vmsnap_gui.acting import ActingSession
    from vmsnap_gui.image.snapshot import Snapshot
    from vmsnap_gui.session import Session
    from vmsnap_gui.views.snapshot_table import SnapshotTable


class ActingActions(QObject):
    """What the Snapshot menu offers.

    Signals:
        wanted: (Verb) The person asks for this, of what is selected.
        undo_wanted: The last restore is to be taken back.

    Attributes:
        take, restore, start, delete, repair: The verbs.
        undo: Take the last restore back.
    """

    wanted = Signal(object)
    undo_wanted = Signal()

    def __init__(self, window: QMainWindow, session: Session, acting: ActingSession, table: SnapshotTable) -> None:
        super().__init__(window)
        self._session = session
        self._acting = acting
        self._table = table
        make = partial(window_action, window)
        self.take = make("take", self.tr("&Take snapshot…"), "take", "Ctrl+T")
        self.take.setIconText(self.tr("Take"))
        self.restore = make("restore", self.tr("&Restore…"), "restore", "Ctrl+Shift+R")
        self.delete = make("delete", self.tr("&Delete…"), "delete", "Delete")
        self.delete.setShortcutContext(Qt.ShortcutContext.WidgetWithChildrenShortcut)
        table.table.addAction(self.delete)  # the key deletes where the snapshots are, not in a text box
        self.start = make("start", self.tr("&Start from it…"), "start", "Ctrl+Shift+S")
        self.undo = make("undo_restore", self.tr("&Undo restore…"), "undo", "Ctrl+Alt+Z")
        self.repair = make("repair", self.tr("&Check and repair…"), "repair")
        for action, verb in (
            (self.take, Verb.TAKE),
            (self.restore, Verb.RESTORE),
            (self.start, Verb.START),
            (self.delete, Verb.DELETE),
            (self.repair, Verb.REPAIR),
        ):
            action.triggered.connect(lambda _checked=False, verb=verb: self.wanted.emit(verb))
        self.undo.triggered.connect(self.undo_wanted)
        # Selecting an image emits many of these, and the Qt thread has enough to do then.
        self._soon = QTimer(self, interval=0, singleShot=True)
        self._soon.timeout.connect(self._enable)
        acting.changed.connect(self._follow)
        session.selection_changed.connect(self._follow)
        session.library.entry_changed.connect(self._follow)
        session.machines.changed.connect(self._follow)
        table.selection_changed.connect(self._follow)
        table.menu_wanted.connect(self._fill_menu)
        self._enable()

    def in_menu(self) -> list[QAction]:
        """Return the actions in the order of the Snapshot menu."""
        return [self.take, self.restore, self.start, self.delete, self.undo, separator(self), self.repair]

    def selected(self) -> list[Snapshot]:
        """Return the selected snapshots, the earliest first."""
        entry = self._session.entry()
        if entry is None or entry.info is None:
            return []
        there = entry.info.snapshots
        return [there[position] for position in self._table.selected() if position < len(there)]

    def _fill_menu(self, menu: QMenu) -> None:
        """Put the verbs on top of the context menu of a snapshot: they are what it is opened for."""
        menu.insertActions(menu.actions()[0], [self.restore, self.start, self.delete, separator(menu)])

    def _follow(self, *_: object) -> None:
        self._soon.start()

    def _enable(self) -> None:
        chosen, why_not = self.selected(), self._why_not()
        one = self.tr("Select one snapshot first")
        some = self.tr("Select one or more snapshots first")
        self._set(self.take, why_not, self.tr("Take a snapshot of the machine as it is now"))
        self._set(self.restore, why_not or ("" if len(chosen) == 1 else one), self.tr("Go back to this snapshot"))
        self._set(self.delete, why_not or ("" if chosen else some), self.tr("Delete the selected snapshots"))
        self._enable_start(chosen, why_not)
        self._enable_repair()
        undo = self._acting.undo
        subject = words.visible(undo.subject) if undo is not None else ""
        text = self.tr("Go back to the state before '%1' was restored").replace("%1", subject)
        self._set(self.undo, self._busy() or ("" if undo else self.tr("Nothing was restored yet")), text)

    def _enable_start(self, chosen: list[Snapshot], why_not: str) -> None:
        vm = self._session.machines.of(self._session.image)
        if why_not or len(chosen) != 1:
            why_not = why_not or self.tr("Select one snapshot first")
        elif vm is not None and vm.profile is None:
            why_not = self.tr("The machine runs: restore the snapshot instead")
        elif vm is None:
            why_not = self.tr("No launch profile says how this machine is started: make one in the Tools menu")
        elif not chosen[0].vm_state_size:
            why_not = self.tr("This snapshot holds the disk only, no state that could go on")
        self._set(self.start, why_not, self.tr("Start the machine as it was at that moment"))

    def _enable_repair(self) -> None:
        entry = self._session.entry()
        image = entry is not None and entry.info is not None and entry.info.format == "qcow2"
        why_not = self._busy() if image else self.tr("Select a qcow2 image first")
        self._set(self.repair, why_not, self.tr("Check the image for damage, and repair what is found"))

    def _why_not(self) -> str:
        """Return why nothing can be done to the selected image; empty if something can."""
        entry = self._session.entry()
        if entry is None or entry.info is None:
            return self.tr("Select an image first")
        if entry.info.format != "qcow2":
            return self.tr("Only qcow2 images hold snapshots that can be taken, restored and deleted")
        if entry.path in self._acting.quarantined:
            return self.tr("A write to this image was interrupted: check and repair it first")
        return self._busy()

    def _busy(self) -> str:
        under_way = self._acting.under_way(self._session.image)
        return self.tr("Wait until what is being done to this image has ended") if under_way else ""

    def _set(self, action: QAction, why_not: str, tip: str) -> None:
        action.setEnabled(not why_not)
        keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        action.setToolTip(why_not or words.plain_tip([f"{tip} ({keys})" if keys else tip]))
