"""What plans for files and for running machines share: tags, choosing one snapshot on several disks, what was seen."""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.fingerprint import key_of
from vmsnap_gui.control.plan import Blocker, Seen
from vmsnap_gui.control.terms import Choice, Hindrance
from vmsnap_gui.image.byteview import Stamp
from vmsnap_gui.image.snapshot import describe

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from datetime import datetime
    from pathlib import Path

    from vmsnap_gui.control.machine import Disk, Machine
    from vmsnap_gui.image.snapshot import Snapshot

LONGEST_TAG = 255
"""Bytes; QEMU cuts longer ones off (QEMUSnapshotInfo in include/block/snapshot.h)."""

_APART = 300
"""Seconds between two disks' snapshots of one tag above which they are probably not of one moment."""


def path_of(disk: Disk) -> Path:
    """Return a fit disk's image; one without a file is never fit."""
    if disk.path is None:
        raise ValueError("a disk without a file cannot be worked on")
    return disk.path


def tag_blockers(machine: Machine, tag: str, choices: frozenset[Choice]) -> Iterator[Blocker]:
    """Say why a snapshot cannot be taken under this tag."""
    wrong = _wrong_tag(tag)
    if wrong is not None:
        yield Blocker(kind=Hindrance.TAG, text=f"The tag {tag!r} {wrong}.", remedy="Choose another tag.")
        return
    for disk in machine.fit_disks:
        for snapshot in disk.snapshots:
            if snapshot.id == tag:
                text = f"The tag {tag!r} is the id of another snapshot ({describe(snapshot)})"
                yield Blocker(
                    kind=Hindrance.TAG,
                    text=f"{text}, and QEMU takes such a word for the id.",
                    remedy="Choose another tag.",
                    path=disk.path,
                )
    yield from _existing(machine, tag, choices)


def _wrong_tag(tag: str) -> str | None:
    if not tag:
        return "is empty"
    if tag.startswith("-"):
        return "begins with '-', and would be taken for an option"
    if tag.isdecimal():
        return "is a number, and QEMU would take it for an id"
    if any(ord(letter) < 32 or ord(letter) == 127 or "\ud800" <= letter <= "\udfff" for letter in tag):
        return "holds characters that cannot be typed"
    if len(tag.encode()) > LONGEST_TAG:
        return f"is longer than {LONGEST_TAG} bytes, and QEMU would cut it off"
    return None


def _existing(machine: Machine, tag: str, choices: frozenset[Choice]) -> Iterator[Blocker]:
    for disk in machine.fit_disks:
        there = [snapshot for snapshot in disk.snapshots if snapshot.tag == tag]
        if len(there) > 1:
            yield Blocker(
                kind=Hindrance.AMBIGUOUS,
                text=f"There are {len(there)} snapshots with the tag {tag!r}: {listed(there)}.",
                remedy="Delete those that are not wanted by their ids, or choose another tag.",
                path=disk.path,
            )
        elif there and Choice.REPLACE not in choices:
            yield Blocker(
                kind=Hindrance.EXISTS,
                text=f"There is a snapshot with the tag {tag!r} already ({describe(there[0])}).",
                remedy="Choose another tag, or replace that snapshot.",
                path=disk.path,
                choice=Choice.REPLACE,
            )


def no_disk_blockers(machine: Machine) -> Iterator[Blocker]:
    """Say so where no disk can hold a snapshot."""
    if not machine.fit_disks:
        unfit = "; ".join(f"{name_of(disk)}: {disk.unfit}" for disk in machine.disks)
        yield Blocker(
            kind=Hindrance.NO_DISK,
            text=f"No disk of this machine can hold a snapshot{f': {unfit}' if unfit else ''}.",
            remedy="Snapshots need a qcow2 image that is not encrypted and holds its data itself.",
        )


def unfit_blockers(machine: Machine, choices: frozenset[Choice]) -> Iterator[Blocker]:
    """Say which disks would be missing in a snapshot of the machine, and that there is a disk at all."""
    yield from no_disk_blockers(machine)
    for disk in machine.left_out if machine.fit_disks and Choice.LEAVE_OUT not in choices else ():
        yield Blocker(
            kind=Hindrance.UNFIT,
            text=f"A disk cannot hold a snapshot: {disk.unfit}.",
            remedy="Convert it to qcow2, or leave it out if it may be of another time than the rest.",
            path=disk.path,
            choice=Choice.LEAVE_OUT,
        )


