"""vmsnap profile, start and machines, and the acting commands on what runs: real QEMU, asked over its monitor."""

from __future__ import annotations

import json
import os
import shlex
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.acting import Terminal, run
from tests.control.stopped import Stopped, ending, make_stopped
from vmsnap_gui.control.profile_store import ProfileStore

if TYPE_CHECKING:
    from pathlib import Path

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("XDG_STATE_HOME", "XDG_CONFIG_HOME", "XDG_RUNTIME_DIR"):
        place = tmp_path / name.lower()
        place.mkdir()
        monkeypatch.setenv(name, str(place))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Stopped:
    return make_stopped(tmp_path_factory.mktemp("made"))


@pytest.fixture
def stopped(made: Stopped, tmp_path: Path) -> Stopped:
    return made.copied(tmp_path)


def add(capsys: Capture, stopped: Stopped, *more: str) -> None:
    """Keep the machine's profile, confirmed."""
    words = ("--directory", stopped.profile.directory, "--yes", "--command", *stopped.profile.arguments, *more)
    assert run(capsys, "profile", "add", "lab", *words)[0] == 0


def document(text: str) -> Any:  # noqa: ANN401
    return json.loads(text)


def test_the_demo_machine_is_kept_once(capsys: Capture, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    status, out, err = run(capsys, "profile", "demo")
    assert (status, err) == (0, "")
    assert out.startswith(f"vmsnap demo  (not confirmed yet)\n  in {tmp_path}/data/vmsnap/demo\n")
    assert f"{tmp_path}/data/vmsnap/demo/demo-machine.qcow2: 4 snapshots\n" in out
    assert run(capsys, "profile", "demo", "--yes")[0] == 0
    status, out, _ = run(capsys, "profile", "demo")
    assert status == 0
    assert out.startswith("vmsnap demo\n")
    assert ProfileStore().get("vmsnap demo").confirmed


def test_profiles_are_kept_shown_and_forgotten(capsys: Capture, tmp_path: Path) -> None:
    assert run(capsys, "profile", "list") == (0, "There are no launch profiles yet: see vmsnap profile add.\n", "")
    script = tmp_path / "run.sh"
    script.write_text('#!/bin/sh\nRAM=64\nexec qemu-system-x86_64 -m "$RAM" -daemonize -hda gone.qcow2 "$@"\n')
    status, out, err = run(capsys, "profile", "add", "web", "--script", script, "--env", "A=b c")
    assert (status, err) == (0, "")
    assert out == (
        f"web  (not confirmed yet)\n  in {tmp_path}\n  with A=b c\n"
        "  qemu-system-x86_64 \\\n      -m 64 \\\n      -daemonize \\\n      -hda gone.qcow2\n"
        f"  disk {tmp_path}/gone.qcow2: there is no such file\n"
        "  ! -daemonize is left out: vmsnap puts QEMU into the background itself, where it sees why it ends\n\n"
        "It is kept, and must be confirmed before it is started.\n"
    )
    assert run(capsys, "profile", "show", "web")[1] == out[: out.index("\n\nIt is kept")] + "\n"
    status, out, err = run(capsys, "start", "web", "--yes")
    assert (status, out) == (1, "")
    assert "has not been confirmed since it was changed" in err
    assert "vmsnap profile confirm web" in err
    status, out, _ = run(capsys, "start", "web", "--dry-run")
    assert status == 1
    assert "  - The profile 'web' has not been confirmed since it was changed: look at it and confirm it with " in out
    assert f"  - {tmp_path}/gone.qcow2: There is no such file, and QEMU does not start without it." in out
    plan = document(run(capsys, "start", "web", "--dry-run", "--json")[1])
    assert (plan["profile"]["confirmed_as"], plan["ready"]) == (None, False)
    with pytest.raises(SystemExit):
        run(capsys, "profile", "confirm", "web")
    assert capsys.readouterr().err.endswith("say --yes, or look at it with vmsnap profile show web\n")
    assert run(capsys, "profile", "confirm", "web", "--yes")[1].endswith("It is kept and confirmed.\n")
    (listed,) = document(run(capsys, "profile", "list", "--json")[1])
    assert listed == document(run(capsys, "profile", "show", "web", "--json")[1])
    assert listed["confirmed"] is True
    assert listed["arguments"] == ["qemu-system-x86_64", "-m", "64", "-daemonize", "-hda", "gone.qcow2"]
    assert listed["environment"] == {"A": "b c"}
    status, _, err = run(capsys, "profile", "add", "web", "--command", "qemu-system-x86_64")
    assert (status, err) == (1, "vmsnap: there is a profile 'web' already; replace it with --replace\n")
    assert run(capsys, "profile", "add", "web", "--replace", "--command", "qemu-system-x86_64", "-S")[0] == 0
    assert not ProfileStore().get("web").confirmed
    told = "The profile 'web' is forgotten; its images stay as they are.\n"
    assert run(capsys, "profile", "remove", "web") == (0, told, "")
    assert run(capsys, "profile", "show", "web")[0] == 1


def test_a_script_that_cannot_be_followed(capsys: Capture, tmp_path: Path) -> None:
    script = tmp_path / "run.sh"
    script.write_text("#!/bin/sh\nqemu-system-x86_64 -smp $(nproc)\n")
    status, out, err = run(capsys, "profile", "add", "web", "--script", script)
    assert (status, out) == (1, "")
    assert err.startswith("vmsnap: line 2 of the script cannot be followed: ")
    assert run(capsys, "profile", "add", "web", "--script", tmp_path / "gone")[0] == 1
    assert ProfileStore().all() == ()


@pytest.mark.qemu
def test_start_from_a_snapshot_and_work_on_it_then(capsys: Capture, stopped: Stopped) -> None:
    add(capsys, stopped)
    before = [path.read_bytes() for path in stopped.paths]
    status, out, err = run(capsys, "start", "lab", "-s", "clean", "--dry-run", "--json")
    assert (status, err) == (0, "")
    plan = document(out)
    assert (plan["verb"], plan["ready"], plan["profile"]["name"]) == ("start", True, "lab")
    status, out, _ = run(capsys, "start", "lab", "-s", "clean", "--dry-run")
    assert "Start lab paused, load 'clean' into it, and let it go on" in out
    assert [path.read_bytes() for path in stopped.paths] == before

    status, out, err = run(capsys, "start", "lab", "-s", "clean", "--yes", "--json")
    assert (status, err) == (0, "")
    outcome = document(out)
    assert (outcome["ending"], outcome["status"]) == ("done", "running")
    address = outcome["address"]
    with ending(outcome["pid"], address):
        assert run(capsys, "note", stopped.paths[0], "-s", "clean", "--label", "good")[0] == 0
        found = document(run(capsys, "machines", "--json")[1])
        (machine,) = [one for one in found if one["pid"] == outcome["pid"]]
        assert (machine["reach"], machine["status"], machine["address"]) == ("qmp", "running", address)
        assert [disk["path"] for disk in machine["disks"]] == [str(path) for path in stopped.paths]
        tags = [[one["tag"] for one in disk["snapshots"]] for disk in machine["disks"]]
        assert tags == [["clean", outcome["plan"]["safety"]]] * 2
        labels = [[one["label"] for one in disk["snapshots"]] for disk in machine["disks"]]
        assert labels == [["good", ""], ["", ""]]
        text = run(capsys, "machines")[1]
        assert f"QEMU (process {outcome['pid']}): running, QEMU " in text
        assert f"  {stopped.paths[1]}    'clean', '{outcome['plan']['safety']}'\n" in text

        status, out, err = run(capsys, "take", address, "live", "--yes")
        assert (status, err) == (0, "")
        assert "Done: take 'live'" in out
        assert "The machine is running." in out
        status, out, _ = run(capsys, "restore", address, "live", "--yes", "--no-safety", "--json")
        assert (status, document(out)["status"]) == (0, "running")
        status, out, _ = run(capsys, "delete", address, "live", "--dry-run")
        assert status == 0
        assert f"{stopped.paths[0]}" in out
        assert run(capsys, "delete", address, "live", "--yes")[0] == 0
        assert stopped.tags() == [["clean", outcome["plan"]["safety"]]] * 2

        status, _, err = run(capsys, "start", "lab", "--yes")
        assert status == 1
        assert "t is in use by qemu-system-x86" in err
        status, out, _ = run(capsys, "profile", "add", "copy", "--pid", outcome["pid"], "--yes")
        assert status == 0
        copy = ProfileStore().get("copy")
        assert copy.arguments[1:] == stopped.profile.arguments[1:]
        assert copy.directory == stopped.profile.directory


@pytest.mark.qemu
def test_the_question_of_an_unconfirmed_profile(capsys: Capture, stopped: Stopped) -> None:
    words = shlex.join(stopped.profile.arguments)
    (stopped.profile.directory / "run.sh").write_text(f'cd "$(dirname "$0")"\n{words}\n')
    assert run(capsys, "profile", "add", "lab", "--script", stopped.profile.directory / "run.sh")[0] == 0
    terminal = Terminal("start", "lab", "-s", "clean", "--no-safety")
    terminal.wait_for("Start now? [y/N] ")
    assert "This command line was not started by vmsnap before" in terminal.text
    assert "      -drive file=boot,,1.qcow2,format=qcow2,if=none,id=disk0 \\\n" in terminal.text
    assert "  - What is on data.qcow2 now." in terminal.text
    terminal.type("n\n")
    assert terminal.end() == 1
    assert not ProfileStore().get("lab").confirmed
    terminal = Terminal("start", "lab", "-s", "clean", "--no-safety", "--json")
    terminal.wait_for("Start now? [y/N] ")
    terminal.type("yes\n")
    assert terminal.end() == 0
    outcome = document(terminal.text.splitlines()[-1][terminal.text.splitlines()[-1].index("{") :])
    with ending(outcome["pid"], outcome["address"]):  # it lives on: the command that started it has ended
        assert os.getsid(outcome["pid"]) == outcome["pid"]
        assert ProfileStore().get("lab").confirmed


@pytest.mark.qemu
def test_start_that_fails(capsys: Capture, stopped: Stopped) -> None:
    add(capsys, stopped, "-device", "nonsense")
    tags = stopped.tags()
    status, out, err = run(capsys, "start", "lab", "-s", "clean", "--yes")
    assert status == 1
    assert out.startswith("Failed, and all is as it was before: start from 'clean' (id 1)\n")
    assert "'nonsense' is not a valid device model name" in err
    assert err.count("\n") == 1
    assert stopped.tags() == tags


@pytest.mark.qemu
def test_a_profile_is_a_target(capsys: Capture, stopped: Stopped) -> None:
    add(capsys, stopped, "-drive", "if=none,media=cdrom,id=cd")
    status, out, err = run(capsys, "restore", "profile:lab", "clean", "--yes")
    assert (status, err) == (0, "")
    assert stopped.now() == stopped.disks
    assert out.splitlines()[-1].startswith("  To undo it: vmsnap restore profile:lab tag:before-restore-of-clean-")
