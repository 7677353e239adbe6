"""Tools run in sessions of their own, with their output in files, and end whatever becomes of us."""

from __future__ import annotations

import asyncio
import json
import os
import select
from pathlib import Path

import pytest

from tests.control.doing import layered, plan_take, wait_for
from tests.image.tools import create, run
from vmsnap_gui.control import qemu_img, storage_daemon
from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.fingerprint import fingerprints
from vmsnap_gui.control.journal import operations
from vmsnap_gui.control.journal_entry import Operation
from vmsnap_gui.control.tools import Ended, read_with, write_with
from vmsnap_gui.control.work import Quiet, Run


def test_what_a_tool_says_and_how_it_ends() -> None:
    ended: Ended = wait_for(read_with(("sh", "-c", "echo out; echo in the end: no >&2; exit 3")))
    assert (ended.code, ended.out, ended.said) == (3, "out\n", "in the end: no\n")
    error = ended.failure(Path("/x"))
    assert str(error) == "/x: sh failed: in the end: no"
    assert (error.command, error.details) == (ended.command, "in the end: no\n")
    killed: Ended = wait_for(read_with(("sh", "-c", "kill -9 $$")))
    assert str(killed.failure(Path("/x"))) == "/x: sh failed: it was ended by SIGKILL"
    quiet: Ended = wait_for(read_with(("false",)))
    assert quiet.failure(Path("/x")).message == "false failed: it ended with status 1"


def test_a_tool_has_a_session_of_its_own_and_no_words_of_ours() -> None:
    ended: Ended = wait_for(read_with(("sh", "-c", "ps -o sid= -p $$; echo $$; cat; echo $LC_ALL")))
    session, pid, language = ended.out.split()
    assert session == pid != str(os.getsid(0))
    assert language == "C"


def test_a_cancelled_operation_leaves_its_tool_running(tmp_path: Path) -> None:
    path = create(tmp_path / "i")
    operation = Operation.begin(plan_take(path, tag="x"), {path: fingerprints(path)}, {})
    started = asyncio.Event()

    class Watching(Quiet):
        def written(self, done: int, expected: int | None) -> None:
            started.set()

    async def main() -> None:
        run_ = Run(plan=plan, observer=Watching(), operation=operation, before={})
        async with asyncio.TaskGroup() as group:
            task = group.create_task(write_with(run_, ("sh", "-c", "read word; echo $word; exec sleep 60"), b"hello\n"))
            await started.wait()
            task.cancel()

    plan = plan_take(create(tmp_path / "other"), tag="x")
    asyncio.run(main())
    (entry,) = operations()
    (tool,) = entry.tools()
    assert tool.pid == entry.tool
    watch = os.pidfd_open(tool.pid)
    ended = select.poll()
    ended.register(watch)
    assert not ended.poll(0)
    os.kill(tool.pid, 9)
    assert ended.poll(60_000)
    os.close(watch)
    os.waitpid(tool.pid, 0)
    assert entry.tools() == ()
    assert "hello\n" in [file.read_text() for file in entry.file.parent.glob("*.out")]


def test_what_a_check_finds(tmp_path: Path) -> None:
    path = layered(tmp_path / "i", "one")
    assert wait_for(qemu_img.check(path)).clean
    report = {"check-errors": 0, "corruptions": 1, "leaks": 2, "leaks-fixed": 3}
    found = qemu_img.report(Ended(("qemu-img",), 2, f"Leaked\n{json.dumps(report)}", ""), path)
    assert str(found) == "1 error and 2 leaked clusters"
    assert (found.clean, found.leaks_fixed) == (False, 3)
    with pytest.raises(ControlError, match="could not be checked"):
        qemu_img.report(Ended(("qemu-img",), 0, '{"check-errors": 1}', ""), path)
    with pytest.raises(ControlError, match="nothing that is understood"):
        qemu_img.report(Ended(("qemu-img",), 0, "{", ""), path)
    with pytest.raises(ControlError, match=r"not in qcow2 format"):
        wait_for(qemu_img.check(Path(__file__)))


def test_the_storage_daemon_deletes_only_what_id_and_tag_name(tmp_path: Path) -> None:
    path = layered(tmp_path / "i", "same", "same")

    def delete(id_: str, tag: str) -> None:
        words = storage_daemon.command(path)
        script = storage_daemon.conversation(id_, tag).decode()
        out = run("sh", "-c", 'printf %s "$1" | { shift; exec "$@"; }', "sh", script, *words)
        storage_daemon.require_success(Ended(words, 0, out, ""), path)

    with pytest.raises(ControlError, match="Snapshot with id '2' and name 'other' does not exist"):
        delete("2", "other")
    delete("1", "same")
    with pytest.raises(ControlError, match="Snapshot with id '1' and name 'same' does not exist"):
        delete("1", "same")
    with pytest.raises(ControlError, match="ended before it was done"):
        storage_daemon.require_success(Ended(("x",), 0, '{"QMP": {}}\nnonsense\n{"return": {}}', ""), path)
    ended: Ended = wait_for(read_with(storage_daemon.command(tmp_path / "none")))
    with pytest.raises(ControlError, match=r"qemu-storage-daemon failed: .*No such file"):
        storage_daemon.require_success(ended, path)


def test_tags_that_go_over_qmp() -> None:
    assert storage_daemon.fits("ü" * 127)
    assert not any(storage_daemon.fits(tag) for tag in ("ü" * 128, "a\0b", "\udcff"))
    assert b"name" not in storage_daemon.conversation("1", "a\0b")
