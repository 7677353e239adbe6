"""Pages that stand where there is nothing to show yet, or nothing that can be shown: what is so, why, what to do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSize, Qt
from PySide6.QtGui import QGuiApplication, QPalette
from PySide6.QtWidgets import QFrame, QHBoxLayout, QLabel, QPushButton, QSizePolicy, QToolButton, QVBoxLayout, QWidget

from vmsnap_gui.views import theme

if TYPE_CHECKING:
    from PySide6.QtGui import QAction

_PICTURE = 48
_WIDTH = 62  # characters in a line of a page's text


class MessagePage(QWidget):
    """A picture, a heading, a text and buttons, in the middle of the place of a view."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self._icon_name = ""
        self._picture = QLabel(alignment=Qt.AlignmentFlag.AlignCenter)
        self._title = QLabel(alignment=Qt.AlignmentFlag.AlignCenter, wordWrap=True)
        self._title.setTextFormat(Qt.TextFormat.PlainText)
        self._text = QLabel(alignment=Qt.AlignmentFlag.AlignCenter, wordWrap=True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setTextInteractionFlags(
            Qt.TextInteractionFlag.TextSelectableByMouse | Qt.TextInteractionFlag.TextSelectableByKeyboard
        )
        self._text.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        width = self.fontMetrics().averageCharWidth() * _WIDTH
        for label in (self._title, self._text):
            label.setMinimumWidth(0)
            label.setMaximumWidth(width)
            label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Minimum)
        self._buttons = QHBoxLayout()
        self._buttons.setAlignment(Qt.AlignmentFlag.AlignCenter)
        middle = QVBoxLayout()
        middle.setSpacing(8)
        middle.addWidget(self._picture)
        for label in (self._title, self._text):  # in the middle, also where the buttons need more room than they
            row = QHBoxLayout()
            row.addStretch(1)
            row.addWidget(label, 1000)
            row.addStretch(1)
            middle.addLayout(row)
        middle.addSpacing(6)
        middle.addLayout(self._buttons)
        self._middle = middle
        across = QHBoxLayout()
        across.addStretch(1)
        across.addLayout(middle, 8)
        across.addStretch(1)
        layout = QVBoxLayout(self)
        layout.addStretch(2)
        layout.addLayout(across)
        layout.addStretch(3)
        heading = self.font()
        heading.setPointSizeF(heading.pointSizeF() * 1.35)
        heading.setWeight(heading.Weight.DemiBold)
        self._title.setFont(heading)
        self._colour()

    def show_message(self, icon: str, title: str, text: str) -> None:
        """Say something."""
        if (icon, title, text) == (self._icon_name, *self.message()):
            return
        self._icon_name = icon
        self._title.setText(title)
        self._text.setText(text)
        self._text.setVisible(bool(text))
        self.setAccessibleName(title)
        self.setAccessibleDescription(text)
        self._draw()

    def add_button(self, action: QAction, *, default: bool = False) -> QPushButton:
        """Add a button that triggers an action, and shows its text and tooltip."""
        button = QPushButton(action.text().replace("…", "").replace("&", "") or action.toolTip())
        button.setObjectName(f"{self.objectName()}_{action.objectName()}")
        button.setToolTip(action.toolTip())
        button.setAutoDefault(True)
        button.setDefault(default)
        button.clicked.connect(action.trigger)
        self._buttons.addWidget(button)
        return button

    def add_widget(self, widget: QWidget) -> None:
        """Add a widget between the text and the buttons."""
        self._middle.insertWidget(self._middle.count() - 1, widget, 0, Qt.AlignmentFlag.AlignHCenter)

    def message(self) -> tuple[str, str]:
        """Return the heading and the text that are shown."""
        return self._title.text(), self._text.text()

    def changeEvent(self, event: QEvent) -> None:
        """Override QWidget::changeEvent: take up a new palette."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._colour()

    def _colour(self) -> None:
        quiet = QPalette(QGuiApplication.palette())
        quiet.setColor(QPalette.ColorRole.WindowText, theme.muted(quiet))
        self._text.setPalette(quiet)
        self._draw()

    def _draw(self) -> None:
        palette = QGuiApplication.palette()
        self._picture.setVisible(bool(self._icon_name))
        if self._icon_name:
            colours = {
                "failed": theme.failure,
                "problem": theme.warning,
                "in-use": theme.accent,
                "done": theme.accent,
            }
            colour = colours.get(self._icon_name, theme.muted)(palette)
            picture = theme.tinted(self._icon_name, colour.name(), _PICTURE)
            self._picture.setPixmap(picture.pixmap(QSize(_PICTURE, _PICTURE), self.devicePixelRatioF()))


class Notice(QFrame):
    """A strip above a view that says in one line what must not be overlooked there, with buttons for what to do."""

    def __init__(self, name: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName(name)
        self.setFrameShape(QFrame.Shape.StyledPanel)
        self.setAutoFillBackground(True)
        self._icon_name = "problem"
        self._picture = QLabel()
        self._text = QLabel(wordWrap=True)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        layout = QHBoxLayout(self)
        layout.setContentsMargins(8, 4, 4, 4)
        layout.addWidget(self._picture)
        layout.addWidget(self._text, 1)
        self._layout = layout
        self._buttons: dict[QAction, QPushButton] = {}
        self.hide()

    def add_button(self, action: QAction) -> QPushButton:
        """Add a button that triggers an action."""
        button = QPushButton(action.text().replace("&", "").replace("…", ""))
        button.setObjectName(f"{self.objectName()}_{action.objectName()}")
        button.clicked.connect(action.trigger)
        self._layout.insertWidget(2 + len(self._buttons), button)  # before that which closes the strip
        self._buttons[action] = button
        return button

    def add_close_button(self, text: str) -> None:
        """Add a small button that hides the strip; `text` says so."""
        button = QToolButton()
        button.setObjectName(f"{self.objectName()}_close")
        button.setAutoRaise(True)
        button.setToolTip(text)
        button.setAccessibleName(text)
        theme.set_icon(button, "close")
        button.clicked.connect(self.hide)
        self._layout.addWidget(button)

    def show_button(self, action: QAction, shown: bool) -> None:
        """Show or hide the button of an action."""
        self._buttons[action].setVisible(shown)

    def show_message(self, icon: str, text: str) -> None:
        """Show the strip with this text; without text hide it."""
        if not text:
            self._text.clear()
            self.hide()
            return
        if (icon, text) != (self._icon_name, self.text()):
            self._icon_name = icon
            self._text.setText(text)
            self.setAccessibleName(text)
            self._colour()
        self.show()

    def text(self) -> str:
        """Return what it says."""
        return self._text.text()

    def changeEvent(self, event: QEvent) -> None:
        """Override QWidget::changeEvent: take up a new palette."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            self._colour()

    def _colour(self) -> None:
        base = QGuiApplication.palette()
        calm = self._icon_name in ("in-use", "done")
        tone = theme.accent(base) if calm else theme.warning(base)
        palette = self.palette()
        ground = theme.blend(base.color(QPalette.ColorRole.Base), tone, 0.14)
        if palette.color(QPalette.ColorRole.Window) != ground:  # setting it brings us here again
            palette.setColor(QPalette.ColorRole.Window, ground)
            self.setPalette(palette)
        self._picture.setPixmap(theme.icon(self._icon_name).pixmap(QSize(16, 16), self.devicePixelRatioF()))
