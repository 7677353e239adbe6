"""How actions are made, those of the window and those of a view, and context menus."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QMenu

from vmsnap_gui.views import theme

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtCore import QObject
    from PySide6.QtWidgets import QMainWindow, QWidget

Keys = QKeySequence.StandardKey | str


def window_action(
    window: QMainWindow, name: str, text: str, icon: str | None = None, shortcut: Keys | None = None
) -> QAction:
    """Make an action whose shortcut works in the whole window, even where no menu holds it.

    To be made with the window: its icon is drawn soon after that is shown (or before, by `theme.draw_icons`), since
    most are seen in menus only.
    """
    action = QAction(text, window)
    action.setObjectName(name)
    action.setIconText(text.replace("&", "").replace("…", ""))
    if icon is not None:
        theme.name_icon(action, icon)
    if isinstance(shortcut, str):
        action.setShortcut(QKeySequence(shortcut))
    elif shortcut is not None:
        action.setShortcuts(shortcut)
    window.addAction(action)
    return action


def view_action(view: QWidget, name: str, text: str, shortcut: Keys | None, act: Callable[[], object]) -> QAction:
    """Make an action of a view that does `act`; its shortcut works where the view has the focus."""
    action = QAction(text, view)
    action.setObjectName(name)
    if shortcut is not None:
        action.setShortcut(QKeySequence(shortcut))
    action.setShortcutContext(Qt.ShortcutContext.WidgetShortcut)
    action.triggered.connect(act)
    view.addAction(action)
    return action


def separator(parent: QObject) -> QAction:
    """Make a line between actions."""
    line = QAction(parent)
    line.setSeparator(True)
    return line


def context_menu(parent: QWidget, *groups: Sequence[QAction]) -> QMenu:
    """Make a menu with groups of actions, to be opened once."""
    menu = QMenu(parent)
    menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    for number, group in enumerate(groups):
        if number:
            menu.addSeparator()
        menu.addActions(group)
    return menu
