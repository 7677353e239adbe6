"""What a comparison's workers do about the screens of its sides. Qt-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.compare.errors import CompareError

if TYPE_CHECKING:
    from vmsnap_gui.compare.screens import ScreenComparison
    from vmsnap_gui.comparing import Compared
    from vmsnap_gui.guest.screen.result import NoScreen, Screen
    from vmsnap_gui.image.errors import Progress


@dataclass(frozen=True, slots=True, eq=False)
class ScreensCompared:
    """What became of the screens.

    Attributes:
        screens: What the first display of A shows, that of B, and that of the base where there is one.
        pairs: Which of these are compared: A with B, and the base with each.
        found: What differs, for each of the pairs; None where one of them shows nothing.
    """

    screens: tuple[Screen | NoScreen, ...]
    pairs: tuple[tuple[int, int], ...]
    found: tuple[ScreenComparison | None, ...]


def compare_screens_of(compared: Compared, progress: Progress) -> ScreensCompared:
    """Render and compare the screens of states whose fields were compared.

    Raises:
        ImageError: a side cannot be read.
        CompareError: a side holds no state of the machine.
        Cancelled: by `progress`.
    """
    from vmsnap_gui.compare.screens import compare_screens
    from vmsnap_gui.guest.screen.display import screen
    from vmsnap_gui.guest.screen.result import Screen

    fields, since = compared.fields, compared.since
    if fields is None:
        raise CompareError("a side holds no state of the machine")
    states = [fields.a, fields.b, *([since.base] if since is not None else [])]
    screens = tuple(screen(state, progress) for state in states)
    found: list[ScreenComparison | None] = []
    for first, second in compared.sides.pairs:
        a, b = screens[first], screens[second]
        if isinstance(a, Screen) and isinstance(b, Screen):
            found.append(compare_screens(a.pixels, b.pixels))
        else:
            found.append(None)
    return ScreensCompared(screens, compared.sides.pairs, tuple(found))
