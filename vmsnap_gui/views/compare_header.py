"""The head of the Compare tab: the two sides by name, what differs in a few words, and how a comparison comes along."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QAction, QFont, QGuiApplication, QPalette
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QToolButton, QVBoxLayout, QWidget

from vmsnap_gui.entries import told_apart
from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.compare_summary import Summary, summary
from vmsnap_gui.views import theme
from vmsnap_gui.views.base_button import BaseButton
from vmsnap_gui.views.outcome_ticks import OutcomeTicks
from vmsnap_gui.views.pages import Notice
from vmsnap_gui.views.text_line import TextLine

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from vmsnap_gui.compare_session import CompareSession
    from vmsnap_gui.comparing import Compared, DiskCompared, MemoryCompared
    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.session import Session
    from vmsnap_gui.sides import Side


class CompareHeader(QWidget):
    """Names the sides, sums up, and holds the switch of the noise rules.

    Signals:
        rules_wanted: The person wants to see the noise rules.
    """

    rules_wanted = Signal()

    def __init__(self, comparison: CompareSession, session: Session, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("compare_header")
        self._comparison = comparison
        self._summed_up: tuple[Compared | None, MemoryCompared | None, DiskCompared | None] = (None, None, None)
        self.a, self.b = _SideName("A", self), _SideName("B", self)
        self.base = BaseButton(comparison, session, self)
        self.ticks = OutcomeTicks(comparison, self)
        self.swap = QToolButton()
        self.noise = QCheckBox(self.tr("Apply noise rules"))
        self.rules = QToolButton()
        self.summary = QLabel()
        self.quiet = QLabel()
        self.since = QLabel()
        self.notice = Notice("compare_notice", self)
        self._lay_out()
        self.swap.clicked.connect(comparison.swap)
        self.noise.toggled.connect(comparison.set_noise)
        self.rules.clicked.connect(self.rules_wanted)
        comparison.changed.connect(self._follow)
        comparison.ready.connect(self._follow)
        comparison.memory.changed.connect(self._follow)
        comparison.disk.changed.connect(self._follow)
        jobs.progressed.connect(self._progressed)
        self._follow()

    def changeEvent(self, event: QEvent) -> None:
        """Override QWidget::changeEvent: take up a new palette."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "notice"):
            self._colour()

    def _lay_out(self) -> None:
        self.swap.setObjectName("compare_swap")
        self.swap.setAccessibleName(self.tr("Swap the sides"))
        self.swap.setToolTip(self.tr("Let A and B change places"))
        self.swap.setText(self.tr("Swap"))
        self.noise.setObjectName("compare_noise")
        self.noise.setToolTip(self.tr("Fields that change by themselves, such as timers, count as the same"))
        self.rules.setObjectName("compare_rules")
        self.rules.setText(self.tr("Rules…"))
        self.rules.setAccessibleName(self.tr("Noise rules"))
        self.rules.setToolTip(self.tr("See the noise rules with their reasons, and switch them on and off"))
        for button, icon in ((self.swap, "swap"), (self.rules, "filter")):
            theme.set_icon(button, icon)
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.setAutoRaise(True)
            button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        labels = (self.summary, "compare_summary"), (self.quiet, "compare_quiet"), (self.since, "compare_since")
        for label, name in labels:
            label.setObjectName(name)
            label.setTextFormat(Qt.TextFormat.PlainText)
            label.setWordWrap(True)
            label.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        cancel = QAction(self.tr("Cancel"), self)
        cancel.setObjectName("cancel")
        cancel.triggered.connect(self._comparison.cancel)
        self._cancel = self.notice.add_button(cancel)
        line = QHBoxLayout()
        line.setSpacing(8)
        for widget, stretch in ((self.a, 2), (self.swap, 0), (self.b, 2)):
            line.addWidget(widget, stretch)
        for chooser in (self.base, self.noise, self.rules):
            line.addWidget(chooser)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        inner = QVBoxLayout()
        inner.setContentsMargins(10, 8, 10, 6)
        inner.setSpacing(3)
        inner.addLayout(line)
        inner.addSpacing(4)
        inner.addWidget(self.summary)
        inner.addWidget(self.quiet)
        inner.addSpacing(2)
        inner.addWidget(self.ticks)
        inner.addWidget(self.since)
        self.quiet.hide()
        self.since.hide()
        layout.addLayout(inner)
        layout.addWidget(self.notice)
        self._colour()

    def _colour(self) -> None:
        strong = QFont(self.font())
        strong.setPointSizeF(strong.pointSizeF() * 1.15)
        strong.setWeight(QFont.Weight.DemiBold)
        self.summary.setFont(theme.tabular(strong))
        quiet = QPalette(QGuiApplication.palette())
        quiet.setColor(QPalette.ColorRole.WindowText, theme.muted(quiet))
        for label in (self.quiet, self.since):
            label.setPalette(quiet)
            label.setFont(theme.tabular(self.font()))

    def _follow(self) -> None:
        comparison = self._comparison
        shown = comparison.compared.sides if comparison.compared is not None else None
        sides = (shown.a, shown.b) if shown is not None else comparison.sides
        base = shown.base if shown is not None else comparison.base
        names = told_apart(side.path for side in (*(sides or ()), base) if side is not None)
        self.a.show_side(sides[0] if sides else None, names)
        self.b.show_side(sides[1] if sides else None, names)
        self.base.show_base(base)
        self.ticks.show_base(base)
        blocked = self.noise.blockSignals(True)
        self.noise.setChecked(comparison.noise)
        self.noise.blockSignals(blocked)
        found = (comparison.compared, comparison.memory.result, comparison.disk.result)
        if any(one is not other for one, other in zip(found, self._summed_up, strict=True)):
            self._summed_up = found
            self._sum_up(summary(*found))
        self._say()

    def _sum_up(self, told: Summary) -> None:
        self.summary.setText(told.loud)
        self.quiet.setText(told.quiet)
        self.quiet.setVisible(bool(told.quiet))
        self.since.setText(told.since)
        self.since.setVisible(bool(told.since))

    def _progressed(self, job: Job) -> None:
        if job is self._comparison.job:
            self._say()

    def _say(self) -> None:
        """Show the comparison that is under way, why there is none, or what is wrong with the states."""
        comparison, text, icon = self._comparison, "", "in-use"
        if comparison.job is not None and comparison.sides is not None:
            text = self.tr("Comparing %1 with %2")
            for sign, side in zip(("%1", "%2"), comparison.sides, strict=True):
                text = text.replace(sign, words.snapshot_name(side.snapshot))
            if comparison.job.total:
                text += f" · {comparison.job.done / comparison.job.total:.0%}"
        elif comparison.failure:
            icon = "problem"
            text = self.tr("The comparison failed: %1 What is shown below is as it was before.")
            if comparison.compared is None:
                text = self.tr("The comparison failed: %1")
            text = text.replace("%1", words.sentence(comparison.failure))
        elif comparison.compared is not None:
            icon, text = "problem", self._what_is_wrong(comparison.compared)
        self._cancel.setVisible(comparison.job is not None)
        self.notice.show_message(icon, text)

    def _what_is_wrong(self, compared: Compared) -> str:
        """Return what is wrong with the states; a device that could not be read looks as if it were not there."""
        fields, since = compared.fields, compared.since
        sides = [("A", fields.a), ("B", fields.b)] if fields is not None else []
        sides += [(self.tr("Base"), since.base)] if since is not None else []
        found = [f"{name}: {problem}" for name, state in sides for problem in state.problems]
        more = f" (+{numbers.count(len(found) - 1)})" if len(found) > 1 else ""
        return words.sentence(found[0]) + more if found else ""


