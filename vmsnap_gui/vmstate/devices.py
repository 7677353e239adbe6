"""A saved state: its sections, what describes them, its device trees, its RAM. Never a blank result for a problem."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from vmsnap_gui.image.texts import counted
from vmsnap_gui.vmstate.decoder import Decoder
from vmsnap_gui.vmstate.fields import Field, Kind
from vmsnap_gui.vmstate.opening import Opened, ram_problem
from vmsnap_gui.vmstate.sections import Located, Section, SectionType
from vmsnap_gui.vmstate.tail import VMDESC_HEADER, text_at
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from vmsnap_gui.image.byteview import ByteView
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.description import DeviceDescription
    from vmsnap_gui.vmstate.forward import ForwardWalk
    from vmsnap_gui.vmstate.layouts import LayoutSource
    from vmsnap_gui.vmstate.ram import RamIndex
    from vmsnap_gui.vmstate.ram_parser import RamParser

_HELD = 64 << 20  # sections above this are shown without holding their bytes


def open_state(
    view: ByteView,
    *,
    forward: bool = False,
    joined: bool = False,
    layouts: Callable[[str | None], Sequence[LayoutSource]] | None = None,
    progress: Progress | None = None,
) -> VMState:
    """Find the sections of the savevm stream in `view`.

    By the tail this reads only the stream's ends, whatever the size of RAM; the forward walk, taken where there is no
    usable vmdesc or on request, reads all of it.

    Args:
        view: The stream, perhaps with padding after it.
        forward: Force the forward walk.
        joined: Whether other streams may follow in the view: then a little more is read to see that.
        layouts: Asked, where the stream does not describe all of its devices, for layouts of its machine type.
        progress: Called by the forward walk, and while padding is read over; may raise Cancelled.

    Raises:
        StreamError: this is no savevm stream, or one of an obsolete or unknown version.
        ImageError: the file below cannot be read.
    """
    state = VMState(view, layouts)
    state.open(forward=forward, joined=joined, progress=progress)
    return state


class VMState(Opened):
    """One saved state. Made by `open_state`; decoding and indexing happen on demand, on any thread."""

    def is_described(self, section: Section) -> bool:
        """Tell whether a description says what `section` holds, to its last byte."""
        description = self.description(section)
        return description is not None and description.payload_size == section.payload_size

    def description(self, section: Section) -> DeviceDescription | None:
        """Return what describes `section`, or None."""
        return self._descriptions.get(section.offset)

    def decode(self, section: Section) -> Field:
        """Return the tree of `section`: every one of its bytes belongs to exactly one leaf.

        Raises:
            ImageError: the file below cannot be read.
        """
        description = self._descriptions.get(section.offset)
        held = section.type is SectionType.FULL and section.size <= _HELD
        head = section.payload_offset - section.offset
        end = head + section.payload_size
        type_name = description.description.name if description is not None else ""
        root = Field(section.key, type_name or "section", Kind.STRUCT, section.offset, section.size)
        root.problem = section.problem
        if section.bounded_by is not None and root.problem is None:
            root.problem = f"nothing describes this section; its end was found by the {section.bounded_by}"
        if held:
            decoder = Decoder(self.view.read(section.offset, section.size), section.offset)
            nodes = self._nodes(decoder, description, head, end)
        else:
            decoder = Decoder(b"", section.offset)
            nodes = [decoder.leaf("(records)", "(records)", Kind.RECORDS, head, end)] if end > head else []
        nodes.insert(0, decoder.leaf("(header)", "(header)", Kind.FRAME, 0, head))
        if section.size > end:
            nodes.append(decoder.leaf("(footer)", "(footer)", Kind.FRAME, end, section.size))
        root.children = nodes
        return root

    def _nodes(self, decoder: Decoder, description: DeviceDescription | None, start: int, end: int) -> list[Field]:
        if description is None:
            return [decoder.raw(start, end)] if end > start else []
        nodes, reached = decoder.description(description.description, start, end)
        if reached < end:
            nodes.append(
                decoder.raw(reached, end, f"{counted(end - reached, 'byte')} that the description does not cover")
            )
        return nodes

    def index_ram(self, progress: Progress | None = None) -> RamIndex:
        """Index all RAM pages, reading the stream once at the speed of the file; the result is kept.

        What cannot be followed is told in the index's `problem`, with the pages before it indexed.

        Raises:
            ImageError: the file below cannot be read.
            Cancelled: by `progress`.
        """
        if self._index is None:
            with contextlib.suppress(StreamError):  # the index says it
                for _ in self.walked(progress):
                    pass
        assert self._index is not None
        return self._index

    def index_blocks(self, names: Collection[str], progress: Progress | None = None) -> RamIndex:
        """Index all pages of the blocks `names`, and of others perhaps none.

        Quick where these stand close to the end of RAM, as video memory of a machine does that stood still; else all
        RAM is indexed.

        Raises:
            ImageError: the file below cannot be read.
            Cancelled: by `progress`.
        """
        if self._index is None and self.unwalked is not None and not self._mapped:
            from vmsnap_gui.vmstate.ram_tail import index_tail

            first, size = self.unwalked
            started = [section for section in self.sections if section.type is SectionType.START]
            found = index_tail(lambda: self._resumable(progress), started, (first, first + size), names, progress)
            if found is not None:
                return found
        return self.index_ram(progress)

    def _resumable(self, progress: Progress | None) -> tuple[RamParser, ForwardWalk]:
        parser = self._parser(progress)
        parser.table = self.ram_blocks
        return parser, self._walk(parser, {})

    def walked(self, progress: Progress | None = None) -> Iterator[Section]:
        """Yield all sections and commands in stream order; what opening left unwalked is read now.

        Raises:
            StreamError: a section cannot be framed, and no section after it was found again.
            ImageError: the file below cannot be read.
            Cancelled: by `progress`.
        """
        if self._walked is None and self.located is Located.FORWARD:
            self._walked = tuple(sorted((*self.sections, *self.commands), key=lambda section: section.offset))
        if self._walked is not None:
            yield from self._walked
            return
        parser = self._parser(progress)
        walk = self._walk(parser, self._devices())
        sections: list[Section] = []
        try:
            for section in walk.walk(sum(self.unwalked) if self.unwalked is not None else None):
                sections.append(section)
                yield section
        except StreamError as error:
            self._keep_index(parser, ram_problem(sections, str(error)))
            raise
        early = "an end mark stands before the devices that are shown: the file holds several states"
        self._keep_index(parser, ram_problem(sections, None) or (early if walk.finished and self.unwalked else None))
        late = [section for section in self.sections if section.offset >= walk.position]
        self._walked = (*sections, *late)
        yield from late

    @property
    def is_mapped(self) -> bool:
        """Whether RAM lies at places of its own in the file (mapped-ram), so that its section cannot be copied."""
        return self._mapped

    @property
    def footers(self) -> bool:
        """Whether sections end with a footer."""
        return any(s.size > s.payload_offset - s.offset + s.payload_size for s in self.sections)

    @property
    def description_text(self) -> bytes | None:
        """The vmdesc's JSON as it stands, None where there is none; it may be such as cannot be read here."""
        if self._tail is None:
            return text_at(self.view, self.end)
        start = self._tail.desc_offset + VMDESC_HEADER
        return self.view.read(start, self._tail.end - start)
