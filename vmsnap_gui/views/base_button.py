"""The button that names the base of the comparison, and chooses another: from a menu, or by a file dropped on it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QMenu, QPushButton

from vmsnap_gui.entries import told_apart
from vmsnap_gui.models import numbers, words
from vmsnap_gui.sides import Side

if TYPE_CHECKING:
    from PySide6.QtGui import QDragEnterEvent, QDropEvent
    from PySide6.QtWidgets import QWidget

    from vmsnap_gui.compare_session import CompareSession
    from vmsnap_gui.session import Session


class BaseButton(QPushButton):
    """Says which snapshot is the base. Its menu has the snapshots of the sides' images and of the selected one.

    Signals:
        file_dropped: (Path) The person wants the one state of this file as the base.
    """

    file_dropped = Signal(object)

    def __init__(self, comparison: CompareSession, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("compare_base")
        self.setAcceptDrops(True)
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAutoDefault(False)
        self._comparison = comparison
        self._session = session
        self.choices = QMenu(self)
        self.choices.setObjectName("compare_base_menu")
        self.choices.aboutToShow.connect(self.fill)
        self.setMenu(self.choices)

    def show_base(self, base: Side | None) -> None:
        """Name the base."""
        name = words.snapshot_name(base.snapshot) if base is not None else self.tr("none")
        shown = self.fontMetrics().elidedText(
            name, Qt.TextElideMode.ElideMiddle, 24 * self.fontMetrics().averageCharWidth()
        )
        self.setText(self.tr("Base: %1").replace("%1", shown).replace("&", "&&"))
        self.setAccessibleName(self.tr("Base: %1").replace("%1", name))
        lines = [words.path_text(base.path), numbers.date(base.snapshot.date_sec)] if base is not None else []
        about = self.tr(
            "The state that both come from: tells which side changed what. A saved state can be dropped here."
        )
        self.setToolTip(words.plain_tip([name, *lines, about] if base is not None else [about]))

    def fill(self) -> None:
        """Offer what can be the base now."""
        menu, sides, base = self.choices, self._comparison.sides, self._comparison.base
        menu.clear()
        none = menu.addAction(self.tr("&No base"))
        none.setCheckable(True)
        none.setChecked(base is None)
        none.triggered.connect(lambda: self._comparison.set_base(None))
        paths = [*(side.path for side in sides or ()), self._session.image]
        names = told_apart(path for path in paths if path is not None)
        for path in dict.fromkeys(paths):
            entry = self._session.library.entries.get(path) if path is not None else None
            if entry is not None and entry.info is not None and entry.info.snapshots:
                menu.addSection(words.visible(names[entry.path]).replace("&", "&&"))
                for snapshot in entry.info.snapshots:
                    self._offer(menu, Side(entry.path, snapshot))

    def _offer(self, menu: QMenu, side: Side) -> None:
        sides = self._comparison.sides or ()
        date = numbers.date(side.snapshot.date_sec)
        text = words.snapshot_name(side.snapshot) + (f" · {date}" if date != numbers.NO_VALUE else "")
        action = menu.addAction(text.replace("&", "&&"))
        action.setCheckable(True)
        action.setChecked(side == self._comparison.base)
        # A side is its own base for nothing; and what is compared of one state must be there of all.
        alike = all(bool(one.snapshot.vm_state_size) == bool(side.snapshot.vm_state_size) for one in sides)
        action.setEnabled(alike and side not in sides)
        action.triggered.connect(lambda: self._comparison.set_base(side))

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Override QWidget::dragEnterEvent: one file can be dropped here."""
        if len(event.mimeData().urls()) == 1 and event.mimeData().urls()[0].isLocalFile():
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Override QWidget::dropEvent."""
        event.acceptProposedAction()
        self.file_dropped.emit(Path(event.mimeData().urls()[0].toLocalFile()))
