"""A QEMU that is killed, stopped, or whose monitor is cut off in the middle: the wait ends, and the truth is told."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from tests.control.live_machines import live
from tests.control.proxy import Proxy
from vmsnap_gui.control import live as live_steps
from vmsnap_gui.control import planning, qmp
from vmsnap_gui.control.executing import execute
from vmsnap_gui.control.qmp import QMP, Busy
from vmsnap_gui.control.quarantine import quarantine_of
from vmsnap_gui.control.survey_live import survey_qmp
from vmsnap_gui.control.terms import Ending

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.qemu


class At:
    """An observer that does something once, at the first sign of a step's work."""

    def __init__(self, what: Callable[[], object]) -> None:
        self._what: Callable[[], object] | None = what

    def step(self, step: Any, number: int, count: int) -> None:  # noqa: ANN401 (a Step)
        """See Observer."""

    def written(self, done: int, expected: int | None) -> None:
        if self._what is not None:
            what, self._what = self._what, None
            what()


@pytest.mark.verify
def test_a_socket_that_closes_or_stops_answering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qmp, "PATIENCE", 1.0)
    monkeypatch.setattr(qmp, "BEAT", 0.1)
    monkeypatch.setattr(live_steps, "_ENDING", 0.5)
    with live(tmp_path) as machine:
        machine.done(machine.plan_take("one"))
        for number, fault in enumerate((Proxy.close, Proxy.stall)):
            with Proxy(tmp_path / f"proxy{number}", tmp_path / "qmp") as proxy:
                there = asyncio.run(survey_qmp(f"qmp:{proxy.path}"))
                plan = asyncio.run(planning.plan_take(there, f"lost{number}"))
                outcome = asyncio.run(execute(plan, At(lambda proxy=proxy, fault=fault: fault(proxy))))
                assert outcome.error is not None
                words = ("the connection to QEMU was lost", "QEMU has given no sign of life for 1 seconds")[number]
                left = f"QEMU (process {machine.vm.pid}) is still there, and may still be writing"
                assert outcome.error == f"{words}; {left}"
                assert outcome.disks[0].quarantined
        os.kill(machine.vm.pid, signal.SIGSTOP)

        async def ask() -> None:
            async with await QMP.connect(machine.address) as session:
                await session.execute("query-status")

        with pytest.raises(Busy):
            asyncio.run(ask())
        os.kill(machine.vm.pid, signal.SIGCONT)
        free = False
        while not free:  # it serves those first who gave up meanwhile
            with contextlib.suppress(Busy):
                asyncio.run(ask())
                free = True


@pytest.mark.verify
def test_a_machine_that_is_stopped_while_it_saves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qmp, "PATIENCE", 1.0)
    monkeypatch.setattr(qmp, "BEAT", 0.1)
    with live(tmp_path) as machine:
        plan = machine.plan_take("one")
        outcome = asyncio.run(execute(plan, At(lambda: os.kill(machine.vm.pid, signal.SIGSTOP))))
        os.kill(machine.vm.pid, signal.SIGCONT)
        assert outcome.error is not None
        assert outcome.error.startswith("QEMU has given no sign of life for 1 seconds; QEMU (process ")
        assert outcome.error.endswith("is still there, and may still be writing")
        assert outcome.disks[0].quarantined
        assert quarantine_of(machine.paths["disk0"]) is not None
        machine.done(machine.plan_take("two"))  # QEMU tells that it is done, so there is nothing to doubt any more
        assert quarantine_of(machine.paths["disk0"]) is None
        tags = [tag for _, tag in machine.snapshots()["disk0"]]
        assert tags in (["two"], ["one", "two"])  # QEMU drops a command whose sender is gone, unless it has begun


def test_a_machine_that_is_killed_while_it_saves(tmp_path: Path) -> None:
    with live(tmp_path, 2) as machine:
        machine.done(machine.plan_take("one"))
        before = {node: machine.everything(node) for node in machine.paths}
        plan = machine.plan_take("two")
        outcome = asyncio.run(execute(plan, At(lambda: os.kill(machine.vm.pid, signal.SIGKILL))))
        assert outcome.error == f"QEMU (process {plan.machine.pid}) has ended in the middle of it"
        assert outcome.ending in (Ending.FAILED, Ending.STUCK)
        for disk in outcome.disks:
            assert disk.quarantined == (quarantine_of(disk.path) is not None)
        for node, snapshots in before.items():
            assert machine.everything(node).items() >= snapshots.items()
