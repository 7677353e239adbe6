"""A screen in small: each pixel the mean of all that it stands for, as a PNG file for a cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.guest.screen.display import screen
from vmsnap_gui.guest.screen.png import png_bytes
from vmsnap_gui.guest.screen.result import NoScreen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.devices import VMState


def thumbnail(state: VMState, size: tuple[int, int], progress: Progress | None = None) -> bytes | NoScreen:
    """Return a PNG file of what a state's first display shows, or why it shows nothing.

    Args:
        state: The state.
        size: The most pixels of width and height; a smaller screen keeps its size.
        progress: Called while RAM is looked through; may raise Cancelled.

    Raises:
        ImageError: the file below cannot be read.
        Cancelled: by `progress`.
    """
    found = screen(state, progress)
    return found if isinstance(found, NoScreen) else png_bytes(shrunk(found.pixels, size))


def shrunk(pixels: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """Return a picture that fits into `size` (width, height), with its proportions; box-filtered."""
    height, width = pixels.shape[:2]
    scale = min(1.0, size[0] / width, size[1] / height)
    if scale == 1.0:
        return pixels
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    means = _means(pixels, rows, axis=0)
    means = _means(means, columns, axis=1)
    return np.clip(np.rint(means), 0, 255).astype(np.uint8)


def _means(values: NDArray[np.uint8] | NDArray[np.float32], count: int, axis: int) -> NDArray[np.float32]:
    """Return the means of `count` boxes along an axis; the borders are those of whole pixels."""
    edges = np.arange(count + 1) * values.shape[axis] // count
    sizes = np.diff(edges).reshape((-1, 1, 1) if axis == 0 else (1, -1, 1))
    found: NDArray[np.float32] = np.add.reduceat(values, edges[:-1], axis=axis, dtype=np.float32) / sizes
    return found.astype(np.float32)
