"""Screens as Qt's pictures: made in workers, drawn by views as they are. Nothing here needs a window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtGui import QImage

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SMALLEST = 256  # pixels of width or height below which no smaller level is worth having


@dataclass(frozen=True, slots=True, eq=False)
class Picture:
    """A screen in its own size and in smaller ones, so that drawing it small is as quick and as clear.

    Attributes:
        levels: The screen, then each half as large as the one before; all of them opaque.
    """

    levels: tuple[QImage, ...]

    @property
    def width(self) -> int:
        """Pixels in a row of the screen."""
        return self.levels[0].width()

    @property
    def height(self) -> int:
        """Pixels in a column of the screen."""
        return self.levels[0].height()

    def level_for(self, scale: float) -> QImage:
        """Return the smallest level that is not smaller than the screen drawn `scale` as large."""
        wanted = self.width * scale
        return next((one for one in reversed(self.levels) if one.width() >= wanted), self.levels[0])


def picture(pixels: NDArray[np.uint8]) -> Picture:
    """Return pixels, uint8, height × width × 3 in the order red, green, blue, as a picture; for workers."""
    from vmsnap_gui.guest.screen.thumbnail import shrunk

    levels = [_image(pixels)]
    while min(pixels.shape[:2]) > _SMALLEST:
        pixels = shrunk(pixels, (pixels.shape[1] // 2, pixels.shape[0] // 2))
        levels.append(_image(pixels))
    return Picture(tuple(levels))


def _image(pixels: NDArray[np.uint8]) -> QImage:
    import numpy as np

    height, width = pixels.shape[:2]
    # Four bytes for each pixel, blue first: what Qt draws without converting it.
    words = np.full((height, width, 4), 255, np.uint8)
    words[..., :3] = pixels[..., ::-1]
    return QImage(words.data, width, height, 4 * width, QImage.Format.Format_RGB32).copy()
