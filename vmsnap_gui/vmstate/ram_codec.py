"""Pages that are not stored as they are: XBZRLE deltas and zlib-compressed pages."""

from __future__ import annotations

import zlib
from array import array
from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.wire import Reader


class Steps:
    """How the pages come about that are not stored as they are: chains of steps, 16 bytes each.

    A step is an XBZRLE delta against what the page was before, or a compressed page, which needs nothing before it.
    Its data stands in the stream behind its own length, so that neither is kept here.
    """

    def __init__(self) -> None:
        self._where = array("q")
        self._before = array("q")

    def __len__(self) -> int:
        return len(self._where)

    def add_delta(self, offset: int, before: int) -> int:
        """Note a delta whose data is at `offset` behind a u16 length; `before` is the page's location until now.

        Returns:
            The step's number.
        """
        self._where.append(offset)
        self._before.append(before)
        return len(self._where) - 1

    def add_compressed(self, offset: int) -> int:
        """Note a compressed page whose data is at `offset` behind a u32 length; returns the step's number."""
        self._where.append(-offset)
        self._before.append(0)
        return len(self._where) - 1

    def before(self, step: int) -> int:
        """Return the page's location before a step: what its delta is against; 0 for a compressed page."""
        return self._before[step]

    def is_delta(self, step: int) -> bool:
        """Tell whether a step is a delta, which needs what the page was before."""
        return self._where[step] > 0

    def apply(self, reader: Reader, step: int, content: bytearray) -> bytearray:
        """Return the page after a step, whose content before was `content`; the reader is one of the stream.

        Raises:
            StreamError: its data cannot be unpacked.
            ImageError: the file below cannot be read.
        """
        offset = self._where[step]
        if offset < 0:
            reader.position = -offset - 4
            return inflate(reader.bytes(reader.u32()), len(content))
        reader.position = offset - 2
        return apply_delta(content, reader.bytes(reader.u16()))


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
