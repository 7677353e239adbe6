"""Finding the device sections from the end of a stream, so that opening does not depend on the size of RAM.

The vmdesc is the last thing in a stream and tells how long each described section is. The sections are walked
backwards from the EOF mark before it, and every header and footer is checked on the way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.sections import (
    FOOTER_SIZE,
    MAX_HEADER,
    MAX_SECTION_ID,
    Header,
    Section,
    SectionType,
    full_header,
    misdescribed,
)
from vmsnap_gui.vmstate.vmdesc import MAX_JSON, VMDesc
from vmsnap_gui.vmstate.wire import Reader, StreamError

if TYPE_CHECKING:
    from vmsnap_gui.image.byteview import ByteView
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.description import DeviceDescription

_STEP = 1 << 20
_WINDOW = 4 << 10
_MAX_SEARCH = 64 << 20  # how far back the start of a wrongly described section is sought
_MAX_RECOVERIES = 64
VMDESC_HEADER = 5
"""Type byte and length of a vmdesc."""

_DESC_START = re.compile(rb"\0\x06(?=[\0-\x02]...\{)", re.DOTALL)  # the length's first byte: see MAX_JSON


@dataclass(frozen=True, slots=True)
class Tail:
    """What the end of a stream holds.

    Attributes:
        eof: Offset of the EOF mark, after the last section.
        desc_offset: Offset of the vmdesc's type byte.
        end: Offset after the vmdesc: the stream's end (padding may follow).
        desc: The parsed vmdesc.
    """

    eof: int
    desc_offset: int
    end: int
    desc: VMDesc


def find_tail(view: ByteView, progress: Progress | None = None) -> Tail | None:
    """Find and parse the vmdesc at the end of `view`, None where there is none.

    Args:
        view: The stream, perhaps with padding after it.
        progress: Called while padding is read over; may raise Cancelled.

    Raises:
        StreamError: there is one, but it cannot be read.
    """
    end = _strip_zeros(view, progress)
    if end < VMDESC_HEADER + 2 or view.read(end - 1, 1) != b"}":
        return None
    length = _STEP // 64
    while True:
        length = min(length * 16, end, MAX_JSON + VMDESC_HEADER)
        start = end - length
        data = view.read(start, length)
        found = _desc_start(data)
        if found is not None:
            return _parsed(start + found, data[found + VMDESC_HEADER :])
        if length in (end, MAX_JSON + VMDESC_HEADER):
            return None


def _strip_zeros(view: ByteView, progress: Progress | None) -> int:
    """Return the offset after the last byte that is not zero: cluster and volume padding follows a stream."""
    end, step = view.size, _WINDOW
    while end > 0:
        start, step = max(end - step, 0), _STEP
        data = view.read(start, end - start).rstrip(b"\0")
        if data:
            return start + len(data)
        end = start
        if progress is not None:
            progress(view.size - end, view.size)
    return 0


def _desc_start(data: bytes) -> int | None:
    """Return where in `data` a type byte stands after an EOF mark, whose length reaches exactly its end."""
    found = None
    for match in _DESC_START.finditer(data):
        # The length's own bytes may look like a start too, so only the whole check counts.
        body = match.end() + 4
        if int.from_bytes(data[match.end() : body], "big") == len(data) - body:
            found = match.end() - 1
    return found


def _parsed(offset: int, text: bytes) -> Tail:
    return Tail(offset - 1, offset, offset + VMDESC_HEADER + len(text), VMDesc.parse(text, offset))


def tail_at(view: ByteView, offset: int) -> Tail | None:
    """Read the vmdesc whose type byte is at `offset`, after an EOF mark, None where there is none.

    `find_tail` needs it at the end of the view; this finds it when something follows.

    Raises:
        StreamError: there is one, but it is cut short or cannot be read.
    """
    reader = Reader(view, offset)
    if reader.peek(1) != bytes([SectionType.VMDESCRIPTION.value]) or reader.left < VMDESC_HEADER:
        return None
    reader.u8()
    length = reader.u32()
    if length > reader.left:
        message = f"the description is cut short: of its {length} bytes only {reader.left} are here"
        raise StreamError(message, offset=offset)
    if length > MAX_JSON:
        raise StreamError(f"the description is {length} bytes long, more than any machine writes", offset=offset)
    return _parsed(offset, reader.bytes(length))


def text_at(view: ByteView, offset: int) -> bytes | None:
    """Return the text of the vmdesc whose type byte is at `offset`, None where there is none that is whole."""
    reader = Reader(view, offset)
    if reader.peek(1) != bytes([SectionType.VMDESCRIPTION.value]) or reader.left < VMDESC_HEADER:
        return None
    reader.u8()
    length = reader.u32()
    return reader.bytes(length) if length <= min(reader.left, MAX_JSON) else None


class TailWalk:
    """The backwards walk over the described sections.

    Attributes:
        sections: The sections found, in stream order.
        described: For each its description.
    """

    def __init__(self, view: ByteView, tail: Tail, first: int, lowest: int) -> None:
        self._view = view
        self._tail = tail
        self._first = first
        self._lowest = lowest
        self._recoveries = 0
        self.sections: list[Section] = []
        self.described: list[DeviceDescription] = []

    def run(self) -> bool:
        """Walk from the EOF mark back over the devices from `first` on; False where the chain is lost."""
        end = self._tail.eof
        devices = self._tail.desc.devices[self._first :]
        for device in reversed(devices):
            section = self._step(device, end)
            if section is None:
                return False
            self.sections.append(section)
            self.described.append(device)
            end = section.offset
        self.sections.reverse()
        self.described.reverse()
        return True

    def _step(self, device: DeviceDescription, end: int) -> Section | None:
        head = 14 + len(device.name.encode())
        section_id = self._footer(end)
        frame = FOOTER_SIZE if section_id is not None else 0
        start = end - frame - device.payload_size - head
        header = self._header(start, device, section_id)
        if header is None and section_id is not None:
            # Perhaps the last payload bytes only look like a footer.
            header = self._header(start + frame, device, None)
            if header is not None:
                start, frame = start + frame, 0
        problem = None
        if header is None:
            found = self._search(device, end - frame, section_id)
            if found is None:
                return None
            start, header = found
            actual = end - frame - start - head
            problem = misdescribed(device.payload_size, actual)
        size = end - start
        payload = start + header.size
        return Section(
            header.type, header.section_id, header.name, header.instance_id, header.version,
            start, size, payload, size - header.size - frame, problem,
        )  # fmt: skip

    def _footer(self, end: int) -> int | None:
        """Return whose footer ends at `end`, None where there is none."""
        if end < self._lowest + FOOTER_SIZE:
            return None
        data = self._view.read(end - FOOTER_SIZE, FOOTER_SIZE)
        section_id = int.from_bytes(data[1:], "big")
        if data[0] == SectionType.FOOTER.value and section_id <= MAX_SECTION_ID:
            return section_id
        return None

    def _header(self, start: int, device: DeviceDescription, section_id: int | None) -> Header | None:
        if start < self._lowest:
            return None
        header = Header.parse(self._view.read(start, min(MAX_HEADER, self._view.size - start)))
        if header is None:
            return None
        same = header.name == device.name and header.instance_id == device.instance_id
        if header.type is not SectionType.FULL or not same:
            return None
        return header if section_id is None or header.section_id == section_id else None

    def _search(self, device: DeviceDescription, end: int, section_id: int | None) -> tuple[int, Header] | None:
        """Seek the header of a wrongly described section backwards from its known end."""
        self._recoveries += 1
        if self._recoveries > _MAX_RECOVERIES:
            return None
        # The version may differ from the description's; without a footer the section's id is not known.
        whole = full_header(section_id or 0, device.name, device.instance_id, 0)[:-4]
        wanted = re.escape(whole[1:5]) if section_id is not None else rb"\0[\0-\x0f].."
        pattern = re.compile(rb"\x04(?=" + wanted + re.escape(whole[5:]) + rb")", re.DOTALL)
        lowest = max(self._lowest, end - _MAX_SEARCH)
        top = end
        while top > lowest:
            start = max(top - _STEP, lowest)
            data = self._view.read(start, min(end, top + len(whole)) - start)
            for at in reversed([match.start() for match in pattern.finditer(data)]):
                header = self._header(start + at, device, section_id)
                if header is not None:
                    return start + at, header
            top = start
        return None
