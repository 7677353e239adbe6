"""Carrying out a plan: looked at again first, each step journalled and verified, a failure rolled back if it can be."""

from __future__ import annotations

import contextlib
import logging
from typing import TYPE_CHECKING

from vmsnap_gui.control import lineage, live, offline, starting
from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.fingerprint import Fingerprints, fingerprints
from vmsnap_gui.control.finishing import lost
from vmsnap_gui.control.journal import under_way
from vmsnap_gui.control.journal_entry import Operation
from vmsnap_gui.control.locks import use_of
from vmsnap_gui.control.outcomes import disk_results
from vmsnap_gui.control.plan import Outcome, Plan, Step
from vmsnap_gui.control.planning_common import stamp_of, table_digest
from vmsnap_gui.control.quarantine import judge, kept_by
from vmsnap_gui.control.terms import Ending, Reach, StepKind, Verb
from vmsnap_gui.control.work import Observer, Quiet, Run, Worker
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import Cancelled, ImageError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from pathlib import Path

_log = logging.getLogger(__name__)

WORKERS: dict[StepKind, Worker] = {**offline.WORKERS, **live.WORKERS, **starting.WORKERS}
"""Who does each kind of step."""


async def execute(plan: Plan, observer: Observer | None = None) -> Outcome:
    """Carry out a plan, as it is.

    A failure is part of the outcome, not an exception. When the task is cancelled, the tool that is at work goes on;
    its image is then in quarantine until it was looked at.

    Raises:
        ControlError: the plan is not ready, or the journal cannot be written; nothing was changed.
        Cancelled: the observer asked for it before the first write; nothing was changed.
    """
    if not plan.ready:
        raise ControlError("this plan cannot be carried out: something is in its way")
    try:
        before = {seen.path: fingerprints(seen.path) for seen in plan.seen}
        await _require_unchanged(plan)  # since it was planned, and so since that was read
    except (ControlError, ImageError) as error:
        why = _as_control_error(error)
        return Outcome(plan=plan, ending=Ending.FAILED, disks=(), error=str(why), details=why.details)
    kept = {path: kept_by(path) for path in before}
    run = Run(plan=plan, observer=observer or Quiet(), operation=Operation.begin(plan, before, kept), before=before)
    try:
        return await _carry_out(run)
    except Cancelled:
        run.operation.end(Ending.FAILED.value)
        raise
    except BaseException:
        with contextlib.suppress(ControlError):
            run.operation.abandon()
        raise


async def _require_unchanged(plan: Plan) -> None:
    """Raise ControlError or ImageError where something is no longer as the plan saw it."""
    for seen in plan.seen:
        files = plan.machine.reach is Reach.FILES
        if files and stamp_of(seen.path) != seen.stamp:
            raise ControlError("it was changed since this was planned; plan it again", path=seen.path)
        if _table(seen.path) != seen.table:
            raise ControlError("its snapshots were changed since this was planned; plan it again", path=seen.path)
        if under_way(seen.path) is not None:
            raise ControlError("vmsnap is working on it already", path=seen.path)
        if files:
            _require_free(seen.path)
        held = await judge(seen.path, plan.machine.address)
        if held is not None and plan.verb is not Verb.REPAIR:
            raise ControlError(f"it is in quarantine: {held.why}", path=seen.path)


def _as_control_error(error: ControlError | ImageError) -> ControlError:
    return error if isinstance(error, ControlError) else ControlError(error.message, path=error.path)


def _table(path: Path) -> str:
    image = open_image(path)
    try:
        return table_digest(image.snapshots)
    finally:
        image.close()


def _require_free(path: Path) -> None:
    use = use_of(path)
    if use is not None:
        raise ControlError(use, path=path)


async def _carry_out(run: Run) -> Outcome:
    error: ControlError | None = None
    for number, step in enumerate(run.plan.steps, 1):
        worker = WORKERS[step.kind]
        _announce(run, step, number)
        try:
            for target in step.targets if worker.writes and run.plan.machine.reach is Reach.FILES else ():
                _require_free(target.path)
            _remember(run, lineage.leave, step)
            run.operation.enter(number, step, writes=worker.writes)
            await worker.do(step, run)
            if worker.writes:
                run.operation.done([target.path for target in step.targets])
                run.done.append(step)
            _remember(run, lineage.follow, step, _keys_before(run))
        except (ControlError, ImageError) as failure:
            error = _as_control_error(failure)
            await _settle(run, step)
            await _roll_back(run, step)
            break
    return await _outcome(run, error)


