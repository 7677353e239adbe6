"""What the views of an image's history have in common: a page while it is found out, or where there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from vmsnap_gui.image.qcow2_snapshots import CUT_OFF
from vmsnap_gui.models import words
from vmsnap_gui.views.work_page import WorkPage

if TYPE_CHECKING:
    from collections.abc import Collection

    from PySide6.QtGui import QShowEvent

    from vmsnap_gui.history import History
    from vmsnap_gui.history_session import HistorySession
    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.note_store import Note
    from vmsnap_gui.session import Session
    from vmsnap_gui.views.snapshot_table import SnapshotTable


class HistoryView(QWidget):
    """A view of the history of the selected image; it follows only while it is in sight.

    Attributes:
        page: What stands in its place while there is nothing to show.
    """

    def __init__(
        self,
        name: str,
        history: HistorySession,
        session: Session,
        jobs: Jobs,
        snapshots: SnapshotTable,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.history = history
        self.snapshots = snapshots
        self._session = session
        self._shown: History | None = None
        self._selecting = False
        self.page = WorkPage(name, self.tr("Look into it"), self)
        self.page.start_wanted.connect(history.start)
        self.page.cancel_wanted.connect(history.cancel)
        self._stack = QStackedWidget(self)
        self._stack.addWidget(self.page)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._stack)
        history.changed.connect(self._follow)
        jobs.progressed.connect(self._progressed)
        snapshots.selection_changed.connect(self._follow_selection)

    # What each view does in its own way

    def show_history(self, found: History) -> None:
        """Show another history, or the same image's as it is now."""
        raise NotImplementedError

    def show_selection(self, positions: Collection[int]) -> None:
        """Show that these snapshots are selected."""
        raise NotImplementedError

    def why_useless(self, found: History) -> str:
        """Return why a history does not tell what this view shows, a sentence; empty where it does."""
        return ""

    # For them

    def set_content(self, content: QWidget) -> None:
        """Take what is shown where a history is known."""
        self._stack.addWidget(content)
        self.setFocusProxy(content)

    def note_on(self, node: int) -> Note:
        """Return what is noted on a node; an empty one where it is no snapshot."""
        return self.snapshots.model.note(self.snapshots.model.index_of(node))

    def choose(self, positions: Collection[int]) -> None:
        """Have these snapshots selected everywhere."""
        if not self._selecting and positions:
            self.snapshots.select(positions)

    def showEvent(self, event: QShowEvent) -> None:
        """Override QWidget::showEvent: take up what changed out of sight."""
        super().showEvent(event)
        self._follow()

    def _follow(self) -> None:
        """Show the history, how its finding comes along, or why there is none."""
        if not self.isVisible():
            return
        found = self.history.history()
        if found is not None:
            if found is not self._shown:
                self._shown = found
                self.show_history(found)
                self._follow_selection()
            why_not = self.why_useless(found)
            self.page.show_still("failed", self.tr("This cannot be told"), words.sentence(why_not), can_start=True)
            self._stack.setCurrentIndex(0 if why_not else 1)
            return
        self._shown = None
        self._stack.setCurrentIndex(0)
        self.history.hurry()
        job = self.history.job()
        if job is not None:
            self.page.show_job("reading", self.tr("Reading the tables of the image"), job)
        else:
            self._say_why_not()

    def _say_why_not(self) -> None:
        entry, failure = self._session.entry(), self.history.failure()
        info = entry.info if entry is not None else None
        if info is None:
            self.page.show_still("", self.tr("No image is selected"))
        elif info.format != "qcow2":
            text = self.tr("Only a qcow2 image holds several snapshots that go back to each other.")
            self.page.show_still("image", self.tr("This file holds one saved state"), text)
        elif cut_off := [one for one in info.problems if one.message.startswith(CUT_OFF)]:
            text = words.sentence(str(cut_off[0]))
            self.page.show_still("failed", self.tr("The snapshots of this image cannot be listed"), text)
        elif not info.snapshots:
            self.page.show_still("image", self.tr("This image holds no snapshots"))
        elif failure:
            text = words.sentence(failure)
            self.page.show_still("failed", self.tr("The tables of this image cannot be read"), text, can_start=True)
        else:
            text = self.tr("The tables of the image tell what its snapshots share; no data is read for it.")
            self.page.show_still("image", self.tr("Not looked into yet"), text, can_start=self._session.loading is None)

    def _progressed(self, job: Job) -> None:
        if job is self.history.job() and self._shown is None and self.isVisible():
            self._follow()

    def _follow_selection(self) -> None:
        if self._shown is not None:
            self._selecting = True
            try:
                self.show_selection(self.snapshots.selected())
            finally:
                self._selecting = False
