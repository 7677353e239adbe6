"""The fields of two states and of their base: changed in A, in B, in both alike, in both differently."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.compare.terms import Outcome, Status

if TYPE_CHECKING:
    from collections.abc import Container, Iterable

    from vmsnap_gui.compare.fields import FieldComparison
    from vmsnap_gui.compare.noise import NoiseRule
    from vmsnap_gui.compare.status import FieldChange, SectionChange
    from vmsnap_gui.vmstate.fields import Field
    from vmsnap_gui.vmstate.sections import Section


@dataclass(frozen=True, slots=True)
class FieldOutcome:
    """What happened to a field since the base.

    Attributes:
        path: Its path; "" for the section as a whole, where a side does not have it.
        outcome: Where it changed.
        base, a, b: The field in each state; None where it is not there, or for a whole section.
        rule: The noise rule that names the change, or None.
        place: Where it begins in its section, to put fields of different states in order.
    """

    path: str
    outcome: Outcome
    base: Field | None = None
    a: Field | None = None
    b: Field | None = None
    rule: NoiseRule | None = None
    place: int = 0

    @property
    def status(self) -> Status:
        """Whether it counts as a difference, with the noise rules."""
        if self.outcome is Outcome.NONE:
            return Status.SAME
        return Status.CHANGED if self.rule is None else Status.SAME_WHEN_FILTERED

    @property
    def field(self) -> Field:
        """The field in B, else in A, else in the base; not for a whole section."""
        field = self.b or self.a or self.base
        assert field is not None
        return field


@dataclass(frozen=True, slots=True)
class SectionOutcome:
    """What happened to one section since the base.

    Attributes:
        name: The section's id string.
        instance_id: Unsigned.
        fields: Those that changed, in stream order; a single one with an empty path stands for the whole section.
        base_a: What became of it from the base to A; None where neither has it.
        base_b: From the base to B.
        a_b: From A to B.
    """

    name: str
    instance_id: int
    fields: tuple[FieldOutcome, ...]
    base_a: SectionChange | None = None
    base_b: SectionChange | None = None
    a_b: SectionChange | None = None

    @property
    def key(self) -> str:
        """The section's name for people; see SectionChange."""
        return self.name if self.instance_id == 0 else f"{self.name}:{self.instance_id}"

    @property
    def sections(self) -> tuple[Section | None, Section | None, Section | None]:
        """The section in the base, in A and in B."""
        base, a, b = None, None, None
        if self.base_a is not None:
            base, a = self.base_a.a, self.base_a.b
        if self.base_b is not None:
            base, b = self.base_b.a, self.base_b.b
        return base, a, b

    @property
    def whole(self) -> Outcome:
        """What happened to it as a whole; NONE where its fields tell it."""
        return self.fields[0].outcome if self.fields and not self.fields[0].path else Outcome.NONE

    @property
    def status(self) -> Status:
        """Whether it counts as a difference, with the noise rules."""
        if self.differences:
            return Status.CHANGED
        return Status.SAME_WHEN_FILTERED if self.fields else Status.SAME

    @property
    def differences(self) -> int:
        """How many fields changed, with the noise rules."""
        return sum(one.rule is None for one in self.fields)

    @property
    def counts(self) -> tuple[int, ...]:
        """How many fields became what, by Outcome, with the noise rules."""
        counted = Counter(one.outcome for one in self.fields if one.rule is None)
        return tuple(counted[outcome] for outcome in Outcome)

    @property
    def problem(self) -> str | None:
        """Why this is not the whole truth, or None."""
        changes = (self.base_a, self.base_b, self.a_b)
        return next((one.problem for one in changes if one is not None and one.problem), None)


def three_way_fields(
    base_a: FieldComparison, base_b: FieldComparison, a_b: FieldComparison
) -> tuple[SectionOutcome, ...]:
    """Put three comparisons together: all sections, in the base's order, then those that only A or B has.

    Args:
        base_a: The base with A.
        base_b: The base with B.
        a_b: A with B.
    """
    found = [_by_key(one.sections) for one in (base_a, base_b, a_b)]
    sections = []
    for key in dict.fromkeys((*found[0], *found[1])):
        changes = [one.get(key) for one in found]
        sections.append(SectionOutcome(key[0], key[1], tuple(_outcomes(*changes)), *changes))
    return tuple(sections)


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
            path in deep or is_within(path, changes) for changes, deep in zip((mine, others, apart), below, strict=True)
        ]
        place = _place(ours, mine.get(path)) if path in mine else _place(theirs, others.get(path))
        found.append(_field(path, _outcome(*touched), mine.get(path), others.get(path), place))
    return sorted(found, key=lambda one: one.place)


def _place(section: SectionChange | None, change: FieldChange | None) -> int:
    """Return where a field begins in its section: in the base, or if it is not there in the other state."""
    assert section is not None
    assert change is not None
    field, inside = (change.a, section.a) if change.a is not None else (change.b, section.b)
    return (field.offset if field is not None else 0) - (inside.offset if inside is not None else 0)


def _touched(section: SectionChange | None) -> bool:
    return section is not None and section.change.differs


def _outcome(in_a: bool, in_b: bool, apart: bool) -> Outcome:
    if in_a and in_b:
        return Outcome.DIFFERENTLY if apart else Outcome.ALIKE
    return Outcome.IN_A if in_a else Outcome.IN_B


def _field(
    path: str, outcome: Outcome, ours: FieldChange | None, theirs: FieldChange | None, place: int
) -> FieldOutcome:
    known = ours or theirs
    assert known is not None
    base = known.a
    rules = {change.rule for change in (ours, theirs) if change is not None}
    rule = rules.pop() if len(rules) == 1 else None
    a, b = (change.b if change is not None else base for change in (ours, theirs))
    return FieldOutcome(path, outcome, base, a, b, rule, place)


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


def is_within(path: str, changed: Container[str]) -> bool:
    """Whether a container above `path` changed as a whole."""
    while path := _parent(path):
        if path in changed:
            return True
    return False
