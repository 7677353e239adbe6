"""A VM as far as snapshots are concerned: its disks, which of them hold snapshots, and how it is reached."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.control.locks import Holder
    from vmsnap_gui.control.terms import Reach
    from vmsnap_gui.image.snapshot import Snapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Disk:
    """One disk of a machine, with the snapshots that are in its image now.

    Attributes:
        path: The image, None for a drive without a file (or one that is no local file).
        node: The node name of the image's format driver in a running QEMU, None offline.
        format: "qcow2", "raw", ...
        snapshots: Those of its table, in table order; empty where it can hold none.
        virtual_size: Bytes of the disk now, 0 if unknown.
        unfit: Why it cannot hold snapshots ("it is raw", "it is read-only", "it is removable and empty"), or None.
            QEMU's rule: bdrv_can_snapshot in block/snapshot.c.
        writable: Whether the guest can write to it: one that it cannot write to needs no snapshot, and QEMU leaves it
            out (bdrv_all_snapshots_includes_bs).
        problems: What is wrong with its image as far as its header and snapshot table tell.
    """

    path: Path | None
    format: str
    node: str | None = None
    snapshots: tuple[Snapshot, ...] = ()
    virtual_size: int = 0
    unfit: str | None = None
    writable: bool = True
    problems: tuple[str, ...] = ()

    @property
    def fit(self) -> bool:
        """Whether it can hold snapshots."""
        return self.unfit is None


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """A VM, as it was when it was looked at.

    Attributes:
        name: For people: QEMU's `-name`, the profile's name, or the first image's file name.
        reach: How it is reached.
        disks: All of its disks, in QEMU's order; for files, in the order they were given.
        address: "qmp:PATH" or "qmp:HOST:PORT" of the monitor, None without one.
        pid: The QEMU process, if one of this machine's is known.
        version: QEMU's (major, minor, micro), None for files.
        status: QEMU's run state ("running", "paused", ...), None for files.
        holders: Who has its images open, if somebody does.
        note: Why it cannot be reached, a sentence; None if it can.
        others: Images beside its disks that are known here: one may have a disk of this machine as its backing file.
    """

    name: str
    reach: Reach
    disks: tuple[Disk, ...]
    address: str | None = None
    pid: int | None = None
    version: tuple[int, int, int] | None = None
    status: str | None = None
    holders: tuple[Holder, ...] = ()
    note: str | None = None
    others: tuple[Path, ...] = ()

    @property
    def filled_disks(self) -> tuple[Disk, ...]:
        """The disks worth a line: not an empty CD or floppy drive, which QEMU gives every machine."""
        return tuple(disk for disk in self.disks if disk.path is not None or disk.format)

    @property
    def fit_disks(self) -> tuple[Disk, ...]:
        """The disks that can hold snapshots."""
        return tuple(disk for disk in self.disks if disk.fit)

    @property
    def left_out(self) -> tuple[Disk, ...]:
        """The disks that hold no snapshots although the guest writes to them: they stay when the rest goes back."""
        return tuple(disk for disk in self.disks if disk.unfit is not None and disk.writable)

    @property
    def vmstate_disk(self) -> Disk | None:
        """The disk that QEMU puts the VM state on: the first that can hold a snapshot (bdrv_all_find_vmstate_bs)."""
        return next(iter(self.fit_disks), None)
