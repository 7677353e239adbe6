"""An exported stream, loaded again as QEMU would: each section must hold what the state holds, but for the edits.

Bytes alone do not prove that it can be loaded: where the state's RAM records are damaged, so are those of its copy. So
the RAM of what was written is followed, too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.exporting import form_of
from vmsnap_gui.vmstate.handlers import Handler
from vmsnap_gui.vmstate.registry import Registry
from vmsnap_gui.vmstate.sections import NAMING, SectionType
from vmsnap_gui.vmstate.wire import Reader, StreamError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmsnap_gui.image.byteview import ByteView
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.devices import VMState
    from vmsnap_gui.vmstate.editing import Edit
    from vmsnap_gui.vmstate.ram import RamIndex
    from vmsnap_gui.vmstate.ram_saving import RamHandler
    from vmsnap_gui.vmstate.sections import Section
    from vmsnap_gui.vmstate.wire import Input


class Differs(StreamError):
    """A stream is not that of the state."""

    remedy = "write it again, and look whether the disk is sound"


class DamagedRam(StreamError):
    """The memory of a stream cannot be followed to its end, so that QEMU could not load it."""

    remedy = "without --check it is written as it is"


CHUNK = 2 << 20
"""Bytes compared at once."""


def verify_stream(view: ByteView, state: VMState, edits: Sequence[Edit], progress: Progress) -> None:
    """Load what `exporting.write_stream` wrote, through a registry.

    Args:
        view: The stream.
        state: What was exported.
        edits: With which other values.
        progress: Called with bytes done and bytes in all; may raise Cancelled.

    Raises:
        StreamError: one of `refusals`; Differs where it holds something else; DamagedRam.
        ImageError: a file below cannot be read.
        Cancelled: by `progress`.
    """
    registry, expected, commands = Registry(), dict[int, _Expected](), list[tuple[int, bytes]]()
    ram: RamHandler | None = None
    for section in state.walked():
        if section.name == "ram" and state.is_mapped:
            ram = ram or _ram_of(state, registry, section)
        elif section.type is SectionType.COMMAND:
            commands.append((section.section_id, state.view.read(section.payload_offset, section.payload_size)))
        else:
            if section.type in NAMING:
                handler = expected[section.section_id] = _Expected(state, edits, progress)
                _register(registry, section, handler)
            expected[section.section_id].parts.append(section)
    stream, sent = Reader(view), list[tuple[int, bytes]]()
    registry.load(stream, form=form_of(state), command=lambda number, payload: sent.append((number, payload)))
    if sent != commands:
        raise Differs("its commands are not those of the state")
    left = [section for one in expected.values() for section in one.parts]
    if left or stream.left:
        what = f"section {left[0].key!r} is missing" if left else "more follows than the state holds"
        raise Differs(what, offset=stream.position)
    if ram is None:
        _check_records(state, open_state(view).index_ram(progress), progress)
    else:
        _compare_ram(state, ram, progress)


def _check_records(state: VMState, after: RamIndex, progress: Progress) -> None:
    """Check that RAM that was copied can be followed, and has the pages that the state has."""
    if after.problem is not None:
        raise DamagedRam(f"its RAM cannot be loaded: {after.problem}")
    before = state.index_ram(progress)
    _same_blocks(before, after)
    for block, other in zip(before.blocks, after.blocks, strict=True):
        if bytes(block.states()) != bytes(other.states()):
            raise Differs(f"the pages of block {block.name} are not those of the state")


def _same_blocks(before: RamIndex, after: RamIndex | None) -> RamIndex:
    """Return `after`; raises Differs where it has other blocks."""
    if after is None or [(b.name, b.length) for b in before.blocks] != [(b.name, b.length) for b in after.blocks]:
        raise Differs("its RAM blocks are not those of the state")
    return after


def _register(registry: Registry, section: Section, handler: Handler) -> None:
    registry.register(section.name, handler, version=section.version, instance_id=section.instance_id)


def _ram_of(state: VMState, registry: Registry, section: Section) -> RamHandler:
    from vmsnap_gui.vmstate.ram_saving import RamHandler  # NumPy, which nothing else here needs

    handler = RamHandler(page_size=state.page_size)
    _register(registry, section, handler)
    return handler


class _Expected(Handler):
    """Loads a section by comparing its parts with those that the state has.

    Attributes:
        parts: What is still to come.
    """

    def __init__(self, state: VMState, edits: Sequence[Edit], progress: Progress) -> None:
        self.parts: list[Section] = []
        self._state, self._edits, self._progress = state, edits, progress

    def load(self, stream: Input, version: int) -> None:
        """See Handler; raises Differs."""
        section = self.parts.pop(0) if self.parts else None
        if section is None or section.version not in (version, 0):
            raise Differs("the state has no such part", offset=stream.position)
        position, end = section.payload_offset, section.payload_offset + section.payload_size
        while position < end:
            self._progress(position, self._state.end)
            length, at = min(CHUNK, end - position), stream.position
            if stream.bytes(length) != self._content(position, length):
                raise Differs(f"it is not what the state holds at {position:#x}", offset=at)
            position += length

    def _content(self, position: int, length: int) -> bytes:
        content = bytearray(self._state.view.read(position, length))
        for edit in self._edits:
            for number, byte in enumerate(edit.after, edit.offset - position):
                if 0 <= number < length:
                    content[number] = byte
        return bytes(content)


def _compare_ram(state: VMState, loaded: RamHandler, progress: Progress) -> None:
    """Compare RAM that was written anew, page for page."""
    before = state.index_ram()
    after = _same_blocks(before, loaded.index)
    for block, other in zip(before.blocks, after.blocks, strict=True):
        for offset in range(0, block.length, CHUNK):
            progress(offset, block.length)
            length = min(CHUNK, block.length - offset)
            if before.read(block, offset, length) != after.read(other, offset, length):
                raise Differs(f"block {block.name} is not what the state holds from {offset:#x} on")
