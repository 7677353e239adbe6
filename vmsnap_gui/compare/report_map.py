"""A small picture of memory or of a disk as SVG: one square for each few pages or clusters, in rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.compare.change import Change

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vmsnap_gui.compare.report_planes import PlaneReport

_SMALL, _MEDIUM, _LARGE = 32, 64, 128
_LABELS = 4


def columns(plane: PlaneReport) -> int:
    """Return how many squares stand in a row."""
    count = len(plane.cells)
    return _SMALL if count <= _SMALL else _MEDIUM if count <= 8 * _MEDIUM else _LARGE


def rows(plane: PlaneReport) -> int:
    """Return how many rows there are."""
    return -(-len(plane.cells) // columns(plane))


def picture(plane: PlaneReport, title: str) -> str:
    """Return the picture as an SVG element; `title` is HTML that says what is to be seen."""
    wide, high = columns(plane), rows(plane)
    paths = [
        f'<path class="k{kind:d}" d="{_squares(plane.cells, wide, kind)}"/>'
        for kind in Change
        if (plane.cells == kind).any()
    ]
    head = f'<svg viewBox="0 0 {wide} {high}" role="img" aria-label="{title}" shape-rendering="crispEdges">'
    return f"{head}{''.join(paths)}</svg>"


def places(plane: PlaneReport) -> list[tuple[float, int]]:
    """Return what is written beside the rows: how far down, from 0 to 1, and the first byte of the row."""
    high = rows(plane)
    chosen = sorted({high * number // _LABELS for number in range(_LABELS)}) if high > _LABELS else [0]
    return [(row / high, row * columns(plane) * plane.cell) for row in chosen]


def _squares(cells: NDArray[np.uint8], wide: int, kind: Change) -> str:
    """Return the squares of one kind as the outline of a path; neighbours in a row are one piece."""
    padded = np.zeros((-(-len(cells) // wide), wide + 2), np.bool_)
    flat = np.zeros(len(padded) * wide, np.bool_)
    flat[: len(cells)] = cells == kind
    padded[:, 1:-1] = flat.reshape(-1, wide)
    lines, ends = np.nonzero(padded[:, 1:] != padded[:, :-1])
    return "".join(
        f"M{left} {line}h{right - left}v1h{left - right}z"
        for line, left, right in zip(lines[::2].tolist(), ends[::2].tolist(), ends[1::2].tolist(), strict=True)
    )
