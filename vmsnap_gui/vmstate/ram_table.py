"""The RAM section's block table, which every stream has near its start: names and lengths, no pages, no NumPy.

Format: QEMU's migration/ram.c (ram_save_setup).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.refusals import UnsupportedVersion
from vmsnap_gui.vmstate.wire import Reader, ShortRead, StreamError

if TYPE_CHECKING:
    from vmsnap_gui.image.byteview import ByteView

ZERO, MEM_SIZE, PAGE, EOS, CONTINUE, XBZRLE, HOOK, COMPRESSED, MULTIFD_FLUSH = (
    0x02, 0x04, 0x08, 0x10, 0x20, 0x40, 0x80, 0x100, 0x200,
)  # fmt: skip
"""RAM_SAVE_FLAG_* of migration/ram.c; the table needs MEM_SIZE before it and EOS after it."""

PAGE_SIZES = (4096, 8192, 1024, 16384, 65536, 2048, 512, 256)
"""What targets use, the likely ones first, for streams that do not tell."""

_MAX_BLOCKS = 65536
_MAPPED_HEADER = struct.Struct(">IQQQ")
_END = EOS.to_bytes(8, "big")

VERSIONS = (3, 4)
"""Of the section: 3 up to QEMU 0.12, 4 since 0.13."""


@dataclass(frozen=True, slots=True)
class RamBlockInfo:
    """A RAM block as the stream's block table names it.

    Attributes:
        name: QEMU's id of the block: "pc.ram", "0000:00:01.0/vga.vram".
        length: Used length in bytes.
    """

    name: str
    length: int


class RamTable:
    """The block table of one stream.

    Attributes:
        view: The stream.
        table: The blocks, once START was read.
        page_size: The target's page size, once known.
        flat: Whether the stream is of RAM version 3: no names, one address space.
        postcopy: Whether RAM postcopy was advised, so that some blocks tell their own page size; set before START.
        mapped: For each block of a mapped-ram stream (bitmap offset, pages offset), in the stream.
    """

    def __init__(
        self,
        view: ByteView,
        page_size: int | None,
        *,
        capabilities: frozenset[str] = frozenset(),
    ) -> None:
        """Take what is known before the section.

        Args:
            view: The stream.
            page_size: The target's page size, if it is known.
            capabilities: Migration capabilities from the configuration section.
        """
        self.view = view
        self.page_size = page_size
        self.table: tuple[RamBlockInfo, ...] = ()
        self.flat = False
        self.postcopy = False
        self.mapped: list[tuple[int, int]] = []
        self._capabilities = capabilities

    def records(self, position: int) -> int:
        """Follow the pages from `position` to their end mark; this class does not, and says so by StreamError."""
        raise StreamError("pages follow here", offset=position)

    def start(self, position: int, version: int) -> tuple[int, bool]:
        """Read the block table that begins a START payload.

        Returns:
            The position after the table, and False where records follow (then go on with `records`); or the position
            after the table and its end mark, and True, where there is nothing else (as QEMU since 1.2 writes it).

        Raises:
            UnsupportedVersion: sections of this version are not known.
            StreamError: it is no block table.
        """
        if version not in VERSIONS:
            raise UnsupportedVersion(f"RAM section of version {version} is not known; 3 and 4 are", offset=position)
        reader = Reader(self.view, position)
        header = reader.u64()
        if not header & MEM_SIZE:
            raise StreamError("a RAM section does not start with its size", offset=position)
        total = header & ~0xFF
        self.flat = version < 4
        table = [RamBlockInfo("ram", total)] if self.flat else []
        try:
            if not self.flat:
                self._read_table(reader, total, table)
        finally:
            # Of a mapped-ram stream that is cut off or damaged, the blocks so far are worth having.
            if self.flat or self.mapped or sum(info.length for info in table) == total:
                self.table = tuple(table)
        if reader.peek(8) == _END:
            return reader.position + 8, True
        return reader.position, False

    def _read_table(self, reader: Reader, total: int, table: list[RamBlockInfo]) -> None:
        names: set[str] = set()
        while total > 0:
            at = reader.position
            name, length = reader.counted(), reader.u64()
            if length > total or not name or len(table) >= _MAX_BLOCKS:
                raise StreamError("the table of RAM blocks does not add up", offset=at)
            if name in names:  # their pages could not be told apart
                raise StreamError(f"the table of RAM blocks has {name!r} twice", offset=at)
            names.add(name)
            if self.postcopy and _is_page_size(reader.peek(8)):
                reader.skip(8)
            if "x-ignore-shared" in self._capabilities:
                reader.skip(8)
            table.append(RamBlockInfo(name, length))
            self._mapped_block(reader, name, length)
            total -= length

    def _mapped_block(self, reader: Reader, name: str, length: int) -> None:
        """Read a mapped-ram header (QEMU 9.0+) if there is one, and move past the block's pages."""
        head = reader.peek(_MAPPED_HEADER.size)
        if len(head) < _MAPPED_HEADER.size:
            if self.mapped:
                raise ShortRead(f"the stream ends within the header of block {name}", offset=reader.position)
            return
        version, page_size, bitmap, pages = _MAPPED_HEADER.unpack(head)
        start = self.view.base_offset
        after = start + reader.position + _MAPPED_HEADER.size
        plausible = version == 1 and page_size in PAGE_SIZES and not length % page_size and after <= bitmap
        if not plausible or bitmap + -(-length // page_size // 64) * 8 > pages:
            if "mapped-ram" in self._capabilities:
                raise StreamError("a mapped-ram header is not plausible", offset=reader.position)
            return
        if self.mapped and page_size != self.page_size:
            raise StreamError("the mapped-ram blocks have pages of different sizes", offset=reader.position)
        self.page_size = page_size
        self.mapped.append((bitmap - start, pages - start))
        end = pages - start + length
        if end > self.view.size:
            raise ShortRead(f"the stream ends within the pages of block {name}", offset=reader.position)
        reader.position = end


def _is_page_size(data: bytes) -> bool:
    value = int.from_bytes(data, "big")
    return len(data) == 8 and value >= 4096 and not value & (value - 1)
