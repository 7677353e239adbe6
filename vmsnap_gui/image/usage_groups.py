"""Who uses each cluster of a qcow2 file: sets of owners as numbers, and counters for a window of clusters."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.image.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_MAX_BYTES = 64 << 20
"""What all sets together may take: enough for those of 1,000 snapshots that were taken one after the other."""

WINDOW = 4 << 20
"""Clusters to a window; 12 bytes each."""

_SET_BYTES = 120
"""About what Python takes for a small set and its place in a dictionary."""


class Part(IntEnum):
    """What an owner uses a cluster for."""

    DISK = 0
    VM_STATE = 1
    TABLES = 2


OTHER, METADATA = 1, 2
"""Owners beside the layers: references that nothing explains, and what belongs to the image as a whole."""

_FIRST = 2
_PARTS = len(Part)


def bit(owner: int, part: Part) -> int:
    """Return the set of one use: owner 0 is the active layer, n the n-th snapshot."""
    return 1 << _FIRST + _PARTS * owner + part


def owner_bits(owner: int) -> int:
    """Return the set of all uses of an owner."""
    return (1 << _PARTS) - 1 << _FIRST + _PARTS * owner


def uses(group: int) -> list[tuple[int, Part]]:
    """Return owner and part of each use in a set, in order; OTHER and METADATA are left out."""
    found, rest = [], group >> _FIRST
    while rest:
        low = (rest & -rest).bit_length() - 1
        found.append((low // _PARTS, Part(low % _PARTS)))
        rest &= rest - 1
    return found


class Groups:
    """Sets of uses (bits of an integer), each with a small number; 0 is the empty set.

    Attributes:
        sets: The sets by their numbers.
    """

    def __init__(self) -> None:
        self.sets = [0]
        self._numbers = {0: 0}
        self._bytes = 0

    def number(self, group: int) -> int:
        """Return the number of a set; raises ImageError where there are more than any real image has."""
        known = self._numbers.get(group)
        if known is None:
            known = self._numbers[group] = len(self.sets)
            self.sets.append(group)
            self._bytes += _SET_BYTES + group.bit_length() // 8
            if self._bytes > _MAX_BYTES:
                raise ImageError("its snapshots share clusters in more ways than can be counted")
        return known

    def joined(self, numbers: NDArray[np.int32], group: int) -> NDArray[np.int32]:
        """Return the numbers of sets after another set was added to each."""
        old, which = np.unique(numbers, return_inverse=True)
        new = [self.number(self.sets[number] | group) for number in old.tolist()]
        return np.array(new, np.int32)[which]


class Window:
    """Counters for the clusters of a stretch of the file.

    Attributes:
        low, high: The first cluster, and the first after the last.
        groups: int32: the number of the set of who uses a cluster.
        references: int64: how often it is referred to.
        beyond: How many uses are of clusters from `end` on, which have no refcount.
    """

    def __init__(self, low: int, end: int, groups: Groups) -> None:
        """Begin at `low`; all refcounts end at `end`."""
        self.low, self.high = low, min(low + WINDOW, end)
        self.beyond = 0
        self._end = end
        self.groups = np.zeros(self.high - low, np.int32)
        self.references = np.zeros(self.high - low, np.int64)
        self._known = groups

    def add(self, clusters: NDArray[np.int64], group: int, times: int = 1) -> None:
        """Count that clusters are used, each one as often as it stands there; those outside are left out."""
        self.beyond += int(np.count_nonzero(clusters >= self._end))
        inside = clusters[(clusters >= self.low) & (clusters < self.high)] - self.low
        if len(inside):
            which, counts = np.unique(inside, return_counts=True)
            self.references[which] += counts * times
            self.groups[which] = self._known.joined(self.groups[which], group)

    def close(self, refcounts: NDArray[np.uint64]) -> tuple[NDArray[np.int64], int]:
        """Compare with the refcounts; references that nothing explains become those of OTHER.

        Returns:
            How many clusters in use each set has, by its number; how many have a refcount that is too low.
        """
        references = self.references.astype(np.uint64)
        more = refcounts > references
        self.groups[more] = self._known.joined(self.groups[more], OTHER)
        found = np.bincount(self.groups[refcounts > 0], minlength=len(self._known.sets))
        return found, int(np.count_nonzero(refcounts < references))
