"""The buttons that choose how large a picture is drawn."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QHBoxLayout, QLabel, QToolButton, QWidget

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmsnap_gui.views.picture_area import PictureArea


class ZoomButtons(QWidget):
    """Fit, its own size, smaller and larger, and how large it is now.

    Attributes:
        fit, full, less, more: The buttons.
        now: How large it is.
    """

    def __init__(self, area: PictureArea, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._area = area
        self._layout = QHBoxLayout(self)
        self._layout.setContentsMargins(0, 0, 0, 0)
        self._layout.setSpacing(2)
        name = area.objectName()
        self.now = QLabel(alignment=Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        self.now.setObjectName(f"{name}_zoom")
        self.now.setMinimumWidth(self.fontMetrics().horizontalAdvance("1,000%"))
        self._layout.addWidget(self.now)
        self.less = self._add("−", self.tr("Smaller (−)"), lambda: area.step_zoom(closer=False))
        self.more = self._add("+", self.tr("Larger (+)"), lambda: area.step_zoom(closer=True))
        self.full = self._add("1:1", self.tr("Each pixel as one of the screen (1)"), lambda: area.set_zoom(1.0))
        self.fit = self._add(self.tr("Fit"), self.tr("As large as fits (0)"), lambda: area.set_zoom(None))
        for button, end in ((self.less, "less"), (self.more, "more"), (self.full, "full"), (self.fit, "fit")):
            button.setObjectName(f"{name}_{end}")
        for button in (self.full, self.fit):
            button.setCheckable(True)
        area.zoom_changed.connect(self._follow)
        self._follow()

    def _add(self, text: str, tip: str, act: Callable[[], None]) -> QToolButton:
        button = QToolButton()
        button.setText(text)
        button.setToolTip(tip)
        button.setAccessibleName(tip)
        button.setAutoRaise(True)
        button.clicked.connect(act)
        button.clicked.connect(self._follow)  # also where the zoom stays: the click has turned a checked button off
        self._layout.addWidget(button)
        return button

    def _follow(self) -> None:
        zoom = self._area.zoom
        self.now.setText(f"{zoom:.0%}")
        self.fit.setChecked(self._area.is_fitted)
        self.full.setChecked(not self._area.is_fitted and zoom == 1)
