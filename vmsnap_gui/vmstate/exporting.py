"""A saved state as a stream that QEMU loads with -incoming: what was saved, with what was edited.

Every section of the state is registered with a handler that copies it, so the stream is the saved one to the byte, but
for the bytes of edited fields, and mapped-ram, which is written as other streams have RAM: its pages lie at fixed
places of one file, and no pipe has such.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.image.texts import counted
from vmsnap_gui.vmstate.configuration import with_capabilities, without_capabilities
from vmsnap_gui.vmstate.handlers import LiveHandler, PlainHandler
from vmsnap_gui.vmstate.registry import Registry, RegistryError
from vmsnap_gui.vmstate.sections import FOOTER_SIZE, SectionType
from vmsnap_gui.vmstate.sending import StreamForm
from vmsnap_gui.vmstate.vmdesc_writing import with_configuration
from vmsnap_gui.vmstate.wire import ShortRead, StreamError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.devices import VMState
    from vmsnap_gui.vmstate.editing import Edit
    from vmsnap_gui.vmstate.sections import Section
    from vmsnap_gui.vmstate.sending import Saving
    from vmsnap_gui.vmstate.writer import Writer

CHUNK = 2 << 20
"""Bytes copied at once: still in the processor's cache when they are written."""

_HOW_RAM_LIES = frozenset({"mapped-ram", "multifd"})


def write_stream(
    state: VMState,
    edits: Sequence[Edit],
    out: Writer,
    progress: Progress | None = None,
    ram: LiveHandler | None = None,
) -> int:
    """Write the stream of a state, from its first byte to its last, without what an image has behind it.

    Args:
        state: The state.
        edits: New values; of two for the same field the later one holds.
        out: Where to.
        progress: Called with bytes done and bytes in all; may raise Cancelled.
        ram: Saves other RAM in the place of the state's.

    Returns:
        How many bytes were written.

    Raises:
        TransferError: it cannot be written.
        StreamError: the state is not a whole stream, so that QEMU could not load it.
        ImageError: the file below cannot be read.
    """
    if ram is None and state.is_mapped:
        if state.capabilities & {"x-ignore-shared"}:
            raise StreamError("memory that other processes share was left out of this state, so it is no whole stream")
        from vmsnap_gui.vmstate.ram_saving import RamHandler  # NumPy, which nothing else here needs

        ram = RamHandler.of(state.index_ram(), progress)
    _Export(state, edits, out, progress, ram).run()
    if progress is not None:
        progress(out.tell(), out.tell())
    return out.tell()


def form_of(state: VMState) -> StreamForm:
    """Return what the exported stream of a state has besides its sections."""
    configuration, text = b"", state.description_text
    if state.configuration is not None:
        configuration = state.view.read(state.configuration.offset, state.configuration.size)
        if state.is_mapped:
            configuration, names = without_capabilities(state.configuration, configuration, _HOW_RAM_LIES)
            described = state.described_configuration
            if text is not None and described is not None:
                text = with_configuration(text, with_capabilities(described, names))
    return StreamForm(configuration, footers=state.footers, description=False if text is None else text)


