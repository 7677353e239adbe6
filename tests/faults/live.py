"""Faults that befall operations on a running machine: a killed QEMU, a killed vmsnap, a monitor that is cut off."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.control.proxy import Proxy
from tests.faults.files import fill, kill, mount
from tests.faults.victim import VERBS
from tests.faults.world import SNAPSHOTS, Row, World, copied, digests, look
from tests.image.tools import MIB, content, create, opened
from tests.machines.guests import disk_options
from tests.machines.machine import Machine
from vmsnap_gui.control.journal import operations

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from vmsnap_gui.control.journal_entry import Operation

_RAM = 192
_NOISE = 128 * MIB
"""MiB of RAM, and bytes of it that hold noise: QEMU saves for some tenths of a second."""

_SIZE = 128 * MIB

_LONGEST = {"delete": 0.03}
"""Seconds after a step's begin up to which the fault comes; one second where nothing else is said."""

_ROOM = 160 * MIB
"""Bytes up to which a full file system still has room; a VM state needs less."""


def live_template(folder: Path) -> World:
    """Make two disks with three snapshots of a running machine, and the noise that is in its RAM."""
    folder.mkdir(exist_ok=True)
    disks = [create(folder / f"disk{number}.qcow2", _SIZE, "cluster_size=4k") for number in range(2)]
    (folder / "noise").write_bytes(os.urandom(_NOISE))
    with _machine(folder, disks, folder) as machine:
        for number, tag in enumerate(SNAPSHOTS):
            for node in ("disk0", "disk1"):
                _write(machine, node, f"write -P {number + 1} {number * 8}M 16M")
            machine.snapshot_save(tag, vmstate="disk0", devices=["disk0", "disk1"])
        for node in ("disk0", "disk1"):
            _write(machine, node, "write -P 9 20M 8M")
    return World(disks, {path: digests(path) for path in disks})


def _write(machine: Machine, node: str, command: str) -> None:
    if said := machine.hmp(f'qemu-io -d /machine/peripheral/{node}-device/virtio-backend "{command}"'):
        raise RuntimeError(said)


@contextlib.contextmanager
def _machine(folder: Path, disks: list[Path], noise: Path) -> Iterator[Machine]:
    words = ["-M", "pc", "-m", str(_RAM), "-nodefaults", "-vga", "none"]
    for number, path in enumerate(disks):
        node = f"disk{number}"
        words += [*disk_options(path, node), "-device", f"virtio-blk,drive={node},id={node}-device"]
    words += ["-device", f"loader,file={noise / 'noise'},addr=0x2000000,force-raw=on"]
    machine = Machine(words, marks=False, qmp=folder / "qmp")
    try:
        yield machine
        machine.quit()
    finally:
        machine.kill()


@dataclass(slots=True, kw_only=True)
class LiveRun:
    """One operation under way, and what can befall it.

    Attributes:
        folder: Where the disks are: a file system of their own.
        machine: The machine.
        proxy: What stands between it and vmsnap.
        victim: The process that carries the operation out.
        step: The number of the step that is to be hit.
        delay: Seconds after the step began.
    """

    folder: Path
    machine: Machine
    proxy: Proxy
    victim: subprocess.Popen[str]
    step: int
    delay: float

    def entered(self) -> Operation | None:
        """Wait until the step is under way, and return the journal's entry; None if it never came."""
        while self.victim.poll() is None:
            for operation in operations():
                if operation.step >= self.step and operation.tool is not None:
                    return operation
        return None

    def wait(self) -> None:
        """Let the step go on for a while."""
        self.entered()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.victim.wait(self.delay)


def _kill_qemu(run: LiveRun) -> str:
    run.entered()
    return kill(run.machine.pid, run.delay)


def _kill_vmsnap(run: LiveRun) -> str:
    run.entered()
    return kill(run.victim.pid, run.delay)


def _kill_both(run: LiveRun) -> str:
    run.entered()
    return f"vmsnap: {kill(run.victim.pid, run.delay)}; QEMU: {kill(run.machine.pid, 0)}"


def _close(run: LiveRun) -> str:
    run.wait()
    run.proxy.close()
    return f"closed after {run.delay * 1000:.0f} ms"


