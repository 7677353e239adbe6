"""Reading a stream from what cannot be sought in: a pipe, a socket, a file descriptor."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from vmsnap_gui.vmstate.refusals import TransferError
from vmsnap_gui.vmstate.wire import Input, short

if TYPE_CHECKING:
    from typing_extensions import Buffer

_STEP = 64 << 10
_AHEAD = 4 << 10


class Source(Protocol):
    """What is read from: what open(), os.fdopen(), Popen.stdout and socket.makefile() give; its owner closes it."""

    def readinto1(self, buffer: Buffer, /) -> int:
        """Fill `buffer` as far as bytes are there; returns how many, 0 at the end."""


class PipeReader(Input):
    """Reads in order, no further than is asked for or has come; the first error sticks.

    Attributes:
        position: Bytes read so far.
    """

    __slots__ = ("_held", "_source", "error", "position")

    def __init__(self, source: Source) -> None:
        self._source = source
        self._held = bytearray()
        self.position = 0
        self.error: TransferError | None = None

    def ahead(self, length: int) -> bytes:
        """See Input; waits until so many bytes are there, or the stream has ended.

        Raises:
            TransferError: it cannot be read, now or before.
        """
        self._fill(length)
        return bytes(self._held[: max(2 * length, _AHEAD)])

    def bytes(self, length: int) -> bytes:
        """See Input; raises like `ahead`."""
        self._fill(length)
        if length < 0 or len(self._held) < length:
            raise short(length, self.position)
        data = bytes(self._held[:length])
        del self._held[:length]
        self.position += length
        return data

    def skip(self, length: int) -> None:
        """See Input; raises like `ahead`."""
        for _ in range(length // _STEP):
            self.bytes(_STEP)
        self.bytes(length % _STEP if length > 0 else length)

    def _fill(self, length: int) -> None:
        """Have `length` bytes, or all that are left."""
        if self.error is not None:
            raise self.error
        while len(self._held) < length:
            part = memoryview(bytearray(_STEP))
            try:
                count = self._source.readinto1(part)
            except (OSError, ValueError) as error:
                self.error = TransferError.of(error, "read", self.position + len(self._held))
                raise self.error from error
            if not count:
                return
            self._held += part[:count]
