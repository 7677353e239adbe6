"""Concrete descriptions as the JSON of a vmdesc: the counterpart of `vmdesc`.

As QEMU's migration/vmstate.c (vmsd_desc_field_start, vmsd_desc_field_end) writes it: sizes are of one element, an
array of elements that are alike is one entry with its length, other elements have their index.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vmsnap_gui.vmstate.description import DeviceDescription, VMStateDescription, VMStateField

_BETWEEN = re.compile(r"[\s:,]*")
_INLINE = ("vstruct", "tmp", "qtailq", "qlist", "gtree")
"""Types whose descriptions stand in the field's own object, those of a list one after the other with the same keys."""


def write_vmdesc(page_size: int, devices: Iterable[DeviceDescription]) -> bytes:
    """Return the JSON for the sections of a stream, in their order."""
    entries = ", ".join(_device(device) for device in devices)
    return f'{{"page_size": {page_size}, "devices": [{entries}]}}'.encode()


def with_configuration(text: bytes, configuration: VMStateDescription) -> bytes:
    """Return a vmdesc's JSON with another description of the configuration in the place of the one that it has.

    Raises:
        StreamError: it has none, or nests too deep.
    """
    document = text.decode(errors="surrogateescape")
    try:
        start, end = _member(document, "configuration")
    except (ValueError, RecursionError) as error:
        raise StreamError("the description of the configuration cannot be written anew") from error
    found = document[:start] + _object(_description(configuration)) + document[end:]
    return found.encode(errors="surrogateescape")


def _member(document: str, name: str) -> tuple[int, int]:
    """Return where the value of a member of a JSON object stands; ValueError where it has none of that name."""
    decoder = json.JSONDecoder()
    position = document.index('"')
    while True:
        key, position = decoder.raw_decode(document, position)
        start = _BETWEEN.match(document, position).end()  # type: ignore[union-attr]  # it may be empty
        _, end = decoder.raw_decode(document, start)
        if key == name:
            return start, end
        position = _BETWEEN.match(document, end).end()  # type: ignore[union-attr]


def _device(device: DeviceDescription) -> str:
    members = [f'"name": {json.dumps(device.name)}', f'"instance_id": {device.instance_id}']
    return _object([*members, *_description(device.description)])


def _object(members: list[str]) -> str:
    return "{" + ", ".join(members) + "}"


def _description(description: VMStateDescription) -> list[str]:
    members = [f'"vmsd_name": {json.dumps(description.name)}', f'"version": {description.version_id}']
    members.append(f'"fields": [{", ".join(_fields(description.fields))}]')
    if description.subsections:
        subsections = ", ".join(_object(_description(one)) for one in description.subsections)
        members.append(f'"subsections": [{subsections}]')
    return members


def _fields(fields: tuple[VMStateField, ...]) -> Iterator[str]:
    index, last = 0, None
    for field in fields:
        index = index if field.name == last else 0
        yield _object(list(_field(field, index)))
        index, last = index + field.count, field.name


def _field(field: VMStateField, index: int) -> Iterator[str]:
    yield f'"name": {json.dumps(field.name)}'
    if field.is_array:
        yield f'"index": {index}' if field.count == 1 else f'"array_len": {field.count}'
    yield f'"type": {json.dumps(field.type)}'
    if field.type in _INLINE:
        for nested in field.nested:
            yield from _description(nested)
    elif field.nested:
        yield f'"struct": {_object(_description(field.nested[0]))}'
    yield f'"size": {field.size}'
