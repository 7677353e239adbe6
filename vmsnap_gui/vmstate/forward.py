"""The forward walk: every section of a stream in order, from its first byte on.

RAM and the other iterative sections are followed record by record, described sections by their description's size;
what neither covers is bounded by its footer, or, in streams without footers, by the next plausible header.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.image.errors import Problem
from vmsnap_gui.image.texts import counted
from vmsnap_gui.vmstate.borders import STEP, Borders
from vmsnap_gui.vmstate.iterative import payload_skipper
from vmsnap_gui.vmstate.joined import starts_at
from vmsnap_gui.vmstate.refusals import UnknownSectionId, UnsupportedVersion
from vmsnap_gui.vmstate.sections import FOOTER_SIZE, NAMING, Header, Section, SectionType, footer, misdescribed
from vmsnap_gui.vmstate.wire import Reader, ShortRead, StreamError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vmsnap_gui.image.byteview import ByteView
    from vmsnap_gui.vmstate.description import DeviceDescription, Devices
    from vmsnap_gui.vmstate.layouts import Layouts
    from vmsnap_gui.vmstate.ram_table import RamTable

_MIN_MAX_SECTIONS = 1 << 16  # a live stream has a part for each 50 ms; most of them hold many pages
_MAX_COMMANDS = 1024
_MAX_GAPS = 64
_POSTCOPY_ADVISE = 3
_HEADS = (SectionType.START.value, SectionType.FULL.value, SectionType.COMMAND.value)


class ForwardWalk:
    """Walks sections from `position` on.

    Attributes:
        position: Offset of the next section.
        finished: Whether the EOF mark was met; `position` is then after it.
        gaps: Where no section could be read, so that the walk went on at the next header; RAM that is not known.
        described: What describes the sections, by their offset, whose layout was found.
    """

    def __init__(
        self,
        view: ByteView,
        position: int,
        ram: RamTable,
        devices: Devices,
        eof: int | None = None,
        layouts: Layouts | None = None,
    ) -> None:
        """Take what is known of the stream: descriptions by name and instance, and where its end mark stands.

        Sections that nothing in the stream describes are sought in `layouts`, if given.

        There can be several of one name and instance: QEMU's isapc saves two "isa-ide" 0, in the order described.
        """
        self._view = view
        self._reader = Reader(view)
        self._ram = ram
        self._devices = {key: iter(same) for key, same in devices.items()}
        self._borders = Borders(view, devices, eof)
        self._layouts = layouts
        self._commands = 0
        self._most = _MIN_MAX_SECTIONS + view.size // 1024
        self.position = position
        self.finished = False
        self.gaps: list[Problem] = []
        self.described: dict[int, DeviceDescription] = {}

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
                raise ShortRead("the stream ends without its end mark", offset=self.position)
            # After no section at all, a zero byte may as well be the inside of a damaged configuration.
            if kind[0] == SectionType.EOF.value and (self._borders.opened or self._borders.plausible(self.position)):
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

    def resume(self, record: int, started: Iterable[Section]) -> None:
        """Take the walk up within RAM, at the record at offset `record`; afterwards `walk` goes on behind its part.

        Args:
            record: Offset of a record that names its block.
            started: The START sections before it, that of RAM among them.

        Raises:
            StreamError: there is none of RAM, or its records cannot be followed.
        """
        for section in started:
            head = section.payload_offset - section.offset
            header = Header(section.type, section.section_id, section.name, section.instance_id, section.version, head)
            self._name(header, section.offset)
        ram = next((s.section_id for s in started if s.name == "ram"), None)
        if ram is None:
            raise StreamError("no RAM section was started", offset=record)
        end = self._ram.records(record)
        self.position = end + self._frame(ram, end)

    def _pass_over(self, error: StreamError) -> None:
        """Go on at the next plausible header; raise `error` again where there is none."""
        found = self._borders.next_header(self.position + 1) if len(self.gaps) < _MAX_GAPS else None
        if found is None:
            raise error
        message = f"{counted(found - self.position, 'byte')} here cannot be read as a section: {error.message}"
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
        end = claimed = problem = bounded_by = None
        frame = 0
        try:
            claimed = self._payload_end(header.type, named, reader)
            if claimed is not None:
                frame = self._frame(header.section_id, claimed)
                end = claimed
        except StreamError as error:
            problem = str(error)
            if head_only and isinstance(error, UnsupportedVersion):  # else only where its pages begin
                self.gaps.append(Problem(f"{named.name}: {error.message}", error.offset))
        if end is None:
            if head_only and (problem is not None or named.name == "ram"):
                return None
            end, frame, bounded_by = self._borders.recover(named, payload, payload + STEP if head_only else None)
            if end == self._view.size and problem is None:
                problem = "the stream ends within this section"
            if claimed is not None and header.type is SectionType.FULL:
                problem, bounded_by = misdescribed(claimed - payload, end - payload), None
            elif self._is_found(header, payload, end):
                bounded_by = None
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
        if command == _POSTCOPY_ADVISE and length == 16:  # two page sizes; for dirty bitmaps alone it is empty
            self._ram.postcopy = True
        self.position = reader.position
        size = reader.position - start
        return Section(SectionType.COMMAND, command, "", 0, 0, start, size, start + 5, length)

    def _name(self, header: Header, start: int) -> Header:
        """Remember whom START names; find it again for PART and END."""
        if header.type in NAMING:
            if header.type is SectionType.START:
                self._borders.opened[header.section_id] = header
            self._borders.opened.setdefault(header.section_id, None)
            return header
        opened = self._borders.opened.get(header.section_id)
        if opened is None:
            raise UnknownSectionId(
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
        if kind is not SectionType.FULL:
            return None
        device = next(self._devices.get((named.name, named.instance_id), iter(())), None)
        if device is None:
            return self._layout_end(named, reader.position)
        reader.skip(device.payload_size)
        return reader.position

    def _layout_end(self, named: Header, payload: int) -> int | None:
        """Return the end of the first layout after which a section follows, None without one.

        Inside of zero bytes each place looks like the end mark, so that a section is believed rather than a mark, and
        a mark only where no section follows it.
        """
        fitting: list[tuple[bool, int, DeviceDescription]] = []
        for description, end in self._layouts.fitting(named, payload) if self._layouts is not None else ():
            try:
                self._frame(named.section_id, end)
            except StreamError:
                continue
            last = self._view.size - 1
            is_mark = end < last and self._view.read(end, 1) == bytes([SectionType.EOF.value])
            doubtful = is_mark and not starts_at(self._view, end + 1)
            fitting.append((doubtful, end, description))
            if not doubtful:
                break
        if not fitting:
            return None
        doubtful, end, description = min(fitting, key=lambda fit: fit[0])
        if doubtful and self._borders.next_header(end + 1, end + STEP) is not None:
            return None
        self.described[payload - named.size] = description
        return end

    def _is_found(self, header: Header, payload: int, end: int) -> bool:
        """Tell whether a layout describes a section whose end was found, and keep it."""
        if self._layouts is None or header.type is not SectionType.FULL:
            return False
        description = self._layouts.bounded(header, payload, end)
        if description is not None:
            self.described[payload - header.size] = description
        return description is not None

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
        borders = self._borders
        found = self._view.read(end, min(FOOTER_SIZE, self._view.size - end)) == footer(section_id)
        if borders.footers is None and (found or borders.plausible(end)):
            borders.footers = found
        if found and borders.footers:
            return FOOTER_SIZE
        if borders.footers is False and borders.plausible(end):
            return 0
        if not borders.footers and end == self._view.size:
            return 0  # cut off right here, which the next step of the walk says
        raise StreamError("the section does not end where its description says", offset=end)
