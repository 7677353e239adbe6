"""Ranges of bytes or of pages as arrays: cut, joined, merged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.compare.errors import CompareError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray


MOST_RANGES = 1 << 24
"""The most ranges that are collected: 272 MiB."""


@dataclass(frozen=True, slots=True, eq=False)
class Ranges:
    """`n` ranges, ascending and apart.

    Attributes:
        starts: int64[n], where each begins.
        lengths: int64[n].
        kinds: uint8[n], what each is; the meaning is the maker's.
    """

    starts: NDArray[np.int64]
    lengths: NDArray[np.int64]
    kinds: NDArray[np.uint8]

    @classmethod
    def none(cls) -> Ranges:
        """Return no ranges."""
        return cls(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8))

    @classmethod
    def one(cls, start: int, length: int, kind: int) -> Ranges:
        """Return a single range."""
        return cls(np.array([start], np.int64), np.array([length], np.int64), np.array([kind], np.uint8))

    @classmethod
    def of_units(cls, kinds: NDArray[np.uint8], start: int, unit: int) -> Ranges:
        """Return the ranges of like neighbours among units of `unit` bytes from `start` on; kind 0 is left out."""
        edges = np.flatnonzero(np.diff(kinds, prepend=np.uint8(0), append=np.uint8(0)))
        if not len(edges):
            return cls.none()
        firsts, ends = edges[:-1], edges[1:]
        wanted = kinds[firsts] != 0
        firsts, ends = firsts[wanted], ends[wanted]
        return cls((start + firsts * unit).astype(np.int64), ((ends - firsts) * unit).astype(np.int64), kinds[firsts])

    @classmethod
    def joined(cls, parts: Sequence[Ranges]) -> Ranges:
        """Return all ranges of some that do not overlap, in order; like ones that touch become one."""
        parts = [part for part in parts if len(part.starts)]
        if not parts:
            return cls.none()
        starts, lengths = (np.concatenate([getattr(p, name) for p in parts]) for name in ("starts", "lengths"))
        kinds = np.concatenate([part.kinds for part in parts])
        order = np.argsort(starts, kind="stable")
        starts, lengths, kinds = starts[order], lengths[order], kinds[order]
        ends = starts + lengths
        first = np.concatenate(([True], (starts[1:] != ends[:-1]) | (kinds[1:] != kinds[:-1])))
        last = np.concatenate((first[1:], [True]))
        return cls(starts[first], ends[last] - starts[first], kinds[first])

    def of(self, wanted: NDArray[np.bool_]) -> Ranges:
        """Return those that `wanted` says."""
        return Ranges(self.starts[wanted], self.lengths[wanted], self.kinds[wanted])

    def cut(self, end: int) -> Ranges:
        """Return what lies before `end`."""
        before = self.of(self.starts < end)
        return Ranges(before.starts, np.minimum(before.lengths, end - before.starts), before.kinds)

    def merged(self) -> NDArray[np.int64]:
        """Return rows (start, length) of what the ranges cover, whatever their kinds."""
        plain = Ranges.joined([Ranges(self.starts, self.lengths, np.zeros(len(self.starts), np.uint8))])
        return np.column_stack((plain.starts, plain.lengths))


class Parts:
    """Ranges in the making, bounded: a hostile table could tell of more than any memory holds."""

    def __init__(self) -> None:
        self._parts: list[Ranges] = []
        self._count = 0

    def add(self, part: Ranges) -> None:
        """Add ranges; CompareError where there are too many."""
        self._count += len(part.starts)
        if self._count > MOST_RANGES:
            raise CompareError(f"the disks differ in more than {MOST_RANGES:,} places")
        if len(part.starts):
            self._parts.append(part)

    def joined(self) -> Ranges:
        """Return them all; see Ranges.joined."""
        return Ranges.joined(self._parts)


def union(a: Ranges, b: Ranges) -> Ranges:
    """Return what either covers, as ranges of kind 1."""
    starts = np.concatenate((a.starts, b.starts))
    order = np.argsort(starts, kind="stable")
    starts = starts[order]
    if not len(starts):
        return Ranges.none()
    reach = np.maximum.accumulate(np.concatenate((a.starts + a.lengths, b.starts + b.lengths))[order])
    first = np.concatenate(([True], starts[1:] > reach[:-1]))
    last = np.concatenate((first[1:], [True]))
    return Ranges(starts[first], reach[last] - starts[first], np.ones(int(first.sum()), np.uint8))


def covered(ranges: Ranges, points: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Tell for each of `points` whether one of the ranges holds it."""
    if not len(ranges.starts):
        return np.zeros(len(points), np.bool_)
    which = np.searchsorted(ranges.starts, points, "right") - 1
    inside: NDArray[np.bool_] = (which >= 0) & (points < (ranges.starts + ranges.lengths)[which])
    return inside
