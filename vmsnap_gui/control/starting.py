"""Starting a machine by its launch profile: paused, with a monitor of ours, the snapshot loaded, then let go on.

QEMU's own -loadvm refuses a VM state that lies on another disk than its first choice, and says why only on stderr;
`snapshot-load` is told the disk. QEMU gets a session of its own and its words go into a file, so it outlives us.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import subprocess
import threading
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vmsnap_gui.control import live, offline
from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.fingerprint import fingerprints
from vmsnap_gui.control.launch_files import log_file, make_folder
from vmsnap_gui.control.planning_start import program_of
from vmsnap_gui.control.profile import MONITOR
from vmsnap_gui.control.qemu_options import options_of
from vmsnap_gui.control.qmp import QMP
from vmsnap_gui.control.survey_live import survey
from vmsnap_gui.control.terms import StepKind
from vmsnap_gui.control.work import Run, Worker

if TYPE_CHECKING:
    from vmsnap_gui.control.plan import Step
    from vmsnap_gui.control.profile import LaunchProfile

_PATIENCE = 300.0
"""Seconds until QEMU must greet; making a large machine ready takes some."""

_ENDING = 30.0
"""Seconds that QEMU may take to end when it was told to; its images are complete long before."""

_NOT_LET_GO = ("prelaunch", "restore-vm")
"""QEMU's names for being paused before the guest ran at all, and after a load that failed."""

_POLL = 0.05

_MAX_SAID = 64 << 10


@dataclass(frozen=True, slots=True)
class _Started:
    """A QEMU that was started by us.

    Attributes:
        process: It.
        ended: Set when it has ended.
        log: What it says.
    """

    process: subprocess.Popen[bytes]
    ended: asyncio.Event
    log: Path

    def said(self) -> str:
        """Return what it has said so far, the end of it if it is long."""
        with self.log.open("rb") as file:
            file.seek(max(0, self.log.stat().st_size - _MAX_SAID))
            return file.read().decode("utf-8", "backslashreplace").strip()


async def _start(step: Step, run: Run) -> None:
    """Start QEMU, load the snapshot that the step names, and let the machine go on."""
    profile = run.plan.profile
    if profile is None or not profile.confirmed:
        raise ControlError("this launch profile has not been confirmed since it was changed")
    socket = _socket_of(step)
    make_folder(socket)
    started = _launch(step, profile)
    try:
        run.operation.tool_started(started.process.pid)
        qmp = await _greeted(started, f"qmp:{socket}")
    except BaseException:
        started.process.kill()
        await started.ended.wait()
        run.operation.done([target.path for target in step.targets])  # it had no guest that could write
        raise
    async with qmp:
        loads = any(target.id is not None for target in step.targets)
        try:
            if loads:
                await _load(qmp, step)
            await live.go_on(qmp, run, runs=True, announce=loads)
        except ControlError:
            await _give_up(qmp, started, run, step)
            raise
    run.address, run.pid = qmp.address, started.process.pid
    run.said.append(started.said())


def _launch(step: Step, profile: LaunchProfile) -> _Started:
    """Start QEMU; raises ControlError if there is no such program, or no place for its words."""
    log = log_file(profile)
    program = program_of(profile)
    if program is None:
        raise ControlError(f"the program {step.command[0]} is not installed", command=step.command)
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as out:
            process = subprocess.Popen(
                step.command,
                executable=program,
                cwd=profile.directory,
                env={**os.environ, **dict(profile.environment)},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )
    except OSError as error:
        raise ControlError(f"{step.command[0]} cannot be started: {error}", command=step.command) from error
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def wait() -> None:
        process.wait()
        with contextlib.suppress(RuntimeError):  # nobody waits any more
            loop.call_soon_threadsafe(ended.set)

    # A thread, since it must be waited for whatever becomes of this loop: else it would stay as a zombie.
    threading.Thread(target=wait, name=f"qemu-{process.pid}", daemon=True).start()
    return _Started(process, ended, log)


async def _greeted(started: _Started, address: str) -> QMP:
    """Wait for QEMU's greeting, or its end; raises ControlError with its words."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_PATIENCE):
            while not started.ended.is_set():
                with contextlib.suppress(ControlError):  # its socket is not there yet, or it is not ready to answer
                    return await QMP.connect(address)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(started.ended.wait(), _POLL)
    said = started.said()
    if started.ended.is_set():
        raise ControlError(f"QEMU ended at once: {_last_line(said)}", details=said)
    raise ControlError(f"QEMU did not answer within {_PATIENCE:.0f} seconds", details=said)


async def _load(qmp: QMP, step: Step) -> None:
    """Load a snapshot into a paused QEMU: the VM state from the first of the targets, wherever QEMU would look."""
    nodes = {disk.path.resolve(): disk.node for disk in (await survey(qmp)).fit_disks if disk.path is not None}
    targets = tuple(replace(target, node=nodes.get(target.path.resolve())) for target in step.targets)
    for target in targets:
        if target.node is None:
            raise ControlError("QEMU does not use this image as a disk that holds snapshots", path=target.path)
    await live.load(qmp, targets)
    for target in targets:
        if not live.is_back(target):
            raise ControlError("the disk does not hold what the snapshot holds", path=target.path)


async def _give_up(qmp: QMP, started: _Started, run: Run, step: Step) -> None:
    """End a QEMU that did not get where it should, or leave it as it is, if a person wants that and it still answers.

    It may run by then: what failed can be what comes after letting it go on.
    """
    run.said.append(started.said())
    if run.plan.options.keep_paused:
        with contextlib.suppress(ControlError):
            status = await live.status_of(qmp)
            run.status = "paused" if status in _NOT_LET_GO else status
            run.operation.done([target.path for target in step.targets])
            run.address, run.pid = qmp.address, started.process.pid
            return
    run.status = None
    with contextlib.suppress(ControlError):  # it may be gone before it answers
        await qmp.execute("quit")
    try:
        await asyncio.wait_for(started.ended.wait(), _ENDING)
    except TimeoutError:
        started.process.kill()
        await started.ended.wait()


async def _undo(step: Step, run: Run) -> None:
    """Return the disks to the safety snapshot, where loading has changed them; a QEMU that was left has them in use."""
    for target in step.targets:
        if fingerprints(target.path).active != run.before[target.path].active:
            undo = offline.WORKERS[StepKind.RESTORE].undo
            assert undo is not None, "restoring can be undone"
            await undo(replace(step, targets=(target,)), run)


def _socket_of(step: Step) -> Path:
    """Return the path of the monitor that a step's command line has us add."""
    for option in options_of(step.command[1:]):
        if option.name == "chardev" and option.pairs.get("id") == MONITOR:
            return Path(option.pairs["path"])
    raise ControlError("the plan gives the machine no monitor", command=step.command)


def _last_line(said: str) -> str:
    return said.splitlines()[-1] if said else "it said nothing"


WORKERS = {StepKind.START: Worker(_start, _undo)}
"""How a machine is started."""
