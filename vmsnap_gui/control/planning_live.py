"""Plans for a running machine whose monitor answers: QEMU does the work itself."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING

from vmsnap_gui.control import planning_common as common
from vmsnap_gui.control.file_blockers import told_blockers
from vmsnap_gui.control.live import OVER
from vmsnap_gui.control.live_blockers import (
    Part,
    ask,
    blocked,
    disk_blockers,
    load_blockers,
    missing_blockers,
    save_blockers,
    unfit_blockers,
)
from vmsnap_gui.control.plan import Cost, Plan, Step, Target
from vmsnap_gui.control.planning_common import name_of
from vmsnap_gui.control.planning_files import deletion_of, frees_of, subject_of, what_of
from vmsnap_gui.control.storage_daemon import fits
from vmsnap_gui.control.terms import Options, StepKind, Verb

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vmsnap_gui.control.look import Look
    from vmsnap_gui.control.machine import Disk, Machine
    from vmsnap_gui.image.snapshot import Snapshot

_RATE = 200 << 20
"""Bytes of VM state that QEMU 7.2 saves in a second on this kind of machine (602 MiB in 2.5 s, 700 MiB in 3.5 s)."""


async def plan_take(machine: Machine, tag: str, options: Options) -> Plan:
    """Plan to take a snapshot of a running machine; see planning."""
    disks = machine.fit_disks
    told = await ask(machine)
    old = [(disk, one) for disk in disks for one in disk.snapshots if one.tag == tag]
    blockers = [
        *told.blockers,
        *common.tag_blockers(machine, tag, options.choices),
        *unfit_blockers(machine, told.look, options.choices),
        *save_blockers(machine, told.look),
        *[blocker async for blocker in disk_blockers(machine, disks)],
        *told_blockers(old),
    ]
    steps = [_delete(disk, one) for disk, one in old] + ([_take(disks, tag, told.look)] if disks else [])
    losses = [f"The old {tag!r} of {name_of(disk)} ({what_of(one)})." for disk, one in old]
    if old:
        losses.append(f"The old {tag!r} is deleted first: if the new one cannot be taken then, there is none.")
    return Plan(
        verb=Verb.TAKE,
        machine=machine,
        subject=repr(tag),
        steps=tuple(steps) if not blockers else (),
        blockers=tuple(blockers),
        warnings=tuple(common.left_out_warnings(machine)),
        losses=tuple(losses),
        cost=_cost(machine, told.look, frees_of(old) if old else None),
        options=options,
        seen=common.seen_of(disks),
    )


async def plan_restore(machine: Machine, selector: str, options: Options) -> Plan:
    """Plan to return a running machine to a snapshot; see planning."""
    selection = common.select(machine, selector)
    held = selection.held
    told = await ask(machine)
    blockers = [
        *told.blockers,
        *selection.blockers,
        *missing_blockers(machine, selection.missing, selection.snapshot, told.look, options.choices),
        *load_blockers(machine, held, told.look),
        *(save_blockers(machine, told.look) if options.safety else blocked(told.look)),
        *[blocker async for blocker in disk_blockers(machine, machine.fit_disks)],
    ]
    safety = None
    if options.safety and selection.snapshot is not None:
        safety = common.safety_tag(machine, selection.snapshot, datetime.now())
    steps = [_take(machine.fit_disks, safety, told.look)] if safety is not None else []
    steps += [_restore(held, told.look, safety)] if held else []
    return Plan(
        verb=Verb.RESTORE,
        machine=machine,
        subject=subject_of(selection, selector),
        steps=tuple(steps) if not blockers else (),
        blockers=tuple(blockers),
        warnings=tuple(_restore_warnings(machine, selection, told.look)),
        losses=() if safety is not None else ("The machine as it is now: its memory, and what is on its disks.",),
        cost=_cost(machine, told.look if safety is not None else None),
        options=options,
        seen=common.seen_of(machine.fit_disks),
        safety=safety,
    )


async def plan_delete(machine: Machine, selectors: Sequence[str], options: Options) -> Plan:
    """Plan to delete snapshots of a running machine; see planning."""
    deletion = deletion_of(machine, selectors)
    told = await ask(machine)
    blockers = [
        *told.blockers,
        *deletion.blockers,
        *[blocker async for blocker in disk_blockers(machine, deletion.disks)],
        *told_blockers(deletion.going),
    ]
    return Plan(
        verb=Verb.DELETE,
        machine=machine,
        subject=deletion.subject,
        steps=tuple(_delete(disk, one) for disk, one in deletion.going) if not blockers else (),
        blockers=tuple(blockers),
        warnings=deletion.warnings,
        losses=deletion.losses,
        cost=Cost(frees=frees_of(deletion.going), frees_at_least=True),
        options=options,
        seen=common.seen_of(deletion.disks),
    )


def _restore_warnings(machine: Machine, selection: common.Selection, look: Look | None) -> Iterator[str]:
    yield from selection.warnings
    if look is not None and look.status in OVER:
        yield f"The guest has come to an end ({look.status}): it is reset first, and stands still afterwards."
    elif look is not None and look.status != "running":
        yield f"The machine stands still ({look.status}), and does so afterwards."
    for disk in (*selection.missing, *machine.left_out) if selection.held else ():
        yield f"{name_of(disk)} stays as it is now: it lacks this snapshot, and may not fit the memory."


def _cost(machine: Machine, look: Look | None, frees: int | None = None) -> Cost:
    home = machine.vmstate_disk
    free = common.space_left(common.path_of(home)) if home is not None else None
    if look is None or look.memory is None:
        return Cost(free=free, frees=frees, frees_at_least=frees is not None)
    pause = max(1.0, look.memory / _RATE) if look.status == "running" else None
    return Cost(vm_state=look.memory, free=free, pause=pause, frees=frees, frees_at_least=frees is not None)


def _take(disks: Sequence[Disk], tag: str, look: Look | None) -> Step:
    targets = tuple(Target(path=common.path_of(disk), tag=tag, node=disk.node) for disk in disks)
    return Step(
        kind=StepKind.LIVE_TAKE,
        targets=targets,
        text=f"Take {tag!r} of {', '.join(map(name_of, disks))}, with the memory in {name_of(disks[0])}",
        command=_job(look, "snapshot-save", "savevm", targets),
        undone_by=f"deleting {tag!r} again",
    )


def _restore(held: Sequence[Part], look: Look | None, safety: str | None) -> Step:
    """Return to a snapshot: the disk with the VM state comes first."""
    parts = sorted(held, key=lambda part: not part[1].vm_state_size)
    targets = tuple(
        Target(path=common.path_of(disk), tag=one.tag or "", id=one.id, node=disk.node) for disk, one in parts
    )
    first = parts[0][1]
    return Step(
        kind=StepKind.LIVE_RESTORE,
        targets=targets,
        text=f"Return {', '.join(name_of(disk) for disk, _ in parts)} and the memory to {first.tag!r} (id {first.id})",
        command=_job(look, "snapshot-load", "loadvm", targets),
        undone_by=f"returning to {safety!r}" if safety is not None else None,
    )


def _delete(disk: Disk, snapshot: Snapshot) -> Step:
    id_, tag = snapshot.id or "", snapshot.tag or ""
    arguments = {"device": disk.node, "id": id_, **({"name": tag} if fits(tag) else {})}
    return Step(
        kind=StepKind.LIVE_DELETE,
        targets=(Target(path=common.path_of(disk), tag=tag, id=id_, node=disk.node),),
        text=f"Delete {tag!r} (id {id_}) of {name_of(disk)}",
        command=(_line("blockdev-snapshot-delete-internal-sync", arguments),),
    )


def _job(look: Look | None, job: str, human: str, targets: Sequence[Target]) -> tuple[str, ...]:
    """Return the line of QMP that a person would type."""
    tag, nodes = targets[0].tag, [target.node for target in targets]
    if look is not None and not look.jobs:
        return (_line("human-monitor-command", {"command-line": f"{human} {tag}"}),)
    return (_line(job, {"job-id": "vmsnap", "tag": tag, "vmstate": nodes[0], "devices": nodes}),)


def _line(command: str, arguments: Mapping[str, object]) -> str:
    return json.dumps({"execute": command, "arguments": arguments})
