"""The Overview tab: facts, sizes and problems of the selected image and its selected state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, Qt, QTimer
from PySide6.QtWidgets import (
    QHeaderView,
    QLabel,
    QSplitter,
    QStackedWidget,
    QTreeView,
    QVBoxLayout,
    QWidget,
)

from vmsnap_gui.models import facts, words
from vmsnap_gui.models.problems import ProblemsModel, how_many
from vmsnap_gui.models.sizes import BAR, NAME, SHARE_ROLE, SIZE, SizesModel
from vmsnap_gui.views import theme
from vmsnap_gui.views.delegates import BarDelegate, RowDelegate
from vmsnap_gui.views.facts_list import FactsList
from vmsnap_gui.views.pages import MessagePage
from vmsnap_gui.views.share_bar import ShareBar
from vmsnap_gui.views.state_message import why_no_state

if TYPE_CHECKING:
    from PySide6.QtGui import QShowEvent

    from vmsnap_gui.session import Session

_OUT_OF_SIGHT_MS = 60
"""How much later than the tab in sight this one follows the session."""
_LOADING_MS = 100
"""How long what was shown stays while a state loads: mostly the next follows by then, and all is laid out only once."""


class Overview(QWidget):
    """Facts at the left, sizes at the right, problems below if there are any."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("overview")
        self.setAccessibleName(self.tr("Overview"))
        self._session = session
        self.facts = FactsList("facts", self)
        self.sizes = SizesModel(self)
        self.problems = ProblemsModel(self)
        self.bar = ShareBar("state_parts", self)
        self.bar.setAccessibleName(self.tr("What the saved state consists of"))
        self.chart = self._make_chart()
        self.problem_list = self._make_problem_list()
        self.page = MessagePage("overview_page", self)
        self._stack = QStackedWidget()
        self._below = QWidget()
        self._problem_title = QLabel()
        self._lay_out()
        # One choice makes several of these come together; they are followed once.
        self._soon = QTimer(self, singleShot=True)
        self._soon.timeout.connect(self._follow)
        for signal in (
            session.selection_changed,
            session.state_loading,
            session.state_loaded,
            session.state_failed,
            session.state_cleared,
            session.notes.changed,
        ):
            signal.connect(self._follow_soon)
        self._follow()

    def showEvent(self, event: QShowEvent) -> None:
        """Override QWidget::showEvent: what could wait while nobody looked is wanted now."""
        super().showEvent(event)
        if self._soon.isActive():
            self._soon.start(0)  # not here: whatever shows the window's tabs does enough already in this turn

    def _lay_out(self) -> None:
        right = QWidget()
        column = QVBoxLayout(right)
        column.setContentsMargins(12, 10, 12, 0)
        column.setSpacing(8)
        column.addWidget(self.bar)
        column.addWidget(self.chart, 1)
        self._stack.addWidget(right)
        self._stack.addWidget(self.page)
        across = QSplitter(Qt.Orientation.Horizontal)
        across.setObjectName("overview_splitter")
        across.setChildrenCollapsible(False)
        across.addWidget(self.facts)
        across.addWidget(self._stack)
        across.setStretchFactor(0, 2)
        across.setStretchFactor(1, 3)
        across.setSizes([400, 600])
        below = QVBoxLayout(self._below)
        below.setContentsMargins(0, 0, 0, 0)
        below.setSpacing(0)
        self._problem_title.setObjectName("problems_title")
        self._problem_title.setTextFormat(Qt.TextFormat.PlainText)
        self._problem_title.setMargin(6)
        below.addWidget(self._problem_title)
        below.addWidget(self.problem_list)
        down = QSplitter(Qt.Orientation.Vertical)
        down.setObjectName("problems_splitter")
        down.setChildrenCollapsible(False)
        down.addWidget(across)
        down.addWidget(self._below)
        down.setStretchFactor(0, 3)
        down.setStretchFactor(1, 1)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(down)

    def _make_chart(self) -> QTreeView:
        chart = _table("size_chart", self.tr("Devices by size"))
        chart.setModel(self.sizes)
        chart.setFont(theme.tabular(chart.font()))
        chart.setItemDelegate(RowDelegate(parent=chart))
        chart.setItemDelegateForColumn(BAR, BarDelegate(SHARE_ROLE, chart))
        header = chart.header()
        header.setObjectName("size_columns")
        header.setStretchLastSection(False)
        wide = self.fontMetrics().averageCharWidth()
        header.resizeSection(NAME, wide * 34)
        header.setSectionResizeMode(BAR, QHeaderView.ResizeMode.Stretch)
        header.resizeSection(SIZE, wide * 13)
        chart.setToolTip(self.tr("Double-click or Enter shows the device"))
        chart.activated.connect(self._show_device)
        return chart

    def _make_problem_list(self) -> QTreeView:
        table = _table("problem_list", self.tr("Problems"))
        table.setModel(self.problems)
        table.setItemDelegate(RowDelegate(parent=table))
        wide = self.fontMetrics().averageCharWidth()
        table.header().setObjectName("problem_columns")
        table.header().resizeSection(0, wide * 9)
        table.header().resizeSection(1, wide * 14)
        table.activated.connect(self._show_problem)
        return table

    def _follow_soon(self, *_: object) -> None:
        """Follow after what is going on; out of sight, later than what is in sight."""
        if self._session.loading is not None:
            self._soon.start(_LOADING_MS)
        else:
            self._soon.start(0 if self.isVisible() else _OUT_OF_SIGHT_MS)

    def _follow(self) -> None:
        """Show what the session has."""
        self._soon.stop()
        entry, loaded = self._session.entry(), self._session.loaded
        info = entry.info if entry is not None else None
        snapshot = self._session.selected_snapshot()
        groups = []
        if snapshot is not None:
            known = facts.snapshot_facts(snapshot)
            known += facts.note_facts(self._session.notes.on(info, snapshot)) if info is not None else []
            known += facts.state_facts(loaded) if loaded is not None else []
            groups += [(self.tr("Saved state"), known)] if known else []
        if info is not None:
            groups.append((self.tr("Image"), facts.image_facts(info)))
        self.facts.show_groups(groups)
        self.sizes.show(loaded)
        self.bar.show_parts(facts.state_parts(loaded.vmstate) if loaded is not None else ())
        self.problems.show(info, loaded)
        wrong, notices = how_many(info, loaded)
        self._problem_title.setText(words.problems(wrong, notices))
        self._below.setVisible(wrong + notices > 0)
        self._say()
        self._stack.setCurrentIndex(0 if loaded is not None else 1)

    def _say(self) -> None:
        self.page.show_message(*why_no_state(self._session))

    def _show_device(self, index: QModelIndex) -> None:
        section = self.sizes.section(index)
        if section is not None:
            self._session.show_field(section, "")

    def _show_problem(self, index: QModelIndex) -> None:
        line = self.problems.line(index)
        if line is not None and line.section is not None:
            self._session.show_field(line.section, line.path)


def _table(name: str, title: str) -> QTreeView:
    table = QTreeView()
    table.setObjectName(name)
    table.setAccessibleName(title)
    table.setRootIsDecorated(False)
    table.setUniformRowHeights(True)
    table.setAllColumnsShowFocus(True)
    table.setEditTriggers(QTreeView.EditTrigger.NoEditTriggers)
    table.setTabKeyNavigation(False)
    table.setFrameShape(QTreeView.Shape.NoFrame)
    return table
