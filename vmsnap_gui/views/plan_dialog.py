"""The dialogs that come before every write: the plan, the options that change it, and a button that names the verb."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt, QTimer, Signal
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import (
    QCheckBox,
    QDialog,
    QDialogButtonBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from vmsnap_gui.control.terms import Choice, Hindrance, Verb
from vmsnap_gui.models import words
from vmsnap_gui.models.plan_rows import commands_of, reach_text
from vmsnap_gui.views import theme
from vmsnap_gui.views.plan_view import PlanView, button_row, heading, quiet

if TYPE_CHECKING:
    from vmsnap_gui.acting import Draft
    from vmsnap_gui.control.plan import Plan

_TYPING_MS = 200
"""The plan is made again when the person stops typing for so long."""
_LONGEST_TAG = 255
"""Bytes; QEMU's own limit (QEMUSnapshotInfo)."""


class PlanDialog(QDialog):
    """Shows a draft's plan, has it made again when an option changes, and gives it back when it is confirmed.

    Signals:
        confirmed: (Plan) Carry out this plan.
    """

    confirmed = Signal(object)

    def __init__(self, draft: Draft, title: str, verb: str, parent: QWidget, *, safe: bool) -> None:
        """Show `draft`, which the dialog owns from now on.

        Args:
            draft: The plan in the making.
            title: What is asked for, for people.
            verb: What stands on the button.
            parent: The window.
            safe: Whether the Return key may confirm; where something is lost it cancels.
        """
        super().__init__(parent)
        self.setObjectName(f"{draft.wish.verb.value}_dialog")
        self.setWindowTitle(title)
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.draft = draft
        draft.setParent(self)
        self.about = quiet(QLabel(wordWrap=True))
        self.about.setObjectName("plan_about")
        self.about.setTextFormat(Qt.TextFormat.PlainText)
        self.form = QVBoxLayout()
        self.form.setSpacing(6)
        self.plan = PlanView(self)
        self._ticks: dict[Choice, QCheckBox] = {}
        self._choices = QVBoxLayout()
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 12, 14, 12)
        layout.setSpacing(10)
        layout.addWidget(heading(title, self))
        layout.addWidget(self.about)
        layout.addLayout(self.form)
        layout.addWidget(self.plan, 1)
        layout.addLayout(self._choices)
        layout.addLayout(self._make_buttons(verb, safe=safe))
        wide = self.fontMetrics().averageCharWidth()
        self.resize(wide * 124, self.fontMetrics().height() * 21)
        draft.changed.connect(self._follow)
        self._follow()

    def shown_plan(self) -> Plan | None:
        """Return the plan that *confirm* would carry out; None while it would do nothing."""
        plan = self.draft.plan
        return plan if plan is not None and plan.ready and not self.is_waiting() else None

    def is_waiting(self) -> bool:
        """Whether what is shown is not, or not yet, the plan for what is chosen."""
        return self.draft.busy

    def done(self, result: int) -> None:
        """Override QDialog::done: make no plan any more."""
        self.draft.stop()
        super().done(result)

    def ask(self, **changes: object) -> None:
        """Have the plan made again with other options."""
        options = replace(self.draft.wish.options, **changes)  # type: ignore[arg-type]
        if options != self.draft.wish.options:
            self.draft.ask(replace(self.draft.wish, options=options))

    def _make_buttons(self, verb: str, *, safe: bool) -> QHBoxLayout:
        buttons = QDialogButtonBox()
        self.confirm = buttons.addButton(verb, QDialogButtonBox.ButtonRole.AcceptRole)
        self.confirm.setObjectName("plan_confirm")
        self.cancel = buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        self.cancel.setObjectName("plan_cancel")
        self.copy = QPushButton(self.tr("Copy commands"))
        self.copy.setObjectName("plan_copy")
        self.copy.setToolTip(self.tr("Copy what you would type to do the same by hand"))
        for button in (self.confirm, self.cancel):
            button.setAutoDefault(False)
        default = self.confirm if safe else self.cancel
        default.setDefault(True)
        default.setFocus()
        self.copy.clicked.connect(self._copy)
        buttons.accepted.connect(self._accept)
        buttons.rejected.connect(self.reject)
        return button_row([self.copy, *self.helpers()], buttons)

    def helpers(self) -> list[QPushButton]:
        """Return further buttons for the left side."""
        return []

    def _copy(self) -> None:
        if self.draft.plan is not None:
            QGuiApplication.clipboard().setText(commands_of(self.draft.plan))

    def _accept(self) -> None:
        plan = self.shown_plan()
        if plan is not None:
            self.confirmed.emit(plan)
            self.accept()

    def _follow(self) -> None:
        """Show what the draft has now."""
        plan, failure = self.draft.plan, self.draft.failure
        if plan is not None:
            self.plan.show_plan(plan)
            self.about.setText(reach_text(plan))
            QTimer.singleShot(0, self, self._grow)  # once it is laid out
        elif failure:
            self.plan.show_failure(words.sentence(failure))
        elif self.draft.busy:
            self.plan.show_waiting()
        self.about.setVisible(bool(self.about.text()))
        self._offer_choices(plan)
        self.enable()

    def _grow(self) -> None:
        """Be as high as the plan, if the screen has the room: nothing of it should have to be scrolled to."""
        most = self.screen().availableGeometry().height() * 4 // 5
        high = min(self.height() + self.plan.cut_off(), most)
        if self.plan.currentIndex() == 0 and high > self.height():
            self.resize(self.width(), high)

    def enable(self) -> None:
        """Enable what can be done; what cannot says why in its tool tip."""
        plan = self.draft.plan
        self.confirm.setEnabled(self.shown_plan() is not None)
        if self.is_waiting():
            why = self.tr("The plan is being made")
        elif plan is None:
            why = words.sentence(self.draft.failure)
        else:
            why = words.sentence(plan.blockers[0].text) if plan.blockers else self.tr("There is nothing to do")
        self.confirm.setToolTip("" if self.confirm.isEnabled() else words.plain_tip([why]))
        self.copy.setEnabled(plan is not None and bool(plan.steps))

    def _offer_choices(self, plan: Plan | None) -> None:
        """Show a tick for each choice that lifts a blocker, or that was made."""
        if plan is None:
            return
        offered = {one.choice for one in plan.blockers if one.choice is not None} | plan.options.choices
        for choice in Choice:
            tick = self._ticks.get(choice)
            if tick is None and choice in offered:
                tick = self._ticks[choice] = self._make_tick(choice)
            if tick is not None:
                tick.setVisible(choice in offered)
                tick.setChecked(choice in self.draft.wish.options.choices)

    def _make_tick(self, choice: Choice) -> QCheckBox:
        texts = {
            Choice.REPLACE: self.tr("&Replace: the snapshot that has this tag now is deleted"),
            Choice.LEAVE_OUT: self.tr("&Leave out the disks that lack it: they stay as they are"),
            Choice.ACCEPT: self.tr("&Accept it as it is: what changed stays changed"),
            Choice.RESIZE: self.tr("Let the disk have the si&ze that it had then"),
        }
        tick = QCheckBox(texts[choice])
        tick.setObjectName(f"plan_{choice.name.lower()}")
        tick.toggled.connect(lambda on, choice=choice: self._choose(choice, on))
        self._choices.addWidget(tick)
        return tick

    def _choose(self, choice: Choice, on: bool) -> None:
        chosen = self.draft.wish.options.choices
        self.ask(choices=chosen | {choice} if on else chosen - {choice})


