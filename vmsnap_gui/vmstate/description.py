"""VMStateDescription and VMStateField: what a section holds, in savevm's own terms.

Here they come from the vmdesc, the JSON that QEMU since 2.3 appends to a stream (migration/vmstate.c writes it while
it saves, so it tells what was written: sizes are per element and include nested subsections).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from vmsnap_gui.vmstate.wire import StreamError

MAX_DEPTH = 48
"""Nested structs and subsections; QEMU's deepest is below 10."""

MAX_JSON = 32 << 20
"""Bytes of vmdesc; a machine with 255 vCPUs has about 5 MB."""

_REPEATED = "*descriptions"


@dataclass(frozen=True, slots=True)
class VMStateField:
    """One field of a description.

    Attributes:
        name: QEMU's name of the field.
        type: QEMU's type name: "uint32", "struct", "timer", "buffer", ...
        size: Bytes that each element takes in the stream.
        count: Elements (1 where it is not an array).
        is_array: Whether this is (a part of) an array; parts of one array follow each other under one name.
        nested: The descriptions written inside the field: one for a struct, vstruct or tmp, one for each element of a
            qtailq or qlist, one or two (key, value) for each node of a gtree.
    """

    name: str
    type: str
    size: int
    count: int = 1
    is_array: bool = False
    nested: tuple[VMStateDescription, ...] = ()

    @property
    def total(self) -> int:
        """Bytes of all elements."""
        return self.size * self.count


@dataclass(frozen=True, slots=True)
class VMStateDescription:
    """A device's (or struct's, or subsection's) layout.

    Attributes:
        name: The vmsd_name ("" for hand-written code).
        version_id: The version that was written.
        fields: In stream order.
        subsections: In stream order, after the fields.
    """

    name: str
    version_id: int
    fields: tuple[VMStateField, ...] = ()
    subsections: tuple[VMStateDescription, ...] = ()

    @property
    def payload_size(self) -> int:
        """Bytes that fields and subsections take; a subsection's header is 6 bytes and its name."""
        own = sum(f.total for f in self.fields)
        return own + sum(s.framed_size for s in self.subsections)

    @property
    def framed_size(self) -> int:
        """Bytes of this description as a subsection: 0x05, length and name, u32 version, payload."""
        return 6 + len(self.name.encode()) + self.payload_size


@dataclass(frozen=True, slots=True)
class DeviceDescription:
    """An entry of the vmdesc's `devices`: which section it is about, and its layout.

    Attributes:
        name: The section's id string.
        instance_id: Unsigned.
        description: What the section holds.
    """

    name: str
    instance_id: int
    description: VMStateDescription

    @property
    def payload_size(self) -> int:
        """Bytes of the section without header and footer."""
        return self.description.payload_size


@dataclass(frozen=True, slots=True)
class VMDesc:
    """A stream's own description.

    Attributes:
        page_size: The target's page size, None where it is not told.
        configuration: The configuration section's layout (since QEMU 10.0).
        devices: In the order in which the sections were written.
        problems: Devices whose description is not usable, a sentence each.
    """

    page_size: int | None
    configuration: VMStateDescription | None
    devices: tuple[DeviceDescription, ...]
    problems: tuple[str, ...] = field(default=())

    @classmethod
    def parse(cls, data: bytes, offset: int = 0) -> VMDesc:
        """Parse the vmdesc's JSON.

        Args:
            data: The JSON text.
            offset: Where it stands in the stream, for error messages.

        Raises:
            StreamError: it is no JSON object, or out of proportion.
        """
        document = _load(data, offset)
        devices: list[DeviceDescription] = []
        problems: list[str] = []
        entries = document.get("devices")
        for number, entry in enumerate(entries if isinstance(entries, list) else ()):
            try:
                devices.append(_device(entry))
            except StreamError as error:
                problems.append(f"entry {number} of the description's devices is not usable: {error.message}")
        configuration = None
        if isinstance(document.get("configuration"), dict):
            try:
                configuration = _description(document["configuration"], 0)
            except StreamError as error:
                problems.append(f"the description of the configuration is not usable: {error.message}")
        page_size = document.get("page_size")
        if not isinstance(page_size, int) or page_size < 1 or page_size & (page_size - 1) or page_size > 1 << 20:
            page_size = None
        return cls(page_size, configuration, tuple(devices), tuple(problems))


