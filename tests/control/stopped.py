"""A machine that was shut down, with a snapshot whose VM state is on its second disk."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import shutil
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tests.control.live_machines import DISK, RAM
from tests.image.tools import MIB, converted, info
from tests.machines import Machine
from tests.machines.guests import changer, create_disk
from vmsnap_gui.control.profile import LaunchProfile
from vmsnap_gui.control.qmp import QMP

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BOARD = ["-M", "pc", "-nodefaults", "-vga", "none"]


@dataclass(frozen=True)
class Stopped:
    """A machine that was shut down, and what it was when its snapshot was taken.

    Attributes:
        profile: It, confirmed.
        paths: Its two disks; the guest is on the first, the VM state on the second.
        memory: The guest's memory in the snapshot.
        disks: What was on the disks in the snapshot.
    """

    profile: LaunchProfile
    paths: tuple[Path, ...]
    memory: bytes
    disks: list[bytes]

    def copied(self, folder: Path) -> Stopped:
        """Return a copy of it in another folder."""
        paths = tuple(folder / path.name for path in self.paths)
        for path, copy in zip(self.paths, paths, strict=True):
            shutil.copyfile(path, copy)
        profile = replace(self.profile, directory=folder).confirm()
        return replace(self, profile=profile, paths=paths)

    def now(self) -> list[bytes]:
        return [converted(path) for path in self.paths]

    def tags(self) -> list[list[str]]:
        return [[one["name"] for one in info(path).get("snapshots", [])] for path in self.paths]


def make_stopped(folder: Path) -> Stopped:
    """Let a machine run, take its snapshot 'clean', let its guest change all, and shut it down."""
    paths = (
        create_disk(folder / "boot,1.qcow2", changer(), DISK),
        create_disk(folder / "data.qcow2", b"\xb1" * MIB, DISK),
    )
    drives: list[str] = []
    for number, path in enumerate(paths):
        name = path.name.replace(",", ",,")
        drives += ["-drive", f"file={name},format=qcow2,if=none,id=disk{number}"]
        drives += ["-device", f"{'virtio-blk' if number else 'ide-hd,bus=ide.0'},drive=disk{number}"]
    with contextlib.chdir(folder), Machine([*BOARD, "-m", str(RAM // MIB), *drives]) as vm:
        vm.wait_marks(b"1")
        vm.stop()
        memory, disks = vm.memory(0, RAM), [converted(path) for path in paths]
        nodes = [one["inserted"]["node-name"] for one in vm.qmp("query-block") if "inserted" in one]
        vm.snapshot_save("clean", vmstate=nodes[1], devices=nodes)
        vm.resume()
        vm.qmp("inject-nmi")
        vm.wait_marks(b"2")
    words = ("qemu-system-x86_64", "-accel", "tcg", "-display", "none", *BOARD, "-m", str(RAM // MIB), *drives)
    profile = LaunchProfile(name="lab", arguments=words, directory=folder).confirm()
    made = Stopped(profile, paths, memory, disks)
    assert made.now()[0] != disks[0]
    return made


@contextlib.contextmanager
def ending(pid: int | None, address: str | None) -> Iterator[None]:
    """Have the machine that was started end afterwards, and wait for that."""
    assert pid is not None
    watch = os.pidfd_open(pid)

    async def quit_it() -> None:
        async with await QMP.connect(address or "") as qmp:
            await qmp.execute("quit")

    try:
        yield
    finally:
        asyncio.run(quit_it())
        ended = select.poll()
        ended.register(watch, select.POLLIN)
        assert ended.poll(60_000)
        os.close(watch)
