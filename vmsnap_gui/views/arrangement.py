"""How the window is arranged: remembered and put back. Geometry, docks, splitters, columns with their sorting."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtWidgets import QHeaderView, QSplitter

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMainWindow, QWidget

    from vmsnap_gui.settings import Settings

_VERSION = 1
"""Counted up when docks or tool bars change so much that a remembered layout no longer fits."""


def remember(window: QMainWindow, settings: Settings) -> None:
    """Remember how a window and all in it that has a name is arranged."""
    settings.set_arrangement("geometry", window.saveGeometry())
    settings.set_arrangement("window", window.saveState(_VERSION))
    for part in _parts(window):
        settings.set_arrangement(part.objectName(), part.saveState())


def put_back(window: QMainWindow, settings: Settings) -> None:
    """Arrange a window as it was; on a first start it gets the size it likes."""
    if not window.restoreGeometry(settings.arrangement("geometry")):
        window.resize(window.sizeHint())
    window.restoreState(settings.arrangement("window"), _VERSION)
    put_parts_back(window, settings)


def put_parts_back(widget: QWidget, settings: Settings) -> None:
    """Arrange the splitters and columns in a widget as they were (for views that are made later)."""
    for part in _parts(widget):
        part.restoreState(settings.arrangement(part.objectName()))


def _parts(widget: QWidget) -> list[QSplitter | QHeaderView]:
    parts: list[QSplitter | QHeaderView] = [*widget.findChildren(QSplitter), *widget.findChildren(QHeaderView)]
    return [part for part in parts if part.objectName() and not part.objectName().startswith("qt_")]
