"""Fields as columns of the snapshot table: what value each has in every snapshot. Qt-free.

Imported in the worker that reads them: it needs the decoder, for which the window would wait.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.models.cells import Cell, compact
from vmsnap_gui.models.field_nodes import find_shown
from vmsnap_gui.vmstate.fields import show
from vmsnap_gui.vmstate.snapshots import open_snapshot
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.image.snapshot import Image, Snapshot
    from vmsnap_gui.models.cells import FieldColumn
    from vmsnap_gui.vmstate.devices import VMState


def read_columns(
    path: Path, snapshots: Sequence[Snapshot], columns: Sequence[FieldColumn], progress: Progress
) -> list[list[Cell]]:
    """Return for each column a cell for each snapshot; empty where a state cannot be read.

    Raises:
        ImageError: the image cannot be opened.
        Cancelled: by `progress`.
    """
    cells = [[Cell()] * len(snapshots) for _ in columns]
    image = open_image(path)
    try:
        for position, snapshot in enumerate(snapshots):
            progress(position, len(snapshots))
            state = _state(image, snapshot, progress)
            if state is not None:
                for number, column in enumerate(columns):
                    cells[number][position] = _cell(state, column)
    finally:
        image.close()
    return cells


def _state(image: Image, snapshot: Snapshot, progress: Progress) -> VMState | None:
    if not snapshot.vm_state_size or snapshot not in image.snapshots:
        return None
    try:
        return open_snapshot(image, snapshot, progress=lambda done, total: progress(0, 0))
    except (ImageError, StreamError):
        return None


def _cell(state: VMState, column: FieldColumn) -> Cell:
    section = next((one for one in state.sections if one.key == column.device), None)
    try:
        field = find_shown(state.decode(section), column.path) if section is not None else None
    except ImageError:
        return Cell()
    if field is None:
        return Cell()
    return Cell(compact(show(field)), float(field.value) if isinstance(field.value, int | float) else None)
