"""What is left to be done by hand where an operation got stuck: by what the images hold now, not by what was tried."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.control.fingerprint import Fingerprints, id_of, tag_of
from vmsnap_gui.control.terms import DELETES, TAKES, StepKind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vmsnap_gui.control.plan import Command, Step, Target
    from vmsnap_gui.control.work import Run

_RETURNS = (StepKind.RESTORE, StepKind.LIVE_RESTORE, StepKind.START)
_CHANGES = (*TAKES, *DELETES, *_RETURNS)


def repair_command(path: Path) -> Command:
    """Return the command that leads an image out of quarantine."""
    return ("vmsnap", "check", str(path), "--repair")


def commands_left(run: Run, path: Path, now: Fingerprints | None) -> Iterator[Command]:
    """Return what finishes an image's part of a stuck operation, in order.

    What cannot be taken back is to be gone on with (`Run.onward`): the steps that are left, from the failed one on.
    Else what was done is to be taken back, the last first.

    Args:
        run: The operation.
        path: The image.
        now: What it holds; None where it cannot be read, so that nobody knows which steps it has behind it.
    """
    steps = run.plan.steps
    failed = steps.index(run.failed) if run.failed is not None else len(steps)
    chosen = steps[failed:] if run.onward else reversed(steps[: failed + 1])
    parts = [(step, target) for step in chosen for target in step.targets if target.path == path]
    for step, target in parts:
        if run.onward:
            if step.kind in _CHANGES and (now is None or not _is_done(run, step, target, now)):
                yield _start_again(run, target) if step.kind is StepKind.START else step.command
        elif step.undone_by is not None and (now is None or not _is_undone(run, step, target, now)):
            yield _undoing(run, step, target, now)


def fresh(before: Fingerprints, now: Fingerprints, tag: str | None = None) -> list[str]:
    """Return the keys of the snapshots that were not there before; of one tag, if it is given."""
    return [key for key in now.snapshots if key not in before.snapshots and tag in (None, tag_of(key))]


def lost(before: Fingerprints, now: Fingerprints, tag: str | None = None) -> list[str]:
    """Return the keys of the snapshots that are gone; of one tag, if it is given."""
    return fresh(now, before, tag)


def _is_done(run: Run, step: Step, target: Target, now: Fingerprints) -> bool:
    """Whether an image holds already what a step is for, or no longer holds what it would be done with."""
    before = run.before[target.path]
    if step.kind in TAKES:
        return bool(fresh(before, now, target.tag))
    if any(id_of(key) == target.id for key in lost(before, now, target.tag)):
        return True
    wanted = (one.disk for key, one in before.snapshots.items() if id_of(key) == target.id)
    return step.kind is StepKind.RESTORE and now.active.disk in wanted


def _is_undone(run: Run, step: Step, target: Target, now: Fingerprints) -> bool:
    """Whether nothing of a step is in an image, or nothing of it may be taken back."""
    before = run.before[target.path]
    if step.kind in TAKES:  # where it replaced a snapshot that is gone, it is the only one that is left
        return not fresh(before, now, target.tag) or bool(lost(before, now, target.tag))
    return not run.torn if step.kind is StepKind.LIVE_RESTORE else now.active == before.active


def _undoing(run: Run, step: Step, target: Target, now: Fingerprints | None) -> Command:
    """Return the command that takes back an image's part in a step."""
    where = run.plan.machine.address or str(target.path)
    if step.kind in _RETURNS:
        flags = sorted(choice.flag for choice in run.plan.options.choices)
        return ("vmsnap", "restore", where, f"tag:{run.plan.safety}", "--no-safety", *flags)
    if step is run.failed:  # QEMU does not know what it has left behind
        where = str(target.path)
    same = [key for key in now.snapshots if tag_of(key) == target.tag] if now is not None else []
    keys = fresh(run.before[target.path], now, target.tag) if now is not None else []
    which = f"id:{id_of(keys[0])}" if len(same) > 1 and keys else f"tag:{target.tag}"
    return ("vmsnap", "delete", where, which)


def _start_again(run: Run, target: Target) -> Command:
    name = run.plan.profile.name if run.plan.profile is not None else run.plan.machine.name
    return ("vmsnap", "start", name, *([f"tag:{target.tag}"] if target.id is not None else []))
