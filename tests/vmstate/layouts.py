"""What a device saves, written by hand three times over: its bytes, its vmdesc entries, and its value as JSON.

Each function here writes one kind of field the way QEMU's migration/vmstate.c does. JSON objects are lists of pairs,
because QEMU repeats keys in them.
"""

from __future__ import annotations

import json
import struct
from dataclasses import dataclass

CODES = {
    "bool": "B", "int8": "b", "int16": "h", "int32": "i", "int64": "q", "int64 equal": "Q",
    "uint8": "B", "uint16": "H", "uint32": "I", "uint64": "Q",
    "float64": "d", "CPU_Double_U": "d", "timer": "q",
}  # fmt: skip

Pairs = list[tuple[str, object]]


@dataclass(frozen=True)
class Item:
    """One field as it is saved.

    Attributes:
        name: Its name.
        data: Its bytes in the stream.
        entries: Its objects in the vmdesc's `fields`.
        value: What `to_json` has to make of it.
    """

    name: str
    data: bytes
    entries: tuple[Pairs, ...]
    value: object


@dataclass(frozen=True)
class Body:
    """What one VMStateDescription saves: a device, a struct or a subsection."""

    name: str
    items: tuple[Item, ...] = ()
    subsections: tuple[Body, ...] = ()
    version: int = 1

    @property
    def data(self) -> bytes:
        """Its bytes, subsections included."""
        return b"".join(item.data for item in self.items) + b"".join(sub.framed for sub in self.subsections)

    @property
    def framed(self) -> bytes:
        """Its bytes as a subsection."""
        name = self.name.encode()
        return b"\x05" + bytes([len(name)]) + name + struct.pack(">I", self.version) + self.data

    @property
    def pairs(self) -> Pairs:
        """Its description."""
        fields = [entry for item in self.items for entry in item.entries]
        pairs: Pairs = [("vmsd_name", self.name), ("version", self.version), ("fields", fields)]
        if self.subsections:
            pairs.append(("subsections", [sub.pairs for sub in self.subsections]))
        return pairs

    @property
    def value(self) -> dict[str, object]:
        """What `to_json` has to make of it."""
        return collect([(item.name, item.value) for item in self.items] + [(s.name, s.value) for s in self.subsections])


def collect(members: Pairs) -> dict[str, object]:
    """Make an object of members; a name that occurs again becomes a list."""
    whole: dict[str, list[object]] = {}
    for name, value in members:
        whole.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in whole.items()}


def dump(value: object) -> str:
    """Write JSON in which an object is a list of pairs, as QEMU's own writer does it: keys may repeat."""
    if isinstance(value, list):
        if value and all(isinstance(each, tuple) for each in value):
            return "{" + ", ".join(f"{json.dumps(key)}: {dump(each)}" for key, each in value) + "}"
        return "[" + ", ".join(dump(each) for each in value) + "]"
    if value == ():
        return "{}"
    return json.dumps(value)


def entry(
    name: str, type_name: str, size: int, *extra: tuple[str, object], before: tuple[str, object] | None = None
) -> Pairs:
    """One object of `fields`; `before` is its `array_len` or `index`."""
    where = [before] if before is not None else []
    return [("name", name), *where, ("type", type_name), *extra, ("size", size)]


def pack(type_name: str, value: float) -> bytes:
    """Write a scalar as its type is written."""
    code = CODES.get(type_name) or CODES[type_name.removesuffix(" equal").removesuffix(" le")]
    return struct.pack(f">{code}", value)


def as_json(type_name: str, value: float) -> object:
    """What `to_json` has to make of a scalar: floats as the integer of their bits."""
    if type_name in ("float64", "CPU_Double_U"):
        return int.from_bytes(struct.pack(">d", value), "big")
    return bool(value) if type_name == "bool" else value


def scalar(name: str, type_name: str, value: float) -> Item:
    """One number, truth value or timer."""
    data = pack(type_name, value)
    return Item(name, data, (entry(name, type_name, len(data)),), as_json(type_name, value))


