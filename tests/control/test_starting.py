"""Starting machines by their profiles: real QEMU, straight from a snapshot, and what comes of it when that fails."""

from __future__ import annotations

import asyncio
import os
import select
import signal
import socket
import subprocess
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from tests.control.live_machines import RAM
from tests.control.stopped import Stopped, ending, make_stopped
from tests.image.tools import MIB, converted, create, info, run, take
from tests.machines import Machine
from vmsnap_gui.control import live
from vmsnap_gui.control.executing import execute
from vmsnap_gui.control.launch_files import log_file
from vmsnap_gui.control.planning_start import plan_start
from vmsnap_gui.control.qmp import QMP
from vmsnap_gui.control.quarantine import quarantine_of
from vmsnap_gui.control.terms import Choice, Ending, Hindrance, Options, StepKind

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.control.plan import Outcome, Plan
    from vmsnap_gui.control.profile import LaunchProfile

pytestmark = pytest.mark.qemu


@pytest.fixture(autouse=True)
def _own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    (tmp_path / "run").mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path / "run"))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Stopped:
    return make_stopped(tmp_path_factory.mktemp("made"))


@pytest.fixture
def stopped(made: Stopped, tmp_path: Path) -> Stopped:
    return made.copied(tmp_path)


def planned(profile: LaunchProfile, selector: str | None = "clean", **options: Any) -> Plan:  # noqa: ANN401
    return asyncio.run(plan_start(profile, selector, Options(**options)))


def carry_out(plan: Plan) -> Outcome:
    assert not plan.blockers, plan.as_json()
    return asyncio.run(execute(plan))


def memory_of(outcome: Outcome, folder: Path) -> bytes:
    """Return the memory of a machine that was started, which is stopped for that."""
    file = folder / "memory"

    async def ask() -> None:
        async with await QMP.connect(outcome.address or "") as qmp:
            await qmp.execute("stop")
            await qmp.execute("pmemsave", {"val": 0, "size": RAM, "filename": str(file)})

    asyncio.run(ask())
    return file.read_bytes()


