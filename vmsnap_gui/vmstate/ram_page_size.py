"""The target's page size, where neither the vmdesc nor the configuration tells it: from the layout of RAM records."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.ram_table import (
    COMPRESSED,
    CONTINUE,
    EOS,
    MULTIFD_FLUSH,
    PAGE,
    PAGE_SIZES,
    XBZRLE,
    ZERO,
)
from vmsnap_gui.vmstate.sections import MAX_SECTION_ID, SectionType
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.ram_table import RamBlockInfo
    from vmsnap_gui.vmstate.wire import Reader

_ENOUGH = 16
"""Records that have to follow a page of the right size; the bytes inside a page hardly look like that many."""


def learn_page_size(reader: Reader, table: tuple[RamBlockInfo, ...], *, flat: bool) -> int | None:
    """Find the page size from the records that the reader stands on.

    After the first whole page other records have to stand; without any, the offsets of the zero pages tell.

    Returns:
        The page size; None where there is no record to learn from.

    Raises:
        StreamError: no page size fits.
    """
    start, offsets, page = reader.position, 0, None
    try:
        while page is None:
            header = reader.u64()
            kind = header & 0xFF & ~CONTINUE
            if kind not in (PAGE, ZERO):
                break
            offsets |= header & ~0xFF
            if not header & CONTINUE and not flat:
                reader.counted()
            if kind == PAGE:
                page = reader.position
            else:
                reader.u8()
    except StreamError:
        pass  # the stream ends here; what there is has to do
    # Too small a size lands inside the page, too large a one may land on a later record: so the smallest that fits.
    for size in sorted(PAGE_SIZES) if page is not None else ():
        reader.position = page or 0
        if _fits(reader, size, table, flat):
            return size
    lowest = offsets & -offsets
    if lowest in PAGE_SIZES:
        return lowest
    if page is None:
        return None
    raise StreamError("the page size cannot be told from the layout of the RAM section", offset=start)


def _fits(reader: Reader, size: int, table: tuple[RamBlockInfo, ...], flat: bool) -> bool:
    """Tell whether records follow each other from the end of the page that the reader stands on."""
    names = {info.name for info in table}
    longest = max((info.length for info in table), default=0)
    seen = 0
    try:
        reader.skip(size)
        while seen < _ENOUGH:
            header = reader.u64()
            kind = header & (size - 1) & ~CONTINUE
            if header == EOS:
                return _ends_part(reader.peek(5))
            if kind == MULTIFD_FLUSH:
                continue
            if kind not in (PAGE, ZERO, XBZRLE, COMPRESSED) or header & -size >= longest:
                return False
            if not flat and not header & CONTINUE and reader.counted() not in names:
                return False
            _skip_page(reader, kind, size)
            seen += 1
    except StreamError:
        return seen > 0  # a stream that was cut off still has to have another record here
    return True


def _ends_part(data: bytes) -> bool:
    """Tell whether a section can go on behind the end mark with `data`: its footer, or the next section's header."""
    follows = (SectionType.FOOTER, SectionType.START, SectionType.PART, SectionType.END, SectionType.FULL)
    known = data[:1] in [bytes([kind.value]) for kind in follows]
    return not data or data[0] == SectionType.EOF.value or (known and int.from_bytes(data[1:], "big") < MAX_SECTION_ID)


def _skip_page(reader: Reader, kind: int, size: int) -> None:
    if kind == PAGE:
        reader.skip(size)
    elif kind == ZERO:
        reader.skip(1)
    elif kind == XBZRLE:
        reader.skip(1)
        reader.skip(reader.u16())
    else:
        reader.skip(reader.u32())
