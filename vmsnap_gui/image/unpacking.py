"""Decompress a part of a file into a temporary one: in small steps, bounded, cancellable.

The temporary file has no name, so nothing is left behind whatever happens. Runs of zeros become holes in it.
"""

from __future__ import annotations

import bz2
import contextlib
import lzma
import os
import tempfile
import zlib
from enum import IntEnum
from typing import TYPE_CHECKING, Protocol

import zstandard

from vmsnap_gui.image.byteview import FileHandle
from vmsnap_gui.image.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vmsnap_gui.image.errors import Progress

_IN = 256 << 10
_OUT = 1 << 20
_ZSTD_IN = 1 << 10
_ZEROS = bytes(_OUT)

_ALWAYS_ALLOWED = 256 << 20
_RATIO = 1000
"""A stream may unpack to 256 MiB and 1000 times its stored size, more is taken for a decompression bomb. Real states
stay far below: a page of zeros is 9 bytes in the stream already."""

_KEEP_FREE = 256 << 20
"""Bytes that must stay free where the temporary file lies."""

_LZMA_MEMORY = 96 << 20
_ZSTD_WINDOWS = 32 << 20, 128 << 20
"""What `xz -9` needs, and `zstd -19` to `zstd --long`; memory that is not touched does not count. A window that only a
large file fills is allowed to large files only, so that a small one cannot take what is out of proportion to it."""


class Packing(IntEnum):
    """How a save image is compressed (libvirt's numbers, src/qemu/qemu_saveimage.h)."""

    RAW = 0
    GZIP = 1
    BZIP2 = 2
    XZ = 3
    LZOP = 4
    ZSTD = 5
    SPARSE = 6
    """Not compressed: a mapped-ram stream, whose offsets count from the start of the file."""


class _Unpacker(Protocol):
    def step(self) -> bytes:
        """Return some more bytes (about _OUT at most), nothing at the end of the data."""


def unpack(handle: FileHandle, start: int, packing: Packing, progress: Progress | None = None) -> FileHandle:
    """Decompress from `start` to the end of the file.

    Args:
        handle: The file.
        start: Where the compressed data begins.
        packing: GZIP, BZIP2, XZ or ZSTD.
        progress: Called at least once for each MiB of output with compressed bytes; may raise Cancelled.

    Returns:
        An open temporary file without a name.

    Raises:
        ImageError: the data is damaged, unpacks to more than is sensible, or there is no room for it.
    """
    source = _Source(handle, start)
    fd = _temporary_file(handle.path)
    try:
        _fill(fd, source, _UNPACKERS[packing](source), progress)
        return FileHandle(fd, handle.path)
    except (zlib.error, lzma.LZMAError, zstandard.ZstdError, EOFError, OSError, MemoryError) as error:
        os.close(fd)
        if isinstance(error, OSError) and error.errno is not None:
            raise ImageError(f"it cannot be unpacked: {error.strerror}", path=handle.path) from error
        if "memory" in str(error).lower():  # both libraries have no other mark for it
            message = "it was packed so that unpacking takes more memory than is sensible for a file of this size"
            raise ImageError(message, path=handle.path, offset=source.offset) from error
        raise ImageError("the compressed stream is damaged", path=handle.path, offset=source.offset) from error
    except BaseException:
        os.close(fd)
        raise


def _fill(fd: int, source: _Source, unpacker: _Unpacker, progress: Progress | None) -> None:
    limit = _ALWAYS_ALLOWED + _RATIO * source.total
    size = 0
    while data := unpacker.step():
        if progress is not None:
            progress(source.done, source.total)
        if size + len(data) > limit:
            raise ImageError(f"it unpacks to more than {limit} bytes, which no VM state does", path=source.path)
        free = os.fstatvfs(fd)
        if free.f_bavail * free.f_frsize < len(data) + _KEEP_FREE:
            raise ImageError("there is no room to unpack it in the folder for temporary files", path=source.path)
        for at in range(0, len(data), _OUT):
            piece = data[at : at + _OUT]
            if piece != _ZEROS[: len(piece)]:
                _write(fd, piece, size + at)
        size += len(data)
    os.ftruncate(fd, size)


