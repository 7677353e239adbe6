"""Read-only bytes, wherever they lie: the one way in which anything above reads an image.

A view knows its size and fills buffers. It is read with preadv into the caller's (reused) buffers: no mmap, since a
file that is truncated under a mapping kills the process, and mapped pages count as memory.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from vmsnap_gui.image.errors import ImageError

if TYPE_CHECKING:
    from typing_extensions import Buffer


CHUNK = 8 << 20
"""The most bytes that one read or one NumPy pass should handle: longer C calls stall the window's thread."""


class ByteView(ABC):
    """Read-only bytes of a fixed size.

    Attributes:
        size: Bytes in the view.
    """

    size: int

    @abstractmethod
    def readinto(self, offset: int, buffer: Buffer) -> None:
        """Fill `buffer` with the bytes at `offset`.

        Raises:
            ImageError: the range is not within the view, or the file below has shrunk or cannot be read.
        """

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes at `offset`; raises like `readinto`. The caller bounds `length`."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise ImageError(f"{length} bytes wanted at {offset:#x} of only {self.size:#x}", offset=offset)
        buffer = bytearray(length)
        self.readinto(offset, buffer)
        return bytes(buffer)
