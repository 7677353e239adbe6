"""The look: colour schemes, the few colours that are not the palette's, fonts, row heights, icons.

Everything follows the palette. One accent colour (the palette's), one colour each for warnings and failures, which
never stand alone: a sign or a word is always beside them.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, Qt
from PySide6.QtGui import (
    QAction,
    QColor,
    QFont,
    QFontDatabase,
    QFontMetrics,
    QGuiApplication,
    QIcon,
    QPainter,
    QPalette,
    QPixmap,
)
from PySide6.QtWidgets import QAbstractButton, QApplication

from vmsnap_gui.resources import resource

if TYPE_CHECKING:
    from collections.abc import Iterable

    from PySide6.QtWidgets import QWidget

_ICON_PROPERTY = "vmsnap_icon"
_ICON_SIZES = (16, 24)

_Roles = dict[QPalette.ColorRole, str]
_Role = QPalette.ColorRole
_LIGHT: _Roles = {
    _Role.Window: "#f3f3f4", _Role.WindowText: "#1d1f21", _Role.Base: "#ffffff", _Role.AlternateBase: "#f7f7f8",
    _Role.Text: "#1d1f21", _Role.Button: "#f3f3f4", _Role.ButtonText: "#1d1f21", _Role.BrightText: "#ffffff",
    _Role.ToolTipBase: "#ffffff", _Role.ToolTipText: "#1d1f21", _Role.PlaceholderText: "#6b7075",
    _Role.Highlight: "#1f6fb5", _Role.HighlightedText: "#ffffff", _Role.Accent: "#1f6fb5",
    _Role.Link: "#1a62a3", _Role.LinkVisited: "#6b4ba1",
    _Role.Light: "#ffffff", _Role.Midlight: "#e4e4e6", _Role.Mid: "#b9bbbe", _Role.Dark: "#9a9da1",
    _Role.Shadow: "#6d7074",
}  # fmt: skip
_DARK: _Roles = {
    _Role.Window: "#2a2c2f", _Role.WindowText: "#e4e5e7", _Role.Base: "#1e2022", _Role.AlternateBase: "#232527",
    _Role.Text: "#e4e5e7", _Role.Button: "#34373a", _Role.ButtonText: "#e4e5e7", _Role.BrightText: "#ffffff",
    _Role.ToolTipBase: "#34373a", _Role.ToolTipText: "#e4e5e7", _Role.PlaceholderText: "#94989d",
    _Role.Highlight: "#2f6ea8", _Role.HighlightedText: "#ffffff", _Role.Accent: "#5aa5e8",
    _Role.Link: "#6cb2f0", _Role.LinkVisited: "#b79be0",
    _Role.Light: "#46494d", _Role.Midlight: "#3b3e42", _Role.Mid: "#202224", _Role.Dark: "#17181a",
    _Role.Shadow: "#000000",
}  # fmt: skip
_BOX_WINDOW = "#a9aeb2"
_DISABLED = {_Role.WindowText: 0.45, _Role.Text: 0.45, _Role.ButtonText: 0.45}


def set_scheme(scheme: Qt.ColorScheme) -> None:
    """Show the application light, dark, or as the system says (Unknown).

    The desktop's theme is asked first. Where Qt knows no desktop (a bare X server, offscreen) it ignores that, and
    the palette is ours.
    """
    hints = QGuiApplication.styleHints()
    known = hints.colorScheme() != Qt.ColorScheme.Unknown
    hints.setColorScheme(scheme)
    if known or scheme == Qt.ColorScheme.Unknown:
        QApplication.setPalette(QPalette())
    else:
        QApplication.setPalette(_palette(_DARK if scheme == Qt.ColorScheme.Dark else _LIGHT))
    outline = QPalette()
    outline_boxes(outline)
    QApplication.setPalette(outline, "QCheckBox")  # type: ignore[arg-type]  # its stub asks for bytes, it takes a text


def outline_boxes(palette: QPalette) -> None:
    """Have tick boxes drawn with an outline that is seen on light and on dark.

    Qt's Fusion style takes a darker Window colour for it, which a dark scheme swallows.
    """
    palette.setColor(_Role.Window, QColor(_BOX_WINDOW))


def _palette(colours: _Roles) -> QPalette:
    palette = QPalette()
    for role, colour in colours.items():
        palette.setColor(role, QColor(colour))
    for role, share in _DISABLED.items():
        faded = blend(QColor(colours[_Role.Window]), QColor(colours[role]), share)
        palette.setColor(QPalette.ColorGroup.Disabled, role, faded)
    return palette


def is_dark(palette: QPalette) -> bool:
    """Whether a palette is a dark one."""
    return palette.color(_Role.Window).lightness() < palette.color(_Role.WindowText).lightness()


def blend(under: QColor, over: QColor, share: float) -> QColor:
    """Return `share` of `over` upon `under`."""
    rest = 1 - share
    return QColor(
        round(under.red() * rest + over.red() * share),
        round(under.green() * rest + over.green() * share),
        round(under.blue() * rest + over.blue() * share),
    )


def muted(palette: QPalette) -> QColor:
    """Return the colour of secondary text on the base: readable, but quieter."""
    return QColor(_muted(palette.color(_Role.Base).rgb(), palette.color(_Role.Text).rgb()))


@lru_cache(maxsize=8)
def _muted(base: int, text: int) -> QColor:
    return blend(QColor(base), QColor(text), 0.64)


def accent(palette: QPalette) -> QColor:
    """Return the accent colour."""
    return palette.color(_Role.Accent)


def warning(palette: QPalette) -> QColor:
    """Return the colour of what needs attention."""
    return QColor("#f0b849" if is_dark(palette) else "#8a5a00")


def failure(palette: QPalette) -> QColor:
    """Return the colour of what failed."""
    return QColor("#ff8f86" if is_dark(palette) else "#b3261e")


def mark_wrong(box: QWidget, wrong: bool) -> None:
    """Turn the ground of an input box red, or back."""
    base = QGuiApplication.palette()
    palette = QPalette(base)
    if wrong:
        palette.setColor(_Role.Base, blend(base.color(_Role.Base), failure(base), 0.22))
    if box.palette().color(_Role.Base) != palette.color(_Role.Base):
        box.setPalette(palette)


def tabular(font: QFont) -> QFont:
    """Return the font with figures of one width, so that columns of numbers line up."""
    copy = QFont(font)
    copy.setFeature(QFont.Tag("tnum"), 1)
    return copy


def monospaced() -> QFont:
    """Return the system's font of one width, in the size of the other text."""
    font = QFontDatabase.systemFont(QFontDatabase.SystemFont.FixedFont)
    font.setPointSizeF(QGuiApplication.font().pointSizeF())
    return font


