"""The wire of a savevm stream: big-endian reads over a ByteView, and the one error type of this layer."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmsnap_gui.image.byteview import ByteView

_U16 = struct.Struct(">H")
_U32 = struct.Struct(">I")
_U64 = struct.Struct(">Q")


class StreamError(Exception):
    """A stream cannot be read (as far as asked): one sentence for people, with the offset in the stream.

    Attributes:
        message: What is wrong, without the offset.
        offset: Byte offset in the stream, if known.
    """

    def __init__(self, message: str, *, offset: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset

    def __str__(self) -> str:
        return self.message if self.offset is None else f"{self.message} (at stream offset {self.offset:#x})"
