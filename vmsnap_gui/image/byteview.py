"""Read-only bytes, wherever they lie: the one way in which anything above reads an image.

A view knows its size and fills buffers. It is read with preadv into the caller's (reused) buffers: no mmap, since a
file that is truncated under a mapping kills the process, and mapped pages count as memory.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.image.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

    from typing_extensions import Buffer


CHUNK = 8 << 20
"""The most bytes that one read or one NumPy pass should handle: longer C calls stall the window's thread."""


_HOLES = 1 << 20


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

    @property
    def base(self) -> ByteView:
        """The whole file (or decompressed file) that this view is a part of; the view itself if it is whole.

        Offsets in a mapped-ram header count from the start of this one.
        """
        return self

    @property
    def base_offset(self) -> int:
        """Where this view starts in `base`: byte `p` of the view is byte `base_offset + p` of `base`."""
        return 0

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes at `offset`; raises like `readinto`. The caller bounds `length`."""
        self.check_range(offset, length)
        buffer = bytearray(length)
        self.readinto(offset, buffer)
        return bytes(buffer)

    def check_range(self, offset: int, length: int) -> None:
        """Raise ImageError unless `length` bytes at `offset` lie within the view."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise ImageError(f"{length} bytes wanted at {offset:#x} of only {self.size:#x}", offset=offset)


class SubView(ByteView):
    """A part of another view, as a view of its own."""

    def __init__(self, view: ByteView, start: int, size: int) -> None:
        view.check_range(start, size)
        self._view = view
        self._start = start
        self.size = size

    @property
    def base(self) -> ByteView:
        """See ByteView."""
        return self._view.base

    @property
    def base_offset(self) -> int:
        """See ByteView."""
        return self._view.base_offset + self._start

    def readinto(self, offset: int, buffer: Buffer) -> None:
        """See ByteView."""
        self.check_range(offset, memoryview(buffer).nbytes)
        self._view.readinto(self._start + offset, buffer)

    def read(self, offset: int, length: int) -> bytes:
        """See ByteView."""
        self.check_range(offset, length)
        return self._view.read(self._start + offset, length)


@dataclass(frozen=True, slots=True)
class Stamp:
    """What tells that a file was changed or replaced: compare two for equality."""

    device: int
    inode: int
    size: int
    mtime_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> Stamp:
        """Take the stamp out of a stat result."""
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)

    @property
    def file(self) -> tuple[int, int]:
        """Which file it is, under whatever name."""
        return self.device, self.inode