class TakeDialog(PlanDialog):
    """Asks for a tag; it is checked as it is typed."""

    def __init__(self, draft: Draft, title: str, parent: QWidget) -> None:
        self._typing = QTimer(singleShot=True, interval=_TYPING_MS)
        super().__init__(draft, title, verb_text(Verb.TAKE, 1), parent, safe=True)
        self._typing.setParent(self)
        self._typing.timeout.connect(self._ask_tag)
        label = QLabel(self.tr("&Tag"))
        self.tag = QLineEdit(draft.wish.words[0])
        self.tag.setObjectName("take_tag")
        self.tag.setAccessibleName(self.tr("Tag of the new snapshot"))
        self.tag.setMaxLength(_LONGEST_TAG)
        self.tag.selectAll()
        label.setTextFormat(Qt.TextFormat.PlainText)
        label.setBuddy(self.tag)
        self.form.addWidget(label)
        self.form.addWidget(self.tag)
        self.tag.textChanged.connect(self._typed)
        self.tag.setFocus()
        self.enable()

    def is_waiting(self) -> bool:
        """Override PlanDialog: what was typed last may not be asked for yet."""
        return super().is_waiting() or self._typing.isActive()

    def enable(self) -> None:
        """Override PlanDialog: the box turns red while its tag is refused."""
        super().enable()
        if hasattr(self, "tag") and not self.is_waiting():
            plan = self.draft.plan
            kinds = {one.kind for one in plan.blockers} if plan is not None else set()
            theme.mark_wrong(self.tag, bool(kinds & {Hindrance.TAG, Hindrance.EXISTS}))

    def _typed(self) -> None:
        self._typing.start()
        self.enable()

    def _ask_tag(self) -> None:
        wish = self.draft.wish
        # A choice was made for the tag that stood there: another one may exist, too, and must be asked about again.
        options = replace(wish.options, choices=wish.options.choices - {Choice.REPLACE})
        self.draft.ask(replace(wish, words=(self.tag.text(),), options=options))


