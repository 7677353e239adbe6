"""Comparisons of the demo's snapshots, made as the window makes them."""

from __future__ import annotations

from vmsnap_gui.comparing import Compared, compare_sides
from vmsnap_gui.demo import demo_image
from vmsnap_gui.guest.filter import compile_filter
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.models.change_rows import ChangeRows, Shown, choose_rows
from vmsnap_gui.sides import Side, Sides


def demo_side(tag: str) -> Side:
    """Return a snapshot of the demo."""
    path = demo_image()
    image = open_image(path)
    try:
        return Side(path, next(one for one in image.snapshots if one.tag == tag))
    finally:
        image.close()


def compared(a: str, b: str, base: str | None = None, *, noise: bool = True) -> Compared:
    """Compare two snapshots of the demo, perhaps with a base; the caller closes `sides`."""
    sides = Sides(demo_side(a), demo_side(b), demo_side(base) if base is not None else None)
    return compare_sides(sides, noise, lambda *_: None)


def chosen(found: Compared, shown: Shown = Shown.CHANGED, text: str = "") -> ChangeRows:
    """Choose what is shown of a comparison."""
    return choose_rows(found, shown, compile_filter(text), lambda *_: None)