def test_from_a_snapshot_whose_vm_state_is_not_on_qemus_first_choice(stopped: Stopped, tmp_path: Path) -> None:
    refused = subprocess.run(
        [*stopped.profile.arguments, "-loadvm", "clean"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 1, "plain -loadvm does it now, too"
    before = stopped.now()
    plan = planned(stopped.profile)
    assert [step.kind.value for step in plan.steps] == ["check", "check", "take", "take", "start"]
    assert [target.path for target in plan.steps[-1].targets] == list(reversed(stopped.paths))
    assert plan.losses == ()
    outcome = carry_out(plan)
    assert (outcome.ending, outcome.status, outcome.error) == (Ending.DONE, "running", None)
    with ending(outcome.pid, outcome.address):
        assert memory_of(outcome, tmp_path) == stopped.memory
        assert stopped.now() == stopped.disks
        assert os.getsid(outcome.pid or 0) == outcome.pid
        assert outcome.pid is not None
        words = (tmp_path.joinpath("/proc", str(outcome.pid), "cmdline")).read_text().split("\0")[:-1]
        assert tuple(words) == plan.steps[-1].command
        socket = tmp_path / "run" / "vmsnap"
        assert socket.stat().st_mode & 0o777 == 0o700
        assert len(list(socket.iterdir())) == 1
    assert list(socket.iterdir()) == []
    for path, content in zip(stopped.paths, before, strict=True):
        safety = next(one for one in info(path)["snapshots"] if one["name"] == plan.safety)
        assert converted(path, safety["id"]) == content
        assert quarantine_of(path) is None


def test_the_sockets_of_machines_that_are_gone_are_taken_away(stopped: Stopped, tmp_path: Path) -> None:
    folder = tmp_path / "run" / "vmsnap"
    killed = carry_out(planned(stopped.profile, None))
    assert killed.pid is not None
    watch = os.pidfd_open(killed.pid)
    os.kill(killed.pid, signal.SIGKILL)
    ended = select.poll()
    ended.register(watch, select.POLLIN)
    assert ended.poll(60_000)
    os.close(watch)
    (left,) = folder.iterdir()
    assert killed.address == f"qmp:{left}"
    kept = folder / "no-socket.qmp"
    kept.write_text("not ours")
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(folder / "other.qmp"))
        other.listen()
        outcome = carry_out(planned(stopped.profile, None))
        with ending(outcome.pid, outcome.address):
            mine = (outcome.address or "").removeprefix("qmp:")
            assert {str(one) for one in folder.iterdir()} == {mine, str(kept), str(folder / "other.qmp")}


def test_a_profile_with_words_that_are_in_the_way(stopped: Stopped, tmp_path: Path) -> None:
    own = f"unix:{tmp_path / 'own.sock'},server=on"
    words = (*stopped.profile.arguments, "-daemonize", "-S", "-loadvm", "clean", "-qmp", own, "-serial", "stdio")
    profile = replace(stopped.profile, arguments=words).confirm()
    plan = planned(profile, safety=False)
    assert len(plan.warnings) == 4
    assert [note.split(" goes into ")[0] for note in plan.notes] == ["What QEMU says"]
    assert plan.losses == ("What is on data.qcow2 now.", "What is on boot,1.qcow2 now.")
    outcome = carry_out(plan)
    with ending(outcome.pid, outcome.address):
        assert outcome.status == "running"
        assert stopped.tags() == [["clean"], ["clean"]]

        async def ask() -> str:
            async with await QMP.connect(f"qmp:{tmp_path / 'own.sock'}") as qmp:
                status: str = (await qmp.execute("query-status"))["status"]
                return status

        assert asyncio.run(ask()) == "running"


def test_without_a_snapshot_the_guest_boots(stopped: Stopped) -> None:
    before = [path.read_bytes() for path in stopped.paths]
    words = (*stopped.profile.arguments, "-snapshot")
    plan = planned(replace(stopped.profile, arguments=words).confirm(), None)
    assert plan.warnings[0] == "-snapshot: nothing that the guest writes is kept when it ends"
    assert [step.kind.value for step in plan.steps] == ["start"]
    outcome = carry_out(plan)
    with ending(outcome.pid, outcome.address):
        assert (outcome.ending, outcome.status) == (Ending.DONE, "running")
    assert [path.read_bytes() for path in stopped.paths] == before
    outcome = carry_out(planned(stopped.profile, None))
    with ending(outcome.pid, outcome.address):
        assert (outcome.ending, outcome.status) == (Ending.DONE, "running")
        assert [disk.text for disk in outcome.disks] == ["no snapshot was changed"] * 2


def test_a_state_that_does_not_fit_the_machine(stopped: Stopped) -> None:
    words = [word if word != str(RAM // MIB) else str(2 * RAM // MIB) for word in stopped.profile.arguments]
    profile = replace(stopped.profile, arguments=tuple(words)).confirm()
    before = stopped.now()
    outcome = carry_out(planned(profile))
    assert outcome.ending is Ending.ROLLED_BACK
    assert outcome.error is not None
    assert "Size mismatch" in outcome.details or "Size mismatch" in outcome.error
    assert outcome.pid is None
    assert stopped.now() == before
    assert stopped.tags() == [["clean"], ["clean"]]
    for path in stopped.paths:
        assert quarantine_of(path) is None
        run("qemu-img", "check", "-q", path)


def test_it_may_be_left_paused_then(stopped: Stopped) -> None:
    words = [word if word != str(RAM // MIB) else str(2 * RAM // MIB) for word in stopped.profile.arguments]
    profile = replace(stopped.profile, arguments=tuple(words)).confirm()
    before = stopped.now()
    outcome = carry_out(planned(profile, keep_paused=True))
    assert (outcome.ending, outcome.status) == (Ending.STUCK, "paused")
    with ending(outcome.pid, outcome.address):
        assert not any(disk.quarantined for disk in outcome.disks)
        boot, data = (next(disk for disk in outcome.disks if disk.path == path) for path in stopped.paths)
        assert [command[1] for command in boot.finish] == ["restore", "delete"]
        assert [command[1] for command in data.finish] == ["delete"]  # nothing was written to it since 'clean'
    for path, content in zip(stopped.paths, before, strict=True):
        (safety,) = [one for one in info(path)["snapshots"] if one["name"] != "clean"]
        assert converted(path, safety["id"]) == content


def test_a_failure_after_it_was_let_go_on(stopped: Stopped, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "ANNOUNCE", {**live.ANNOUNCE, "initial": "soon"})  # QEMU refuses that, after `cont`
    before = stopped.now()
    outcome = carry_out(planned(stopped.profile))
    assert (outcome.ending, outcome.status, outcome.pid) == (Ending.ROLLED_BACK, None, None)
    assert "initial" in (outcome.error or "")
    assert stopped.now() == before
    plan = planned(stopped.profile, keep_paused=True)
    outcome = carry_out(plan)
    with ending(outcome.pid, outcome.address):
        assert (outcome.ending, outcome.status) == (Ending.STUCK, "running")
        assert f"it is in use by qemu-system-x86 (process {outcome.pid})" in outcome.details
        assert not any(disk.quarantined for disk in outcome.disks)
        assert stopped.tags() == [["clean", plan.safety]] * 2


@pytest.mark.parametrize(
    ("more", "reason"),
    [(("-device", "nonsense"), "'nonsense' is not a valid device model name"), (("-help",), "ended")],
)
def test_qemu_that_ends_at_once(stopped: Stopped, more: tuple[str, ...], reason: str) -> None:
    profile = replace(stopped.profile, arguments=(*stopped.profile.arguments, *more)).confirm()
    for safety, ends in ((True, Ending.ROLLED_BACK), (False, Ending.FAILED)):
        outcome = carry_out(planned(profile, safety=safety))
        assert outcome.ending is ends
        assert outcome.error is not None
        assert outcome.error.startswith("QEMU ended at once: ")
        assert reason in outcome.error
        assert [disk.text for disk in outcome.disks] == ["as before", "as before"]
        assert log_file(profile).read_text().strip() == outcome.details
        assert stopped.tags() == [["clean"], ["clean"]]


def test_it_must_be_confirmed(stopped: Stopped) -> None:
    changed = replace(stopped.profile, environment=(("A", "1"),))
    outcome = carry_out(planned(changed))
    assert outcome.ending is Ending.ROLLED_BACK
    assert outcome.error == "this launch profile has not been confirmed since it was changed"
    assert stopped.tags() == [["clean"], ["clean"]]


def blocked(profile: LaunchProfile, selector: str | None = "clean", **options: Any) -> set[Hindrance]:  # noqa: ANN401
    plan = planned(profile, selector, **options)
    assert not plan.steps
    return {one.kind for one in plan.blockers}


def test_what_blocks(stopped: Stopped, tmp_path: Path) -> None:
    profile = stopped.profile
    words = profile.arguments
    assert blocked(profile, "nope") == {Hindrance.MISSING}
    assert blocked(replace(profile, directory=tmp_path / "gone")) >= {Hindrance.PROFILE}
    assert blocked(replace(profile, arguments=("qemu-system-none", *words[1:]))) == {Hindrance.PROFILE}
    assert blocked(replace(profile, arguments=(*words, "-netdev", "tap,id=n,fd=5"))) == {Hindrance.PROFILE}
    assert blocked(replace(profile, arguments=(*words, "-snapshot"))) >= {Hindrance.NO_DISK}
    third = create(tmp_path / "third.qcow2", MIB)
    more = replace(profile, arguments=(*words, "-hdd", "third.qcow2")).confirm()
    assert blocked(more) == {Hindrance.MISSING}
    with Machine(["-nodefaults", "-drive", f"file={third},if=none,format=qcow2"]):  # it would be written to, too
        assert blocked(more, choices=frozenset({Choice.LEAVE_OUT})) == {Hindrance.IN_USE}
    plan = planned(more, choices=frozenset({Choice.LEAVE_OUT}))
    assert {target.path for step in plan.steps if step.kind is StepKind.CHECK for target in step.targets} == {
        *stopped.paths,
        third,
    }
    take(third, "clean")
    take(stopped.paths[0], "1")
    assert blocked(more, "tag:1") >= {Hindrance.EMPTY_STATE}
    with Machine(["-nodefaults", "-drive", f"file={third},if=none,format=qcow2"]):
        assert blocked(more) == {Hindrance.IN_USE}
        assert blocked(more, None) == {Hindrance.IN_USE}


def test_a_tag_that_qemu_would_take_for_another(stopped: Stopped) -> None:
    take(stopped.paths[0], "clean")
    assert blocked(stopped.profile, "id:1") >= {Hindrance.AMBIGUOUS}
