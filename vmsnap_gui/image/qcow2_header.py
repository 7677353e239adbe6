"""The header of a qcow2 image and its extensions (specification: QEMU's docs/interop/qcow2.txt, "Header")."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING

from vmsnap_gui.image.errors import ImageError, Problem
from vmsnap_gui.image.magic import QCOW2_MAGIC

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmsnap_gui.image.byteview import FileHandle

_V2 = struct.Struct(">4sIQIIQIIQQIIQ")
_V3 = struct.Struct(">QQQII")
_V2_SIZE, _V3_SIZE = _V2.size, _V2.size + _V3.size
_COMPRESSION_AT = 104
_EXTENSION = struct.Struct(">II")
_FEATURE_NAME = struct.Struct(">BB46s")
_PLACE = struct.Struct(">QQ")
_BITMAPS = struct.Struct(">IIQQ")

_EXT_END, _EXT_BACKING_FORMAT, _EXT_FEATURE_NAMES = 0x00000000, 0xE2792ACA, 0x6803F857
_EXT_BITMAPS, _EXT_ENCRYPTION, _EXT_DATA_FILE = 0x23852875, 0x0537BE77, 0x44415441

_MAX_NAME = 1023
"""QEMU refuses longer backing file names; the specification says so too."""

_MAX_EXTENSIONS = 1000
"""Far more than the six kinds that exist."""

DIRTY, CORRUPT, DATA_FILE, COMPRESSION_TYPE, EXTENDED_L2 = (1 << bit for bit in range(5))
"""The incompatible feature bits that are known."""

_KNOWN_INCOMPATIBLE = (1 << 5) - 1

_FEATURES: dict[tuple[int, int], str] = {
    (0, 0): "dirty bit",
    (0, 1): "corrupt bit",
    (0, 2): "external data file",
    (0, 3): "compression type",
    (0, 4): "extended L2 entries",
    (1, 0): "lazy refcounts",
    (2, 0): "bitmaps",
    (2, 1): "raw external data",
}
"""(feature field, bit) to name; the fields are 0 incompatible, 1 compatible, 2 autoclear."""


class Crypt(IntEnum):
    """How the content is encrypted; other numbers are possible in a header."""

    NONE = 0
    AES = 1
    LUKS = 2


class Compression(IntEnum):
    """How compressed clusters are packed; other numbers are possible in a header."""

    ZLIB = 0
    ZSTD = 1


@dataclass(frozen=True, slots=True)
class Header:
    """A qcow2 header, as far as reading needs it.

    Attributes:
        version: 2 or 3.
        cluster_bits: 9 to 21.
        size: Virtual size of the disk in bytes.
        crypt_method: See Crypt.
        incompatible, compatible, autoclear: The feature bits (0 in version 2).
        refcount_order: Refcounts are `1 << refcount_order` bits wide.
        compression: See Compression.
        backing_file, data_file: The names as written in the image, or None; "" for one that lies outside.
        backing_format: The backing file's format as written in the image, or None.
        feature_names: (field, bit) to name, from the image's own table.
        bitmaps: How many persistent bitmaps there are.
        bitmap_directory: Offset and size in bytes of their directory.
        encryption_header: Offset and size in bytes of the LUKS header; (0, 0) without one.
        problems: What is wrong with the header but does not stop the reading.
    """

    version: int
    cluster_bits: int
    size: int
    crypt_method: int
    l1_size: int
    l1_offset: int
    refcount_table_offset: int
    refcount_table_clusters: int
    snapshot_count: int
    snapshots_offset: int
    incompatible: int
    compatible: int
    autoclear: int
    refcount_order: int
    compression: int
    backing_file: str | None
    backing_format: str | None
    data_file: str | None
    feature_names: dict[tuple[int, int], str]
    bitmaps: int
    bitmap_directory: tuple[int, int]
    encryption_header: tuple[int, int]
    problems: tuple[Problem, ...]

    @property
    def cluster_size(self) -> int:
        """Bytes in a cluster."""
        return 1 << self.cluster_bits

    @property
    def extended_l2(self) -> bool:
        """Whether L2 entries have 16 bytes and map 32 subclusters each."""
        return bool(self.incompatible & EXTENDED_L2)

    @property
    def l2_bits(self) -> int:
        """An L2 table has `1 << l2_bits` entries."""
        return self.cluster_bits - (4 if self.extended_l2 else 3)

    @property
    def has_data_file(self) -> bool:
        """Whether the clusters lie in another file."""
        return bool(self.incompatible & DATA_FILE)

    @property
    def unknown_incompatible(self) -> int:
        """The incompatible feature bits that nobody here knows: the content cannot be read."""
        return self.incompatible & ~_KNOWN_INCOMPATIBLE

    def features(self, field: int) -> tuple[str, ...]:
        """Name the bits that are set in one feature field (0 incompatible, 1 compatible, 2 autoclear)."""
        bits = (self.incompatible, self.compatible, self.autoclear)[field]
        return tuple(self.feature_name(field, bit) for bit in range(64) if bits >> bit & 1)

    def feature_name(self, field: int, bit: int) -> str:
        """Name a feature bit: our own name, else the image's, else its number."""
        known = _FEATURES.get((field, bit)) or self.feature_names.get((field, bit))
        return known or f"unknown {('incompatible', 'compatible', 'autoclear')[field]} feature bit {bit}"

    @classmethod
    def parse(cls, handle: FileHandle) -> Header:
        """Read the header and its extensions.

        Raises:
            ImageError: this is no qcow2 image that can be listed.
        """
        raw = handle.read_up_to(0, 4096)
        if len(raw) < _V2_SIZE:
            raise ImageError("the qcow2 header is cut off", path=handle.path, offset=len(raw))
        fields = _V2.unpack_from(raw)
        magic, version, backing_offset, backing_size, cluster_bits = fields[:5]
        if magic != QCOW2_MAGIC:
            raise ImageError("this is not a qcow2 image", path=handle.path, offset=0)
        if version not in (2, 3):
            raise ImageError(f"qcow2 version {version} is not supported", path=handle.path, offset=4)
        if not 9 <= cluster_bits <= 21:
            raise ImageError(
                f"a cluster size of 2^{cluster_bits} is not possible in qcow2", path=handle.path, offset=20
            )
        if version == 3 and len(raw) < _V3_SIZE:
            raise ImageError("the qcow2 header is cut off", path=handle.path, offset=len(raw))
        newer = _V3.unpack_from(raw, _V2_SIZE) if version == 3 else (0, 0, 0, 4, _V2_SIZE)
        incompatible, compatible, autoclear, refcount_order, length = newer
        _check(handle, refcount_order, length, cluster_bits, incompatible)
        raw = handle.read_up_to(0, 1 << cluster_bits)
        area = _Area(raw, length, backing_offset if 0 < backing_offset < len(raw) else len(raw))
        area.parse()
        return cls(
            version=version,
            cluster_bits=cluster_bits,
            size=fields[5],
            crypt_method=fields[6],
            l1_size=fields[7],
            l1_offset=fields[8],
            refcount_table_offset=fields[9],
            refcount_table_clusters=fields[10],
            snapshot_count=fields[11],
            snapshots_offset=fields[12],
            incompatible=incompatible,
            compatible=compatible,
            autoclear=autoclear,
            refcount_order=refcount_order,
            compression=raw[_COMPRESSION_AT] if length > _COMPRESSION_AT and len(raw) > _COMPRESSION_AT else 0,
            backing_file=area.backing_name(backing_offset, backing_size),
            backing_format=area.backing_format,
            data_file=area.data_file,
            feature_names=area.feature_names,
            bitmaps=area.bitmaps,
            bitmap_directory=area.bitmap_directory,
            encryption_header=area.encryption_header,
            problems=tuple(area.problems),
        )


