"""The wire of a savevm stream: big-endian reads over a ByteView, and the one error type of this layer.

`incoming` reads the same from what cannot be sought in, `writer` is the other direction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from vmsnap_gui.image.texts import counted

if TYPE_CHECKING:
    from vmsnap_gui.image.byteview import ByteView

_WINDOW = 64 << 10
_AHEAD = 4 << 10


class StreamError(Exception):
    """A stream cannot be read (as far as asked): one sentence for people, with the offset in the stream.

    Attributes:
        message: What is wrong, without the offset.
        offset: Byte offset in the stream, if known.
        remedy: What can be done about an error of this kind, "" where the message alone tells.
    """

    remedy: ClassVar[str] = ""

    def __init__(self, message: str, *, offset: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.offset = offset

    def __str__(self) -> str:
        where = "" if self.offset is None else f" (at stream offset {self.offset:#x})"
        return f"{self.message}{where}{f'; {self.remedy}' if self.remedy else ''}"


class ShortRead(StreamError):
    """The stream ends before what must be there; `refusals` has the other reasons to refuse one.

    Attributes:
        needed: Up to which offset there must be more, at least; None where more would not help.
    """

    remedy = "it was cut off, so copy it again or use another state"

    def __init__(self, message: str, *, offset: int | None = None, needed: int | None = None) -> None:
        super().__init__(message, offset=offset)
        self.needed = needed


def short(length: int, offset: int) -> ShortRead:
    """Return the error of a stream that ends within `length` bytes from `offset` on."""
    return ShortRead(f"the stream ends within {counted(length, 'byte')} that should be here", offset=offset)


class Input(ABC):
    """Sequential big-endian reads. Each raises ShortRead where the stream is too short.

    Attributes:
        position: Offset of the next byte.
    """

    __slots__ = ()
    position: int

    @abstractmethod
    def ahead(self, length: int) -> bytes:
        """Return at least `length` bytes at the position, fewer at the end, without moving.

        Up to twice as many are returned where they are at hand: who asks for a little more each time asks seldom.
        """

    @abstractmethod
    def bytes(self, length: int) -> bytes:
        """Read exactly `length` bytes; the caller has bounded it by something in proportion to the stream."""

    @abstractmethod
    def skip(self, length: int) -> None:
        """Move forward by `length` bytes that must exist."""

    def u8(self) -> int:
        """Read an unsigned byte."""
        return self.bytes(1)[0]

    def u16(self) -> int:
        """Read a big-endian 16-bit number."""
        return int.from_bytes(self.bytes(2), "big")

    def u32(self) -> int:
        """Read a big-endian 32-bit number."""
        return int.from_bytes(self.bytes(4), "big")

    def u64(self) -> int:
        """Read a big-endian 64-bit number."""
        return int.from_bytes(self.bytes(8), "big")

    def counted(self) -> str:
        """Read a counted string (u8 length, bytes), as QEMU writes id strings."""
        return text(self.bytes(self.u8()))


class Reader(Input):
    """Reads over a view, through a small window; errors of the file below (ImageError) pass through.

    Attributes:
        view: What is read.
        position: Offset of the next byte; may be set.
        size: The view's size.
    """

    __slots__ = ("_start", "_step", "_window", "position", "size", "view")

    def __init__(self, view: ByteView, position: int = 0, window: int = _WINDOW) -> None:
        """Stand at `position`; `window` is how much is read at once, less than the usual where reads are scattered."""
        self.view = view
        self.position = position
        self.size = view.size
        self._window = b""
        self._start = 0
        self._step = window

    @property
    def left(self) -> int:
        """Bytes between the position and the end."""
        return self.size - self.position

    def peek(self, length: int) -> bytes:
        """Return up to `length` bytes at the position, fewer at the end, without moving."""
        at = self.position - self._start
        if at < 0 or at + length > len(self._window):
            if self.position < 0 or self.position >= self.size:
                return b""
            self._start = self.position
            self._window = self.view.read(self.position, min(max(length, self._step), self.left))
            at = 0
        return self._window[at : at + length]

    def ahead(self, length: int) -> bytes:
        """See Input."""
        return self.peek(max(2 * length, _AHEAD))

    def bytes(self, length: int) -> bytes:
        """See Input."""
        at = self.position - self._start
        if 0 <= at <= len(self._window) - length:  # nearly always, so first and without a call
            self.position += length
            return self._window[at : at + length]
        if length > self.left or self.position < 0:
            raise short(length, self.position)
        data = self.peek(length) if length <= _WINDOW else self.view.read(self.position, length)
        self.position += length
        return data

    def skip(self, length: int) -> None:
        """See Input."""
        if length < 0 or length > self.left:
            raise short(length, self.position)
        self.position += length


def text(data: bytes) -> str:
    """Decode a name from a stream: UTF-8, with anything else kept visible as backslash escapes."""
    return data.decode("utf-8", "backslashreplace")
