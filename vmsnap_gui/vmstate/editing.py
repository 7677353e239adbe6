"""Changing a field's value: which bytes of the stream become which. Nothing is ever written into an image."""

from __future__ import annotations

import itertools
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vmsnap_gui.image.texts import counted
from vmsnap_gui.vmstate.description import TEXT_LENGTHS
from vmsnap_gui.vmstate.fields import Kind, walk
from vmsnap_gui.vmstate.paths import find_fields
from vmsnap_gui.vmstate.sections import SectionType
from vmsnap_gui.vmstate.wire import text

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmsnap_gui.vmstate.devices import VMState
    from vmsnap_gui.vmstate.fields import Field, Value
    from vmsnap_gui.vmstate.sections import Section


_EDITABLE = (Kind.INTEGER, Kind.BOOLEAN, Kind.FLOAT, Kind.BUFFER, Kind.RAW, Kind.TEXT)
MOST_EDITED = 4096
"""The most bytes of a field that a person is offered to change in one piece."""


_NOT_DUMPED = ("cpu", "cpu_common")  # QEMU's dumps have no processors
_MOST_SEEN = 5000  # fields that are looked at for one that was meant


class EditError(Exception):
    """A field cannot be given a value: one sentence for people."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A field's new value.

    Attributes:
        section: The section's key ("cpu", "cpu:1").
        path: The field's path in it.
        offset: Its first byte, from the start of the stream.
        before: Its bytes in the stream.
        after: What they become; as many.
        field: The field with its new value.
    """

    section: str
    path: str
    offset: int
    before: bytes
    after: bytes
    field: Field


def edit_of(state: VMState, wish: str) -> Edit:
    """Return the edit that a person asks for as "cpu.env.eip=0x7c00": section, field and value.

    Raises:
        EditError: there is no such field, it cannot be changed, or the value does not fit.
        ImageError: the file below cannot be read.
    """
    name, equals, value = wish.partition("=")
    name = name.strip()
    if not equals:
        raise EditError(f"{wish!r} does not say what becomes what; write SECTION.FIELD=VALUE, as in cpu.env.eip=0x7c00")
    section, field = _named(state, name)
    try:
        return edit_field(section.key, name.removeprefix(f"{section.key}."), field, value.strip(), state)
    except EditError as error:
        raise EditError(f"{name}: {error}") from None


def _named(state: VMState, name: str) -> tuple[Section, Field]:
    """Return the field of a name; several of one name are told apart by "#1", "#2", ... in stream order."""
    found = _called(state, name)
    if not found:
        common, _, number = name.rpartition("#")
        of_many = _called(state, common) if number.isdecimal() and len(number) < 12 else []
        if len(of_many) > 1 and 0 < int(number) <= len(of_many):
            return of_many[int(number) - 1]
        raise EditError(f"the state has no field {name!r}: {_why_none(state, name)}")
    if len(found) > 1:
        places = (f"now {editable_text(field):.40}, at {field.offset:#x}" for _, field in found)
        choices = ", ".join(f"{name}#{number} ({place})" for number, place in enumerate(places, 1))
        raise EditError(f"{len(found)} fields of the state are called {name!r}; choose one: {choices}")
    return found[0]


def _why_none(state: VMState, name: str) -> str:
    """Say why nothing has this name, and what would help."""
    named = [s for s in state.sections if name == s.key or name.startswith(f"{s.key}.")]
    section = max(named, key=lambda s: len(s.key), default=None)
    if section is None:
        device, slash, rest = name.rpartition("/")  # a device's path has dots, too
        meant = device + slash + rest.partition(".")[0]
        return f"it has no such section{_nearest(meant, [s.key for s in state.sections])}"
    if section.type is not SectionType.FULL:
        return f"section {section.key!r} has no fields"
    if name == section.key:
        return "that is a section; add the path of a field in it"
    if state.description(section) is None:
        return f"nothing describes section {section.key!r}; {_what_would(state, section)}"
    paths = (path for path, field in walk(state.decode(section)) if can_edit(field))
    return f"section {section.key!r} has no such field{_nearest(name.removeprefix(f'{section.key}.'), paths)}"


def _what_would(state: VMState, section: Section) -> str:
    """Say which layouts would describe a section."""
    machine = state.machine or "TYPE"
    would = f"layouts (--layouts FILE) would: another state of machine type {machine} that describes itself"
    if section.name in _NOT_DUMPED:
        return would
    return f"{would}, or what its qemu-system-… -M {machine} -dump-vmstate FILE writes"


