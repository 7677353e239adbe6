"""The snapshot table of a qcow2 image (specification: QEMU's docs/interop/qcow2.txt, "Snapshots")."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.image.errors import ImageError, Problem
from vmsnap_gui.image.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmsnap_gui.image.byteview import FileHandle
    from vmsnap_gui.image.qcow2_header import Header

_ENTRY = struct.Struct(">QIHHIIQII")
_EXTRA = struct.Struct(">QQQ")

_MAX_SNAPSHOTS = 65536
"""QEMU's own limit."""

CUT_OFF = "the snapshot table is cut off"
"""How the problem begins of a table that lies, at least in part, behind the end of the file."""

_WINDOW = 64 << 10
_NO_ICOUNT = (1 << 64) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Qcow2Snapshot(Snapshot):
    """A snapshot with what the table says about its place.

    Attributes:
        index: Position in the table, from 0.
        l1_offset, l1_size: Its L1 table: offset in the file, number of entries.
        extra_size: Bytes of extra data; below 8, vm_state_size is only the low 32 bits of the true size.
    """

    index: int
    l1_offset: int
    l1_size: int
    extra_size: int

    def same_entry(self, other: Qcow2Snapshot) -> bool:
        """Tell whether two entries, perhaps at different positions of the table, are the same snapshot."""
        return _identity(self) == _identity(other)


def _identity(one: Qcow2Snapshot) -> tuple[object, ...]:
    # icount and clock stay out: nothing is read through them
    return one.id, one.tag, one.date_sec, one.date_nsec, one.l1_offset, one.l1_size, one.vm_state_size, one.disk_size


def read_table(handle: FileHandle, header: Header) -> tuple[tuple[Qcow2Snapshot, ...], tuple[Problem, ...]]:
    """Read the table; where it is damaged, what came before is returned with a problem.

    Raises:
        ImageError: the file cannot be read.
    """
    found: list[Qcow2Snapshot] = []
    cursor = _Cursor(handle, header.snapshots_offset)
    try:
        for index in range(min(header.snapshot_count, _MAX_SNAPSHOTS)):
            found.append(_read_entry(cursor, index, header))
    except _CutOff as error:
        text = f"{CUT_OFF}: {len(found)} of {header.snapshot_count} snapshots can be read"
        return tuple(found), (Problem(text, error.offset),)
    if header.snapshot_count > _MAX_SNAPSHOTS:
        text = f"the header promises {header.snapshot_count} snapshots; only {_MAX_SNAPSHOTS} are possible"
        return tuple(found), (Problem(text, 60),)
    return tuple(found), ()


def table_size(snapshots: Iterable[Qcow2Snapshot], *, rewritten: bool = False) -> int:
    """Return how many bytes the table of these snapshots has, which QEMU keeps in clusters of its own.

    Args:
        snapshots: Them.
        rewritten: Whether QEMU writes it anew, with all the extra data that QEMU has known since 5.1.
    """
    size, least = 0, _EXTRA.size if rewritten else 0
    for one in snapshots:
        names = sum(len((text or "").encode("utf-8", "surrogateescape")) for text in (one.id, one.tag))
        size += _ENTRY.size + max(one.extra_size, least) + names + 7 & ~7
    return size


class _CutOff(Exception):
    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


class _Cursor:
    """Sequential reads through a window, so that 300 small entries are a few reads."""

    def __init__(self, handle: FileHandle, offset: int) -> None:
        self.offset = offset
        self._handle = handle
        self._window = b""
        self._start = 0

    def take(self, length: int) -> bytes:
        """Return the next bytes; raises _CutOff where the file ends before."""
        if self.offset + length > self._handle.size:
            raise _CutOff(self.offset)
        at = self.offset - self._start
        if at < 0 or at + length > len(self._window):
            self._start = self.offset
            self._window = self._handle.read_up_to(self.offset, max(length, _WINDOW))
            at = 0
        data = self._window[at : at + length]
        if len(data) < length:
            raise ImageError(
                "the file has shrunk while it was read", path=self._handle.path, offset=self.offset + len(data)
            )
        self.offset += length
        return data


def _read_entry(cursor: _Cursor, index: int, header: Header) -> Qcow2Snapshot:
    """Read one entry of the table at the cursor."""
    cursor.offset = cursor.offset + 7 & ~7
    fixed = _ENTRY.unpack(cursor.take(_ENTRY.size))
    l1_offset, l1_size, id_size, tag_size, date_sec, date_nsec, vm_clock, vm_state_size, extra_size = fixed
    extra = cursor.take(min(extra_size, _EXTRA.size))
    cursor.offset += extra_size - len(extra)  # what comes after the known part is legal and means nothing to us
    values = _EXTRA.unpack(extra.ljust(_EXTRA.size, b"\0"))
    icount = values[2] if extra_size >= 24 and values[2] != _NO_ICOUNT else None
    return Qcow2Snapshot(
        index=index,
        id=cursor.take(id_size).decode("utf-8", "surrogateescape"),
        tag=cursor.take(tag_size).decode("utf-8", "surrogateescape"),
        date_sec=date_sec,
        date_nsec=date_nsec,
        vm_clock_ns=vm_clock,
        icount=icount,
        vm_state_size=values[0] if extra_size >= 8 else vm_state_size,
        disk_size=values[1] if extra_size >= 16 else header.size // 512 * 512,
        l1_offset=l1_offset,
        l1_size=l1_size,
        extra_size=extra_size,
    )
