"""vmsnap take, restore, delete and check on files: with real tools, by what the images hold afterwards."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.cli.acting import Terminal, run
from tests.control.doing import contents, layered, run_python, table
from tests.control.test_executing import interrupt
from tests.control.test_locks import exported
from tests.image.tools import MIB, create
from tests.machines import Machine
from vmsnap_gui.cli import main
from vmsnap_gui.cli.operating import address_of, execute_watched
from vmsnap_gui.cli.operation_line import OperationLine
from vmsnap_gui.control.journal import interrupted
from vmsnap_gui.control.planning import plan_take
from vmsnap_gui.control.survey import survey_files
from vmsnap_gui.control.terms import Ending
from vmsnap_gui.image.errors import Cancelled

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.qemu

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _own_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return layered(tmp_path / "a.qcow2", "one", "two")


def test_there_and_back(capsys: Capture, image: Path) -> None:
    status, out, err = run(capsys, "take", image, "three", "--yes")
    assert (status, err) == (0, "")
    assert out == f"Done: take 'three'\n  {image}  'three' (id 3) was taken\n"
    status, out, err = run(capsys, "restore", image, "id:1", "--yes")
    assert (status, err) == (0, "")
    rows = table(image)
    assert [row[1] for row in rows[:3]] == ["one", "two", "three"]
    safety = rows[3]
    assert safety[2] == 3
    assert contents(image)[None] == contents(image)["1"]
    assert out.splitlines()[-1] == f"  To undo it: vmsnap restore {image} tag:{safety[1]}"
    assert run(capsys, "restore", image, f"tag:{safety[1]}", "--yes", "--no-safety")[0] == 0
    assert contents(image)[None][0] == 3
    status, out, _ = run(capsys, "delete", image, "two", "three", f"tag:{safety[1]}", "--yes")
    assert status == 0
    assert table(image) == [("1", "one", 1)]


@pytest.mark.parametrize(
    "words", [("take", "three"), ("restore", "one"), ("delete", "one", "two"), ("take", "one", "--replace")]
)
def test_a_dry_run_shows_the_plan_and_changes_no_byte(capsys: Capture, image: Path, words: tuple[str, ...]) -> None:
    verb, *rest = words
    before, times = image.read_bytes(), image.stat().st_mtime_ns
    status, out, err = run(capsys, verb, image, *rest, "--dry-run")
    assert (status, err) == (0, "")
    assert out.startswith(f"{verb.capitalize()} '{rest[0]}'")
    assert str(image) in out
    assert "$ qemu-img" in out
    status, text, err = run(capsys, verb, image, *rest, "--dry-run", "--json")
    assert (status, err) == (0, "")
    plan = json.loads(text)
    assert (plan["verb"], plan["ready"], plan["blockers"]) == (verb, True, [])
    assert {disk["path"] for step in plan["steps"] for disk in step["disks"]} == {str(image)}
    assert image.read_bytes() == before
    assert image.stat().st_mtime_ns == times
    assert sorted(one.name for one in image.parent.iterdir()) == ["a.qcow2"]


def test_json_is_the_outcome(capsys: Capture, image: Path, tmp_path: Path) -> None:
    other = layered(tmp_path / "b.qcow2", "one")
    status, out, err = run(capsys, "restore", image, "one", "--disk", other, "--yes", "--json")
    assert (status, err) == (0, "")
    outcome = json.loads(out)
    assert (outcome["ending"], outcome["error"], outcome["status"]) == ("done", None, None)
    assert [disk["path"] for disk in outcome["disks"]] == [str(image), str(other)]
    assert outcome["plan"]["safety"] in {row[1] for row in table(other)}
    assert contents(other)[None] == contents(other)["1"]


def test_what_is_in_the_way_is_told_with_the_remedy(capsys: Capture, image: Path) -> None:
    before = image.read_bytes()
    status, out, err = run(capsys, "take", image, "one", "--yes")
    assert status == 1
    assert out == ""
    assert err == (
        f"vmsnap: {image}: There is a snapshot with the tag 'one' already (id '1' tag 'one').\n"
        "    Choose another tag, or replace that snapshot.\n    Say --replace to do it all the same.\n"
    )
    status, out, err = run(capsys, "take", image, "one", "--dry-run")
    assert (status, err) == (1, "")
    assert f"  - {image}: There is a snapshot with the tag 'one' already" in out
    status, out, err = run(capsys, "delete", image, "nope", "gone", "--yes", "--json")
    assert status == 1
    assert [one["kind"] for one in json.loads(out)["blockers"]] == ["snapshot missing", "snapshot missing"]
    assert err == "vmsnap: No snapshot is called 'nope' (and 1 more in the way)\n"
    assert image.read_bytes() == before
    status, out, _ = run(capsys, "take", image, "one", "--yes", "--replace")
    assert (status, [row[1:] for row in table(image)]) == (0, [("two", 2), ("one", 3)])


def test_an_image_in_use_is_left_alone(capsys: Capture, image: Path) -> None:
    with Machine(["-nodefaults", "-drive", f"file={image},if=none,format=qcow2"]) as vm:
        before = image.read_bytes()
        for words in (("take", image, "x"), ("restore", image, "one"), ("delete", image, "one")):
            status, out, err = run(capsys, *words, "--yes")
            assert status == 1
            assert out == ""
            assert err.startswith(f"vmsnap: {image}: It is in use by qemu-system-x86 (process {vm.pid}).\n")
            assert err.count("In use") + err.count("in use") == 1
        assert image.read_bytes() == before


def test_without_a_terminal_yes_is_needed(capsys: Capture, image: Path) -> None:
    before = image.read_bytes()
    assert not sys.stdin.isatty()
    for words in (("take", image, "x"), ("restore", image, "one"), ("delete", image, "one"), ("check", image)):
        with pytest.raises(SystemExit) as ended:
            main([str(one) for one in (*words, *(["--repair"] if words[0] == "check" else []))])
        assert ended.value.code == 2
        assert (
            capsys.readouterr()
            .err.splitlines()[-1]
            .endswith("there is no terminal to ask on: say --yes, or see the plan with --dry-run")
        )
    assert image.read_bytes() == before


@pytest.mark.parametrize("answer", ["\n", "n\n", "what\n", "\x04"])
def test_the_answer_is_no_unless_it_is_yes(image: Path, answer: str) -> None:
    before = image.read_bytes()
    terminal = Terminal("restore", image, "one")
    terminal.wait_for("Restore now? [y/N] ")
    assert f"{image}  'one' (id 1)" in terminal.text
    terminal.type(answer)
    assert terminal.end() == 1
    assert terminal.text.splitlines()[-1].endswith("vmsnap: nothing was changed")
    assert image.read_bytes() == before


def test_yes_on_the_terminal(image: Path) -> None:
    terminal = Terminal("take", image, "three")
    terminal.wait_for("Take now? [y/N] ")
    terminal.type("y\n")
    assert terminal.end() == 0
    assert "Done: take 'three'" in terminal.text
    assert "1/3 Check a.qcow2 for damage first: 0 s" in terminal.text
    assert [row[1] for row in table(image)] == ["one", "two", "three"]


def test_ctrl_c_at_the_question(image: Path) -> None:
    before = image.read_bytes()
    terminal = Terminal("take", image, "three")
    terminal.wait_for("[y/N] ")
    terminal.type("\x03")
    assert terminal.end() == 130
    assert image.read_bytes() == before


def test_ctrl_c_before_the_first_write(image: Path, capsys: Capture) -> None:
    plan = asyncio.run(plan_take(survey_files([image]), "three"))
    before = image.read_bytes()

    class Pressed(OperationLine):
        """Presses Ctrl-C while the image is checked."""

        def step(self, step, number, count):  # type: ignore[no-untyped-def] # noqa: ANN001, ANN202
            super().step(step, number, count)
            if number == 1:
                self.interrupt()

    with pytest.raises(Cancelled):
        execute_watched(plan, Pressed())
    assert capsys.readouterr().err == "vmsnap: stopping before anything is changed\n"
    assert image.read_bytes() == before
    assert interrupted() == ()


def test_ctrl_c_while_a_tool_writes(image: Path, capsys: Capture) -> None:
    plan = asyncio.run(plan_take(survey_files([image]), "three"))

    class Pressed(OperationLine):
        """Presses Ctrl-C while qemu-img is at work."""

        def written(self, done: int, expected: int | None) -> None:
            super().written(done, expected)
            os.kill(os.getpid(), signal.SIGINT)

    outcome = execute_watched(plan, Pressed())
    assert outcome.ending is Ending.DONE
    assert "vmsnap: this cannot be cancelled half-way; waiting for its end\n" in capsys.readouterr().err
    assert [row[1] for row in table(image)] == ["one", "two", "three"]


DYING = """
import asyncio, os, pathlib, sys
from vmsnap_gui.control.fingerprint import fingerprints
from vmsnap_gui.control.journal_entry import Operation
from vmsnap_gui.control.planning import plan_restore
from vmsnap_gui.control.survey import survey_files

