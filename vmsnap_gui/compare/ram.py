"""The memory of two states, page by page, at the speed of reading it.

Blocks match by name. Most pages are told apart by their locations alone (one byte repeated, the same place in the
file); the others are read in runs as they lie in the streams and compared there, without being put in order first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.compare.change import Change
from vmsnap_gui.compare.errors import CompareError
from vmsnap_gui.compare.explain import changed_ranges
from vmsnap_gui.compare.page_runs import PageReader
from vmsnap_gui.vmstate.ram import MISSING, SPECIAL

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.ram import RamBlock, RamIndex

_PAGES_AT_ONCE = 1 << 17
"""Pages whose locations are looked at in one go: 1 MiB of locations a side."""


@dataclass(frozen=True, slots=True, eq=False)
class BlockComparison:
    """The pages of the blocks of one name.

    Attributes:
        name: QEMU's id of the block.
        a: The block in A, or None.
        b: The block in B, or None.
        changes: uint8, a Change for each page of the longer block.
        bytes_changed: uint32, how many bytes of each page differ; 0 where the page is on one side only.
    """

    name: str
    a: RamBlock | None
    b: RamBlock | None
    changes: NDArray[np.uint8]
    bytes_changed: NDArray[np.uint32]

    @property
    def pages(self) -> int:
        """Pages of the longer block."""
        return len(self.changes)

    def count(self, change: Change) -> int:
        """Return how many pages this became of."""
        return int(np.count_nonzero(self.changes == change))

    @property
    def differing(self) -> int:
        """How many pages are not the same."""
        return int(np.count_nonzero(self.changes))

    def differing_pages(self) -> NDArray[np.int64]:
        """Return the numbers of the pages that are not the same, ascending."""
        return np.flatnonzero(self.changes).astype(np.int64)

    def ranges(self) -> NDArray[np.int64]:
        """Return the pages that are not the same as rows (first page, count)."""
        unlike = np.zeros(self.pages + 2, np.bool_)
        unlike[1:-1] = self.changes != Change.SAME
        edges = np.flatnonzero(unlike[1:] != unlike[:-1])
        return np.column_stack((edges[::2], edges[1::2] - edges[::2])).astype(np.int64)


@dataclass(frozen=True, slots=True, eq=False)
class RamComparison:
    """The memory of two states.

    Attributes:
        page_size: In bytes.
        blocks: In A's order; those of B alone at the end.
        problems: Why pages may be missing on a side, as sentences.
    """

    page_size: int
    blocks: tuple[BlockComparison, ...]
    problems: tuple[str, ...] = ()

    @property
    def pages_changed(self) -> int:
        """How many pages are not the same."""
        return sum(block.differing for block in self.blocks)

    @property
    def bytes_changed(self) -> int:
        """How many bytes differ in pages that both sides have."""
        return sum(int(block.bytes_changed.sum(dtype=np.int64)) for block in self.blocks)


@dataclass(frozen=True, slots=True)
class PageBytes:
    """A page of both sides.

    Attributes:
        a, b: Its bytes; None where the side does not have it.
        ranges: (first byte, count) of what differs.
    """

    a: bytes | None
    b: bytes | None
    ranges: tuple[tuple[int, int], ...]


def compare_ram(a: RamIndex, b: RamIndex, progress: Progress | None = None) -> RamComparison:
    """Compare all blocks of two states.

    Memory: 5 bytes for each page beside the indexes, and a few MiB.

    Args:
        a: One state's memory.
        b: The other's.
        progress: Called now and then with bytes of memory; may raise Cancelled.

    Raises:
        CompareError: the states have pages of different sizes.
        ImageError: a file cannot be read.
    """
    if a.page_size != b.page_size and a.blocks and b.blocks:
        raise CompareError(f"their memory has pages of {a.page_size} and of {b.page_size} bytes")
    work = _Work(a, b, progress)
    theirs = {block.name: block for block in b.blocks}
    blocks = [work.block(block.name, block, theirs.pop(block.name, None)) for block in a.blocks]
    blocks += [work.block(block.name, None, block) for block in theirs.values()]
    problems = [f"the memory of {side} is not complete: {index.problem}" for side, index in (("A", a), ("B", b))
                if index.problem is not None]  # fmt: skip
    return RamComparison(a.page_size if a.blocks else b.page_size, tuple(blocks), tuple(problems))


def page_bytes(a: RamIndex, b: RamIndex, block: BlockComparison, page: int) -> PageBytes:
    """Return one page of both sides with what differs; raises StreamError or ImageError where it cannot be read."""
    ours, theirs = _page(a, block.a, page), _page(b, block.b, page)
    ranges = changed_ranges(ours, theirs)[0] if ours is not None and theirs is not None else ()
    return PageBytes(ours, theirs, ranges)


def _page(index: RamIndex, block: RamBlock | None, page: int) -> bytes | None:
    if block is None or page >= block.pages or block.locations[page] == MISSING:
        return None
    start = page * index.page_size
    return index.read(block, start, min(index.page_size, block.length - start))


class _Work:
    """One comparison under way."""

    def __init__(self, a: RamIndex, b: RamIndex, progress: Progress | None) -> None:
        self._progress = progress
        self._size = a.page_size if a.blocks else b.page_size
        lengths: dict[str, int] = {}
        for block in (*a.blocks, *b.blocks):
            lengths[block.name] = max(lengths.get(block.name, 0), block.length)
        self._total, self._done = sum(lengths.values()), 0
        self._reader = PageReader(a, b, self._report)
        self._one_stream = a.view is b.view

    def block(self, name: str, a: RamBlock | None, b: RamBlock | None) -> BlockComparison:
        """Compare the blocks of one name."""
        pages = max(block.pages for block in (a, b) if block is not None)
        changes = np.zeros(pages, np.uint8)
        counts = np.zeros(pages, np.uint32)
        common = min(a.pages, b.pages) if a is not None and b is not None else 0
        if a is not None and b is not None:
            for first in range(0, common, _PAGES_AT_ONCE):
                part = slice(first, min(first + _PAGES_AT_ONCE, common))
                self._part(a, b, first, changes[part], counts[part])
        for block, change in ((a, Change.ONLY_A), (b, Change.ONLY_B)):
            if block is not None and block.pages > common:
                changes[common : block.pages] = np.where(block.locations[common:] == MISSING, Change.SAME, change)
        self._report((pages - common) * self._size)
        return BlockComparison(name, a, b, changes, counts)

    def _part(
        self, a: RamBlock, b: RamBlock, first: int, changes: NDArray[np.uint8], counts: NDArray[np.uint32]
    ) -> None:
        """Compare the pages from `first` on that `changes` has room for."""
        ours = a.locations[first : first + len(changes)]
        theirs = b.locations[first : first + len(changes)]
        changes[(ours == MISSING) & (theirs != MISSING)] = Change.ONLY_B
        changes[(ours != MISSING) & (theirs == MISSING)] = Change.ONLY_A
        open_ = (ours != MISSING) & (theirs != MISSING)
        # A fill byte is the whole content; so is a place in the stream, where both are one stream.
        fills = (ours < MISSING) & (ours > SPECIAL)
        open_ &= ~((ours == theirs) & (fills | self._one_stream))
        if open_.any() and not self._one_stream:
            open_ &= ~self._reader.in_one_place(ours, theirs)
        pages = np.flatnonzero(open_)
        self._report((len(changes) - len(pages)) * self._size)
        if pages.size:
            self._reader.compare(a, b, first, pages, changes, counts)

    def _report(self, size: int) -> None:
        self._done += size
        if self._progress is not None:
            self._progress(self._done, self._total)