class _SideName(QWidget):
    """A letter, the snapshot's name, and where and when it is from."""

    def __init__(self, letter: str, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName(f"compare_side_{letter.lower()}")
        self._letter = letter
        self._chip = QLabel(letter, alignment=Qt.AlignmentFlag.AlignCenter)
        self._name, self._about = TextLine(), TextLine()
        texts = QVBoxLayout()
        texts.setSpacing(0)
        texts.addWidget(self._name)
        texts.addWidget(self._about)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._chip)
        layout.addLayout(texts, 1)
        self._colour()

    def show_side(self, side: Side | None, names: Mapping[Path, str]) -> None:
        """Show a snapshot; `names` tell the images of all sides apart."""
        name = words.snapshot_name(side.snapshot) if side is not None else ""
        date = numbers.date(side.snapshot.date_sec) if side is not None else numbers.NO_VALUE
        dates = [date] if date != numbers.NO_VALUE else []
        self._name.setText(name)
        image = [words.visible(names[side.path])] if side is not None else []
        self._about.setText(" · ".join([*image, *dates]))
        self.setToolTip(words.plain_tip([name, words.path_text(side.path), *dates]) if side is not None else "")
        self.setAccessibleName(self.tr("Side %1: %2").replace("%1", self._letter).replace("%2", name))

    def name(self) -> str:
        """Return the snapshot's name as it is shown."""
        return self._name.text()

    def changeEvent(self, event: QEvent) -> None:
        """Override QWidget::changeEvent: take up a new palette."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_about"):
            self._colour()

    def _colour(self) -> None:
        palette = QGuiApplication.palette()
        strong = QFont(self.font())
        strong.setWeight(QFont.Weight.DemiBold)
        for label in (self._chip, self._name):
            label.setFont(strong)
        side = round(self.fontMetrics().height() * 1.6)
        self._chip.setFixedSize(side, side)
        ground = theme.blend(palette.color(QPalette.ColorRole.Window), theme.accent(palette), 0.25)
        self._chip.setStyleSheet(f"background: {ground.name()}; border-radius: 3px;")
        quiet = QPalette(palette)
        quiet.setColor(QPalette.ColorRole.WindowText, theme.muted(palette))
        self._about.setPalette(quiet)
