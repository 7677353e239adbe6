"""Plans for a machine of which only the files can be reached: qemu-img and qemu-storage-daemon do the work."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from vmsnap_gui.control import file_blockers as blockers_of
from vmsnap_gui.control import planning_common as common
from vmsnap_gui.control import qemu_img, storage_daemon
from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.locks import in_use
from vmsnap_gui.control.plan import Blocker, Cost, Plan, Step, Target
from vmsnap_gui.control.quarantine import examine, judge
from vmsnap_gui.control.terms import Choice, Hindrance, Options, StepKind, Verb
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.qcow2 import Qcow2Image
from vmsnap_gui.image.usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from vmsnap_gui.control.machine import Disk, Machine
    from vmsnap_gui.control.planning_common import Selection
    from vmsnap_gui.control.quarantine import Quarantine
    from vmsnap_gui.image.snapshot import Snapshot


_DISKS_ONLY = "Only the disks are taken: no machine runs, so there is no memory to save."


async def plan_take(machine: Machine, tag: str, options: Options) -> Plan:
    """Plan to take a snapshot of all disks; see planning."""
    disks = machine.fit_disks
    blockers = [
        *common.tag_blockers(machine, tag, options.choices),
        *common.unfit_blockers(machine, options.choices),
        *[blocker async for blocker in blockers_of.disk_blockers(disks)],
        *blockers_of.space_blockers(disks, 1),
    ]
    old = [(disk, one) for disk in disks for one in disk.snapshots if one.tag == tag]
    steps = [take_step(disk, tag) for disk in disks] + [_delete(disk, one, alone=False) for disk, one in old]
    return Plan(
        verb=Verb.TAKE,
        machine=machine,
        subject=repr(tag),
        steps=_checked(disks, steps) if not blockers else (),
        blockers=tuple(blockers),
        warnings=(*common.damage_warnings(machine.disks), _DISKS_ONLY, *common.left_out_warnings(machine)),
        notes=tuple(blockers_of.overlay_notes(machine, disks)),
        losses=tuple(f"The old {tag!r} of {common.name_of(disk)} ({what_of(one)})." for disk, one in old),
        cost=Cost(vm_state=0, free=free_of(disks), frees=frees_of(old)),
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
        *blockers_of.missing_blockers(machine, selection, options.choices),
        *[blocker async for blocker in blockers_of.disk_blockers(disks)],
        *blockers_of.space_blockers(disks, 1 if options.safety else 0),
        *blockers_of.size_blockers(held, options.choices),
        *blockers_of.bitmap_blockers(disks),
        *blockers_of.overlay_blockers(machine, disks),
    ]
    safety = None
    if options.safety and selection.snapshot is not None:
        safety = common.safety_tag(machine, selection.snapshot, datetime.now())
    steps = [take_step(disk, safety) for disk in disks] if safety is not None else []
    steps += [_restore(disk, one, safety) for disk, one in held]
    return Plan(
        verb=Verb.RESTORE,
        machine=machine,
        subject=subject_of(selection, selector),
        steps=_checked(disks, steps) if not blockers else (),
        blockers=tuple(blockers),
        warnings=(*common.damage_warnings(machine.disks), *_restore_warnings(machine, selection)),
        losses=() if safety is not None else tuple(f"What is on {common.name_of(disk)} now." for disk in disks),
        cost=Cost(vm_state=0, free=free_of(disks)),
        options=options,
        seen=common.seen_of(disks),
        safety=safety,
    )


async def plan_delete(machine: Machine, selectors: Sequence[str], options: Options) -> Plan:
    """Plan to delete snapshots from all disks; see planning."""
    deletion = deletion_of(machine, selectors)
    going, disks = deletion.going, deletion.disks
    blockers = [*deletion.blockers]
    blockers += [blocker async for blocker in blockers_of.disk_blockers(disks)]
    blockers += blockers_of.told_blockers(going)
    return Plan(
        verb=Verb.DELETE,
        machine=machine,
        subject=deletion.subject,
        steps=_checked(disks, [_delete(disk, one) for disk, one in going]) if not blockers else (),
        blockers=tuple(blockers),
        warnings=(*common.damage_warnings(machine.disks), *deletion.warnings),
        notes=tuple(blockers_of.overlay_notes(machine, disks)),
        losses=deletion.losses,
        cost=Cost(
            free=free_of(disks),
            frees=frees_of(going),
            frees_at_least=any(in_use(common.path_of(disk)) for disk in disks),
        ),
        options=options,
        seen=common.seen_of(disks),
    )


@dataclass(frozen=True, slots=True)
class Deletion:
    """What a delete of several snapshots comes to, whoever does it.

    Attributes:
        going: Each snapshot that goes, with its disk, once even if two selectors name it.
        disks: Those disks.
        subject: The snapshots, for people.
        blockers: What is in the way of choosing them.
        warnings: What a person should know first.
        losses: What will be gone.
    """

    going: tuple[tuple[Disk, Snapshot], ...]
    disks: tuple[Disk, ...]
    subject: str
    blockers: tuple[Blocker, ...]
    warnings: tuple[str, ...]
    losses: tuple[str, ...]


def deletion_of(machine: Machine, selectors: Sequence[str]) -> Deletion:
    """Find what the selectors of a delete mean on each disk."""
    selections = [common.select(machine, selector) for selector in selectors]
    parts = {(common.path_of(disk), one.id): (disk, one) for found in selections for disk, one in found.held}
    subjects = [subject_of(selection, selector) for selection, selector in zip(selections, selectors, strict=True)]
    return Deletion(
        going=tuple(parts.values()),
        disks=tuple(dict.fromkeys(disk for disk, _ in parts.values())),
        subject=", ".join(dict.fromkeys(subjects)),
        blockers=tuple(blocker for selection in selections for blocker in selection.blockers),
        warnings=tuple(warning for selection in selections for warning in selection.warnings),
        losses=tuple(
            f"{one.tag!r} (id {one.id}) of {common.name_of(disk)}: {what_of(one)}." for disk, one in parts.values()
        ),
    )


async def plan_repair(machine: Machine, options: Options) -> Plan:
    """Plan to repair those images that are damaged or in quarantine; see planning."""
    blockers = [*blockers_of.tool_blockers(), *common.no_disk_blockers(machine)]
    blockers += [blocker for disk in machine.fit_disks for blocker in blockers_of.use_blockers(common.path_of(disk))]
    found = [] if blockers else [await _wrong(disk) for disk in machine.fit_disks]
    steps: list[Step] = []
    losses: list[str] = []
    for disk, damage, doubt in found:
        if damage:
            steps.append(_repair(disk))
        elif doubt is not None and Choice.ACCEPT in options.choices:
            steps.append(_release(disk))
            lost = f"{', '.join(doubt.changed)} as they were" if doubt.changed else "the proof that nothing was changed"
            losses.append(f"{common.name_of(disk)}: {lost}.")
        elif doubt is not None:
            blockers.append(_doubt_blocker(doubt))
    wrong = [disk for disk, damage, doubt in found if damage or doubt is not None]
    warnings = [f"{common.name_of(disk)}: {damage}." for disk, damage, _ in found if damage]
    return Plan(
        verb=Verb.REPAIR,
        machine=machine,
        subject=", ".join(common.name_of(disk) for disk in wrong) or machine.name,
        steps=tuple(steps) if not blockers else (),
        blockers=tuple(blockers),
        warnings=tuple(warnings),
        notes=(_NO_REPAIR,) if any(step.kind is StepKind.REPAIR for step in steps) else (),
        losses=tuple(losses),
        cost=Cost(free=free_of(machine.fit_disks)),
        options=options,
        seen=common.seen_of(wrong),
    )


_NO_REPAIR = "What qemu-img cannot repair stays in quarantine; the result then says how to copy what can be read of it."


async def _wrong(disk: Disk) -> tuple[Disk, str, Quarantine | None]:
    """Return a disk with what a repair would be for, and with why it is held although there is nothing to repair."""
    held = await judge(common.path_of(disk))
    try:
        damage = (await examine(common.path_of(disk))).text
    except ControlError as error:  # a repair may get further than a check
        damage = f"it cannot be checked: {error.message}"
    if held is not None and not held.whole:
        damage = f"in quarantine, since {held.what} did not come to its end: {held.why}"
    return disk, damage, held if held is not None and held.whole else None


def _repair(disk: Disk) -> Step:
    path = common.path_of(disk)
    return Step(
        kind=StepKind.REPAIR,
        targets=(Target(path=path, tag=""),),
        text=f"Repair {common.name_of(disk)}",
        command=qemu_img.repair_command(path),
    )


def _release(disk: Disk) -> Step:
    path = common.path_of(disk)
    return Step(
        kind=StepKind.RELEASE,
        targets=(Target(path=path, tag=""),),
        text=f"Release {common.name_of(disk)} from quarantine as it is",
        command=("vmsnap", "check", str(path), "--repair", "--accept"),
    )


def _doubt_blocker(doubt: Quarantine) -> Blocker:
    return Blocker(
        kind=Hindrance.QUARANTINED,
        text=f"It is whole again, but {doubt.why}.",
        remedy="Take it from a backup, or accept it as it is.",
        path=doubt.path,
        choice=Choice.ACCEPT,
    )


def _checked(disks: Sequence[Disk], steps: Sequence[Step]) -> tuple[Step, ...]:
    """Put a check of each image before the first write and after the last one."""
    first = [check_step(disk, "for damage first") for disk in disks]
    return (*first, *steps, *(check_step(disk, "afterwards") for disk in disks))


def check_step(disk: Disk, when: str) -> Step:
    """Return the step that looks for damage in an image; `when` ends its text."""
    path = common.path_of(disk)
    return Step(
        kind=StepKind.CHECK,
        targets=(Target(path=path, tag=""),),
        text=f"Check {common.name_of(disk)} {when}",
        command=qemu_img.check_command(path),
    )


def take_step(disk: Disk, tag: str) -> Step:
    """Return the step that takes a snapshot of one disk."""
    path = common.path_of(disk)
    return Step(
        kind=StepKind.TAKE,
        targets=(Target(path=path, tag=tag),),
        text=f"Take {tag!r} of {common.name_of(disk)}",
        command=qemu_img.take(path, tag),
        undone_by=f"deleting {tag!r} again",
    )


def _restore(disk: Disk, snapshot: Snapshot, safety: str | None) -> Step:
    path, id_, tag = common.path_of(disk), snapshot.id or "", snapshot.tag or ""
    return Step(
        kind=StepKind.RESTORE,
        targets=(Target(path=path, tag=tag, id=id_),),
        text=f"Return {common.name_of(disk)} to {tag!r} (id {id_})",
        command=qemu_img.restore(path, id_),
        undone_by=f"returning to {safety!r}" if safety is not None else None,
    )


def _delete(disk: Disk, snapshot: Snapshot, *, alone: bool = True) -> Step:
    """Return the step that deletes a snapshot; `alone` is whether no step before it takes another one of its tag."""
    path, id_, tag = common.path_of(disk), snapshot.id or "", snapshot.tag or ""
    alone = alone and sum(one.tag == tag for one in disk.snapshots) == 1 and storage_daemon.fits(tag) and tag != ""
    return Step(
        kind=StepKind.DELETE,
        targets=(Target(path=path, tag=tag, id=id_),),
        text=f"Delete {tag!r} (id {id_}) of {common.name_of(disk)}",
        command=qemu_img.delete(path, tag) if alone else storage_daemon.by_hand(path, id_, tag),
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
            yield f"{common.name_of(disk)} is resized from {disk.virtual_size} to {one.disk_size} bytes."
    for disk in (*selection.missing, *machine.left_out) if selection.held else ():
        yield f"{common.name_of(disk)} stays as it is now: it lacks this snapshot."


def subject_of(selection: Selection, selector: str) -> str:
    """Name for people what a plan is about."""
    one = selection.snapshot
    return repr(selector) if one is None else f"{one.tag!r} (id {one.id})"


def what_of(snapshot: Snapshot) -> str:
    """Say for people what a snapshot holds."""
    return f"a disk and {snapshot.vm_state_size} bytes of VM state" if snapshot.vm_state_size else "a disk's state"


def free_of(disks: Sequence[Disk]) -> int | None:
    """Return how many bytes are free where it is tightest, None where nobody can tell."""
    left = [common.space_left(common.path_of(disk)) for disk in disks]
    return min((one for one in left if one is not None), default=None)


def frees_of(going: Sequence[tuple[Disk, Snapshot]]) -> int | None:
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
            usage = usage_of(image)
            if usage.problems:
                return None
            total += usage.freed_by(one for one in image.snapshots if one in snapshots)
        except ImageError:
            return None
        finally:
            image.close()
    return total
