"""The page that stands where memory will be: how its index comes along, or why there is none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from vmsnap_gui.views.state_message import why_no_state
from vmsnap_gui.views.work_page import WorkPage

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from vmsnap_gui.session import Session


class IndexPage(WorkPage):
    """A `WorkPage` about the index of a state's memory."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__("index", QCoreApplication.translate("IndexPage", "Index memory"), parent)

    def show_reason(self, session: Session, failure: str, *, has_blocks: bool) -> None:
        """Show why there is no memory to see.

        Args:
            session: What is selected, and how far it is read.
            failure: Why the memory could not be indexed; empty if that was not tried.
            has_blocks: Whether the state holds memory.
        """
        if session.loaded is None:
            self.show_still(*why_no_state(session))
        elif not has_blocks:
            self.show_still("memory", self.tr("This saved state holds no memory"))
        elif failure:
            self.show_still("failed", self.tr("The memory cannot be read"), failure, can_start=True)
        elif session.ram_job is not None and not session.ram_job.cancelled:
            self.show_job("memory", self.tr("Indexing the memory"), session.ram_job)
        else:
            text = self.tr("To show it, all of the saved state is read once.")
            self.show_still("memory", self.tr("The memory is not indexed"), text, can_start=True)
