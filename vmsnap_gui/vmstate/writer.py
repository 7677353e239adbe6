"""The other direction of the wire: big-endian writes to a file, a file descriptor, a child's pipe or a socket.

It behaves as QEMU's QEMUFile (migration/qemu-file.c): small writes are gathered, the first error sticks, and a rate
limit is something that writers ask about, not something that stops them.
"""

from __future__ import annotations

import select
import threading
import time
from typing import TYPE_CHECKING, Protocol

from vmsnap_gui.vmstate.refusals import TransferError

if TYPE_CHECKING:
    from typing_extensions import Buffer

_GATHERED = 32 << 10  # IO_BUF_SIZE of migration/qemu-file.c
INTERVAL = 0.1
"""Seconds of an interval of the rate limit (BUFFER_DELAY of migration/migration.c)."""


class Sink(Protocol):
    """What is written to: what open(), os.fdopen(), Popen.stdin and socket.makefile() give; its owner closes it."""

    def write(self, data: Buffer, /) -> int | None:
        """Write bytes, perhaps not all; returns how many."""

    def flush(self) -> None:
        """Write what is held back."""

    def seekable(self) -> bool:
        """Tell whether `seek` works."""

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to an offset; returns it."""

    def fileno(self) -> int:
        """Return what can be waited for, where `write` does not wait itself."""


class Writer:
    """Writes in order; after the first error nothing more, and `finish` raises that error.

    Attributes:
        error: The first error, or None.
        rate: Bytes for each INTERVAL after which `limited` says so; None for no limit.
    """

    def __init__(self, sink: Sink, rate: int | None = None) -> None:
        """Write to `sink` from where it stands; offsets count from there."""
        self.error: TransferError | None = None
        self.rate = rate
        self._sink = sink
        self._start = sink.seek(0, 1) if sink.seekable() else 0
        self._gathered = bytearray()
        self._position = 0
        self._used = 0
        self._interval = time.monotonic()

    def put(self, data: Buffer) -> None:
        """Write bytes; `data` may be used again afterwards."""
        part = memoryview(data).cast("B")
        if self.error is not None:
            return
        if self.rate is not None:
            self._count(len(part))
        if len(self._gathered) + len(part) <= _GATHERED:
            self._gathered += part
        else:
            self._flush()
            self._write(part)

    def u8(self, value: int) -> None:
        """Write an unsigned byte."""
        self.put(value.to_bytes(1, "big"))

    def u16(self, value: int) -> None:
        """Write a big-endian 16-bit number."""
        self.put(value.to_bytes(2, "big"))

    def u32(self, value: int) -> None:
        """Write a big-endian 32-bit number."""
        self.put(value.to_bytes(4, "big"))

    def u64(self, value: int) -> None:
        """Write a big-endian 64-bit number."""
        self.put(value.to_bytes(8, "big"))

    def counted(self, name: str) -> None:
        """Write a counted string (u8 length, bytes), as QEMU writes id strings."""
        data = name.encode()
        self.u8(len(data))
        self.put(data)

    def tell(self) -> int:
        """Return the offset of the next byte; what an error kept from being written does not count."""
        return self._position + len(self._gathered)

    @property
    def seekable(self) -> bool:
        """Whether `seek` works: it does in files."""
        return self._sink.seekable()

    def seek(self, position: int) -> None:
        """Go to an offset, to write over what stands there; elsewhere than in files that is an error like others."""
        self._flush()
        if self.error is not None:
            return
        try:
            self._sink.seek(self._start + position)
            self._position = position
        except (OSError, ValueError) as error:
            self.error = TransferError.of(error, "sought in", position)

    @property
    def limited(self) -> bool:
        """Whether to stop for now: this interval's bytes are written, or nothing can be any more."""
        return self.error is not None or (self.rate is not None and self._used >= self.rate)

    def wait(self, stop: threading.Event | None = None) -> None:
        """Let as many intervals pass as were used up, if one is; a stop that is set ends the waiting."""
        if self.error is None and self.rate is not None and self._used >= self.rate:
            self._flush()
            until = self._interval + INTERVAL * self._used / self.rate
            (stop or threading.Event()).wait(max(0.0, until - time.monotonic()))
            self._used, self._interval = 0, time.monotonic()

    def _count(self, length: int) -> None:
        now = time.monotonic()
        if now >= self._interval + INTERVAL:
            self._used, self._interval = 0, now
        self._used += length

    def finish(self) -> None:
        """Write what is gathered.

        Raises:
            TransferError: something could not be written, now or before.
        """
        self._flush()
        if self.error is None:
            try:
                self._sink.flush()
            except (OSError, ValueError) as error:
                self.error = TransferError.of(error, "written", self._position)
        if self.error is not None:
            raise self.error

    def _flush(self) -> None:
        if self._gathered:
            gathered, self._gathered = self._gathered, bytearray()
            self._write(memoryview(gathered))

    def _write(self, part: memoryview) -> None:
        while part and self.error is None:
            try:
                written = self._sink.write(part)
                if written is None:  # nothing was taken: a descriptor that does not wait itself
                    select.select([], [self._sink], [])
                    continue
            except (OSError, ValueError) as error:
                self.error = TransferError.of(error, "written", self._position)
                return
            self._position += written
            part = part[written:]
