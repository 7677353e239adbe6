"""The steps that a running QEMU does by itself, asked through its monitor.

QEMU goes on whatever becomes of us, and knows its images better than they lie on the disk. So a step that it refuses,
or that fails inside it, leaves no damage: how far it came is found out, and told. Only where it is gone, or says no
more (`Lost`), are the images in doubt.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.fingerprint import Fingerprints, Print, fingerprints, id_of, tag_of
from vmsnap_gui.control.qmp import QMP, Lost, Silent, quoted
from vmsnap_gui.control.quarantine import changed_from
from vmsnap_gui.control.storage_daemon import fits
from vmsnap_gui.control.terms import StepKind
from vmsnap_gui.control.work import Run, Worker

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from vmsnap_gui.control.plan import Step, Target

ANNOUNCE = {"initial": 50, "max": 550, "rounds": 5, "step": 100}
"""Times in ms and a number of rounds: those that QEMU itself uses after a migration (migration/options.c)."""

OVER = ("shutdown", "internal-error", "suspended")
"""Run states that only a reset ends (runstate_needs_reset in QEMU's softmmu/runstate.c, and a guest that sleeps)."""

_LOOK_EVERY = 0.2
_TELL_EVERY = 0.1
"""Seconds between two looks at how much was written."""

_RESETS = 25
"""Looks at whether a reset is over."""

_ENDING = 10.0
"""Seconds that a process may take to end after its socket closed."""

_READING = "VM state"
"""What is in QEMU's words when the memory itself could not be loaded, after the disks went back
(load_snapshot in migration/savevm.c)."""


async def _take(step: Step, run: Run) -> None:
    tag = step.targets[0].tag
    async with _session(step, run) as qmp:
        before = {target.path: fingerprints(target.path) for target in step.targets}
        if any(_tagged(found, tag) for found in before.values()):  # HMP would overwrite it without a word
            raise ControlError(f"there is a snapshot with the tag {tag!r} already")
        status = await status_of(qmp)
        try:
            async with _watched(step, run):
                await _save(qmp, step)
        except Lost:
            raise
        except ControlError as error:
            left = await _cleared(qmp, step, before)
            await go_on(qmp, run, runs=status == "running")
            raise ControlError(f"QEMU did not save: {error.message}{left}", command=error.command) from error
        await go_on(qmp, run, runs=status == "running")
    for target in step.targets:
        fresh = [key for key in fingerprints(target.path).snapshots if key not in before[target.path].snapshots]
        if [tag_of(key) for key in fresh] != [tag]:
            raise ControlError(f"{tag!r} is not in the image as it should be", path=target.path)
        _require_kept(run, target.path)
    _require_state(step)


def _require_state(step: Step) -> None:
    """Raise ControlError unless the first disk of a snapshot, and no other, holds the VM state."""
    for number, target in enumerate(step.targets):
        (found,) = _tagged(fingerprints(target.path), target.tag).values()
        if bool(found.state) != (number == 0):
            raise ControlError("the VM state is not on the disk where it should be", path=target.path)


async def _untake(step: Step, run: Run) -> None:
    if step not in run.done:  # a take that failed has cleared up after itself
        return
    async with _session(step, run) as qmp:
        await _clear(qmp, step, run.before)
        run.status = await status_of(qmp)
    for target in step.targets:
        _require_kept(run, target.path)


async def _restore(step: Step, run: Run) -> None:
    async with _session(step, run) as qmp:
        status = await status_of(qmp)
        run.resume = status == "running"
        if run.resume:  # so that the disks can be compared before the guest writes to them
            await qmp.execute("stop")
        elif status in OVER:
            await _reset(qmp)
            run.torn = True  # what the guest was is gone
        before = {target.path: fingerprints(target.path) for target in step.targets}
        try:
            await load(qmp, step.targets)
        except Lost:
            run.torn = True
            raise
        except ControlError as error:
            raise await _not_loaded(qmp, step, run, before, error) from error
        run.torn = True  # until all of it is well: only the safety snapshot leads back from here
        wrong = [target.path for target in step.targets if not is_back(target)]
        if not wrong:
            await go_on(qmp, run, runs=run.resume, announce=True)
    if wrong:
        raise ControlError("the disk does not hold what the snapshot holds; the machine stands still", path=wrong[0])
    for target in step.targets:
        run.told[target.path] = f"the disk has gone back to {target.tag!r} (id {target.id}), as the memory has"
        _require_kept(run, target.path)
    run.torn = False


async def _reset(qmp: QMP) -> None:
    """Reset a guest that has come to an end, and wait until that is over: it must not hit what is loaded next."""
    await qmp.execute("system_reset")
    for _ in range(_RESETS):
        if await status_of(qmp) not in OVER:
            return
        await asyncio.sleep(_LOOK_EVERY)
    raise ControlError("the guest has come to an end, and QEMU does not reset it")


async def _not_loaded(
    qmp: QMP, step: Step, run: Run, before: dict[Path, Fingerprints], error: ControlError
) -> ControlError:
    """Find out what a snapshot-load that failed has left, let the guest run on if that is nothing, and say it."""
    said = f"QEMU did not restore: {error.message}"
    moved = [path for path, found in before.items() if fingerprints(path).active != found.active]
    lost = run.torn or _READING in error.message  # it was reset before, or the load came as far as the memory
    if not moved and not lost:
        await go_on(qmp, run, runs=run.resume)
        return ControlError(f"{said}; nothing was changed", command=error.command)
    run.torn = True
    run.status = await status_of(qmp)
    memory = "its memory is lost" if lost else "its memory is as it was"
    for target in step.targets:
        back = f"the disk has gone back to {target.tag!r} (id {target.id})"
        run.told[target.path] = back if target.path in moved else "the disk is as it was"
    gone = ", ".join(path.name for path in moved) or "no disk"
    text = f"{said}; {gone} went back before that, {memory}, and the machine stands still: do not let it run on"
    return ControlError(text, command=error.command)


async def _unrestore(step: Step, run: Run) -> None:
    """Return to the safety snapshot, if the restore came so far that this is needed."""
    if not run.torn:
        return
    safety = next(one for one in run.plan.steps if one.kind is StepKind.LIVE_TAKE)
    async with _session(step, run) as qmp:
        await load(qmp, safety.targets)
        wrong = [target.path for target in safety.targets if not is_back(target)]
        if not wrong:
            await go_on(qmp, run, runs=run.resume, announce=True)
    if wrong:
        raise ControlError("the disk does not hold what the safety snapshot holds", path=wrong[0])
    run.torn = False
    for target in step.targets:
        run.told[target.path] = f"the disk and the memory are those of {safety.targets[0].tag!r} again"


def is_back(target: Target) -> bool:
    """Whether a disk holds now what a snapshot holds."""
    found = fingerprints(target.path)
    return [one.disk for one in _tagged(found, target.tag, target.id).values()] == [found.active.disk]


async def _delete(step: Step, run: Run) -> None:
    (target,) = step.targets
    async with _session(step, run) as qmp:
        await _delete_one(qmp, target.node, target.id or "", target.tag)
        run.status = await status_of(qmp)
    if _tagged(fingerprints(target.path), target.tag, target.id):
        raise ControlError(f"{target.tag!r} (id {target.id}) is still there", path=target.path)
    _require_kept(run, target.path)


async def _cleared(qmp: QMP, step: Step, before: dict[Path, Fingerprints]) -> str:
    """Delete what a failed take has left; return "", or what to add to its error where that fails, too.

    QEMU deletes it itself, but where it cannot write the table (no space), it forgets a snapshot that is still there.
    """
    try:
        await _clear(qmp, step, before)
    except Lost:
        raise
    except ControlError as error:
        part = f"a part of {step.targets[0].tag!r} is left, to be deleted when the machine is shut down"
        return f"; {part}: {error.message}"
    return ""


async def _clear(qmp: QMP, step: Step, before: dict[Path, Fingerprints]) -> None:
    """Delete what a snapshot that was taken, or only in part, has left on any disk."""
    for target in step.targets:
        for key in _tagged(fingerprints(target.path), target.tag):
            if key not in before[target.path].snapshots:
                await _delete_one(qmp, target.node, id_of(key), tag_of(key))


async def _delete_one(qmp: QMP, node: str | None, id_: str, tag: str) -> None:
    name = {"name": tag} if fits(tag) else {}
    await qmp.execute("blockdev-snapshot-delete-internal-sync", {"device": node, "id": id_, **name}, long=True)


async def _save(qmp: QMP, step: Step) -> None:
    tag = step.targets[0].tag
    if "snapshot-save" in qmp.commands:
        await qmp.run_job("snapshot-save", _job_arguments(step.targets))
        return
    said = await qmp.hmp(f"savevm {quoted(tag)}")
    if said:
        raise ControlError(said.removeprefix("Error: "))


async def load(qmp: QMP, targets: tuple[Target, ...]) -> None:
    """Load a snapshot into a machine that stands still: the VM state from the first target; raises ControlError."""
    if "snapshot-load" in qmp.commands:
        await qmp.run_job("snapshot-load", _job_arguments(targets))
        return
    said = await qmp.hmp(f"loadvm {quoted(targets[0].tag)}")
    if said:
        raise ControlError(said.removeprefix("Error: "))


def _job_arguments(targets: tuple[Target, ...]) -> dict[str, object]:
    return {"tag": targets[0].tag, "vmstate": targets[0].node, "devices": [target.node for target in targets]}


async def status_of(qmp: QMP) -> str:
    """Return the run state that QEMU tells; raises ControlError."""
    status: str = (await qmp.execute("query-status"))["status"]
    return status


async def go_on(qmp: QMP, run: Run, *, runs: bool, announce: bool = False) -> None:
    """Let the guest run if it ran before, and tell the network where it is."""
    if runs and await status_of(qmp) != "running":
        await qmp.execute("cont")
    run.status = await status_of(qmp)
    if runs and announce and "announce-self" in qmp.commands:
        await qmp.execute("announce-self", ANNOUNCE)


@contextlib.asynccontextmanager
async def _session(step: Step, run: Run) -> AsyncIterator[QMP]:
    """Talk to the machine of a plan; an error within leaves images in doubt only if QEMU is lost, but then all."""
    machine = run.plan.machine
    try:
        if machine.pid is not None:
            run.operation.tool_started(machine.pid)
        async with await _connected(run) as qmp:
            yield qmp
    except Lost as error:
        run.operation.doubt(seen.path for seen in run.plan.seen)
        raise Lost(await _what_is_left(machine.pid, error), command=error.command) from error
    except ControlError:
        run.operation.done(target.path for target in step.targets)
        raise


async def _connected(run: Run) -> QMP:
    """Connect to a plan's machine; raises Lost if it has ended since, ControlError if it only lets nobody in."""
    machine = run.plan.machine
    try:
        return await QMP.connect(machine.address or "")
    except Lost:
        raise
    except ControlError as error:
        if machine.pid is not None and not psutil.pid_exists(machine.pid):
            raise Lost(error.message) from error
        raise


async def _what_is_left(pid: int | None, error: Lost) -> str:
    """Wait until a QEMU whose monitor closed has ended, and with it its locks; say so, or that it has not."""
    if pid is None:
        return f"{error.message}; what has become of QEMU cannot be seen"
    try:
        descriptor = os.pidfd_open(pid)
    except OSError:
        return f"QEMU (process {pid}) has ended in the middle of it"
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(descriptor, ended.set)
    try:
        await asyncio.wait_for(ended.wait(), 0 if isinstance(error, Silent) else _ENDING)
    except TimeoutError:
        return f"{error.message}; QEMU (process {pid}) is still there, and may still be writing"
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return f"QEMU (process {pid}) has ended in the middle of it"


@contextlib.asynccontextmanager
async def _watched(step: Step, run: Run) -> AsyncIterator[None]:
    """Tell the observer how much is written while the monitor is silent."""
    pid, paths = run.plan.machine.pid, [target.path for target in step.targets]
    start = _size(paths), _given(pid)

    async def report() -> None:
        while True:
            done = max(0, _size(paths) - start[0], _given(pid) - start[1])
            run.observer.written(done, run.plan.cost.vm_state)
            await asyncio.sleep(_TELL_EVERY)

    task = asyncio.get_running_loop().create_task(report())
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def _size(paths: list[Path]) -> int:
    """Return how many bytes images take on their disks."""
    return sum(path.stat().st_blocks * 512 for path in paths)


def _given(pid: int | None) -> int:
    """Return how many bytes a process has given to the disks, 0 where that cannot be seen."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("write_bytes:")), 0)


def _tagged(found: Fingerprints, tag: str, id_: str | None = None) -> dict[str, Print]:
    """Return the snapshots of a tag, and of an id if one is given."""
    return {key: one for key, one in found.snapshots.items() if tag_of(key) == tag and id_ in (None, id_of(key))}


def _require_kept(run: Run, path: Path) -> None:
    """Raise ControlError unless all snapshots that the plan does not delete read as before."""
    image = run.operation.image(path)
    changed = changed_from(path, image.kept if image is not None else {})
    if changed:
        raise ControlError(f"{', '.join(changed)} no longer read as before", path=path)


WORKERS = {
    StepKind.LIVE_TAKE: Worker(_take, _untake),
    StepKind.LIVE_RESTORE: Worker(_restore, _unrestore),
    StepKind.LIVE_DELETE: Worker(_delete),
}
"""How each live step is done."""
