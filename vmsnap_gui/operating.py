"""What acting's workers do: look at a machine, make a plan, carry it out, tell what was interrupted. Qt-free."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.machine import Reach
from vmsnap_gui.control.plan import Ending, Options, Verb

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from vmsnap_gui.control.machine import Machine
    from vmsnap_gui.control.plan import Outcome, Plan, Step
    from vmsnap_gui.control.profile import LaunchProfile
    from vmsnap_gui.control.reviewing import Review
    from vmsnap_gui.image.errors import Progress


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
    """

    verb: Verb
    whom: Whom
    words: tuple[str, ...] = ()
    options: Options = field(default_factory=Options)


@dataclass(frozen=True, slots=True)
class Vm:
    """A virtual machine that is known as one: it runs here, or there is a launch profile for it.

    Attributes:
        machine: As it was when it was looked at.
        profile: How it is started; None for one that runs.
    """

    machine: Machine
    profile: LaunchProfile | None = None

    @property
    def key(self) -> str:
        """What tells it from all others."""
        return f"profile {self.profile.name}" if self.profile is not None else f"process {self.machine.pid}"

    @property
    def whom(self) -> Whom:
        """How to come back to it."""
        machine = self.machine
        reached = machine.reach in (Reach.QMP, Reach.FILES)
        return Whom(
            paths=tuple(disk.path for disk in machine.disks if disk.path is not None),
            name=machine.name,
            address=machine.address if machine.reach is Reach.QMP else None,
            profile=self.profile,
            unreached=None if reached else machine,
        )

    @property
    def main_image(self) -> Path | None:
        """The image that is looked at for all of it: that with the VM state."""
        first = self.machine.vmstate_disk or next((one for one in self.machine.disks if one.path is not None), None)
        return first.path if first is not None else None

    @property
    def tags(self) -> tuple[tuple[str, frozenset[str | None]], ...]:
        """The disks that hold snapshots, each by its name with the tags that are on it."""
        disks = [one for one in self.machine.fit_disks if one.path is not None]
        return tuple((one.path.name, frozenset(s.tag for s in one.snapshots)) for one in disks if one.path is not None)


@dataclass(frozen=True, slots=True)
class Vms:
    """The virtual machines that are known.

    Attributes:
        running: Those that run on this machine.
        stopped: Those with a launch profile that do not run.
        profiles: All launch profiles.
        processes: The process ids of QEMU when this was looked at.
        problem: Why launch profiles cannot be shown; empty if they can.
    """

    running: tuple[Vm, ...] = ()
    stopped: tuple[Vm, ...] = ()
    profiles: tuple[LaunchProfile, ...] = ()
    processes: frozenset[int] = frozenset()
    problem: str = ""


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


def make_plan(wish: Wish) -> Plan:
    """Look at the machine and plan what a person asks for.

    Raises:
        ControlError, ImageError: the machine cannot be looked at, or there is no such snapshot.
    """
    import asyncio

    return asyncio.run(_plan(wish))


async def _plan(wish: Wish) -> Plan:
    from vmsnap_gui.control import planning

    if wish.verb is Verb.START and wish.whom.profile is not None:
        from vmsnap_gui.control.planning_start import plan_start

        return await plan_start(wish.whom.profile, next(iter(wish.words), None), wish.options)
    machine = await _survey(wish.whom)
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


def find_vms() -> Vms:
    """Find the QEMU processes of this machine and ask each, and look at the machines of the launch profiles."""
    import asyncio

    from vmsnap_gui.control.running import find_machines, processes

    pids = frozenset(one.pid for one in processes())
    running = tuple(Vm(one) for one in asyncio.run(find_machines()))
    profiles, problem = _profiles()
    return Vms(running, _stopped(running, profiles), profiles, pids, problem)


def _profiles() -> tuple[tuple[LaunchProfile, ...], str]:
    """Return the launch profiles, or why there are none to be seen."""
    from vmsnap_gui.control.profile_store import ProfileStore

    try:
        return ProfileStore().all(), ""
    except ControlError as error:
        return (), str(error)


def _stopped(running: tuple[Vm, ...], profiles: tuple[LaunchProfile, ...]) -> tuple[Vm, ...]:
    """Return the machines of launch profiles, but for those of which an image is a running machine's."""
    from vmsnap_gui.control.profile_disks import machine_of

    busy = {path.resolve() for vm in running for path in vm.whom.paths}
    vms = [Vm(machine_of(profile), profile) for profile in profiles]
    return tuple(vm for vm in vms if not busy & {path.resolve() for path in vm.whom.paths})


def qemu_processes() -> frozenset[int]:
    """Return the process ids of QEMU on this machine; nothing is connected to."""
    from vmsnap_gui.control.running import processes

    return frozenset(one.pid for one in processes())


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
    import asyncio

    from vmsnap_gui.control import journal
    from vmsnap_gui.control.reviewing import review

    reviews = asyncio.run(review())
    told = {one.operation.file for one in reviews}
    for operation in journal.interrupted():  # read again: the review has released what is sound
        if operation.file in told:
            journal.settle(operation)
    return [_interrupted(one) for one in reviews]


def _interrupted(review: Review) -> Interrupted:
    of = review.operation.plan["machine"]
    at = f" at the step: {review.step}" if review.step else " before its first step"
    lines = [f"{review.what} of {of} was interrupted{at}."]
    lines += [f"{disk.path}: {disk.text}." for disk in review.disks]
    doubtful = tuple(disk.path for disk in review.disks if disk.quarantined)
    return Interrupted("\n".join(lines), tuple(disk.path for disk in review.disks), doubtful)


def put_profile(profile: LaunchProfile) -> None:
    """Keep a launch profile, instead of one of the same name; raises ControlError."""
    from vmsnap_gui.control.profile_store import ProfileStore

    ProfileStore().put(profile)


def remove_profile(name: str) -> None:
    """Forget a launch profile; raises ControlError."""
    from vmsnap_gui.control.profile_store import ProfileStore

    ProfileStore().remove(name)


@dataclass(frozen=True, slots=True)
class Drafted:
    """A launch profile in the making, looked at.

    Attributes:
        profile: It.
        machine: The machine that it starts, with what is in its images now.
        notes: What vmsnap changes in the command line, and why.
        obstacles: Why it cannot be started.
    """

    profile: LaunchProfile
    machine: Machine
    notes: tuple[str, ...]
    obstacles: tuple[str, ...]


def read_profile(text: str, name: str, directory: Path, script: Path | None = None) -> Drafted:
    """Make a launch profile of a command line or a script's text.

    Raises:
        ControlError: it holds something that cannot be told for certain; says the line and the reason.
    """
    from vmsnap_gui.control.profile_script import from_script

    return _drafted(from_script(text, script, name=name or None, directory=directory))


def read_script(script: Path) -> Drafted:
    """Make a launch profile of a script; raises ControlError."""
    try:
        text = script.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ControlError(f"it cannot be read: {error}", path=script) from error
    return read_profile(text, "", script.parent, script)


def profile_of_process(pid: int) -> Drafted:
    """Make a launch profile of a running QEMU; raises ControlError."""
    from vmsnap_gui.control.profile import from_process

    return _drafted(from_process(pid))


def _drafted(profile: LaunchProfile) -> Drafted:
    from vmsnap_gui.control.profile import launch_of
    from vmsnap_gui.control.profile_disks import machine_of

    launch = launch_of(profile)
    return Drafted(profile, machine_of(profile), launch.notes, launch.obstacles)
