"""The page map with its choice of mode and its legend."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QElapsedTimer, Qt, Signal
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QPushButton, QVBoxLayout, QWidget

from vmsnap_gui.jobs import lane_of
from vmsnap_gui.models import numbers, words
from vmsnap_gui.views.map_panel import MapPanel
from vmsnap_gui.views.page_colours import entropy_colours, kind_colours

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray
    from PySide6.QtGui import QColor, QPalette

    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.models.page_cells import BlockPages
    from vmsnap_gui.vmstate.ram import RamBlock, RamIndex

_KIND, _ENTROPY = 0, 1
_REDRAW_MS = 200
"""How often the map is drawn anew while the entropy comes in."""


class PageMapPanel(MapPanel):
    """Shows one block at a time.

    Signals:
        page_chosen: (int) The person chose this page.
    """

    page_chosen = Signal(object)

    def __init__(self, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__("page_map", jobs, parent)
        self._waiting.setText(self.tr("Preparing the page map"))
        self.mode = QComboBox()
        self._path: Path | None = None
        self._index: RamIndex | None = None
        self._block: RamBlock | None = None
        self._pages: BlockPages | None = None
        self._job: Job | None = None
        self._computed = ""  # the name of the block that the job is for
        self._drawn = QElapsedTimer()
        self._entropy: dict[str, NDArray[np.float32]] = {}
        self._cancel = QPushButton(self.tr("Cancel"))
        self._lay_out()
        self.mode.currentIndexChanged.connect(self._show_mode)
        self._cancel.clicked.connect(lambda: self.mode.setCurrentIndex(_KIND))
        jobs.progressed.connect(self._progressed)

    def show_block(self, path: Path, index: RamIndex, block: RamBlock, pages: BlockPages) -> None:
        """Show a block of the memory `index` of the image at `path`."""
        if index is not self._index:
            self._entropy = {}
        self._path, self._index, self._block, self._pages = path, index, block, pages
        self._current = 0
        if self.map is not None:
            self.map.show_pages(pages)
        self._show_mode()

    def clear(self) -> None:
        """Show nothing."""
        self._stop()
        self._index = self._block = self._pages = None
        self._entropy = {}
        if self.map is not None:
            self.map.show_pages(None)

    def set_current(self, page: int) -> None:
        """Mark a page, and say what it is."""
        self._mark(page)

    def describe(self, page: int) -> str:
        """Say what the pages of the point of a page are."""
        if self._pages is None or self._index is None or self._block is None:
            return ""
        point, bucket = page // self._pages.bucket, self._pages.bucket
        first = point * bucket
        last = min(first + bucket, self._block.pages) - 1
        name = self.tr("Page %1").replace("%1", numbers.count(first))
        if last > first:
            name = self.tr("Pages %1 to %2").replace("%1", numbers.count(first)).replace("%2", numbers.count(last))
        kind = self._kinds()[int(self._pages.kinds[point])]
        if last > first:
            kind = self.tr("%1 among them").replace("%1", kind)
        parts = [name, f"{first * self._index.page_size:#x}", kind]
        bits = self._entropy.get(self._block.name)
        if bits is not None and bits[point] == bits[point]:  # not NaN
            parts.append(self.tr("%1 bits per byte").replace("%1", f"{float(bits[point]):.2f}"))
        return " · ".join(parts)

    def _lay_out(self) -> None:
        self.mode.setObjectName("page_map_mode")
        self.mode.setAccessibleName(self.tr("What the page map shows"))
        self.mode.addItem(self.tr("Kind of page"))
        self.mode.addItem(self.tr("Entropy"))
        self._cancel.setObjectName("entropy_cancel")
        self._about.setContentsMargins(8, 2, 8, 4)
        self._progress = QLabel()
        self._progress.setObjectName("entropy_progress")
        self._progress.setTextFormat(Qt.TextFormat.PlainText)
        line = QHBoxLayout()
        line.setContentsMargins(8, 5, 8, 5)
        line.addWidget(self.mode)
        line.addWidget(self._progress, 1)
        line.addWidget(self._cancel)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(line)
        room = QHBoxLayout()
        room.setContentsMargins(8, 0, 8, 3)
        room.addWidget(self._stack)
        layout.addLayout(room, 1)
        layout.addWidget(self.legend)
        layout.addWidget(self._about)
        self._cancel.hide()

    def _fill_map(self) -> None:
        if self.map is not None:
            self.map.setAccessibleName(self.tr("Page map"))
            QWidget.setTabOrder(self.mode, self.map)
            if self._pages is not None:
                self.map.show_pages(self._pages)
                self.map.set_current(self._current)
                self._show_mode()

    def _chosen(self, page: int) -> None:
        self._current = page
        self._say()
        self.page_chosen.emit(page)

    def _kinds(self) -> tuple[str, ...]:
        return (self.tr("missing"), self.tr("zero"), self.tr("fill"), self.tr("data"))

    def _show_mode(self) -> None:
        """Show kinds, or the entropy as far as it is known, and have the rest computed."""
        self._stop()
        if self._block is None or self._index is None or self._pages is None:
            return
        entropy = self.mode.currentIndex() == _ENTROPY
        if entropy and self._block.name not in self._entropy:
            self._start()
        if self.map is not None:
            self.map.show_entropy(self._entropy[self._block.name] if entropy else None)
        self._show_legend()
        self._say()

    def _start(self) -> None:
        """Compute the entropy of the block's pages in a worker, which fills an array that is shown meanwhile."""
        import numpy as np  # it is there already: the index is made of it

        from vmsnap_gui.models.page_cells import fill_entropy

        index, block, pages, path = self._index, self._block, self._pages, self._path
        if index is None or block is None or pages is None or path is None:
            return
        points = np.full(len(pages.kinds), np.nan, np.float32)
        self._entropy[block.name], self._computed = points, block.name
        self._job = self._jobs.run(
            self.tr("Entropy of %1").replace("%1", words.visible(block.name)),
            lambda progress: fill_entropy(index, block, pages.bucket, points, progress),
            lane=lane_of(path, "entropy"),
            success=lambda _none: self._ended(),
            failure=self._failed,
        )
        self._cancel.show()

    def _stop(self) -> None:
        """Stop computing; what is not finished is computed again when it is wanted again."""
        if self._job is not None:
            self._job.cancel()
            self._job = None
            self._entropy.pop(self._computed, None)
        self._cancel.hide()
        self._progress.clear()

    def _progressed(self, job: Job) -> None:
        if job is self._job and self._block is not None:
            if self.map is not None and (not self._drawn.isValid() or self._drawn.elapsed() > _REDRAW_MS):
                self.map.show_entropy(self._entropy[self._block.name])
                self._drawn.start()
            self._progress.setText(f"{job.done / job.total:.0%}" if job.total else "")

    def _ended(self) -> None:
        self._job = None
        self._cancel.hide()
        self._progress.clear()
        if self.map is not None and self._block is not None:
            self.map.show_entropy(self._entropy.get(self._block.name))
        self._say()

    def _failed(self, error: Exception) -> None:
        self._ended()
        self._progress.setText(words.visible(str(error)))

    def _show_legend(self) -> None:
        if self._pages is None:
            return
        if self.mode.currentIndex() == _ENTROPY:
            self.legend.show_scale(entropy_colours(64), self.tr("0 bits"), self.tr("8 bits per byte"))
            return
        colours, counts = self._colours(self.palette()), self._pages.counts
        names = self._kinds()
        self.legend.show_entries(
            [(colours[kind], f"{names[kind]} {numbers.count(counts[kind])}") for kind in (3, 2, 1, 0)]
        )

    def _colours(self, palette: QPalette) -> list[QColor]:
        return kind_colours(palette)
