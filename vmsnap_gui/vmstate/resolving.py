"""From a general description and a section's bytes to a concrete one, whose sizes and counts are all known.

The rules are those of QEMU's vmstate_load_state: a field is there when its test says so, or its version is not above
the stream's; a struct inside has its own description's version; subsections follow the fields.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.asking import MAX_KEPT, check_expected, elements, known, number
from vmsnap_gui.vmstate.description import MARKED, TEXT_LENGTHS, Pointers, VMStateDescription, VMStateField, field_names
from vmsnap_gui.vmstate.fields import Kind
from vmsnap_gui.vmstate.refusals import UnknownSubsection, UnsupportedVersion
from vmsnap_gui.vmstate.scalars import scalar_type
from vmsnap_gui.vmstate.wire import ShortRead, StreamError, text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmsnap_gui.vmstate.description import Tree, Values
    from vmsnap_gui.vmstate.entering import Entrances
    from vmsnap_gui.vmstate.fitting import Guide

_SUBSECTION = 0x05
_MAX_EMPTY = 4096  # elements without bytes: the stream's length does not bound their number
_MAX_DEPTH = 48  # structs and subsections in each other; QEMU's deepest is below 10
_STRUCTS = ("struct", "vstruct", "tmp")
_LISTS = ("qtailq", "qlist", MARKED)
_TREE, _KEY = "gtree", 8  # bytes of a key that nothing describes
_NULL, _VALID = 0x30, 0x31  # VMS_MARKER_PTR_NULL and VMS_MARKER_PTR_VALID

_Found = tuple[list[VMStateField], dict[str, int | bytes], int]
"""The concrete fields that one field becomes, what later fields can ask about, and where it ends."""


class _Unknown:
    """Stands for a value that nothing is known of: None is a pointer that is NULL."""


_UNKNOWN = _Unknown()


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
    present: Mapping[str, Tree] | None = None,
    entrances: Entrances | None = None,
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
        loading: Whether values are compared with what the description expects: not those that are saved.
        more: Whether bytes may follow after `end` that have not come yet, a subsection among them.
        present: Values before loading: for counts and tests of fields that the stream has not, and which pointers
            are NULL.
        entrances: Of a loading; calls pre_load.

    Returns:
        The concrete description, and how many bytes it covers.

    Raises:
        ShortRead: it goes on after `end`, or, with `more`, perhaps; up to where at least, its `needed` tells.
        UnknownSubsection: it has a subsection that the description does not know.
        StreamError: it does not fit: another version, another value than must be there, or too much work.
    """
    resolver = _Resolver(data, end, guide, budget, entrances, loading=loading, more=more)
    try:
        concrete, _, reached = resolver.description(description, position, version, {}, present or {})
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
        self,
        data: bytes,
        end: int,
        guide: Guide | None,
        budget: Budget | None,
        entrances: Entrances | None,
        *,
        loading: bool,
        more: bool,
    ) -> None:
        self._data = data
        self._end = end
        self._guide = guide
        self._budget = budget
        self._entrances = entrances
        self._loading = loading
        self._more = more
        self._depth = 0

    def description(
        self, general: VMStateDescription, position: int, version: int, around: Values, present: Mapping[str, Tree]
    ) -> tuple[VMStateDescription, dict[str, int | bytes], int]:
        """Return the concrete description, the values of its own fields, and where it ends.

        `around` is what the descriptions around it know, `present` what it has before it is loaded.
        """
        _check_version(general, version, position)
        if self._depth > _MAX_DEPTH:
            raise StreamError(f"{general.name!r} nests deeper than any device", offset=position)
        if self._entrances is not None:
            present = self._entrances.enter(general, version, present)
        if version < general.minimum_version_id:
            return self._old(general, position, version)
        self._depth += 1
        values = {**around, **known(present)}
        if self._budget is not None:
            self._budget.take(1 + len(general.fields))
        if self._guide is not None:
            self._guide.step()
            self._guide.enter()
        fields, own, position = self._fields(general, position, version, values, present)
        subsections, position = self._subsections(general, position, values, present)
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
        self,
        general: VMStateDescription,
        position: int,
        version: int,
        values: dict[str, int | bytes],
        present: Mapping[str, Tree],
    ) -> _Found:
        """Return the concrete fields; `values` are those around, and get those that are read."""
        own: dict[str, int | bytes] = {}
        fields: list[VMStateField] = []
        for name, field in zip(field_names(general.fields), general.fields, strict=True):
            if not self._is_there(field, values, version):
                continue
            before = present.get(name, _UNKNOWN)
            found, read, position = self._field(field, position, version, values, before)
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
        self, general: VMStateDescription, position: int, values: Values, present: Mapping[str, Tree]
    ) -> tuple[tuple[VMStateDescription, ...], int]:
        """Read subsections as vmstate_subsection_load does: in any order, and one may come again."""
        described = {subsection.name: subsection for subsection in general.subsections}
        found: list[VMStateDescription] = []
        while self._is_subsection(general, position):
            body = position + 6 + self._data[position + 1]
            name = text(self._data[position + 2 : body - 4])
            subsection = described.get(name)
            if subsection is None:
                if general.name and name.startswith(general.name) and name != general.name:
                    raise UnknownSubsection(f"{general.name!r} has no subsection {name!r} here", offset=position)
                break  # the description around this one may have it
            self._need(body, subsection.name, position)
            version = int.from_bytes(self._data[body - 4 : body], "big")
            before = _mapping(present.get(name))
            concrete, _, position = self.description(subsection, body, version, values, before)
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
        return position + 2 <= self._end and position + 2 + self._data[position + 1] <= self._end

    def _need(self, end: int, name: str, position: int) -> None:
        """Raise ShortRead where what stands at `position` would end after all that there is."""
        if end > self._end:
            raise ShortRead(f"short read of {name!r}", offset=position, needed=end)

    def _field(
        self, field: VMStateField, position: int, version: int, values: Values, before: Tree | _Unknown
    ) -> _Found:
        if field.type in _LISTS:
            return self._list(field, position, values)
        if field.type == _TREE and field.nested:
            return self._tree(field, position, values)
        count = elements(field, values, version)
        asking = self._asking(field)
        if asking is not None and _is_counted(field):
            count = asking.number(count, (), field.doubt)
            field = field if field.is_array or count == 1 else replace(field, is_array=True)
        if (field.type in _STRUCTS and field.nested) or field.pointers is not Pointers.NONE:
            return self._elements(field, count, position, version, values, before)
        size = self._size(field, position, version, values)
        end = position + size * count
        if size < 0:
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
        if self._loading:
            check_expected(field, self._data, position, end)
        if field.is_array or (scalar is None and end - position > MAX_KEPT):
            return {}
        if scalar is not None and scalar.kind is Kind.FLOAT:
            return {}  # nothing depends on one, and it may be no number
        if scalar is None or scalar.size != end - position:
            return {field.name: self._data[position:end]}
        return {field.name: int(scalar.unpack(self._data, position)[0])}

    def _elements(
        self,
        field: VMStateField,
        count: int,
        position: int,
        version: int,
        values: Values,
        before: Tree | _Unknown,
    ) -> _Found:
        """Return structs, or pointers to anything, one by one."""
        start, asking = position, self._asking(field)
        asked = asking.asked if asking is not None else 0
        if not field.is_array:
            parts, read, end = self._element(field, position, version, values, before)
            if asking is not None:
                asking.measured(asked, end - position)
            return parts, {f"{field.name}.{name}" if field.nested else name: one for name, one in read.items()}, end
        fields: list[VMStateField] = []
        present = before if isinstance(before, list) else []
        if self._guide is not None:
            self._guide.arrays += 1
        for index in range(count):
            self._need(position + 1, field.name, position)
            one = present[index] if index < len(present) else _UNKNOWN
            parts, _, end = self._element(field, position, version, values, one)
            if end == position and count > _MAX_EMPTY:
                raise StreamError(f"{count} elements of {field.name!r} without bytes", offset=position)
            position = end
            for part in parts:
                _add_to_run(fields, part)
        if self._guide is not None:
            self._guide.arrays -= 1
        if asking is not None:
            one_size = sum(part.total for part in field.nested[0].fields) if field.nested else field.size
            asking.measured(asked, (position - start) // count if count > 0 else one_size)
        return fields or [VMStateField(field.name, field.type, 0, 0, is_array=True)], {}, position

    def _element(
        self, field: VMStateField, position: int, version: int, values: Values, before: Tree | _Unknown
    ) -> _Found:
        """Return what a pointer points to, or what stands for NULL."""
        parts: list[VMStateField] = []
        kind = "nullptr" if field.pointers is Pointers.NULLABLE else "ptr-marker"
        mark = VMStateField(field.name, kind, 1, is_array=field.is_array)
        if field.pointers is not Pointers.NONE:
            self._need(position + 1, field.name, position)
            if self._is_null(field, position, before):
                return [mark], {}, position + 1
            if field.pointers is Pointers.MARKED:
                parts.append(mark)
                position += 1
        if not field.nested:
            size = self._size(field, position, version, values)
            end = position + size
            self._need(end, field.name, position)
            read = self._read(field, position, end)
            return [*parts, VMStateField(field.name, field.type, size, 1, field.is_array)], read, end
        nested = field.nested[0]
        inner = nested.version_id if field.struct_version is None else field.struct_version
        if field.type == "tmp":
            inner = field.version_id  # get_tmp
        concrete, own, end = self.description(nested, position, inner, values, _mapping(before))
        parts.append(VMStateField(field.name, field.type, end - position, 1, field.is_array, (concrete,)))
        return parts, own, end

    def _is_null(self, field: VMStateField, position: int, before: Tree | _Unknown) -> bool:
        """Tell whether a pointer is NULL.

        Where no object is told by its mark, vmstate_load_state goes by the pointer that is there; where that is not
        known it is the mark, or by what fits: an object, too, may begin with ASCII 0.
        """
        marker = self._data[position]
        if field.pointers is Pointers.MARKED:
            if marker not in (_NULL, _VALID):
                raise StreamError(f"{marker} is no marker of a pointer ({field.name!r})", offset=position)
            return marker == _NULL
        if before is None and marker != _NULL:
            raise StreamError(f"{field.name!r} is NULL here, but {marker} stands for it", offset=position)
        if before is None or marker != _NULL or not isinstance(before, _Unknown):
            return before is None
        return self._guide is None or self._guide.is_there(True)

    def _list(self, field: VMStateField, position: int, values: Values) -> _Found:
        start, found = position, list[VMStateDescription]()
        while self._goes_on(field, position):
            if not field.nested:
                raise StreamError(f"nothing describes the elements of {field.name!r}", offset=position)
            nested = field.nested[0]
            # get_qtailq loads the field's version of the elements; hand-written lists know only one
            version = nested.version_id if field.type == MARKED else field.version_id
            concrete, _, position = self.description(nested, position + 1, version, values, {})
            found.append(concrete)
        return [VMStateField(field.name, field.type, position + 1 - start, nested=tuple(found))], {}, position + 1

    def _tree(self, field: VMStateField, position: int, values: Values) -> _Found:
        """Read a gtree as get_gtree does: there must be as many nodes as the number before them says."""
        start, found, nodes = position, list[VMStateDescription](), 0
        position += 4
        self._need(position, field.name, start)
        count = int.from_bytes(self._data[start:position], "big")
        keys = field.nested[:-1]
        while self._goes_on(field, position) and nodes < count:
            nodes, position = nodes + 1, position + (1 if keys else 1 + _KEY)
            self._need(position, field.name, start)
            for nested in field.nested:
                concrete, _, position = self.description(nested, position, field.version_id, values, {})
                found.append(concrete)
        if nodes < count or self._data[position]:
            raise StreamError(f"{field.name!r} has not the {count} nodes that it says", offset=start)
        return [VMStateField(field.name, field.type, position + 1 - start, nested=tuple(found))], {}, position + 1

    def _goes_on(self, field: VMStateField, position: int) -> bool:
        """Tell by the byte before an element whether there is one: QEMU writes 1, and takes any but 0 for it."""
        self._need(position + 1, field.name, position)
        return self._data[position] != 0


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


def _mapping(present: Tree | _Unknown) -> dict[str, Tree]:
    return present if isinstance(present, dict) else {}
