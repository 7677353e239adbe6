"""Monitors: found by command lines, busy, silent or gone; every wait comes to an end."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.control.live_machines import live
from tests.control.proxy import Proxy
from tests.image.tools import MIB, create
from vmsnap_gui.control import planning, qmp
from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.live_blockers import save_blockers
from vmsnap_gui.control.look import Look, look_at
from vmsnap_gui.control.qmp import QMP, Busy, endpoint, quoted
from vmsnap_gui.control.running import Process, find_machines, is_libvirts, monitors_of
from vmsnap_gui.control.survey_live import survey_qmp
from vmsnap_gui.control.terms import Hindrance, Reach

if TYPE_CHECKING:
    from tests.control.live_machines import Live
    from vmsnap_gui.control.machine import Machine


def of(*arguments: str, directory: Path | None = Path("/vm")) -> Process:
    return Process(1, arguments, directory)


@pytest.mark.parametrize(
    ("arguments", "addresses"),
    [
        (["-qmp", "unix:/run/q.sock,server=on,wait=off"], ["qmp:/run/q.sock"]),
        (["-qmp-pretty", "unix:q.sock,server,nowait"], ["qmp:/vm/q.sock"]),
        (["--qmp", "tcp:localhost:4444,server=on"], ["qmp:localhost:4444"]),
        (["-qmp", "tcp::4444,server,nowait"], ["qmp:localhost:4444"]),
        (["-qmp", "tcp:[::1]:4444,server"], ["qmp:[::1]:4444"]),
        (["-qmp", "tcp:0.0.0.0:4444,server"], ["qmp:127.0.0.1:4444"]),
        (["-chardev", "socket,id=a,path=/q,,1,server=on,wait=off", "-mon", "chardev=a,mode=control"], ["qmp:/q,1"]),
        (["-mon", "a,mode=control", "-chardev", "socket,id=a,host=::1,port=5,server,nowait"], ["qmp:[::1]:5"]),
        (["-chardev", "socket,id=a,path=/q,server", "-qmp", "chardev:a"], ["qmp:/q"]),
        (["-chardev", "socket,id=a,path=/q,server=on", "-mon", "chardev=a,mode=readline"], []),
        (["-monitor", "unix:/q,server=on"], []),
    ],
)
def test_monitors_on_a_command_line(arguments: list[str], addresses: list[str]) -> None:
    assert list(monitors_of(of("-M", "pc", *arguments)).addresses) == addresses


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ([], "without a QMP monitor"),
        (["-qmp", "stdio"], "is no socket but stdio"),
        (["-qmp", "unix:/q"], "does not listen"),
        (["-chardev", "socket,id=a,fd=5,server=on", "-mon", "chardev=a,mode=control"], "was handed to it"),
        (["-chardev", "socket,id=a,path=q,abstract=on,server=on", "-mon", "chardev=a,mode=control"], "abstract"),
        (["-mon", "chardev=b,mode=control"], "is no socket but unknown"),
    ],
)
def test_monitors_that_cannot_be_reached(arguments: list[str], why: str) -> None:
    found = monitors_of(of(*arguments))
    assert found.addresses == ()
    assert why in found.obstacles[0]


def test_a_relative_path_of_a_process_whose_directory_is_unseen() -> None:
    found = monitors_of(of("-qmp", "unix:q.sock,server=on", directory=None))
    assert (found.addresses, "where that is cannot be seen" in found.obstacles[0]) == ((), True)


def test_what_belongs_to_libvirt() -> None:
    assert is_libvirts(
        of("-chardev", "socket,id=charmonitor,fd=37,server=on", "-mon", "chardev=charmonitor,id=monitor")
    )
    assert is_libvirts(of("-qmp", "unix:/var/lib/libvirt/qemu/domain-1-web/monitor.sock,server=on"))
    assert not is_libvirts(of("-name", "guest=web", "-qmp", "unix:/tmp/q,server=on"))
    with pytest.raises(ControlError, match="belongs to libvirt"):
        asyncio.run(survey_qmp("qmp:/run/libvirt/qemu/x/monitor.sock"))


def test_addresses() -> None:
    assert endpoint("qmp:/a:1/b") == "/a:1/b"
    assert endpoint("/a/b") == "/a/b"
    assert endpoint("qmp:host:1") == ("host", 1)
    assert endpoint(":1") == ("localhost", 1)
    assert endpoint("qmp:[::1]:22") == ("::1", 22)
    assert quoted('a "b"\\') == '"a \\"b\\"\\\\"'


def test_nobody_there(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="cannot be reached: No such file or directory"):
        asyncio.run(survey_qmp(f"qmp:{tmp_path / 'none'}"))


def test_something_else_is_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with Proxy(tmp_path / "other", None) as other:
        other.answers = b"220 mail\n"
        with pytest.raises(ControlError, match="does not speak QMP"):
            asyncio.run(survey_qmp(f"qmp:{other.path}"))
    assert not caplog.records  # it is told once, by us


def until_free(machine: Live) -> None:
    """Wait until QEMU has seen that a client left it; it may have to accept others that gave up meanwhile."""
    end = time.monotonic() + 20
    while by(machine, machine.vm.pid).reach is not Reach.QMP:
        assert time.monotonic() < end, "its monitor stays busy"


def by(machine: Live, pid: int) -> Machine:
    """Return the one of the machines that are found running that has a pid."""
    (found,) = (one for one in asyncio.run(find_machines()) if one.pid == pid)
    assert {disk.path for disk in found.disks} == set(machine.paths.values())
    return found


async def looked(address: str) -> Look:
    async with await QMP.connect(address) as session:
        return await look_at(session)


@pytest.mark.qemu
def test_found_busy_and_free_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with live(tmp_path, 1, "-name", "web") as machine:
        found = by(machine, machine.vm.pid)
        assert (found.name, found.reach, found.status, found.address) == ("web", Reach.QMP, "running", machine.address)
        machine.done(machine.plan_take("one"))
        with socket.socket(socket.AF_UNIX) as other:
            other.connect(str(tmp_path / "qmp"))
            assert b"QMP" in other.recv(1000)
            with pytest.raises(Busy, match="is busy: it serves another client"):
                machine.survey()
            assert not caplog.records  # a greeting that does not come is told by us
            busy = by(machine, machine.vm.pid)
            assert (busy.name, busy.reach, busy.address) == ("web", Reach.BUSY, None)
            assert busy.note is not None
            assert "was handed to it by the program that started it" in busy.note  # the tests' own monitor
            assert "is busy" in busy.note
            assert [one.tag for one in busy.disks[0].snapshots] == ["one"]
            (blocker,) = asyncio.run(planning.plan_take(found, "two")).blockers
            assert (blocker.kind, "is busy" in blocker.text) == (Hindrance.MONITOR, True)
            for running in (found, busy):  # whether its monitor is free makes no difference
                (blocker,) = asyncio.run(planning.plan_repair(running)).blockers
                assert (blocker.kind, blocker.text[:15]) == (Hindrance.IN_USE, "web is running,")
                assert blocker.remedy == "Shut it down, then check and repair them."
            assert [one.kind for one in asyncio.run(planning.plan_take(busy, "two")).blockers] == [Hindrance.MONITOR]
        until_free(machine)

        with socket.socket(socket.AF_UNIX) as nobody_reads:
            nobody_reads.bind(str(tmp_path / "target"))
            nobody_reads.listen()
            machine.vm.qmp("migrate", uri=f"unix:{tmp_path / 'target'}")
            (blocker,) = machine.plan_take("two").blockers
            assert (blocker.kind, blocker.text) == (Hindrance.MONITOR, "QEMU is at work already: a migration.")
        no_room = replace(asyncio.run(looked(machine.address)), memory=1 << 60)
        (blocker,) = save_blockers(found, no_room)
        assert (blocker.kind, blocker.path) == (Hindrance.SPACE, machine.paths["disk0"])


@pytest.mark.qemu
def test_clients_that_have_left_are_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """QEMU's queue is full of them as long as it does not run: there is room as soon as it does."""
    monkeypatch.setattr(qmp, "GREETING", 20.0)
    with live(tmp_path) as machine:
        os.kill(machine.vm.pid, signal.SIGSTOP)
        with contextlib.suppress(BlockingIOError):
            while True:
                with socket.socket(socket.AF_UNIX) as gone:
                    gone.setblocking(False)
                    gone.connect(str(tmp_path / "qmp"))

        async def look() -> Machine:
            going_on = asyncio.get_running_loop().call_later(0.2, os.kill, machine.vm.pid, signal.SIGCONT)
            found = await survey_qmp(machine.address)
            assert going_on.when() <= asyncio.get_running_loop().time()
            return found

        assert asyncio.run(look()).reach is Reach.QMP


