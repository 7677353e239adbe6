"""A stopped machine whose guest changes what is known: two snapshots before, one after, and QEMU's own word.

And one that goes on from a snapshot twice, with other changes each time.
"""

from __future__ import annotations

import functools
import socket
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.machines import Machine
from tests.machines.guests import changer, create_disk, disk_options
from tests.machines.machine import PATIENCE

MEMORY = 64 << 20
DISK = 16 << 20
CLUSTER = 64 << 10
PAGE = 4096
FIRST_PAGE, STRIDE = 0x1000000 // PAGE, 2
FROM_ZERO, TO_ZERO, OTHERS = 300, 300, 400
STACK_PAGE = 0x8000 // PAGE
SECTORS = (200, 1000, 5000, 5001, 20000)
REGISTERS = ("env.regs[0]", "env.regs[3]", "env.regs[6]", "env.eip")

_FOLDER = tempfile.TemporaryDirectory(prefix="vmsnap-compare-")


@dataclass(frozen=True, slots=True)
class Recorded:
    """What was recorded.

    Attributes:
        image: With the snapshots "before", "again" (nothing ran in between) and "after".
        before, after: Guest-physical memory, as pmemsave writes it.
    """

    image: Path
    before: bytes
    after: bytes

    def disk(self, tag: str) -> bytes:
        """Return the disk in a snapshot, as qemu-img converts it."""
        target = self.image.with_suffix(f".{tag}")
        command = ["qemu-img", "convert", "-f", "qcow2", "-O", "raw", "-l", f"snapshot.name={tag}"]
        subprocess.run([*command, str(self.image), str(target)], check=True)
        data = target.read_bytes()
        target.unlink()
        return data


@functools.cache
def recorded() -> Recorded:
    """Run the machine, once for all tests."""
    folder = Path(_FOLDER.name)
    image = create_disk(folder / "disk.qcow2", changer(), DISK)
    with Machine(_options(image)) as machine:
        machine.wait_marks(b"1")
        machine.stop()
        for tag in ("before", "again"):
            machine.snapshot_save(tag, vmstate="disk0", devices=["disk0"])
        before = machine.memory(0, MEMORY)
        machine.resume()
        machine.qmp("inject-nmi")
        machine.wait_marks(b"2")
        machine.stop()
        machine.snapshot_save("after", vmstate="disk0", devices=["disk0"])
        after = machine.memory(0, MEMORY)
    return Recorded(image, before, after)


PAGES_OF = {"a": 0x500, "b": 0x501, "both": 0x502}
"""Guest-physical pages that somebody with a debugger changes in one branch, or in both, there each in its own way."""
REGISTERS_OF = {"a": (2, "env.regs[1]"), "b": (3, "env.regs[2]"), "both": (6, "env.regs[5]")}
"""Registers likewise: gdb's number and QEMU's field (RCX, RDX, RBP)."""
SECTORS_OF = {"a": 10 << 20, "b": 11 << 20, "both": 12 << 20}
"""Bytes of the disk where a cluster is written likewise."""


@functools.cache
def branched() -> Path:
    """Return an image with the snapshots "base", and "a" and "b" that both come from it.

    What the guest changes by itself is alike in both.
    """
    image = create_disk(Path(_FOLDER.name) / "branched.qcow2", changer(), DISK)
    with Machine(_options(image)) as machine:
        machine.wait_marks(b"1")
        machine.stop()
        machine.snapshot_save("base", vmstate="disk0", devices=["disk0"])
        with _debugger(machine) as debugger:
            for number, branch in enumerate(("a", "b"), 1):
                machine.snapshot_load("base", vmstate="disk0", devices=["disk0"])
                machine.resume()
                machine.qmp("inject-nmi")
                machine.wait_marks(b"2")
                machine.stop()
                for which in (branch, "both"):
                    _poke(machine, debugger, which, number)
                machine.snapshot_save(branch, vmstate="disk0", devices=["disk0"])
    return image


def _options(image: Path) -> list[str]:
    options = ["-M", "pc", "-m", str(MEMORY >> 20), "-nodefaults", "-vga", "none", *disk_options(image, "disk0")]
    return [*options, "-device", "ide-hd,bus=ide.0,drive=disk0,share-rw=on"]


def _debugger(machine: Machine) -> socket.socket:
    """Connect to QEMU's gdb stub."""
    path = Path(_FOLDER.name) / "gdb"
    machine.hmp(f"gdbserver unix:{path},server=on,wait=off")
    connection = socket.socket(socket.AF_UNIX)
    connection.settimeout(PATIENCE)
    connection.connect(str(path))
    _send(connection, "qXfer:features:read:target.xml:0,fff", b"$l")  # without this QEMU lets nobody write a register
    return connection


def _poke(machine: Machine, debugger: socket.socket, which: str, number: int) -> None:
    """Write a number into the page, the register and the cluster of a branch or of both."""
    _send(debugger, f"M{PAGES_OF[which] * PAGE:x},4:{number:08x}")
    _send(debugger, f"P{REGISTERS_OF[which][0]:x}={number.to_bytes(8, 'little').hex()}")
    said = machine.hmp(f'qemu-io disk0 "write -q -P {number} {SECTORS_OF[which]} 64k"')
    assert not said, said


def _send(debugger: socket.socket, packet: str, expected: bytes = b"$OK#") -> None:
    """Send a packet of gdb's protocol, and wait until it is done."""
    debugger.sendall(f"${packet}#{sum(packet.encode()) % 256:02x}".encode())
    answer = b""
    while expected not in answer:  # word that the machine stopped may come before
        answer += debugger.recv(4096)
        assert answer, "QEMU ended"
        assert not any(refusal in answer for refusal in (b"$E", b"$#")), answer
    debugger.sendall(b"+")


def known_pages() -> dict[str, list[int]]:
    """Return the pages that the guest changes, by what becomes of them."""
    pages = (FIRST_PAGE + STRIDE * np.arange(FROM_ZERO + TO_ZERO + OTHERS)).tolist()
    return {
        "zero_to_data": pages[:FROM_ZERO],
        "data_to_zero": pages[FROM_ZERO : FROM_ZERO + TO_ZERO],
        "changed": [STACK_PAGE, 5, *pages[FROM_ZERO + TO_ZERO :]],
    }
