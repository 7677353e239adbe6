"""The steps that qemu-img and qemu-storage-daemon do on images that nobody uses."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from vmsnap_gui.control import qemu_img, storage_daemon
from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.fingerprint import Fingerprints, fingerprints, id_of, name_of, tag_of
from vmsnap_gui.control.finishing import fresh, lost
from vmsnap_gui.control.journal_entry import Mark
from vmsnap_gui.control.quarantine import UNPROVED, changed_from, examine, expect_writing, release, touched
from vmsnap_gui.control.terms import StepKind
from vmsnap_gui.control.tools import write_with
from vmsnap_gui.control.work import Run, Worker

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.control.plan import Step, Target
    from vmsnap_gui.control.tools import Ended


async def _take(step: Step, run: Run) -> None:
    (target,) = step.targets
    before = fingerprints(target.path)
    await _tool(step.command, target.path, run)
    now = fingerprints(target.path)
    taken = fresh(before, now)
    if len(taken) != 1 or tag_of(taken[0]) != target.tag or now.snapshots[taken[0]].disk != before.active.disk:
        raise ControlError(f"{target.tag!r} is not in the image as it should be", path=target.path)
    _require_kept(target.path, before, now, active=True)


async def _untake(step: Step, run: Run) -> None:
    (target,) = step.targets
    before, now = run.before[target.path], fingerprints(target.path)
    if lost(before, now, target.tag):
        _refuse(run, target.path, f"the {target.tag!r} that was there before is gone, so the new one stays")
    for key in fresh(before, now, target.tag):
        await _delete_one(target.path, key, run)


async def _restore(step: Step, run: Run) -> None:
    (target,) = step.targets
    await _return(target.path, _planned(target, run), run)


def _planned(target: Target, run: Run) -> str:
    """Return the key of the snapshot that a plan means: what has its id by now may be another one."""
    keys = [key for key in run.before[target.path].snapshots if (id_of(key), tag_of(key)) == (target.id, target.tag)]
    if len(keys) != 1:
        _refuse(run, target.path, f"there is no snapshot {target.tag!r} with the id {target.id!r}")
    return keys[0]


def _require_there(path: Path, key: str, now: Fingerprints, run: Run) -> None:
    """Raise ControlError unless the snapshot of that id is the one that is meant, of its tag and its moment."""
    if [one for one in now.snapshots if id_of(one) == id_of(key)] != [key]:
        _refuse(run, path, f"{name_of(key)} is not there any more")


def _refuse(run: Run, path: Path, why: str) -> NoReturn:
    """Raise ControlError before anything is written to an image, so that nothing is in doubt."""
    run.operation.done([path])
    raise ControlError(why, path=path)


async def _unrestore(step: Step, run: Run) -> None:
    (target,) = step.targets
    now = fingerprints(target.path)
    before = run.before[target.path]
    if now.active == before.active:
        return
    safety = [key for key in fresh(before, now) if now.snapshots[key].disk == before.active.disk]
    if not safety:
        _refuse(run, target.path, "its safety snapshot is gone")
    await _return(target.path, safety[0], run)


async def _return(path: Path, key: str, run: Run) -> None:
    """Return a disk to a snapshot, and see that it holds what the snapshot held."""
    before = fingerprints(path)
    _require_there(path, key, before, run)
    await _tool(qemu_img.restore(path, id_of(key)), path, run)
    now = fingerprints(path)
    if now.active.disk != before.snapshots[key].disk:
        raise ControlError("the disk does not hold what the snapshot holds", path=path)
    _require_kept(path, before, now, active=False)


async def _delete(step: Step, run: Run) -> None:
    (target,) = step.targets
    await _delete_one(target.path, _planned(target, run), run)


async def _delete_one(path: Path, key: str, run: Run) -> None:
    """Delete one snapshot by its id and tag, and see that it is gone and nothing else is."""
    before = fingerprints(path)
    _require_there(path, key, before, run)
    conversation = storage_daemon.conversation(id_of(key), tag_of(key))
    ended = await write_with(run, storage_daemon.command(path), conversation)
    run.said.append(ended.said)
    _require_begun(ended, path, run)
    storage_daemon.require_success(ended, path)
    now = fingerprints(path)
    if key in now.snapshots:
        raise ControlError(f"{name_of(key)} is still there", path=path)
    rest = Fingerprints(before.active, {one: found for one, found in before.snapshots.items() if one != key})
    _require_kept(path, rest, now, active=True)


async def _check(step: Step, run: Run) -> None:
    """Check images; leaks waste space and harm nothing, so they stop nothing."""
    for target in step.targets:
        found = await qemu_img.check(target.path)
        if found.errors:
            image = run.operation.image(target.path)
            if image is not None and image.mark is not Mark.WAITING:
                run.operation.doubt([target.path])
            raise ControlError(
                f"qemu-img check finds {found}: check and repair it first", path=target.path, details=found.said
            )


async def _repair(step: Step, run: Run) -> None:
    (target,) = step.targets
    expect_writing(target.path)
    ended = await write_with(run, step.command)
    run.said.append(ended.said)
    found = qemu_img.report(ended, target.path)
    run.told[target.path] = _repaired(found)
    again = (await examine(target.path)).text
    if again:
        raise ControlError(f"it could not be repaired: {again}", path=target.path)
    image = run.operation.image(target.path)
    changed = changed_from(target.path, image.kept if image is not None else {})
    if changed:
        raise ControlError(f"{', '.join(changed)} no longer read as before", path=target.path)
    if touched(target.path):
        raise ControlError(UNPROVED, path=target.path)


async def _release(step: Step, run: Run) -> None:
    for target in step.targets:
        release(target.path)
        run.told[target.path] = "released as it is"


def _repaired(check: qemu_img.Check) -> str:
    parts = [
        qemu_img.count(number, what)
        for number, what in ((check.errors_fixed, "error"), (check.leaks_fixed, "leaked cluster"))
        if number
    ]
    return f"{' and '.join(parts)} repaired" if parts else "nothing to repair"


async def _tool(command: tuple[str, ...], path: Path, run: Run) -> None:
    ended = await write_with(run, command)
    run.said.append(ended.said)
    _require_begun(ended, path, run)
    if ended.code:
        raise ended.failure(path)


def _require_begun(ended: Ended, path: Path, run: Run) -> None:
    """Raise ControlError for a tool that found the image locked: it wrote nothing, so nothing is in doubt."""
    if ended.code > 0 and "Failed to get" in ended.said and "lock" in ended.said:
        run.operation.done([path])
        raise ended.failure(path)


def _require_kept(path: Path, before: Fingerprints, now: Fingerprints, *, active: bool) -> None:
    """Raise ControlError unless all snapshots that were there read as before, and the disk too if `active`."""
    changed = [name_of(key) for key, found in before.snapshots.items() if now.snapshots.get(key) != found]
    if active and now.active != before.active:
        changed.append("the disk")
    if changed:
        raise ControlError(f"{', '.join(changed)} no longer read as before", path=path)


WORKERS = {
    StepKind.TAKE: Worker(_take, _untake),
    StepKind.RESTORE: Worker(_restore, _unrestore),
    StepKind.DELETE: Worker(_delete),
    StepKind.CHECK: Worker(_check, writes=False),
    StepKind.REPAIR: Worker(_repair),
    StepKind.RELEASE: Worker(_release, writes=False),
}
"""How each offline step is done."""
