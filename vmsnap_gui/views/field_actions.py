"""What can be done with the selected field: copy it in some form, make a filter of it, expand what is below it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, Signal
from PySide6.QtGui import QGuiApplication

from vmsnap_gui.guest.filter import field_filter
from vmsnap_gui.jobs import lane_of
from vmsnap_gui.models import numbers, words
from vmsnap_gui.views.action_making import context_menu, view_action
from vmsnap_gui.vmstate.editing import can_edit
from vmsnap_gui.vmstate.fields import show, to_json
from vmsnap_gui.vmstate.paths import find_field

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtCore import QPoint
    from PySide6.QtGui import QAction

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.jobs import Jobs
    from vmsnap_gui.session import Session
    from vmsnap_gui.views.device_tree import DeviceTreeView
    from vmsnap_gui.vmstate.fields import Field

MOST_COPIED = 4 << 20
"""The most bytes of a field that are copied to the clipboard."""


class FieldActions(QObject):
    """The actions of the device tree, and its context menu.

    Signals:
        filter_wanted: (str) The person wants this filter.
        column_wanted: (str, str) The person wants a column of this field in the snapshot table: device and path.
        message: (str) What was done, or why not.
    """

    filter_wanted = Signal(str)
    column_wanted = Signal(str, str)
    message = Signal(str)

    def __init__(self, tree: DeviceTreeView, session: Session, jobs: Jobs) -> None:
        super().__init__(tree)
        self._tree = tree
        self._session = session
        self._jobs = jobs
        self.copy_value = self._add("copy_value", self.tr("&Copy value"), "Ctrl+C", self._copy_value)
        self.copy_path = self._add("copy_path", self.tr("Copy &path"), "Ctrl+Shift+P", self._copy_path)
        self.copy_json = self._add("copy_json", self.tr("Copy as &JSON"), "Ctrl+Shift+N", self._copy_json)
        self.copy_hex = self._add("copy_hex", self.tr("Copy as &hex"), "Ctrl+Shift+H", self._copy_hex)
        self.filter = self._add("apply_as_filter", self.tr("Apply as &filter"), "Ctrl+Shift+F", self._filter)
        self.column = self._add("apply_as_column", self.tr("Apply as co&lumn"), "Ctrl+Shift+L", self._column)
        self.edit = self._add("edit_value", self.tr("Edit &value…"), "F2", self._edit)
        self.expand = self._add("expand_below", self.tr("&Expand all below"), "Ctrl+Right", self._expand)
        self.collapse = self._add("collapse_below", self.tr("C&ollapse all below"), "Ctrl+Left", self._collapse)
        tree.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        tree.customContextMenuRequested.connect(self._show_menu)
        tree.selectionModel().currentChanged.connect(self._enable)
        tree.fields.modelReset.connect(self._enable)
        self._enable()

    def _add(self, name: str, text: str, shortcut: str, act: Callable[[], None]) -> QAction:
        return view_action(self._tree, f"field_{name}", text, shortcut, act)

    def _enable(self) -> None:
        index = self._tree.currentIndex()
        is_field = self._field() is not None
        for action in (self.copy_value, self.copy_path, self.copy_json, self.filter):
            action.setEnabled(is_field)
        field = self._field()
        self.column.setEnabled(field is not None and not field.kind.is_container and bool(self._place()[1]))
        self.edit.setEnabled(self._editable() is not None)
        self.copy_hex.setEnabled(index.isValid())
        for action in (self.expand, self.collapse):
            action.setEnabled(index.isValid() and self._tree.fields.hasChildren(index.siblingAtColumn(0)))

    def _show_menu(self, place: QPoint) -> None:
        if self._tree.indexAt(place).isValid():
            copies = [self.copy_value, self.copy_path, self.copy_json, self.copy_hex]
            applied, below = [self.filter, self.column], [self.expand, self.collapse]
            menu = context_menu(self._tree, copies, applied, [self.edit], below)
            menu.popup(self._tree.viewport().mapToGlobal(place))

    def _field(self) -> Field | None:
        return self._tree.fields.field(self._tree.currentIndex())

    def _place(self) -> tuple[str, str]:
        """Return the selected field's device and its path in it."""
        place, tree = self._tree.place_of(self._tree.currentIndex()), self._tree.fields.tree
        if place is None or tree is None:
            return "", ""
        root = tree.roots[place.chain[0]]
        return (root.section.key if root.section is not None else root.key), place.path

    def _path(self) -> str:
        """Return the selected field's path with its device, as the filter language has it."""
        device, path = self._place()
        return f"{device}.{path}" if path else device

    def _copy_value(self) -> None:
        field = self._field()
        if field is None:
            return
        if field.kind.is_container:
            self._copy_json()
        elif isinstance(field.value, bytes):
            self._copy_hex()
        else:
            plain = isinstance(field.value, int) and not isinstance(field.value, bool)
            self._copied(str(field.value) if plain else show(field))

    def _copy_path(self) -> None:
        self._copied(self._path())

    def _copy_json(self) -> None:
        field = self._field()
        if field is not None:
            # A large array may take a while.
            self._in_worker(lambda _progress: json.dumps(to_json(field), indent=2), field.size)

    def _copy_hex(self) -> None:
        state, span = self._session.loaded, self._tree.fields.bytes_of(self._tree.currentIndex())
        if state is not None:
            self._in_worker(lambda _progress: state.vmstate.view.read(span.start, len(span)).hex(" "), len(span))

    def _in_worker(self, work: Callable[[Progress], str], size: int) -> None:
        """Copy what `work` returns, unless it stands for too many bytes."""
        state = self._session.loaded
        if size > MOST_COPIED:
            text = self.tr("At most %1 can be copied at once; this is %2.")
            self.message.emit(text.replace("%1", numbers.size(MOST_COPIED)).replace("%2", numbers.size(size)))
        elif state is not None:
            self._jobs.run(
                self.tr("Copying"),
                work,
                lane=lane_of(state.key.path, "bytes"),
                success=self._copied,
                failure=self._failed,
                quiet=True,
            )

    def _copied(self, text: str) -> None:
        QGuiApplication.clipboard().setText(text)
        shown = words.visible(text[:60]) + ("…" if len(text) > 60 else "")
        self.message.emit(self.tr("Copied: %1").replace("%1", shown))

    def _failed(self, error: Exception) -> None:
        self.message.emit(self.tr("Nothing was copied: %1").replace("%1", words.visible(str(error))))

    def _filter(self) -> None:
        field = self._field()
        if field is not None:
            self.filter_wanted.emit(field_filter(self._path(), field.value))

    def _column(self) -> None:
        self.column_wanted.emit(*self._place())

    def _editable(self) -> Field | None:
        """Return the selected field as it is now, if it can be given another value."""
        tree, field = self._tree.fields.tree, self._field()
        place = self._tree.place_of(self._tree.currentIndex())
        if tree is None or field is None or place is None or not can_edit(field):
            return None
        root = tree.roots[place.chain[0]]
        found = find_field(root.field, place.path) if root.section is not None else None
        if root.section is None or found is None or (found.offset, found.type) != (field.offset, field.type):
            return None  # a part of a buffer, or one of two fields of the same path
        return tree.edited.get((root.section.key, place.path), field)

    def _edit(self) -> None:
        from vmsnap_gui.views.edit_dialog import EditDialog

        now, state = self._editable(), self._session.loaded
        if now is not None and state is not None:
            EditDialog(self._session.edits, state, *self._place(), now, self._tree.window()).open()

    def _expand(self) -> None:
        if not self._tree.expand_below(self._tree.currentIndex().siblingAtColumn(0)):
            self.message.emit(self.tr("There is too much below this to expand all of it."))

    def _collapse(self) -> None:
        self._tree.collapse_below(self._tree.currentIndex().siblingAtColumn(0))
