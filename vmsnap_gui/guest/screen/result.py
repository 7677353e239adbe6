"""What rendering gives: a picture with what is sure about it, or the reason why there is none."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_SIDE = 16384
"""Pixels that a screen can have in a row or a column: QEMU's devices stop at 16000."""

MAX_PIXELS = 1 << 26
"""Pixels of the largest screen that is rendered: twice 8K."""


@dataclass(frozen=True, slots=True)
class Doubt:
    """Pixels of which the saved state does not tell how QEMU showed them.

    Attributes:
        left, top, width, height: The rectangle, in pixels; all of it lies within the picture.
        why: What is not known, as a sentence without a full stop.
    """

    left: int
    top: int
    width: int
    height: int
    why: str


@dataclass(frozen=True, slots=True, eq=False)
class Screen:
    """What a display shows, pixel by pixel as QEMU's `screendump` does it.

    Attributes:
        pixels: uint8, height × width × 3: red, green, blue.
        mode: The mode in words: "text 80 × 25", "VBE 1024 × 768 × 32".
        section: The section of the display's device, as `Section.key` has it.
        doubts: Pixels that may differ.
        problem: What could not be read, as a sentence; such pixels are made of zeros.
    """

    pixels: NDArray[np.uint8]
    mode: str
    section: str
    doubts: tuple[Doubt, ...] = ()
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class NoScreen:
    """A display that shows nothing, or nothing that the state tells.

    Attributes:
        reason: Why, as a sentence without a full stop.
        section: The section of its device; None where no display was found.
    """

    reason: str
    section: str | None = None


class NothingShown(Exception):
    """Raised while a display is rendered: it shows nothing, for the reason that the text gives."""


def check_size(width: int, height: int) -> None:
    """Raise NothingShown for a size that no display has: only a damaged or made-up state claims it."""
    if width < 1 or height < 1:
        raise NothingShown(f"the size of the screen is {width} × {height}")
    if width > MAX_SIDE or height > MAX_SIDE or width * height > MAX_PIXELS:
        raise NothingShown(f"the screen is said to have {width} × {height} pixels, more than is rendered")