def row_height(font: QFont) -> int:
    """Return the height of a table's rows: about 1.4 times the font's."""
    return round(QFontMetrics(font).height() * 1.4)


def icon(name: str, palette: QPalette | None = None, *, selected: bool = False) -> QIcon:
    """Return the icon `name` in the text colour, or in that of what it warns of; `selected`: upon the highlight."""
    palette = palette or QGuiApplication.palette()
    special = {"problem": warning, "loss": warning, "in-use": accent, "done": accent, "failed": failure}
    if selected:
        colour = palette.color(_Role.HighlightedText)
    else:
        colour = special[name](palette) if name in special else palette.color(_Role.ButtonText)
    return tinted(name, colour.name())


def tinted(name: str, colour: str, *sizes: int) -> QIcon:
    """Return the icon `name` in a colour, sharp in these sizes (16 and 24 if none are given)."""
    # Drawn in the resolution of now: each more costs time when the window opens.
    return _drawn(name, colour, QGuiApplication.primaryScreen().devicePixelRatio(), sizes or _ICON_SIZES)


@lru_cache(maxsize=256)
def _drawn(name: str, colour: str, ratio: float, sizes: tuple[int, ...]) -> QIcon:
    from PySide6.QtSvg import QSvgRenderer

    text = resource(f"icons/{name}.svg").read_bytes().replace(b"currentColor", colour.encode())
    renderer = QSvgRenderer(QByteArray(text))
    made = QIcon()
    for size in sizes:
        pixmap = QPixmap(round(size * ratio), round(size * ratio))
        pixmap.fill(Qt.GlobalColor.transparent)
        painter = QPainter(pixmap)
        renderer.render(painter)
        painter.end()
        made.addPixmap(pixmap)
    return made


def set_icon(target: QAction | QAbstractButton, name: str) -> None:
    """Give an action or a button an icon that `retint` keeps in the scheme's colour."""
    name_icon(target, name)
    target.setIcon(icon(name))


def name_icon(target: QAction | QAbstractButton, name: str) -> None:
    """Say which icon an action or a button has; `draw_icons` or `retint` draws it."""
    target.setProperty(_ICON_PROPERTY, name)


def retint(window: QWidget) -> None:
    """Draw the icons of all actions and buttons of a window anew, in the colours of the present palette."""
    draw_icons([*window.findChildren(QAction), *window.findChildren(QAbstractButton)])


def draw_icons(targets: Iterable[QAction | QAbstractButton]) -> None:
    """Draw the icons of those that have one, in the colours of the present palette."""
    for target in targets:
        name = target.property(_ICON_PROPERTY)
        if isinstance(name, str):
            target.setIcon(icon(name))


def forget_icons() -> None:
    """Free all pixmaps: they must not outlive the application object."""
    _drawn.cache_clear()
