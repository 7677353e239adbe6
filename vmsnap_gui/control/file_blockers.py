"""What keeps images from being worked on by qemu-img and qemu-storage-daemon: looked at now, and nothing written."""

from __future__ import annotations

import contextlib
import os
import shutil
from typing import TYPE_CHECKING

from vmsnap_gui.control import planning_common as common
from vmsnap_gui.control import qemu_img, storage_daemon
from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.journal import under_way
from vmsnap_gui.control.locks import use_of
from vmsnap_gui.control.plan import Blocker
from vmsnap_gui.control.quarantine import header_of, judge, still_writing
from vmsnap_gui.control.terms import Choice, Hindrance
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.qcow2_chain import named_path
from vmsnap_gui.image.qcow2_header import CORRUPT, DIRTY
from vmsnap_gui.image.snapshot import Reference

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from vmsnap_gui.control.machine import Disk, Machine
    from vmsnap_gui.control.planning_common import Selection
    from vmsnap_gui.image.snapshot import Snapshot

_SPARE_CLUSTERS = 8
"""For growing refcount tables and L2 tables, beside what a snapshot needs by itself."""


async def disk_blockers(disks: Sequence[Disk]) -> AsyncIterator[Blocker]:
    """Say what keeps these images from being written to."""
    for blocker in tool_blockers():
        yield blocker
    for disk in disks:
        path = common.path_of(disk)
        busy = list(use_blockers(path))
        for blocker in (*busy, *_header_blockers(path)):
            yield blocker
        held = None if busy else await judge(path)
        if held is not None:
            yield Blocker(
                kind=Hindrance.QUARANTINED,
                text=f"It is in quarantine, since {held.what} did not come to its end: {held.why}.",
                remedy="Check and repair it first.",
                path=path,
            )


def tool_blockers() -> Iterator[Blocker]:
    """Say which of QEMU's tools are not there."""
    for program, package in ((qemu_img.PROGRAM, "qemu-utils"), (storage_daemon.PROGRAM, "qemu-system-common")):
        if shutil.which(program) is None:
            yield Blocker(
                kind=Hindrance.TOOL,
                text=f"The program {program} is not installed.",
                remedy=f"Install it (Debian: {package}).",
            )


def use_blockers(path: Path) -> Iterator[Blocker]:
    """Say who or what keeps us from writing to an image, whatever is in it."""
    ours, tool = under_way(path), still_writing(path)
    remedy = "Wait until that has ended."
    try:
        if ours is not None:
            use: str | None = f"vmsnap (process {ours.pid}) is working on it"
        elif tool is not None:
            use = f"{tool} may still be writing to it"
        else:
            use = use_of(path)
            remedy = "Shut that down first; a running machine can be worked on through its QMP socket."
    except ImageError as error:
        use = error.message
    if use is not None:
        yield Blocker(kind=Hindrance.IN_USE, text=f"{use[0].upper()}{use[1:]}.", remedy=remedy, path=path)
    if not os.access(path, os.W_OK):
        yield Blocker(
            kind=Hindrance.PERMISSION,
            text="You may not write to it.",
            remedy="Change its permissions, or work as its owner.",
            path=path,
        )
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError:
        yield Blocker(
            kind=Hindrance.PERMISSION,
            text="Its path is not UTF-8, and QEMU cannot be told it exactly.",
            remedy="Rename it, or make a link to it.",
            path=path,
        )


def _header_blockers(path: Path) -> Iterator[Blocker]:
    marks = header_of(path).incompatible
    texts = []
    if marks & CORRUPT:
        texts.append("It is marked corrupt: QEMU found damage in it.")
    if marks & DIRTY:
        texts.append("It is marked dirty: it was not closed properly, and its refcounts may be wrong.")
    for text in texts:
        yield Blocker(kind=Hindrance.IMAGE, text=text, remedy="Check and repair it first.", path=path)


def bitmap_blockers(disks: Sequence[Disk]) -> Iterator[Blocker]:
    """qemu-img 7.2 takes and deletes snapshots beside bitmaps, and keeps these, but refuses to go back."""
    for disk in disks:
        path = common.path_of(disk)
        header = header_of(path)
        if header.bitmaps:
            number = qemu_img.count(header.bitmaps, "persistent bitmap")
            yield Blocker(
                kind=Hindrance.BITMAPS,
                text=f"It has {number}, with which QEMU does not return to a snapshot.",
                remedy=f"Remove them with qemu-img bitmap --remove {path} NAME; the next backup is then a full one.",
                path=path,
            )


