"""Plans for a machine of which only the files can be reached: qemu-img and qemu-storage-daemon do the work."""

from __future__ import annotations

import os
import shutil
from datetime import datetime
from typing import TYPE_CHECKING

from vmsnap_gui.control import planning_common as common
from vmsnap_gui.control import qemu_img, storage_daemon
from vmsnap_gui.control.journal import under_way
from vmsnap_gui.control.locks import LockState, holders, probe
from vmsnap_gui.control.plan import Blocker, Choice, Cost, Hindrance, Options, Plan, Step, StepKind, Target, Verb
from vmsnap_gui.control.quarantine import judge
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.qcow2 import Qcow2Image
from vmsnap_gui.image.qcow2_header import CORRUPT, DIRTY, Header
from vmsnap_gui.image.snapshot import Snapshot, describe
from vmsnap_gui.image.usage import freed_by

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence
    from pathlib import Path

    from vmsnap_gui.control.machine import Disk, Machine
    from vmsnap_gui.control.planning_common import Selection

_SPARE_CLUSTERS = 8
"""For growing refcount tables and L2 tables, beside what a snapshot needs by itself."""


async def plan_take(machine: Machine, tag: str, options: Options) -> Plan:
    """Plan to take a snapshot of all disks; see planning."""
    disks = machine.fit_disks
    blockers = [
        *common.tag_blockers(machine, tag, options.choices),
        *common.unfit_blockers(machine),
        *[blocker async for blocker in _disk_blockers(disks)],
        *_space_blockers(disks, 1),
    ]
    old = [(disk, one) for disk in disks for one in disk.snapshots if one.tag == tag]
    steps = [_take(disk, tag) for disk in disks] + [_delete(disk, one) for disk, one in old]
    return Plan(
        verb=Verb.TAKE,
        machine=machine,
        subject=repr(tag),
        steps=_checked(disks, steps) if not blockers else (),
        blockers=tuple(blockers),
        warnings=("Only the disks are taken: no machine runs, so there is no memory to save.",),
        losses=tuple(f"The old {tag!r} of {_name(disk)} ({_what(one)})." for disk, one in old),
        cost=Cost(vm_state=0, free=_free(disks), frees=_frees(old)),
        options=options,
        seen=common.seen_of(disks),
    )


async def plan_restore(machine: Machine, selector: str, options: Options) -> Plan:
    """Plan to return all disks to a snapshot; see planning."""
    selection = common.select(machine, selector)
    held = selection.held
    disks = tuple(disk for disk, _ in held)
    blockers = [
        *selection.blockers,
        *_missing_blockers(machine, selection, options.choices),
        *[blocker async for blocker in _disk_blockers(disks)],
        *_space_blockers(disks, 1 if options.safety else 0),
        *_size_blockers(held, options.choices),
        *_bitmap_blockers(disks),
    ]
    safety = None
    if options.safety and selection.snapshot is not None:
        safety = common.safety_tag(machine, selection.snapshot, datetime.now())
    steps = [_take(disk, safety) for disk in disks] if safety is not None else []
    steps += [_restore(disk, one, safety) for disk, one in held]
    return Plan(
        verb=Verb.RESTORE,
        machine=machine,
        subject=_subject(selection, selector),
        steps=_checked(disks, steps) if not blockers else (),
        blockers=tuple(blockers),
        warnings=tuple(_restore_warnings(machine, selection)),
        losses=() if safety is not None else tuple(f"What is on {_name(disk)} now." for disk in disks),
        cost=Cost(vm_state=0, free=_free(disks)),
        options=options,
        seen=common.seen_of(disks),
        safety=safety,
    )


