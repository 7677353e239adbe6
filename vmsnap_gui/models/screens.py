"""The displays of a state, made ready in a worker to be shown: the picture, and what is said of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from vmsnap_gui.models import words
from vmsnap_gui.models.numbers import count

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from vmsnap_gui.guest.screen.result import NoScreen, Screen
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.pictures import Picture
    from vmsnap_gui.vmstate.devices import VMState

_DEVICES = {
    "vga": "std VGA",
    "cirrus_vga": "Cirrus VGA",
    "qxl": "QXL",
    "virtio-vga": "virtio VGA",
    "virtio-gpu": "virtio GPU",
    "bochs-display": "Bochs display",
    "ramfb-dev": "ramfb",
}


@dataclass(frozen=True, slots=True, eq=False)
class Display:
    """One display of a state.

    Attributes:
        name: Which it is: "std VGA"; empty where the machine has none.
        text: What it shows, in words: "text 80 × 25, std VGA", or why it shows nothing.
        picture: What it shows; None where it shows nothing.
        pixels: The same, uint8, height × width × 3, as it is saved.
        notes: What is not sure about it, as sentences.
    """

    name: str
    text: str
    picture: Picture | None = None
    pixels: NDArray[np.uint8] | None = None
    notes: tuple[str, ...] = ()


def look_at_displays(state: VMState, progress: Progress) -> tuple[Display, ...]:
    """Render all displays of a state; for workers.

    Raises:
        ImageError: the file below cannot be read.
        Cancelled: by `progress`.
    """
    from vmsnap_gui.guest.screen.display import screens

    return tuple(shown(one) for one in screens(state, progress))


def shown(found: Screen | NoScreen) -> Display:
    """Make a display ready to be shown; for workers."""
    from vmsnap_gui.guest.screen.result import Screen
    from vmsnap_gui.pictures import picture

    name = device_text(found.section)
    if not isinstance(found, Screen):
        return Display(name, words.sentence(found.reason))
    notes = [
        _tr("%1 × %2 pixels at %3, %4 may differ from what QEMU showed: %5.")
        .replace("%1", count(doubt.width))
        .replace("%2", count(doubt.height))
        .replace("%3", count(doubt.left))
        .replace("%4", count(doubt.top))
        .replace("%5", words.visible(doubt.why))
        for doubt in found.doubts
    ]
    if found.problem is not None:
        notes.append(words.sentence(found.problem))
    return Display(name, f"{found.mode}, {name}", picture(found.pixels), found.pixels, tuple(notes))


def device_text(section: str | None) -> str:
    """Name a display by its section's key: "0000:00:02.0/vga"."""
    kind = section.rpartition("/")[2].partition(":")[0] if section is not None else ""
    return _DEVICES.get(kind, words.visible(kind))


def _tr(text: str) -> str:
    return QCoreApplication.translate("screens", text)
