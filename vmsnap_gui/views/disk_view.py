"""The Disk tab: what the image's clusters are used for, what each snapshot occupies, and which disks have it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QItemSelection, QItemSelectionModel, Qt
from PySide6.QtGui import QAction
from PySide6.QtWidgets import QHeaderView, QLabel, QSizePolicy, QSplitter, QTreeView, QVBoxLayout, QWidget

from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.disk_matrix import WRONG_ROLE, DiskColumn, MatrixModel
from vmsnap_gui.models.usage import GROWTH, PIECES_ROLE, QUIET_ROLE, TAG, UsageModel
from vmsnap_gui.views import theme
from vmsnap_gui.views.delegates import MarkDelegate, MutedDelegate
from vmsnap_gui.views.history_view import HistoryView
from vmsnap_gui.views.pages import Notice
from vmsnap_gui.views.stack_delegate import StackDelegate
from vmsnap_gui.views.usage_bars import UsageBars

if TYPE_CHECKING:
    from collections.abc import Collection

    from PySide6.QtCore import QPoint

    from vmsnap_gui.history import History
    from vmsnap_gui.history_session import HistorySession
    from vmsnap_gui.jobs import Jobs
    from vmsnap_gui.session import Session
    from vmsnap_gui.views.snapshot_table import SnapshotTable


class DiskView(HistoryView):
    """Bars above, what deleting frees below them, then a row for each snapshot, and the matrix of the machine's disks.

    Attributes:
        bars: What the clusters of each disk are used for.
        summary: What deleting the selected snapshots frees.
        notice: What is wrong with the numbers.
        model, table: What each snapshot occupies.
        matrix_model, matrix: Which disk has which snapshot; shown for a machine with several.
    """

    def __init__(
        self,
        history: HistorySession,
        session: Session,
        jobs: Jobs,
        snapshots: SnapshotTable,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__("disk", history, session, jobs, snapshots, parent)
        self.setAccessibleName(self.tr("Disk"))
        self.bars = UsageBars(self)
        self.summary = QLabel()
        self.notice = Notice("disk_notice", self)
        self._again = QAction(self.tr("Count again"), self)
        self._again.setObjectName("count_again")
        self._again.triggered.connect(history.start)
        self.notice.add_button(self._again)
        self.model = UsageModel(self)
        self.table = self._make_table()
        self.matrix_model = MatrixModel(self)
        self.matrix = self._make_matrix()
        self.set_content(self._lay_out())
        self.setFocusProxy(self.table)
        self.table.selectionModel().selectionChanged.connect(self._chosen)
        self.matrix.selectionModel().selectionChanged.connect(self._chosen_in_matrix)
        history.freed_changed.connect(self._say_freed)
        history.changed.connect(self._follow_disks)

    def _lay_out(self) -> QWidget:
        self.summary.setObjectName("disk_summary")
        self.summary.setTextFormat(Qt.TextFormat.PlainText)
        self.summary.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        below = QSplitter(Qt.Orientation.Horizontal)
        below.setObjectName("disk_splitter")
        below.setChildrenCollapsible(False)
        below.addWidget(self.table)
        below.addWidget(self.matrix)
        below.setStretchFactor(0, 3)
        below.setStretchFactor(1, 2)
        below.setSizes([620, 400])
        content = QWidget()
        above = QVBoxLayout()
        above.setContentsMargins(12, 10, 12, 6)
        above.setSpacing(8)
        above.addWidget(self.bars)
        above.addWidget(self.summary)
        layout = QVBoxLayout(content)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.notice)
        layout.addLayout(above)
        layout.addWidget(below, 1)
        return content

    def _make_table(self) -> QTreeView:
        table = _table("usage_table", self.tr("What each snapshot occupies"), self.model)
        table.setItemDelegate(MutedDelegate(QUIET_ROLE, table))
        table.setItemDelegateForColumn(GROWTH, StackDelegate(PIECES_ROLE, table))
        table.setSelectionMode(QTreeView.SelectionMode.ExtendedSelection)
        table.customContextMenuRequested.connect(self._show_menu)
        header = table.header()
        header.setObjectName("usage_columns")
        wide = self.fontMetrics().averageCharWidth()
        for column in range(self.model.columns):
            header.resizeSection(column, wide * 13)
        header.resizeSection(TAG, wide * 24)
        header.setSectionResizeMode(GROWTH, QHeaderView.ResizeMode.Stretch)
        return table

    def _make_matrix(self) -> QTreeView:
        matrix = _table("disk_matrix", self.tr("Which disk has which snapshot"), self.matrix_model)
        matrix.setItemDelegate(MarkDelegate(WRONG_ROLE, matrix))
        matrix.hide()
        return matrix

    # Following

    def show_history(self, found: History) -> None:
        """Show what another image's snapshots occupy, or the same image's as it is now."""
        self._selecting = True
        try:
            self.model.show(found)
        finally:
            self._selecting = False
        self._follow_disks()

    def why_useless(self, found: History) -> str:
        """Say why the snapshots of an image were not counted."""
        why_not = self.tr("what the snapshots occupy cannot be counted: %1").replace("%1", found.why_not)
        return why_not if found.usage is None else ""

    def show_selection(self, positions: Collection[int]) -> None:
        """Show that these snapshots are selected."""
        model, flags = self.table.selectionModel(), QItemSelectionModel.SelectionFlag
        wanted = QItemSelection()
        for index in map(self.model.index_of, positions):
            wanted.select(index, index)
        if set(positions) != set(self._selected()):
            model.select(wanted, flags.ClearAndSelect | flags.Rows)
            if not wanted.isEmpty():
                self.table.scrollTo(self.model.index_of(max(positions)))
        self._select_in_matrix(positions)

    def _select_in_matrix(self, positions: Collection[int]) -> None:
        if self._shown is None or self.matrix.isHidden():
            return
        there, flags = self._shown.snapshots, QItemSelectionModel.SelectionFlag
        wanted = QItemSelection()
        for row in self.matrix_model.rows_of({there[one].tag for one in positions if one < len(there)}):
            wanted.select(self.matrix_model.index(row, 0), self.matrix_model.index(row, 0))
        self.matrix.selectionModel().select(wanted, flags.ClearAndSelect | flags.Rows)

    def changeEvent(self, event: QEvent) -> None:
        """Override QWidget::changeEvent: take up a new palette."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "matrix"):
            self._follow_disks()

    def _follow_disks(self) -> None:
        """Show the bars and the matrix of all disks, and what is wrong with the numbers."""
        if self._shown is None or not self.isVisible():
            return
        entries = self._session.library.entries
        disks = []
        for path in self.history.disks():
            entry = entries.get(path)
            if entry is not None and entry.info is not None:
                disks.append(DiskColumn(path.name, entry.info.snapshots, self.history.history(path)))
        self.bars.show_disks(disks)
        self.matrix_model.show(disks)
        self.matrix.setVisible(len(disks) > 1)
        self._follow_selection()
        self._say_freed()
        self._warn(self._shown)

    def _warn(self, found: History) -> None:
        problems = found.usage.problems if found.usage is not None else ()
        if problems:
            more = f" (+{numbers.count(len(problems) - 1)})" if len(problems) > 1 else ""
            text = words.sentence(str(problems[0])) + more
        else:
            outdated = self.history.is_outdated() and self.history.job() is None
            texts = [self.tr("The image was written to since this was counted.")] if outdated else []
            if self._is_any_in_use():
                texts.append(self.tr("In use by a running machine: the numbers are of what is written so far."))
            text = " ".join(texts)
        self.notice.show_message("problem" if problems else "in-use", text)

    def _is_any_in_use(self) -> bool:
        entries = [self._session.library.entries.get(path) for path in self.history.disks()]
        return any(entry is not None and entry.in_use for entry in entries)

    def _say_freed(self) -> None:
        found, chosen = self._shown, self.snapshots.selected()
        if found is None or found.usage is None:
            self.summary.setText("")
            return
        if not chosen:
            text = self.tr("Select snapshots to see what deleting them frees.")
        elif self.history.freed is None:
            text = self.tr("Adding up what deleting %1 frees").replace("%1", words.snapshots(len(chosen)))
        else:
            names = [f"'{words.snapshot_name(found.snapshots[one])}'" for one in chosen if one < len(found.snapshots)]
            what = names[0] if len(names) == 1 else words.snapshots(len(names))
            disks = len(self.history.disks())
            of_all = self.tr("inside the machine's %1").replace("%1", words.images(disks))
            within = of_all if disks > 1 else self.tr("inside the image")
            least, exactly = self.tr("Deleting %1 frees at least %2 %3."), self.tr("Deleting %1 frees %2 %3.")
            text = (least if self._is_any_in_use() else exactly).replace("%3", within)
            text = text.replace("%2", numbers.size(self.history.freed)).replace("%1", what)
        self.summary.setText(text)
        self.summary.setToolTip(numbers.exact_size(self.history.freed) if self.history.freed is not None else "")

    # Choosing

    def _selected(self) -> list[int]:
        positions = [self.model.position(index) for index in self.table.selectionModel().selectedRows()]
        return [one for one in positions if one is not None]

    def _chosen(self) -> None:
        self.choose(self._selected())

    def _chosen_in_matrix(self) -> None:
        """Select the snapshots of a tag, as far as the selected image has it."""
        found = self._shown
        rows = self.matrix.selectionModel().selectedRows()
        if found is not None and rows:
            tags = {self.matrix_model.tag(row) for row in rows}
            self.choose([position for position, one in enumerate(found.snapshots) if one.tag in tags])

    def _show_menu(self, place: QPoint) -> None:
        if self.model.position(self.table.indexAt(place)) is not None:
            self.snapshots.show_menu(self.table.viewport().mapToGlobal(place))


def _table(name: str, title: str, model: UsageModel | MatrixModel) -> QTreeView:
    table = QTreeView()
    table.setObjectName(name)
    table.setAccessibleName(title)
    table.setModel(model)
    table.setFont(theme.tabular(table.font()))
    table.setRootIsDecorated(False)
    table.setUniformRowHeights(True)
    table.setAllColumnsShowFocus(True)
    table.setTabKeyNavigation(False)
    table.setFrameShape(QTreeView.Shape.NoFrame)
    table.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
    table.header().setStretchLastSection(False)
    return table
