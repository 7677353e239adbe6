"""The device sections of a saved state by size, the largest first, for the Overview's chart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QStandardItem, QStandardItemModel

from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.tables import LEFT, Headed, Index
from vmsnap_gui.vmstate.sections import SectionType

if TYPE_CHECKING:
    from vmsnap_gui.reading import LoadedState

SHARE_ROLE = Qt.ItemDataRole.UserRole
"""The bar's length in the middle column, 0 to 1: the logarithm of the size as a share of that of the largest."""
NAME, BAR, SIZE = range(3)


class SizesModel(Headed, QStandardItemModel):
    """Columns: the device, a bar, its size. Qt's own items: it asks for ten things of each cell that it paints."""

    at_right = (SIZE,)

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(0, 3, parent)
        self._sections: list[int] = []

    def show(self, loaded: LoadedState | None) -> None:
        """Show the devices of a state, or nothing."""
        sections = loaded.vmstate.sections if loaded is not None else ()
        found = [(at, one) for at, one in enumerate(sections) if one.type is SectionType.FULL]
        found.sort(key=lambda pair: -pair[1].size)
        self._sections = [at for at, _ in found]
        self.setRowCount(0)
        largest = max(1, found[0][1].size) if found else 1
        for _, one in found:
            name, size = words.visible(one.key), numbers.size(one.size)
            cells = [QStandardItem(name), QStandardItem(), QStandardItem(size)]
            for column, cell in enumerate(cells):
                cell.setFlags(Qt.ItemFlag.ItemIsEnabled | Qt.ItemFlag.ItemIsSelectable)
                cell.setTextAlignment(self._alignment(column) or LEFT)
                cell.setToolTip(words.plain_tip([f"{name}: {numbers.exact_size(one.size)}"]))
            cells[NAME].setAccessibleText(f"{name}, {size}")
            cells[BAR].setData(math.log2(1 + one.size) / math.log2(1 + largest), SHARE_ROLE)
            self.appendRow(cells)

    def section(self, index: Index) -> int | None:
        """Return which section (of `LoadedState.trees`) is at an index."""
        return self._sections[index.row()] if index.isValid() else None

    def _titles(self) -> tuple[str, ...]:
        return (self.tr("Device"), self.tr("Size, logarithmic"), self.tr("Size"))
