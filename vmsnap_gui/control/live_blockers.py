"""What keeps a running machine from being saved, restored, or freed of a snapshot: asked from QEMU, and found in it."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from vmsnap_gui.control import planning_common as common
from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.look import Look, look_at
from vmsnap_gui.control.plan import Blocker
from vmsnap_gui.control.planning_common import name_of
from vmsnap_gui.control.qmp import QMP
from vmsnap_gui.control.quarantine import header_of, judge
from vmsnap_gui.control.storage_daemon import fits
from vmsnap_gui.control.terms import Choice, Hindrance
from vmsnap_gui.image.qcow2_header import CORRUPT
from vmsnap_gui.image.snapshot import describe

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator, Sequence

    from vmsnap_gui.control.machine import Disk, Machine
    from vmsnap_gui.image.snapshot import Snapshot

Part = tuple["Disk", "Snapshot"]
"""A disk, and its part of a snapshot."""

_DISKS_ONLY = "Shut the machine down, and restore its disks then."

_TRANSIENT = ("inmigrate", "postmigrate", "finish-migrate", "save-vm", "colo")
"""Run states in which QEMU's disks are not its own, or it is at work on the state already."""


class Told(NamedTuple):
    """A running machine as a plan finds it, or why it cannot be looked at."""

    look: Look | None
    blockers: tuple[Blocker, ...]


async def ask(machine: Machine) -> Told:
    """Ask a machine how it is, and say what it is busy with."""
    try:
        async with await QMP.connect(machine.address or "") as qmp:
            look = await look_at(qmp)
    except ControlError as error:
        text = f"{error.message[0].upper()}{error.message[1:]}."
        remedy = "Close the other program that uses this monitor, or look at the machine again."
        return Told(None, (Blocker(kind=Hindrance.MONITOR, text=text, remedy=remedy),))
    blockers = []
    if look.status in _TRANSIENT:
        text = f"The machine is in the state {look.status!r}, in which QEMU lets nobody at its disks."
        blockers.append(Blocker(kind=Hindrance.MONITOR, text=text, remedy="Wait until that is over."))
    for what in look.busy:
        text = f"QEMU is at work already: {what}."
        blockers.append(Blocker(kind=Hindrance.MONITOR, text=text, remedy="Wait until that is over, or cancel it."))
    return Told(look, tuple(blockers))


def blocked(look: Look | None) -> Iterator[Blocker]:
    """Say in QEMU's words why the state of this machine cannot be saved, or loaded."""
    for reason in look.blocked if look is not None else ():
        yield Blocker(
            kind=Hindrance.UNMIGRATABLE,
            text=f"QEMU cannot save this machine: {reason}.",
            remedy="Unplug that device, or shut the machine down and take the disks only.",
        )


def save_blockers(machine: Machine, look: Look | None) -> Iterator[Blocker]:
    """Say why no state of this machine can be saved now."""
    yield from blocked(look)
    if look is not None and look.status == "restore-vm":
        yield Blocker(
            kind=Hindrance.MONITOR,
            text="A restore failed, and disks and memory may not fit each other.",
            remedy="Restore a snapshot without a safety snapshot first.",
        )
    home = machine.vmstate_disk
    left = common.space_left(common.path_of(home)) if home is not None else None
    if home is None or left is None or look is None or look.memory is None or left >= look.memory:
        return
    yield Blocker(
        kind=Hindrance.SPACE,
        text=f"Its file system has {left} bytes left, and the VM state needs about {look.memory}.",
        remedy="Make room on it first, for instance by deleting a snapshot.",
        path=home.path,
    )


def unfit_blockers(machine: Machine, look: Look | None, choices: frozenset[Choice]) -> Iterator[Blocker]:
    """Say which disks would be missing in a snapshot although the guest writes to them; savevm refuses then, too."""
    yield from common.no_disk_blockers(machine)
    if Choice.LEAVE_OUT not in choices or not _can_leave_out(look):
        for disk in machine.left_out:
            yield Blocker(
                kind=Hindrance.UNFIT,
                text=f"The guest can write to {name_of(disk)}, but it cannot hold a snapshot: {disk.unfit}.",
                remedy="Convert it to qcow2, or leave it out if it may be of another time than the rest.",
                path=disk.path,
                choice=Choice.LEAVE_OUT if _can_leave_out(look) else None,
            )


