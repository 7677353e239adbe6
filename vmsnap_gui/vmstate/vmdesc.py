"""The vmdesc: the JSON that QEMU since 2.3 appends to a stream, as descriptions.

QEMU's migration/vmstate.c writes it while it saves, so it tells what was written: sizes are per element and include
nested subsections.
"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import dataclass
from typing import Any

from vmsnap_gui.image.texts import counted
from vmsnap_gui.vmstate.description import PAGE_SIZES, DeviceDescription, VMStateDescription, VMStateField
from vmsnap_gui.vmstate.sections import MIN_HEADER
from vmsnap_gui.vmstate.wire import StreamError

MAX_DEPTH = 48
"""Nested structs and subsections; QEMU's deepest is below 10."""

MAX_JSON = 32 << 20
"""Bytes of vmdesc; a machine with 255 vCPUs has about 5 MB."""

MAX_EXCESS = 1 << 16
"""Fields of a whole vmdesc beyond two for each byte they take: empty ones, or structs in structs around one byte."""

# Of all objects in it, only those of devices have a name and then an instance id (vmstate_save in migration/savevm.c).
_DEVICES = re.compile(r'"devices"\s*:\s*\[')
_DEVICE = re.compile(r'\{\s*"name"\s*:\s*"([^"\\]{0,255})"\s*,\s*"instance_id"\s*:\s*(-?\d{1,10})')
_REPEATED = "*descriptions"
_MAX_PROBLEMS = 100


@dataclass(frozen=True, slots=True)
class VMDesc:
    """A stream's own description.

    Attributes:
        page_size: The target's page size, None where it is not told.
        configuration: The configuration section's layout (since QEMU 10.0).
        devices: In the order in which the sections were written.
        problems: What is damaged, and devices whose description is not usable, a sentence each.
        complete: Whether every device's description is usable.
    """

    page_size: int | None
    configuration: VMStateDescription | None
    devices: tuple[DeviceDescription, ...]
    problems: tuple[str, ...] = ()
    complete: bool = True

    @classmethod
    def parse(cls, data: bytes, offset: int = 0) -> VMDesc:
        """Parse the vmdesc's JSON; of one that is damaged, the devices that can be read.

        Args:
            data: The JSON text.
            offset: Where it stands in the stream, behind all that it describes; 0 where that is not known.

        Raises:
            StreamError: it is no JSON object, nothing of it can be read, or it is out of proportion.
        """
        document, damage = _load(data, offset)
        entries = document.get("devices")
        if isinstance(entries, list) and 0 < offset < len(entries) * MIN_HEADER:
            raise StreamError("the description has more devices than the stream before it can hold", offset=offset)
        devices, problems, spare = _devices(entries)
        configuration, complete = None, not problems and damage is None
        if damage is not None:
            problems.insert(0, damage)
        if isinstance(document.get("configuration"), dict):
            try:
                layout = _description(document["configuration"], 0)
                _checked(layout, spare)
                configuration = layout
            except StreamError as error:
                problems.append(f"the description of the configuration is not usable: {error.message}")
        page_size = document.get("page_size")
        if type(page_size) is not int or page_size not in PAGE_SIZES:
            page_size = None
        return cls(page_size, configuration, tuple(devices), tuple(problems), complete)


def _devices(entries: object) -> tuple[list[DeviceDescription], list[str], int]:
    """Return the usable devices, sentences about the others, and how much of MAX_EXCESS is left."""
    devices: list[DeviceDescription] = []
    problems: list[str] = []
    unusable, spare = 0, MAX_EXCESS
    for number, entry in enumerate(entries if isinstance(entries, list) else ()):
        try:
            device = _device(entry)
            spare -= _checked(device.description, spare)
            devices.append(device)
        except StreamError as error:
            unusable += 1
            if unusable <= _MAX_PROBLEMS:
                problems.append(f"entry {number} of the description's devices is not usable: {error.message}")
    if unusable > _MAX_PROBLEMS:
        problems.append(f"{unusable - _MAX_PROBLEMS} more entries of the description's devices are not usable")
    return devices, problems, spare


def _checked(description: VMStateDescription, spare: int) -> int:
    """Return how much of `spare` the description takes; StreamError where it takes more."""
    excess = description.weight.excess
    if excess > spare:
        raise StreamError("it has far more fields than bytes")
    return excess


