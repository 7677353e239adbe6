"""From a general description and a section's bytes to a concrete one, whose sizes and counts are all known.

The rules are those of QEMU's vmstate_load_state: a field is there when its test says so, or its version is not above
the stream's; a struct inside has its own description's version; subsections follow the fields, each at most once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.decoder import MARKED, scalar_type
from vmsnap_gui.vmstate.description import TEXT_LENGTHS, Pointers, VMStateDescription, VMStateField, field_names
from vmsnap_gui.vmstate.fields import Kind
from vmsnap_gui.vmstate.refusals import UnsupportedVersion, ValueMismatch
from vmsnap_gui.vmstate.wire import ShortRead, StreamError, text

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.description import Count, Values
    from vmsnap_gui.vmstate.fitting import Guide

_SUBSECTION = 0x05
_MAX_KEPT = 4096  # bytes of a buffer that a later field may ask about: a PCI configuration space is the largest
_MAX_EMPTY = 4096  # elements without bytes: the stream's length does not bound their number
_MAX_DEPTH = 48  # structs and subsections in each other; QEMU's deepest is below 10
_STRUCTS = ("struct", "vstruct", "tmp")
_LISTS = ("qtailq", "qlist", MARKED)
_NULL, _VALID = 0x30, 0x31  # VMS_MARKER_PTR_NULL and VMS_MARKER_PTR_VALID

_Found = tuple[list[VMStateField], dict[str, int | bytes], int]
"""The concrete fields that one field becomes, what later fields can ask about, and where it ends."""


def resolve(
    description: VMStateDescription,
    data: bytes,
    position: int,
    end: int,
    version: int,
    guide: Guide | None = None,
    *,
    budget: Budget | None = None,
    loading: bool = True,
    more: bool = False,
    present: Values | None = None,
) -> tuple[VMStateDescription, int]:
    """Fit a general description to the bytes from `position` on.

    Args:
        description: What the section can hold.
        data: Its bytes, and perhaps more.
        position: Where its payload starts.
        end: Where it ends at the latest.
        version: The stream's version of the section.
        guide: Decides what the description leaves open; without one it has what is likeliest.
        budget: Work that is left, for bytes that may be made to cost much; a guide has one of its own.
        loading: Whether post_load hooks are called: not by who only wants to know the layout.
        more: Whether bytes may follow after `end` that have not come yet, a subsection among them.
        present: Values before loading, for counts and tests of fields that the stream has not.

    Returns:
        The concrete description, and how many bytes it covers.

    Raises:
        ShortRead: it goes on after `end`, or, with `more`, perhaps; up to where at least, its `needed` tells.
        StreamError: it does not fit: another version, another value than must be there, or too much work.
    """
    resolver = _Resolver(data, end, guide, budget, loading=loading, more=more)
    try:
        concrete, _, reached = resolver.description(description, position, version, present or {})
    except KeyError as error:
        problem = f"{error.args[0]} has no value, but another field of {description.name!r} asks for it"
        raise StreamError(problem, offset=position) from error
    return concrete, reached - position


class Exhausted(StreamError):
    """A layout took more work than it is worth."""


class Budget:
    """Work that is left, in fields looked at."""

    def __init__(self, steps: int) -> None:
        self.steps = steps

    def take(self, count: int) -> None:
        """Count work; raises Exhausted."""
        self.steps -= count
        if self.steps < 0:
            raise Exhausted("no layout was found in reasonable time")


class _Resolver:
    def __init__(
        self, data: bytes, end: int, guide: Guide | None, budget: Budget | None, *, loading: bool, more: bool
    ) -> None:
        self._data = data
        self._end = end
        self._guide = guide
        self._budget = budget
        self._loading = loading
        self._more = more
        self._depth = 0

    def description(
        self, general: VMStateDescription, position: int, version: int, around: Values
    ) -> tuple[VMStateDescription, dict[str, int | bytes], int]:
        """Return the concrete description, the values of its own fields, and where it ends."""
        _check_version(general, version, position)
        if self._depth > _MAX_DEPTH:
            raise StreamError(f"{general.name!r} nests deeper than any device", offset=position)
        if version < general.minimum_version_id:
            return self._old(general, position, version)
        self._depth += 1
        values = dict(around)
        if self._budget is not None:
            self._budget.take(1 + len(general.fields))
        if self._guide is not None:
            self._guide.step()
            self._guide.enter()
        fields, own, position = self._fields(general, position, version, values)
        subsections, position = self._subsections(general, position, values)
        if general.post_load is not None and self._loading:
            general.post_load(values, version)
        if self._guide is not None:
            self._guide.leave()
        self._depth -= 1
        return VMStateDescription(general.name, version, tuple(fields), subsections), own, position

    def _old(
        self, general: VMStateDescription, position: int, version: int
    ) -> tuple[VMStateDescription, dict[str, int | bytes], int]:
        """Read what load_state_old reads; vmstate_load_state looks for no subsections then, nor calls post_load."""
        assert general.load_old is not None  # the version was checked
        fields = general.load_old(self._data[position : self._end], version)
        position += sum(field.total for field in fields)
        self._need(position, general.name, position)
        return VMStateDescription(general.name, version, fields), {}, position

    def _fields(
        self, general: VMStateDescription, position: int, version: int, values: dict[str, int | bytes]
    ) -> _Found:
        """Return the concrete fields; `values` are those around, and get those that are read."""
        own: dict[str, int | bytes] = {}
        if general.pre_load is not None:
            general.pre_load(values)
        fields: list[VMStateField] = []
        for name, field in zip(field_names(general.fields), general.fields, strict=True):
            if not self._is_there(field, values, version):
                continue
            found, read, position = self._field(field, position, version, values)
            fields += found if name == field.name else [replace(part, name=name) for part in found]
            own |= read
            values |= read
            if self._guide is not None:
                self._guide.saw(read.values())
        return fields, own, position

    def _is_there(self, field: VMStateField, values: Values, version: int) -> bool:
        there = field.version_id <= version if field.exists is None else field.exists(values, version)
        if self._guide is None:
            return there
        self._guide.step()
        return self._guide.is_there(there) if field.maybe else there

    def _subsections(
        self, general: VMStateDescription, position: int, values: Values
    ) -> tuple[tuple[VMStateDescription, ...], int]:
        waiting = {subsection.name: subsection for subsection in general.subsections}
        found: list[VMStateDescription] = []
        while waiting and self._is_subsection(general, position):
            body = position + 6 + self._data[position + 1]
            subsection = waiting.pop(text(self._data[position + 2 : body - 4]), None)
            if subsection is None:
                break  # the description around this one may have it
            self._need(body, subsection.name, position)
            version = int.from_bytes(self._data[body - 4 : body], "big")
            concrete, _, position = self.description(subsection, body, version, values)
            found.append(concrete)
        return tuple(found), position

    def _is_subsection(self, general: VMStateDescription, position: int) -> bool:
        """Tell whether a subsection may begin here; no more is asked for than vmstate_subsection_load peeks at."""
        if self._more:
            self._need(position + 1, general.name, position)
        if self._data[position : position + 1] != bytes([_SUBSECTION]):
            return False
        if self._more:
            self._need(position + 2, general.name, position)
            self._need(position + 2 + self._data[position + 1], general.name, position)
        return position + 2 <= self._end

    def _need(self, end: int, name: str, position: int) -> None:
        """Raise ShortRead where what stands at `position` would end after all that there is."""
        if end > self._end:
            raise ShortRead(f"short read of {name!r}", offset=position, needed=end)

    def _field(self, field: VMStateField, position: int, version: int, values: Values) -> _Found:
        if field.type in _LISTS:
            return self._list(field, position, values)
        count = field.count if field.count_from is None else number(field.count_from, values, version)
        asking = self._asking(field)
        if asking is not None and _is_counted(field):
            count = asking.number(count, (), field.doubt)
            field = field if field.is_array or count == 1 else replace(field, is_array=True)
        if field.type in _STRUCTS and field.nested:
            return self._structs(field, count, position, values)
        size = self._size(field, position, version, values)
        end = position + size * count
        if count < 0 or size < 0:
            raise ShortRead(f"short read of {field.name!r}", offset=position)
        self._need(end, field.name, position)
        if asking is not None:
            asking.measured(asking.asked, size if _is_counted(field) else 1)
        concrete = VMStateField(field.name, field.type, size, count, field.is_array)
        return [concrete], self._read(field, position, end), end

    def _asking(self, field: VMStateField) -> Guide | None:
        """Return whom to ask for a field's count or size, None where nothing is open."""
        is_told = field.type in TEXT_LENGTHS or field.count_from is not None or field.size_from is not None
        return None if self._guide is None or is_told or not self._guide.asks(field.doubt) else self._guide

    def _size(self, field: VMStateField, position: int, version: int, values: Values) -> int:
        """Return how many bytes each element has."""
        width = TEXT_LENGTHS.get(field.type)
        if width is not None:
            return width + int.from_bytes(self._data[position : position + width], "big")
        if field.size_from is not None:
            return field.multiply * number(field.size_from, values, version)
        asking = self._asking(field)
        if asking is not None and not _is_counted(field):
            return asking.number(field.size, field.sizes, field.doubt)
        return field.size

    def _read(self, field: VMStateField, position: int, end: int) -> dict[str, int | bytes]:
        """Return what later fields can ask about."""
        scalar = scalar_type(field.type)
        self._check_expected(field, position, end)
        if field.is_array or (scalar is None and end - position > _MAX_KEPT):
            return {}
        if scalar is not None and scalar.kind is Kind.FLOAT:
            return {}  # nothing depends on one, and it may be no number
        if scalar is None or scalar.size != end - position:
            return {field.name: self._data[position:end]}
        return {field.name: int(scalar.unpack(self._data, position)[0])}

    def _check_expected(self, field: VMStateField, position: int, end: int) -> None:
        """Raise ValueMismatch for a number that a `*_equal` or `*_le` field refuses (get_int32_le: not below 0)."""
        scalar = scalar_type(field.type)
        if field.expected is None or scalar is None or scalar.size != field.size:
            return
        for offset in range(position, end, scalar.size):
            value = int(scalar.unpack(self._data, offset)[0])
            if field.type.endswith(" le"):
                fits, rule = 0 <= value <= field.expected, f"from 0 to {field.expected}"
            else:
                fits, rule = value == field.expected, f"{field.expected}"
            if not fits:
                raise ValueMismatch(f"{field.name} is {value}, but must be {rule}", offset=offset)

    def _structs(self, field: VMStateField, count: int, position: int, values: Values) -> _Found:
        start, asking = position, self._asking(field)
        asked = asking.asked if asking is not None else 0
        if not field.is_array:
            parts, read, end = self._element(field, position, values)
            if asking is not None:
                asking.measured(asked, end - position)
            return parts, {f"{field.name}.{name}": value for name, value in read.items()}, end
        fields: list[VMStateField] = []
        if self._guide is not None:
            self._guide.arrays += 1
        for _ in range(count):
            self._need(position + 1, field.name, position)
            parts, _, end = self._element(field, position, values)
            if end == position and count > _MAX_EMPTY:
                raise StreamError(f"{count} elements of {field.name!r} without bytes", offset=position)
            position = end
            for part in parts:
                _add_to_run(fields, part)
        if self._guide is not None:
            self._guide.arrays -= 1
        if asking is not None:
            one = sum(part.total for part in field.nested[0].fields)  # where there is none to be measured
            asking.measured(asked, (position - start) // count if count > 0 else one)
        return fields or [VMStateField(field.name, field.type, 0, 0, is_array=True)], {}, position

    def _element(self, field: VMStateField, position: int, values: Values) -> _Found:
        """Return one struct, or what stands for the pointer to it."""
        parts: list[VMStateField] = []
        if field.pointers is not Pointers.NONE:
            self._need(position + 1, field.name, position)
            marker = self._data[position]
            kind = "nullptr" if field.pointers is Pointers.NULLABLE else "ptr-marker"
            mark = VMStateField(field.name, kind, 1, is_array=field.is_array)
            if marker == _NULL:
                return [mark], {}, position + 1
            if field.pointers is Pointers.MARKED:
                if marker != _VALID:
                    raise StreamError(f"{marker} is no marker of a pointer ({field.name!r})", offset=position)
                parts.append(mark)
                position += 1
        nested = field.nested[0]
        version = nested.version_id if field.struct_version is None else field.struct_version
        concrete, own, end = self.description(nested, position, version, values)
        parts.append(VMStateField(field.name, field.type, end - position, 1, field.is_array, (concrete,)))
        return parts, own, end

    def _list(self, field: VMStateField, position: int, values: Values) -> _Found:
        start, elements = position, list[VMStateDescription]()
        nested = field.nested[0] if field.nested else None
        while True:
            self._need(position + 1, field.name, position)
            position += 1
            marker = self._data[position - 1]
            if not marker:
                break
            if marker != 1 and field.type != MARKED:
                raise StreamError(f"{marker} is no marker of an element ({field.name!r})", offset=position - 1)
            if nested is None:
                raise StreamError(f"nothing describes the elements of {field.name!r}", offset=position)
            # get_qtailq loads the field's version of the elements; hand-written lists know only one
            version = nested.version_id if field.type == MARKED else field.version_id
            concrete, _, position = self.description(nested, position, version, values)
            elements.append(concrete)
        return [VMStateField(field.name, field.type, position - start, nested=tuple(elements))], {}, position


def _check_version(general: VMStateDescription, version: int, position: int) -> None:
    """Raise UnsupportedVersion for a version that vmstate_load_state refuses."""
    oldest = general.minimum_version_id if general.load_old is None else general.minimum_version_id_old
    if version > general.version_id:
        problem = f"version {version} of {general.name!r} is newer than {general.version_id}"
        raise UnsupportedVersion(problem, offset=position)
    if version < oldest:
        raise UnsupportedVersion(f"version {version} of {general.name!r} is older than {oldest}", offset=position)


def _is_counted(field: VMStateField) -> bool:
    """Tell whether it is the count that may be another: bytes have a size instead."""
    return field.is_array or bool(field.nested) or scalar_type(field.type) is not None


def _add_to_run(fields: list[VMStateField], part: VMStateField) -> None:
    """Add an element: one that is laid out as the one before it becomes a part of that one's run."""
    last = fields[-1] if fields else None
    # markers of pointers and their objects stand one by one: so the decoder knows that they belong together
    alike = last is not None and part.type != "ptr-marker"
    if last is not None and alike and (last.type, last.size, last.nested) == (part.type, part.size, part.nested):
        fields[-1] = VMStateField(last.name, last.type, last.size, last.count + 1, is_array=True, nested=last.nested)
    else:
        fields.append(part)


def number(count: Count, values: Values, version: int) -> int:
    """Return a count or size: it is fixed, or that of a field before, or computed from those."""
    if isinstance(count, int):
        return count
    return int(values[count]) if isinstance(count, str) else count(values, version)
