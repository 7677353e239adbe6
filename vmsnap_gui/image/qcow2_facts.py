"""A qcow2 header in words: the facts of the overview, and the warnings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.image.errors import Problem
from vmsnap_gui.image.qcow2_header import COMPRESSION_TYPE, CORRUPT, DIRTY, Compression, Crypt
from vmsnap_gui.image.snapshot import describe
from vmsnap_gui.image.texts import exact_size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmsnap_gui.image.qcow2_header import Header
    from vmsnap_gui.image.qcow2_snapshots import Qcow2Snapshot

_NAMED = 5


def header_facts(header: Header, file_size: int, snapshots: int) -> tuple[tuple[str, str], ...]:
    """Return (label, text) pairs about an image, of whose snapshots that many can be read."""
    return tuple(_facts(header, file_size, snapshots))


def header_problems(header: Header) -> tuple[Problem, ...]:
    """Return what the feature bits warn of."""
    return tuple(_problems(header))


def layout_problems(header: Header, snapshots: tuple[Qcow2Snapshot, ...], file_size: int) -> tuple[Problem, ...]:
    """Return what the file is too short for, as far as the tables' places tell."""
    problems = []
    if header.l1_offset + header.l1_size * 8 > file_size:
        problems.append(Problem("the disk's L1 table lies outside the file: is the file cut off?", 40))
    outside = [one for one in snapshots if one.l1_offset + one.l1_size * 8 > file_size]
    names = ", ".join(describe(one) for one in outside[:_NAMED]) + (", ..." if len(outside) > _NAMED else "")
    if outside:
        problems.append(Problem(f"the L1 tables of {len(outside)} snapshots lie outside the file: {names}"))
    return tuple(problems)


def _facts(header: Header, file_size: int, snapshots: int) -> Iterator[tuple[str, str]]:
    yield "Format", f"qcow2 version {header.version}"
    yield "Virtual size", exact_size_text(header.size // 512 * 512)
    yield "File size", exact_size_text(file_size)
    yield "Cluster size", exact_size_text(header.cluster_size)
    promised = header.snapshot_count
    yield "Snapshots", str(snapshots) if snapshots == promised else f"{snapshots} of {promised} can be read"
    yield "Refcount width", f"{1 << header.refcount_order} bits"
    yield "Compression", _compression(header)
    if header.crypt_method:
        yield "Encryption", encryption(header)
    if header.backing_file is not None:
        yield "Backing file", header.backing_file or "not readable"
        yield "Backing format", header.backing_format or "not given"
    if header.data_file is not None:
        yield "External data file", header.data_file
    if header.bitmaps:
        yield "Persistent bitmaps", str(header.bitmaps)
    for field, label in enumerate(("Incompatible features", "Compatible features", "Autoclear features")):
        if header.features(field):
            yield label, ", ".join(header.features(field))


def content_refusal(header: Header) -> str | None:
    """Say why the content cannot be understood, None if it can."""
    return mapping_refusal(header) or (_encrypted(header) if header.crypt_method else None)


def mapping_refusal(header: Header) -> str | None:
    """Say why not even the tables can be understood, None if they can: QEMU encrypts the content alone."""
    if header.unknown_incompatible:
        return f"the content cannot be read: it needs features that are not supported: {_unknown_features(header)}"
    return _encrypted(header) if header.crypt_method not in tuple(Crypt) else None


def _encrypted(header: Header) -> str:
    return f"the content is encrypted ({encryption(header)}): only the snapshots can be listed"


def _unknown_features(header: Header) -> str:
    bits = [bit for bit in range(64) if header.unknown_incompatible >> bit & 1]
    return ", ".join(header.feature_name(0, bit) for bit in bits)


def encryption(header: Header) -> str:
    """Name the way in which the content of an image is encrypted."""
    names = {Crypt.AES.value: "AES", Crypt.LUKS.value: "LUKS"}
    return names.get(header.crypt_method, f"unknown method {header.crypt_method}")


def _compression(header: Header) -> str:
    names = {Compression.ZLIB.value: "zlib", Compression.ZSTD.value: "zstd"}
    return names.get(header.compression, f"unknown type {header.compression}")


def _problems(header: Header) -> Iterator[Problem]:
    if header.incompatible & CORRUPT:
        yield Problem("the image is marked corrupt: any part of it may be wrong", 72)
    if header.incompatible & DIRTY:
        yield Problem("the image is marked dirty: it was not closed properly, its refcounts may be wrong", 72)
    refusal = content_refusal(header)
    if refusal is not None:
        yield Problem(refusal, 72 if header.unknown_incompatible else 32)
    if bool(header.incompatible & COMPRESSION_TYPE) != bool(header.compression):
        yield Problem("the compression type and its feature bit contradict each other", 104)
