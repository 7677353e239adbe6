"""Two states and the one that both come from: what changed in A, in B, in both alike, in both differently."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.compare.ranges import Ranges, covered

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from numpy.typing import NDArray

    from vmsnap_gui.compare.disk import DiskComparison
    from vmsnap_gui.compare.fields import FieldComparison
    from vmsnap_gui.compare.noise import NoiseRule
    from vmsnap_gui.compare.ram import RamComparison
    from vmsnap_gui.compare.status import FieldChange, SectionChange
    from vmsnap_gui.vmstate.fields import Field


class Outcome(enum.IntEnum):
    """What happened to a field, a page or a range since the base."""

    NONE = 0
    IN_A = 1
    IN_B = 2
    ALIKE = 3
    DIFFERENTLY = 4

    @property
    def word(self) -> str:
        """The name that JSON and reports use."""
        return ("same", "in_a", "in_b", "both_alike", "both_differently")[self]


@dataclass(frozen=True, slots=True)
class FieldOutcome:
    """A field that changed since the base.

    Attributes:
        path: Its path; "" for the section as a whole, where a side does not have it.
        outcome: Where it changed.
        base, a, b: The field in each state; None where it is not there, or for a whole section.
        rule: The noise rule that names the change, or None.
    """

    path: str
    outcome: Outcome
    base: Field | None = None
    a: Field | None = None
    b: Field | None = None
    rule: NoiseRule | None = None


@dataclass(frozen=True, slots=True)
class SectionOutcome:
    """The fields of one section that changed since the base.

    Attributes:
        name, instance_id: The section's.
        fields: What changed.
        number: How many sections of that name and instance id stand before it.
    """

    name: str
    instance_id: int
    fields: tuple[FieldOutcome, ...]
    number: int = 0


def three_way_fields(
    base_a: FieldComparison, base_b: FieldComparison, a_b: FieldComparison
) -> tuple[SectionOutcome, ...]:
    """Put three comparisons together; sections without any change are left out.

    Args:
        base_a: The base with A.
        base_b: The base with B.
        a_b: A with B.
    """
    ours, theirs, between = (_by_key(one.sections) for one in (base_a, base_b, a_b))
    found = []
    for key in dict.fromkeys((*ours, *theirs)):
        fields = _outcomes(ours.get(key), theirs.get(key), between.get(key))
        if fields:
            found.append(SectionOutcome(key[0], key[1], tuple(fields), key[2]))
    return tuple(found)


def _by_key(sections: Iterable[SectionChange]) -> dict[tuple[str, int, int], SectionChange]:
    found: dict[tuple[str, int, int], SectionChange] = {}
    for section in sections:
        number = 0
        while (section.name, section.instance_id, number) in found:
            number += 1
        found[section.name, section.instance_id, number] = section
    return found


def _outcomes(
    ours: SectionChange | None, theirs: SectionChange | None, between: SectionChange | None
) -> list[FieldOutcome]:
    whole = [one is not None and one.change.differs and not one.fields for one in (ours, theirs, between)]
    if whole[0] or whole[1]:
        return [FieldOutcome("", _outcome(_touched(ours), _touched(theirs), _touched(between)))]
    sides = (ours, theirs, between)
    mine, others, apart = ({c.path: c for c in one.fields} if one is not None else {} for one in sides)
    below = [_with_above(changes) for changes in (mine, others, apart)]
    found = []
    for path in dict.fromkeys((*mine, *others)):
        # A container that one side lost is also a change of what the other side changed in it.
        touched = [
            path in deep or _is_within(path, changes)
            for changes, deep in zip((mine, others, apart), below, strict=True)
        ]
        found.append(_field(path, _outcome(*touched), mine.get(path), others.get(path)))
    return found


def _touched(section: SectionChange | None) -> bool:
    return section is not None and section.change.differs


def _outcome(in_a: bool, in_b: bool, apart: bool) -> Outcome:
    if in_a and in_b:
        return Outcome.DIFFERENTLY if apart else Outcome.ALIKE
    return Outcome.IN_A if in_a else Outcome.IN_B


def _field(path: str, outcome: Outcome, ours: FieldChange | None, theirs: FieldChange | None) -> FieldOutcome:
    known = ours or theirs
    assert known is not None
    base = known.a
    rules = {change.rule for change in (ours, theirs) if change is not None}
    rule = rules.pop() if len(rules) == 1 else None
    a, b = (change.b if change is not None else base for change in (ours, theirs))
    return FieldOutcome(path, outcome, base, a, b, rule)


def _parent(path: str) -> str:
    return path[: max(path.rfind("."), path.rfind("["), 0)]


def _with_above(paths: Iterable[str]) -> set[str]:
    """Return the paths and those of all containers above them."""
    found: set[str] = set()
    for one in paths:
        path = one
        while path and path not in found:
            found.add(path)
            path = _parent(path)
    return found


def _is_within(path: str, changed: Container[str]) -> bool:
    """Whether a container above `path` changed as a whole."""
    while path := _parent(path):
        if path in changed:
            return True
    return False


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
