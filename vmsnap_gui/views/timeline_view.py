"""The Timeline: when each snapshot was taken, what goes back to what, and how much each occupies."""

from __future__ import annotations

import gc
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QSizePolicy,
    QStackedWidget,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from vmsnap_gui.models import history_texts, numbers, words
from vmsnap_gui.models.timeline import Marks, marks_of
from vmsnap_gui.views import theme
from vmsnap_gui.views.gentle_import import GentleImport
from vmsnap_gui.views.history_view import HistoryView

if TYPE_CHECKING:
    from collections.abc import Collection

    from vmsnap_gui.history import History
    from vmsnap_gui.history_session import HistorySession
    from vmsnap_gui.jobs import Jobs
    from vmsnap_gui.session import Session
    from vmsnap_gui.settings import Settings
    from vmsnap_gui.views.snapshot_table import SnapshotTable
    from vmsnap_gui.views.timeline_plot import TimelinePlot


class TimelineView(HistoryView):
    """The snapshots along an axis of time; the selection is that of the table.

    Attributes:
        plot: The picture, once pyqtgraph is there.
        clocks: The buttons for the axis: 0 for dates, 1 for the VM clock.
        about: What lines and areas mean, and what is not shown.
        range: From when to when is shown.
    """

    def __init__(
        self,
        history: HistorySession,
        session: Session,
        jobs: Jobs,
        settings: Settings,
        snapshots: SnapshotTable,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__("timeline", history, session, jobs, snapshots, parent)
        self._settings = settings
        self.plot: TimelinePlot | None = None
        self.about = QLabel()
        self.range = QLabel()
        self.clocks = QButtonGroup(self)
        self._waiting = QLabel(self.tr("Preparing the timeline"), alignment=Qt.AlignmentFlag.AlignCenter)
        self._picture = QStackedWidget()
        self._picture.addWidget(self._waiting)
        self.set_content(self._lay_out())
        self._import = GentleImport("pyqtgraph", self)
        self._import.finished.connect(self._make_plot)
        self._import.failed.connect(lambda error: self._waiting.setText(words.visible(str(error))))
        jobs.import_module("numpy", lambda _module: self._import.start())

    def _lay_out(self) -> QWidget:
        content = QWidget()
        line = QHBoxLayout()
        line.setContentsMargins(8, 2, 8, 2)
        line.setSpacing(2)
        for vm_clock, name, text, tip in (
            (False, "by_date", self.tr("Date"), self.tr("When the snapshots were taken")),
            (True, "by_clock", self.tr("VM clock"), self.tr("How long the machine had been running")),
        ):
            button = QToolButton()
            button.setObjectName(f"timeline_{name}")
            button.setText(text)
            button.setToolTip(tip)
            button.setCheckable(True)
            button.setAutoRaise(True)
            button.setChecked(vm_clock is self._settings.vm_clock)
            self.clocks.addButton(button, int(vm_clock))
            line.addWidget(button)
        self.clocks.idClicked.connect(self._choose_clock)
        self.about.setObjectName("timeline_about")
        self.about.setTextFormat(Qt.TextFormat.PlainText)
        self.about.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        line.addSpacing(12)
        line.addWidget(self.about, 1)
        self.range.setObjectName("timeline_range")
        self.range.setFont(theme.tabular(self.range.font()))
        line.addWidget(self.range)
        layout = QVBoxLayout(content)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(line)
        layout.addWidget(self._picture, 1)
        return content

    def _make_plot(self) -> None:
        from vmsnap_gui.views.timeline_plot import TimelinePlot

        gc.freeze()  # as in the inspector: pyqtgraph stays
        self.plot = TimelinePlot(self._describe, self)
        self.plot.setAccessibleName(self.tr("Timeline of snapshots"))
        self.plot.chosen.connect(self.choose)
        self.plot.range_changed.connect(self._tell_range)
        self.plot.menu_wanted.connect(self.snapshots.show_menu)
        self._picture.addWidget(self.plot)
        self._picture.setCurrentWidget(self.plot)
        self.setFocusProxy(self.plot)
        if self._shown is not None:
            self.show_history(self._shown)
            self._follow_selection()

    def show_history(self, found: History) -> None:
        """Show another history."""
        vm_clock = self._settings.vm_clock
        marks = marks_of(found, vm_clock=vm_clock)
        if self.plot is not None:
            self.plot.show_marks(marks, vm_clock=vm_clock)
        self._say(found, marks)

    def show_selection(self, positions: Collection[int]) -> None:
        """Show that these snapshots are selected."""
        if self.plot is not None:
            self.plot.select(positions)

    def _say(self, found: History, marks: Marks) -> None:
        parts = [self.tr("Area: what deleting it frees")] if found.frees else []
        if any(not solid for _, _, solid in marks.links):
            parts.append(self.tr("dashed: inferred, and perhaps wrong"))
        if any(mark.open and not mark.here for mark in marks.all):
            parts.append(self.tr("hollow: not known what it goes back to"))
        if marks.left_out:
            text = self.tr("%1 without a VM clock not shown")
            parts.append(text.replace("%1", words.snapshots(marks.left_out)))
        self.about.setText(" · ".join(parts))
        self.about.setToolTip(words.plain_tip(parts))  # there may not be room for all of it

    def _tell_range(self, low: float, high: float) -> None:
        if self._settings.vm_clock:
            texts = [numbers.clock(max(0, round(one * 1e9))) for one in (low, high)]
        else:
            texts = [numbers.date(round(one)) for one in (low, high)]
            if texts[0][:10] == texts[1][:10]:
                texts[1] = texts[1][11:]
        self.range.setText(" – ".join(texts))

    def _describe(self, node: int) -> str:
        return history_texts.node_tip(self._shown, node, self.note_on(node)) if self._shown is not None else ""

    def _choose_clock(self, number: int) -> None:
        self._settings.vm_clock = bool(number)
        if self._shown is not None:
            self.show_history(self._shown)
            self._follow_selection()
