"""What an operation has come to on each disk, in words: by comparing what was there before with what is there now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.control import qemu_img
from vmsnap_gui.control.fingerprint import Fingerprints, id_of, name_of
from vmsnap_gui.control.finishing import commands_left, repair_command
from vmsnap_gui.control.plan import DiskResult
from vmsnap_gui.control.terms import Ending, Reach, StepKind, Verb

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from vmsnap_gui.control.quarantine import Quarantine
    from vmsnap_gui.control.work import Run


def disk_results(
    run: Run, now: Mapping[Path, Fingerprints | None], held: Mapping[Path, Quarantine | None], ending: Ending
) -> tuple[DiskResult, ...]:
    """Tell each disk's state.

    Args:
        run: The operation.
        now: What the images hold now; None for one that cannot be read.
        held: Why an image is in quarantine; None for one that is not.
        ending: How it ended.
    """
    results = []
    runs = run.plan.machine.reach is not Reach.FILES or run.pid is not None
    for path, before in run.before.items():
        found, why = now[path], held[path]
        wanted = _wanted(run, path) if ending in (Ending.DONE, Ending.STUCK) else None
        text = "it cannot be read" if found is None else describe_change(before, found, wanted, runs=runs)
        text = "; ".join([*([run.told[path]] if path in run.told else []), text])
        if why is not None:
            text = f"{text}; in quarantine: {why.why}"
        if why is not None and run.plan.verb is Verb.REPAIR:
            finish, rescue = [], _rescue(why)
        else:
            finish, rescue = [repair_command(path)] if why is not None else [], ()
            finish += commands_left(run, path, found) if ending is Ending.STUCK else []
        quarantined = why is not None
        results.append(DiskResult(path=path, text=text, quarantined=quarantined, finish=tuple(finish), rescue=rescue))
    return tuple(results)


def _rescue(held: Quarantine) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return what can be done with an image that a repair has left in quarantine; to repair it again would not help."""
    accept = ("vmsnap", "check", str(held.path), "--repair", "--accept")
    if held.whole:
        return (("to release it as it is", accept),)
    return (
        ("what can be read of its disk is copied by", qemu_img.rescue_command(held.path)),
        ("the disk of a snapshot by", qemu_img.rescue_command(held.path, "ID")),
        ("a copy that was put in its place is released by", accept),
    )


def describe_change(before: Fingerprints, now: Fingerprints, wanted: str | None = None, *, runs: bool = False) -> str:
    """Tell what became of an image, in a sentence.

    Args:
        before: What it held.
        now: What it holds.
        wanted: The id of the snapshot that the disk was to be returned to; of several that hold the same, it is named.
        runs: A machine is writing to the disk, so that it changes by itself.
    """
    parts = [f"{name_of(key)} was taken" for key in now.snapshots if key not in before.snapshots]
    parts += [f"{name_of(key)} was deleted" for key in before.snapshots if key not in now.snapshots]
    changed = [key for key, found in before.snapshots.items() if now.snapshots.get(key, found) != found]
    parts += [f"{name_of(key)} was changed" for key in changed]
    equal = [key for key, found in now.snapshots.items() if found.disk == now.active.disk]
    chosen = next((key for key in equal if id_of(key) == wanted), None)
    if runs:
        return ", ".join(parts) or "no snapshot was changed"
    if now.active != before.active or chosen is not None:
        chosen = chosen or next(iter(equal), None)
        parts.append(f"the disk is as in {name_of(chosen)}" if chosen is not None else "the disk was changed")
    return ", ".join(parts) or "as before"


def _wanted(run: Run, path: Path) -> str | None:
    """Return the id that the plan restores on a disk."""
    restores = (step for step in run.plan.steps if step.kind in (StepKind.RESTORE, StepKind.LIVE_RESTORE))
    return next((target.id for step in restores for target in step.targets if target.path == path), None)
