"""Other values for fields: kept here until they are exported, undone or given up, and never written into an image."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QUndoCommand, QUndoStack

from vmsnap_gui.jobs import lane_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.image.snapshot import Snapshot
    from vmsnap_gui.jobs import Jobs
    from vmsnap_gui.reading import LoadedState
    from vmsnap_gui.vmstate.editing import Edit
    from vmsnap_gui.vmstate.fields import Field

    _Edits = tuple[Edit, ...]

    StateName = tuple[Path, Snapshot]
    """What names a state over readings of its image."""


class Edits(QObject):
    """The edits of each state, with undo.

    Signals:
        changed: Some state has other edits than before.

    Attributes:
        stack: What can be undone.
    """

    changed = Signal()

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("edits")
        self.stack = QUndoStack(self)
        self._jobs = jobs
        self._edits: dict[StateName, _Edits] = {}
        self._settled: dict[StateName, _Edits] = {}

    def of(self, state: LoadedState | None) -> _Edits:
        """Return the edits of a state, in the order in which they were made, one for each field."""
        return self._edits.get(name_of(state), ()) if state is not None else ()

    def unexported(self) -> dict[StateName, _Edits]:
        """Return the edits that would be lost with the window: those of states that were not exported with them."""
        return {name: edits for name, edits in self._edits.items() if edits != self._settled.get(name)}

    def settle(self, edits: dict[StateName, _Edits]) -> None:
        """Know of these edits that they were exported, or need not be."""
        self._settled |= edits

    def ask(
        self, state: LoadedState, section: str, path: str, field: Field, value: str, done: Callable[[str], object]
    ) -> None:
        """Give a field a value; `done` gets "", or the sentence that says why that cannot be."""

        def work(_progress: Progress) -> Edit:
            from vmsnap_gui.vmstate.editing import edit_field

            return edit_field(section, path, field, value, state.vmstate)

        self._jobs.run(
            self.tr("Changing a value"),
            work,
            lane=lane_of(state.key.path, "bytes"),
            success=partial(self._put, state, done),
            failure=lambda error: done(str(error)),
            quiet=True,
        )

    def discard(self, state: LoadedState, *edits: Edit) -> None:
        """Give up these edits of a state; that can be undone."""
        kept = tuple(edit for edit in self.of(state) if edit not in edits)
        text = self.tr("give up %1").replace("%1", _called(edits[0]) if len(edits) == 1 else self.tr("all edits"))
        self.stack.push(_Change(self, name_of(state), kept, text))

    def _put(self, state: LoadedState, done: Callable[[str], object], edit: Edit) -> None:
        others = tuple(one for one in self.of(state) if one.offset != edit.offset)
        after = others if edit.after == edit.before else (*others, edit)
        if after != self.of(state):
            self.stack.push(_Change(self, name_of(state), after, self.tr("edit of %1").replace("%1", _called(edit))))
        done("")

    def _set(self, name: StateName, edits: _Edits) -> _Edits:
        """Replace a state's edits; returns what they were."""
        before = self._edits.pop(name, ())
        if edits:
            self._edits[name] = edits
        self.changed.emit()
        return before


class _Change(QUndoCommand):
    """A state's edits become others."""

    def __init__(self, edits: Edits, name: StateName, after: _Edits, text: str) -> None:
        super().__init__(text)
        self._owner, self._name, self._other = edits, name, after

    def redo(self) -> None:
        """Override QUndoCommand::redo."""
        self._other = self._owner._set(self._name, self._other)

    def undo(self) -> None:
        """Override QUndoCommand::undo."""
        self._other = self._owner._set(self._name, self._other)


def name_of(state: LoadedState) -> StateName:
    """Return what names a state also after its image was read again."""
    return state.key.path, state.snapshot


def _called(edit: Edit) -> str:
    return f"{edit.section}.{edit.path}"
