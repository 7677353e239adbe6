"""The Devices tab: the tree of fields and their bytes side by side, the selection linked both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, Qt, QTimer, Signal
from PySide6.QtWidgets import QLabel, QSplitter, QStackedWidget, QVBoxLayout, QWidget

from vmsnap_gui.guest.filter import FilterError, compile_filter
from vmsnap_gui.jobs import lane_of
from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.field_filter import Filtered, apply_filter
from vmsnap_gui.models.field_nodes import DeviceTree
from vmsnap_gui.telling import sentence
from vmsnap_gui.views.byte_source import JobSource
from vmsnap_gui.views.bytes_panel import BytesPanel
from vmsnap_gui.views.device_tree import DeviceTreeView, Place
from vmsnap_gui.views.edit_bar import EditBar
from vmsnap_gui.views.field_actions import FieldActions
from vmsnap_gui.views.filter_result import FilterResult
from vmsnap_gui.views.hex_paint import Highlight, Mark
from vmsnap_gui.views.pages import MessagePage
from vmsnap_gui.views.state_message import why_no_state

if TYPE_CHECKING:
    from PySide6.QtGui import QShowEvent

    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.session import Session
    from vmsnap_gui.vmstate.editing import Edit
    from vmsnap_gui.vmstate.fields import Field

_PATIENCE_MS = 150
"""What was shown stays this long while another state is read, so that stepping through snapshots does not flicker."""


class DevicesView(QWidget):
    """Devices and bytes of the session's state.

    Signals:
        filter_wanted: (str) The person wants this filter: put it where filters are typed.
        export_wanted: The person wants to export the state with the edits.
    """

    filter_wanted = Signal(str)
    export_wanted = Signal()

    def __init__(self, session: Session, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("devices")
        self.setAccessibleName(self.tr("Devices and bytes"))
        self._session = session
        self._jobs = jobs
        self._tree: DeviceTree | None = None
        self._filter = compile_filter("")
        self._filter_job: Job | None = None
        self._root = -1
        self._from_bytes = False
        self._place: Place | None = None
        self.tree = DeviceTreeView(self)
        self.bytes = BytesPanel("device_bytes", self.tr("Bytes of the device"), self._where, self)
        self.actions_of_field = FieldActions(self.tree, session, jobs)
        self.page = MessagePage("devices_page", self)
        self.result = FilterResult(self.tree, self)
        self.edits = EditBar(session, self)
        self._message = QLabel()
        self._stack = QStackedWidget(self)
        self._patience = QTimer(self, interval=_PATIENCE_MS, singleShot=True)
        self._lay_out()
        self._connect()
        self._follow()

    def set_filter(self, text: str) -> str | None:
        """Show only the fields that a filter matches.

        Returns:
            None, or what is wrong with the filter; then nothing changes.
        """
        try:
            wanted = compile_filter(text)
        except FilterError as error:
            return str(error)
        if wanted.text != self._filter.text:
            self._filter = wanted
            self._show_filtered()
        return None

    def filter_result(self) -> str:
        """Return what is said about the filter: "12 of 441 fields"; empty without one."""
        return self.result.text()

    # Making

    def _lay_out(self) -> None:
        self._message.setObjectName("devices_message")
        self._message.setTextFormat(Qt.TextFormat.PlainText)
        self._message.setContentsMargins(8, 4, 8, 4)
        self._message.hide()
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        column.addWidget(self.result, 1)
        column.addWidget(self.edits)
        column.addWidget(self._message)
        splitter = QSplitter(Qt.Orientation.Horizontal)
        splitter.setObjectName("devices_splitter")
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(left)
        splitter.addWidget(self.bytes)
        # Sixteen bytes in a row; what is more goes to the tree.
        splitter.setStretchFactor(0, 1)
        splitter.setStretchFactor(1, 0)
        width = self.bytes.hex.width_for(16)
        self.tree.setMinimumWidth(self.fontMetrics().averageCharWidth() * 64)
        splitter.setSizes([width, width])
        self._stack.addWidget(splitter)
        self._stack.addWidget(self.page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._stack)
        self.setFocusProxy(self.result)

    def _connect(self) -> None:
        self.tree.selectionModel().currentChanged.connect(self._field_chosen)
        self.bytes.hex.cursor_moved.connect(self._byte_chosen)
        self.result.clear_wanted.connect(lambda: self.filter_wanted.emit(""))
        self.actions_of_field.filter_wanted.connect(self.filter_wanted)
        self.actions_of_field.message.connect(self._say)
        self.edits.wanted.connect(self._show_edit)
        self.edits.export_wanted.connect(self.export_wanted)
        self._session.edits.changed.connect(self._show_edited)
        self._patience.timeout.connect(self._follow)
        session = self._session
        session.state_loaded.connect(self._follow_loaded)
        session.state_failed.connect(self._follow)
        session.state_cleared.connect(self._patience.start)
        session.state_loading.connect(self._patience.start)
        session.selection_changed.connect(self._patience.start)
        session.field_wanted.connect(self._show_wanted)

    def showEvent(self, event: QShowEvent) -> None:
        """Override QWidget::showEvent: what could wait while nobody looked is wanted now."""
        super().showEvent(event)
        if self._patience.isActive() and self._session.loaded is not None:
            self._follow()

    # Following the session

    def _follow_loaded(self, *_: object) -> None:
        """Show the new state; out of sight, later than what is in sight."""
        if self.isVisible():
            self._follow()
        else:
            self._patience.start()

    def _follow(self, *_: object) -> None:
        """Show the session's state, or why there is none."""
        self._patience.stop()
        self.edits.follow()
        loaded = self._session.loaded
        if loaded is None:
            self._tree = None
            self._cancel_filter()
            self._show(None)
            self.page.show_message(*why_no_state(self._session))
            self._stack.setCurrentIndex(1)
        elif self._tree is None or self._tree.loaded is not loaded:
            self._tree = DeviceTree(loaded)
            self._tree.edited = self._edited()
            self._show_filtered()
            self._stack.setCurrentIndex(0)

    # Edits

    def _edited(self) -> dict[tuple[str, str], Field]:
        return {(one.section, one.path): one.field for one in self._session.edits.of(self._session.loaded)}

    def _show_edited(self) -> None:
        self.tree.fields.show_edited(self._edited())

    def _show_edit(self, edit: Edit) -> None:
        root = self._tree.root_of_key(edit.section) if self._tree is not None else None
        if self._tree is not None and root is not None:
            self.tree.select_chain(self._tree.find(root, edit.path) or (root,))

    # The filter

    def _show_filtered(self) -> None:
        """Show the tree as the filter wants it, once a worker has applied that."""
        self._cancel_filter()
        tree = self._tree
        if tree is None:
            return
        if self._filter.is_empty:
            self._show(None)
            return
        wanted = self._filter
        self._filter_job = self._jobs.run(
            self.tr("Filtering fields"),
            lambda progress: apply_filter(tree, wanted, progress),
            lane=lane_of(tree.loaded.key.path, "filter"),
            success=self._show,
            failure=lambda error: self._say(sentence(error)),
            quiet=True,
        )

    def _cancel_filter(self) -> None:
        if self._filter_job is not None:
            self._filter_job.cancel()
            self._filter_job = None

    def _show(self, filtered: Filtered | None) -> None:
        """Show the tree, or what the filter left, with the same field selected at the same height if it can be."""
        height = self.tree.visualRect(self.tree.currentIndex()).top()
        self._root = -1
        place = self._place
        self.tree.show_tree(self._tree, filtered.kept if filtered else None, expand=filtered is not None)
        self._place = place
        self._say("")
        self.result.show_result(filtered, self._filter.text)
        if self._tree is None or not self.tree.fields.rowCount():
            self._show_nothing()
        elif place is None or not self.tree.select_place(place):
            if filtered is not None and filtered.kept is not None:
                self.tree.select_chain(filtered.kept.first)  # not the device around it: what was looked for
            elif not self.tree.currentIndex().isValid():
                self.tree.setCurrentIndex(self.tree.fields.index(0, 0))
        else:
            bar = self.tree.verticalScrollBar()
            bar.setValue(bar.value() + self.tree.visualRect(self.tree.currentIndex()).top() - height)
        if place is not None:
            self._place = place

    def _show_nothing(self) -> None:
        self.bytes.hex.show_source(None)
        self.bytes.set_heading("")

    def _show_wanted(self, section: int, path: str) -> None:
        """Show a field that somebody asked for."""
        if self._tree is None:
            self._follow()
        if self._tree is None:
            return
        root = self._tree.place(section)
        chain = self._tree.find(root, path) or (root,)
        if not self.tree.select_chain(chain):
            name = f"{self._tree.roots[root].key}.{path}".rstrip(".")
            self._say(self.tr("The filter hides %1.").replace("%1", words.visible(name)))

    # The selection, both ways

    def _field_chosen(self, index: QModelIndex) -> None:
        """Show the bytes of the field that was chosen in the tree."""
        place, tree = self.tree.place_of(index), self._tree
        if place is None or tree is None:
            return
        self._place = place
        self._say("")
        self._show_bytes_of(place.chain[0])
        base, span = self.bytes.hex.base, self.tree.fields.bytes_of(index)
        marks = [Highlight(span.start - base, span.stop - base)]
        if len(place.chain) > 2:
            around = tree.field(place.chain[:-1])
            marks.insert(0, Highlight(around.offset - base, around.offset + around.size - base, Mark.AROUND))
        self.bytes.hex.set_highlights(marks if len(place.chain) > 1 else [])
        if not self._from_bytes:
            self.bytes.hex.go_to(span.start - base, len(span))
        field = tree.field(place.chain)
        name = f"{place.key} · {place.path}" if place.path else place.key
        self.bytes.set_heading(name, f"{words.visible(field.type)}, {numbers.exact_size(len(span))}")

    def _show_bytes_of(self, root: int) -> None:
        if root == self._root or self._tree is None:
            return
        self._root = root
        top, loaded = self._tree.roots[root].field, self._tree.loaded
        source = JobSource(
            self._jobs,
            lane_of(loaded.key.path, "bytes"),
            self.tr("Reading bytes"),
            top.size,
            lambda offset, length: loaded.vmstate.view.read(top.offset + offset, length),
        )
        self.bytes.hex.show_source(source, top.offset)

    def _byte_chosen(self, offset: int) -> None:
        """Choose the innermost field at a byte in the tree."""
        if self._tree is None or self._root < 0:
            return
        chain = self._tree.at_offset(self._root, self.bytes.hex.base + offset)
        self._from_bytes = True
        try:
            hidden = not self.tree.select_chain(chain)
        finally:
            self._from_bytes = False
        if hidden:
            name = f"{self._tree.roots[self._root].key}.{self._tree.path(chain)}"
            self._say(self.tr("The filter hides %1.").replace("%1", words.visible(name)))

    def _where(self, offset: int) -> str:
        """Say where a byte is."""
        text = self.tr("Byte %1 of the state, %2 of the section")
        return text.replace("%1", f"{self.bytes.hex.base + offset:#x}").replace("%2", f"{offset:#x}")

    def _say(self, text: str) -> None:
        self._message.setText(text)
        self._message.setVisible(bool(text))
