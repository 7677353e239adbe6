"""The bar above the bytes of memory: go to an offset, search for text, bytes or a number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, Qt, Signal
from PySide6.QtGui import QKeyEvent, QPalette
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from vmsnap_gui.models import words
from vmsnap_gui.views import theme

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.ram_search import Pattern

_TEXT, _HEX, _INTEGER = "text", "hex", "integer"  # values of ram_search.How, whose import would bring NumPy


@dataclass(frozen=True, slots=True)
class Query:
    """What somebody looks for.

    Attributes:
        text: As it was typed.
        how: "text", "hex" or "integer".
        encoding: Of text.
        size: Bytes of an integer.
        little_endian: Byte order of an integer.
    """

    text: str
    how: str
    encoding: str = "utf-8"
    size: int = 4
    little_endian: bool = True

    def pattern(self) -> Pattern:
        """Return the bytes to look for; ValueError with a sentence where there is something wrong."""
        from vmsnap_gui.vmstate.ram_search import Pattern

        return Pattern.parse(
            self.text, self.how, size=self.size, little_endian=self.little_endian, encoding=self.encoding
        )


class FindBar(QWidget):
    """What is typed; who has it decides what to do with it.

    Signals:
        go_wanted: (str) Go to this offset, as it was typed.
        next_wanted, previous_wanted: Find what is typed, or its next or previous place.
        cancel_wanted: Stop the search.
    """

    go_wanted = Signal(str)
    next_wanted = Signal()
    previous_wanted = Signal()
    cancel_wanted = Signal()

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("find_bar")
        self.go_to = self._line("go_to", self.tr("Go to"), self.tr("Go to offset or page N"))
        self.go_to.setToolTip(self.tr("0x1f000, 126976, +0x10, -16 or page 31 (Ctrl+G)"))
        self.text = self._line("find_text", self.tr("Find in memory"), self.tr("Find"))
        self.how = self._make_how()
        self.order = self._make_order()
        self.start = QPushButton(self.tr("Find"))
        self.start.setObjectName("find_start")
        self.cancel = QPushButton(self.tr("Cancel"))
        self.cancel.setObjectName("find_cancel")
        self.previous = self._arrow("find_previous", Qt.ArrowType.UpArrow, self.tr("Previous place (Shift+F3)"))
        self.next = self._arrow("find_next", Qt.ArrowType.DownArrow, self.tr("Next place (F3)"))
        self.status = QLabel()
        self.status.setObjectName("find_status")
        self.status.setTextFormat(Qt.TextFormat.PlainText)
        self.status.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._wrong = False
        self._lay_out()
        self._connect()
        self.show_searching(searching=False)

    def query(self) -> Query:
        """Return what is to be found."""
        how, encoding, size = self.how.currentData()
        return Query(self.text.text(), how, encoding, size, self.order.currentData())

    def say(self, text: str, *, wrong: bool = False) -> None:
        """Say how the search stands; `wrong`: what is wrong with what was typed."""
        self.status.setText(text)
        self.status.setToolTip(words.plain_tip([text]))
        self._wrong = wrong
        self._colour()

    def show_searching(self, *, searching: bool) -> None:
        """Offer to cancel instead of to find."""
        self.start.setVisible(not searching)
        self.cancel.setVisible(searching)

    def focus_go_to(self) -> None:
        """Let the person type an offset."""
        self.go_to.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.go_to.selectAll()

    def focus_find(self) -> None:
        """Let the person type what to find."""
        self.text.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self.text.selectAll()

    def in_order(self) -> tuple[QWidget, ...]:
        """Return what can have the focus, in the order of the Tab key."""
        looking = (self.text, self.how, self.order, self.start, self.cancel)
        return (*looking, self.previous, self.next, self.go_to)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Override QWidget::keyPressEvent: Shift+Return goes back, Escape stops the search."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.text.hasFocus():
            back = event.modifiers() & Qt.KeyboardModifier.ShiftModifier
            (self.previous_wanted if back else self.next_wanted).emit()
        elif event.key() == Qt.Key.Key_Escape and self.cancel.isVisible():
            self.cancel_wanted.emit()
        else:
            super().keyPressEvent(event)

    def changeEvent(self, event: QEvent) -> None:
        """Override QWidget::changeEvent: take up a new palette."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange and hasattr(self, "_wrong"):
            self._colour()

    def _line(self, name: str, title: str, hint: str) -> QLineEdit:
        line = QLineEdit(self)
        line.setObjectName(name)
        line.setAccessibleName(title)
        line.setPlaceholderText(hint)
        line.setMaxLength(10_000)
        return line

    def _arrow(self, name: str, direction: Qt.ArrowType, title: str) -> QToolButton:
        button = QToolButton(self)
        button.setObjectName(name)
        button.setArrowType(direction)
        button.setAccessibleName(title)
        button.setToolTip(title)
        button.setAutoRaise(True)
        button.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        return button

    def _make_how(self) -> QComboBox:
        box = QComboBox(self)
        box.setObjectName("find_how")
        box.setAccessibleName(self.tr("What is typed"))
        box.addItem(self.tr("Text"), (_TEXT, "utf-8", 0))
        box.addItem(self.tr("Text (UTF-16)"), (_TEXT, "utf-16-le", 0))
        box.addItem(self.tr("Hex bytes"), (_HEX, "", 0))
        for size in (1, 2, 4, 8):
            box.addItem(self.tr("Integer, %1 bits").replace("%1", str(8 * size)), (_INTEGER, "", size))
        return box

    def _make_order(self) -> QComboBox:
        box = QComboBox(self)
        box.setObjectName("find_order")
        box.setAccessibleName(self.tr("Byte order"))
        box.addItem(self.tr("Little-endian"), True)
        box.addItem(self.tr("Big-endian"), False)
        return box

    def _lay_out(self) -> None:
        wide = self.fontMetrics().averageCharWidth()
        self.go_to.setFixedWidth(wide * 24)
        self.text.setMinimumWidth(wide * 8)
        for box in (self.how, self.order):
            box.setMinimumWidth(wide * 9)
            box.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        above, below = QHBoxLayout(), QHBoxLayout()
        above.addWidget(self.text, 1)
        for widget in (self.how, self.order, self.start, self.cancel, self.previous, self.next):
            above.addWidget(widget)
        below.addWidget(self.status, 1)
        below.addWidget(self.go_to)
        rows = QVBoxLayout(self)
        rows.setContentsMargins(8, 5, 8, 2)
        rows.setSpacing(4)
        for line in (above, below):
            line.setSpacing(6)
            rows.addLayout(line)

    def _connect(self) -> None:
        self.go_to.returnPressed.connect(lambda: self.go_wanted.emit(self.go_to.text()))
        self.start.clicked.connect(self.next_wanted)
        self.next.clicked.connect(self.next_wanted)
        self.previous.clicked.connect(self.previous_wanted)
        self.cancel.clicked.connect(self.cancel_wanted)
        self.how.currentIndexChanged.connect(self._show_order)
        self._show_order()

    def _show_order(self) -> None:
        self.order.setVisible(self.how.currentData()[0] == _INTEGER)

    def _colour(self) -> None:
        palette = QPalette(self.palette())
        colour = theme.failure(palette) if self._wrong else theme.muted(palette)
        palette.setColor(QPalette.ColorRole.WindowText, colour)
        self.status.setPalette(palette)