class _Export:
    """One state's way into a stream: its sections as they come, and who copies them."""

    def __init__(
        self, state: VMState, edits: Sequence[Edit], out: Writer, progress: Progress | None, ram: LiveHandler | None
    ) -> None:
        self.state = state
        self._ram = ram
        self.edits = edits
        self._out = out
        self._progress = progress
        self._buffer = memoryview(bytearray(min(CHUNK, state.end)))
        self._sections = state.walked(lambda *_: self.report())
        self._footers = state.footers
        self._reached = 8 + (state.configuration.size if state.configuration is not None else 0)
        self.next: Section | None = None

    def run(self) -> None:
        """Copy all of it."""
        self.advance()
        self._registry().save(self._out, form_of(self.state), between=self._commands)
        if self.next is not None:
            raise StreamError("sections follow in an order in which QEMU never saves", offset=self.next.offset)

    @property
    def is_in_rounds(self) -> bool:
        """Whether a PART is next, or a command after which one may be: the rounds are not over."""
        return self.next is not None and self.next.type in (SectionType.PART, SectionType.COMMAND)

    def expect(self, kind: SectionType, section: Section) -> Section:
        """Return the next section, which is of this kind and number in every stream that QEMU saves."""
        found = self.next
        if found is None or found.type is not kind or found.section_id != section.section_id:
            where = found.offset if found is not None else self._reached
            message = f"the {kind.name} of section {section.key!r} should be here: QEMU could not load this state"
            raise StreamError(message, offset=where)
        frame = found.size - (found.payload_offset - found.offset) - found.payload_size
        if frame != (FOOTER_SIZE if self._footers else 0):
            message = f"section {section.key!r} does not end as the others: QEMU could not load this state"
            raise StreamError(message, offset=found.end)
        return found

    def advance(self) -> None:
        """Find the next section, which follows the one before it to the byte."""
        self.next = None
        for section in self._sections:
            if section.offset != self._reached:
                stray = counted(section.offset - self._reached, "byte")
                message = f"here are {stray} that belong to no section: QEMU could not load this state"
                raise StreamError(message, offset=self._reached)
            self._reached = section.end
            if self._ram is None or section.name != "ram":
                self.next = section
                return
        if self.state.end <= self._reached or self.state.view.read(self._reached, 1) != b"\0":
            raise ShortRead("the state ends here without its end mark: QEMU could not load it", offset=self._reached)

    def copy(self, section: Section) -> None:
        """Copy a section's payload."""
        position, end = section.payload_offset, section.payload_offset + section.payload_size
        while position < end:
            if self._out.error is not None:
                raise self._out.error  # or all the rest would be read for nothing
            self.report()
            part = self._buffer[: min(len(self._buffer), end - position)]
            self.state.view.readinto(position, part)
            self._out.put(part)
            self._out.wait()
            position += len(part)

    def report(self) -> None:
        """Tell how far it is."""
        if self._progress is not None:
            self._progress(min(self._out.tell(), self.state.end), self.state.end)

    def _registry(self) -> Registry:
        """Register who copies each section, with the number that it has."""
        registry = Registry()
        starts = [section.offset for section in self.state.sections if section.type is SectionType.START]
        for section in self.state.sections:
            handler: LiveHandler | PlainHandler
            if section.type is SectionType.FULL:
                handler = _CopiedDevice(self, section)
            elif section.type is SectionType.START:
                handler = self._ram if self._ram and section.name == "ram" else _CopiedParts(self, section)
            else:
                continue
            self._check_name(section)
            try:
                registry.register(
                    section.name,
                    handler,
                    version=section.version,
                    instance_id=section.instance_id,
                    section_id=section.section_id,
                    early=bool(starts) and section.offset < starts[-1],
                )
            except RegistryError as error:
                raise StreamError(f"QEMU could not load this state: {error}", offset=section.offset) from error
        return registry

    def _check_name(self, section: Section) -> None:
        """Raise StreamError where the section's name, which may be any bytes, could not be written as it is."""
        start, end = section.offset + 6, section.payload_offset - 8  # between type, id and length, and two numbers
        if self.state.view.read(start, end - start) != section.name.encode():
            message = f"the name of section {section.key!r} is no UTF-8, so that it cannot be written as it is"
            raise StreamError(message, offset=section.offset)

    def _commands(self, saving: Saving) -> None:
        while self.next is not None and self.next.type is SectionType.COMMAND:
            payload = self.state.view.read(self.next.payload_offset, self.next.payload_size)
            saving.command(self.next.section_id, payload)
            self.advance()


class _CopiedDevice(PlainHandler):
    """Saves a FULL section as it is, or with its edits."""

    def __init__(self, export: _Export, section: Section) -> None:
        self._export = export
        self._section = section

    def save(self, out: Writer) -> None:
        """See PlainHandler."""
        export, section = self._export, self._export.expect(SectionType.FULL, self._section)
        edits = [edit for edit in export.edits if section.offset <= edit.offset < section.end]
        if edits:
            out.put(self._edited(section, edits))
        else:
            export.copy(section)
        export.advance()

    def _edited(self, section: Section, edits: Sequence[Edit]) -> bytes:
        """Return the payload with the bytes of these fields: what stands in it besides is none of their business."""
        payload = bytearray(self._export.state.view.read(section.payload_offset, section.payload_size))
        for edit in edits:
            start = edit.offset - section.payload_offset
            payload[start : start + len(edit.after)] = edit.after
        return bytes(payload)


class _CopiedParts(LiveHandler):
    """Saves an iterative section in the parts that it has."""

    def __init__(self, export: _Export, section: Section) -> None:
        self._export = export
        self._section = section

    def begin(self, out: Writer) -> None:
        """See LiveHandler."""
        self._copy(SectionType.START)

    def is_active_iterate(self) -> bool:
        """See LiveHandler: parts of several sections alternate as they did."""
        found = self._export.next
        return found is not None and (found.type, found.section_id) == (SectionType.PART, self._section.section_id)

    def iterate(self, out: Writer) -> bool:
        """See LiveHandler."""
        self._copy(SectionType.PART)
        return not self._export.is_in_rounds

    def complete(self, out: Writer) -> None:
        """See LiveHandler."""
        self._copy(SectionType.END)

    def _copy(self, kind: SectionType) -> None:
        self._export.copy(self._export.expect(kind, self._section))
        self._export.advance()
