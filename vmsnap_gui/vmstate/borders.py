"""Where sections end that nothing tells the length of: by their footer, or by what follows them.

Every search is bounded, since what is searched through is not trusted: neither many places that look like a border
nor many sections without one make it slow.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.joined import starts_at
from vmsnap_gui.vmstate.sections import FOOTER_SIZE, MAX_HEADER, MAX_SECTION_ID, NAMING, Header, SectionType, footer
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmsnap_gui.image.byteview import ByteView
    from vmsnap_gui.vmstate.description import Devices

STEP = 1 << 20
"""Bytes that one step of a search looks at, once it has gone far."""

_FIRST_STEP = 1 << 12
_GROWTH = 4

_OVERLAP = 320  # more than a footer and a header with the longest name
_HEADER = re.compile(rb"(?=[\x01\x04]\x00[\x00-\x0f]..([\x01-\xff])[\x20-\x7e]{2})", re.DOTALL)
_DESC_AFTER_EOF = re.compile(rb"\0\x06[\0-\x02]...\{\"(page_size|configuration|devices)\"", re.DOTALL)
_MAX_VERSION = 1 << 28  # eeprom's 20061113 is the highest seen
_MAX_CANDIDATES = 100_000
_MAX_MISSES = 2
_FOOTER = bytes([SectionType.FOOTER.value])


class Borders:
    """Knows and finds the borders of one stream's sections.

    Attributes:
        opened: The section ids that were used so far; for those of START their headers, None for those of FULL.
        footers: Whether sections end with a footer; None while not known.
    """

    def __init__(self, view: ByteView, devices: Devices, eof: int | None = None) -> None:
        """Take what is known of the stream: descriptions by name and instance, and where its end mark stands."""
        self._view = view
        self._devices = devices
        self._eof = eof
        self._candidates = self._misses = 0
        self._searchable = 8 * view.size + (64 << 20)
        self.opened: dict[int, Header | None] = {}
        self.footers: bool | None = None

    def plausible(self, position: int) -> bool:
        """Tell whether a section, or the end of the stream, can start at `position`."""
        if position >= self._view.size:
            return False
        self._candidates += 1
        if self._candidates > _MAX_CANDIDATES:
            raise StreamError("too many places look like the start of a section", offset=position)
        data = self._view.read(position, min(MAX_HEADER, self._view.size - position))
        if data[0] == SectionType.EOF.value:
            described = data[1:2] == bytes([SectionType.VMDESCRIPTION.value])
            return described or not any(data) or starts_at(self._view, position + 1)
        if data[0] == SectionType.COMMAND.value:
            return len(data) >= 5 and not data[1]
        header = Header.parse(data)
        if header is None:
            return SectionType.START.value <= data[0] <= SectionType.FULL.value  # its header is cut off by the end
        if header.type in NAMING:
            known = header.section_id not in self.opened and header.section_id <= MAX_SECTION_ID
            return known and header.version < _MAX_VERSION and _printable(header.name)
        return self.opened.get(header.section_id) is not None

    def recover(self, named: Header, payload: int, limit: int | None) -> tuple[int, int, str]:
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
        following = self.next_header(payload, limit)
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
        for position, _, data in self._windows(payload, self._view.size, 32):
            found = _DESC_AFTER_EOF.search(data)
            if found is not None:
                return position + found.start()
        last = self._view.size - 1
        is_mark = last >= payload and not self.footers and self._view.read(last, 1) == b"\0"
        return last if is_mark else self._view.size

    def _windows(self, position: int, limit: int, overlap: int) -> Iterator[tuple[int, int, bytes]]:
        """Read the steps of a search, each with a little of the next one: yields offset, length and bytes of each.

        They start small, so that a border that is near costs little however many there are; that step costs no more
        than the section it is for, and is not counted.

        Raises:
            StreamError: searching has no end.
        """
        step = _FIRST_STEP
        while position < limit:
            length = min(step + overlap, self._view.size - position)
            if step > _FIRST_STEP:
                self._searchable -= length
            if self._searchable < 0:
                raise StreamError("the ends of too many sections would have to be searched for", offset=position)
            yield position, step, self._view.read(position, length)
            position += step
            step = min(_GROWTH * step, STEP)

    def _next_footer(self, mark: bytes, position: int, limit: int | None) -> int | None:
        """Return where the next `mark` stands that another section, or the end of the stream, follows."""
        limit = self._view.size if limit is None else min(limit, self._view.size)
        for start, _, data in self._windows(position, limit, FOOTER_SIZE):
            at = -1
            while (at := data.find(mark, at + 1)) >= 0:
                after = start + at + FOOTER_SIZE
                if after == self._view.size or self.plausible(after):
                    return start + at
        return None

    def next_header(self, position: int, limit: int | None = None) -> int | None:
        """Return where the next plausible header stands; elsewhere than after a footer only a described section's."""
        limit = self._view.size if limit is None else min(limit, self._view.size)
        for base, step, data in self._windows(position, limit, _OVERLAP):
            for match in _HEADER.finditer(data):
                start = base + match.start()
                if match.start() >= step:
                    break
                if self.plausible(start) and not (self.footers and self._stray(start)):
                    return start
        return None

    def _stray(self, start: int) -> bool:
        """Tell whether a header stands neither after a footer nor for a described section."""
        header = Header.parse(self._view.read(start, min(MAX_HEADER, self._view.size - start)))
        known = header is not None and (header.name, header.instance_id) in self._devices
        return not known and self._view.read(max(start - FOOTER_SIZE, 0), 1) != _FOOTER


def _printable(name: str) -> bool:
    return bool(name) and name.isascii() and name.isprintable()