def scalars(name: str, type_name: str, values: list[float]) -> Item:
    """An array of scalars: one entry for all."""
    data = b"".join(pack(type_name, value) for value in values)
    size = len(pack(type_name, 0))
    one = entry(name, type_name, size, before=("array_len", len(values)))
    return Item(name, data, (one,), [as_json(type_name, value) for value in values])


def buffer(name: str, data: bytes, type_name: str = "buffer") -> Item:
    """Bytes: a buffer, a bitmap, or anything whose type only QEMU knows."""
    return Item(name, data, (entry(name, type_name, len(data)),), data.hex())


def buffers(name: str, parts: list[bytes], type_name: str = "buffer") -> Item:
    """An array of buffers of one size."""
    one = entry(name, type_name, len(parts[0]), before=("array_len", len(parts)))
    return Item(name, b"".join(parts), (one,), [part.hex() for part in parts])


def nested(name: str, body: Body, type_name: str = "struct") -> Item:
    """A struct; a vstruct and a tmp stand inline in the field's own object."""
    inner: Pairs = [("struct", body.pairs)] if type_name == "struct" else body.pairs
    return Item(name, body.data, (entry(name, type_name, len(body.data), *inner),), body.value)


def structs(name: str, bodies: list[Body], type_name: str = "struct") -> Item:
    """An array of structs that are not all alike: one entry for each, by index."""
    parts = [nested(name, body, type_name) for body in bodies]
    entries = tuple([part.entries[0][0], ("index", i), *part.entries[0][1:]] for i, part in enumerate(parts))
    return Item(name, b"".join(part.data for part in parts), entries, [part.value for part in parts])


def alike(name: str, bodies: list[Body]) -> Item:
    """An array of structs that are all alike: the first one's entry stands for all."""
    first = nested(name, bodies[0]).entries[0]
    one = [first[0], ("array_len", len(bodies)), *first[1:]]
    return Item(name, b"".join(body.data for body in bodies), (one,), [body.value for body in bodies])


def chain(name: str, bodies: list[Body], type_name: str = "qtailq") -> Item:
    """A qtailq or qlist: its elements' descriptions follow each other within one object."""
    data = b"".join(b"\x01" + body.data for body in bodies) + b"\0"
    inner = [pair for body in bodies for pair in body.pairs]
    return Item(name, data, (entry(name, type_name, len(data), *inner),), [body.value for body in bodies])


def tree(name: str, nodes: list[tuple[int | Body, Body]]) -> Item:
    """A gtree; a key is a number (described by nothing) or a struct."""
    data, inner, values = struct.pack(">I", len(nodes)), Pairs(), []
    for key, value in nodes:
        if isinstance(key, Body):
            data += b"\x01" + key.data + value.data
            inner += key.pairs
            values.append({"key": key.value, "value": value.value})
        else:
            data += b"\x01" + struct.pack(">Q", key) + value.data
            values.append({"key": key, "value": value.value})
        inner += value.pairs
    data += b"\0"
    return Item(name, data, (entry(name, "gtree", len(data), *inner),), values)


def null(name: str) -> Item:
    """A NULL pointer."""
    return Item(name, b"0", (entry(name, "nullptr", 1),), None)


def pointers(name: str, bodies: list[Body | None]) -> Item:
    """An array of pointers as QEMU 9.2 and later describe it: runs of NULL, and one entry for each that is not."""
    data, entries, values = b"", list[Pairs](), []
    for i, body in enumerate(bodies):
        part = null(name) if body is None else nested(name, body)
        data += part.data
        values.append(part.value)
        entries.append([part.entries[0][0], ("index", i), *part.entries[0][1:]])
    return Item(name, data, tuple(entries), values)


def counted(name: str, text: str, width: int = 1) -> Item:
    """A text behind its length: a capability (one byte) or a str (four)."""
    data = text.encode()
    data = len(data).to_bytes(width, "big") + data
    return Item(name, data, (entry(name, "capability" if width == 1 else "str", len(data)),), text)


def body(*items: Item, name: str = "dev", subsections: tuple[Body, ...] = (), version: int = 1) -> Body:
    """A Body of items."""
    return Body(name, items, subsections, version)
