"""Generated histories of images: writes, snapshots, returns and deletes by QEMU's own tools, with the true parents."""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from tests.image.tools import create, run, take, write
from tests.machines.machine import Machine

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

CLUSTERS = 256
"""How many a disk has; one of 2 MiB clusters has 16."""


@dataclass(frozen=True, slots=True)
class Kind:
    """What a history is made on.

    Attributes:
        name: For people.
        cluster: Bytes in a cluster.
        options: Of qemu-img create, without the cluster size.
        packed: Whether some clusters are written compressed.
        bitmap: Whether the image has a persistent bitmap.
        machine: Whether a running QEMU does it, so that the snapshots hold VM states.
        runs_on: How often of ten the history goes on where it is, instead of going back.
    """

    name: str
    cluster: int = 65536
    options: tuple[str, ...] = ()
    packed: bool = False
    bitmap: bool = False
    machine: bool = False
    runs_on: int = 7


KINDS = (
    Kind("plain"),
    Kind("extended L2", options=("extended_l2=on",)),
    Kind("compressed clusters", packed=True),
    Kind("version 2, clusters of 512 bytes", 512, ("compat=0.10",)),
    Kind("much returning", runs_on=4),
    Kind("clusters of 2 MiB", 2 << 20),
    Kind("extended L2, clusters of 16 KiB", 16384, ("extended_l2=on",)),
    Kind("compressed with zstd", 4096, ("compression_type=zstd",), packed=True),
    Kind("refcounts of 64 bits", 1024, ("refcount_bits=64",)),
    Kind("refcounts of 8 bits", 4096, ("refcount_bits=8",), runs_on=5),
    Kind("lazy refcounts", options=("lazy_refcounts=on",)),
    Kind("a bitmap, beside which qemu-img returns to nothing", bitmap=True, runs_on=10),
    Kind("version 2", options=("compat=0.10",), runs_on=4),
    Kind("version 2, compressed clusters", options=("compat=0.10",), packed=True),
    Kind("extended L2, compressed clusters", 32768, ("extended_l2=on",), packed=True),
    Kind("clusters of 512 bytes", 512, runs_on=5),
    Kind("refcounts of 4 bits", 8192, ("refcount_bits=4",)),
    Kind("all in one line", runs_on=10),
    Kind("VM states", machine=True),
    Kind("VM states, much returning", machine=True, runs_on=4),
)
"""The 20 histories: the place in this list is the seed."""

IN_MAKE_TEST = 4


def _mark(seed: int) -> pytest.MarkDecorator:
    if seed < IN_MAKE_TEST:
        return pytest.mark.slow
    return pytest.mark.qemu if KINDS[seed].name == "VM states" else pytest.mark.verify


HISTORIES = [pytest.param(seed, id=kind.name, marks=_mark(seed)) for seed, kind in enumerate(KINDS)]
"""The numbers of the histories as parameters: a few are for `make test`, all others for `make verify`."""


@dataclass(slots=True)
class History:
    """What was done, as it truly was.

    Attributes:
        path: The image.
        steps: What was done, for people.
        parents: The parent of each snapshot that was ever taken, by tag.
        there: The tags of those that are still there, in the order in which they were taken.
        here: What the disk was last returned to, or what was last taken of it.
    """

    path: Path
    steps: list[str] = field(default_factory=list)
    parents: dict[str, str | None] = field(default_factory=dict)
    there: list[str] = field(default_factory=list)
    here: str | None = None

    def nearest(self, tag: str | None) -> str | None:
        """Return the tag, or that of its nearest ancestor that is still there."""
        while tag is not None and tag not in self.there:
            tag = self.parents[tag]
        return tag

    def truth(self) -> dict[str | None, str | None]:
        """Return the parent of each snapshot that is there, and of the disk as it is now (None)."""
        return {**{tag: self.nearest(self.parents[tag]) for tag in self.there}, None: self.nearest(self.here)}