def _can_leave_out(look: Look | None) -> bool:
    """Whether QEMU can be told which disks are meant: the human monitor's savevm takes them all."""
    return look is None or look.jobs


def missing_blockers(
    machine: Machine,
    missing: Sequence[Disk],
    snapshot: Snapshot | None,
    look: Look | None,
    choices: frozenset[Choice],
) -> Iterator[Blocker]:
    """Say which disks would stay as they are when the rest goes back."""
    can = _can_leave_out(look)
    if snapshot is None or (can and Choice.LEAVE_OUT in choices):
        return
    for disk in (*missing, *machine.left_out):
        why = f": {disk.unfit}" if disk.unfit is not None else ""
        yield Blocker(
            kind=Hindrance.MISSING,
            text=f"{name_of(disk)} has no snapshot with the tag {snapshot.tag!r}{why}.",
            remedy="Leave this disk as it is, if it does not matter that it is of another time.",
            path=disk.path,
            choice=Choice.LEAVE_OUT if can else None,
        )


def load_blockers(machine: Machine, held: Sequence[Part], look: Look | None) -> Iterator[Blocker]:
    """Say why QEMU could not load a snapshot, or would load another one."""
    homes = [disk for disk, one in held if one.vm_state_size]
    disks_only = _DISKS_ONLY if look is not None else "Restore its disks, then start the machine as they are."
    if held and not homes:
        yield Blocker(
            kind=Hindrance.EMPTY_STATE,
            text="It holds disks only: there is no memory in it that a running machine could go on with.",
            remedy=disks_only,
        )
    if homes and look is not None and not look.jobs and homes[0] is not machine.vmstate_disk:
        yield Blocker(
            kind=Hindrance.EMPTY_STATE,
            text=f"Its memory is on {name_of(homes[0])}, and QEMU before 6.0 looks for it on the first disk only.",
            remedy="Use a newer QEMU.",
            path=homes[0].path,
        )
    for disk, one in held:
        yield from _word_blockers(disk, one)
        if one.disk_size is not None and one.disk_size != disk.virtual_size:
            yield Blocker(
                kind=Hindrance.RESIZED,
                text=f"{name_of(disk)} had {one.disk_size} bytes then, and has {disk.virtual_size} bytes now.",
                remedy=disks_only,
                path=disk.path,
            )
        if look is not None and disk.node in look.bitmaps:
            yield Blocker(
                kind=Hindrance.BITMAPS,
                text=f"{name_of(disk)} has dirty bitmaps, with which QEMU does not return to a snapshot.",
                remedy="Remove them (block-dirty-bitmap-remove); the next backup is then a full one.",
                path=disk.path,
            )


def _word_blockers(disk: Disk, wanted: Snapshot) -> Iterator[Blocker]:
    """Say why a tag would lead QEMU to another snapshot: it loads by tag, but each disk looks for an id first."""
    tag = wanted.tag or ""
    others = [one for one in disk.snapshots if one is not wanted]
    found = [one for one in others if tag in (one.id, one.tag)]
    remedy = f"Shut the machine down, and restore by its id: id:{wanted.id}."
    if found:
        text = f"QEMU would take {tag!r} for another snapshot ({describe(found[0])}) on {name_of(disk)}."
        yield Blocker(kind=Hindrance.AMBIGUOUS, text=text, remedy=remedy, path=disk.path)
    elif not fits(tag):
        text = f"The tag {tag!r} cannot be told to QEMU."
        yield Blocker(kind=Hindrance.AMBIGUOUS, text=text, remedy=remedy, path=disk.path)


async def disk_blockers(machine: Machine, disks: Sequence[Disk]) -> AsyncIterator[Blocker]:
    """Say what keeps these images from being written to; a running QEMU may well have marked them dirty."""
    for disk in disks:
        path = common.path_of(disk)
        if header_of(path).incompatible & CORRUPT:
            yield Blocker(
                kind=Hindrance.IMAGE,
                text=f"{name_of(disk)} is marked corrupt: QEMU found damage in it.",
                remedy="Shut the machine down, then check and repair the image.",
                path=path,
            )
        held = await judge(path, machine.address)
        if held is not None:
            yield Blocker(
                kind=Hindrance.QUARANTINED,
                text=f"It is in quarantine, since {held.what} did not come to its end: {held.why}.",
                remedy="Shut the machine down, then check and repair the image.",
                path=path,
            )
