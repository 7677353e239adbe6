"""A live take in the window, in a process of its own: prints JSON with what was seen of it.

Usage: python -m tests.bench.live_child PID TAG: the process of a running QEMU with a QMP socket.
The JSON has the milliseconds of each phase, "seconds" from the confirmation to the end, and how many different values
the list of jobs showed meanwhile: "times" and "bytes".
"""

from __future__ import annotations

import json
import sys
import time
from typing import TYPE_CHECKING

import vmsnap_gui.app  # as the console script does: PySide6 slows down the imports after it

# isort: split
from tests.bench.walk import Walk
from vmsnap_gui.models.jobs import Column
from vmsnap_gui.views.plan_dialog import TakeDialog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmsnap_gui.app import Parts
    from vmsnap_gui.control.plan import Outcome
    from vmsnap_gui.vms import Vm


class Take(Walk):
    """Select a running machine, ask for a snapshot, confirm it, and watch it being taken."""

    def __init__(self, parts: Parts, pid: int, tag: str) -> None:
        self._pid, self._tag = pid, tag
        self._shown: dict[Column, set[str]] = {Column.ELAPSED: set(), Column.DONE: set()}
        self._outcome: Outcome | None = None
        self._seconds = 0.0
        super().__init__(parts)

    def _machine(self) -> Vm | None:
        return next((vm for vm in self._parts.session.machines.vms.running if vm.machine.pid == self._pid), None)

    def _dialog(self) -> TakeDialog:
        (found,) = self._parts.window.findChildren(TakeDialog)
        return found

    def _walk(self) -> Iterator[Callable[[], bool]]:
        window, session = self._parts.window, self._parts.session
        yield lambda: self._machine() is not None and self._is_calm()
        vm = self._machine()
        assert vm is not None
        self._measure("selecting the machine")
        session.select_image(vm.main_image)
        yield self._is_calm
        self._measure("the jobs' list")
        window.verbs.show_jobs.trigger()
        window.jobs_panel.model.dataChanged.connect(self._watch)
        yield self._is_calm
        self._measure("the dialog and its plan")
        window.desk.actions.take.trigger()
        self._dialog().tag.setText(self._tag)
        yield lambda: not self._dialog().is_waiting() and self._is_calm()
        assert self._dialog().shown_plan() is not None, (self._dialog().draft.plan, self._dialog().draft.failure)
        window.desk.session.ended.connect(self._ended)
        self._measure("the save")
        began = time.monotonic()
        self._dialog().confirm.click()
        yield lambda: self._outcome is not None
        self._seconds = time.monotonic() - began
        self._measure("showing what was saved")
        yield self._is_calm

    def _watch(self) -> None:
        """Note what the list of jobs shows of the one that writes."""
        model = self._parts.window.jobs_panel.model
        for row in range(model.rowCount()):
            job = model.job(model.index(row, 0))
            if job is not None and job.writes:
                for column, texts in self._shown.items():
                    texts.add(str(model.index(row, column).data()))

    def _ended(self, outcome: Outcome) -> None:
        assert outcome.error is None, outcome
        self._outcome = outcome

    def _over(self) -> None:
        moved = {"times": len(self._shown[Column.ELAPSED]), "bytes": len(self._shown[Column.DONE])}
        print(json.dumps({**self._found, **moved, "seconds": self._seconds}))


def main() -> int:
    """Take a snapshot of what the command line names."""
    pid, tag = sys.argv[1:]
    return vmsnap_gui.app.main([], shown=lambda parts: Take(parts, int(pid), tag))


if __name__ == "__main__":
    sys.exit(main())