class FileHandle:
    """An open file that is only ever read; the one owner of its file descriptor.

    Safe to read from several threads; `close` waits for nobody: the last read under way closes the file.

    Attributes:
        path: The file's path, for errors and for `changed`.
        size: Bytes in the file, the most that was seen.
        stamp: The file's stamp when it was opened.
    """

    def __init__(self, fd: int, path: Path) -> None:
        """Take over `fd`; see `open` for the usual way."""
        self.path = path
        self._fd = fd
        self._lock = threading.Lock()
        self._readers = 0
        self._closed = False
        self.size = 0
        try:
            self.stamp = self.current_stamp()
            self.grown_size()
        except BaseException:
            self._fd = -1  # it is still the caller's
            raise

    def __del__(self) -> None:
        if self._fd >= 0:  # nobody can read any more, so nobody forgot anything that matters
            os.close(self._fd)
            self._fd = -1

    @classmethod
    def open(cls, path: Path) -> FileHandle:
        """Open a regular file or a block device for reading.

        Never blocks on a FIFO and takes no lock.

        Raises:
            ImageError: there is no such file, it may not be read, or it is something else.
        """
        try:
            _require_readable_kind(path.stat().st_mode, path)  # first: opening a device can have effects
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the path
            raise cannot_open(path, error) from error
        try:
            _require_readable_kind(os.fstat(fd).st_mode, path)
            return cls(fd, path)
        except BaseException:
            os.close(fd)
            raise

    def current_stamp(self) -> Stamp:
        """Return the open file's stamp now."""
        try:
            return Stamp.of(os.fstat(self._fd))
        except OSError as error:
            raise self._failed(error) from error

    def grown_size(self) -> int:
        """Look whether the file has grown, and return the size; a file that shrank keeps it (and fails to read)."""
        try:
            found = os.fstat(self._fd)
            size = os.lseek(self._fd, 0, os.SEEK_END) if stat.S_ISBLK(found.st_mode) else found.st_size
        except OSError as error:
            raise self._failed(error) from error
        self.size = max(self.size, size)
        return self.size

    def changed(self) -> bool:
        """Tell whether the file was written, resized, replaced or removed since it was opened."""
        try:
            return self.current_stamp() != self.stamp or Stamp.of(self.path.stat()) != self.stamp
        except (OSError, ImageError):
            return True

    def readinto(self, offset: int, buffer: Buffer) -> None:
        """Fill `buffer` from `offset`.

        Raises:
            ImageError: the file ends before, was closed, or cannot be read.
        """
        target = memoryview(buffer).cast("B")
        self._require(offset, self._pread(offset, target), len(target))

    def read(self, offset: int, length: int) -> bytes:
        """Return exactly `length` bytes at `offset`; raises like `readinto`. The caller bounds `length`."""
        data = self._pread_bytes(offset, length)
        self._require(offset, len(data), length)
        return data

    def read_up_to(self, offset: int, length: int) -> bytes:
        """Return `length` bytes at `offset`, or fewer where the file ends before."""
        return self._pread_bytes(offset, max(0, min(length, self.size - offset)))

    def data_end(self) -> int:
        """Return an offset after which the file is a hole, which reads as zeros; its size where nobody can tell.

        It is found by asking the file system (SEEK_DATA), to 1 MiB; nothing is read.
        """
        if not self._begin():
            return self.size
        low, high = 0, self.size
        try:
            while high - low > _HOLES:
                middle = (low + high) // 2
                low, high = (middle, high) if self._has_data(middle) else (low, middle)
        finally:
            self._end()
        return high

    def _has_data(self, offset: int) -> bool:
        """Tell whether there may be data from `offset` on."""
        try:
            os.lseek(self._fd, offset, os.SEEK_DATA)
        except OSError as error:
            return error.errno != errno.ENXIO  # other errors: it cannot tell
        return True

    def fileno(self) -> int:
        """Return the file descriptor, to ask the kernel about it; -1 once it is closed."""
        return self._fd

    def close(self) -> None:
        """Close the file; every later read raises ImageError. Harmless when done twice."""
        with self._lock:
            self._closed = True
            self._release_if_closed()

    def _pread(self, offset: int, target: memoryview) -> int:
        """Read until `target` is full or the file ends; return the number of bytes."""
        if not self._begin():
            raise self._closed_error()
        done = 0
        try:
            while done < len(target):
                count = os.preadv(self._fd, [target[done:]], offset + done)
                if count == 0:
                    break
                done += count
        except (OSError, OverflowError) as error:
            raise self._failed(error, offset + done) from error
        finally:
            self._end()
        return done

    def _pread_bytes(self, offset: int, length: int) -> bytes:
        """Read `length` bytes, fewer where the file ends; not by a buffer, which would be filled and then copied."""
        if not self._begin():
            raise self._closed_error()
        pieces, done = [], 0
        try:
            while done < length:
                piece = os.pread(self._fd, length - done, offset + done)
                if not piece:
                    break
                pieces.append(piece)
                done += len(piece)
        except (OSError, OverflowError) as error:
            raise self._failed(error, offset + done) from error
        finally:
            self._end()
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _require(self, offset: int, done: int, length: int) -> None:
        if done != length:
            raise ImageError(
                f"the file ended {length - done} bytes too early: it has shrunk while it was read",
                path=self.path,
                offset=offset + done,
            )

    def _begin(self) -> bool:
        """Begin to read, False once the file is closed; `_end` must follow."""
        with self._lock:
            if not self._closed:
                self._readers += 1
            return not self._closed

    def _end(self) -> None:
        with self._lock:
            self._readers -= 1
            self._release_if_closed()

    def _release_if_closed(self) -> None:
        """Let the descriptor go once nobody reads: closed under a reader, its number could name another file."""
        if self._closed and self._readers == 0 and self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _failed(self, error: Exception, offset: int | None = None) -> ImageError:
        if self._closed:
            return self._closed_error()
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return ImageError(f"cannot be read: {reason}", path=self.path, offset=offset)

    def _closed_error(self) -> ImageError:
        return ImageError("the image was closed", path=self.path)


class FileView(ByteView):
    """A range of a file.

    Attributes:
        handle: The file.
        start: Where the range begins in it.
    """

    def __init__(self, handle: FileHandle, start: int = 0, size: int | None = None) -> None:
        """View `size` bytes from `start` on (by default all to the end).

        Raises:
            ImageError: the range does not lie within the file.
        """
        self.handle = handle
        self.start = start
        self.size = handle.size - start if size is None else size
        if start < 0 or self.size < 0 or start + self.size > handle.size:
            raise ImageError(
                f"the file has only {handle.size:#x} bytes; {start:#x} to {start + self.size:#x} is wanted",
                path=handle.path,
            )

    def readinto(self, offset: int, buffer: Buffer) -> None:
        """See ByteView."""
        self.check_range(offset, memoryview(buffer).nbytes)
        self.handle.readinto(self.start + offset, buffer)

    def read(self, offset: int, length: int) -> bytes:
        """See ByteView."""
        self.check_range(offset, length)
        return self.handle.read(self.start + offset, length)


def _require_readable_kind(mode: int, path: Path) -> None:
    """Raise ImageError unless the mode is that of a regular file or a block device."""
    if stat.S_ISREG(mode) or stat.S_ISBLK(mode):
        return
    kinds = (
        (stat.S_ISDIR, "a folder"),
        (stat.S_ISFIFO, "a pipe"),
        (stat.S_ISSOCK, "a socket"),
        (stat.S_ISCHR, "a character device"),
    )
    kind = next((name for test, name in kinds if test(mode)), "something else")
    raise ImageError(f"this is {kind}, not an image file", path=path)


def cannot_open(path: Path, error: OSError | ValueError) -> ImageError:
    """Say why a file (or a folder) cannot be opened, as an error to raise."""
    if isinstance(error, ValueError):
        return ImageError("this is no possible file name", path=path)
    sentences = {
        errno.ENOENT: "there is no such file",
        errno.EACCES: "you have no permission to read it",
        errno.EPERM: "you have no permission to read it",
        errno.ELOOP: "its symbolic links lead round in a circle",
    }
    return ImageError(sentences.get(error.errno or 0, f"cannot be opened: {error.strerror}"), path=path)
