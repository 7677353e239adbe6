"""Pages that are not stored as they are: XBZRLE deltas and zlib-compressed pages."""

from __future__ import annotations

import zlib
from dataclasses import dataclass

from vmsnap_gui.vmstate.wire import StreamError


@dataclass(frozen=True, slots=True)
class Delta:
    """One step in making a page.

    Attributes:
        location: Offset of the data in the view; or, as in RamBlock.locations, negative for a fill byte, 0 for nothing.
        length: Bytes of encoded data; 0 for a whole stored page.
        zlib: Whether the data is zlib-compressed (RAM_SAVE_FLAG_COMPRESS_PAGE) instead of an XBZRLE delta.
    """

    location: int
    length: int = 0
    zlib: bool = False


def inflate(data: bytes, page_size: int) -> bytearray:
    """Decompress a page of RAM_SAVE_FLAG_COMPRESS_PAGE.

    Raises:
        StreamError: it is no zlib data of exactly one page.
    """
    try:
        content = zlib.decompressobj().decompress(data, page_size + 1)
    except zlib.error as error:
        raise StreamError(f"a compressed page cannot be decompressed: {error}") from error
    if len(content) != page_size:
        raise StreamError("a compressed page does not have the size of a page")
    return bytearray(content)


def apply_delta(content: bytearray, data: bytes) -> bytearray:
    """Apply an XBZRLE delta (migration/xbzrle.c): pairs of unchanged run, changed run with its new bytes.

    Raises:
        StreamError: a run goes past the page or the data.
    """
    result = bytearray(content)
    position = at = 0
    while position < len(data):
        unchanged, position = _uleb128(data, position)
        at += unchanged
        if position >= len(data) or at > len(result):
            raise StreamError("an XBZRLE page has a run without end")
        changed, position = _uleb128(data, position)
        if not changed or position + changed > len(data) or at + changed > len(result):
            raise StreamError("an XBZRLE page has a run past its end")
        result[at : at + changed] = data[position : position + changed]
        at += changed
        position += changed
    return result


def _uleb128(data: bytes, position: int) -> tuple[int, int]:
    """Read a number of one or two bytes, as uleb128_decode_small of QEMU's util/cutils.c."""
    value = data[position]
    if not value & 0x80:
        return value, position + 1
    if position + 1 >= len(data) or data[position + 1] & 0x80:
        raise StreamError("an XBZRLE page has a number that is too long")
    return value & 0x7F | data[position + 1] << 7, position + 2
