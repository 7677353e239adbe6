"""Several occurrences of one struct in a stream, and what each describes, become one general description.

Fields that only some have may be there or not, subsections too. Where an earlier number was zero in those without
them, and in no other, that number is what they depend on; where it was the count of each array, it is the count.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.decoder import scalar_type
from vmsnap_gui.vmstate.description import Doubt, Pointers, VMStateDescription, VMStateField
from vmsnap_gui.vmstate.vmdesc import MAX_DEPTH

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vmsnap_gui.vmstate.description import Exists

_MARKERS = ("nullptr", "ptr-marker")
_LISTS = ("qtailq", "qlist")
_STRUCTS = ("struct", "vstruct", "tmp", *_LISTS)
_ANY = (1 << 32) - 1
_MAX_ELEMENTS = 64  # of one array that are looked at


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One struct (or device, or subsection) in a stream: its concrete description and its bytes."""

    description: VMStateDescription
    data: bytes
    position: int = 0

    def groups(self) -> Iterator[tuple[list[VMStateField], int]]:
        """Yield the parts of each array together, and each other field by itself, each with its position."""
        group: list[VMStateField] = []
        position = start = self.position
        for field in self.description.fields:
            if group and field.name != group[0].name:
                yield group, start
                group, start = [], position
            group.append(field)
            position += field.total
        if group:
            yield group, start

    def subsections(self) -> Iterator[Occurrence]:
        """Yield the subsections."""
        position = self.position + sum(field.total for field in self.description.fields)
        for subsection in self.description.subsections:
            start = position + subsection.framed_size - subsection.payload_size
            yield Occurrence(subsection, self.data, start)
            position += subsection.framed_size


@dataclass(frozen=True, slots=True)
class _Group:
    """The same field in one occurrence; `numbers` are the fields before it."""

    parts: list[VMStateField]
    position: int
    owner: Occurrence
    numbers: dict[str, int]

    @property
    def count(self) -> int:
        objects = sum(part.count for part in self.parts if part.type not in _MARKERS)
        total = sum(part.count for part in self.parts)
        return total - objects if any(part.type == "ptr-marker" for part in self.parts) else total

    def elements(self) -> Iterator[Occurrence]:
        """Yield the structs in it."""
        position = self.position
        for part in self.parts:
            if part.type in _LISTS:
                at = position
                for nested in part.nested:
                    yield Occurrence(nested, self.owner.data, at + 1)
                    at += 1 + nested.payload_size
            elif part.nested and part.type != "gtree":
                for number in range(min(part.count, _MAX_ELEMENTS)):
                    yield Occurrence(part.nested[0], self.owner.data, position + number * part.size)
            position += part.total


def merged(occurrences: Sequence[Occurrence], depth: int = 0) -> VMStateDescription:
    """Return the general description of structs of one name and version; of others only those like the first."""
    first = occurrences[0].description
    same = [
        one
        for one in occurrences
        if (one.description.name, one.description.version_id) == (first.name, first.version_id)
    ]
    order: list[str] = []
    found: dict[str, list[_Group]] = {}
    for one in same:
        _collect(one, order, found)
    subsections: dict[str, list[Occurrence]] = {}
    for one in same:
        for subsection in one.subsections():
            subsections.setdefault(subsection.description.name, []).append(subsection)
    is_deep = depth >= MAX_DEPTH  # cannot be: what was parsed is not deeper
    fields = () if is_deep else tuple(_field(found[name], same, depth) for name in order)
    newest, oldest = (first.version_id, first.version_id) if first.name else (_ANY, 0)  # hand-written: it is not told
    parts = tuple(merged(one, depth + 1) for one in subsections.values())
    return VMStateDescription(first.name, newest, fields, parts, oldest)


def _collect(one: Occurrence, order: list[str], found: dict[str, list[_Group]]) -> None:
    """Add the fields of one occurrence, new ones after those that they follow."""
    after = 0
    numbers: dict[str, int] = {}
    for parts, position in one.groups():
        name = parts[0].name
        if name not in found:
            order.insert(after, name)
            found[name] = []
        after = order.index(name, after if name in order[after:] else 0) + 1
        found[name].append(_Group(parts, position, one, dict(numbers)))
        scalar = scalar_type(parts[0].type)
        if scalar is not None and not parts[0].is_array and scalar.size == parts[0].size:
            numbers[name] = int(scalar.unpack(one.data, position)[0])


def _field(groups: list[_Group], owners: Sequence[Occurrence], depth: int) -> VMStateField:
    parts = [part for group in groups for part in group.parts]
    objects = [part for part in parts if part.type not in _MARKERS]
    first = objects[0] if objects else parts[0]
    pointers = Pointers.NONE
    if any(part.type == "ptr-marker" for part in parts):
        pointers = Pointers.MARKED
    elif len(objects) < len(parts):
        pointers = Pointers.NULLABLE
    inner = [element for group in groups for element in group.elements()] if first.type in _STRUCTS else []
    is_array = first.is_array or any(len(group.parts) > 1 for group in groups)
    counts = {group.count for group in groups}
    named = _name_of_count(groups, counts) if is_array else None
    numbered = scalar_type(first.type) is not None or bool(inner) or first.type in _LISTS
    maybe = len(groups) < len(owners)
    is_loose = named is None and (len(groups) == 1 or len(counts) > 1) if is_array else not numbered
    return VMStateField(
        first.name,
        first.type,
        first.size,
        max(counts) if is_array else 1,
        is_array,
        (merged(inner, depth + 1),) if inner else (),
        exists=_condition(groups, owners) if maybe else None,
        count_from=named,
        pointers=pointers if inner else Pointers.NONE,
        maybe=maybe,
        doubt=Doubt.FULL if is_loose else Doubt.NONE,
    )


def _name_of_count(groups: list[_Group], counts: set[int]) -> str | None:
    """Return the earlier field that was the count in each occurrence, where several counts were seen."""
    if len(counts) < 2:
        return None
    names = [name for name in groups[0].numbers if all(g.numbers.get(name) == g.count for g in groups)]
    return names[-1] if names else None


def _condition(groups: list[_Group], owners: Sequence[Occurrence]) -> Exists:
    """Return what a field that some have depends on: an earlier number, or else what most have."""
    having = {id(group.owner) for group in groups}
    without = [_numbers(one) for one in owners if id(one) not in having]
    for name in reversed(groups[0].numbers):
        there = [group.numbers.get(name) for group in groups]
        absent = [numbers.get(name) for numbers in without]
        if all(there) and not any(absent) and None not in absent:
            return lambda values, _: bool(values.get(name))
        if all(absent) and not any(there) and None not in there:
            return lambda values, _: not values.get(name)
    likely = 2 * len(groups) > len(owners)
    return lambda _values, _version: likely


def _numbers(one: Occurrence) -> dict[str, int]:
    found: dict[str, list[_Group]] = {}
    _collect(one, [], found)
    numbers: dict[str, int] = {}
    for name, (group, *_) in found.items():
        scalar = scalar_type(group.parts[0].type)
        if scalar is not None and not group.parts[0].is_array and scalar.size == group.parts[0].size:
            numbers[name] = int(scalar.unpack(one.data, group.position)[0])
    return numbers
