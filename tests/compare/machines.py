"""A stopped machine whose guest changes what is known: two snapshots before, one after, and QEMU's own word."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.machines import Machine
from tests.machines.guests import changer, create_disk, disk_options

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
    options = ["-M", "pc", "-m", str(MEMORY >> 20), "-nodefaults", "-vga", "none", *disk_options(image, "disk0")]
    with Machine([*options, "-device", "ide-hd,bus=ide.0,drive=disk0"]) as machine:
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


def known_pages() -> dict[str, list[int]]:
    """Return the pages that the guest changes, by what becomes of them."""
    pages = (FIRST_PAGE + STRIDE * np.arange(FROM_ZERO + TO_ZERO + OTHERS)).tolist()
    return {
        "zero_to_data": pages[:FROM_ZERO],
        "data_to_zero": pages[FROM_ZERO : FROM_ZERO + TO_ZERO],
        "changed": [STACK_PAGE, 5, *pages[FROM_ZERO + TO_ZERO :]],
    }
