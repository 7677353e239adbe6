"""A qcow2 header in words: the facts of the overview, and the warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.image.errors import Problem
from vmsnap_gui.image.qcow2_header import COMPRESSION_TYPE, CORRUPT, DIRTY, Compression, Crypt

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmsnap_gui.image.qcow2_header import Header

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def header_facts(header: Header, file_size: int, snapshots: int) -> tuple[tuple[str, str], ...]:
    """Return (label, text) pairs about an image."""
    return tuple(_facts(header, file_size, snapshots))


def header_problems(header: Header) -> tuple[Problem, ...]:
    """Return what the feature bits warn of."""
    return tuple(_problems(header))


def size_text(size: int) -> str:
    """Write a number of bytes in the largest unit that divides it well, with the exact number."""
    unit = 0
    value = float(size)
    while value >= 1024 and unit < len(_UNITS) - 1:
        value /= 1024
        unit += 1
    return f"{size} bytes" if not unit else f"{value:.4g} {_UNITS[unit]} ({size} bytes)"


def _facts(header: Header, file_size: int, snapshots: int) -> Iterator[tuple[str, str]]:
    yield "Format", f"qcow2 version {header.version}"
    yield "Virtual size", size_text(header.size // 512 * 512)
    yield "File size", size_text(file_size)
    yield "Cluster size", size_text(header.cluster_size)
    yield "Snapshots", str(snapshots)
    yield "Refcount width", f"{1 << header.refcount_order} bits"
    yield "Compression", _compression(header)
    if header.crypt_method:
        known = {Crypt.AES: "AES", Crypt.LUKS: "LUKS"}
        yield "Encryption", known.get(header.crypt_method, f"unknown method {header.crypt_method}")  # type: ignore[call-overload]
    if header.backing_file is not None:
        yield "Backing file", header.backing_file
        yield "Backing format", header.backing_format or "not given"
    if header.data_file is not None:
        yield "External data file", header.data_file
    if header.bitmaps:
        yield "Persistent bitmaps", str(header.bitmaps)
    for field, label in enumerate(("Incompatible features", "Compatible features", "Autoclear features")):
        if header.features(field):
            yield label, ", ".join(header.features(field))


def _compression(header: Header) -> str:
    names = {Compression.ZLIB.value: "zlib", Compression.ZSTD.value: "zstd"}
    return names.get(header.compression, f"unknown type {header.compression}")


def _problems(header: Header) -> Iterator[Problem]:
    if header.incompatible & CORRUPT:
        yield Problem("the image is marked corrupt: any part of it may be wrong", 72)
    if header.incompatible & DIRTY:
        yield Problem("the image is marked dirty: it was not closed properly, its refcounts may be wrong", 72)
    if header.unknown_incompatible:
        bits = [bit for bit in range(64) if header.unknown_incompatible >> bit & 1]
        names = ", ".join(header.feature_name(0, bit) for bit in bits)
        yield Problem(f"the content cannot be read: it needs features that are not supported: {names}", 72)
    if bool(header.incompatible & COMPRESSION_TYPE) != bool(header.compression):
        yield Problem("the compression type and its feature bit contradict each other", 104)
    if header.crypt_method:
        yield Problem("the content is encrypted: snapshots are listed, their content cannot be read", 32)
