"""Compressed clusters of a qcow2 image (specification: docs/interop/qcow2.txt, "Compressed Clusters Descriptor")."""

from __future__ import annotations

import threading
import zlib
from collections import OrderedDict
from typing import TYPE_CHECKING

import zstandard

from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.qcow2_header import Compression

if TYPE_CHECKING:
    from vmsnap_gui.image.byteview import FileHandle
    from vmsnap_gui.image.qcow2_header import Header

_CACHED = 8
_DEFLATE_WINDOW = -12
"""Raw deflate with a window of 4 KiB, as QEMU writes it."""


class CompressedClusters:
    """Decompresses clusters one by one and keeps the last few."""

    def __init__(self, handle: FileHandle, header: Header) -> None:
        self._handle = handle
        self._header = header
        self._offset_bits = 62 - (header.cluster_bits - 8)
        self._cache: OrderedDict[int, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def forget(self) -> None:
        """Drop what is cached: the file has changed."""
        with self._lock:
            self._cache.clear()

    def inflate(self, descriptor: int) -> bytes:
        """Return one cluster of content.

        Args:
            descriptor: Bits 0 to 61 of the L2 entry.

        Raises:
            ImageError: the data is damaged, lies outside the file, or is packed in an unknown way.
        """
        with self._lock:
            known = self._cache.get(descriptor)
            if known is not None:
                self._cache.move_to_end(descriptor)
                return known
        content = self._unpack(descriptor)
        with self._lock:
            self._cache[descriptor] = content
            while len(self._cache) > _CACHED:
                self._cache.popitem(last=False)
        return content

    def _unpack(self, descriptor: int) -> bytes:
        offset = descriptor & (1 << self._offset_bits) - 1
        sectors = (descriptor >> self._offset_bits) + 1
        packed = self._handle.read_up_to(offset, sectors * 512 - (offset & 511))
        size = self._header.cluster_size
        try:
            if self._header.compression == Compression.ZLIB:
                content = zlib.decompressobj(_DEFLATE_WINDOW).decompress(packed, size)
            elif self._header.compression == Compression.ZSTD:
                content = _unpack_zstd(packed, size)
            else:
                raise ImageError(
                    f"clusters are packed in an unknown way (type {self._header.compression})",
                    path=self._handle.path,
                    offset=offset,
                )
        except (zlib.error, zstandard.ZstdError) as error:
            raise self._damaged(offset) from error
        if len(content) != size:
            raise self._damaged(offset)
        return content

    def _damaged(self, offset: int) -> ImageError:
        return ImageError("a compressed cluster is damaged", path=self._handle.path, offset=offset)


def _unpack_zstd(packed: bytes, size: int) -> bytes:
    """Unpack up to `size` bytes; a frame that claims more is cut there, whatever it holds."""
    content = bytearray(size)
    reader = zstandard.ZstdDecompressor().stream_reader(packed, read_across_frames=True)
    done = 0
    while done < size:
        count = reader.readinto(memoryview(content)[done:])
        if not count:
            break
        done += count
    return bytes(content[:done])