async def plan_delete(machine: Machine, selectors: Sequence[str], options: Options) -> Plan:
    """Plan to delete snapshots from all disks; see planning."""
    selections = [common.select(machine, selector) for selector in selectors]
    parts = {(common.path_of(disk), one.id): (disk, one) for found in selections for disk, one in found.held}
    going = list(parts.values())
    disks = tuple(dict.fromkeys(disk for disk, _ in going))
    blockers = [blocker for selection in selections for blocker in selection.blockers]
    blockers += [blocker async for blocker in _disk_blockers(disks)]
    blockers += _told_blockers(going)
    subjects = [_subject(selection, selector) for selection, selector in zip(selections, selectors, strict=True)]
    return Plan(
        verb=Verb.DELETE,
        machine=machine,
        subject=", ".join(dict.fromkeys(subjects)),
        steps=_checked(disks, [_delete(disk, one) for disk, one in going]) if not blockers else (),
        blockers=tuple(blockers),
        warnings=tuple(warning for selection in selections for warning in selection.warnings),
        losses=tuple(f"{one.tag!r} (id {one.id}) of {_name(disk)}: {_what(one)}." for disk, one in going),
        cost=Cost(free=_free(disks), frees=_frees(going)),
        options=options,
        seen=common.seen_of(disks),
    )


async def plan_repair(machine: Machine) -> Plan:
    """Plan to repair those images that are damaged or in quarantine; see planning."""
    blockers: list[Blocker] = []
    warnings: list[str] = []
    wrong: list[Disk] = []
    for disk in machine.fit_disks:
        path = common.path_of(disk)
        busy = [*_tool_blockers(), *_use_blockers(path)]
        blockers += busy
        found = "" if busy else await _damage(path)
        if found:
            wrong.append(disk)
            warnings.append(f"{_name(disk)}: {found}.")
    steps = [
        Step(
            kind=StepKind.REPAIR,
            targets=(Target(path=common.path_of(disk), tag=""),),
            text=f"Repair {_name(disk)}",
            command=qemu_img.repair_command(common.path_of(disk)),
        )
        for disk in wrong
    ]
    return Plan(
        verb=Verb.REPAIR,
        machine=machine,
        subject=", ".join(_name(disk) for disk in wrong) or machine.name,
        steps=tuple(steps) if not blockers else (),
        blockers=tuple(blockers),
        warnings=tuple(warnings),
        cost=Cost(free=_free(machine.fit_disks)),
        seen=common.seen_of(wrong),
    )


async def _damage(path: Path) -> str:
    """Say what a repair would be for, "" where nothing is wrong."""
    held = await judge(path)
    check = await qemu_img.check(path)
    parts = [f"in quarantine since {held.what} did not come to its end: {held.why}"] if held is not None else []
    if not check.clean and not any("qemu-img" in part for part in parts):
        parts.append(f"qemu-img check finds {check}")
    return "; ".join(parts)


def _checked(disks: Sequence[Disk], steps: Sequence[Step]) -> tuple[Step, ...]:
    """Put a check of all images before the first write and after the last one."""
    targets = tuple(Target(path=common.path_of(disk), tag="") for disk in disks)
    command = qemu_img.check_command(targets[0].path)
    names = ", ".join(_name(disk) for disk in disks)
    first = Step(kind=StepKind.CHECK, targets=targets, text=f"Check {names} for damage first", command=command)
    last = Step(kind=StepKind.CHECK, targets=targets, text=f"Check {names} afterwards", command=command)
    return (first, *steps, last)


def _take(disk: Disk, tag: str) -> Step:
    path = common.path_of(disk)
    return Step(
        kind=StepKind.TAKE,
        targets=(Target(path=path, tag=tag),),
        text=f"Take {tag!r} of {_name(disk)}",
        command=qemu_img.take(path, tag),
        undone_by=f"deleting {tag!r} again",
    )


def _restore(disk: Disk, snapshot: Snapshot, safety: str | None) -> Step:
    path, id_, tag = common.path_of(disk), snapshot.id or "", snapshot.tag or ""
    return Step(
        kind=StepKind.RESTORE,
        targets=(Target(path=path, tag=tag, id=id_),),
        text=f"Return {_name(disk)} to {tag!r} (id {id_})",
        command=qemu_img.restore(path, id_),
        undone_by=f"returning to {safety!r}" if safety is not None else None,
    )


