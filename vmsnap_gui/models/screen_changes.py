"""The screens of a comparison, made ready in a worker to be shown, and what is said of how they differ."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from vmsnap_gui.models.numbers import count
from vmsnap_gui.models.screens import shown

if TYPE_CHECKING:
    from vmsnap_gui.compare.screens import ScreenComparison
    from vmsnap_gui.comparing_screens import ScreensCompared
    from vmsnap_gui.models.screens import Display


@dataclass(frozen=True, slots=True, eq=False)
class ScreenChangesShown:
    """All of it.

    Attributes:
        displays: What A shows, B, and the base where there is one.
        pairs, found: As in ScreensCompared.
    """

    displays: tuple[Display, ...]
    pairs: tuple[tuple[int, int], ...]
    found: tuple[ScreenComparison | None, ...]


def look_at_screens(compared: ScreensCompared) -> ScreenChangesShown:
    """Make the pictures; for workers."""
    return ScreenChangesShown(tuple(shown(one) for one in compared.screens), compared.pairs, compared.found)


def difference_text(found: ScreenComparison | None) -> str:
    """Say how much differs between two screens."""
    if found is None:
        return ""
    if not found.is_same_size:
        return _tr("The screens differ in size")
    if found.is_same:
        return _tr("The screens are the same, pixel by pixel")
    regions = _tr("1 region differs") if len(found.regions) == 1 else _tr("%1 regions differ")
    share = found.changed / found.pixels
    percent = f"{share:.0%}" if share >= 0.01 else _tr("less than 1%")
    pixels = _tr("%1 of %2 pixels (%3)").replace("%1", count(found.changed)).replace("%2", count(found.pixels))
    return f"{regions.replace('%1', count(len(found.regions)))}: {pixels.replace('%3', percent)}"


def _tr(text: str) -> str:
    return QCoreApplication.translate("screen_changes", text)