def _nearest(name: str, names: Iterable[str]) -> str:
    import difflib  # for mistakes only

    found = difflib.get_close_matches(name, itertools.islice(names, _MOST_SEEN))
    return f"; the nearest: {', '.join(found)}" if found else "; 'vmsnap show' lists all"


def _called(state: VMState, name: str) -> list[tuple[Section, Field]]:
    return [
        (section, field)
        for section in state.sections
        if section.type is SectionType.FULL and name.startswith(f"{section.key}.")
        for field in find_fields(state.decode(section), name.removeprefix(f"{section.key}."))
    ]


def edit_field(section: str, path: str, field: Field, value: str, state: VMState) -> Edit:
    """Return the edit that gives a field a value, written as people write it.

    Args:
        section: The section's key.
        path: The field's path.
        field: The field.
        value: A number (0x... for hexadecimal), true or false, a float, hex bytes for a buffer, or a text.
        state: Whose field it is.

    Raises:
        EditError: it cannot be changed, or the value does not fit.
        ImageError: the file below cannot be read.
    """
    after = _encode(field, value)
    before = state.view.read(field.offset, field.size)
    return Edit(section, path, field.offset, before, after, replace(field, value=_decode(field, after)))


def can_edit(field: Field) -> bool:
    """Tell whether a field has a value of its own that can become another."""
    return field.kind in _EDITABLE and field.size <= MOST_EDITED


def editable_text(field: Field) -> str:
    """Return a field's value in the form in which `edit_field` takes it."""
    if isinstance(field.value, bytes):
        return field.value.hex(" ")
    if field.kind is Kind.BOOLEAN:
        return "true" if field.value else "false"
    if field.kind is Kind.INTEGER and isinstance(field.value, int) and field.value > 9 and field.type != "timer":
        return f"{field.value:#x}"
    return str(field.value)


def _decode(field: Field, data: bytes) -> Value:
    if field.kind is Kind.INTEGER:
        return int.from_bytes(data, "big", signed=_is_signed(field))
    if field.kind is Kind.BOOLEAN:
        return data != b"\0"
    if field.kind is Kind.FLOAT:
        return float(struct.unpack(">d", data)[0])
    if field.kind is Kind.TEXT:
        return text(data[TEXT_LENGTHS[field.type] :])
    return data


def _encode(field: Field, value: str) -> bytes:
    if field.kind is Kind.INTEGER:
        return _integer(field, value)
    if field.kind is Kind.BOOLEAN:
        known = {"true": b"\1", "1": b"\1", "false": b"\0", "0": b"\0"}
        if value.lower() not in known:
            raise EditError(f"{value!r} is neither true nor false")
        return known[value.lower()]
    if field.kind is Kind.FLOAT:
        try:
            return struct.pack(">d", float(value))
        except ValueError:
            raise EditError(f"{value!r} is no number") from None
    if field.kind in (Kind.BUFFER, Kind.RAW):
        return _buffer(field, value)
    if field.kind is Kind.TEXT and isinstance(field.value, str):
        return _text(field, value)
    raise EditError(f"it is of type {field.type} and has no value of its own; name a field inside it")


def _integer(field: Field, value: str) -> bytes:
    try:
        number = int(value, 0)
    except ValueError:
        raise EditError(f"{value!r} is no number; write 31744 or 0x7c00") from None
    bits = 8 * field.size
    signed = _is_signed(field) or field.type.startswith("(")  # of which nothing tells whether it is
    least, most = (-(1 << bits - 1) if signed else 0), (1 << bits) - 1
    # Hexadecimal is how people write the bits of a signed number, too.
    if not least <= number <= (most if value[:2].lower() == "0x" or not signed else most >> 1):
        raise EditError(f"{value} does not fit into {field.type} ({counted(field.size, 'byte')})")
    return (number & most).to_bytes(field.size, "big")


def _is_signed(field: Field) -> bool:
    return field.type.startswith(("int", "timer")) and field.type != "int64 equal"  # QEMU's name of an unsigned one


def _buffer(field: Field, value: str) -> bytes:
    try:
        data = bytes.fromhex(value)
    except ValueError:
        raise EditError(f"{value!r} is not written in hex bytes (00 1f c3)") from None
    if len(data) != field.size:
        raise EditError(f"it has {counted(field.size, 'byte')}, and not {len(data)}")
    return data


def _text(field: Field, value: str) -> bytes:
    width, data = TEXT_LENGTHS[field.type], value.encode()
    had = field.size - width
    if len(data) != had:
        raise EditError(
            f"{value!r} has {counted(len(data), 'byte')}, but the text has {had}, and a field keeps its length"
        )
    return len(data).to_bytes(width, "big") + data
