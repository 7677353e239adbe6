"""Several occurrences of one struct in streams, and what each describes, become one general description.

Fields that only some have may be there or not, subsections too. Where an earlier number was zero in those without
them, and in no other, that number is what they depend on; where it was the count of each array, it is the count.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.description import Doubt, Pointers, VMStateDescription, VMStateField
from vmsnap_gui.vmstate.fields import Kind
from vmsnap_gui.vmstate.scalars import scalar_type

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vmsnap_gui.vmstate.description import Exists

_MARKERS = ("nullptr", "ptr-marker")
_LISTS = ("qtailq", "qlist")
_STRUCTS = ("struct", "vstruct", "tmp", *_LISTS)
_ANY = (1 << 32) - 1
_MOST = 50_000  # structs that are looked at for one description
_NEAR = 64  # numbers before a field that it may depend on


@dataclass(frozen=True, slots=True)
class Occurrence:
    """One struct (or device, or subsection) in a stream: its concrete description, and where its bytes are."""

    description: VMStateDescription
    data: bytes
    position: int = 0


@dataclass(slots=True)
class _Group:
    """The same field in one occurrence, the parts of an array together; `before` is how many numbers come before."""

    owner: _Read
    position: int
    before: int
    parts: list[VMStateField] = field(default_factory=list)

    @property
    def count(self) -> int:
        objects = sum(part.count for part in self.parts if part.type not in _MARKERS)
        total = sum(part.count for part in self.parts)
        return total - objects if any(part.type == "ptr-marker" for part in self.parts) else total

    def number(self, name: str) -> int | None:
        """Return the value of an earlier field."""
        at, value = self.owner.numbers.get(name, (self.before, 0))
        return value if at < self.before else None

    def elements(self) -> Iterator[Occurrence]:
        """Yield the structs in it; of those without bytes one."""
        data, position = self.owner.occurrence.data, self.position
        for part in self.parts:
            if part.type in _LISTS:
                at = position
                for nested in part.nested:
                    yield Occurrence(nested, data, at + 1)
                    at += 1 + nested.payload_size
            elif part.nested and part.type != "gtree":
                for number in range(part.count if part.size else min(part.count, 1)):
                    yield Occurrence(part.nested[0], data, position + number * part.size)
            position += part.total


class _Read:
    """The fields of one occurrence by name, and its numbers: their position among each other, and value."""

    def __init__(self, occurrence: Occurrence) -> None:
        self.occurrence = occurrence
        self.groups: dict[str, _Group] = {}
        self.numbers: dict[str, tuple[int, int]] = {}
        self.names: list[str] = []
        position, last = occurrence.position, None
        for part in occurrence.description.fields:
            if part.name != last:
                last = part.name
                self._remember(last, position)
                self.groups[last] = _Group(self, position, len(self.names))
            self.groups[part.name].parts.append(part)
            position += part.total
        self.end = position

    def _remember(self, name: str, position: int) -> None:
        """Keep the number that stands before the field `name`, if the field before that is one."""
        before = next(reversed(self.groups.values()), None)
        if before is None:
            return
        part, data = before.parts[0], self.occurrence.data
        scalar = scalar_type(part.type)
        whole = scalar is not None and scalar.size == part.size and not part.is_array and position <= len(data)
        if scalar is not None and scalar.kind is not Kind.FLOAT and whole and part.name not in self.numbers:
            self.numbers[part.name] = (len(self.names), int(scalar.unpack(data, before.position)[0]))
            self.names.append(part.name)

    def subsections(self) -> Iterator[Occurrence]:
        position = self.end
        for subsection in self.occurrence.description.subsections:
            start = position + subsection.framed_size - subsection.payload_size
            yield Occurrence(subsection, self.occurrence.data, start)
            position += subsection.framed_size


def merged(occurrences: Sequence[Occurrence]) -> VMStateDescription:
    """Return the general description of what occurs in streams; of several names or versions, that of the first."""
    return _Merger().description(occurrences)


class _Merger:
    def __init__(self) -> None:
        self._left = _MOST

    def description(self, occurrences: Sequence[Occurrence]) -> VMStateDescription:
        first = occurrences[0].description
        kind = (first.name, first.version_id)
        same = [one for one in occurrences if (one.description.name, one.description.version_id) == kind]
        same = same[: max(1, self._left)]
        self._left -= len(same)
        reads = [_Read(one) for one in same]
        subsections: dict[str, list[Occurrence]] = {}
        for read in reads:
            for subsection in read.subsections():
                subsections.setdefault(subsection.description.name, []).append(subsection)
        # hand-written code has neither a name nor a version there
        newest, oldest = (first.version_id, first.version_id) if first.name else (_ANY, 0)
        fields = tuple(self._field(name, reads) for name in _order(reads))
        return VMStateDescription(
            first.name, newest, fields, tuple(self.description(one) for one in subsections.values()), oldest
        )

    def _field(self, name: str, reads: Sequence[_Read]) -> VMStateField:
        groups = [read.groups[name] for read in reads if name in read.groups]
        parts = [part for group in groups for part in group.parts]
        objects = [part for part in parts if part.type not in _MARKERS]
        first = objects[0] if objects else parts[0]
        inner = self._elements(groups) if first.type in _STRUCTS else []
        is_array = first.is_array or any(len(group.parts) > 1 for group in groups)
        counts = {group.count for group in groups}
        named = _name_of_count(groups, counts) if is_array else None
        is_known = scalar_type(first.type) is not None or bool(inner) or first.type in _LISTS
        is_open = named is None and (len(groups) == 1 or len(counts) > 1) if is_array else not is_known
        is_open = is_open and first.type not in _MARKERS  # what the pointers point to was not seen
        nested: tuple[VMStateDescription, ...] = (self.description(inner),) if inner else ()
        is_list = bool(nested) and first.type in _LISTS  # whose version is that of its elements
        exists = _condition(name, reads) if len(groups) < len(reads) else None
        return VMStateField(
            first.name,
            first.type,
            first.size,
            max(counts) if is_array else 1,
            is_array,
            nested,
            nested[0].version_id if is_list else 0,
            (lambda *_: True) if is_list and exists is None else exists,
            count_from=named,
            pointers=_pointers(parts) if inner else Pointers.NONE,
            maybe=len(groups) < len(reads),
            doubt=Doubt.FULL if is_open else Doubt.NONE,
        )

    def _elements(self, groups: Sequence[_Group]) -> list[Occurrence]:
        found = []
        for group in groups:
            for element in group.elements():
                found.append(element)
                if len(found) > self._left:
                    return found
        return found


def _order(reads: Sequence[_Read]) -> list[str]:
    """Return the names of all fields: those that only some have after what they follow there."""
    following: dict[str | None, str | None] = {None: None}
    for read in reads:
        last = None
        for name in read.groups:
            if name not in following:
                following[name], following[last] = following[last], name
            last = name
    order, here = [], following[None]
    while here is not None:
        order.append(here)
        here = following[here]
    return order


def _pointers(parts: Sequence[VMStateField]) -> Pointers:
    types = {part.type for part in parts}
    if "ptr-marker" in types:
        return Pointers.MARKED
    return Pointers.NULLABLE if "nullptr" in types else Pointers.NONE


def _names_before(group: _Group) -> list[str]:
    """Return the numbers before a field, the nearest first."""
    return group.owner.names[max(0, group.before - _NEAR) : group.before][::-1]


def _name_of_count(groups: Sequence[_Group], counts: set[int]) -> str | None:
    """Return the earlier field that was the count in each occurrence, where several counts were seen."""
    if len(counts) < 2:
        return None
    names = _names_before(groups[0])
    return next((name for name in names if all(group.number(name) == group.count for group in groups)), None)


def _condition(name: str, reads: Sequence[_Read]) -> Exists:
    """Return what a field that some have depends on: an earlier number, or else what most have."""
    having = [read.groups[name] for read in reads if name in read.groups]
    without = [read for read in reads if name not in read.groups]
    for number in _names_before(having[0]):
        there = [group.number(number) for group in having]
        absent = [read.numbers[number][1] if number in read.numbers else None for read in without]
        if None in there or None in absent:
            continue
        if all(there) and not any(absent):
            return _where(number, is_zero=False)
        if all(absent) and not any(there):
            return _where(number, is_zero=True)
    likely = len(having) > len(without)
    return lambda _values, _version: likely


def _where(number: str, *, is_zero: bool) -> Exists:
    return lambda values, _version: (not values.get(number)) == is_zero