class _Maker:
    """Does random things to an image."""

    def __init__(self, path: Path, kind: Kind, seed: int, do: Callable[[str, str], None]) -> None:
        self.history = History(path)
        self._kind = kind
        self._rng = random.Random(seed)
        self._do = do
        self._clusters = min(CLUSTERS, (32 << 20) // kind.cluster)
        self._touched: set[int] = set()

    def make(self) -> History:
        """Take 8 snapshots; in between write, go back, delete."""
        while len(self.history.parents) < 8:
            self.write()
            self.take()
            if self._rng.randrange(10) >= self._kind.runs_on:
                self.restore()
            if len(self.history.there) > 2 and self._rng.random() < 0.25:
                self.delete()
        self.write()
        return self.history

    def take(self) -> None:
        tag = f"s{len(self.history.parents) + 1}"
        self._do("take", tag)
        self.history.steps.append(f"take {tag}")
        self.history.parents[tag] = self.history.here
        self.history.here = tag
        self.history.there.append(tag)

    def restore(self) -> None:
        tag = self._rng.choice(self.history.there)
        self._do("restore", tag)
        self.history.steps.append(f"restore {tag}")
        self.history.here = tag

    def delete(self) -> None:
        tag = self._rng.choice(self.history.there)
        self._do("delete", tag)
        self.history.steps.append(f"delete {tag}")
        self.history.there.remove(tag)

    def write(self) -> None:
        """Write at a few places, most of them in the same quarter of the disk, as guests do."""
        for _ in range(self._rng.randrange(1, 6)):
            length = self._rng.randrange(1, 6)
            end = self._clusters - length
            at = self._rng.randrange(end // 4) if self._rng.random() < 0.7 else self._rng.randrange(end)
            self._do("write", self._command(at, length))

    def _command(self, at: int, length: int) -> str:
        size, rng = self._kind.cluster, self._rng
        fresh = self._touched.isdisjoint(range(at, at + length))
        self._touched |= set(range(at, at + length))
        place = f"{at * size} {length * size}"
        kind = rng.randrange(10)
        if self._kind.packed and fresh and kind < 7:
            return f"write -q -c -P {rng.randrange(1, 256)} {place}"
        if kind == 0:
            return f"write -q -z {place}"
        if kind == 1:
            return f"discard -q {place}"
        if kind == 2 and size > 8192:  # less than a cluster, so that a copy is made, or subclusters are used
            return f"write -q -P {rng.randrange(1, 256)} {at * size + 4096} 1024"
        return f"write -q -P {rng.randrange(1, 256)} {place}"


def make_history(path: Path, seed: int) -> History:
    """Make the history of KINDS[seed]; the same seed makes the same."""
    kind = KINDS[seed]
    create(path, min(CLUSTERS * kind.cluster, 32 << 20), f"cluster_size={kind.cluster}", *kind.options)
    if kind.bitmap:
        run("qemu-img", "bitmap", "--add", "-f", "qcow2", path, "changes")
    if not kind.machine:
        return _Maker(path, kind, seed, _Files(path)).make()
    drive = f"file={path},format=qcow2,if=none,id=disk,discard=unmap"
    with Machine(["-M", "pc", "-m", "8", "-nodefaults", "-S", "-drive", drive], marks=False) as machine:
        return _Maker(path, kind, seed, _Live(machine)).make()


class _Files:
    """Does it by qemu-img and qemu-io."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __call__(self, verb: str, what: str) -> None:
        if verb == "write":
            write(self._path, what)
        elif verb == "take":
            take(self._path, what)
        else:
            run("qemu-img", "snapshot", "-a" if verb == "restore" else "-d", what, self._path)


class _Live:
    """Does it in a running QEMU, whose guest runs on for a moment before each snapshot."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine

    def __call__(self, verb: str, what: str) -> None:
        if verb == "write":
            said = self._machine.hmp(f'qemu-io disk "{what}"')
        elif verb == "take":
            self._machine.qmp("cont")
            self._machine.qmp("stop")
            said = self._machine.hmp(f"savevm {what}")
        else:
            said = self._machine.hmp(f"{'loadvm' if verb == 'restore' else 'delvm'} {what}")
        assert "rror" not in said, said
