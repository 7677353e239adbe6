"""The search above the library: while something is searched for, what was found stands in the list's place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, Qt
from PySide6.QtWidgets import QLabel, QListView, QStackedWidget, QVBoxLayout, QWidget

from vmsnap_gui.models import words
from vmsnap_gui.models.library_hits import LibraryHits
from vmsnap_gui.views.delegates import LibraryDelegate
from vmsnap_gui.views.filter_box import FilterBox

if TYPE_CHECKING:
    from vmsnap_gui.session import Session


class LibraryFinder(QWidget):
    """A box to type into, above the library's own list or that of the hits.

    Attributes:
        box: What is searched for.
        list: What was found.
        count: How much that is.
    """

    def __init__(self, session: Session, library: QWidget, parent: QWidget) -> None:
        super().__init__(parent)
        self._session = session
        self._search = session.search
        self.box = FilterBox(self._search.search, parent, "search")
        self.box.setAccessibleName(self.tr("Search the library"))
        self.box.setPlaceholderText(self.tr("Search: tag, note, machine, 2026-11, size > 1 GiB"))
        self.count = QLabel()
        self.count.setObjectName("search_count")
        self.count.setTextFormat(Qt.TextFormat.PlainText)
        self.count.setMargin(4)
        self.count.hide()
        self.hits = LibraryHits(self._search, self)
        self.list = self._make_list()
        self._stack = QStackedWidget()
        self._stack.addWidget(library)
        self._stack.addWidget(self.list)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self.box)
        layout.addWidget(self.count)
        layout.addWidget(self._stack, 1)
        self._search.changed.connect(self._follow)

    def _make_list(self) -> QListView:
        made = QListView()
        made.setObjectName("search_hits")
        made.setAccessibleName(self.tr("What was found"))
        made.setModel(self.hits)
        made.setItemDelegate(LibraryDelegate(made, has_groups=False))
        made.setUniformItemSizes(True)
        made.setEditTriggers(QListView.EditTrigger.NoEditTriggers)
        made.setFrameShape(QListView.Shape.NoFrame)
        made.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        made.selectionModel().currentChanged.connect(self._chosen)
        made.activated.connect(self._chosen)
        return made

    def _follow(self) -> None:
        active = self._search.active
        self._stack.setCurrentIndex(1 if active else 0)
        self.count.setVisible(active)
        found, images = words.snapshots(self._search.snapshots), words.images(self._search.images)
        text = self.tr("%1 in %2").replace("%1", found).replace("%2", images)
        self.count.setText(text if self._search.hits else self.tr("Nothing was found"))

    def _chosen(self, index: QModelIndex) -> None:
        hit = self.hits.hit(index)
        if hit is None or not self.list.hasFocus():  # a view makes a row current by itself, and nobody chose that
            return
        if hit.snapshot is None:
            self._session.select_image(hit.path)
        else:
            self._session.select_state(hit.path, hit.snapshot)
