"""The framing of a savevm stream: section types, headers and footers (QEMU's migration/savevm.c)."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.image.texts import counted
from vmsnap_gui.vmstate.refusals import UnknownSectionType
from vmsnap_gui.vmstate.wire import text

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.wire import Input


class SectionType(enum.Enum):
    """The type bytes of QEMU's migration/savevm.h."""

    EOF = 0x00
    START = 0x01
    PART = 0x02
    END = 0x03
    FULL = 0x04
    SUBSECTION = 0x05
    VMDESCRIPTION = 0x06
    CONFIGURATION = 0x07
    COMMAND = 0x08
    FOOTER = 0x7E


NAMING = (SectionType.START, SectionType.FULL)
"""The types whose headers name the section; PART, END and footers only repeat its id."""

_WITH_HEADERS = {kind.value: kind for kind in (*NAMING, SectionType.PART, SectionType.END)}


class Located(enum.Enum):
    """How the device sections were found."""

    TAIL = "tail"
    FORWARD = "forward"


@dataclass(frozen=True, slots=True)
class Section:
    """One section of a stream.

    Attributes:
        type: START, PART, END, FULL, CONFIGURATION or COMMAND.
        section_id: The number that PART, END and the footer refer to (0 for CONFIGURATION and COMMAND).
        name: The id string ("ram", "0000:00:1f.2/ich9_ahci"); for PART and END that of their START.
        instance_id: Unsigned.
        version: The stream's version of this section.
        offset: Of the type byte, from the start of the stream.
        size: Bytes with header and footer.
        payload_offset: First byte after the header.
        payload_size: Bytes without header and footer.
        problem: What is wrong with its framing, if anything.
        bounded_by: How its end was found where no description tells its length: "footer", "next header" or "end".
    """

    type: SectionType
    section_id: int
    name: str
    instance_id: int
    version: int
    offset: int
    size: int
    payload_offset: int
    payload_size: int
    problem: str | None = None
    bounded_by: str | None = None

    @property
    def end(self) -> int:
        """Offset of the first byte after the section."""
        return self.offset + self.size

    @property
    def key(self) -> str:
        """The section's name for people and for paths: "cpu", or "cpu:1" where the instance id is not 0."""
        return self.name if self.instance_id == 0 else f"{self.name}:{self.instance_id}"


@dataclass(frozen=True, slots=True)
class Header:
    """A section's header: START and FULL name the section, PART and END only repeat its id."""

    type: SectionType
    section_id: int
    name: str
    instance_id: int
    version: int
    size: int

    @classmethod
    def parse(cls, data: bytes) -> Header | None:
        """Return the header that `data` starts with, None where it is none or cut short."""
        if len(data) < 5:
            return None
        kind, section_id = _WITH_HEADERS.get(data[0]), int.from_bytes(data[1:5], "big")
        if kind is None:
            return None
        if kind not in NAMING:
            return cls(kind, section_id, "", 0, 0, 5)
        if len(data) < 6:
            return None
        end = 6 + data[5]
        if len(data) < end + 8:
            return None
        instance_id, version = (
            int.from_bytes(data[end : end + 4], "big"),
            int.from_bytes(data[end + 4 : end + 8], "big"),
        )
        return cls(kind, section_id, text(data[6:end]), instance_id, version, end + 8)

    @classmethod
    def read(cls, reader: Input) -> Header:
        """Read the header that the reader stands on.

        Raises:
            UnknownSectionType: there is none.
            ShortRead: the stream ends within it.
        """
        kind = reader.u8()
        start = reader.position - 1
        if kind not in _WITH_HEADERS:
            message = f"no section starts here: {kind:#04x} is the type of none"
            raise UnknownSectionType(message, offset=start)
        found, section_id = _WITH_HEADERS[kind], reader.u32()
        if found not in NAMING:
            return cls(found, section_id, "", 0, 0, 5)
        name, instance_id, version = reader.counted(), reader.u32(), reader.u32()
        return cls(found, section_id, name, instance_id, version, reader.position - start)


FOOTER_SIZE = 5

MIN_HEADER = 14
"""Bytes of the header of a section without a name."""

MAX_HEADER = MIN_HEADER + 255
"""Bytes of the longest header."""

MAX_SECTION_ID = 1 << 20
"""QEMU counts section ids up from 0; a number above this is no section id."""


def footer(section_id: int) -> bytes:
    """Return the footer that machine types since 2.4 write after each section."""
    return bytes([SectionType.FOOTER.value]) + section_id.to_bytes(4, "big")


def header(kind: SectionType, section_id: int, name: str = "", instance_id: int = 0, version: int = 0) -> bytes:
    """Return the header of a section; START and FULL name it (in at most 255 bytes)."""
    head = bytes([kind.value]) + section_id.to_bytes(4, "big")
    if kind not in NAMING:
        return head
    encoded = name.encode()
    named = bytes([len(encoded) & 0xFF]) + encoded
    return head + named + instance_id.to_bytes(4, "big") + version.to_bytes(4, "big")


def full_header(section_id: int, name: str, instance_id: int, version: int) -> bytes:
    """Return the header of a FULL section."""
    return header(SectionType.FULL, section_id, name, instance_id, version)


def subsection_header(name: str, version: int) -> bytes:
    """Return the header of a subsection."""
    encoded = name.encode()
    return bytes([SectionType.SUBSECTION.value, len(encoded)]) + encoded + version.to_bytes(4, "big")


def misdescribed(described: int, actual: int) -> str:
    """Return the problem of a section that is not as long as the vmdesc says, both in bytes of payload."""
    return (
        f"the description gives this section {counted(described, 'byte')}, but it has {actual}: "
        "what fits is decoded, the rest shown raw"
    )
