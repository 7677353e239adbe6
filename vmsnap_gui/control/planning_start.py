"""Plans to start a stopped machine by its launch profile, straight from a snapshot or as its disks are now."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from vmsnap_gui.control import planning_common as common
from vmsnap_gui.control import planning_files as files
from vmsnap_gui.control.file_blockers import (
    bitmap_blockers,
    disk_blockers,
    missing_blockers,
    overlay_blockers,
    space_blockers,
)
from vmsnap_gui.control.launch_files import log_file, new_socket
from vmsnap_gui.control.live_blockers import load_blockers
from vmsnap_gui.control.plan import Blocker, Cost, Plan, Step, Target
from vmsnap_gui.control.profile import MONITOR, Launch, LaunchProfile, launch_of
from vmsnap_gui.control.profile_disks import machine_of
from vmsnap_gui.control.terms import Hindrance, Options, StepKind, Verb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vmsnap_gui.control.machine import Disk, Machine
    from vmsnap_gui.control.planning_common import Selection
    from vmsnap_gui.image.snapshot import Snapshot


async def plan_start(
    profile: LaunchProfile,
    selector: str | None = None,
    options: Options | None = None,
    others: tuple[Path, ...] = (),
) -> Plan:
    """Plan to start a machine, from a snapshot or (None) as its disks are.

    Args:
        profile: How it is started. A person sees and confirms it before it is carried out.
        selector: `id:X`, `tag:X`, or a word that is unambiguous among both.
        options: What a person chose; the safety snapshot keeps what is on the disks now.
        others: See Machine.

    Raises:
        ControlError: an image is gone.
    """
    options = options or Options()
    launch, machine = launch_of(profile), replace(machine_of(profile), others=others)
    if selector is None:
        return await _plan_boot(profile, launch, machine, options)
    selection = common.select(machine, selector)
    held = _state_first(selection.held)
    disks = tuple(disk for disk, _ in held)
    blockers = [
        *_profile_blockers(profile, launch, machine),
        *(selection.blockers if machine.fit_disks else common.unfit_blockers(machine, options.choices)),
        *missing_blockers(machine, selection, options.choices),
        *load_blockers(machine, held, None),
        # QEMU opens all of them for writing, those that lack the snapshot, too
        *[blocker async for blocker in disk_blockers(machine.fit_disks)],
        *space_blockers(disks, 1 if options.safety else 0),
        *bitmap_blockers(disks),
        *overlay_blockers(machine, disks),
    ]
    safety = None
    if options.safety and selection.snapshot is not None:
        safety = common.safety_tag(machine, selection.snapshot, datetime.now())
    checks = [files.check_step(disk, "first") for disk in machine.fit_disks]
    takes = [files.take_step(disk, safety) for disk in disks] if safety is not None else []
    start = _start_step(profile, launch, held, safety)
    return Plan(
        verb=Verb.START,
        machine=machine,
        subject=f"from {files.subject_of(selection, selector)}",
        # no check afterwards: the machine has the images then
        steps=(*checks, *takes, start) if not blockers else (),
        blockers=tuple(blockers),
        warnings=(*launch.notes, *selection.warnings, *_left_warnings(machine, selection)),
        losses=() if safety is not None else tuple(f"What is on {common.name_of(disk)} now." for disk in disks),
        notes=(_log_note(profile),),
        cost=Cost(free=files.free_of(disks)),
        options=options,
        seen=common.seen_of(machine.fit_disks),
        safety=safety,
        profile=profile,
    )


async def _plan_boot(profile: LaunchProfile, launch: Launch, machine: Machine, options: Options) -> Plan:
    disks = machine.fit_disks
    blockers = [*_profile_blockers(profile, launch, machine), *[one async for one in disk_blockers(disks)]]
    return Plan(
        verb=Verb.START,
        machine=machine,
        subject="as its disks are",
        steps=(_start_step(profile, launch, (), None, disks),) if not blockers else (),
        blockers=tuple(blockers),
        warnings=launch.notes,
        notes=(_log_note(profile),),
        options=options,
        seen=common.seen_of(disks),
        profile=profile,
    )


def _state_first(held: Sequence[tuple[Disk, Snapshot]]) -> tuple[tuple[Disk, Snapshot], ...]:
    """Put the disk that holds the VM state first, wherever QEMU would look for it."""
    return tuple(sorted(held, key=lambda pair: not pair[1].vm_state_size))


def _start_step(
    profile: LaunchProfile,
    launch: Launch,
    held: Sequence[tuple[Disk, Snapshot]],
    safety: str | None,
    disks: Sequence[Disk] = (),
) -> Step:
    program, *rest = launch.arguments
    path = str(new_socket()).replace(",", ",,")
    ours = ("-chardev", f"socket,id={MONITOR},path={path},server=on,wait=off", "-mon", f"{MONITOR},mode=control", "-S")
    targets = [Target(path=common.path_of(disk), tag=one.tag or "", id=one.id) for disk, one in held]
    targets += [Target(path=common.path_of(disk), tag="") for disk in disks]
    load = f", load {held[0][1].tag!r} into it," if held else ""
    return Step(
        kind=StepKind.START,
        targets=tuple(targets),
        text=f"Start {profile.name} paused{load} and let it go on",
        command=(program, *ours, *rest),
        undone_by=f"ending it, and returning to {safety!r}" if safety is not None else None,
    )


def _profile_blockers(profile: LaunchProfile, launch: Launch, machine: Machine) -> Iterator[Blocker]:
    """Say why a profile cannot be started."""
    for disk in machine.disks:
        if disk.path is not None and not disk.path.exists():
            yield Blocker(
                kind=Hindrance.PROFILE,
                text="There is no such file, and QEMU does not start without it.",
                remedy="Put it back, or change the launch profile.",
                path=disk.path,
            )
    for text in launch.obstacles:
        yield Blocker(kind=Hindrance.PROFILE, text=f"{text}.", remedy="Change the launch profile.")
    if not profile.directory.is_dir():
        yield Blocker(
            kind=Hindrance.PROFILE,
            text=f"Its working directory {profile.directory} is not there.",
            remedy="Change the launch profile.",
        )
    elif program_of(profile) is None:
        yield Blocker(
            kind=Hindrance.PROFILE,
            text=f"The program {profile.arguments[0]} is not installed.",
            remedy="Install it, or change the launch profile.",
        )


def program_of(profile: LaunchProfile) -> Path | None:
    """Return the program that a profile starts, None if there is none."""
    program = profile.arguments[0]
    if "/" in program:
        path = profile.directory / program
        return path if path.is_file() and os.access(path, os.X_OK) else None
    path_variable = dict(profile.environment).get("PATH")
    found = shutil.which(program, path=path_variable)
    return Path(found) if found is not None else None


def _log_note(profile: LaunchProfile) -> str:
    return f"What QEMU says goes into {log_file(profile)}."


def _left_warnings(machine: Machine, selection: Selection) -> Iterator[str]:
    for disk in (*selection.missing, *machine.left_out) if selection.held else ():
        why = f" ({disk.unfit})" if disk.unfit is not None else ""
        yield f"{common.name_of(disk)} stays as it is now: it lacks this snapshot{why}."
