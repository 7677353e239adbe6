"""The lock probe sees what real QEMU programs hold, and only that."""

from __future__ import annotations

import fcntl
import os
import select
import signal
import struct
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from tests.image.tools import MIB, create, opened
from tests.machines.machine import Machine
from vmsnap_gui.control.locks import LockState, Permission, holders, in_use, probe
from vmsnap_gui.image.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FREE = LockState()
WRITER = Permission.CONSISTENT_READ | Permission.WRITE | Permission.RESIZE


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return create(tmp_path / "i", MIB)


@contextmanager
def exported(path: Path, *options: str) -> Iterator[None]:
    """Hold an image as qemu-nbd does; it forks into the background once it does."""
    socket, pid_file = path.with_suffix(".sock"), path.with_suffix(".pid")
    words = ["qemu-nbd", "--fork", "-t", "-k", socket, "--pid-file", pid_file, "-f", "qcow2", *options, path]
    subprocess.run([str(word) for word in words], check=True, close_fds=True, stdout=subprocess.DEVNULL)
    pid = int(pid_file.read_text())
    watch = os.pidfd_open(pid)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGKILL)  # a SIGTERM that comes before its main loop is lost
        ended = select.poll()
        ended.register(watch)
        assert ended.poll(60_000)
        os.close(watch)


def test_nobody(path: Path) -> None:
    assert probe(path) == FREE
    assert not in_use(path)


def test_our_own_reading_is_no_lock(path: Path) -> None:
    image = opened(path)
    image.disk(None).read(0, MIB)
    assert probe(path) == FREE


def test_a_writer(path: Path) -> None:
    with exported(path):
        assert probe(path) == LockState(WRITER, Permission.WRITE | Permission.RESIZE)
        assert in_use(path)
    assert probe(path) == FREE
    assert not in_use(path)


def test_a_reader(path: Path) -> None:
    with exported(path, "--read-only"):
        state = probe(path)
        assert state.used == Permission.CONSISTENT_READ
        assert not in_use(path)
    assert probe(path) == FREE


def test_each_byte(path: Path) -> None:
    with path.open("r+b") as file:
        for permission in Permission:
            for first, expected in ((100, LockState(used=permission)), (200, LockState(unshared=permission))):
                byte = first + permission.value.bit_length() - 1
                fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi0q", fcntl.F_RDLCK, 0, byte, 1, 0))
                assert probe(path) == expected
                writing = permission in Permission.WRITE | Permission.WRITE_UNCHANGED | Permission.RESIZE
                assert in_use(path) == (first == 100 and writing)
                fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi0q", fcntl.F_UNLCK, 0, byte, 1, 0))
    assert probe(path) == FREE


def test_probing_takes_no_lock_and_frees_none(path: Path) -> None:
    with path.open("r+b") as file:
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, struct.pack("hhqqi0q", fcntl.F_WRLCK, 0, 103, 1, 0))
        for _ in range(3):
            assert Permission.RESIZE in probe(path).used
    with exported(path):  # would fail if a lock of ours were left
        assert in_use(path)


def test_a_file_that_is_gone(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="there is no such file"):
        probe(tmp_path / "none")
    assert not in_use(tmp_path / "none")
    assert not in_use(tmp_path)


@pytest.mark.qemu
def test_a_virtual_machine(path: Path) -> None:
    drive = f"file={path},format=qcow2,if=virtio"
    with Machine(["-M", "pc", "-m", "8", "-nodefaults", "-S", "-drive", drive], marks=False):
        assert Permission.WRITE in probe(path).used
        assert in_use(path)
    assert probe(path) == FREE
    with Machine(["-M", "pc", "-m", "8", "-nodefaults", "-S", "-drive", drive + ",readonly=on"], marks=False):
        assert probe(path).used == Permission.CONSISTENT_READ
        assert not in_use(path)
    assert probe(path) == FREE


def test_who_holds_an_image(path: Path) -> None:
    assert holders(path) == ()
    with exported(path):
        (holder,) = holders(path)
        assert (holder.name, holder.locking) == ("qemu-nbd", True)
        assert str(holder) == f"qemu-nbd (process {holder.pid})"
        assert path.with_suffix(".pid").read_text().strip() == str(holder.pid)
    assert holders(path) == ()


def test_a_reader_without_locks_is_named_as_such(path: Path) -> None:
    with path.open("rb") as file, subprocess.Popen(["sleep", "60"], stdin=file) as reader:
        assert [(one.pid, one.name, one.locking) for one in holders(path)] == [(reader.pid, "sleep", False)]
        reader.kill()


def test_nobody_holds_what_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="it cannot be found: No such file or directory"):
        holders(tmp_path / "none")
