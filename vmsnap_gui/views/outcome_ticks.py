"""A tick box for each thing that can have happened since the base: what is ticked is shown, in all tabs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QRect, QSize
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtWidgets import QCheckBox, QHBoxLayout, QLabel, QWidget

from vmsnap_gui.compare.terms import Outcome
from vmsnap_gui.models import words
from vmsnap_gui.models.change_words import outcome_words
from vmsnap_gui.views.page_colours import outcome_colours

if TYPE_CHECKING:
    from PySide6.QtGui import QColor

    from vmsnap_gui.compare_session import CompareSession
    from vmsnap_gui.sides import Side

_SWATCH = 10


class OutcomeTicks(QWidget):
    """The boxes, each in the colour that map and lists have for it; shown while there is a base."""

    def __init__(self, comparison: CompareSession, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("outcome_ticks")
        self._comparison = comparison
        self._title = QLabel()
        self.boxes: dict[Outcome, QCheckBox] = {}
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(14)
        line.addWidget(self._title)
        for outcome in Outcome:
            if outcome:
                self.boxes[outcome] = self._box(outcome)
                line.addWidget(self.boxes[outcome])
        line.addStretch(1)
        self._colour()

    def show_base(self, base: Side | None) -> None:
        """Name the base, and tick what is shown."""
        self.setVisible(base is not None)
        name = words.snapshot_name(base.snapshot) if base is not None else ""
        self._title.setText(self.tr("Changed since %1:").replace("%1", name))
        for outcome, box in self.boxes.items():
            blocked = box.blockSignals(True)
            box.setChecked(outcome in self._comparison.outcomes)
            box.blockSignals(blocked)

    def changeEvent(self, event: QEvent) -> None:
        """Override QWidget::changeEvent: take up a new palette."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "boxes"):
            self._colour()

    def _box(self, outcome: Outcome) -> QCheckBox:
        box = QCheckBox(outcome_words()[outcome])
        box.setObjectName(f"outcome_{outcome.word}")
        box.setToolTip(self.tr("Show what changed %1").replace("%1", outcome_words()[outcome].split(" ", 1)[1]))
        box.setIconSize(QSize(_SWATCH, _SWATCH))
        box.toggled.connect(lambda shown: self._comparison.show_outcome(outcome, shown=shown))
        return box

    def _colour(self) -> None:
        colours = outcome_colours(self.palette())
        for outcome, box in self.boxes.items():
            box.setIcon(_swatch(colours[outcome], self.devicePixelRatioF()))


def _swatch(colour: QColor, ratio: float) -> QIcon:
    picture = QPixmap(round(_SWATCH * ratio), round(_SWATCH * ratio))
    picture.setDevicePixelRatio(ratio)
    painter = QPainter(picture)
    painter.fillRect(QRect(0, 0, _SWATCH, _SWATCH), colour)
    painter.end()
    return QIcon(picture)
