"""What the comparison's Memory and Disk tabs share: a list of what changed, a map of it, and the bytes of all sides."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from vmsnap_gui.models import words
from vmsnap_gui.views.changed_bytes import ChangedBytes
from vmsnap_gui.views.compare_part import ComparePart

if TYPE_CHECKING:
    from PySide6.QtWidgets import QWidget

    from vmsnap_gui.compare_session import CompareSession
    from vmsnap_gui.jobs import Jobs


class CompareBytes(ComparePart):
    """A `ComparePart` with a list that the tab gives.

    Attributes:
        bytes: The list, the map and the bytes.
    """

    def __init__(
        self,
        name: str,
        title: str,
        verb: str,
        table: QWidget,
        session: CompareSession,
        jobs: Jobs,
        parent: QWidget | None = None,
    ) -> None:
        self.bytes = ChangedBytes(name, QCoreApplication.translate("CompareBytes", "Map of changes"), table, jobs)
        super().__init__(name, title, verb, self.bytes, session, jobs, parent)

    def show_content(self) -> None:
        """Show the map and the bytes: they are ready."""
        compared = self.session.compared
        if compared is not None:
            self.bytes.twin.name_sides(*(words.snapshot_name(side.snapshot) for side in compared.sides.all))
        super().show_content()
