"""What the comparison's Memory, Disk and Screen tabs share: made when first looked at, a page meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from PySide6.QtCore import QCoreApplication, Signal
from PySide6.QtWidgets import QStackedWidget, QVBoxLayout, QWidget

from vmsnap_gui.models import words
from vmsnap_gui.telling import sentence
from vmsnap_gui.views.pages import Notice
from vmsnap_gui.views.work_page import WorkPage

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmsnap_gui.compare_session import CompareSession, Part
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.jobs import Job, Jobs

T = TypeVar("T")


class ComparePart(QWidget):
    """A tab of the comparison that a job of its own fills.

    Signals:
        settled: What was wanted is shown, or it is known why it is not.

    Attributes:
        session: The comparison.
        page: What stands there meanwhile.
        notice: What must not be overlooked.
    """

    settled = Signal()

    def __init__(
        self,
        name: str,
        title: str,
        verb: str,
        content: QWidget,
        session: CompareSession,
        jobs: Jobs,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setAccessibleName(title)
        self.session = session
        self.jobs = jobs
        self._part: Part[Any] | None = None
        self._start: Callable[[], None] | None = None
        self._shown: object = None
        self._looking: Job | None = None
        self._content = content
        self.page = WorkPage(name, verb, self)
        self.notice = Notice(f"{name}_notice", self)
        self._stack = QStackedWidget(self)
        self._stack.addWidget(self.page)
        self._stack.addWidget(content)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.notice)
        layout.addWidget(self._stack, 1)

    # What each tab does in its own way

    def step(self, *, back: bool) -> bool:
        """Go to the next difference, or to the one before; False where there is none."""
        raise NotImplementedError

    def go_to_end(self, *, back: bool) -> bool:
        """Go to the first difference, or to the last; False where there is none."""
        raise NotImplementedError

    def why_empty(self) -> tuple[str, str, str] | None:
        """Return icon, heading and text for where nothing can be shown; None where something can."""
        raise NotImplementedError

    def look(self) -> None:
        """Make ready what is to be shown of the result, then call `show_content`."""
        raise NotImplementedError

    def clear(self) -> None:
        """Let go of what is shown."""
        raise NotImplementedError

    # For them

    def follow(self, part: Part[Any], start: Callable[[], None]) -> None:
        """Show this part of the comparison; `start` has it made."""
        self._part, self._start = part, start
        part.changed.connect(self._follow)
        self.session.changed.connect(self._follow)
        self.session.ready.connect(self._ready)
        self.session.outcomes_changed.connect(self._look_again)
        self.page.start_wanted.connect(start)
        self.page.cancel_wanted.connect(part.cancel)
        self.jobs.progressed.connect(self._progressed)
        self._follow()

    def want(self) -> None:
        """Have the part made, unless that was tried."""
        part = self._part
        if part is not None and self._start is not None and not part.failure and self.why_empty() is None:
            self._start()

    def is_waiting(self) -> bool:
        """Whether something is still being made."""
        return self._looking is not None or (self._part is not None and self._part.job is not None)

    def has_result(self) -> bool:
        """Whether changes are shown."""
        return self._stack.currentWidget() is self._content

    def run_quietly(self, work: Callable[[Progress], T], success: Callable[[T], object]) -> None:
        """Run `work` in a worker and give its result to `success`."""
        self._looking = self.jobs.run(
            self.tr("Looking at changes"),
            work,
            lane=self.session.lane("rows"),
            success=success,
            failure=self._look_failed,
            quiet=True,
        )

    def show_content(self) -> None:
        """Show the content: it is ready."""
        self._looking = None
        self._stack.setCurrentWidget(self._content)
        self.settled.emit()

    # Following

    def _ready(self) -> None:
        self._follow()
        if self.isVisible():
            self.want()

    def _follow(self) -> None:
        """Show the part, how it comes along, or why there is none."""
        part = self._part
        if part is None:
            return
        if part.result is not self._shown:
            self._shown = part.result
            if self._looking is not None:
                self._looking.cancel()
                self._looking = None
            self.clear()
            self.notice.show_message("problem", "")
            self._stack.setCurrentWidget(self.page)
        empty = self.why_empty()
        if part.job is not None:
            self.page.show_job("compare", self.tr("Comparing"), part.job)
        elif part.failure:
            self._say_failed(part.failure)
        elif empty is not None:
            self.page.show_still(*empty)
            self.settled.emit()
        elif self.session.compared is None:
            self.page.show_still(*nothing_yet(self.session))
        elif part.result is None:
            text = self.tr("To compare it, both sides are read.")
            self.page.show_still("compare", self.tr("Not compared yet"), text, can_start=True)
        elif self._looking is None and not self.has_result():
            self.look()

    def _look_again(self) -> None:
        """Show other kinds of what is known; what is shown stays until then."""
        if self._part is not None and self._part.result is not None and self.why_empty() is None:
            if self._looking is not None:
                self._looking.cancel()
            self.look()

    def _progressed(self, job: Job) -> None:
        if self._part is not None and job is self._part.job:
            self.page.show_job("compare", self.tr("Comparing"), job)

    def _look_failed(self, error: Exception) -> None:
        self._looking = None
        self._say_failed(sentence(error))

    def _say_failed(self, why: str) -> None:
        self.page.show_still("failed", self.tr("This cannot be compared"), words.sentence(why), can_start=True)
        self._stack.setCurrentWidget(self.page)
        self.settled.emit()


def nothing_yet(session: CompareSession) -> tuple[str, str, str]:
    """Return icon, heading and text for while there is no comparison: it is being made, or could not be."""
    if session.failure:
        text = QCoreApplication.translate("ComparePart", "These cannot be compared")
        return "failed", text, words.sentence(session.failure)
    return "reading", QCoreApplication.translate("ComparePart", "Comparing"), ""
