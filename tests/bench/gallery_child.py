"""Scrolling the gallery while 4 GiB are indexed, in a process of its own: prints the longest stall in milliseconds.

Usage: python -m tests.bench.gallery_child IMAGE STREAM
"""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import vmsnap_gui.app  # as the console script does: PySide6 slows down the imports after it

# isort: split
from tests.bench.core import state_of
from tests.bench.walk import Walk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmsnap_gui.app import Parts
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.ram import RamIndex

_PHASE = "scrolling"
_STEPS = 240


class Scrolling(Walk):
    """Open the image, then scroll its gallery up and down until all pictures are there."""

    def __init__(self, parts: Parts, image: Path, stream: Path) -> None:
        self._image, self._stream = image, stream
        self._indexed = False
        super().__init__(parts)

    def _over(self) -> None:
        print(self._found[_PHASE])

    def _walk(self) -> Iterator[Callable[[], bool]]:
        window, parts = self._parts.window, self._parts
        parts.session.open_paths([self._image])
        yield lambda: parts.session.loaded is not None
        # Now: the table has pictures made of the rows in its sight already.
        window.views.show("gallery")
        yield self._at_once
        work = partial(_index, self._stream)
        parts.jobs.run("indexing", work, lane="bench", success=self._index_ended)
        yield self._at_once
        self._measure(_PHASE)
        bar = window.views.gallery.verticalScrollBar()
        step = 0
        while step < _STEPS or window.thumbnails.is_working() or not self._indexed:
            step += 1
            place = step % 60 if step // 60 % 2 == 0 else 60 - step % 60
            bar.setSliderPosition(bar.maximum() * place // 60)
            yield self._at_once
        self._measure("")
        if any(window.thumbnails.get(position) is None for position in range(60)):
            sys.exit("pictures are missing")

    def _index_ended(self, _index: object) -> None:
        self._indexed = True


def _index(stream: Path, progress: Progress) -> RamIndex:
    return state_of(stream).index_ram(progress)


def main() -> int:
    """Walk."""
    image, stream = Path(sys.argv[1]), Path(sys.argv[2])
    return vmsnap_gui.app.main([], shown=lambda parts: Scrolling(parts, image, stream))


if __name__ == "__main__":
    sys.exit(main())
