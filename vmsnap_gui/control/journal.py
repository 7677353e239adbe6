"""The journal of operations: what was under way on which image, kept where it outlives us.

One JSON file for each operation, written and fsynced before the first write to an image and before each step. What
ended well is forgotten; what was interrupted, or ended with a doubtful image, stays until that is settled.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from vmsnap_gui.control.journal_entry import Mark, Operation
from vmsnap_gui.control.journal_place import folder, own

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path


def operations() -> tuple[Operation, ...]:
    """Return all entries, the oldest first; one that cannot be read is left out.

    Those of this process are as they are, and not as they could be written last.
    """
    here = {file: one for file, one in list(own.items()) if file.parent == folder()}
    found = []
    for file in sorted({*folder().glob("*.json"), *here}):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            found.append(here.get(file) or Operation.read(file))
    return tuple(found)


def interrupted() -> tuple[Operation, ...]:
    """Return the operations that nobody carries out any more, and that did not come to an end."""
    return tuple(one for one in operations() if one.ended is None and not one.alive())


def forget_ended() -> None:
    """Remove entries of operations that ended with nothing in doubt: their process was killed before it did that."""
    for one in operations():
        one.tidy()


def under_way(path: Path) -> Operation | None:
    """Return the operation that a process of ours is carrying out on an image, if there is one."""
    return next((one for one in operations() if one.alive() and one.image(path) is not None), None)


def settle(operation: Operation, unsound: Collection[Path] = ()) -> None:
    """Close an interrupted operation that a person has heard of: only its quarantine stays; raises ControlError.

    As it is in the journal now: images may have been released, or the entry closed, since `operation` was read.

    Args:
        operation: It.
        unsound: Those of its images that were looked at and not found whole. Of a step that a running QEMU did, the
            mark alone cannot tell: the step was done, and QEMU may have been killed at some later moment.
    """
    try:
        now = own.get(operation.file) or Operation.read(operation.file)
    except FileNotFoundError:
        return
    for one in now.images:
        if one.mark is Mark.WRITING or (one.mark is Mark.DONE and one.path in unsound):
            one.mark = Mark.DOUBTFUL
    now.end("interrupted")