@pytest.mark.verify
@pytest.mark.qemu
def test_a_file_that_is_not_the_machines(tmp_path: Path) -> None:
    """A name may mean something else here than where QEMU runs: what cannot be read back is not written."""
    with live(tmp_path) as machine:
        machine.done(machine.plan_take("one"))
        path = machine.paths["disk0"]
        path.rename(tmp_path / "away")
        assert machine.survey().disks[0].unfit == "its image cannot be read here: there is no such file"
        create(path, MIB)
        (disk,) = machine.survey().disks
        assert disk.unfit == "the file of that name here does not hold the snapshots that QEMU knows"
        assert {one.kind for one in machine.plan_take("two").blockers} == {Hindrance.NO_DISK, Hindrance.UNFIT}
        (tmp_path / "away").rename(path)


@pytest.mark.qemu
def test_relative_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    create(tmp_path / "d.qcow2", MIB)
    words = ["qemu-system-x86_64", "-M", "none", "-display", "none", "-qmp", "unix:q,server=on,wait=off"]
    words += ["-pidfile", "pid", "-daemonize", "-drive", "file=d.qcow2,if=none,id=d,format=qcow2"]
    subprocess.run(words, check=True)
    pid = int((tmp_path / "pid").read_text())
    watch = os.pidfd_open(pid)
    monkeypatch.chdir("/")
    try:
        found = asyncio.run(survey_qmp(f"qmp:{tmp_path / 'q'}"))
        assert [disk.path for disk in found.disks] == [tmp_path / "d.qcow2"]
        assert found.name == f"QEMU (process {pid})"
    finally:
        signal.pidfd_send_signal(watch, signal.SIGKILL)
        os.close(watch)


@pytest.mark.verify
@pytest.mark.qemu
def test_the_human_monitor_does_it_where_there_are_no_jobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect = QMP.connect.__func__  # type: ignore[attr-defined]

    async def old(cls: type[QMP], address: str) -> QMP:
        session: QMP = await connect(cls, address)
        session.commands -= {"snapshot-save", "snapshot-load", "snapshot-delete"}  # as before QEMU 6.0
        return session

    monkeypatch.setattr(QMP, "connect", classmethod(old))
    with live(tmp_path) as machine:
        first = machine.seen()
        plan = machine.plan_take('a "b')
        assert "savevm" in plan.steps[0].command[0]
        machine.done(plan)
        machine.change()
        machine.done(machine.plan_restore('a "b'))
        assert machine.seen() == first
        again = machine.carry_out(plan)
        assert again.error is not None
        assert "its snapshots were changed since this was planned" in again.error
        assert machine.snapshots() == {"disk0": [("1", 'a "b')]}