def _write(fd: int, data: bytes, offset: int) -> None:
    view = memoryview(data)
    while view:
        count = os.pwrite(fd, view, offset)
        view, offset = view[count:], offset + count


class _Source:
    """The compressed bytes, in pieces."""

    def __init__(self, handle: FileHandle, start: int) -> None:
        self.path = handle.path
        self.offset = start
        self.total = max(0, handle.size - start)
        self._start = start
        self._handle = handle

    @property
    def done(self) -> int:
        return self.offset - self._start

    def read(self, size: int = _IN) -> bytes:
        """Return the next bytes, nothing at the end of the file."""
        data = self._handle.read_up_to(self.offset, min(size, _IN))
        self.offset += len(data)
        return data


class _Gzip:
    """gzip, as many members as there are."""

    def __init__(self, source: _Source) -> None:
        self._source = source
        self._decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._pending = b""

    def step(self) -> bytes:
        while True:
            if self._decoder.eof:
                self._pending = self._decoder.unused_data or self._source.read()
                if not self._pending.lstrip(b"\0"):
                    return b""
                self._decoder = zlib.decompressobj(16 + zlib.MAX_WBITS)
            pending = self._pending or self._source.read()
            data = self._decoder.decompress(pending, _OUT)  # without input, too: it may still hold output back
            self._pending = self._decoder.unconsumed_tail
            if data:
                return data
            if not pending and not self._decoder.eof:
                raise EOFError


class _Block:
    """bzip2, xz or the older lzma: one stream after the other."""

    def __init__(self, source: _Source, *, xz: bool) -> None:
        self._source = source
        self._xz = xz
        self._decoder = self._new()

    def _new(self) -> lzma.LZMADecompressor | bz2.BZ2Decompressor:
        return lzma.LZMADecompressor(memlimit=_LZMA_MEMORY) if self._xz else bz2.BZ2Decompressor()

    def step(self) -> bytes:
        pending = b""
        while True:
            if self._decoder.eof:
                pending = self._decoder.unused_data or self._source.read()
                if not pending.lstrip(b"\0"):  # the end, or padding
                    return b""
                self._decoder = self._new()
            elif self._decoder.needs_input:
                pending = self._source.read()
                if not pending:
                    raise EOFError
            data = self._decoder.decompress(pending, _OUT)
            pending = b""
            if data:
                return data


class _Zstd:
    """zstd, as many frames as there are.

    The decoder gives all that a piece of input unpacks to, up to 32 MiB for a KiB, so it is fed in small pieces. (The
    reader that zstandard offers is bounded, but takes a frame that is cut off for a whole one.)
    """

    def __init__(self, source: _Source) -> None:
        self._source = source
        self._decoder = self._new()

    def _new(self) -> zstandard.ZstdDecompressionObj:
        least, most = _ZSTD_WINDOWS
        window = min(least + self._source.total, most)
        return zstandard.ZstdDecompressor(max_window_size=window).decompressobj()

    def step(self) -> bytes:
        parts: list[bytes] = []
        size = 0
        while size < _OUT:
            pending = self._source.read(_ZSTD_IN)
            if self._decoder.eof:
                pending = self._decoder.unused_data + pending
                if not pending.lstrip(b"\0"):
                    break
                self._decoder = self._new()
            elif not pending:
                raise EOFError
            parts.append(self._decoder.decompress(pending))
            size += len(parts[-1])
        return b"".join(parts)


_UNPACKERS: dict[Packing, Callable[[_Source], _Unpacker]] = {
    Packing.GZIP: _Gzip,
    Packing.BZIP2: lambda source: _Block(source, xz=False),
    Packing.XZ: lambda source: _Block(source, xz=True),
    Packing.ZSTD: _Zstd,
}


def _temporary_file(path: Path) -> int:
    """Open a file without a name: where TMPDIR says, else in /var/tmp, since /tmp may be memory."""
    chosen = os.environ.get("TMPDIR")
    folders = [chosen] if chosen else ["/var/tmp", tempfile.gettempdir()]
    for folder in folders:
        with contextlib.suppress(OSError), tempfile.TemporaryFile(dir=folder, buffering=0) as file:
            return os.dup(file.fileno())
    raise ImageError(f"no temporary file can be made to unpack it (in {', '.join(folders)})", path=path)