def _check(handle: FileHandle, refcount_order: int, length: int, cluster_bits: int, incompatible: int) -> None:
    """Refuse header values with which not even the list of snapshots can be trusted."""
    wrong, at = None, 96
    if refcount_order > 6:
        wrong = f"refcounts of 2^{refcount_order} bits are not possible in qcow2"
    elif length < _V2_SIZE or (length > _V2_SIZE and length < _V3_SIZE) or length > 1 << cluster_bits:
        wrong, at = f"a qcow2 header of {length} bytes is not possible", 100
    elif incompatible & EXTENDED_L2 and cluster_bits < 14:
        wrong, at = "extended L2 entries need clusters of at least 16 KiB", 72
    if wrong:
        raise ImageError(wrong, path=handle.path, offset=at)


class _Area:
    """The rest of the first cluster: header extensions, then the backing file's name."""

    def __init__(self, raw: bytes, start: int, end: int) -> None:
        self.raw = raw
        self.start = start
        self.end = end
        self.backing_format: str | None = None
        self.data_file: str | None = None
        self.feature_names: dict[tuple[int, int], str] = {}
        self.bitmaps = 0
        self.bitmap_directory = (0, 0)
        self.encryption_header = (0, 0)
        self.problems: list[Problem] = []

    def parse(self) -> None:
        """Read the extensions; a damaged one ends the reading with a problem."""
        for kind, data in self._extensions():
            if kind == _EXT_BACKING_FORMAT:
                self.backing_format = _text(data)
            elif kind == _EXT_DATA_FILE:
                self.data_file = _text(data)
            elif kind == _EXT_FEATURE_NAMES:
                self._feature_names(data)
            elif kind == _EXT_BITMAPS and len(data) >= _BITMAPS.size:
                self.bitmaps, _, size, offset = _BITMAPS.unpack_from(data)
                self.bitmap_directory = offset, size
            elif kind == _EXT_ENCRYPTION and len(data) >= _PLACE.size:
                self.encryption_header = _PLACE.unpack_from(data)

    def backing_name(self, offset: int, size: int) -> str | None:
        """Return the backing file's name, None without one, "" if it cannot be read."""
        if not offset or not size:
            return None
        if size > _MAX_NAME or offset + size > len(self.raw):
            self.problems.append(Problem("the backing file's name lies outside the header", 8))
            return ""
        return _text(self.raw[offset : offset + size])

    def _extensions(self) -> Iterator[tuple[int, bytes]]:
        at = self.start
        for _ in range(_MAX_EXTENSIONS):
            if at + _EXTENSION.size > self.end:
                return
            kind, length = _EXTENSION.unpack_from(self.raw, at)
            if kind == _EXT_END:
                return
            at += _EXTENSION.size
            if length > self.end - at:
                self.problems.append(Problem(f"header extension {kind:#010x} is cut off", at - _EXTENSION.size))
                return
            yield kind, self.raw[at : at + length]
            at += length + 7 & ~7
        self.problems.append(Problem(f"there are more than {_MAX_EXTENSIONS} header extensions", at))

    def _feature_names(self, data: bytes) -> None:
        for field, bit, name in _FEATURE_NAME.iter_unpack(data[: len(data) // 48 * 48]):
            text = _text(name.split(b"\0")[0])
            if field <= 2 and bit <= 63 and text:
                self.feature_names.setdefault((field, bit), text)


def _text(raw: bytes) -> str:
    """Decode a name as file names are decoded: bytes that are not UTF-8 survive the way back."""
    return raw.decode("utf-8", "surrogateescape")
