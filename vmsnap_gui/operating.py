"""What acting's workers do: look at a machine, make a plan, carry it out, tell what was interrupted. Qt-free."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from vmsnap_gui.control import journal_place
from vmsnap_gui.control.terms import Ending, Options, Verb
from vmsnap_gui.image.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from vmsnap_gui.control.machine import Machine
    from vmsnap_gui.control.plan import Outcome, Plan, Step
    from vmsnap_gui.control.profile import LaunchProfile
    from vmsnap_gui.control.reviewing import Review
    from vmsnap_gui.image.errors import Progress

_PAUSE = 0.2
"""Seconds between looks whether planning was cancelled."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whom:
    """The machine that is meant, before it is looked at.

    Attributes:
        paths: Its images.
        name: What it is called; None for the first image's name.
        address: "qmp:..." of its monitor, None for files.
        profile: How it is started, if that is known and it is not running.
        unreached: It itself, where it runs and nobody can talk to it.
    """

    paths: tuple[Path, ...]
    name: str | None = None
    address: str | None = None
    profile: LaunchProfile | None = None
    unreached: Machine | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What a person asks for.

    Attributes:
        verb: What to do.
        whom: With which machine.
        words: The tag to take, or the selectors ("id:3") of what to restore, delete or start from.
        options: What was chosen beside that.
        others: Images that are known beside those of the machine.
    """

    verb: Verb
    whom: Whom
    words: tuple[str, ...] = ()
    options: Options = field(default_factory=Options)
    others: tuple[Path, ...] = ()


@dataclass(frozen=True, slots=True)
class Interrupted:
    """An operation that a former run of vmsnap did not bring to its end.

    Attributes:
        text: What was under way, and what is known of it now; sentences.
        paths: The images that it touched.
        doubtful: Those of them that may only be checked and repaired.
    """

    text: str
    paths: tuple[Path, ...]
    doubtful: tuple[Path, ...]


class NotDone(Exception):
    """An operation did not do what was planned: `outcome` tells how things are now."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.error or outcome.ending.value)
        self.outcome = outcome
        self.details = outcome.details


class Watch:
    """An `Observer` for a job: adds up the bytes of all steps, and knows which step is under way."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._text = ""
        self._before = self._now = 0
        self._progress: Progress | None = None
        self._steps = 0

    def follow(self, progress: Progress) -> None:
        """Tell progress to a job from now on."""
        self._progress = progress

    def text(self) -> str:
        """Return what is under way, for people."""
        with self._lock:
            return self._text

    def step(self, step: Step, number: int, count: int) -> None:
        """Hear that a step begins."""
        with self._lock:
            self._text = f"{number}/{count}: {step.text}" if count > 1 else step.text
            self._before, self._now, self._steps = self._before + self._now, 0, count

    def written(self, done: int, expected: int | None) -> None:
        """Hear how many bytes a step has written."""
        with self._lock:
            self._now = done
            done += self._before
        if self._progress is not None:
            # What all steps together will write is only known where there is one.
            self._progress(done, expected if expected is not None and self._steps == 1 else 0)


def make_plan(wish: Wish, progress: Progress) -> Plan:
    """Look at the machine and plan what a person asks for.

    Raises:
        ControlError, ImageError: the machine cannot be looked at, or there is no such snapshot.
        Cancelled: by the progress callback; checking a large image can take a while.
    """
    import asyncio

    return asyncio.run(_plan_unless_cancelled(wish, progress))


async def _plan_unless_cancelled(wish: Wish, progress: Progress) -> Plan:
    import asyncio

    made = asyncio.get_running_loop().create_task(_plan(wish), name="planning")
    while not (await asyncio.wait([made], timeout=_PAUSE))[0]:
        try:
            progress(0, 0)
        except Cancelled:
            made.cancel()
            await asyncio.wait([made])
            raise
    return made.result()


async def _plan(wish: Wish) -> Plan:
    from vmsnap_gui.control import planning

    if wish.verb is Verb.START and wish.whom.profile is not None:
        from vmsnap_gui.control.planning_start import plan_start

        return await plan_start(wish.whom.profile, next(iter(wish.words), None), wish.options, wish.others)
    machine = replace(await _survey(wish.whom), others=wish.others)
    if wish.verb is Verb.TAKE:
        return await planning.plan_take(machine, wish.words[0], wish.options)
    if wish.verb is Verb.RESTORE:
        return await planning.plan_restore(machine, wish.words[0], wish.options)
    if wish.verb is Verb.DELETE:
        return await planning.plan_delete(machine, wish.words, wish.options)
    return await planning.plan_repair(machine, wish.options)


async def _survey(whom: Whom) -> Machine:
    from vmsnap_gui.control.survey import survey_files

    if whom.address is not None:
        from vmsnap_gui.control.survey_live import survey_qmp

        return await survey_qmp(whom.address)
    if whom.profile is not None:
        from vmsnap_gui.control.profile_disks import machine_of

        return machine_of(whom.profile)
    if whom.unreached is not None:
        from vmsnap_gui.control.running import find_machines

        # Perhaps its monitor is free by now, or it has ended.
        for machine in await find_machines():
            if machine.pid == whom.unreached.pid:
                return machine
    return survey_files(whom.paths, whom.name)


def carry_out(plan: Plan, watch: Watch, progress: Progress) -> Outcome:
    """Carry out a plan, as it is, and return what came of it.

    Raises:
        NotDone: it was not done, or not all of it.
        ControlError: it was refused before anything was changed.
    """
    import asyncio

    from vmsnap_gui.control.executing import execute

    watch.follow(progress)
    outcome = asyncio.run(execute(plan, watch))
    if outcome.ending is not Ending.DONE:
        raise NotDone(outcome)
    return outcome


def find_quarantined(paths: Iterable[Path]) -> dict[Path, str]:
    """Return those of these images that may only be checked and repaired, each with the reason as a sentence."""
    if journal_place.is_empty():  # as nearly always, and the rest is slow to import
        return {}
    from vmsnap_gui.control.quarantine import quarantine_of

    found = {path: quarantine_of(path) for path in paths}
    text = "{} did not come to its end, and may have left this image damaged: nothing may write to it before a check"
    return {path: text.format(one.what) for path, one in found.items() if one is not None}


def find_interrupted() -> list[Interrupted]:
    """Return what a former run did not bring to its end, with how its images are now; each is told once only.

    Images with which nothing is wrong are released; the others stay in quarantine.

    Raises:
        ControlError: the journal cannot be written.
    """
    if journal_place.is_empty():
        return []
    import asyncio

    from vmsnap_gui.control.reviewing import review

    reviews = asyncio.run(review())
    for one in reviews:
        one.settle()
    return [_interrupted(one) for one in reviews]


def _interrupted(review: Review) -> Interrupted:
    from vmsnap_gui.control.plan import named

    plan = review.operation.plan
    what = named(plan["verb"], plan["subject"], plan["machine"])
    at = f" at the step: {review.step}" if review.step else " before its first step"
    lines = [f"{what} was interrupted{at}."]
    lines += [f"{disk.path}: {disk.text}." for disk in review.disks]
    doubtful = tuple(disk.path for disk in review.disks if disk.quarantined)
    return Interrupted("\n".join(lines), tuple(disk.path for disk in review.disks), doubtful)