def _remember(run: Run, work: Callable[..., None], *arguments: object) -> None:
    """Keep what is done for the tree of snapshots; an operation does not fail because of that, whatever goes wrong."""
    try:
        work(*arguments)
    except Exception as error:
        _log.info("the tree of snapshots will not show a step", exc_info=True)
        run.said.append(f"the tree of snapshots will not show it: {error}")


def _keys_before(run: Run) -> dict[Path, Collection[str]]:
    return {path: found.snapshots.keys() for path, found in run.before.items()}


def _announce(run: Run, step: Step, number: int) -> None:
    try:
        run.observer.step(step, number, len(run.plan.steps))
    except Cancelled:
        if not run.done:
            raise


async def _settle(run: Run, step: Step) -> None:
    """After a failed step: what was being written is doubtful, unless a look at it proves that nothing is wrong."""
    writing = [target.path for target in step.targets if target.path.resolve() in run.operation.writing()]
    if not writing:
        return
    try:
        run.operation.doubt(writing)
    except ControlError as failure:  # the journal's last word is that these images are being written
        run.said.append(str(failure))
    for path in writing:
        await judge(path)


async def _roll_back(run: Run, failed: Step) -> None:
    """Take back what was done, the last first; a disk on which that fails is left alone from there on."""
    run.failed, run.onward = failed, _past_return(run, failed)
    if run.onward:
        return
    left: set[Path] = set()
    for step in reversed([*run.done, failed]):
        undo = WORKERS[step.kind].undo
        paths = {target.path for target in step.targets}
        if step.undone_by is None or undo is None or left & paths:
            continue
        try:
            for path in paths:
                if await judge(path) is not None:
                    raise ControlError("it is in quarantine, so nothing was taken back there", path=path)
                if run.plan.machine.reach is Reach.FILES:
                    _require_free(path)
            run.operation.enter(run.plan.steps.index(step) + 1, step, writes=True, undoing=True)
            await undo(step, run)
            run.operation.done(paths)
            _remember(run, lineage.taken_back, step, run.plan.safety)
        except (ControlError, ImageError) as failure:
            run.said.append(str(failure))
            left |= paths
            await _settle(run, step)


def _past_return(run: Run, failed: Step) -> bool:
    """Whether something was done that nothing takes back; also by the failed step, whose tool may have died after it.

    To take back the rest then could leave nothing: neither a snapshot that was replaced, nor the one in its place.
    """
    if any(step.undone_by is None for step in run.done):
        return True
    if failed.undone_by is not None or not WORKERS[failed.kind].writes:
        return False
    for target in failed.targets:
        before = run.before[target.path]
        try:
            now = fingerprints(target.path)
        except ControlError:  # nobody knows what is left in it
            return True
        moved = run.plan.machine.reach is Reach.FILES and now.active.disk != before.active.disk
        if moved or run.torn or lost(before, now):
            return True
    return False


def _as_before(run: Run, path: Path, now: Fingerprints | None) -> bool:
    """Whether an image holds what it held; a running machine writes to it, and says itself if disks are torn."""
    before = run.before[path]
    if run.plan.verb is Verb.REPAIR and now is not None:  # it may have changed what no snapshot shows
        return stamp_of(path) == next(seen.stamp for seen in run.plan.seen if seen.path == path)
    if run.plan.machine.reach is Reach.FILES or now is None:
        return now == before
    return now.snapshots == before.snapshots and not run.torn


async def _outcome(run: Run, error: ControlError | None) -> Outcome:
    """Look at all images again and tell how they are."""
    now: dict[Path, Fingerprints | None] = {}
    for path in run.before:
        try:
            now[path] = fingerprints(path)
        except ControlError:
            now[path] = None
    if error is None:
        ending = Ending.DONE
    elif all(_as_before(run, path, found) for path, found in now.items()):
        ending = Ending.ROLLED_BACK if run.done else Ending.FAILED
    else:
        ending = Ending.STUCK
    held = {path: await judge(path) for path in run.before}
    try:
        run.operation.end(ending.value)
    except ControlError as failure:
        run.said.append(str(failure))
    said = [text.strip() for text in [error.details if error is not None else "", *run.said] if text.strip()]
    return Outcome(
        plan=run.plan,
        ending=ending,
        disks=disk_results(run, now, held, ending),
        error=str(error) if error is not None else None,
        details="\n".join(dict.fromkeys(said)),
        status=run.status,
        address=run.address,
        pid=run.pid,
    )