class RestoreDialog(PlanDialog):
    """Asks whether to go back to a snapshot; a safety snapshot is taken first unless it is unticked.

    Signals:
        start_wanted: Start the machine from the snapshot instead.
    """

    start_wanted = Signal()

    def __init__(self, draft: Draft, title: str, parent: QWidget, *, can_start: bool) -> None:
        self._can_start = can_start
        super().__init__(draft, title, verb_text(Verb.RESTORE, 1), parent, safe=False)
        self.safety = QCheckBox(self.tr("Take a &safety snapshot first, so that this can be undone"))
        self.safety.setObjectName("restore_safety")
        self.safety.setChecked(draft.wish.options.safety)
        self.safety.toggled.connect(lambda on: self.ask(safety=on))
        self.form.addWidget(self.safety)

    def helpers(self) -> list[QPushButton]:
        """Override PlanDialog: where there is a launch profile, the memory can come back, too."""
        if not self._can_start:
            return []
        start = QPushButton(self.tr("Start from it instead…"))
        start.setObjectName("restore_start")
        start.setToolTip(self.tr("Start the machine as it was at that moment: disk, memory and devices"))
        start.clicked.connect(self._start)
        return [start]

    def _start(self) -> None:
        self.reject()
        self.start_wanted.emit()


def plain_dialog(draft: Draft, title: str, parent: QWidget) -> PlanDialog:
    """Return the dialog of a verb without options of its own."""
    verb = draft.wish.verb
    return PlanDialog(draft, title, verb_text(verb, len(draft.wish.words)), parent, safe=verb is not Verb.DELETE)


def verb_text(verb: Verb, number: int) -> str:
    """Return what stands on the button."""
    if verb is Verb.DELETE:
        return _tr("Delete snapshot") if number == 1 else _tr("Delete %1 snapshots").replace("%1", str(number))
    return {
        Verb.TAKE: _tr("Take snapshot"),
        Verb.RESTORE: _tr("Restore"),
        Verb.START: _tr("Start"),
        Verb.REPAIR: _tr("Check and repair"),
    }[verb]


def _tr(text: str) -> str:
    return QCoreApplication.translate("plan_dialog", text)
