"""A bar for each disk: what the clusters of its image are used for, with one legend for all."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt
from PySide6.QtWidgets import QLabel, QSizePolicy, QVBoxLayout, QWidget

from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.usage import Use, parts_of, usage_text, use_name
from vmsnap_gui.views.legend import Legend
from vmsnap_gui.views.page_colours import usage_colours
from vmsnap_gui.views.share_bar import ShareBar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmsnap_gui.models.disk_matrix import DiskColumn


class UsageBars(QWidget):
    """The bars, each under what it is of.

    Attributes:
        titles, bars: One of each for every disk.
        legend: What the colours mean.
    """

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("usage_bars")
        self.titles: list[QLabel] = []
        self.bars: list[ShareBar] = []
        self.legend = Legend("usage_legend", self)
        self._layout = QVBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(4)
        self._layout.addWidget(self.legend)

    def show_disks(self, disks: Sequence[DiskColumn]) -> None:
        """Show a bar for each disk of which it is known."""
        self._make(len(disks))
        colours, uses = usage_colours(self.palette()), set[Use]()
        sizes: dict[Use, int] = {}
        for disk, title, bar in zip(disks, self.titles, self.bars, strict=True):
            known = disk.history is not None and disk.history.usage is not None
            parts = parts_of(disk.history) if known and disk.history is not None else []
            title.setText(_title(disk, alone=len(disks) == 1))
            bar.setAccessibleName(title.text())
            bar.show_parts([part for _, part in parts], [colours[use] for use, _ in parts])
            bar.setVisible(bool(parts))
            uses.update(use for use, _ in parts)
            sizes.update({use: part.size for use, part in parts} if len(disks) == 1 else {})
        entries = [(use, use_name(use)) for use in Use if use in uses]
        if sizes:
            entries = [(use, f"{name} {numbers.size(sizes[use])}") for use, name in entries]
        self.legend.show_entries([(colours[use], text) for use, text in entries])

    def _make(self, number: int) -> None:
        """Have as many bars as there are disks."""
        while len(self.bars) < number:
            title, bar = QLabel(), ShareBar(f"usage_bar_{len(self.bars)}", self, legend=False)
            title.setTextFormat(Qt.TextFormat.PlainText)
            title.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
            for widget in (title, bar):
                self._layout.insertWidget(self._layout.count() - 1, widget)
            self.titles.append(title)
            self.bars.append(bar)
        while len(self.bars) > number:
            self.titles.pop().deleteLater()
            self.bars.pop().deleteLater()


def _title(disk: DiskColumn, *, alone: bool) -> str:
    found = disk.history
    if found is None or found.usage is None:
        text = QCoreApplication.translate("usage", "not counted")
    else:
        text = usage_text(found)
    return text if alone else f"{words.visible(disk.name)}: {text}"
