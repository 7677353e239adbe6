"""Comparing what two disks hold by reading it, sector by sector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.compare.change import Change
from vmsnap_gui.compare.ranges import Parts, Ranges

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vmsnap_gui.image.byteview import ByteView
    from vmsnap_gui.image.errors import Progress

SECTOR = 512
"""Bytes that the result is rounded to."""

_AT_ONCE = 1 << 20


def compare_content(a: ByteView, b: ByteView, wanted: Ranges, progress: Progress | None = None) -> tuple[Ranges, int]:
    """Compare the bytes of two disks in `wanted` ranges, which lie within both.

    Returns:
        Where they differ, in whole sectors (but for the end of the disk), with Change values as kinds; and how
        many bytes differ.

    Raises:
        ImageError: something cannot be read.
    """
    spans = wanted.merged()
    total, done, changed = int(spans[:, 1].sum()), 0, 0
    buffers = np.zeros((2, _AT_ONCE), np.uint8)
    parts = Parts()
    for start, length in spans.tolist():
        for at in range(start, start + length, _AT_ONCE):
            size = min(_AT_ONCE, start + length - at)
            for view, buffer in zip((a, b), buffers, strict=True):
                view.readinto(at, buffer[:size].data)
                buffer[size : -(-size // SECTOR) * SECTOR] = 0
            kinds, unlike = _sectors(buffers[:, : -(-size // SECTOR) * SECTOR])
            if unlike:
                parts.add(Ranges.of_units(kinds, at, SECTOR).cut(at + size))
            changed += unlike
            done += size
            if progress is not None:
                progress(done, total)
    return parts.joined(), changed


def _sectors(sides: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], int]:
    """Return what became of each sector, and how many bytes differ."""
    words = sides.view(np.uint64).reshape(2, -1, SECTOR // 8)
    unlike = (words[0] != words[1]).any(axis=1)
    kinds = np.zeros(len(unlike), np.uint8)
    found = np.flatnonzero(unlike)
    if not found.size:
        return kinds, 0
    kinds[found] = Change.CHANGED
    kinds[found[~words[0, found].any(axis=1)]] = Change.ZERO_TO_DATA
    kinds[found[~words[1, found].any(axis=1)]] = Change.DATA_TO_ZERO
    rows = sides.reshape(2, -1, SECTOR)
    return kinds, int(np.count_nonzero(rows[0, found] != rows[1, found]))
