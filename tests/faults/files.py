"""Faults that befall operations on files: killed tools, a killed vmsnap, full and read-only file systems."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.faults.victim import VERBS
from tests.faults.world import Row, World, copied, look
from vmsnap_gui.control.journal import interrupted, operations

if TYPE_CHECKING:
    import random
    from collections.abc import Callable
    from pathlib import Path

    from vmsnap_gui.control.journal_entry import Operation

_LONGEST = 0.15
"""Seconds after a tool's start up to which it is killed; most have ended by then."""

_ROOM = 48 << 10
"""Bytes up to which a full file system still has room; a new snapshot of these disks needs about so much."""

_PATIENCE_MS = 60_000


@dataclass(slots=True, kw_only=True)
class Run:
    """One operation under way, and what can befall it.

    Attributes:
        folder: Where the disks are: a file system of their own.
        victim: The process that carries it out.
        step: The number of the step that is to be hit.
        delay: Seconds after the step's tool began.
    """

    folder: Path
    victim: subprocess.Popen[str]
    step: int
    delay: float

    def entered(self) -> Operation | None:
        """Wait until the step is under way with its tool, and return the journal's entry; None if it never came."""
        while self.victim.poll() is None:
            for operation in operations():
                if operation.step >= self.step and operation.tool is not None:
                    return operation
        return None


def _kill_tool(run: Run) -> str:
    operation = run.entered()
    return kill(operation.tool, run.delay) if operation is not None and operation.tool is not None else "no tool"


def _kill_vmsnap(run: Run) -> str:
    run.entered()
    return kill(run.victim.pid, run.delay)


def _kill_both(run: Run) -> str:
    operation = run.entered()
    said = kill(run.victim.pid, run.delay)
    if operation is not None and operation.tool is not None:
        said = f"both: {said}, {kill(operation.tool, 0)}"
    return said


def kill(pid: int, delay: float) -> str:
    """Kill a process after a delay; by a descriptor, so that it cannot be another one by then."""
    try:
        watch = os.pidfd_open(pid)
    except ProcessLookupError:
        return "it had ended"
    try:
        ended = select.poll()
        ended.register(watch, select.POLLIN)
        if ended.poll(delay * 1000):
            return "it had ended"
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(watch, signal.SIGKILL)
        return f"killed after {delay * 1000:.0f} ms"
    finally:
        os.close(watch)


def _fill(run: Run) -> str:
    while run.victim.poll() is None and not any(one.step >= run.step for one in operations()):
        with contextlib.suppress(subprocess.TimeoutExpired):
            run.victim.wait(0.0005)
    return fill(run.folder, int(run.delay / _LONGEST * _ROOM), run.victim)


def fill(folder: Path, left: int, victim: subprocess.Popen[str]) -> str:
    """Fill the file system of `folder` up to `left` bytes, rounded down to pages, until the operation has ended."""
    left = left // 4096 * 4096
    filler = folder / "filler"
    free = os.statvfs(folder)
    with filler.open("wb") as file, contextlib.suppress(OSError):
        os.posix_fallocate(file.fileno(), 0, max(1, free.f_bavail * free.f_frsize - left))
    victim.wait()
    filler.unlink()
    return f"{left} bytes left"


def _nothing(run: Run) -> str:
    run.victim.wait()
    return "undisturbed"


FAULTS: dict[str, Callable[[Run], str]] = {
    "kill -9 of the tool": _kill_tool,
    "kill -9 of vmsnap": _kill_vmsnap,
    "kill -9 of both": _kill_both,
    "full file system": _fill,
    "read-only images": _nothing,
    "read-only journal": _nothing,
    "none": _nothing,
}
"""What befalls an operation; returns what was done exactly."""


def experiment(verb: str, fault: str, original: World, folder: Path, random_: random.Random) -> Row:
    """Carry out an operation on files, have something befall it, and look at what comes of it."""
    space = folder / "space"
    mount(space, sum(path.stat().st_size for path in original.disks) + (16 << 20))
    state = folder / "state"
    mount(state, 16 << 20)
    os.environ["XDG_STATE_HOME"] = str(state)
    world = copied(original, space)
    read_only = {"read-only images": space, "read-only journal": state}.get(fault)
    if read_only is not None:
        subprocess.run(["mount", "-o", "remount,ro", read_only], check=True)
    row = _hit(verb, fault, world, space, random_)
    for one in (space, state):
        subprocess.run(["mount", "-o", "remount,rw,size=1G", one], check=True)
    if fault.startswith("read-only") and any(a.read_bytes() != b.read_bytes() for a, b in _pairs(original, world)):
        row.wrong.append("something was written")
    look(world, row, VERBS[verb], random_)
    subprocess.run(["umount", space, state], check=True)
    return row


def _hit(verb: str, fault: str, world: World, space: Path, random_: random.Random) -> Row:
    words = [sys.executable, "-m", "tests.faults.victim", verb, *(str(path) for path in world.disks)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as victim:
        writing = {"take": 2, "delete": 2, "restore without safety": 2}.get(verb, 4)
        step, delay = random_.randrange(3, 3 + writing), random_.uniform(0, _LONGEST)
        moment = FAULTS[fault](Run(folder=space, victim=victim, step=step, delay=delay))
        out, error = victim.communicate()
    _wait_for_tools()
    row = Row(way="files", verb=verb, fault=fault, moment=f"step {step}: {moment}" if fault != "none" else "")
    row.ended = "killed" if victim.returncode == -signal.SIGKILL else _ending(out, error)
    if fault == "none" and row.ended != "done":
        row.wrong.append(f"it should have been done: {out}{error}")
    return row


def _ending(out: str, error: str) -> str:
    """Return how the victim says that it ended; a refusal to begin at all is one sentence of an error."""
    if out:
        said: str = json.loads(out)["ending"]
        return said
    return "refused" if "ControlError" in error else f"crashed: {error}"


def _wait_for_tools() -> None:
    for operation in interrupted():
        for tool in operation.tools():
            with contextlib.suppress(ProcessLookupError):
                watch = os.pidfd_open(tool.pid)
                ended = select.poll()
                ended.register(watch, select.POLLIN)
                if not ended.poll(_PATIENCE_MS):
                    raise TimeoutError(f"{tool} does not end")
                os.close(watch)


def mount(folder: Path, size: int) -> None:
    """Mount a file system of a size in bytes, in memory."""
    folder.mkdir(exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "vmsnap-faults", folder], check=True)


def _pairs(first: World, second: World) -> zip[tuple[Path, Path]]:
    return zip(first.disks, second.disks, strict=True)
