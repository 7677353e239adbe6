"""Acting in the window: opens the dialogs, has confirmed plans carried out, and tells what came of them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from PySide6.QtCore import QDateTime, QObject, QTimer, Signal

from vmsnap_gui.acting import ActingSession
from vmsnap_gui.control.terms import Options, Reach, Verb
from vmsnap_gui.models import words
from vmsnap_gui.telling import Report
from vmsnap_gui.views import theme
from vmsnap_gui.views.acting_actions import ActingActions
from vmsnap_gui.vms import profile_of_process

if TYPE_CHECKING:
    from collections.abc import Sequence

    from PySide6.QtWidgets import QMainWindow, QMenu

    from vmsnap_gui.control.plan import Outcome
    from vmsnap_gui.image.snapshot import Snapshot
    from vmsnap_gui.jobs import Jobs
    from vmsnap_gui.operating import Interrupted, Whom
    from vmsnap_gui.session import Session
    from vmsnap_gui.views.plan_dialog import PlanDialog
    from vmsnap_gui.views.profile_dialog import ProfileDialog
    from vmsnap_gui.views.snapshot_table import SnapshotTable
    from vmsnap_gui.vms import Vm


_MEANWHILE_MS = 500


class ActingDesk(QObject):
    """What is done to images, between the session and the window.

    Signals:
        problem: (Report) Something went wrong.

    Attributes:
        session: What is being done.
        actions: What can be done.
    """

    problem = Signal(object)

    def __init__(self, window: QMainWindow, session: Session, jobs: Jobs, snapshots: SnapshotTable) -> None:
        super().__init__(window)
        self.session = ActingSession(jobs, session, self)
        self.actions = ActingActions(window, session, self.session, snapshots)
        self._window = window
        self._jobs = jobs
        self._session = session
        self._snapshots = snapshots
        snapshots.result.add_button(self.actions.undo)
        snapshots.quarantine.add_button(self.actions.repair)
        self.actions.wanted.connect(self.ask)
        self.actions.undo_wanted.connect(self._ask_undo)
        self.session.ended.connect(self._ended)
        self.session.interrupted.connect(self._tell_interrupted)
        self.session.problem.connect(self.problem)
        self.session.changed.connect(self._follow)
        session.selection_changed.connect(self._follow)
        session.machines.changed.connect(self._follow)

    def ask(self, verb: Verb) -> None:
        """Open the dialog of a verb, for what is selected."""
        image, chosen = self._session.image, self.actions.selected()
        if image is None:
            return
        whom = self.session.whom(image)
        if verb is Verb.TAKE:
            self._ask_take(whom)
        elif verb is Verb.RESTORE and len(chosen) == 1:
            name = words.snapshot_name(chosen[0])
            self._ask_restore(whom, selector_of(chosen[0]), self._title(verb, name), name)
        elif verb is Verb.DELETE and chosen:
            self._ask_delete(whom, chosen)
        elif verb is Verb.START and len(chosen) == 1:
            self.ask_start(whom, selector_of(chosen[0]), words.snapshot_name(chosen[0]))
        elif verb is Verb.REPAIR:
            self.ask_repair(whom)

    def ask_repair(self, whom: Whom) -> None:
        """Open the dialog that checks and repairs."""
        from vmsnap_gui.views.plan_dialog import plain_dialog

        draft = self.session.draft(Verb.REPAIR, whom)
        dialog = plain_dialog(draft, self._title(Verb.REPAIR, self._name(whom)), self._window)
        # Planning a repair checks the images, and an image with which nothing is wrong comes out of quarantine by that.
        dialog.finished.connect(lambda _result: self.session.look_again(whom.paths))
        self._open(dialog)

    def show_profiles(self) -> ProfileDialog:
        """Open the dialog for launch profiles."""
        from vmsnap_gui.views.profile_dialog import ProfileDialog

        dialog = ProfileDialog(self._session.machines, self._jobs, self._window)
        dialog.saved.connect(self.session.keep_profile)
        dialog.removed.connect(self.session.forget_profile)
        dialog.open()
        return dialog

    def fill_machine_menu(self, menu: QMenu, vm: Vm) -> None:
        """Offer what can be done with a machine of the library."""
        if vm.main_image is not None and vm.machine.reach in (Reach.QMP, Reach.FILES):
            take = menu.addAction(theme.icon("take"), self.actions.take.text(), lambda: self._ask_take(vm.whom))
            take.setObjectName("machine_take")
        if vm.profile is not None:
            start = menu.addAction(theme.icon("start"), self.tr("&Start…"), lambda: self.ask_start(vm.whom))
            start.setObjectName("machine_start")
            menu.addAction(self.tr("&Edit the launch profile…"), self.show_profiles)
        elif vm.machine.pid is not None:
            pid = vm.machine.pid
            text = self.tr("Make a &launch profile…")
            menu.addAction(text, lambda: self.show_profiles().begin(lambda: profile_of_process(pid)))

    def _ask_take(self, whom: Whom) -> None:
        from vmsnap_gui.views.plan_dialog import TakeDialog

        draft = self.session.draft(Verb.TAKE, whom, self._free_tag())
        self._open(TakeDialog(draft, self._title(Verb.TAKE, self._name(whom)), self._window))

    def _ask_restore(self, whom: Whom, selector: str, title: str, name: str, options: Options | None = None) -> None:
        from vmsnap_gui.views.plan_dialog import RestoreDialog

        draft = self.session.draft(Verb.RESTORE, whom, selector, options=options)
        dialog = RestoreDialog(draft, title, self._window, can_start=whom.profile is not None)
        dialog.start_wanted.connect(lambda: self.ask_start(whom, selector, name))
        self._open(dialog)

    def ask_start(self, whom: Whom, selector: str | None = None, name: str = "") -> None:
        """Open the dialog that starts a machine from a snapshot (`name` is for people), or as its disks are."""
        from vmsnap_gui.views.start_dialog import StartDialog

        if whom.profile is not None:
            draft = self.session.draft(Verb.START, whom, *(() if selector is None else (selector,)))
            title = self._title(Verb.START, self._name(whom))
            if selector is not None:
                title = self.tr("%1 from '%2'").replace("%1", title).replace("%2", name)
            dialog = StartDialog(draft, title, whom.profile, self._window)
            dialog.profile_confirmed.connect(self.session.keep_profile)
            self._open(dialog)

    def _ask_delete(self, whom: Whom, chosen: Sequence[Snapshot]) -> None:
        from vmsnap_gui.views.plan_dialog import plain_dialog

        draft = self.session.draft(Verb.DELETE, whom, *map(selector_of, chosen))
        name = words.snapshots(len(chosen)) if len(chosen) > 1 else f"'{words.snapshot_name(chosen[0])}'"
        self._open(plain_dialog(draft, self.tr("Delete %1").replace("%1", name), self._window))

    def _ask_undo(self) -> None:
        undo = self.session.undo
        if undo is not None:
            title = self.tr("Undo the restore of %1").replace("%1", words.visible(undo.subject))
            options = Options(choices=undo.choices)
            self._ask_restore(undo.whom, f"tag:{undo.safety}", title, words.visible(undo.safety), options)

    def _open(self, dialog: PlanDialog) -> None:
        from vmsnap_gui.models.plan_rows import job_name

        dialog.confirmed.connect(lambda plan: self.session.carry_out(plan, job_name(plan)))
        # Meanwhile, not at its end: there is enough to do in that moment.
        dialog.confirmed.connect(lambda _plan: QTimer.singleShot(_MEANWHILE_MS, self, _prepare_to_tell))
        self._snapshots.result.show_message("done", "")
        dialog.open()

    def _title(self, verb: Verb, name: str) -> str:
        texts = {
            Verb.TAKE: self.tr("Take a snapshot of %1"),
            Verb.RESTORE: self.tr("Restore '%1'"),
            Verb.START: self.tr("Start %1"),
            Verb.REPAIR: self.tr("Check and repair %1"),
        }
        return texts[verb].replace("%1", name)

    def _name(self, whom: Whom) -> str:
        return words.visible(whom.name or self._session.library.entries.called_alone(whom.paths[0]))

    def _free_tag(self) -> str:
        """Suggest a tag: the date and the time, which no snapshot has yet."""
        entry = self._session.entry()
        taken = {one.tag for one in entry.info.snapshots} if entry is not None and entry.info is not None else set()
        tag = QDateTime.currentDateTime().toString("yyyy-MM-dd-HHmm")
        numbers = [tag, *(f"{tag}-{number}" for number in range(2, len(taken) + 3))]
        return next(one for one in numbers if one not in taken)

    def _ended(self, outcome: Outcome) -> None:
        from vmsnap_gui.models.outcome_rows import done_text, kept_text
        from vmsnap_gui.views.outcome_dialog import OutcomeDialog, is_worth_a_dialog

        if not self._window.isVisible():
            return  # it was closed meanwhile: the desktop tells
        if is_worth_a_dialog(outcome):
            dialog = OutcomeDialog(outcome, self._window)
            dialog.repair_wanted.connect(lambda: self.ask_repair(self.session.whom_of(outcome.plan)))
            dialog.open()
            return
        text = ". ".join(filter(None, (done_text(outcome), kept_text(outcome)))) + "."
        self._snapshots.result.show_message("done", text)
        can_undo = outcome.plan.verb is Verb.RESTORE and self.session.undo is not None
        self._snapshots.result.show_button(self.actions.undo, can_undo)

    def _tell_interrupted(self, found: Sequence[Interrupted]) -> None:
        doubtful = [path for one in found for path in one.doubtful]
        what = self.tr("vmsnap ended while it was writing. This is how things are now:\n\n%1\n\n%2")
        then = self.tr("Images with which something is wrong can only be checked and repaired; select them to do that.")
        fine = self.tr("Nothing else is to be done.")
        text = what.replace("%2", then if doubtful else fine).replace("%1", "\n\n".join(one.text for one in found))
        self.problem.emit(Report(self.tr("An operation was interrupted"), text))

    def _follow(self) -> None:
        """Show the quarantine of the selected image above its snapshots."""
        image = self._session.image
        vm = self._session.machines.of(image)
        self._snapshots.show_machine(vm.machine.name if vm is not None else "", vm.tags if vm is not None else ())
        why = self.session.quarantined.get(image, "") if image is not None else ""
        self._snapshots.quarantine.show_message("problem", words.sentence(why))


def _prepare_to_tell() -> None:
    importlib.import_module("vmsnap_gui.views.outcome_dialog")


def selector_of(snapshot: Snapshot) -> str:
    """Return the selector that names a snapshot for sure."""
    return f"id:{snapshot.id}"