def overlay_blockers(machine: Machine, disks: Sequence[Disk]) -> Iterator[Blocker]:
    """Say which images lie on these disks as on their backing files: another content below would tear theirs."""
    for disk, overlay in overlays_on(machine, disks):
        yield Blocker(
            kind=Hindrance.BACKING,
            text=f"It is the backing file of {overlay}, whose content would change with it.",
            remedy="Make that one independent first (qemu-img rebase), or close it here if it is not needed any more.",
            path=disk.path,
        )


def overlay_notes(machine: Machine, disks: Sequence[Disk]) -> Iterator[str]:
    """Say the same where the content stays as it is."""
    for disk, overlay in overlays_on(machine, disks):
        yield f"{common.name_of(disk)} is the backing file of {overlay}, which reads as before: the content stays."


def overlays_on(machine: Machine, disks: Sequence[Disk]) -> Iterator[tuple[Disk, Path]]:
    """Yield the known images that name one of these disks as their backing file; no file that they name is opened."""
    paths = [disk.path for disk in machine.disks if disk.path is not None]
    for other in dict.fromkeys([*paths, *machine.others]):
        with contextlib.suppress(ControlError, ImageError, OSError):  # it is none, or cannot be read
            below = named_path(other, header_of(other).backing_file or "", Reference.BACKING)
            for disk in disks:
                if below.samefile(common.path_of(disk)):
                    yield disk, other


def size_blockers(held: Sequence[tuple[Disk, Snapshot]], choices: frozenset[Choice]) -> Iterator[Blocker]:
    """qemu-img (7.2, not before 5.1) gives a disk the size back that it had; never in a version 2 image."""
    for disk, snapshot in held:
        if snapshot.disk_size is None or snapshot.disk_size == disk.virtual_size:
            continue
        path = common.path_of(disk)
        can = header_of(path).version > 2
        text = f"It had {snapshot.disk_size} bytes then, and has {disk.virtual_size} bytes now"
        if can and Choice.RESIZE in choices:
            continue
        yield Blocker(
            kind=Hindrance.RESIZED,
            text=f"{text}: restoring resizes the disk." if can else f"{text}; a version 2 image cannot be resized.",
            remedy="Restore with the old size, if that is wanted." if can else "Resize the disk first.",
            path=path,
            choice=Choice.RESIZE if can else None,
        )


def missing_blockers(machine: Machine, selection: Selection, choices: frozenset[Choice]) -> Iterator[Blocker]:
    """Say which disks lack the snapshot that is to be restored."""
    if selection.snapshot is None or Choice.LEAVE_OUT in choices:
        return
    for disk in (*selection.missing, *machine.left_out):
        why = f": {disk.unfit}" if disk.unfit is not None else ""
        yield Blocker(
            kind=Hindrance.MISSING,
            text=f"It has no snapshot with the tag {selection.snapshot.tag!r}{why}.",
            remedy="Leave this disk as it is, if it does not matter that it is of another time.",
            path=disk.path,
            choice=Choice.LEAVE_OUT,
        )


def told_blockers(going: Sequence[tuple[Disk, Snapshot]]) -> Iterator[Blocker]:
    """Say which snapshots QEMU cannot be told to delete."""
    for disk, snapshot in going:
        if not storage_daemon.fits(snapshot.id or ""):
            yield Blocker(
                kind=Hindrance.AMBIGUOUS,
                text=f"The id {snapshot.id!r} cannot be told to QEMU.",
                remedy="Copy what is wanted out of the image with qemu-img convert.",
                path=disk.path,
            )


def space_blockers(disks: Sequence[Disk], tables: int) -> Iterator[Blocker]:
    """Look for room for `tables` new L1 tables on each disk, for a table of snapshots, and a few clusters more."""
    for disk in disks:
        path = common.path_of(disk)
        header, left = header_of(path), common.space_left(path)
        if left is None:
            continue
        table = sum(128 + len((one.tag or "").encode("utf-8", "surrogateescape")) for one in disk.snapshots) + 512
        needed = tables * header.l1_size * 8 + table + _SPARE_CLUSTERS * header.cluster_size
        if left < needed:
            yield Blocker(
                kind=Hindrance.SPACE,
                text=f"Its file system has {left} bytes left, and up to {needed} are needed.",
                remedy="Make room on it first; deleting a snapshot needs none.",
                path=path,
            )