def _load(data: bytes, offset: int) -> tuple[dict[str, Any], str | None]:
    """Return the JSON object, and what is wrong with its text; raises StreamError."""
    if len(data) > MAX_JSON:
        raise StreamError(f"the description is {len(data)} bytes long, more than any machine writes", offset=offset)
    # A list or object takes up to 30 times the bytes of its text: stay in proportion to the file.
    items = data.count(b",") + data.count(b"[") + data.count(b"{")
    if items > 250_000 + len(data) // 12:
        raise StreamError("the description has more entries than any machine writes", offset=offset)
    try:
        document = json.loads(data.decode(), object_pairs_hook=_collect)  # QEMU writes UTF-8; json would guess
    except (ValueError, RecursionError) as error:
        found = _salvaged(data.decode(errors="replace"))
        if not found.get("devices"):
            message = f"the description is no JSON that can be read: {why_no_json(error)}"
            raise StreamError(message, offset=offset) from error
        readable = counted(len(found["devices"]), "device")
        return found, f"the description is damaged: {why_no_json(error)}; what it tells of {readable} can be read"
    if not isinstance(document, dict):
        raise StreamError("the description is no JSON object", offset=offset)
    return document, None


def _salvaged(text: str) -> dict[str, Any]:
    """Return what can be read of a damaged description: what stands before its devices, and those that are whole.

    Of devices with one name and instance, which stand in the order of their sections, all or none are returned.
    """
    start = _DEVICES.search(text)
    if start is None:
        return {}
    document: dict[str, Any] = {}
    with contextlib.suppress(ValueError, RecursionError):
        document = json.loads(f"{text[: start.start()].rstrip(', ')}}}", object_pairs_hook=_collect)
    devices: list[tuple[tuple[str, int], object]] = []
    lost: set[tuple[str, int]] = set()
    decoder, at, left = json.JSONDecoder(object_pairs_hook=_collect), start.end(), len(text)
    while left > 0 and (found := _DEVICE.search(text, at)) is not None:
        key = found[1], int(found[2])
        try:
            device, at = decoder.raw_decode(text, found.start())
            devices.append((key, device))
        except json.JSONDecodeError as error:
            # All attempts together read it twice at most; to make an error, json counts the lines before it.
            left -= error.pos - found.start() + error.pos // 32 + 1
            at = found.end()
            lost.add(key)
        except (ValueError, RecursionError):
            break
    return {**document, "devices": [device for key, device in devices if key not in lost]}


def why_no_json(error: ValueError | RecursionError) -> str:
    """Say what is wrong with a JSON text that Python's json could not load."""
    if isinstance(error, json.JSONDecodeError):
        return f"it breaks at byte {len(error.doc[: error.pos].encode(errors='surrogatepass')):,} of its text"
    if isinstance(error, UnicodeDecodeError):
        return f"byte {error.start:,} of its text is no UTF-8"
    return "it nests too deep" if isinstance(error, RecursionError) else "a number in it is too long"


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


def _brief(value: object) -> str:
    """Show a JSON value in an error message; never a container, whose text can be long and nest deep."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    return "missing" if value is None else f"{value!r:.40}"


def _integer(entry: dict[str, Any], key: str, default: int | None = None) -> int:
    value = entry.get(key, default)
    if type(value) is not int or value < 0 or value >= 1 << 64:
        raise StreamError(f"its {key!r} is {_brief(value)}")
    return value


def _text(entry: dict[str, Any], key: str, default: str | None = None) -> str:
    value = entry.get(key, default)
    if not isinstance(value, str) or len(value) > 4096:
        raise StreamError(f"its {key!r} is {_brief(value)}")
    if not value.isascii():  # JSON can spell half a surrogate pair, which no stream can hold
        value = value.encode("utf-8", "backslashreplace").decode()
    return value


def _device(entry: object) -> DeviceDescription:
    if not isinstance(entry, dict):
        raise StreamError("it is no object")
    description = _description(entry, 0)
    # QEMU prints the instance id as a signed number in places; the stream holds it unsigned.
    instance_id = entry.get("instance_id", 0)
    if type(instance_id) is not int or not -(1 << 31) <= instance_id < 1 << 32:
        raise StreamError(f"its 'instance_id' is {_brief(instance_id)}")
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
