"""What a search of the library found, as a Qt list: a snapshot each, in two lines like the library's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QStringListModel, Qt

from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.library import ASIDE_ROLE, DETAIL_ROLE, LOOK_ROLE, Index, Look

if TYPE_CHECKING:
    from PySide6.QtCore import QObject

    from vmsnap_gui.finding_snapshots import Line
    from vmsnap_gui.library_search import LibrarySearch


class LibraryHits(QStringListModel):
    """The hits of a search; a line is worded when it comes into sight.

    How many there are Qt knows by itself: a view asks that again for each row it lays out, and Python took 90 ms for
    20,000 of them.
    """

    def __init__(self, search: LibrarySearch, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._search = search
        self._hits: list[Line] = []
        search.changed.connect(self._follow)

    def hit(self, index: Index) -> Line | None:
        """Return what was found at an index."""
        return self._hits[index.row()] if index.isValid() else None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Override QAbstractItemModel::data."""
        hit = self.hit(index)
        if hit is None:
            return None
        if role == LOOK_ROLE:
            if hit.snapshot is not None:
                return Look.IMAGE if hit.snapshot.disk_size is not None else Look.STREAM
            return Look.FAILED if hit.failed else Look.PROBLEM if hit.texts.get("problem") else Look.IMAGE
        if role == Qt.ItemDataRole.DisplayRole:
            return words.snapshot_name(hit.snapshot) if hit.snapshot is not None else words.visible(hit.name)
        if role == DETAIL_ROLE:
            return self._detail(hit)
        date = [numbers.date(hit.snapshot.date_sec)] if hit.snapshot and hit.snapshot.date_sec is not None else []
        if role == ASIDE_ROLE:
            return date[0].partition(" ")[0] if date else ""
        if role == Qt.ItemDataRole.ToolTipRole:
            return words.plain_tip([str(hit.path), *date, *hit.texts.get("note", "").splitlines()])
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return ", ".join([str(self.data(index)), self._detail(hit), *date])
        return None

    def _detail(self, hit: Line) -> str:
        if hit.snapshot is None:
            return words.visible(hit.texts.get("problem", "")) or self.tr("no snapshots")
        return " · ".join(part for part in (words.visible(hit.name), hit.texts.get("machine", "")) if part)

    def _follow(self) -> None:
        if self._hits is not self._search.hits:
            self._hits = self._search.hits
            self.setStringList([""] * len(self._hits))