def left_out_warnings(machine: Machine) -> Iterator[str]:
    """Say which disks a snapshot of the machine does without."""
    for disk in machine.left_out if machine.fit_disks else ():
        yield f"{name_of(disk)} is left out: after a restore it will be of another time than the rest ({disk.unfit})."


def damage_warnings(disks: Iterable[Disk]) -> Iterator[str]:
    """Say what is wrong with the images of disks."""
    for disk in disks:
        for problem in disk.problems:
            yield f"{name_of(disk)}: {problem}; the check goes first, and nothing is done if QEMU refuses the image."


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """One snapshot of a machine, on each of its disks.

    Attributes:
        snapshot: It, as the first disk that has it holds it; None if it was not found.
        found: Each fit disk with its part; None where it lacks it.
        blockers: Why the selector does not name one snapshot.
        warnings: What is odd about it; sentences.
    """

    snapshot: Snapshot | None = None
    found: tuple[tuple[Disk, Snapshot | None], ...] = ()
    blockers: tuple[Blocker, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def held(self) -> tuple[tuple[Disk, Snapshot], ...]:
        """The disks that have it, with it."""
        return tuple((disk, snapshot) for disk, snapshot in self.found if snapshot is not None)

    @property
    def missing(self) -> tuple[Disk, ...]:
        """The disks that lack it."""
        return tuple(disk for disk, snapshot in self.found if snapshot is None)


def select(machine: Machine, selector: str) -> Selection:
    """Find the one snapshot that `id:X`, `tag:X` or a bare word means, on all disks.

    Ids are a disk's own, so an id is looked for on the first disk that has it, and the other disks' parts are those of
    the same tag; of several, the one that was taken in the same moment, as QEMU writes it on all disks.
    """
    first = _first(machine, selector)
    if isinstance(first, Blocker):
        return Selection(blockers=(first,))
    home, snapshot = first
    found: list[tuple[Disk, Snapshot | None]] = []
    blockers: list[Blocker] = []
    for disk in machine.fit_disks:
        part = snapshot if disk is home else _part(disk, snapshot)
        if isinstance(part, Blocker):
            blockers.append(part)
        else:
            found.append((disk, part))
    twice = [disk for disk, part in found if part is not None and not _unique_id(disk, part)]
    blockers += [_twice(disk) for disk in twice]
    warnings = tuple(_apart(found, snapshot))
    return Selection(snapshot=snapshot, found=tuple(found), blockers=tuple(blockers), warnings=warnings)


def _first(machine: Machine, selector: str) -> tuple[Disk, Snapshot] | Blocker:
    prefix, colon, rest = selector.partition(":")
    kind, word = (prefix, rest) if colon and prefix in ("id", "tag") else ("any", selector)
    found = [
        (disk, snapshot)
        for disk in machine.fit_disks
        for snapshot in disk.snapshots
        if (kind != "tag" and snapshot.id == word) or (kind != "id" and snapshot.tag == word)
    ]
    if not found:
        unfit = next(no_disk_blockers(machine), None)
        return unfit or Blocker(
            kind=Hindrance.MISSING,
            text=f"No snapshot is called {selector!r}.",
            remedy=f"There are: {_all_of(machine)}.",
        )
    home = found[0][0]
    here = [snapshot for disk, snapshot in found if disk is home]
    elsewhere = [] if kind == "id" else [one for disk, one in found if disk is not home and one.tag == word]
    tags = {snapshot.tag for snapshot in [*here, *elsewhere]}
    if len(here) > 1 or len(tags) > 1:
        candidates = here if len(here) > 1 else [*here, *elsewhere]
        return Blocker(
            kind=Hindrance.AMBIGUOUS,
            text=f"{selector!r} can mean more than one snapshot: {listed(candidates)}.",
            remedy="Say which one by its id: id:X.",
            path=home.path,
        )
    return home, here[0]


def _part(disk: Disk, wanted: Snapshot) -> Snapshot | Blocker | None:
    """Return a disk's part of a snapshot that was found on another one."""
    same = [one for one in disk.snapshots if one.tag == wanted.tag]
    if len(same) > 1:
        moment = [one for one in same if _moment(one) == _moment(wanted)]
        if len(moment) != 1:
            return Blocker(
                kind=Hindrance.AMBIGUOUS,
                text=f"This disk has {len(same)} snapshots with the tag {wanted.tag!r}: {listed(same)}.",
                remedy="Work on the disks one by one, by id.",
                path=disk.path,
            )
        same = moment
    return same[0] if same else None


def _moment(snapshot: Snapshot) -> tuple[object, ...]:
    return snapshot.date_sec, snapshot.date_nsec, snapshot.vm_clock_ns


def _unique_id(disk: Disk, snapshot: Snapshot) -> bool:
    return sum(one.id == snapshot.id for one in disk.snapshots) == 1


def _twice(disk: Disk) -> Blocker:
    return Blocker(
        kind=Hindrance.AMBIGUOUS,
        text="Two of its snapshots have the same id, so that QEMU cannot be told which one is meant.",
        remedy="Copy what is wanted out of it with qemu-img convert.",
        path=disk.path,
    )


def _apart(found: list[tuple[Disk, Snapshot | None]], wanted: Snapshot) -> Iterator[str]:
    for disk, one in found:
        if one is not None and are_apart(one, wanted):
            yield f"{name_of(disk)} has a snapshot of that tag that was taken at another time: the disks may not fit."


def are_apart(a: Snapshot, b: Snapshot) -> bool:
    """Whether snapshots of two disks are probably not of one moment."""
    return a.date_sec is not None and b.date_sec is not None and abs(a.date_sec - b.date_sec) > _APART


def name_of(disk: Disk) -> str:
    """Name a disk for people: its image's file name."""
    return disk.path.name if disk.path is not None else disk.node or "a disk"


def listed(snapshots: Iterable[Snapshot]) -> str:
    """Name snapshots for people."""
    names = [describe(one) for one in snapshots]
    return ", ".join(names[:20]) + (", ..." if len(names) > 20 else "")


def _all_of(machine: Machine) -> str:
    snapshots = {describe(one): one for disk in machine.fit_disks for one in disk.snapshots}
    return listed(snapshots.values()) or "none"


_SAFETY_TAG = re.compile(r"before-(restore|undo)-of-(?P<subject>.+)-\d{4}-\d\d-\d\d-\d{6}(-\d+)?", re.DOTALL)


def safety_tag(machine: Machine, snapshot: Snapshot, now: datetime) -> str:
    """Return a free tag that says what a safety snapshot is: "before-restore-of-clean-2026-11-25-193000".

    To restore a safety snapshot is to undo: "before-undo-of-clean-...", which does not grow with each turn.
    """
    tag = snapshot.tag or ""
    again = _SAFETY_TAG.fullmatch(tag)
    tag, what = (again["subject"], "undo") if again is not None else (tag, "restore")
    subject = tag if tag and _wrong_tag(f"x{tag}") is None else f"id-{snapshot.id}"
    end = f"-{now:%Y-%m-%d-%H%M%S}"
    start = f"before-{what}-of-{subject}".encode()[: LONGEST_TAG - len(end) - 4].decode(errors="ignore")
    taken = {one.tag for disk in machine.fit_disks for one in disk.snapshots}
    numbers = ["", *(f"-{number}" for number in range(2, 1000))]
    return next(f"{start}{end}{number}" for number in numbers if f"{start}{end}{number}" not in taken)


def seen_of(disks: Iterable[Disk]) -> tuple[Seen, ...]:
    """Return the disks' images as they are seen, for `executing` to compare: the table is that of the machine.

    Raises:
        ControlError: an image is gone.
    """
    return tuple(_seen(path_of(disk), disk) for disk in disks)


def _seen(path: Path, disk: Disk) -> Seen:
    return Seen(path=path, stamp=stamp_of(path), table=table_digest(disk.snapshots))


def stamp_of(path: Path) -> tuple[int, int, int, int]:
    """Return device, inode, size and modification time in ns; raises ControlError where the file is gone."""
    try:
        found = Stamp.of(path.stat())
    except OSError as error:
        raise ControlError(f"it cannot be found: {error.strerror}", path=path) from error
    return found.device, found.inode, found.size, found.mtime_ns


def table_digest(snapshots: Iterable[Snapshot]) -> str:
    """Return what a snapshot table digests to: equal as long as the same snapshots are in it."""
    rows = [(key_of(one), one.vm_state_size, one.disk_size) for one in snapshots]
    return hashlib.blake2b(json.dumps(rows).encode(), digest_size=16).hexdigest()


def space_left(path: Path) -> int | None:
    """Return how many bytes the image can still grow by, None for a block device or where nobody can tell."""
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            return None
        found = os.statvfs(path)
    except OSError:
        return None
    return found.f_bavail * found.f_frsize
