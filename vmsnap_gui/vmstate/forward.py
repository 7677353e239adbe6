"""The forward walk: every section of a stream in order, from its first byte on.

RAM and the other iterative sections are followed record by record, described sections by their description's size;
what neither covers is bounded by its footer, or, in streams without footers, by the next plausible header.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.iterative import payload_skipper
from vmsnap_gui.vmstate.sections import FOOTER_SIZE, MAX_HEADER, MAX_SECTION_ID, Header, Section, SectionType, footer
from vmsnap_gui.vmstate.wire import Reader, StreamError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmsnap_gui.image.byteview import ByteView
    from vmsnap_gui.vmstate.description import DeviceDescription
    from vmsnap_gui.vmstate.ram_table import RamTable

_STEP = 1 << 20
_OVERLAP = 320  # more than a footer and a header with the longest name
_HEADER = re.compile(rb"(?=[\x01\x04]\x00[\x00-\x0f]..([\x01-\xff])[\x20-\x7e]{2})", re.DOTALL)
_MAX_VERSION = 1 << 28  # eeprom's 20061113 is the highest seen
_MAX_SECTIONS = 1 << 20
_MAX_CANDIDATES = 200_000
_UNDESCRIBED = "nothing describes this section"
_STARTS = (SectionType.START, SectionType.FULL)


class ForwardWalk:
    """Walks sections from `position` on.

    Attributes:
        position: Offset of the next section.
        finished: Whether the EOF mark was met; `position` is then after it.
        footers: Whether sections end with a footer; None while not known.
    """

    def __init__(
        self, view: ByteView, position: int, ram: RamTable, devices: dict[tuple[str, int], DeviceDescription]
    ) -> None:
        self._view = view
        self._ram = ram
        self._devices = devices
        self._open: dict[int, Header] = {}
        self._used: set[int] = set()
        self._candidates = 0
        self.position = position
        self.finished = False
        self.footers: bool | None = None

    def head(self) -> Iterator[Section]:
        """Yield the sections before the first page: early FULL ones and each START, as far as that costs nothing."""
        while self._view.size - self.position > FOOTER_SIZE:
            kind = self._view.read(self.position, 1)[0]
            if kind not in (SectionType.START.value, SectionType.FULL.value, SectionType.COMMAND.value):
                return
            section = self._section(head_only=True)
            if section is None:
                return
            yield section
            if section.problem is not None:
                return

    def walk(self, end: int | None = None) -> Iterator[Section]:
        """Yield every section up to the EOF mark, or up to the offset `end`.

        Raises:
            StreamError: a section cannot be framed, and no section after it was found again.
        """
        for _ in range(_MAX_SECTIONS):
            if end is not None and self.position >= end:
                return
            kind = self._view.read(self.position, 1) if self.position < self._view.size else b""
            if not kind:
                raise StreamError("the stream ends without its end mark", offset=self.position)
            if kind[0] == SectionType.EOF.value:
                self.position += 1
                self.finished = True
                return
            section = self._section()
            if section is not None:
                yield section
        raise StreamError("the stream has more sections than any machine saves", offset=self.position)

    def _section(self, *, head_only: bool = False) -> Section | None:
        start = self.position
        reader = Reader(self._view, start)
        if reader.peek(1) == bytes([SectionType.COMMAND.value]):
            return self._command(reader)
        header = Header.read(reader)
        named = self._name(header, start)
        payload = reader.position
        problem = bounded_by = None
        try:
            known_end = self._payload_end(header.type, named, reader, head_only)
            if known_end is None:
                end, frame, bounded_by = self._recover(named, payload, _UNDESCRIBED)
            else:
                end, frame = known_end, self._frame(header.section_id, known_end)
        except StreamError as error:
            if head_only:
                return None
            end, frame, bounded_by = self._recover(named, payload, error.message)
            problem = str(error)
        self.position = end + frame
        return Section(
            header.type, header.section_id, named.name, named.instance_id, named.version,
            start, self.position - start, payload, end - payload, problem, bounded_by,
        )  # fmt: skip

    def _command(self, reader: Reader) -> Section:
        start = reader.position
        reader.u8()
        command, length = reader.u16(), reader.u16()
        reader.skip(length)
        self.position = reader.position
        size = reader.position - start
        return Section(SectionType.COMMAND, command, "", 0, 0, start, size, start + 5, length)

    def _name(self, header: Header, start: int) -> Header:
        """Remember whom START names; find it again for PART and END."""
        if header.type in _STARTS:
            self._used.add(header.section_id)
            if header.type is SectionType.START:
                self._open[header.section_id] = header
            return header
        opened = self._open.get(header.section_id)
        if opened is None:
            raise StreamError(
                f"a section part is for section id {header.section_id}, which nothing started", offset=start
            )
        return opened

    def _payload_end(self, kind: SectionType, named: Header, reader: Reader, head_only: bool) -> int | None:
        """Return the offset after the payload that the reader stands on, None where nothing tells its length.

        Raises:
            StreamError: it cannot be followed, or finding it would mean to read pages, which `head_only` forbids.
        """
        position = reader.position
        if named.name == "ram" and kind is not SectionType.FULL:
            return self._ram_end(kind, named, position)
        skip = payload_skipper(named.name) if kind is not SectionType.FULL else None
        if skip is not None:
            skip(reader)
            return reader.position
        device = self._devices.get((named.name, named.instance_id))
        if device is None or kind is not SectionType.FULL:
            if head_only:
                raise StreamError(_UNDESCRIBED, offset=position)
            return None
        reader.skip(device.payload_size)
        return reader.position

    def _ram_end(self, kind: SectionType, named: Header, position: int) -> int:
        if kind is SectionType.START:
            position, done = self._ram.start(position, named.version)
            if done:
                return position
        return self._ram.records(position)

    def _frame(self, section_id: int, end: int) -> int:
        """Return the size of the footer at `end`.

        Raises:
            StreamError: what stands there is neither the footer nor, without footers, the next section.
        """
        found = self._view.read(end, min(FOOTER_SIZE, self._view.size - end)) == footer(section_id)
        if self.footers is None and (found or self._plausible(end)):
            self.footers = found
        if found and self.footers:
            return FOOTER_SIZE
        if self.footers is False and self._plausible(end):
            return 0
        raise StreamError("the section does not end where its description says", offset=end)

    def _plausible(self, position: int) -> bool:
        """Tell whether a section, or the end of the stream, can start at `position`."""
        if position >= self._view.size:
            return False
        self._candidates += 1
        if self._candidates > _MAX_CANDIDATES:
            raise StreamError("too many places look like the start of a section", offset=position)
        data = self._view.read(position, min(MAX_HEADER, self._view.size - position))
        if data[0] == SectionType.EOF.value:
            return data[1:2] == bytes([SectionType.VMDESCRIPTION.value]) or not any(data)
        if data[0] == SectionType.COMMAND.value:
            return len(data) >= 5 and not data[1]
        header = Header.parse(data)
        if header is None:
            return False
        if header.type in _STARTS:
            known = header.section_id not in self._used and header.section_id <= MAX_SECTION_ID
            return known and header.version < _MAX_VERSION and _printable(header.name)
        return header.section_id in self._open

    def _recover(self, named: Header, payload: int, why: str) -> tuple[int, int, str]:
        """Find the end of a section whose length is not known: by its footer, else by the next plausible header.

        Returns:
            The end of its payload, the size of its footer, and how the end was found.
        """
        mark = footer(named.section_id)
        position = payload
        while self.footers is not False and position < self._view.size:
            data = self._view.read(position, min(_STEP + FOOTER_SIZE, self._view.size - position))
            at = -1
            while (at := data.find(mark, at + 1)) >= 0:
                end = position + at
                if self._plausible(end + FOOTER_SIZE):
                    self.footers = True
                    return end, FOOTER_SIZE, "footer"
            position += _STEP
        following = None if self.footers else self._next_header(payload)
        if following is not None:
            return following, 0, "next header"
        last = self._view.size - 1
        if not self.footers and last >= payload and self._view.read(last, 1) == b"\0":
            return last, 0, "end"  # the last section: the stream's end mark is its last byte
        raise StreamError(f"section {named.name!r} has no end that can be found: {why}", offset=payload)

    def _next_header(self, payload: int) -> int | None:
        position = payload
        while position < self._view.size:
            data = self._view.read(position, min(_STEP + _OVERLAP, self._view.size - position))
            for match in _HEADER.finditer(data):
                if match.start() >= _STEP:
                    break
                if self._plausible(position + match.start()):
                    return position + match.start()
            position += _STEP
        return None


def _printable(name: str) -> bool:
    return bool(name) and name.isascii() and name.isprintable()
