"""The pages of a RAM block as points of a picture: how many pages a point stands for, and what it shows.

NumPy work for worker threads, in chunks; import this module there first (NumPy takes a while).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.vmstate.ram import PageState

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.ram import RamBlock, RamIndex

MOST = 1 << 18
"""The most points of a picture: 512 x 512."""
_CHUNK = 4 << 20
"""Bytes of pages whose entropy is computed at once."""


@dataclass(frozen=True, slots=True)
class BlockPages:
    """What the pages of a block are.

    Attributes:
        counts: How many there are of each PageState, by its value.
        bucket: How many pages one point of the picture stands for, a power of two.
        kinds: For each point the greatest PageState of its pages: one with data hides those without.
    """

    counts: tuple[int, ...]
    bucket: int
    kinds: NDArray[np.uint8]


def look_at_blocks(index: RamIndex, progress: Progress) -> list[BlockPages]:
    """Look at the pages of all blocks, in their order.

    Raises:
        Cancelled: by `progress`.
    """
    found = []
    for number, block in enumerate(index.blocks):
        progress(number, len(index.blocks))
        states = block.states()
        counts = np.bincount(states, minlength=len(PageState))
        bucket = bucket_of(block.pages)
        found.append(BlockPages(tuple(int(count) for count in counts[:4]), bucket, cells(states, bucket)))
    progress(len(index.blocks), len(index.blocks))
    return found


def bucket_of(pages: int) -> int:
    """Return how many pages a point must stand for, so that there are at most `MOST`."""
    bucket = 1
    while -(-pages // bucket) > MOST:
        bucket *= 2
    return bucket


def columns_for(points: int, width: float, height: float) -> int:
    """Return in how many columns (a power of two, so that rows begin at round offsets) the points look square."""
    best, least = 1, math.inf
    columns = 1
    while columns < 2 * points:
        rows = -(-points // columns)
        # How far from square a point is, plus what the last, unfinished row wastes.
        wrong = abs(math.log((width / columns) / (height / rows))) if width > 0 and height > 0 else 0.0
        if wrong < least:
            best, least = columns, wrong
        columns *= 2
    return best


def fill_entropy(
    index: RamIndex, block: RamBlock, bucket: int, points: NDArray[np.float32], progress: Progress
) -> None:
    """Fill `points` with the mean entropy (bits per byte, 0 to 8) of the pages with data of each point.

    Points without such pages get 0. It may be read while it is being filled: what is not known yet is NaN.

    Raises:
        ImageError, StreamError: a page cannot be read.
        Cancelled: by `progress`.
    """
    step = max(1, _CHUNK // index.page_size // bucket)  # points
    for first in range(0, len(points), step):
        progress(first * bucket * index.page_size, block.length)
        last = min(first + step, len(points))
        start, stop = first * bucket, min(last * bucket, block.pages)
        bits = _entropy(index, block, start, stop)
        stored = block.stored(start, stop - start)
        missing = (last - first) * bucket - len(bits)
        bits = np.pad(bits * stored, (0, missing)).reshape(-1, bucket)
        count = np.pad(stored, (0, missing)).reshape(-1, bucket).sum(axis=1)
        points[first:last] = bits.sum(axis=1) / np.maximum(count, 1)
    progress(block.length, block.length)


def _entropy(index: RamIndex, block: RamBlock, start: int, stop: int) -> NDArray[np.float32]:
    """Return the entropy of pages; where a point stands for very many, not all at once."""
    step = max(1, _CHUNK // index.page_size)
    parts = [index.entropy(block, first, min(step, stop - first)) for first in range(start, stop, step)]
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def cells(states: NDArray[np.uint8], bucket: int) -> NDArray[np.uint8]:
    """Return the greatest state of each `bucket` pages: the points of a picture."""
    if bucket == 1:
        return states
    points = -(-len(states) // bucket)
    padded = np.zeros(points * bucket, np.uint8)
    padded[: len(states)] = states
    kinds: NDArray[np.uint8] = padded.reshape(points, bucket).max(axis=1)
    return kinds