def _stall(run: LiveRun) -> str:
    run.wait()
    run.proxy.stall()
    return f"nothing more after {run.delay * 1000:.0f} ms"


def _fill(run: LiveRun) -> str:
    run.entered()
    return fill(run.folder, int(run.delay * _ROOM), run.victim)


def _nothing(run: LiveRun) -> str:
    run.victim.wait()
    return "undisturbed"


LIVE_FAULTS: dict[str, Callable[[LiveRun], str]] = {
    "kill -9 of QEMU": _kill_qemu,
    "kill -9 of vmsnap": _kill_vmsnap,
    "kill -9 of both": _kill_both,
    "the monitor's socket closes": _close,
    "the monitor stops answering": _stall,
    "full file system": _fill,
    "none": _nothing,
}
"""What befalls an operation; returns what was done exactly."""


def live_experiment(verb: str, fault: str, original: World, folder: Path, random_: random.Random) -> Row:
    """Carry out an operation on a running machine, have something befall it, and look at what comes of it."""
    space, state = folder / "space", folder / "state"
    mount(space, sum(path.stat().st_size for path in original.disks) + 3 * _ROOM)
    mount(state, 16 << 20)
    os.environ["XDG_STATE_HOME"] = str(state)
    world = copied(original, space)
    states = _states(world)
    row = _hit(verb, fault, world, (space, original.disks[0].parent), random_)
    subprocess.run(["mount", "-o", "remount,rw,size=2G", space], check=True)
    look(world, row, VERBS[verb], random_)
    now = _states(world)
    changed = [tag for tag, found in states.items() if tag != VERBS[verb] and now.get(tag) != found]
    if changed:
        row.wrong.append(f"the VM state of {', '.join(changed)} changed")
    subprocess.run(["umount", space, state], check=True)
    return row


def _states(world: World) -> dict[str | None, str]:
    """Return the digests of the VM states by tag."""
    image = opened(world.disks[0])
    return {one.tag: hashlib.blake2b(content(image.vm_state(one))).hexdigest() for one in image.snapshots}


def _hit(verb: str, fault: str, world: World, folders: tuple[Path, Path], random_: random.Random) -> Row:
    space, noise = folders
    steps = {"take": 1, "restore without safety": 1, "take, replacing": 3}.get(verb, 2)
    step, delay = random_.randrange(1, 1 + steps), random_.uniform(0, _LONGEST.get(verb, 1.0))
    row = Row(way="qmp", verb=verb, fault=fault, moment="")
    socket = space / "proxy"
    words = [sys.executable, "-m", "tests.faults.live_victim", verb, f"qmp:{socket}"]
    with (
        contextlib.suppress(_Killed),
        _machine(space, world.disks, noise) as machine,
        Proxy(socket, space / "qmp") as proxy,
    ):
        with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as victim:
            whole = LiveRun(folder=space, machine=machine, proxy=proxy, victim=victim, step=step, delay=delay)
            row.moment = f"step {step}: {LIVE_FAULTS[fault](whole)}" if fault != "none" else ""
            out, error = victim.communicate()
        row.ended = "killed" if victim.returncode == -signal.SIGKILL else _ending(out, error)
        if fault == "none" and row.ended != "done":
            row.wrong.append(f"it should have been done: {out}{error}")
        if "QEMU" in fault or "both" in fault:
            machine.kill()
            raise _Killed
    over = not operations() and "kill" in fault
    if over or fault == "full file system":
        _mend(world)
    return row


def _mend(world: World) -> None:
    """Free what QEMU leaks by itself, without harm: where it has no room, or is killed after the operation's end."""
    for path in world.disks:
        done = subprocess.run(["qemu-img", "check", "-q", "-r", "leaks", "-f", "qcow2", path], check=False)
        if done.returncode:
            raise RuntimeError(f"{path.name} has more than leaks")


class _Killed(Exception):
    """QEMU was killed as it should be, so it cannot be asked to end."""


def _ending(out: str, error: str) -> str:
    if not out:
        return f"crashed: {error}"
    said: str = json.loads(out)["ending"]
    return said
