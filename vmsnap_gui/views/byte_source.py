"""Where a hex view gets its bytes from: asked for in pieces, delivered later, on the Qt thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmsnap_gui.jobs import Jobs


class ByteSource(Protocol):
    """Bytes of a fixed size that are delivered when they have been read.

    Attributes:
        size: Bytes in all; may be far more than fits into memory.
    """

    size: int

    def request(self, offset: int, length: int, callback: Callable[[bytes | Exception], object]) -> None:
        """Have `length` bytes at `offset` (inside the source) read; never blocks.

        `callback` is called with them, or with why they cannot be read, on the Qt thread; perhaps before this returns.
        It is not called any more once nobody wants the source's image (its lane was cancelled).
        """


class MemorySource:
    """Bytes that are there already."""

    def __init__(self, data: bytes) -> None:
        self.size = len(data)
        self._data = data

    def request(self, offset: int, length: int, callback: Callable[[bytes | Exception], object]) -> None:
        """See ByteSource."""
        callback(self._data[offset : offset + length])


class JobSource:
    """Bytes that a function reads in a job's worker thread."""

    def __init__(self, jobs: Jobs, lane: str, name: str, size: int, read: Callable[[int, int], bytes]) -> None:
        """Read with `read(offset, length)` in `lane`; `name` is the job's, for people who see it fail."""
        self.size = size
        self._jobs = jobs
        self._lane = lane
        self._name = name
        self._read = read

    def request(self, offset: int, length: int, callback: Callable[[bytes | Exception], object]) -> None:
        """See ByteSource."""
        self._jobs.run(
            self._name,
            lambda _progress: self._read(offset, length),
            lane=self._lane,
            success=callback,
            failure=callback,
            quiet=True,
        )
