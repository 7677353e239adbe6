"""The framing of a savevm stream: where each section starts and ends, found from the tail or by the forward walk."""

from __future__ import annotations

import enum
from dataclasses import dataclass


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
        problem: What is wrong with its framing, if anything (bounded by its footer, not described, ...).
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

    @property
    def end(self) -> int:
        """Offset of the first byte after the section."""
        return self.offset + self.size

    @property
    def key(self) -> str:
        """The section's name for people and for paths: "cpu", or "cpu:1" where the instance id is not 0."""
        return self.name if self.instance_id == 0 else f"{self.name}:{self.instance_id}"
