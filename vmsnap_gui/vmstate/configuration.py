"""The configuration section (QEMU 2.4+): the machine type and what else the target must know before it loads.

The vmdesc describes it only since 10.0, so its layout is made here from the bytes, with the names of QEMU's
migration/savevm.c (vmstate_configuration).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.decoder import Decoder
from vmsnap_gui.vmstate.description import PAGE_SIZES, VMStateDescription, VMStateField
from vmsnap_gui.vmstate.fields import Field, Kind
from vmsnap_gui.vmstate.sections import SectionType, subsection_header
from vmsnap_gui.vmstate.wire import Reader, StreamError, text

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmsnap_gui.image.byteview import ByteView
    from vmsnap_gui.vmstate.wire import Input

_MAX_SUBSECTIONS = 64
_MAX_CAPABILITIES = 256
_MAX_NAME = 4096
_CAPABILITIES = "configuration/capabilities"


@dataclass(frozen=True, slots=True)
class Configuration:
    """The configuration section, decoded.

    Attributes:
        machine: The machine type: "pc-q35-10.0".
        page_size: From target-page-bits, None where that subsection is missing.
        capabilities: Names of the migration capabilities that source and target must share.
        field: The whole section as a tree; its `size` tells where the stream goes on.
        problem: Why a subsection could not be read, before which the field then ends; or None.
    """

    machine: str
    page_size: int | None
    capabilities: frozenset[str]
    field: Field
    problem: str | None = None


def read_configuration(view: ByteView, offset: int, known: VMStateDescription | None = None) -> Configuration:
    """Read the configuration section at `offset`.

    Args:
        view: The stream.
        offset: Of its type byte.
        known: Its layout from the vmdesc, for subsections that are not known here.

    Raises:
        StreamError: the stream ends within the machine type, or its length is absurd.
    """
    reader = Reader(view, offset + 1)
    name = _machine(reader)
    machine, length = text(name), len(name)
    layout, names = list[VMStateDescription](), list[str]()
    problem = page_size = None
    while reader.peek(1) == bytes([SectionType.SUBSECTION.value]):
        start = reader.position
        if len(layout) >= _MAX_SUBSECTIONS:
            problem = "the configuration has more subsections than any machine writes"
            break
        try:
            description = _subsection(reader, known)
        except StreamError as error:
            description, problem = None, f"a subsection of the configuration cannot be read: {error.message}"
        if description is None:
            reader.position = start
            problem = problem or "a subsection of the configuration is not known"
            break
        layout.append(description)
        body = view.read(reader.position - description.payload_size, description.payload_size)
        if description.name == "configuration/target-page-bits":
            bits = int.from_bytes(body, "big")
            page_size = 1 << bits if bits < 64 and 1 << bits in PAGE_SIZES else None
        elif description.name == _CAPABILITIES:
            names += _capabilities(body)
    fields = (VMStateField("len", "uint32", 4), VMStateField("name", "buffer", length))
    decoder = Decoder(view.read(offset, reader.position - offset), offset)
    root = Field("configuration", "configuration", Kind.STRUCT, offset, reader.position - offset)
    whole = VMStateDescription("configuration", 1, fields, tuple(layout))
    nodes, _ = decoder.description(whole, 1, len(decoder.data))
    root.children = [decoder.leaf("(header)", "(header)", Kind.FRAME, 0, 1), *nodes]
    return Configuration(machine, page_size, frozenset(names), root, problem)


def skip_configuration(stream: Input) -> str:
    """Move over the configuration section that a stream stands on; returns the machine type.

    Raises:
        StreamError: the stream ends within it, a length is absurd, or a subsection is not known.
    """
    stream.u8()
    machine = text(_machine(stream))
    while stream.ahead(1)[:1] == bytes([SectionType.SUBSECTION.value]):
        start = stream.position
        if _subsection(stream, None) is None:
            raise StreamError("a subsection of the configuration is not known", offset=start)
    return machine


def _machine(reader: Input) -> bytes:
    """Read the machine type's name, which follows the section's type byte."""
    at = reader.position
    length = reader.u32()
    if length > _MAX_NAME:
        raise StreamError(f"the machine type's name would be {length} bytes long", offset=at)
    return reader.bytes(length)


def without_capabilities(configuration: Field, data: bytes, dropped: frozenset[str]) -> tuple[bytes, tuple[str, ...]]:
    """Drop capabilities.

    Args:
        configuration: The section's tree.
        data: Its bytes.
        dropped: The names of the capabilities.

    Returns:
        The section's new bytes, and the names that are left in them, in order.
    """
    for node in configuration.children:
        if node.name == _CAPABILITIES:
            start = node.offset - configuration.offset
            head = subsection_header(node.name, 1)
            left = tuple(
                name for name in _capabilities(data[start + len(head) : start + node.size]) if name not in dropped
            )
            names = [name.encode() for name in left]
            body = len(names).to_bytes(4, "big") + b"".join(bytes([len(name)]) + name for name in names)
            return data[:start] + (head + body if names else b"") + data[start + node.size :], left
    return data, ()


def with_capabilities(described: VMStateDescription, names: Sequence[str]) -> VMStateDescription:
    """Return a configuration's description with only these capabilities; without any, they have no subsection."""
    sizes = [1 + len(name.encode()) for name in names]
    subsections = tuple(
        _layout_of_capabilities(one.version_id, sizes) if one.name == _CAPABILITIES else one
        for one in described.subsections
        if names or one.name != _CAPABILITIES
    )
    return replace(described, subsections=subsections)


def _subsection(reader: Input, known: VMStateDescription | None) -> VMStateDescription | None:
    """Read a subsection's header and move past its payload; None where its layout is not known."""
    reader.u8()
    name = reader.counted()
    version = reader.u32()
    fields: tuple[VMStateField, ...]
    if name == "configuration/target-page-bits":
        fields = (VMStateField("target_page_bits", "uint32", 4),)
    elif name == "configuration/uuid":
        fields = (VMStateField("uuid.data", "uint8", 1, 16, is_array=True),)
    elif name == _CAPABILITIES:
        at = reader.position
        count = reader.u32()
        if count > _MAX_CAPABILITIES:
            raise StreamError(f"the stream claims {count} capabilities", offset=at)
        sizes = [1 + len(reader.bytes(reader.u8())) for _ in range(count)]
        return _layout_of_capabilities(version, sizes)
    else:
        same = [s for s in known.subsections if s.name == name] if known is not None else []
        if not same:
            return None
        reader.skip(same[0].payload_size)
        return same[0]
    description = VMStateDescription(name, version, fields)
    reader.skip(description.payload_size)
    return description


def _layout_of_capabilities(version: int, sizes: Sequence[int]) -> VMStateDescription:
    items = (VMStateField("capabilities", "capability", size, is_array=True) for size in sizes)
    return VMStateDescription(_CAPABILITIES, version, (VMStateField("caps_count", "uint32", 4), *items))


def _capabilities(body: bytes) -> list[str]:
    names, position = [], 4
    while position < len(body):
        length = body[position]
        names.append(text(body[position + 1 : position + 1 + length]))
        position += 1 + length
    return names
