"""Reading the pages of two states side by side, as they lie in their streams.

Pages that follow each other at the same distance in both streams are read by one read a side and compared in place,
record headers and all; this is memory speed. Others are gathered a few at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.compare.change import Change
from vmsnap_gui.image.places import file_places, same_file
from vmsnap_gui.vmstate.ram import MISSING

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from vmsnap_gui.vmstate.ram import RamBlock, RamIndex

_BUFFER = 2 << 20
"""Bytes that are read of each side at once: each call has a price, and what was read should still be in the cache."""

_SHORT = 8
"""Runs below this many pages are gathered: each read has a price."""


class PageReader:
    """Compares pages that only their bytes can tell apart."""

    def __init__(self, a: RamIndex, b: RamIndex, report: Callable[[int], None]) -> None:
        self._a, self._b = a, b
        self._size = a.page_size
        self._report = report
        self._one_file = same_file(a.view, b.view)
        words = (_BUFFER + 3 * self._size) // 8
        self._raw = np.empty(words, np.uint64), np.empty(words, np.uint64)
        self._unlike = np.empty(words, np.bool_)

    def in_one_place(self, ours: NDArray[np.int64], theirs: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which pages lie at the same place of one file, and so are equal."""
        result = np.zeros(len(ours), np.bool_)
        both = np.flatnonzero((ours > MISSING) & (theirs > MISSING)) if self._one_file else ()
        if len(both):
            first = file_places(self._a.view, ours[both], self._size)
            second = file_places(self._b.view, theirs[both], self._size)
            result[both] = (first == second) & (first >= 0)
        return result

    def compare(
        self,
        a: RamBlock,
        b: RamBlock,
        first: int,
        pages: NDArray[np.intp],
        changes: NDArray[np.uint8],
        counts: NDArray[np.uint32],
    ) -> None:
        """Compare pages of two blocks.

        Args:
            a: A's block.
            b: B's.
            first: The page that `pages`, `changes` and `counts` count from.
            pages: Which ones, ascending.
            changes: Where a Change goes for each page.
            counts: Where the number of differing bytes goes.
        """
        ours, theirs = a.locations[first + pages], b.locations[first + pages]
        step = np.diff(ours)
        # A run is at the same distance from page to page on both sides, in whole words, and close together.
        good = (step == np.diff(theirs)) & (step >= self._size) & (step <= 2 * self._size) & (step & 7 == 0)
        good &= (ours[1:] > MISSING) & (theirs[1:] > MISSING) & (ours[:-1] > MISSING) & (theirs[:-1] > MISSING)
        good[1:] &= (step[1:] == step[:-1]) | ~good[:-1]
        borders = np.flatnonzero(~good) + 1
        starts = np.concatenate(([0], borders))
        ends = np.concatenate((borders, [len(pages)]))
        long = ends - starts >= _SHORT
        for start, end in zip(starts[long].tolist(), ends[long].tolist(), strict=True):
            self._run(ours[start:end], theirs[start:end], pages[start:end], changes, counts)
        if not long.all():
            lone = np.repeat(~long, ends - starts)
            self._gathered(a, b, first, pages[lone], changes, counts)

    def _run(
        self,
        ours: NDArray[np.int64],
        theirs: NDArray[np.int64],
        pages: NDArray[np.intp],
        changes: NDArray[np.uint8],
        counts: NDArray[np.uint32],
    ) -> None:
        """Compare a run: read as it lies, in rows of one page and what follows it."""
        stride = int(ours[1] - ours[0])
        words, row = self._size // 8, stride // 8
        at_once = _BUFFER // stride
        for start in range(0, len(pages), at_once):
            count = min(at_once, len(pages) - start)
            length = ((count - 1) * row + words) * 8
            for index, buffer, place in ((self._a, self._raw[0], ours[start]), (self._b, self._raw[1], theirs[start])):
                index.view.readinto(int(place), buffer.view(np.uint8)[:length].data)
            first, second = (raw[: count * row].reshape(count, row)[:, :words] for raw in self._raw)
            unlike = self._unlike[: count * row].reshape(count, row)[:, :words]
            np.not_equal(first, second, out=unlike)
            found = np.flatnonzero(unlike.any(axis=1))
            if found.size:
                self._note(first[found], second[found], pages[start + found], changes, counts)
            self._report(count * self._size)

    def _gathered(
        self,
        a: RamBlock,
        b: RamBlock,
        first: int,
        pages: NDArray[np.intp],
        changes: NDArray[np.uint8],
        counts: NDArray[np.uint32],
    ) -> None:
        """Compare pages that lie anywhere."""
        at_once = max(1, _BUFFER // self._size)
        sides = np.empty((2, at_once, self._size), np.uint8)
        for start in range(0, len(pages), at_once):
            part = pages[start : start + at_once]
            ours, theirs = sides[0, : len(part)], sides[1, : len(part)]
            failed = self._a.read_pages(a, first + part, ours), self._b.read_pages(b, first + part, theirs)
            first_words, second_words = ours.view(np.uint64), theirs.view(np.uint64)
            found = np.flatnonzero((first_words != second_words).any(axis=1))
            self._note(first_words[found], second_words[found], part[found], changes, counts)
            for rows in failed:
                changes[part[rows]] = Change.UNREADABLE
                counts[part[rows]] = 0
            self._report(len(part) * self._size)

    def _note(
        self,
        first: NDArray[np.uint64],
        second: NDArray[np.uint64],
        pages: NDArray[np.intp],
        changes: NDArray[np.uint8],
        counts: NDArray[np.uint32],
    ) -> None:
        """Note what became of pages that differ."""
        kinds = np.full(len(pages), Change.CHANGED, np.uint8)
        kinds[~first.any(axis=1)] = Change.ZERO_TO_DATA
        kinds[~second.any(axis=1)] = Change.DATA_TO_ZERO
        changes[pages] = kinds
        counts[pages] = np.count_nonzero(first.view(np.uint8) != second.view(np.uint8), axis=1)
