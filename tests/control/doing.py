"""Planning and carrying out in one call, and images whose snapshots hold known bytes."""

from __future__ import annotations

import asyncio
import resource
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from tests.image.tools import MIB, converted, create, opened, take, write
from vmsnap_gui.control import planning
from vmsnap_gui.control.executing import execute
from vmsnap_gui.control.survey import survey_files
from vmsnap_gui.control.terms import Choice, Ending, Hindrance, Options

if TYPE_CHECKING:
    from collections.abc import Coroutine, Iterator
    from pathlib import Path

    from vmsnap_gui.control.plan import Outcome, Plan
    from vmsnap_gui.control.work import Observer


def wait_for(work: Coroutine[Any, Any, Any]) -> Any:  # noqa: ANN401 (whatever it returns)
    """Run a coroutine to its end."""
    return asyncio.run(work)


def plan_take(*paths: Path, tag: str, choices: set[Choice] | None = None) -> Plan:
    options = Options(choices=frozenset(choices or ()))
    made: Plan = wait_for(planning.plan_take(survey_files(paths), tag, options))
    return made


def plan_restore(*paths: Path, which: str, safety: bool = True, choices: set[Choice] | None = None) -> Plan:
    options = Options(safety=safety, choices=frozenset(choices or ()))
    made: Plan = wait_for(planning.plan_restore(survey_files(paths), which, options))
    return made


def plan_delete(*paths: Path, which: list[str]) -> Plan:
    made: Plan = wait_for(planning.plan_delete(survey_files(paths), which))
    return made


def plan_repair(*paths: Path, choices: set[Choice] | None = None) -> Plan:
    made: Plan = wait_for(planning.plan_repair(survey_files(paths), Options(choices=frozenset(choices or ()))))
    return made


def carry_out(plan: Plan, observer: Observer | None = None) -> Outcome:
    """Carry out a plan that nothing blocks."""
    assert not plan.blockers, plan.as_json()
    outcome: Outcome = wait_for(execute(plan, observer))
    return outcome


def succeed(plan: Plan, observer: Observer | None = None) -> Outcome:
    """Carry out a plan to its end."""
    outcome = carry_out(plan, observer)
    assert outcome.ending is Ending.DONE, outcome.as_json()
    assert not any(disk.quarantined or disk.finish for disk in outcome.disks)
    return outcome


def hindrances(plan: Plan) -> list[Hindrance]:
    """Return what blocks a plan; one that is blocked has no steps."""
    assert bool(plan.steps) != bool(plan.blockers)
    assert plan.ready == (not plan.blockers)
    return [blocker.kind for blocker in plan.blockers]


def layered(path: Path, *tags: str, size: int = 4 * MIB) -> Path:
    """Create an image: the first snapshot's disk begins with a MiB of byte 1, the second's of byte 2, and so on."""
    create(path, size)
    for number, tag in enumerate(tags, 1):
        write(path, f"write -q -P {number} 0 1M")
        take(path, tag)
    write(path, f"write -q -P {len(tags) + 1} 0 1M")
    return path


def first_byte(path: Path, snapshot_id: str | None = None) -> int:
    """Return the first byte of the disk, as qemu-img reads it."""
    return converted(path, snapshot_id)[0]


def table(path: Path) -> list[tuple[str | None, str | None, int]]:
    """Return id, tag and first byte of each snapshot."""
    image = opened(path)
    found = [(one.id, one.tag, first_byte(path, one.id)) for one in image.snapshots]
    image.close()
    return found


def contents(path: Path) -> dict[str | None, bytes]:
    """Return all of the disk (None) and of each snapshot by id, as qemu-img reads them."""
    image = opened(path)
    found = {one: converted(path, one) for one in (None, *(snapshot.id for snapshot in image.snapshots))}
    image.close()
    return found


@contextmanager
def bytes_per_file(limit: int) -> Iterator[None]:
    """Let no file grow beyond a limit, here and in programs started here: a write beyond it fails."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def run_python(code: str, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Run Python code in a process of its own, which may not survive it."""
    words = [sys.executable, "-c", code, *(str(one) for one in arguments)]
    return subprocess.run(words, capture_output=True, text=True, check=False)
