"""The forward walk: every section of a stream in order, from its first byte on.

RAM and the other iterative sections are followed record by record, described sections by their description's size;
what neither covers is bounded by its footer, or, in streams without footers, by the next plausible header.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vmsnap_gui.image.errors import Problem
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
_DESC_AFTER_EOF = re.compile(rb"\0\x06[\0-\x02]...\{\"(page_size|configuration|devices)\"", re.DOTALL)
_MAX_VERSION = 1 << 28  # eeprom's 20061113 is the highest seen
_MIN_MAX_SECTIONS = 1 << 16  # a live stream has a part for each 50 ms; most of them hold many pages
_MAX_CANDIDATES = 100_000
_MAX_COMMANDS = 1024
_MAX_GAPS = 64
_MAX_MISSES = 2
_STARTS = (SectionType.START, SectionType.FULL)
_FOOTER = bytes([SectionType.FOOTER.value])
_HEADS = (SectionType.START.value, SectionType.FULL.value, SectionType.COMMAND.value)


class ForwardWalk:
    """Walks sections from `position` on.

    Attributes:
        position: Offset of the next section.
        finished: Whether the EOF mark was met; `position` is then after it.
        footers: Whether sections end with a footer; None while not known.
        gaps: Where no section could be read, so that the walk went on at the next header.
    """

    def __init__(
        self,
        view: ByteView,
        position: int,
        ram: RamTable,
        devices: dict[tuple[str, int], DeviceDescription],
        eof: int | None = None,
    ) -> None:
        """Take what is known of the stream: descriptions by name and instance, and where its end mark stands."""
        self._view = view
        self._reader = Reader(view)
        self._ram = ram
        self._devices = devices
        self._eof = eof
        self._open: dict[int, Header] = {}
        self._used: set[int] = set()
        self._candidates = self._misses = self._commands = 0
        self._searchable = 8 * view.size + (64 << 20)
        self._most = _MIN_MAX_SECTIONS + view.size // 1024
        self.position = position
        self.finished = False
        self.footers: bool | None = None
        self.gaps: list[Problem] = []

    def head(self) -> Iterator[Section]:
        """Yield the sections before the first page: early FULL ones and each START, as far as that costs nothing."""
        for _ in range(_MIN_MAX_SECTIONS):
            kind = self._view.read(self.position, 1) if self._view.size - self.position > FOOTER_SIZE else b""
            if not kind or kind[0] not in _HEADS:
                return
            try:
                section = self._section(head_only=True)
            except StreamError:
                return
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
        for _ in range(self._most):
            if end is not None and self.position >= end:
                return
            kind = self._view.read(self.position, 1) if self.position < self._view.size else b""
            if not kind:
                raise StreamError("the stream ends without its end mark", offset=self.position)
            # After no section at all, a zero byte may as well be the inside of a damaged configuration.
            if kind[0] == SectionType.EOF.value and (self._used or self._plausible(self.position)):
                self.position += 1
                self.finished = True
                return
            try:
                section = self._section()
            except StreamError as error:
                self._pass_over(error)
                continue
            if section is not None:
                yield section
        raise StreamError("the stream has more sections than any machine saves", offset=self.position)

    def _pass_over(self, error: StreamError) -> None:
        """Go on at the next plausible header; raise `error` again where there is none."""
        found = self._next_header(self.position + 1, after_footer=True) if len(self.gaps) < _MAX_GAPS else None
        if found is None:
            raise error
        message = f"{found - self.position} bytes here cannot be read as a section: {error.message}"
        self.gaps.append(Problem(message, self.position))
        self.position = found

    def _section(self, *, head_only: bool = False) -> Section | None:
        start = self.position
        reader = self._reader
        reader.position = start
        if reader.peek(1) == bytes([SectionType.COMMAND.value]):
            return self._command(reader)
        header = Header.read(reader)
        named = self._name(header, start)
        payload = reader.position
        end = problem = bounded_by = None
        frame = 0
        try:
            end = self._payload_end(header.type, named, reader)
            if end is not None:
                frame = self._frame(header.section_id, end)
        except StreamError as error:
            end, problem = None, str(error)
        if end is None:
            if head_only and (problem is not None or named.name == "ram"):
                return None
            end, frame, bounded_by = self._recover(named, payload, payload + _STEP if head_only else None)
            if end == self._view.size and problem is None:
                problem = "the stream ends within this section"
        self.position = end + frame
        return Section(
            header.type, header.section_id, named.name, named.instance_id, named.version,
            start, self.position - start, payload, end - payload, problem, bounded_by,
        )  # fmt: skip

    def _command(self, reader: Reader) -> Section:
        start = reader.position
        self._commands += 1
        if self._commands > _MAX_COMMANDS:
            raise StreamError("the stream has more commands than any machine sends", offset=start)
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

    def _payload_end(self, kind: SectionType, named: Header, reader: Reader) -> int | None:
        """Return the offset after the payload that the reader stands on, None where nothing tells its length.

        Raises:
            StreamError: it cannot be followed.
        """
        if named.name == "ram" and kind is not SectionType.FULL:
            return self._ram_end(kind, named, reader.position)
        skip = payload_skipper(named.name) if kind is not SectionType.FULL else None
        if skip is not None:
            skip(reader)
            return reader.position
        device = self._devices.get((named.name, named.instance_id))
        if device is None or kind is not SectionType.FULL:
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

    def _recover(self, named: Header, payload: int, limit: int | None) -> tuple[int, int, str]:
        """Find the end of a section whose length is not known: by its footer, else by the next plausible header.

        Returns:
            The end of its payload (the stream's, where nothing else is found), the size of its footer, and how the
            end was found.

        Raises:
            StreamError: nothing was found up to `limit`, or searching takes too long.
        """
        end = None
        if self.footers is not False:
            end = self._next_footer(footer(named.section_id), payload, limit)
        if end is not None:
            self.footers = True
            return end, FOOTER_SIZE, "footer"
        following = self._next_header(payload, limit, after_footer=True)
        if following is not None:
            if self.footers is None:
                self._misses += 1
                self.footers = False if self._misses >= _MAX_MISSES else None
            return following, 0, "next header"
        if limit is not None:
            raise StreamError(f"section {named.name!r} has no end near its start", offset=payload)
        return self._end_mark(payload), 0, "end"

    def _end_mark(self, payload: int) -> int:
        """Return where the end mark after the last section stands; the stream's end where there is none."""
        if self._eof is not None and self._eof >= payload:
            return self._eof
        position = payload
        while position < self._view.size:
            found = _DESC_AFTER_EOF.search(self._window(position, 32))
            if found is not None:
                return position + found.start()
            position += _STEP
        last = self._view.size - 1
        is_mark = last >= payload and not self.footers and self._view.read(last, 1) == b"\0"
        return last if is_mark else self._view.size

    def _window(self, position: int, overlap: int) -> bytes:
        """Read a step of a search, and a little of the next one; StreamError where searching has no end."""
        length = min(_STEP + overlap, self._view.size - position)
        self._searchable -= length
        if self._searchable < 0:
            raise StreamError("the ends of too many sections would have to be searched for", offset=position)
        return self._view.read(position, length)

    def _next_footer(self, mark: bytes, position: int, limit: int | None) -> int | None:
        """Return where the next `mark` stands that another section, or the end of the stream, follows."""
        limit = self._view.size if limit is None else min(limit, self._view.size)
        while position < limit:
            data = self._window(position, FOOTER_SIZE)
            at = -1
            while (at := data.find(mark, at + 1)) >= 0:
                after = position + at + FOOTER_SIZE
                if after == self._view.size or self._plausible(after):
                    return position + at
            position += _STEP
        return None

    def _next_header(self, position: int, limit: int | None = None, *, after_footer: bool = False) -> int | None:
        """Return where the next plausible header stands.

        If `after_footer`, and where the stream has footers, only a described section may stand elsewhere.
        """
        limit = self._view.size if limit is None else min(limit, self._view.size)
        while position < limit:
            data = self._window(position, _OVERLAP)
            for match in _HEADER.finditer(data):
                start = position + match.start()
                if match.start() >= _STEP:
                    break
                if self._plausible(start) and not (after_footer and self.footers and self._stray(start)):
                    return start
            position += _STEP
        return None

    def _stray(self, start: int) -> bool:
        """Tell whether a header stands neither after a footer nor for a described section."""
        header = Header.parse(self._view.read(start, min(MAX_HEADER, self._view.size - start)))
        known = header is not None and (header.name, header.instance_id) in self._devices
        return not known and self._view.read(max(start - FOOTER_SIZE, 0), 1) != _FOOTER


def _printable(name: str) -> bool:
    return bool(name) and name.isascii() and name.isprintable()
