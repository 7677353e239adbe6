"""What is being done to images and machines: plans in the making, operations under way, what came of them.

The views ask here for a plan (`draft`), show it, and have exactly that plan carried out (`carry_out`). What was touched
is read again when it is over.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from vmsnap_gui.control.terms import DELETES, TAKES, Choice, Ending, Options, StepKind, Verb
from vmsnap_gui.entries import normal
from vmsnap_gui.operating import NotDone, Watch, Whom, Wish, carry_out, find_interrupted, find_quarantined, make_plan
from vmsnap_gui.telling import Report, sentence
from vmsnap_gui.vms import Vm, put_profile, remove_profile

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from vmsnap_gui.control.plan import Outcome, Plan
    from vmsnap_gui.control.profile import LaunchProfile
    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.operating import Interrupted
    from vmsnap_gui.reading import ImageInfo
    from vmsnap_gui.session import Session

_PLANS = "plan"
_LOOKS = "journal"
_numbers = itertools.count()


@dataclass(frozen=True, slots=True)
class Undo:
    """A restore that can be taken back.

    Attributes:
        whom: The machine.
        safety: The tag under which the state before it is kept.
        subject: The snapshot that was restored.
        choices: What was chosen for that, and is in the way of going back as well.
    """

    whom: Whom
    safety: str
    subject: str
    choices: frozenset[Choice] = frozenset()


class Draft(QObject):
    """A plan in the making. It is made again whenever the wish changes; what was made for an older wish is dropped.

    Signals:
        changed: Another plan is there, or none can be made, or one is being made.

    Attributes:
        wish: What is wanted.
        plan: The plan for it; None while there is none.
        failure: Why there can be none; empty if there can.
    """

    changed = Signal()

    def __init__(self, jobs: Jobs, wish: Wish, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.wish = wish
        self.plan: Plan | None = None
        self.failure = ""
        self._jobs = jobs
        self._lane = f"{_PLANS} {next(_numbers)}"
        self._job: Job | None = None
        self.ask(wish)

    @property
    def busy(self) -> bool:
        """Whether a plan is being made; `plan` is then that of an older wish, and must not be carried out."""
        return self._job is not None

    def ask(self, wish: Wish) -> None:
        """Have a plan made for this wish."""
        if self._job is not None:
            self._job.cancel()
        self.wish = wish
        self._job = self._jobs.run(
            self.tr("Planning"),
            lambda progress: make_plan(wish, progress),
            lane=self._lane,
            success=self._made,
            failure=self._failed,
            quiet=True,
        )
        self.changed.emit()

    def stop(self) -> None:
        """Make no plan any more."""
        self._job = None
        self._jobs.release(self._lane)

    def _made(self, plan: Plan) -> None:
        self._job, self.plan, self.failure = None, plan, ""
        self.changed.emit()

    def _failed(self, error: Exception) -> None:
        self._job, self.plan, self.failure = None, None, sentence(error)
        self.changed.emit()


class ActingSession(QObject):
    """What is done to images, and what must be known before.

    Signals:
        changed: Something began or ended, or an image went into quarantine or came out: see what can be done now.
        ended: (Outcome) An operation ended, well or not.
        interrupted: (list of Interrupted) A former run left these behind.
        problem: (Report) Tell the person.

    Attributes:
        undo: The last restore, if it can be taken back.
        quarantined: The images that may only be checked and repaired, each with the reason.
    """

    changed = Signal()
    ended = Signal(object)
    interrupted = Signal(object)
    problem = Signal(object)

    def __init__(self, jobs: Jobs, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("acting")
        self.undo: Undo | None = None
        self.quarantined: dict[Path, str] = {}
        self._jobs = jobs
        self._session = session
        self._operations: dict[Job, Plan] = {}
        self._doubts: set[Path] = set()
        self._soon = QTimer(self, interval=0, singleShot=True)
        self._soon.timeout.connect(self._look)
        session.library.was_read.connect(self._was_read)

    def whom(self, path: Path) -> Whom:
        """Return the machine that an image belongs to; a running one is asked, not worked on behind its back."""
        vm = self._session.machines.of(path)
        return vm.whom if vm is not None else Whom(paths=(path,))

    def draft(self, verb: Verb, whom: Whom, *words: str, options: Options | None = None) -> Draft:
        """Begin a plan; whoever asks for it owns it."""
        others = tuple(entry.path for entry in self._session.library.entries if not entry.is_folder)
        wish = Wish(verb=verb, whom=whom, words=words, options=options or Options(), others=others)
        return Draft(self._jobs, wish, self)

    def carry_out(self, plan: Plan, name: str) -> None:
        """Do what a person saw and confirmed, as a job of this name; `ended` follows."""
        watch, lane = Watch(), f"operation {next(_numbers)}"
        job = self._jobs.run(
            name,
            lambda progress: carry_out(plan, watch, progress),
            lane=lane,
            success=lambda outcome: self._over(job, outcome),
            failure=lambda error: self._broke(job, error),
            writes=True,
            note=watch.text,
        )
        self._operations[job] = plan
        self._hold()
        self.changed.emit()

    def under_way(self, path: Path | None = None) -> list[Plan]:
        """Return what is being done now: all, or what touches an image."""
        return [plan for plan in self._operations.values() if path is None or path in _touched(plan)]

    def look_for_interrupted(self) -> None:
        """See whether a former run left an operation unfinished; `interrupted` follows if it did."""
        self._jobs.run(
            self.tr("Looking for interrupted operations"),
            lambda _progress: find_interrupted(),
            lane=_LOOKS,
            success=self._found_interrupted,
            quiet=True,
        )

    def keep_profile(self, profile: LaunchProfile) -> None:
        """Remember a launch profile, instead of one of the same name."""
        self._change_profiles(lambda: put_profile(profile))

    def forget_profile(self, name: str) -> None:
        """Forget a launch profile."""
        self._change_profiles(lambda: remove_profile(name))

    def _change_profiles(self, change: Callable[[], None]) -> None:
        self._jobs.run(
            self.tr("Keeping launch profiles"),
            lambda _progress: change(),
            lane=_LOOKS,
            success=lambda _none: self._session.machines.refresh(),
            failure=lambda error: self.problem.emit(
                Report(self.tr("The launch profiles were not changed"), sentence(error), repr(error))
            ),
            quiet=True,
        )

    def look_again(self, paths: Iterable[Path]) -> None:
        """Find out, soon and all together, whether these images are in quarantine."""
        self._doubts |= set(paths)
        self._soon.start()

    def _over(self, job: Job, outcome: Outcome) -> None:
        plan = self._let_go(job)
        self._remember_undo(outcome)
        if outcome.ending is Ending.DONE and plan.verb in (Verb.TAKE, Verb.RESTORE):
            self._select(plan)
        self._read_again(plan)
        self._session.machines.refresh()
        QTimer.singleShot(0, self, lambda: self._tell(outcome))  # enough was done in this turn of the event loop

    def _tell(self, outcome: Outcome) -> None:
        self.ended.emit(outcome)
        self.changed.emit()

    def _select(self, plan: Plan) -> None:
        """Have the snapshot selected that was taken or restored, where its image is the selected one."""
        kinds = TAKES if plan.verb is Verb.TAKE else _RESTORES
        for target in (target for step in plan.steps if step.kind in kinds for target in step.targets):
            if normal(target.path) == self._session.image:
                self._session.expect(target.tag, target.id)

    def _broke(self, job: Job, error: Exception) -> None:
        if isinstance(error, NotDone):
            self._over(job, error.outcome)
            return
        plan = self._let_go(job)
        self._read_again(plan)
        title = self.tr("%1 was not done").replace("%1", job.name)
        text = self.tr("%1\nThe images are read again: the window shows what is in them now.")
        self.problem.emit(Report(title, text.replace("%1", sentence(error)), job.details))
        self.changed.emit()

    def _let_go(self, job: Job) -> Plan:
        plan = self._operations.pop(job)
        self._jobs.release(job.lane)
        self._hold()
        return plan

    def _hold(self) -> None:
        """Keep the library from reading images while they are written to; it reads them when that is over."""
        self._session.library.hold({path for plan in self._operations.values() for path in _touched(plan)})

    def _remember_undo(self, outcome: Outcome) -> None:
        plan = outcome.plan
        if outcome.ending is Ending.DONE and plan.verb is Verb.RESTORE:
            whom = self.whom_of(plan)
            self.undo = None
            if plan.safety is not None:
                self.undo = Undo(whom, plan.safety, plan.subject, plan.options.choices)
        elif self.undo is not None and plan.verb is Verb.DELETE and self.whom_of(plan) == self.undo.whom:
            gone = {t.tag for step in plan.steps if step.kind in DELETES for t in step.targets}
            if self.undo.safety in gone:
                self.undo = None

    def whom_of(self, plan: Plan) -> Whom:
        """Return the machine of a plan."""
        machine = plan.machine
        if plan.profile is not None:
            return Vm(machine, plan.profile).whom
        paths = tuple(disk.path for disk in machine.disks if disk.path is not None)
        return Whom(paths=paths, name=machine.name, address=machine.address)

    def _read_again(self, plan: Plan) -> None:
        paths = _touched(plan)
        for path in paths:
            self._session.library.reload(path)
        self.look_again(paths)

    def _was_read(self, path: Path, _old: ImageInfo | None, new: ImageInfo | None) -> None:
        if new is not None and new.format == "qcow2":
            self.look_again([path])

    def _look(self) -> None:
        paths, self._doubts = tuple(self._doubts), set()
        self._jobs.run(
            self.tr("Looking for images in quarantine"),
            lambda _progress: find_quarantined(paths),
            lane=_LOOKS,
            success=partial(self._looked, paths),
            quiet=True,
        )

    def _looked(self, paths: tuple[Path, ...], found: dict[Path, str]) -> None:
        before = dict(self.quarantined)
        for path in paths:
            self.quarantined.pop(path, None)
        self.quarantined |= found
        for path in {*found, *before}.intersection(paths):
            self._session.library.doubt(path, path in found)
        if self.quarantined != before:
            self.changed.emit()

    def _found_interrupted(self, found: list[Interrupted]) -> None:
        if found:
            self.look_again({path for one in found for path in one.paths})
            self.interrupted.emit(found)


_RESTORES = (StepKind.RESTORE, StepKind.LIVE_RESTORE)


def _touched(plan: Plan) -> set[Path]:
    """Return the images that a plan writes to, by the names that the library has."""
    return {normal(target.path) for step in plan.steps for target in step.targets}
