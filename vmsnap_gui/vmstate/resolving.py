"""From a general description and a section's bytes to a concrete one, whose sizes and counts are all known.

The rules are those of QEMU's vmstate_load_state: a field is there when its test says so, or its version is not above
the stream's; a struct inside has its own description's version; subsections follow the fields, each at most once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.decoder import scalar_type
from vmsnap_gui.vmstate.description import VMStateDescription, VMStateField
from vmsnap_gui.vmstate.wire import StreamError, text

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.description import Count, Values

_SUBSECTION = 0x05
_MAX_KEPT = 4096  # bytes of a buffer that a later field may ask about: a PCI configuration space is the largest
_MAX_EMPTY = 4096  # elements without bytes: the stream's length does not bound their number


class ShortRead(StreamError):
    """The bytes end before the description does."""


def resolve(
    description: VMStateDescription, data: bytes, position: int, end: int, version: int
) -> tuple[VMStateDescription, int]:
    """Fit a general description to the bytes from `position` on.

    Args:
        description: What the section can hold.
        data: Its bytes, and perhaps more.
        position: Where its payload starts.
        end: Where it ends at the latest.
        version: The stream's version of the section.

    Returns:
        The concrete description, and how many bytes it covers.

    Raises:
        ShortRead: it goes on after `end`.
        StreamError: it does not fit: another version, a subsection of one that is not known.
    """
    if version > description.version_id:
        raise StreamError(f"version {version} of {description.name!r} is newer than {description.version_id}")
    if version < description.minimum_version_id:
        raise StreamError(f"version {version} of {description.name!r} is older than {description.minimum_version_id}")
    concrete, _, reached = _Resolver(data, end).description(description, position, version, {})
    return concrete, reached - position


class _Resolver:
    def __init__(self, data: bytes, end: int) -> None:
        self._data = data
        self._end = end

    def description(
        self, general: VMStateDescription, position: int, version: int, around: Values
    ) -> tuple[VMStateDescription, dict[str, int | bytes], int]:
        """Return the concrete description, the values of its own fields, and where it ends."""
        own: dict[str, int | bytes] = {}
        values = dict(around)
        fields: list[VMStateField] = []
        for field in general.fields:
            present = field.version_id <= version if field.exists is None else field.exists(values, version)
            if not present:
                continue
            found, read, position = self._field(field, position, version, values)
            fields += found
            own |= read
            values |= read
        subsections, position = self._subsections(general, position, values)
        return VMStateDescription(general.name, version, tuple(fields), subsections), own, position

    def _subsections(
        self, general: VMStateDescription, position: int, values: Values
    ) -> tuple[tuple[VMStateDescription, ...], int]:
        waiting = {subsection.name: subsection for subsection in general.subsections}
        found: list[VMStateDescription] = []
        while waiting and self._data[position : position + 1] == bytes([_SUBSECTION]) and position + 2 <= self._end:
            body = position + 6 + self._data[position + 1]
            subsection = waiting.pop(text(self._data[position + 2 : body - 4]), None)
            if subsection is None:
                break  # the description around this one may have it
            if body > self._end:
                raise ShortRead(f"short read of {subsection.name!r}", offset=position)
            version = int.from_bytes(self._data[body - 4 : body], "big")
            if version > subsection.version_id:
                raise StreamError(f"version {version} of {subsection.name!r} is newer than {subsection.version_id}")
            concrete, _, position = self.description(subsection, body, version, values)
            found.append(concrete)
        return tuple(found), position

    def _field(
        self, field: VMStateField, position: int, version: int, values: Values
    ) -> tuple[list[VMStateField], dict[str, int | bytes], int]:
        count = field.count if field.count_from is None else _number(field.count_from, values, version)
        if field.type == "struct":
            return self._structs(field, count, position, values)
        if field.type == "qtailq":
            return self._list(field, position, values)
        size = field.size
        if field.size_from is not None:
            size = field.multiply * _number(field.size_from, values, version)
        end = position + size * count
        if count < 0 or size < 0 or end > self._end:
            raise ShortRead(f"short read of {field.name!r}", offset=position)
        concrete = VMStateField(field.name, field.type, size, count, field.is_array)
        read: dict[str, int | bytes] = {}
        scalar = scalar_type(field.type)
        if not field.is_array and scalar is not None:
            read[field.name] = int(scalar.unpack(self._data, position)[0])
        elif not field.is_array and size <= _MAX_KEPT:
            read[field.name] = self._data[position:end]
        return [concrete], read, end

    def _structs(
        self, field: VMStateField, count: int, position: int, values: Values
    ) -> tuple[list[VMStateField], dict[str, int | bytes], int]:
        nested = field.nested[0]
        if not field.is_array:
            concrete, own, end = self.description(nested, position, nested.version_id, values)
            read = {f"{field.name}.{name}": value for name, value in own.items()}
            return [VMStateField(field.name, field.type, end - position, nested=(concrete,))], read, end
        runs: list[tuple[VMStateDescription, int, int]] = []
        for _ in range(count):
            if position >= self._end:
                raise ShortRead(f"short read of {field.name!r}", offset=position)
            concrete, _, end = self.description(nested, position, nested.version_id, values)
            number = 1
            if end == position and count > _MAX_EMPTY:
                raise StreamError(f"{count} elements of {field.name!r} without bytes", offset=position)
            if runs and runs[-1][0] == concrete:
                number += runs.pop()[2]
            runs.append((concrete, end - position, number))
            position = end
        fields = [
            VMStateField(field.name, field.type, size, number, is_array=True, nested=(concrete,))
            for concrete, size, number in runs
        ]
        return fields or [VMStateField(field.name, field.type, 0, 0, is_array=True)], {}, position

    def _list(
        self, field: VMStateField, position: int, values: Values
    ) -> tuple[list[VMStateField], dict[str, int | bytes], int]:
        start, nested = position, field.nested[0]
        elements: list[VMStateDescription] = []
        while True:
            if position >= self._end:
                raise ShortRead(f"short read of {field.name!r}", offset=position)
            position += 1
            if not self._data[position - 1]:
                break
            concrete, _, position = self.description(nested, position, nested.version_id, values)
            elements.append(concrete)
        return [VMStateField(field.name, field.type, position - start, nested=tuple(elements))], {}, position


def _number(count: Count, values: Values, version: int) -> int:
    if isinstance(count, int):
        return count
    return int(values[count]) if isinstance(count, str) else count(values, version)
