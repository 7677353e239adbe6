"""Decoded fields: the typed tree that one section of a saved state becomes."""

from __future__ import annotations

import enum
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.image.texts import plural

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SHOWN_BYTES = 32
"""Bytes of a buffer that `show` prints."""

Value = int | bool | float | bytes | str | None
"""What a leaf holds: `bytes` for buffers and raw bytes, `str` for texts, None for NULL pointers and containers."""


class Kind(enum.Enum):
    """What a field is, and so how it is shown and written as JSON."""

    INTEGER = "integer"
    BOOLEAN = "boolean"
    FLOAT = "float"
    TEXT = "text"
    NULL = "null"
    BUFFER = "buffer"  # described, but only as bytes
    RAW = "raw"  # bytes that no description covers
    RECORDS = "records"  # the body of an iterative section: RAM pages and the like, never held as a value
    FRAME = "frame"  # header, footer, subsection header: savevm's own bytes, not the device's
    STRUCT = "struct"
    ARRAY = "array"
    SUBSECTION = "subsection"

    @property
    def is_container(self) -> bool:
        """Whether fields of this kind have children instead of a value."""
        return self in (Kind.STRUCT, Kind.ARRAY, Kind.SUBSECTION)


@dataclass(slots=True)
class Field:
    """One node of a decoded section.

    Attributes:
        name: QEMU's name ("env.eip"), "[3]" for the fourth element of an array, the name of a subsection.
        type: QEMU's type name as the description gives it ("uint64", "struct", "timer", ...); ours in round brackets
            where QEMU has none ("(raw)", "(header)", "(footer)", "(subsection)", "(array)").
        kind: How to show it.
        offset: First byte, counted from the start of the stream.
        size: Bytes.
        value: The value of a leaf.
        children: Nodes below, in stream order; made on demand for arrays, so do not take `list()` of them lightly.
        problem: What is wrong with this field, if anything.
    """

    name: str
    type: str
    kind: Kind
    offset: int
    size: int
    value: Value = None
    children: Sequence[Field] = ()
    problem: str | None = None


def join_path(parent: str, name: str) -> str:
    """Return the path of the field `name` below the path `parent`: "a.b", "a[3]", or `name` at the top."""
    if not parent or name.startswith("["):
        return parent + name
    return f"{parent}.{name}"


def walk(root: Field, path: str = "") -> Iterator[tuple[str, Field]]:
    """Yield (path, field) for every node below `root` in stream order, without `root`; paths start below `path`."""
    stack = [(path, iter(root.children))]
    while stack:
        parent, children = stack[-1]
        for child in children:
            here = join_path(parent, child.name)
            yield here, child
            if child.kind.is_container:
                stack.append((here, iter(child.children)))
                break
        else:
            stack.pop()


def show(field: Field) -> str:
    """Return a field's value as people read it: short, one line; empty for containers that have no short form."""
    value, kind = field.value, field.kind
    if kind is Kind.INTEGER and isinstance(value, int):
        return _show_integer(field.type, value, field.size)
    if kind is Kind.FLOAT and isinstance(value, float):
        return repr(value)
    if kind is Kind.BOOLEAN:
        return f"true ({value})" if type(value) is int else "true" if value else "false"
    if kind is Kind.NULL:
        return "NULL"
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, bytes):
        return _show_bytes(value)
    if kind is Kind.ARRAY:
        number = sum(1 for _ in _items(field)) if len(field.children) < 64 else len(field.children)
        return f"{number} {plural(number, 'element')}"
    return ""


def _show_integer(type_name: str, value: int, size: int) -> str:
    if type_name == "timer":
        return "off" if value == -1 else f"{value / 1e9:.9f} s"
    if type_name.startswith("("):  # only the size is known, so it may as well be negative
        return f"{value:#0{2 * size + 2}x}"
    return str(value) if 0 <= value < 10 else f"{value} ({value & (1 << 8 * size) - 1:#x})"


def _show_bytes(value: bytes) -> str:
    shown = value[:SHOWN_BYTES]
    if len(value) > 8 and not any(shown) and not any(value):
        return f"{len(value)} zero bytes"
    return shown.hex(" ") + (f" … ({len(value)} bytes)" if len(value) > SHOWN_BYTES else "")


def printable(text: str) -> str:
    """Return `text` with what would confuse a terminal or break a line shown as backslash escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _items(field: Field) -> Iterator[Field]:
    return (child for child in field.children if child.kind is not Kind.FRAME)


def to_json(field: Field) -> object:
    """Return a field's value as JSON has it.

    Integers as numbers (signed where the type is; floats as the integer of their IEEE bits, since JSON has no NaN),
    buffers as lower-case hex, arrays as lists, structs and subsections as objects, NULL as null; a name that occurs
    again in an object becomes a list. savevm's own bytes (headers, footers, markers) are left out.
    """
    if field.kind is Kind.ARRAY:
        scalars = getattr(field.children, "scalars", None)
        values = scalars() if scalars is not None else None
        return values if values is not None else [to_json(child) for child in _items(field)]
    if field.kind in (Kind.STRUCT, Kind.SUBSECTION):
        return _object(field)
    if field.kind is Kind.BOOLEAN:
        return bool(field.value)
    if isinstance(field.value, bytes):
        return field.value.hex()
    if isinstance(field.value, float):
        return int.from_bytes(struct.pack(">d", field.value), "big")
    return field.value


def _object(field: Field) -> dict[str, object]:
    members: dict[str, object] = {}
    repeated: set[str] = set()
    for child in _items(field):
        if child.kind is Kind.RECORDS:
            continue
        value = to_json(child)
        if child.name not in members:
            members[child.name] = value
        elif child.name in repeated:
            members[child.name].append(value)  # type: ignore[attr-defined]
        else:
            members[child.name] = [members[child.name], value]
            repeated.add(child.name)
    return members
