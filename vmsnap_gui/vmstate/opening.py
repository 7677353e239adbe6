"""Opening a saved state: its sections found by the tail or forward, and what describes each."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vmsnap_gui.image.errors import Problem
from vmsnap_gui.vmstate.configuration import read_configuration
from vmsnap_gui.vmstate.forward import ForwardWalk
from vmsnap_gui.vmstate.holes import filled
from vmsnap_gui.vmstate.joined import behind, may_start_again, starts_at
from vmsnap_gui.vmstate.layouts import Layouts, undescribed
from vmsnap_gui.vmstate.ram_table import RamTable
from vmsnap_gui.vmstate.refusals import check_start
from vmsnap_gui.vmstate.sections import Located, Section, SectionType
from vmsnap_gui.vmstate.tail import Tail, TailWalk, find_tail, tail_at
from vmsnap_gui.vmstate.wire import Reader, StreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from vmsnap_gui.image.byteview import ByteView
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.configuration import Configuration
    from vmsnap_gui.vmstate.description import DeviceDescription, Devices, VMStateDescription
    from vmsnap_gui.vmstate.fields import Field
    from vmsnap_gui.vmstate.layouts import LayoutSource
    from vmsnap_gui.vmstate.ram import RamIndex
    from vmsnap_gui.vmstate.ram_parser import RamParser
    from vmsnap_gui.vmstate.ram_table import RamBlockInfo

_MAX_FILLED = 1 << 20  # bytes of a section in which something is sought that its description leaves out


class Opened:
    """What is found of a state when it is opened.

    Attributes:
        view: The stream.
        machine: The machine type from the configuration section, None for older streams.
        page_size: The target's page size in bytes (4096 where nothing tells and no page was read).
        configuration: The configuration section as a tree, or None.
        located: How the device sections were found.
        sections: START, PART, END and FULL sections in stream order. By the tail, the iterative PART and END
            sections between the block table and the first device are not in it: they lie in `unwalked`.
        unwalked: (offset, size) of what the tail did not look at, or None.
        commands: COMMAND sections; `section_id` is the command's number.
        ram_blocks: The RAM block table.
        problems: What is wrong or was guessed, with stream offsets.
        end: Offset after the stream's last byte that was understood.
        cut_off: Whether the stream ends, or cannot be followed, before its end mark: sections may be missing.
    """

    def __init__(self, view: ByteView, layouts: Callable[[str | None], Sequence[LayoutSource]] | None = None) -> None:
        self.view = view
        self._sources = layouts
        self._given: Sequence[LayoutSource] = ()
        self.machine: str | None = None
        self.configuration: Field | None = None
        self.located = Located.FORWARD
        self.sections: tuple[Section, ...] = ()
        self.unwalked: tuple[int, int] | None = None
        self.commands: tuple[Section, ...] = ()
        self.ram_blocks: tuple[RamBlockInfo, ...] = ()
        self.problems: tuple[Problem, ...] = ()
        self.page_size = 4096
        self.end = 0
        self.cut_off = False
        self._configuration: Configuration | None = None
        self._tail: Tail | None = None
        self._first = 8
        self._mapped = False
        self._walked: tuple[Section, ...] | None = None
        self._descriptions: dict[int, DeviceDescription] = {}
        self._index: RamIndex | None = None

    @property
    def capabilities(self) -> frozenset[str]:
        """The migration capabilities that the stream names: source and target must share them."""
        return self._configuration.capabilities if self._configuration is not None else frozenset()

    @property
    def described_configuration(self) -> VMStateDescription | None:
        """What the vmdesc tells of the configuration (since QEMU 10.0)."""
        return self._tail.desc.configuration if self._tail is not None else None

    def open(self, *, forward: bool, joined: bool, progress: Progress | None) -> None:
        """Find all of it; takes and raises what `open_state` does."""
        check_start(self.view.read(0, min(8, self.view.size)))
        problems: list[Problem] = []
        try:
            self._tail = find_tail(self.view, progress)
        except StreamError as error:
            problems.append(Problem(error.message, error.offset))
        if self._tail is not None:
            problems += [Problem(text, self._tail.desc_offset) for text in self._tail.desc.problems]
        self._read_configuration(problems)
        self.page_size = self._known_page_size() or self.page_size
        if forward or not self._by_tail(joined, problems):
            self._by_forward(problems, progress)
        versions = list(self._other_versions())
        self.sections = tuple(self._fill(section, problems) for section in self.sections)
        problems += [Problem(f"{s.key}: {s.problem}", s.offset) for s in self.sections if s.problem]
        problems += versions
        bounded = [s for s in self.sections if s.bounded_by is not None and s.problem is None]
        if bounded:
            problems.append(undescribed(bounded, self._given))
        if not self.sections and self.configuration is None and self._tail is None and not problems:
            problems.append(Problem("the stream ends without any section", self.end))
        self.problems = tuple(problems)

    def _fill(self, section: Section, problems: list[Problem]) -> Section:
        """Describe what the vmdesc leaves out of a section, and say that instead of that they do not agree."""
        device = self._descriptions.get(section.offset)
        if device is None or section.problem is None or not device.payload_size < section.payload_size <= _MAX_FILLED:
            return section
        found = filled(device, self.view.read(section.payload_offset, section.payload_size))
        if found is None:
            return section
        self._descriptions[section.offset], text = found
        problems.append(Problem(f"{section.key}: {text}", section.offset, is_notice=True))
        return replace(section, problem=None)

    def _other_versions(self) -> Iterator[Problem]:
        """Yield where a section is not of its description's version: QEMU writes one number in both places."""
        told = {id(device) for device in self._tail.desc.devices} if self._tail is not None else set()
        for section in self.sections:
            device = self._descriptions.get(section.offset)
            version = device.description.version_id if device is not None and id(device) in told else 0
            if version not in (0, section.version):
                text = f"{section.key}: it is of version {section.version}, but described as of version {version}"
                yield Problem(text, section.offset)

    def _read_configuration(self, problems: list[Problem]) -> None:
        reader = Reader(self.view, 8)
        if reader.peek(1) != bytes([SectionType.CONFIGURATION.value]):
            return
        try:
            found = read_configuration(self.view, 8, self.described_configuration)
        except StreamError as error:
            problems.append(Problem(error.message, error.offset))
            return
        self._configuration = found
        self.configuration = found.field
        self.machine = found.machine
        self._first = 8 + found.field.size
        if found.problem is not None:
            problems.append(Problem(found.problem, self._first))

    def _by_tail(self, joined: bool, problems: list[Problem]) -> bool:
        """Find the sections by the tail; False where there is none, or it may be another stream's, or is lost."""
        if self._tail is None or not self._tail.desc.complete:
            return False
        head, table, before = self._head()
        position = before.position
        devices = self._tail.desc.devices
        if not head and not devices and position < self._tail.eof:
            return False  # a description of nothing, and bytes before it: only walking tells what they are
        early = [s for s in head if s.type is SectionType.FULL and s.bounded_by is None]
        matching = [(s.name, s.instance_id) == (d.name, d.instance_id) for s, d in zip(early, devices, strict=False)]
        if len(early) > len(devices) or not all(matching):
            return False
        walk = TailWalk(self.view, self._tail, len(early), position)
        if not walk.run():
            where = walk.sections[-1].offset if walk.sections else self._tail.eof
            problems.append(
                Problem("the description does not fit what stands before this; walked forward instead", where)
            )
            return False
        first = walk.sections[0].offset if walk.sections else self._tail.eof
        if joined and may_start_again(self.view, position, first):
            return False
        problems += before.gaps
        self.located = Located.TAIL
        self.sections = (*head, *walk.sections)
        self._descriptions = {s.offset: d for s, d in zip(walk.sections, walk.described, strict=True)}
        self._descriptions |= {s.offset: d for s, d in zip(early, devices, strict=False)}
        self.ram_blocks = table.table
        self._mapped = bool(table.mapped)
        self.unwalked = (position, first - position) if first > position else None
        self.end = self._tail.end
        return True

    def _head(self) -> tuple[list[Section], RamTable, ForwardWalk]:
        """Read the sections before the first page: commands, early devices, block table; also what walked there."""
        table = RamTable(self.view, self._known_page_size(), capabilities=self.capabilities)
        walk = self._walk(table, self._devices())
        head = list(walk.head())
        self.commands = tuple(s for s in head if s.type is SectionType.COMMAND)
        return [s for s in head if s.type is not SectionType.COMMAND], table, walk

    def _by_forward(self, problems: list[Problem], progress: Progress | None, *, again: bool = False) -> None:
        parser = self._parser(progress)
        devices = self._devices()
        is_described = self._tail is not None and self._tail.desc.complete
        self._given = self._sources(self.machine) if self._sources is not None and not is_described else ()
        layouts = self._layouts(self._given)
        walk = self._walk(parser, devices, layouts)
        sections: list[Section] = []
        stopped: str | None = None
        try:
            for section in walk.walk():
                sections.append(section)
                if progress is not None:
                    progress(section.end, self.view.size)
        except StreamError as error:
            stopped = str(error)
            problems.append(Problem(f"the walk stopped: {error.message}", error.offset))
        if walk.finished and not again and self._takes_tail(walk.position, problems):
            self._by_forward(problems, progress, again=True)  # now with its own description
            return
        problems += walk.gaps
        self.located = Located.FORWARD
        self.cut_off = not walk.finished
        self.commands = tuple(s for s in sections if s.type is SectionType.COMMAND)
        self.sections = tuple(s for s in sections if s.type is not SectionType.COMMAND)
        # The n-th section of a name has the n-th description; one more than those is described by none.
        waiting = {key: iter(same) for key, same in devices.items()}
        for section in self.sections:
            key = (section.name, section.instance_id)
            device = next(waiting.get(key, iter(())), None) if section.type is SectionType.FULL else None
            if device is not None:
                self._descriptions[section.offset] = device
        self._descriptions |= walk.described
        if layouts is not None:
            problems += layouts.notices(walk.described)
        self.ram_blocks = parser.table
        self._mapped = bool(parser.mapped)
        self.page_size = parser.page_size or self.page_size
        self.end = self._tail.end if self._tail is not None and walk.finished else walk.position
        more = behind(self.view, self.end, progress) if walk.finished else None
        problems += [more] if more is not None else []
        self._keep_index(parser, ram_problem(sections, stopped))

    def _takes_tail(self, position: int, problems: list[Problem]) -> bool:
        """Take the description behind the end mark at `position` - 1, unless it is that of the view's end already."""
        if self._tail is not None and self._tail.desc_offset == position:
            return False
        tail = None
        try:
            tail = tail_at(self.view, position)
        except StreamError as error:
            problem = Problem(error.message, error.offset)
            problems += [problem] if problem not in problems else []
        if tail is None and (self._tail is None or not starts_at(self.view, position)):
            return False
        if self._tail is not None:  # it is another stream's, and so is what was believed because of it
            problems[:] = [problem for problem in problems if problem.offset != self._tail.desc_offset]
        self._tail = tail
        problems += [Problem(text, position) for text in tail.desc.problems] if tail is not None else []
        self._read_configuration(problems)
        problems[:] = dict.fromkeys(problems)  # it was read before, for another description
        self.page_size = self._known_page_size() or self.page_size
        return True

    def _walk(self, ram: RamTable, devices: Devices, layouts: Layouts | None = None) -> ForwardWalk:
        eof = self._tail.eof if self._tail is not None else None
        return ForwardWalk(self.view, self._first, ram, devices, eof, layouts or self._layouts(()))

    def _layouts(self, sources: Sequence[LayoutSource]) -> Layouts | None:
        # A stream with a configuration section is of a QEMU that is newer than the layouts known here.
        is_old = self._tail is None and self._configuration is None
        return Layouts(self.view, sources, is_old=is_old) if is_old or sources else None

    def _devices(self) -> Devices:
        found: dict[tuple[str, int], list[DeviceDescription]] = {}
        for device in self._tail.desc.devices if self._tail is not None else ():
            found.setdefault((device.name, device.instance_id), []).append(device)
        return {key: tuple(same) for key, same in found.items()}

    def _parser(self, progress: Progress | None) -> RamParser:
        # Here and not above: NumPy would be half the time that `vmsnap show` takes, which needs none of it.
        from vmsnap_gui.vmstate.ram_parser import RamParser

        return RamParser(self.view, self._known_page_size(), capabilities=self.capabilities, progress=progress)

    def _known_page_size(self) -> int | None:
        if self._tail is not None and self._tail.desc.page_size is not None:
            return self._tail.desc.page_size
        return self._configuration.page_size if self._configuration is not None else None

    def _keep_index(self, parser: RamParser, problem: str | None) -> None:
        from vmsnap_gui.vmstate.ram import RamIndex

        if problem is not None:
            parser.distrust()
        size = parser.page_size or self.page_size
        self._index = RamIndex(self.view, size, tuple(parser.blocks), problem, parser.steps)


def ram_problem(sections: list[Section], stopped: str | None) -> str | None:
    """Say why pages may be missing: a RAM section could not be followed, or the walk stopped before the last one."""
    ram = [s for s in sections if s.name == "ram"]
    wrong = next((s.problem for s in ram if s.problem is not None), None)
    return wrong or (None if any(s.type is SectionType.END for s in ram) else stopped)