def _delete(disk: Disk, snapshot: Snapshot) -> Step:
    path, id_, tag = common.path_of(disk), snapshot.id or "", snapshot.tag or ""
    alone = sum(one.tag == tag for one in disk.snapshots) == 1 and storage_daemon.fits(tag) and tag
    return Step(
        kind=StepKind.DELETE,
        targets=(Target(path=path, tag=tag, id=id_),),
        text=f"Delete {tag!r} (id {id_}) of {_name(disk)}",
        command=qemu_img.delete(path, tag) if alone else storage_daemon.by_hand(path, id_, tag),
    )


async def _disk_blockers(disks: Sequence[Disk]) -> AsyncIterator[Blocker]:
    """Say what keeps these images from being written to."""
    for blocker in _tool_blockers():
        yield blocker
    for disk in disks:
        path = common.path_of(disk)
        busy = list(_use_blockers(path))
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


def _tool_blockers() -> Iterator[Blocker]:
    for program, package in ((qemu_img.PROGRAM, "qemu-utils"), (storage_daemon.PROGRAM, "qemu-system-common")):
        if shutil.which(program) is None:
            yield Blocker(
                kind=Hindrance.TOOL,
                text=f"The program {program} is not installed.",
                remedy=f"Install it (Debian: {package}).",
            )


def use_of(path: Path) -> str | None:
    """Say who keeps an image from being written to, None if nobody does.

    Raises:
        ImageError: nobody can tell.
    """
    ours = under_way(path)
    if ours is not None and ours.pid != os.getpid():
        return f"vmsnap (process {ours.pid}) is working on it"
    if probe(path) == LockState():
        return None
    names = [str(one) for one in holders(path) if one.locking]
    return f"it is in use by {', '.join(names) or 'a program of somebody else'}"


def _use_blockers(path: Path) -> Iterator[Blocker]:
    try:
        use = use_of(path)
    except ImageError as error:
        use = error.message
    if use is not None:
        yield Blocker(
            kind=Hindrance.IN_USE,
            text=f"{use[0].upper()}{use[1:]}.",
            remedy="Shut that down first; a running machine can be worked on through its QMP socket.",
            path=path,
        )
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


def _header(path: Path) -> Header | None:
    try:
        image = open_image(path)
    except ImageError:
        return None
    try:
        return image.header if isinstance(image, Qcow2Image) else None
    finally:
        image.close()


def _header_blockers(path: Path) -> Iterator[Blocker]:
    header = _header(path)
    marks = header.incompatible if header is not None else 0
    texts = []
    if header is None:
        texts.append("It can no longer be read as a qcow2 image.")
    if marks & CORRUPT:
        texts.append("It is marked corrupt: QEMU found damage in it.")
    if marks & DIRTY:
        texts.append("It is marked dirty: it was not closed properly, and its refcounts may be wrong.")
    for text in texts:
        yield Blocker(kind=Hindrance.IMAGE, text=text, remedy="Check and repair it first.", path=path)


def _bitmap_blockers(disks: Sequence[Disk]) -> Iterator[Blocker]:
    """qemu-img 7.2 takes and deletes snapshots beside bitmaps, and keeps these, but refuses to go back."""
    for disk in disks:
        path = common.path_of(disk)
        header = _header(path)
        if header is not None and header.bitmaps:
            number = qemu_img.count(header.bitmaps, "persistent bitmap")
            yield Blocker(
                kind=Hindrance.BITMAPS,
                text=f"It has {number}, with which QEMU does not return to a snapshot.",
                remedy=f"Remove them with qemu-img bitmap --remove {path} NAME; the next backup is then a full one.",
                path=path,
            )


def _size_blockers(held: Sequence[tuple[Disk, Snapshot]], choices: frozenset[Choice]) -> Iterator[Blocker]:
    """qemu-img (7.2, not before 5.1) gives a disk the size back that it had; never in a version 2 image."""
    for disk, snapshot in held:
        if snapshot.disk_size is None or snapshot.disk_size == disk.virtual_size:
            continue
        path = common.path_of(disk)
        header = _header(path)
        can = header is not None and header.version > 2
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


