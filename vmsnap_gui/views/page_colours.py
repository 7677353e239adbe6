"""The colours of the page map: one for each kind of page, and a scale for entropy. A legend names them in words."""

from __future__ import annotations

from PySide6.QtGui import QColor, QPalette

from vmsnap_gui.views import theme

_SCALE = ("#440154", "#3b528b", "#21918c", "#5ec962", "#fde725")
"""From no entropy to the most: even steps for the eye, and clear to people who do not see all colours."""


def kind_colours(palette: QPalette) -> list[QColor]:
    """Return the colours of missing, zero, fill and data pages, and of points that are no page."""
    base, text = palette.color(QPalette.ColorRole.Base), palette.color(QPalette.ColorRole.Text)
    return [
        theme.blend(base, text, 0.07),
        theme.blend(base, text, 0.28),
        QColor("#e0a030") if theme.is_dark(palette) else QColor("#c98a14"),
        theme.accent(palette),
        base,
    ]


def change_colours(palette: QPalette) -> list[QColor]:
    """Return a colour for each Change, and for points that are nothing."""
    base, text = palette.color(QPalette.ColorRole.Base), palette.color(QPalette.ColorRole.Text)
    dark = theme.is_dark(palette)
    return [
        theme.blend(base, text, 0.10),
        theme.accent(palette),
        QColor("#e0a030" if dark else "#c98a14"),
        QColor("#b48ae8" if dark else "#7a4fb5"),
        QColor("#4cc38a" if dark else "#1f8a5b"),
        QColor("#e887b8" if dark else "#b8407f"),
        theme.failure(palette),
        base,
    ]


def outcome_colours(palette: QPalette) -> list[QColor]:
    """Return a colour for each Outcome, and for points that are nothing; all but the first also serve for text."""
    base, text = palette.color(QPalette.ColorRole.Base), palette.color(QPalette.ColorRole.Text)
    dark = theme.is_dark(palette)
    return [
        theme.blend(base, text, 0.10),
        QColor("#4cc38a" if dark else "#187a4e"),
        QColor("#e887b8" if dark else "#b8407f"),
        theme.accent(palette),
        theme.warning(palette),
        base,
    ]


def usage_colours(palette: QPalette) -> list[QColor]:
    """Return a colour for each Use."""
    base, text = palette.color(QPalette.ColorRole.Base), palette.color(QPalette.ColorRole.Text)
    dark = theme.is_dark(palette)
    return [
        theme.accent(palette),
        QColor("#e0a030" if dark else "#c98a14"),
        QColor("#4cc38a" if dark else "#1f8a5b"),
        theme.blend(base, theme.accent(palette), 0.4),
        theme.blend(base, text, 0.4),
        theme.failure(palette),
        theme.blend(base, text, 0.12),
    ]


def kind_swatches(palette: QPalette, *, since_base: bool) -> list[QColor]:
    """Return the colours of what is told: what happened since a base, or what became of each from A to B."""
    return outcome_colours(palette) if since_base else change_colours(palette)


def entropy_colours(steps: int) -> list[QColor]:
    """Return `steps` colours from 0 to 8 bits per byte."""
    anchors = [QColor(name) for name in _SCALE]
    colours = []
    for step in range(steps):
        place = step * (len(anchors) - 1) / max(1, steps - 1)
        below = min(int(place), len(anchors) - 2)
        colours.append(theme.blend(anchors[below], anchors[below + 1], place - below))
    return colours