def _load(data: bytes, offset: int) -> dict[str, Any]:
    if len(data) > MAX_JSON:
        raise StreamError(f"the description is {len(data)} bytes long, more than any machine writes", offset=offset)
    # A list or object takes up to 30 times the bytes of its text: stay in proportion to the file.
    items = data.count(b",") + data.count(b"[") + data.count(b"{")
    if items > 250_000 + len(data) // 12:
        raise StreamError("the description has more entries than any machine writes", offset=offset)
    try:
        document = json.loads(data, object_pairs_hook=_collect)
    except (ValueError, RecursionError) as error:
        raise StreamError(f"the description is no JSON that can be read: {error}", offset=offset) from error
    if not isinstance(document, dict):
        raise StreamError("the description is no JSON object", offset=offset)
    return document


def _collect(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a dict of a JSON object; where keys repeat, keep every description in it.

    QEMU writes the elements of a qtailq one after the other into one object: vmsd_name, version, fields, vmsd_name, ...
    """
    whole = dict(pairs)
    if len(whole) != len(pairs):
        parts: list[dict[str, Any]] = []
        for key, value in pairs:
            if key == "vmsd_name":
                parts.append({})
            if parts and key in ("vmsd_name", "version", "fields", "subsections"):
                parts[-1][key] = value
        whole[_REPEATED] = parts
    return whole


def _integer(entry: dict[str, Any], key: str, default: int | None = None) -> int:
    value = entry.get(key, default)
    if type(value) is not int or value < 0 or value >= 1 << 64:
        raise StreamError(f"its {key!r} is {value!r:.40}")
    return value


def _text(entry: dict[str, Any], key: str, default: str | None = None) -> str:
    value = entry.get(key, default)
    if not isinstance(value, str) or len(value) > 4096:
        raise StreamError(f"its {key!r} is {value!r:.40}")
    return value


def _device(entry: object) -> DeviceDescription:
    if not isinstance(entry, dict):
        raise StreamError("it is no object")
    description = _description(entry, 0)
    # QEMU prints the instance id as a signed number in places; the stream holds it unsigned.
    instance_id = entry.get("instance_id", 0)
    if type(instance_id) is not int or not -(1 << 31) <= instance_id < 1 << 32:
        raise StreamError(f"its 'instance_id' is {instance_id!r:.40}")
    return DeviceDescription(_text(entry, "name"), instance_id & 0xFFFFFFFF, description)


def _description(entry: object, depth: int) -> VMStateDescription:
    if not isinstance(entry, dict):
        raise StreamError("a nested description is no object")
    if depth > MAX_DEPTH:
        raise StreamError(f"it nests more than {MAX_DEPTH} deep")
    fields, subsections = entry.get("fields", []), entry.get("subsections", [])
    if not isinstance(fields, list) or not isinstance(subsections, list):
        raise StreamError("its fields or subsections are no list")
    return VMStateDescription(
        name=_text(entry, "vmsd_name", ""),
        version_id=_integer(entry, "version", 0),
        fields=tuple(_field(f, depth) for f in fields),
        subsections=tuple(_description(s, depth + 1) for s in subsections),
    )


def _field(entry: object, depth: int) -> VMStateField:
    if not isinstance(entry, dict):
        raise StreamError("a field is no object")
    if _REPEATED in entry:
        parts = entry[_REPEATED]
    elif "struct" in entry:
        parts = [entry["struct"]]
    elif "fields" in entry:
        parts = [entry]
    else:
        parts = []
    return VMStateField(
        name=_text(entry, "name"),
        type=_text(entry, "type", "buffer"),
        size=_integer(entry, "size"),
        count=_integer(entry, "array_len", 1),
        is_array="array_len" in entry or "index" in entry,
        nested=tuple(_description(part, depth + 1) for part in parts),
    )
