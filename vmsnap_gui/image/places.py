"""Where the bytes of a view lie in its file: two pieces at one place are equal, and need not be read."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.image.byteview import FileView, SubView
from vmsnap_gui.image.extents import ExtentView, Kind

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vmsnap_gui.image.byteview import ByteView, FileHandle


def same_file(a: ByteView, b: ByteView) -> bool:
    """Whether both views read one file, unchanged since it was opened."""
    ours, theirs = _file(a), _file(b)
    return ours is not None and theirs is not None and ours.current_stamp() == theirs.current_stamp()


def _file(view: ByteView) -> FileHandle | None:
    base = view.base if isinstance(view, SubView) else view
    if isinstance(base, FileView):
        return base.handle
    return base.data if isinstance(base, ExtentView) else None


def file_places(view: ByteView, offsets: NDArray[np.int64], length: int) -> NDArray[np.int64]:
    """Return where in the file each piece of `length` bytes lies that a view has at `offsets`.

    Returns:
        int64: the place, or -1 for a piece that is not stored as it is, or not in one place.
    """
    start = view.base_offset
    base = view.base
    if isinstance(base, FileView):
        return base.start + start + offsets
    result = np.full(len(offsets), -1, np.int64)
    if not isinstance(base, ExtentView):
        return result
    order = np.argsort(offsets, kind="stable")
    ascending = start + offsets[order]
    done = 0
    while done < len(ascending):
        begin, extents = base.extents(int(ascending[done]))
        inside = ascending[done:] - begin
        inside = inside[: int(np.searchsorted(inside, extents.starts[-1]))]
        which = np.searchsorted(extents.starts, inside, "right") - 1
        whole = (inside + length <= extents.starts[which + 1]) & (extents.kinds[which] == Kind.DATA)
        places = np.where(whole, extents.hosts[which] + inside - extents.starts[which], -1)
        result[order[done : done + len(inside)]] = places
        done += len(inside)
    return result
