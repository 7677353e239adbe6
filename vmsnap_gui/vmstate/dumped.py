"""What a QEMU binary tells of its devices: the JSON of `qemu-system-ARCH -M TYPE -dump-vmstate FILE`.

QEMU's dump_vmstate_json_to_file (migration/savevm.c) writes it: for each class of device its VMStateDescription, as far
as that is data. There are no types, and `size` is that in QEMU's memory; `num` (since QEMU 8) is the number of elements
of fixed arrays; whether a field is there may be decided by code, which only `field_exists` tells. So the
descriptions leave much open, and `fitting` decides. Devices whose state is not registered by their class are missing:
processors, timers, hand-written code.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from vmsnap_gui.vmstate.description import Doubt, Pointers, VMStateDescription, VMStateField
from vmsnap_gui.vmstate.layouts import LayoutSource
from vmsnap_gui.vmstate.vmdesc import MAX_DEPTH, MAX_JSON, why_no_json
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmsnap_gui.vmstate.description import Exists, Values

_MACHINE = "vmschkmachine"
_MAX_FIELDS = 1 << 18  # QEMU 10 has 18,000
_MAX_SIZE = 1 << 32
_NUMBERS = {1: "(uint8)", 2: "(uint16)", 4: "(uint32)", 8: "(uint64)"}
_BYTES = "(bytes)"
_TIMER_IN_MEMORY, _TIMER = 48, 8  # sizeof(QEMUTimer), and what is saved of it
_IS_TIMER = re.compile(r"(.*[._])?timer")
"""Names of timers: with the size of a pointer nothing else is called so in the devices of QEMU 7.2 to 10.0."""
_POINTER = 8


def read_dump(data: bytes, name: str) -> LayoutSource:
    """Return the layouts that a QEMU binary dumped.

    Args:
        data: The JSON text.
        name: What to call them.

    Raises:
        StreamError: it is no such dump.
    """
    try:
        document = json.loads(data) if len(data) <= MAX_JSON else None
    except (ValueError, RecursionError) as error:
        raise StreamError(f"this is no JSON that can be read: {why_no_json(error)}") from error
    if not isinstance(document, dict) or not isinstance(document.get(_MACHINE), dict):
        raise StreamError("this is no dump of QEMU's -dump-vmstate")
    machine = document[_MACHINE].get("Name")
    reader = _Dump()
    layouts: dict[str, tuple[VMStateDescription, ...]] = {}
    for entry in document.values():
        description = entry.get("Description") if isinstance(entry, dict) else None
        if description is not None:
            general = reader.description(description, 0)
            known = layouts.get(general.name, ())
            known = known if general in known else (*known, general)
            layouts[general.name] = tuple(sorted(known, key=_is_inner))
    return LayoutSource(name, machine if isinstance(machine, str) else None, layouts, has_types=False)


class _Dump:
    def __init__(self) -> None:
        self._left = _MAX_FIELDS

    def description(self, entry: object, depth: int) -> VMStateDescription:
        if not isinstance(entry, dict) or depth > MAX_DEPTH:
            raise StreamError("a description in this dump is no object, or nests too deep")
        fields, subsections = entry.get("Fields", []), entry.get("Subsections", [])
        if not isinstance(fields, list) or not isinstance(subsections, list):
            raise StreamError("the fields of a description in this dump are no list")
        self._left -= len(fields)
        if self._left < 0:
            raise StreamError("this dump has more fields than any QEMU")
        return VMStateDescription(
            _text(entry, "name"),
            _number(entry, "version_id"),
            self._fields(fields, depth),
            tuple(self.description(one, depth + 1) for one in subsections),
            _number(entry, "minimum_version_id"),
        )

    def _fields(self, entries: Sequence[object], depth: int) -> tuple[VMStateField, ...]:
        """Return fields; where a name repeats, it is given a number as a vmdesc does (vmfield_name_num)."""
        checked = [entry for entry in entries if isinstance(entry, dict)]
        names = [_text(entry, "field") for entry in checked]
        repeated = {
            name for name, following in zip(sorted(names), sorted(names)[1:], strict=False) if name == following
        }
        seen: dict[str, int] = {}
        found: list[VMStateField] = []
        for position, (entry, name) in enumerate(zip(checked, names, strict=True)):
            number = seen.get(name, 0)
            seen[name] = number + 1
            maybe = entry.get("field_exists") is True
            exists = _likely(checked, names, position, found) if maybe else None
            found.append(self._field(entry, f"{name}[{number}]" if name in repeated else name, exists, depth))
        return tuple(found)

    def _field(self, entry: dict[str, Any], name: str, exists: Exists | None, depth: int) -> VMStateField:
        size, count = _number(entry, "size", least=0), _number(entry, "num", 0, least=0)
        inner = entry.get("Description")
        nested = (self.description(inner, depth + 1),) if inner is not None else ()
        is_array = count > 0
        type_name = "struct" if nested else _type_of(name, size)
        return VMStateField(
            name,
            type_name,
            size,
            count or 1,
            is_array,
            nested,
            _number(entry, "version_id"),
            exists,
            pointers=Pointers.NULLABLE if nested and is_array and size == _POINTER else Pointers.NONE,
            maybe=exists is not None,
            doubt=Doubt.NONE if is_array else Doubt.SLIGHT if size else Doubt.FULL,
            sizes=(_TIMER,) if size == _TIMER_IN_MEMORY and not nested else (),
        )


def _type_of(name: str, size: int) -> str:
    """Return the type of a field without parts, as far as it is certain; else what tells the size only."""
    return "timer" if size == _POINTER and _IS_TIMER.fullmatch(name) else _NUMBERS.get(size, _BYTES)


def _is_inner(general: VMStateDescription) -> bool:
    """Tell whether a description may be only of a part of a device that is named alike (`serial` in an isa-serial)."""
    return not any(nested.name == general.name for field in general.fields for nested in field.nested)


def _likely(entries: list[dict[str, Any]], names: list[str], position: int, before: Sequence[VMStateField]) -> Exists:
    """Return when a field that code decides about is likely there.

    Fields of one name stand for each other (PCIDevice's `config` of 256 or 4096 bytes, fw_cfg's `cur_offset` of two
    versions): of those one is there.
    """
    name = names[position]
    if position and names[position - 1] == name:
        other = before[-1].name
        return lambda values, _: other not in values
    following = entries[position + 1] if names[position + 1 : position + 2] == [name] else None
    if following is not None and following.get("field_exists") is not True:
        newer = _number(following, "version_id")
        return lambda _, version: version < newer
    return _always


def _always(_values: Values, _version: int) -> bool:
    return True


def _text(entry: dict[str, Any], key: str) -> str:
    value = entry.get(key)
    if not isinstance(value, str) or len(value) > 4096 or not value.isascii():
        raise StreamError(f"a {key!r} in this dump is no name")
    return value


def _number(entry: dict[str, Any], key: str, default: int | None = None, *, least: int = -1) -> int:
    value = entry.get(key, default)
    if type(value) is not int or not least <= value < _MAX_SIZE:
        raise StreamError(f"a {key!r} in this dump is no number that QEMU would write")
    return value
