"""Finding the device sections from the end of a stream, so that opening does not depend on the size of RAM.

The vmdesc is the last thing in a stream and tells how long each described section is. The sections are walked
backwards from the EOF mark before it, and every header and footer is checked on the way.
"""

from __future__ import annotations

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
)
from vmsnap_gui.vmstate.vmdesc import MAX_JSON, VMDesc
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from vmsnap_gui.image.byteview import ByteView
    from vmsnap_gui.vmstate.description import DeviceDescription

_STEP = 1 << 20
_MAX_SEARCH = 64 << 20  # how far back the start of a wrongly described section is sought
_MAX_RECOVERIES = 64
_FRAME = 5  # type byte and length of a vmdesc


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


def find_tail(view: ByteView) -> Tail | None:
    """Find and parse the vmdesc at the end of `view`, None where there is none.

    Raises:
        StreamError: there is one, but it cannot be read.
    """
    end = _strip_zeros(view)
    if end < _FRAME + 2 or view.read(end - 1, 1) != b"}":
        return None
    length = _STEP // 16
    while True:
        length = min(length * 16, end, MAX_JSON + _FRAME)
        start = end - length
        data = view.read(start, length)
        found = _desc_start(data)
        if found is not None:
            offset = start + found
            desc = VMDesc.parse(data[found + _FRAME :], offset)
            eof = offset - 1
            if eof < 0 or view.read(eof, 1) != b"\0":
                raise StreamError("no end mark stands before the description", offset=offset)
            return Tail(eof, offset, end, desc)
        if length in (end, MAX_JSON + _FRAME):
            return None


def _strip_zeros(view: ByteView) -> int:
    """Return the offset after the last byte that is not zero: cluster and volume padding follows a stream."""
    end = view.size
    while end > 0:
        start = max(end - _STEP, 0)
        data = view.read(start, end - start).rstrip(b"\0")
        if data:
            return start + len(data)
        end = start
    return 0


def _desc_start(data: bytes) -> int | None:
    """Return where in `data` a type byte stands after an EOF mark, whose length reaches exactly its end."""
    top = len(data)
    while (at := data.rfind(b"\0\x06", 0, top)) >= 0:
        # The length's own bytes may look like this too, so only the whole check counts.
        body = at + 1 + _FRAME
        if data[body : body + 1] == b"{" and int.from_bytes(data[at + 2 : body], "big") == len(data) - body:
            return at + 1
        top = at + 1
    return None


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
            problem = (
                f"the description gives this section {device.payload_size} bytes, but it has {actual}: "
                "what fits is decoded, the rest shown raw"
            )
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
        whole = full_header(section_id or 0, device.name, device.instance_id, 0)
        # Without a footer the section's id is not known; the version may differ from the description's.
        pattern = whole[:-4] if section_id is not None else whole[5:-4]
        back = 0 if section_id is not None else 5
        lowest = max(self._lowest, end - _MAX_SEARCH)
        top = end
        while top > lowest:
            start = max(top - _STEP, lowest)
            data = self._view.read(start, min(end, top + len(pattern)) - start)
            bound = len(data)
            while (at := data.rfind(pattern, 0, bound)) >= 0:
                header = self._header(start + at - back, device, section_id)
                if header is not None:
                    return start + at - back, header
                bound = at + len(pattern) - 1
            top = start
        return None
