"""The Compare tab in the window: when it is there, and what its actions do. Its view is made when it is wanted."""

from __future__ import annotations

import gc
import importlib
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer, Signal
from PySide6.QtWidgets import QTabBar

from vmsnap_gui.compare_session import CompareSession
from vmsnap_gui.entries import normal
from vmsnap_gui.jobs import SCAN, JobState
from vmsnap_gui.models import words
from vmsnap_gui.sides import age, only_side
from vmsnap_gui.turns import qt_turn
from vmsnap_gui.views.compare_actions import CompareActions

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from PySide6.QtWidgets import QMainWindow, QTabWidget

    from vmsnap_gui.jobs import Jobs
    from vmsnap_gui.session import Session
    from vmsnap_gui.settings import Settings
    from vmsnap_gui.sides import Side
    from vmsnap_gui.views.compare_files import CompareFiles
    from vmsnap_gui.views.compare_view import CompareView
    from vmsnap_gui.views.snapshot_table import SnapshotTable

_MODULES = (
    "models.change_texts", "models.outcome_texts", "models.changes", "models.changed_blocks", "models.changed_ranges",
    "models.compare_summary", "views.base_button", "views.outcome_ticks", "views.compare_header", "views.change_tree",
    "views.change_actions", "views.changes_view", "views.change_map", "views.twin_hex", "views.compare_part",
    "views.compare_bytes", "views.memory_changes", "views.disk_changes", "pictures", "models.screens",
    "models.screen_changes", "views.picture_area", "views.zoom_buttons", "views.screen_slider", "views.screen_changes",
    "views.compare_view",
)  # fmt: skip


class CompareTab(QObject):
    """Shows a tab beside the snapshots while there is a comparison.

    Signals:
        made: (QWidget) The view was made.
        filter_wanted: (str) The person wants this filter.
        column_wanted: (str, str) The person wants a column of this field: device and path.
        message: (str) Something to say in passing.
        problem: (Report) Something went wrong.

    Attributes:
        session: The comparison.
        actions: What can be done.
        is_made: Whether the view has all its parts.
    """

    made = Signal(object)
    filter_wanted = Signal(str)
    column_wanted = Signal(str, str)
    message = Signal(str)
    problem = Signal(object)

    def __init__(
        self,
        window: QMainWindow,
        tabs: QTabWidget,
        session: Session,
        jobs: Jobs,
        settings: Settings,
        snapshots: SnapshotTable,
    ) -> None:
        """Make the actions of `window`; the view goes into `tabs`."""
        super().__init__(window)
        self.session = CompareSession(jobs, settings, self)
        self.actions = CompareActions(window, session, self.session, snapshots)
        self._session = session
        self._window = window
        self._tabs = tabs
        self._jobs = jobs
        self._view: CompareView | None = None
        self.is_made = False
        self._modules = list(_MODULES)
        self._files: CompareFiles | None = None
        session.library.entry_removed.connect(self.session.forget)
        self.session.changed.connect(self._follow)
        actions = self.actions
        actions.next.triggered.connect(lambda: self._step(back=False))
        actions.previous.triggered.connect(lambda: self._step(back=True))
        actions.show.triggered.connect(self.show)
        actions.report.triggered.connect(lambda: self.files.ask_report())
        actions.rules.triggered.connect(lambda: self.files.show_rules())

    @property
    def view(self) -> CompareView:
        """The tab; made and shown now if it is not there yet."""
        view = self._begun()
        while view.make_next():
            pass
        self._end_making(view)
        if self._tabs.indexOf(view) < 0:
            index = self._tabs.addTab(view, self.tr("Compare"))
            self._tabs.tabBar().setTabButton(index, QTabBar.ButtonPosition.RightSide, self.actions.close_button())
        return view

    def prepare(self) -> None:
        """Make the view before it is wanted, each piece in a turn of its own: all at once takes 60 ms and more."""
        if self.is_made:
            gc.freeze()  # as in the inspector: it stays
            return
        with qt_turn():
            if self._modules:
                importlib.import_module(f"vmsnap_gui.{self._modules.pop(0)}")
            elif not self._begun().make_next():
                self._end_making(self._begun())
        QTimer.singleShot(0, self, self.prepare)

    def _begun(self) -> CompareView:
        """Return the view, perhaps without some of its parts."""
        if self._view is None:
            from vmsnap_gui.views.compare_view import CompareView

            self._view = CompareView(self.session, self._session, self._jobs, self._window)
            self._view.hide()
        return self._view

    def _end_making(self, view: CompareView) -> None:
        """Connect the view, once it has all its parts."""
        if not self.is_made:
            self.is_made = True
            view.header.base.file_dropped.connect(self.use_file_as_base)
            view.fields.filter_wanted.connect(self.filter_wanted)
            view.fields.actions_of_change.column_wanted.connect(self.column_wanted)
            view.message.connect(self.message)
            view.header.rules_wanted.connect(self.actions.rules.trigger)
            self.made.emit(view)

    @property
    def files(self) -> CompareFiles:
        """What saves reports and noise rules; made now if it is not there yet."""
        if self._files is None:
            from vmsnap_gui.views.compare_files import CompareFiles

            self._files = CompareFiles(self.session, self._jobs, self._window)
            self._files.message.connect(self.message)
            self._files.problem.connect(self.problem)
        return self._files

    def is_shown(self) -> bool:
        """Whether the tab is the one in front."""
        return self._view is not None and self._tabs.currentWidget() is self._view

    def show(self) -> None:
        """Bring the tab to the front."""
        self._tabs.setCurrentWidget(self.view)
        self.view.setFocus(Qt.FocusReason.ShortcutFocusReason)

    def compare_files(self, paths: Sequence[Path]) -> None:
        """Compare files if each holds exactly one state: that is what is meant then. Of three the oldest is base."""

        def compare(sides: list[Side] | None) -> None:
            if sides is not None:
                self.session.compare(sides[-2], sides[-1], sides[0] if len(sides) == 3 else None)

        self._jobs.run(
            self.tr("Looking at dropped files"),
            lambda _progress: _sides_of(paths),
            lane=SCAN,
            success=compare,
            quiet=True,
        )

    def use_file_as_base(self, path: Path) -> None:
        """Compare what is compared with the one state of a file as base; say so where it holds more, or none."""

        def use(side: Side | None) -> None:
            if side is not None:
                self.session.set_base(side)
            else:
                text = self.tr("%1 does not hold exactly one saved state: open it, and choose one as base.")
                self.message.emit(text.replace("%1", words.name_text(path)))

        name = self.tr("Looking at a dropped file")
        self._jobs.run(name, lambda _progress: only_side(normal(path)), lane=SCAN, success=use, quiet=True)

    def _step(self, *, back: bool) -> None:
        self._tabs.setCurrentWidget(self.view)
        self.view.step(back=back)

    def _follow(self) -> None:
        """Show the tab when a comparison is begun, and take it away when it is closed."""
        if self.session.sides is None and self.session.compared is None:
            if self._view is not None:
                self._tabs.removeTab(self._tabs.indexOf(self._view))
        elif self.session.job is not None and self.session.job.state is JobState.WAITING and not self.is_shown():
            self.show()


def _sides_of(paths: Sequence[Path]) -> list[Side] | None:
    """Return the one state of each file, of three the oldest first; None where a file does not hold exactly one."""
    sides = [side for side in map(only_side, paths) if side is not None]
    if len(sides) < len(paths):
        return None
    return sorted(sides, key=age) if len(sides) == 3 else sides
