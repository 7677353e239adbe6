"""The device sections of a saved state by size, the largest first, for the Overview's chart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QStandardItem, QStandardItemModel

from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.tables import RIGHT, Headed, Index
from vmsnap_gui.vmstate.sections import SectionType

if TYPE_CHECKING:
    from PySide6.QtCore import QObject

    from vmsnap_gui.reading import LoadedState

SHARE_ROLE = Qt.ItemDataRole.UserRole
"""The bar's length in the middle column, 0 to 1: the logarithm of the size as a share of that of the largest."""
NAME, BAR, SIZE = range(3)
MOST = 500


class SizesModel(Headed, QStandardItemModel):
    """Columns: the device, a bar, its size. Qt's own items: it asks for ten things of each cell that it paints.

    Of more than MOST devices only the largest are shown, and how many more there are.
    """

    at_right = (SIZE,)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(0, 3, parent)
        self._shown: LoadedState | None = None
        self._sections: list[int] = []

    def show(self, loaded: LoadedState | None) -> None:
        """Show the devices of a state, or nothing."""
        if loaded is self._shown:
            return
        self._shown = loaded
        sections = loaded.vmstate.sections if loaded is not None else ()
        found = [(at, one) for at, one in enumerate(sections) if one.type is SectionType.FULL]
        found.sort(key=lambda pair: -pair[1].size)
        self._sections = [at for at, _ in found[:MOST]]
        self.setRowCount(0)
        whole = math.log2(1 + max(1, found[0][1].size)) if found else 1.0
        for _, one in found[:MOST]:
            self._add(words.visible(one.key), one.size, math.log2(1 + one.size) / whole)
        rest = [one.size for _, one in found[MOST:]]
        if rest:
            self._add(self.tr("and %1 more").replace("%1", str(len(rest))), sum(rest))

    def _add(self, name: str, bytes_: int, share: float | None = None) -> None:
        size = numbers.size(bytes_)
        cells = [QStandardItem(name), QStandardItem(), QStandardItem(size)]
        tip = words.plain_tip([f"{name}: {numbers.exact_size(bytes_)}"])
        for cell in cells:
            cell.setToolTip(tip)
        cells[NAME].setAccessibleText(f"{name}, {size}")
        cells[BAR].setData(share, SHARE_ROLE)
        cells[SIZE].setTextAlignment(RIGHT)
        self.appendRow(cells)

    def section(self, index: Index) -> int | None:
        """Return which section (of `LoadedState.trees`) is at an index; None where none is."""
        return self._sections[index.row()] if index.isValid() and index.row() < len(self._sections) else None

    def _titles(self) -> tuple[str, ...]:
        return (self.tr("Device"), self.tr("Size, logarithmic"), self.tr("Size"))
