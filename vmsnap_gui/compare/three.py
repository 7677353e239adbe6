"""The memory and the disks of two states and of the one that both come from; outcomes.py has the fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.compare.ranges import Ranges, covered
from vmsnap_gui.compare.terms import Outcome

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vmsnap_gui.compare.disk import DiskComparison
    from vmsnap_gui.compare.ram import RamComparison


def three_way_pages(base_a: RamComparison, base_b: RamComparison, a_b: RamComparison) -> dict[str, NDArray[np.uint8]]:
    """Return for each RAM block an Outcome for each page, uint8."""
    names = dict.fromkeys(block.name for one in (base_a, base_b, a_b) for block in one.blocks)
    return {name: _pages(*(_changed(one, name) for one in (base_a, base_b, a_b))) for name in names}


def _changed(comparison: RamComparison, name: str) -> NDArray[np.bool_]:
    """Return which pages of a block changed; none where there is no such block."""
    for block in comparison.blocks:
        if block.name == name:
            changed: NDArray[np.bool_] = block.changes != 0
            return changed
    return np.zeros(0, np.bool_)


def _pages(*changes: NDArray[np.bool_]) -> NDArray[np.uint8]:
    longest = max(map(len, changes))
    return _arrays(*(np.pad(one, (0, longest - len(one))) for one in changes))


def _arrays(in_a: NDArray[np.bool_], in_b: NDArray[np.bool_], apart: NDArray[np.bool_]) -> NDArray[np.uint8]:
    result = in_a.astype(np.uint8) * Outcome.IN_A + in_b.astype(np.uint8) * Outcome.IN_B
    result[in_a & in_b & apart] = Outcome.DIFFERENTLY
    return result.astype(np.uint8)


def three_way_disk(base_a: DiskComparison, base_b: DiskComparison, a_b: DiskComparison) -> Ranges:
    """Return the ranges of a disk that changed since the base, with Outcome values as kinds."""
    sides = [one.ranges for one in (base_a, base_b, a_b)]
    edges = np.unique(np.concatenate([side for one in sides for side in (one.starts, one.starts + one.lengths)]))
    if len(edges) < 2:
        return Ranges.none()
    kinds = _arrays(*(covered(one, edges[:-1]) for one in sides))
    pieces = Ranges(edges[:-1], np.diff(edges), kinds)
    return Ranges.joined([pieces.of(kinds != Outcome.NONE)])
