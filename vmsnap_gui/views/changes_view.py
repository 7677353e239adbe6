"""The comparison's Fields tab: what became of the fields, and all that is known of the one that is selected."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QFont, QPalette
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPlainTextEdit, QSplitter, QVBoxLayout, QWidget

from vmsnap_gui.guest.filter import FilterError, compile_filter
from vmsnap_gui.models import words
from vmsnap_gui.models.change_rows import ChangeRows, Shown, choose_rows, let_go
from vmsnap_gui.telling import sentence
from vmsnap_gui.views import theme
from vmsnap_gui.views.change_actions import ChangeActions
from vmsnap_gui.views.change_tree import ChangeTree
from vmsnap_gui.views.compare_part import nothing_yet
from vmsnap_gui.views.pages import MessagePage

if TYPE_CHECKING:
    from PySide6.QtCore import QModelIndex

    from vmsnap_gui.compare_session import CompareSession
    from vmsnap_gui.jobs import Job, Jobs

_DETAIL_LINES = 7
_FREEING = "compare free"


class ChangesView(QWidget):
    """What became of the fields.

    Signals:
        filter_wanted: (str) The person wants this filter.
    """

    filter_wanted = Signal(str)

    def __init__(self, comparison: CompareSession, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("changes")
        self.setAccessibleName(self.tr("Fields"))
        self._comparison = comparison
        self._jobs = jobs
        self._filter = compile_filter("")
        self._job: Job | None = None
        self.shown = QComboBox()
        self.tree = ChangeTree(self)
        self.actions_of_change = ChangeActions(self.tree)
        self.details = QPlainTextEdit()
        self.page = MessagePage("changes_page", self)
        self._count = QLabel()
        self._lay_out()
        self.tree.selectionModel().currentChanged.connect(self._chosen)
        self.shown.currentIndexChanged.connect(lambda _index: self._choose())
        self.actions_of_change.filter_wanted.connect(self.filter_wanted)
        comparison.ready.connect(self._choose)
        comparison.outcomes_changed.connect(self._choose)
        comparison.changed.connect(self._follow)
        self._choose()

    def set_filter(self, text: str) -> str | None:
        """Show only the fields that a filter matches.

        Returns:
            None, or what is wrong with the filter; then nothing changes.
        """
        try:
            wanted = compile_filter(text)
        except FilterError as error:
            return str(error)
        if wanted.text != self._filter.text:
            self._filter = wanted
            self._choose()
        return None

    def step(self, *, back: bool) -> bool:
        """Go to the next difference, or to the one before; False where there is none."""
        return self.tree.step(back=back)

    def go_to_end(self, *, back: bool) -> bool:
        """Go to the first difference, or to the last; False where there is none."""
        return self.tree.go_to_end(back=back)

    def changeEvent(self, event: QEvent) -> None:
        """Override QWidget::changeEvent: take up a new palette."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_count"):
            self._colour()

    def _lay_out(self) -> None:
        self.shown.setObjectName("changes_shown")
        self.shown.setAccessibleName(self.tr("Which fields are shown"))
        for text in (self.tr("Changed"), self.tr("Changed or same when filtered"), self.tr("All fields")):
            self.shown.addItem(text)
        self._count.setObjectName("changes_count")
        self.details.setObjectName("change_details")
        self.details.setAccessibleName(self.tr("The selected field"))
        self.details.setReadOnly(True)
        self.details.setTabChangesFocus(True)
        self.details.setFrameShape(QPlainTextEdit.Shape.NoFrame)
        self.details.setFont(theme.monospaced())
        self.details.document().setDocumentMargin(8)
        line = QHBoxLayout()
        line.setContentsMargins(8, 5, 8, 5)
        label = QLabel(self.tr("&Show:"))
        label.setBuddy(self.shown)
        line.setSpacing(8)
        line.addWidget(label)
        line.addWidget(self.shown)
        line.addStretch(1)
        line.addWidget(self._count)
        splitter = QSplitter(Qt.Orientation.Vertical)
        splitter.setObjectName("changes_splitter")
        splitter.setChildrenCollapsible(False)
        splitter.addWidget(self.tree)
        splitter.addWidget(self.page)
        splitter.addWidget(self.details)
        for place, stretch in enumerate((1, 1, 0)):
            splitter.setStretchFactor(place, stretch)
        height = self.details.fontMetrics().lineSpacing() * _DETAIL_LINES + 12
        splitter.setSizes([4 * height, 4 * height, height])
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(line)
        layout.addWidget(splitter, 1)
        self.setFocusProxy(self.tree)
        self._colour()

    def _colour(self) -> None:
        quiet = QPalette(self.palette())
        quiet.setColor(QPalette.ColorRole.WindowText, theme.muted(quiet))
        self._count.setPalette(quiet)
        self._count.setFont(theme.tabular(QFont(self.font())))

    # Following the comparison

    def _follow(self) -> None:
        if self._comparison.compared is None:
            self._show(None)

    def _choose(self) -> None:
        """Have a worker choose what is shown; what was shown stays until then."""
        if self._job is not None:
            self._job.cancel()
            self._job = None
        compared, shown, wanted = self._comparison.compared, Shown(self.shown.currentIndex()), self._filter
        outcomes = self._comparison.outcomes
        if compared is None:
            self._show(None)
            return
        self._job = self._jobs.run(
            self.tr("Choosing fields"),
            lambda progress: choose_rows(compared, shown, wanted, progress, outcomes),
            lane=self._comparison.lane("rows"),
            success=self._show,
            failure=self._failed,
            quiet=True,
        )

    def _show(self, rows: ChangeRows | None) -> None:
        self._job = None
        old = self.tree.changes.rows
        self.tree.show_rows(rows)
        if old is not None and old is not rows:
            self._jobs.run(
                self.tr("Choosing fields"),
                lambda _progress: let_go(old),
                lane=_FREEING,
                success=lambda _none: None,
                quiet=True,
            )
        empty = rows is None or not rows.sections
        self.tree.setVisible(not empty)
        self.details.setVisible(not empty)
        self.page.setVisible(empty)
        self.page.show_message(*self._why_empty(rows))
        text = words.fields(rows.fields) if rows is not None and not empty else ""
        if rows is not None and rows.filtered and text:
            text = self.tr("%1 match the filter").replace("%1", text)
        self._count.setText(text)
        self._chosen(self.tree.currentIndex())

    def _why_empty(self, rows: ChangeRows | None) -> tuple[str, str, str]:
        """Return icon, heading and text of the page that stands in for an empty tree."""
        if rows is None:
            return nothing_yet(self._comparison)
        found = rows.compared.fields
        if found is None:
            text = self.tr("At least one of the two snapshots holds only a disk, no state of the machine.")
            return "image", self.tr("There are no fields to compare"), text
        if rows.filtered:
            return "filter", self.tr("No field matches the filter"), ""
        since = rows.compared.since
        if since is not None and any(since.counts):
            text = self.tr("Since the base fields changed, but not where a tick is set above.")
            return "filter", self.tr("No such field changed"), text
        text = self.tr("All fields of all devices are the same.")
        filtered = rows.compared.counts.filtered
        if filtered:
            text = self.tr("%1 same when filtered: choose them above to see them, with the reason of each.")
            text = text.replace("%1", words.fields(filtered))
        return "compare", self.tr("No field differs"), text

    def _failed(self, error: Exception) -> None:
        self._show(None)
        self.page.show_message("failed", self.tr("The fields cannot be shown"), words.sentence(sentence(error)))

    def _chosen(self, index: QModelIndex) -> None:
        text = "\n".join(words.visible(line) for line in self.tree.changes.texts(index).lines)
        self.details.setPlainText(text)
        self.details.setAccessibleDescription(text)