path = pathlib.Path(sys.argv[1])
plan = asyncio.run(plan_restore(survey_files([path]), "one"))
operation = Operation.begin(plan, {path: fingerprints(path)}, {path: {}})
operation.enter(3, plan.steps[2], writes=True)
os._exit(9)
"""


def test_what_was_interrupted_is_told_once(capsys: Capture, image: Path, tmp_path: Path) -> None:
    assert run_python(DYING, image).returncode == 9
    status, _, err = run(capsys, "take", create(tmp_path / "other.qcow2", MIB), "x", "--yes")
    assert (status, err) == (0, "")
    assert len(interrupted()) == 1
    status, _, err = run(capsys, "take", image, "three", "--dry-run")
    assert status == 0
    assert err.startswith("vmsnap: restore 'one' (id 1), begun ")
    assert f"was interrupted at the step \"Return a.qcow2 to 'one' (id 1)\"; now {image}: " in err
    assert err.count("\n") == 1
    assert len(interrupted()) == 1
    assert "was interrupted" in run(capsys, "take", image, "three", "--yes")[2]
    assert interrupted() == ()
    assert run(capsys, "take", image, "four", "--yes")[2] == ""


def test_check(capsys: Capture, image: Path, tmp_path: Path) -> None:
    raw = tmp_path / "raw.img"
    raw.write_bytes(bytes(MIB))
    status, out, err = run(capsys, "check", image, "--disk", raw)
    assert (status, err) == (0, "")
    assert out.splitlines() == [
        f"{image}: clean",
        f"{raw}: not checked: it is raw, and raw disks hold no snapshots",
    ]
    status, out, err = run(capsys, "check", image, "--json")
    assert (status, err) == (0, "")
    assert json.loads(out) == [
        {
            "path": str(image),
            "clean": True,
            "errors": 0,
            "leaks": 0,
            "problem": None,
            "quarantine": None,
            "released": None,
        }
    ]
    assert run(capsys, "check", image, "--repair", "--yes") == (
        0,
        "Nothing is damaged, and nothing is in quarantine.\n",
        "",
    )
    status, out, _ = run(capsys, "check", image, "--repair", "--dry-run", "--json")
    assert (status, json.loads(out)["steps"]) == (0, [])
    assert run(capsys, "check", raw)[0] == 1


def test_check_of_an_image_in_quarantine_that_cannot_be_checked(capsys: Capture, image: Path) -> None:
    interrupt(image)
    with exported(image):
        status, out, err = run(capsys, "check", image, "--json")
        (found,) = json.loads(out)
        assert (status, found["clean"]) == (1, False)
        assert "it is in use by qemu-nbd" in found["problem"]
        assert found["problem"] in err
        assert found["quarantine"].startswith("take 'three': it is in use by qemu-nbd (process ")
        told = run(capsys, "check", image)[2]
        assert told.strip().endswith(f"not checked: {found['problem']}; in quarantine: {found['quarantine']}")
    status, out, _ = run(capsys, "check", image)
    assert status == 0
    whole = f"{image}: clean; whole again, and released from the quarantine for take 'three'"
    assert out == f"{whole}, which left 'three' (id 3) on it\n"
    assert run(capsys, "check", image)[1] == f"{image}: clean\n"


def test_check_and_repair_of_a_damaged_image(capsys: Capture, image: Path) -> None:
    with image.open("r+b") as file:  # lose a cluster: a reference count of one where nothing refers
        data = bytearray(image.read_bytes())
        table_at = int.from_bytes(data[48:56], "big")
        block_at = int.from_bytes(data[table_at : table_at + 8], "big")
        end = image.stat().st_size >> 16
        file.seek(block_at + 2 * end)
        file.write(b"\0\1")
        file.truncate((end + 1) << 16)
    status, out, _ = run(capsys, "check", image)
    assert status == 1
    assert out == f"{image}: 0 errors, 1 leaked clusters\n"
    before = contents(image)
    status, out, err = run(capsys, "check", image, "--repair", "--dry-run")
    assert (status, err) == (0, "")
    assert out.startswith("Repair a.qcow2\n")
    assert "It costs" not in out  # room is no cost
    assert " are free on the file system.\n" in out
    status, out, err = run(capsys, "check", image, "--repair", "--yes")
    assert (status, err) == (0, "")
    assert "1 leaked cluster repaired" in out
    assert run(capsys, "check", image)[0] == 0
    assert contents(image) == before


def test_check_of_an_image_in_use(capsys: Capture, image: Path) -> None:
    with Machine(["-nodefaults", "-drive", f"file={image},if=none,format=qcow2"]) as vm:
        why = f"it is in use by qemu-system-x86 (process {vm.pid})"
        assert run(capsys, "check", image) == (1, "", f"vmsnap: {image}: not checked: {why}\n")
        status, out, _ = run(capsys, "check", image, "--json")
        assert (status, json.loads(out)[0]["problem"]) == (1, why)


@pytest.mark.parametrize(
    "words",
    [
        ["take", "x.qcow2"],
        ["restore"],
        ["delete", "x.qcow2"],
        ["check", "x.qcow2", "--yes"],
        ["take", "qmp:/x", "tag", "--disk", "y", "--yes"],
        ["take", "profile:x", "tag", "--disk", "y", "--yes"],
        ["start"],
        ["profile"],
        ["profile", "add", "x"],
        ["profile", "add", "x", "--command"],
        ["profile", "add", "x", "--env", "A", "--command", "qemu"],
    ],
)
def test_wrong_use(words: list[str], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("words", [("take", "a", "--disk", "b", "tag"), ("delete", "--disk", "a", "b", "tag")])
def test_a_word_that_disk_swallows_is_told_of(words: tuple[str, ...], capsys: Capture) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code == 2
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .endswith("--disk takes all words that follow it up to the next option: put it at the end")
    )


def test_more_disks_are_named_at_the_end_or_one_by_one(capsys: Capture, image: Path, tmp_path: Path) -> None:
    more = [create(tmp_path / f"{name}.qcow2") for name in "bc"]
    for words in (("--disk", *more), ("--disk", more[0], "--disk", more[1])):
        status, out, err = run(capsys, "take", image, "x", *words, "--dry-run", "--json")
        assert (status, err) == (0, "")
        disks = {disk["path"] for step in json.loads(out)["steps"] for disk in step["disks"]}
        assert disks == {str(image), *map(str, more)}


def test_the_undo_that_is_printed_undoes(capsys: Capture, tmp_path: Path) -> None:
    first, second = layered(tmp_path / "a b.qcow2", "one"), create(tmp_path / "b.qcow2")
    subprocess.run(["qemu-img", "resize", "-q", first, "8M"], check=True)
    before = contents(first)[None]
    words = ("--yes", "--resize", "--leave-out", "--disk", second)
    status, out, err = run(capsys, "restore", first, "one", *words)
    assert (status, err) == (0, "")
    assert contents(first)[None] != before
    undo = shlex.split(out.splitlines()[-1].removeprefix("  To undo it: vmsnap "))
    assert undo[-4:] == ["--leave-out", "--resize", "--disk", str(second)]
    assert run(capsys, *undo, "--yes")[0] == 0
    assert contents(first)[None] == before


def test_what_is_not_there(capsys: Capture, tmp_path: Path) -> None:
    for target in (tmp_path / "gone.qcow2", f"qmp:{tmp_path}/gone", "localhost:1", "profile:gone"):
        status, out, err = run(capsys, "take", target, "x", "--yes")
        assert (status, out) == (1, "")
        assert err.count("\n") == 1
        assert "gone" in err or "localhost:1" in err


def test_targets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there:1").write_text("")
    assert address_of("qmp:/run/x") == "qmp:/run/x"
    assert address_of("host:4444") == "qmp:host:4444"
    assert address_of("[::1]:4444") == "qmp:[::1]:4444"
    for path in ("there:1", "a.qcow2", "/x/host:1", "host:port", "host:123456"):
        assert address_of(path) is None