def _missing_blockers(machine: Machine, selection: Selection, choices: frozenset[Choice]) -> Iterator[Blocker]:
    if selection.snapshot is None or Choice.LEAVE_OUT in choices:
        return
    unfit = [disk for disk in machine.disks if disk.unfit is not None]
    for disk in (*selection.missing, *unfit):
        why = f": {disk.unfit}" if disk.unfit is not None else ""
        yield Blocker(
            kind=Hindrance.MISSING,
            text=f"It has no snapshot with the tag {selection.snapshot.tag!r}{why}.",
            remedy="Leave this disk as it is, if it does not matter that it is of another time.",
            path=disk.path,
            choice=Choice.LEAVE_OUT,
        )


def _told_blockers(going: Sequence[tuple[Disk, Snapshot]]) -> Iterator[Blocker]:
    for disk, snapshot in going:
        if not storage_daemon.fits(snapshot.id or ""):
            yield Blocker(
                kind=Hindrance.AMBIGUOUS,
                text=f"The id {snapshot.id!r} cannot be told to QEMU.",
                remedy="Copy what is wanted out of the image with qemu-img convert.",
                path=disk.path,
            )


def _space_blockers(disks: Sequence[Disk], tables: int) -> Iterator[Blocker]:
    """Look for room for `tables` new L1 tables on each disk, for a table of snapshots, and a few clusters more."""
    for disk in disks:
        path = common.path_of(disk)
        header, left = _header(path), common.space_left(path)
        if header is None or left is None:
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


def _restore_warnings(machine: Machine, selection: Selection) -> Iterator[str]:
    yield from selection.warnings
    if any(one.vm_state_size for _, one in selection.held):
        yield (
            "The disks return, the memory does not: the guest will boot as after a power cut. "
            "To go on where it was, start the machine from this snapshot."
        )
    for disk, one in selection.held:
        if one.disk_size is not None and one.disk_size != disk.virtual_size:
            yield f"{_name(disk)} is resized from {disk.virtual_size} to {one.disk_size} bytes."
    unfit = [disk for disk in machine.disks if disk.unfit is not None]
    for disk in (*selection.missing, *unfit) if selection.held else ():
        yield f"{_name(disk)} stays as it is now: it lacks this snapshot."


def _subject(selection: Selection, selector: str) -> str:
    one = selection.snapshot
    return repr(selector) if one is None else f"{one.tag!r} (id {one.id})"


def _what(snapshot: Snapshot) -> str:
    return f"a disk and {snapshot.vm_state_size} bytes of VM state" if snapshot.vm_state_size else "a disk's state"


def _name(disk: Disk) -> str:
    return common.path_of(disk).name if disk.path is not None else describe_node(disk)


def describe_node(disk: Disk) -> str:
    """Name a disk without a file."""
    return disk.node or "a disk without a file"


def _free(disks: Sequence[Disk]) -> int | None:
    left = [common.space_left(common.path_of(disk)) for disk in disks]
    return min((one for one in left if one is not None), default=None)


def _frees(going: Sequence[tuple[Disk, Snapshot]]) -> int | None:
    """Return how many bytes the images get back, None where the mapping cannot be read."""
    by_path: dict[Path, list[Snapshot]] = {}
    for disk, snapshot in going:
        by_path.setdefault(common.path_of(disk), []).append(snapshot)
    total = 0
    for path, snapshots in by_path.items():
        try:
            image = open_image(path)
        except ImageError:
            return None
        try:
            if not isinstance(image, Qcow2Image):
                return None
            wanted = [one for one in image.snapshots if any(same(one, other) for other in snapshots)]
            total += freed_by(image, wanted)
        except ImageError:
            return None
        finally:
            image.close()
    return total


def same(one: Snapshot, other: Snapshot) -> bool:
    """Whether two entries are the same snapshot."""
    return (one.id, one.tag) == (other.id, other.tag) and describe(one) == describe(other)
