"""Searching RAM for text, bytes or a number: chunk by chunk, skipping pages that cannot hold it."""

from __future__ import annotations

import enum
from bisect import bisect_left
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.image.texts import counted
from vmsnap_gui.vmstate.ram import MISSING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.ram import RamBlock, RamIndex

_CHUNK = 1 << 20
_MAX_PATTERN = 4096


class How(enum.StrEnum):
    """What a person typed."""

    TEXT = "text"
    HEX = "hex"
    INTEGER = "integer"


@dataclass(frozen=True, slots=True)
class Pattern:
    """Bytes to look for.

    Attributes:
        data: The bytes, at least one.
    """

    data: bytes

    @classmethod
    def parse(
        cls, text: str, how: str = How.TEXT, *, size: int = 4, little_endian: bool = True, encoding: str = "utf-8"
    ) -> Pattern:
        """Make a pattern of what was typed.

        Args:
            text: Text; or hex digits, perhaps in groups; or a number (decimal, 0x..., 0o..., 0b..., perhaps negative).
            how: How to take it.
            size: Bytes of a number: 1, 2, 4 or 8.
            little_endian: Byte order of a number.
            encoding: Of text: "utf-8" or "utf-16-le", as guests keep it.

        Raises:
            ValueError: with a sentence that says what is wrong.
        """
        match How(how):
            case How.TEXT:
                data = _text(text, encoding)
            case How.HEX:
                data = _hex(text)
            case How.INTEGER:
                data = _integer(text, size, little_endian)
        if not data:
            raise ValueError("Type what to look for.")
        if len(data) > _MAX_PATTERN:
            raise ValueError(f"That is {len(data)} bytes long; at most {_MAX_PATTERN} can be looked for.")
        return cls(data)


def _text(text: str, encoding: str) -> bytes:
    try:
        return text.encode(encoding)
    except UnicodeEncodeError:
        raise ValueError(f"That text cannot be written in {encoding}.") from None


def _hex(text: str) -> bytes:
    digits = "".join(text.replace(",", " ").replace("0x", " ").split())
    if len(digits) % 2:
        raise ValueError("Hex bytes need two digits each.")
    try:
        return bytes.fromhex(digits)
    except ValueError:
        raise ValueError("Hex bytes have only the digits 0-9 and a-f.") from None


def _integer(text: str, size: int, little_endian: bool) -> bytes:
    try:
        number = int(text.strip(), 0)
    except ValueError:
        raise ValueError("That is no number; write it as 1234, -5 or 0x4d2.") from None
    if not -(1 << 8 * size - 1) <= number < 1 << 8 * size:
        raise ValueError(f"That number does not fit into {counted(size, 'byte')}.")
    return (number & (1 << 8 * size) - 1).to_bytes(size, "little" if little_endian else "big")


def search(
    index: RamIndex,
    block: RamBlock,
    pattern: Pattern,
    start: int = 0,
    progress: Progress | None = None,
    unread: set[int] | None = None,
) -> Iterator[int]:
    """Yield every offset in `block` from `start` on at which `pattern` stands, in order; matches may overlap.

    Args:
        index: The index that `block` belongs to.
        block: Where to look.
        pattern: What to look for; where it holds a byte other than zero, zero pages are not read.
        start: First offset to look at.
        progress: Called with (offset, length of the block) about every MiB; may raise Cancelled.
        unread: Takes the numbers of pages that cannot be unpacked; nothing is found in them.

    Raises:
        ImageError: the file below cannot be read.
    """
    data, more = pattern.data, len(pattern.data) - 1
    skip_zero = any(data)
    offset = max(start, 0)
    while offset + len(data) <= block.length:
        if skip_zero:
            page = _next_data(block, offset // index.page_size)
            if page < 0:
                break
            offset = max(offset, page * index.page_size - more)
        if progress is not None:
            progress(min(offset, block.length), block.length)
        length = min(_CHUNK + more, block.length - offset)
        chunk, failed = index.read_leniently(block, offset, length)
        if failed and unread is not None:
            unread.update(failed)
        at = chunk.find(data)
        while at >= 0:
            if not _reaches_into(failed, offset + at, len(data), index.page_size):
                yield offset + at
            at = chunk.find(data, at + 1)
        offset += max(length - more, 1)
    if progress is not None:
        progress(block.length, block.length)


def _reaches_into(failed: list[int], offset: int, length: int, page_size: int) -> bool:
    """Tell whether bytes lie, if only in part, in one of the pages `failed`, whose numbers ascend."""
    if not failed:
        return False
    place = bisect_left(failed, offset // page_size)
    return place < len(failed) and failed[place] * page_size < offset + length


def _next_data(block: RamBlock, page: int) -> int:
    """Return the first page from `page` on that is neither zero nor missing, or -1."""
    step = 1 << 16
    for first in range(page, block.pages, step):
        locations = block.locations[first : first + step]
        found = np.flatnonzero((locations != MISSING) & (locations != -1))
        if found.size:
            return first + int(found[0])
    return -1
