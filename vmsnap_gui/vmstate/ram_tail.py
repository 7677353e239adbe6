"""The pages of a few RAM blocks from the end of the RAM sections, where reading all of RAM would take long.

A machine that stands still is saved block by block, the largest first, each page once: video memory stands behind main
memory, close to the end. Its place is found by the record that names its block. From a record to the end of RAM all
copies of a page are seen, so that the last one counts, as in a stream that is read whole.

Within a page of data there may stand what looks like such a record. It is believed only where records and sections
follow each other from it to the very offset where RAM ends. What a guest makes up for that is of pages of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.image.byteview import CHUNK
from vmsnap_gui.vmstate.ram import MISSING, SPECIAL, RamIndex
from vmsnap_gui.vmstate.ram_table import COMPRESSED, PAGE, XBZRLE, ZERO
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from vmsnap_gui.image.byteview import ByteView
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.forward import ForwardWalk
    from vmsnap_gui.vmstate.ram_codec import Steps
    from vmsnap_gui.vmstate.ram_parser import RamParser
    from vmsnap_gui.vmstate.sections import Section

_DISTANCES = (1 << 20, 16 << 20, 256 << 20)
"""Bytes before the end of RAM that are looked at, one after the other."""

_MAX_TRIED = 4  # places within one distance that look like the record
_KINDS = (PAGE, ZERO, XBZRLE, COMPRESSED)  # and no CONTINUE: a name follows


def index_tail(
    start: Callable[[], tuple[RamParser, ForwardWalk]],
    started: Sequence[Section],
    span: tuple[int, int],
    names: Collection[str],
    progress: Progress | None = None,
) -> RamIndex | None:
    """Index the blocks `names` from the end of RAM on; None where not all of their pages stand there.

    Args:
        start: Makes a parser that has the block table, and a walk that gives it its records.
        started: The START sections, that of RAM among them.
        span: Where the sections lie that hold RAM: first byte, and the byte after the last.
        names: The blocks; others are indexed as far as they are met.
        progress: Called for each piece that is searched; may raise Cancelled.

    Raises:
        ImageError: the file below cannot be read.
    """
    parser, _ = start()
    lengths = {info.name: info.length for info in parser.table if info.name in names}
    first, end = span
    for distance in _DISTANCES:
        begin = max(first, end - distance)
        for tried, place in enumerate(_places(parser, lengths, begin, end, progress)):
            if tried == _MAX_TRIED:
                break
            parser, walk = start()
            if _follow(parser, walk, started, place, end) and all(_is_whole(parser, name) for name in names):
                return RamIndex(parser.view, parser.page_size or 0, tuple(parser.blocks), None, parser.steps)
        if begin == first:
            break
    return None


def _places(
    parser: RamParser, lengths: dict[str, int], begin: int, end: int, progress: Progress | None
) -> Iterator[int]:
    """Yield where records stand that may name one of the blocks, in order."""
    view: ByteView = parser.view
    needles = {bytes([len(name.encode())]) + name.encode(): length for name, length in lengths.items()}
    overlap = 8 + 256
    for at in range(begin, end, CHUNK - overlap):
        data = view.read(at, min(CHUNK, end - at))
        if progress is not None:
            progress(at + len(data), view.size)
        found: list[int] = []
        for needle, length in needles.items():
            place = data.find(needle, 8)
            while place >= 0:
                if _is_record(int.from_bytes(data[place - 8 : place], "big"), parser.page_size or 4096, length):
                    found.append(at + place - 8)
                place = data.find(needle, place + 1)
        yield from sorted(found)


def _is_record(header: int, page_size: int, length: int) -> bool:
    return header & (page_size - 1) in _KINDS and header & -page_size < length


def _follow(parser: RamParser, walk: ForwardWalk, started: Sequence[Section], place: int, end: int) -> bool:
    """Follow records and sections from `place`; tells whether they end exactly at `end`, and nothing is wrong."""
    try:
        walk.resume(place, started)
        for section in walk.walk(end):
            if section.problem is not None or walk.gaps:
                return False
    except StreamError:
        return False
    return walk.position == end and not walk.gaps


def _is_whole(parser: RamParser, name: str) -> bool:
    """Tell whether each page of a block was seen, and with it all that it is made of."""
    block = next((block for block in parser.blocks if block.name == name), None)
    if block is None or (block.locations == MISSING).any():
        return False
    special = block.locations[block.locations <= SPECIAL]
    return all(_has_base(parser.steps, location) for location in special.tolist())


def _has_base(steps: Steps, location: int) -> bool:
    """Tell whether no delta that makes a page is against what was not seen."""
    while location <= SPECIAL:
        step = SPECIAL - location
        location = steps.before(step)
    return location != MISSING or not steps.is_delta(step)
