"""Running machines for the tests of live operations: known memory, registers and disks, and a second monitor."""

from __future__ import annotations

import asyncio
import contextlib
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.image.tools import MIB, content, converted, opened
from tests.machines import Machine
from tests.machines.guests import changer, create_disk, disk_options
from vmsnap_gui.control import planning
from vmsnap_gui.control.executing import execute
from vmsnap_gui.control.survey_live import survey_qmp
from vmsnap_gui.control.terms import Choice, Options

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from vmsnap_gui.control import machine
    from vmsnap_gui.control.plan import Outcome, Plan

RAM = 32 * MIB
DISK = 16 * MIB


class Log:
    """An observer that remembers what it was told."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.written_bytes: list[tuple[int, int | None]] = []

    def step(self, step: Any, number: int, count: int) -> None:  # noqa: ANN401 (a Step)
        self.steps.append(f"{number}/{count} {step.kind.value}")

    def written(self, done: int, expected: int | None) -> None:
        self.written_bytes.append((done, expected))


@dataclass
class Live:
    """A machine under test.

    Attributes:
        vm: It, by a monitor of the test's own.
        address: The monitor for the program.
        paths: Its qcow2 images, by node name.
    """

    vm: Machine
    address: str
    paths: dict[str, Path]
    log: Log = field(default_factory=Log)

    def survey(self) -> machine.Machine:
        return asyncio.run(survey_qmp(self.address))

    def plan_take(self, tag: str, *choices: Choice) -> Plan:
        return asyncio.run(planning.plan_take(self.survey(), tag, Options(choices=frozenset(choices))))

    def plan_restore(self, selector: str, *choices: Choice, safety: bool = False) -> Plan:
        options = Options(safety=safety, choices=frozenset(choices))
        return asyncio.run(planning.plan_restore(self.survey(), selector, options))

    def plan_delete(self, *selectors: str) -> Plan:
        return asyncio.run(planning.plan_delete(self.survey(), selectors))

    def carry_out(self, plan: Plan) -> Outcome:
        self.log = Log()
        return asyncio.run(execute(plan, self.log))

    def done(self, plan: Plan) -> Outcome:
        """Carry a plan out that nothing should stop."""
        assert plan.blockers == ()
        outcome = self.carry_out(plan)
        assert outcome.error is None, outcome
        return outcome

    def status(self) -> str:
        found: str = self.vm.qmp("query-status")["status"]
        return found

    def seen(self) -> Seen:
        """Return what the guest is now; it stands still for as long as this takes."""
        runs = self.status() == "running"
        self.vm.stop()
        found = Seen(self.vm.memory(0, RAM), self.vm.registers(), {node: self._disk(node) for node in self.paths})
        if runs:
            self.vm.resume()
        return found

    def change(self) -> None:
        """Let the guest change its memory, registers and first disk, and write to the others."""
        self.vm.qmp("inject-nmi")
        self.vm.wait_marks(b"2")
        for node in list(self.paths)[1:]:
            self.write(node, 7)

    def write(self, node: str, byte: int) -> None:
        """Write a cluster of one byte to a disk, as QEMU does it for the guest."""
        for command in (f"write -P {byte} 1M 64k", "flush"):
            backend = f"/machine/peripheral/{node}-device/virtio-backend"
            assert self.vm.hmp(f'qemu-io -d {backend} "{command}"') == ""
        assert converted(self.paths[node])[MIB] == byte

    def snapshots(self) -> dict[str, list[tuple[str | None, str | None]]]:
        return {node: [(one.id, one.tag) for one in opened(path).snapshots] for node, path in self.paths.items()}

    def everything(self, node: str) -> dict[tuple[str | None, str | None], tuple[bytes, bytes]]:
        """Return all that the snapshots of a disk hold: the disk as qemu-img reads it, and the VM state."""
        path = self.paths[node]
        image = opened(path)
        found = {}
        for one in image.snapshots:
            state = content(image.vm_state(one)) if one.vm_state_size else b""
            found[one.id, one.tag] = (converted(path, one.id), state)
        return found

    def _disk(self, node: str) -> bytes:
        return converted(self.paths[node])


@dataclass(frozen=True)
class Seen:
    """What a guest is at one moment."""

    memory: bytes
    registers: str
    disks: dict[str, bytes]


@contextlib.contextmanager
def live(folder: Path, disks: int = 1, *more: str, options: Sequence[list[str] | None] = ()) -> Iterator[Live]:
    """Start a machine whose guest has written its mark.

    Args:
        folder: Where its images lie.
        disks: How many qcow2 disks it has; the guest is on the first.
        more: QEMU's arguments beside them.
        options: In place of the usual options for a disk, by its number.
    """
    paths = {}
    for number in range(disks):
        start = changer() if number == 0 else bytes([0xB0 + number]) * MIB
        paths[f"disk{number}"] = create_disk(folder / f"disk{number}.qcow2", start, DISK)
    arguments: list[str] = []
    for number, (node, path) in enumerate(paths.items()):
        own = options[number] if number < len(options) else None
        arguments += own if own is not None else disk_options(path, node)
        device = "ide-hd,bus=ide.0" if number == 0 else "virtio-blk"
        arguments += ["-device", f"{device},drive={node},id={node}-device"]
    with _started(folder, [*arguments, *more], paths) as machine:
        yield machine


@contextlib.contextmanager
def live_again(path: Path, folder: Path) -> Iterator[Live]:
    """Start the machine of an image once more."""
    arguments = [*disk_options(path, "disk0"), "-device", "ide-hd,bus=ide.0,drive=disk0,id=disk0-device"]
    with _started(folder, arguments, {"disk0": path}) as machine:
        yield machine


@contextlib.contextmanager
def _started(folder: Path, arguments: list[str], paths: dict[str, Path]) -> Iterator[Live]:
    board = ["-M", "pc", "-m", str(RAM // MIB), "-nodefaults", "-vga", "none"]
    with Machine([*board, *arguments], qmp=folder / "qmp") as vm:
        vm.wait_marks(b"1")
        yield Live(vm, f"qmp:{folder / 'qmp'}", paths)


def failing(path: Path, node: str, *events: str) -> list[str]:
    """Return a disk's options with QEMU's own blkdebug under it, which fails once after each of `events`."""
    errors = [{"event": event, "errno": 5, "once": True} for event in events]
    file = {"driver": "file", "filename": str(path)}
    below = {"driver": "blkdebug", "image": file, "inject-error": errors}
    return ["-blockdev", json.dumps({"driver": "qcow2", "node-name": node, "file": below})]
