"""The snapshots of the selected image: a table or another view of them, or a page that says why there is none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from PySide6.QtCore import QItemSelection, QItemSelectionModel, Qt, Signal
from PySide6.QtGui import QFont, QGuiApplication, QKeySequence
from PySide6.QtWidgets import QHBoxLayout, QHeaderView, QSizePolicy, QStackedWidget, QTreeView, QVBoxLayout, QWidget

from vmsnap_gui.entries import EntryState
from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.snapshot_values import snapshot_json
from vmsnap_gui.models.snapshots import INCOMPLETE_ROLE, MUTED_ROLE, Column, SnapshotModel
from vmsnap_gui.telling import sentence
from vmsnap_gui.views import theme
from vmsnap_gui.views.action_making import context_menu, view_action
from vmsnap_gui.views.delegates import MarkDelegate, MutedDelegate
from vmsnap_gui.views.pages import MessagePage, Notice
from vmsnap_gui.views.screen_delegates import ScreenDelegate
from vmsnap_gui.views.text_line import TextLine

if TYPE_CHECKING:
    from collections.abc import Collection

    from PySide6.QtCore import QPoint

    from vmsnap_gui.entries import Entry
    from vmsnap_gui.models.snapshots import Disks
    from vmsnap_gui.session import Session

_HERE = 60  # characters that the words on where the disk is now may take


class SnapshotTable(QWidget):
    """The table of snapshots; the selection in it is the session's, and that of the other views in its place.

    More than one can be selected, to be compared: the session's is then the one that was selected first.

    Attributes:
        notice: What must be known of the image.
        quarantine: Why it may only be checked and repaired.
        result: What came of the last operation.
        switch: Where the buttons for the other views stand.

    Signals:
        selection_changed: Other snapshots are selected, or none.
        menu_wanted: (QMenu) The context menu of a snapshot is about to be shown: add to it.
    """

    selection_changed = Signal()
    menu_wanted = Signal(object)

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("snapshots")
        self._session = session
        self._following = False
        self._machine = ""
        self.model = SnapshotModel(self)
        self._title = TextLine(QSizePolicy.Policy.Preferred)
        self._title.setObjectName("snapshots_title")
        self._about = TextLine(QSizePolicy.Policy.Preferred)
        self._about.setObjectName("snapshots_about")
        self._here = TextLine(QSizePolicy.Policy.Preferred)
        self._here.setObjectName("snapshots_here")
        self.notice = Notice("snapshots_notice", self)
        self.result = Notice("snapshots_result", self)
        self.result.add_close_button(self.tr("Hide this message"))
        self.quarantine = Notice("snapshots_quarantine", self)
        self.table = self._make_table()
        self.page = MessagePage("snapshots_page", self)
        self._stack = QStackedWidget(self)
        self._stack.addWidget(self.table)
        self._stack.addWidget(self.page)
        self._view: QWidget = self.table
        self._switch_bar = QWidget()
        self.switch = QHBoxLayout(self._switch_bar)
        self.switch.setContentsMargins(0, 0, 0, 0)
        self._lay_out()
        self._make_actions()
        # Not currentChanged: a view that gets the focus makes its first row current, and nobody chose that.
        self.table.selectionModel().selectionChanged.connect(self._chosen)
        session.selection_changed.connect(self._follow)
        session.library.entry_changed.connect(self._entry_changed)
        for signal in (session.library.entries_added, session.library.entry_removed):
            signal.connect(self._name)
        session.notes.changed.connect(self._show_notes)
        self._follow()

    def _lay_out(self) -> None:
        heading = QFont(self.font())
        heading.setWeight(QFont.Weight.DemiBold)
        self._title.setFont(heading)
        self._about.setForegroundRole(self._about.foregroundRole())
        line = QHBoxLayout()
        line.setContentsMargins(8, 6, 8, 4)
        line.addWidget(self._title)
        line.addSpacing(16)
        line.addStretch(1)
        line.addWidget(self._here)
        line.addSpacing(16)
        line.addWidget(self._about)
        line.addSpacing(8)
        line.addWidget(self._switch_bar)
        policy = self._switch_bar.sizePolicy()
        policy.setRetainSizeWhenHidden(True)  # or the title would jump where there is nothing to switch
        self._switch_bar.setSizePolicy(policy)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(line)
        layout.addWidget(self.result)
        layout.addWidget(self.quarantine)
        layout.addWidget(self.notice)
        layout.addWidget(self._stack, 1)
        self.setFocusProxy(self.table)

    def _make_table(self) -> QTreeView:
        table = QTreeView(self)
        table.setObjectName("snapshot_table")
        table.setAccessibleName(self.tr("Snapshots"))
        table.setModel(self.model)
        table.setFont(theme.tabular(table.font()))
        table.setItemDelegate(MutedDelegate(MUTED_ROLE, table))
        table.setSelectionMode(QTreeView.SelectionMode.ExtendedSelection)
        table.setRootIsDecorated(False)
        table.setUniformRowHeights(True)
        table.setAllColumnsShowFocus(True)
        table.setAlternatingRowColors(True)
        table.setTabKeyNavigation(False)
        table.setFrameShape(QTreeView.Shape.NoFrame)
        table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        table.customContextMenuRequested.connect(self._show_menu)
        header = table.header()
        header.setObjectName("snapshot_columns")
        header.setStretchLastSection(False)
        header.setSectionsClickable(True)
        header.setFirstSectionMovable(True)
        table.setSortingEnabled(True)
        table.sortByColumn(Column.DATE, Qt.SortOrder.AscendingOrder)
        table.setItemDelegateForColumn(Column.DISKS, MarkDelegate(INCOMPLETE_ROLE, table))
        table.setItemDelegateForColumn(Column.SCREEN, ScreenDelegate(table))
        header.moveSection(Column.SCREEN, 0)
        header.setSectionHidden(Column.DISKS, True)
        header.setSectionHidden(Column.NOTE, True)
        self._size_columns(header)
        return table

    def _size_columns(self, header: QHeaderView) -> None:
        wide = self.fontMetrics().averageCharWidth()
        for column, characters in zip(Column, (28, 7, 23, 17, 13, 13, 13, 9, 28, 11, 20), strict=True):
            header.resizeSection(column, wide * characters)
        header.setSectionResizeMode(Column.TAG, QHeaderView.ResizeMode.Stretch)

    def _make_actions(self) -> None:
        table, copy = self.table, QKeySequence.StandardKey.Copy
        self.copy_value = view_action(table, "copy_value", self.tr("&Copy value"), copy, self._copy_value)
        self.copy_row = view_action(table, "copy_row", self.tr("Copy &row"), None, self._copy_row)
        self.edit_note = view_action(table, "edit_note", self.tr("Edit &note…"), "F2", self._edit_note)
        self.copy_json = view_action(table, "copy_json", self.tr("Copy as &JSON"), None, self._copy_json)

    def add_column(self, title: str) -> None:
        """Add a column for a field, as wide as its title wants."""
        rows = [index.row() for index in self.table.selectionModel().selectedRows()]
        self.model.add_column(title)
        flags = QItemSelectionModel.SelectionFlag
        for row in rows:  # a row counts as selected only with all of its columns
            self.table.selectionModel().select(self.model.index(row, 0), flags.Select | flags.Rows)
        header, least = self.table.header(), self.fontMetrics().averageCharWidth() * 22
        wide = header.fontMetrics().horizontalAdvance(title) + 24
        header.resizeSection(self.model.columnCount() - 1, max(wide, least))

    def selected(self) -> list[int]:
        """Return the positions of the selected snapshots, the earliest first."""
        snapshots = [
            (self.model.snapshot(row), self.model.position(row)) for row in self.table.selectionModel().selectedRows()
        ]
        dated = [(one.date_sec or 0, one.date_nsec, at) for one, at in snapshots if one is not None and at is not None]
        return [at for _, _, at in sorted(dated)]

    def select(self, positions: Collection[int]) -> None:
        """Select snapshots by their positions, of which one stays the session's if it is among them."""
        model, flags = self.table.selectionModel(), QItemSelectionModel.SelectionFlag
        indexes = [index for one in sorted(positions) if (index := self.model.index_of(one)).isValid()]
        wanted = QItemSelection()
        for index in indexes:
            wanted.select(index, index)
        if indexes and set(positions) != set(self.selected()):
            model.setCurrentIndex(indexes[-1], flags.NoUpdate)
            model.select(wanted, flags.ClearAndSelect | flags.Rows)
            self.table.scrollTo(indexes[-1])

    def add_view(self, view: QWidget) -> None:
        """Take another view of the snapshots, to be shown in the place of the table."""
        self._stack.addWidget(view)

    def show_view(self, view: QWidget) -> None:
        """Show this view, the table or one that was added, where there are snapshots."""
        self._view = view
        self.setFocusProxy(view)
        self._say(self._session.entry())
        self.table.scrollTo(self.table.currentIndex())  # out of sight it did not

    def show_here(self, text: str, why: str) -> None:
        """Say where the disk is now, and how that is known; "" where nobody knows."""
        metrics = self._here.fontMetrics()
        room = metrics.averageCharWidth() * _HERE  # a tag must not make the window wider
        self._here.setText(metrics.elidedText(text, Qt.TextElideMode.ElideRight, room))
        self._here.setToolTip(words.plain_tip([text, *why.split("\n")] if text else []))

    def show_menu(self, place: QPoint) -> None:
        """Open the context menu of the selected snapshots at a place of the screen."""
        menu = context_menu(self, [self.edit_note], [self.copy_value, self.copy_row, self.copy_json])
        self.menu_wanted.emit(menu)
        menu.popup(place)

    def show_machine(self, name: str, disks: Disks) -> None:
        """Say which machine the image belongs to ("" for none), and which of its disks have each snapshot."""
        self._machine = name
        self.model.show_disks(disks)
        self.table.header().setSectionHidden(Column.DISKS, len(disks) < 2)
        self._say(self._session.entry())

    def _chosen(self) -> None:
        positions, image = self.selected(), self._session.image
        if not self._following and positions and image is not None and self._session.snapshot not in positions:
            current = self.model.position(self.table.currentIndex())
            self._session.select_snapshot(image, current if current in positions else positions[0])
        self.selection_changed.emit()

    def _entry_changed(self, path: object) -> None:
        if path == self._session.image:
            self._follow()

    def _follow(self) -> None:
        """Show the session's image and its selection."""
        entry = self._session.entry()
        self._following = True
        try:
            snapshots = entry.info.snapshots if entry is not None and entry.info is not None else ()
            self.model.show(snapshots)
            self.table.header().setSectionHidden(Column.SCREEN, not any(one.vm_state_size for one in snapshots))
            self._show_notes()
            index = self.model.index_of(self._session.snapshot)
            selection = self.table.selectionModel()
            if not selection.isSelected(index):
                flags = QItemSelectionModel.SelectionFlag
                selection.setCurrentIndex(index, flags.ClearAndSelect | flags.Rows)
                self.table.scrollTo(index)
        finally:
            self._following = False
        chosen = self._session.selected_snapshot() is not None
        self.edit_note.setEnabled(chosen)
        self.edit_note.setToolTip(
            self.tr("Write about this snapshot (F2)") if chosen else self.tr("Select a snapshot first")
        )
        self._say(entry)

    def _show_notes(self) -> None:
        entry = self._session.entry()
        notes = self._session.notes.of(entry.info) if entry is not None and entry.info is not None else ()
        self.model.show_notes(notes)
        self.table.header().setSectionHidden(Column.NOTE, not any(notes))

    def _edit_note(self) -> None:
        entry, snapshot = self._session.entry(), self.model.snapshot(self.table.currentIndex())
        if entry is not None and entry.info is not None and snapshot is not None:
            from vmsnap_gui.views.note_dialog import NoteDialog  # not before the first paint

            NoteDialog(self._session.notes, entry.info, snapshot, self).open()

    def _name(self, *_: object) -> str:
        """Show the title; return what the image is called."""
        path = self._session.image
        name = words.visible(self._session.library.entries.called_alone(path)) if path is not None else ""
        of = f"{self._machine} ({name})" if self._machine and name else name
        self._title.setText(self.tr("Snapshots of %1").replace("%1", of) if of else self.tr("Snapshots"))
        return name

    def _say(self, entry: Entry | None) -> None:
        """Show the title, what must not be overlooked, and the page where there is no table."""
        info = entry.info if entry is not None else None
        name = self._name()
        about = f"{info.format} · {numbers.size(info.virtual_size)}" if info and info.virtual_size else ""
        self._about.setText(about)
        if info is not None and info.problems:
            first, more = words.sentence(str(info.problems[0])), len(info.problems) - 1
            self.notice.show_message("problem", first + (f" (+{numbers.count(more)})" if more else ""))
        else:
            in_use = self.tr("In use by a running machine: what you see may be changing.")
            self.notice.show_message("in-use", in_use if info is not None and info.in_use else "")
        self._switch_bar.setVisible(info is not None and bool(info.snapshots))
        if info is not None and info.snapshots:
            self._stack.setCurrentWidget(self._view)
            return
        self.page.show_message(*self._message(entry, name))
        self._stack.setCurrentWidget(self.page)

    def _message(self, entry: Entry | None, name: str) -> tuple[str, str, str]:
        """Return icon, heading and text of the page that stands in for the table."""
        if entry is None:
            return "", self.tr("No image is selected"), self.tr("Select an image in the library.")
        if entry.state is EntryState.FAILED and entry.error is not None:
            what = self.tr("%1 cannot be opened").replace("%1", name)
            if entry.stamp is not None:
                after = self.tr("The file was not changed. It is read again when it changes, or with Reload.")
            else:
                after = self.tr("It is read again when it is back. If it was renamed, open it under its new name.")
            return "failed", what, f"{words.sentence(sentence(entry.error))}\n{after}"
        if entry.is_folder:
            return "folder", name, self._folder_text(entry)
        if entry.info is None:
            return "reading", self.tr("Reading %1").replace("%1", name), ""
        if entry.info.problems:
            text = self.tr("The overview lists what is wrong with the image.")
            return "problem", self.tr("No snapshots of %1 can be read").replace("%1", name), text
        text = self.tr("An internal snapshot is made by QEMU's savevm command, or by qemu-img snapshot -c.")
        return "image", self.tr("%1 holds no snapshots").replace("%1", name), text

    def _folder_text(self, entry: Entry) -> str:
        entries = self._session.library.entries
        readable, failed = entries.counts(entry.path)
        if readable:
            text = self.tr("%1 in this folder, %2. Select one in the library.")
            text = text if failed else self.tr("%1 in this folder. Select one in the library.")
        elif failed:
            text = self.tr("No images were found in this folder; %2.")
        elif entry.state is EntryState.READING:
            text = self.tr("Looking for images in this folder.")
        elif entries.reach_into(entry.path):
            text = self.tr("No images were found in this folder that are not in the library already.")
        else:
            text = self.tr("No images were found in this folder.")
        return text.replace("%1", words.images(readable)).replace("%2", words.unreadable_files(failed))

    def _show_menu(self, place: QPoint) -> None:
        if self.table.indexAt(place).isValid():
            self.show_menu(self.table.viewport().mapToGlobal(place))

    def _copy_value(self) -> None:
        index = self.table.currentIndex()
        if index.isValid():
            QGuiApplication.clipboard().setText(str(index.data()))

    def _copy_row(self) -> None:
        row = self.table.currentIndex().row()
        if row >= 0:
            shown = [at for at in range(self.model.columnCount()) if not self.table.isColumnHidden(at)]
            cells = [str(self.model.index(row, column).data()) for column in shown]
            QGuiApplication.clipboard().setText("\t".join(cells))

    def _copy_json(self) -> None:
        index = self.table.currentIndex()
        snapshot = self.model.snapshot(index)
        if snapshot is not None:
            document = snapshot_json(snapshot, self.model.note(index))
            QGuiApplication.clipboard().setText(json.dumps(document, indent=2))
