"""One start of the window with a folder of many images, in a process of its own: prints words with seconds.

Usage: python -m tests.bench.library_child MODE FOLDER START, where START is time.monotonic() before the process began.
MODE is "first" (FOLDER is opened) or "second" (what was open is opened again, and searched in the end).
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import vmsnap_gui.app  # noqa: F401 (as the console script does: PySide6 slows down the imports after it)

# isort: split
from PySide6.QtCore import QObject, QTimer

from tests.bench.stall_meter import StallMeter
from tests.bench.window_child import Painted
from vmsnap_gui.app import main as run
from vmsnap_gui.entries import EntryState

if TYPE_CHECKING:
    from vmsnap_gui.app import Parts

_IMAGES = 2000


class Watch(QObject):
    """Notes when the rows of the library are painted, all there, and verified; scrolls all the while."""

    def __init__(self, parts: Parts, folder: Path, start: float, *, search: bool) -> None:
        super().__init__(parts.window)
        self._parts, self._folder, self._start, self._search = parts, folder, start, search
        self._times: dict[str, float] = {}
        self._meter = StallMeter(parts.window)
        self._tree = parts.window.library.tree
        Painted(self._tree.viewport(), lambda: self._rows() > 0, self._painted)
        self._clock = QTimer(self, interval=30)
        self._clock.timeout.connect(self._look)
        self._clock.start()

    def _rows(self) -> int:
        return sum(self._parts.session.library.entries.counts(self._folder))

    def _note(self, word: str) -> None:
        if word not in self._times:
            self._times |= {word: time.monotonic() - self._start, f"{word}_cpu": time.process_time()}

    def _painted(self) -> None:
        self._note("painted")
        self._meter.on = True

    def _look(self) -> None:
        bar = self._tree.verticalScrollBar()  # moved as by a person, to whom the view gives way
        bar.setSliderPosition((bar.value() + 37) % max(1, bar.maximum()))
        if self._rows() == _IMAGES:
            self._note("shown")
        entry = self._parts.session.library.entries.get(self._folder)
        if "painted" not in self._times or entry is None or entry.state is not EntryState.READY:
            return
        self._note("listed")
        self._meter.on = False
        self._clock.stop()
        self._times |= {"stall": self._meter.longest, "rows": self._rows()}
        if self._search:
            self._type()
        else:
            self._end()

    def _type(self) -> None:
        """Search for a part of all tags, and wait until what was found is painted."""
        finder = self._parts.window.library.finder
        begin = time.monotonic()

        def found() -> None:
            self._times |= {"searched": time.monotonic() - begin, "hits": finder.hits.rowCount()}
            self._end()

        Painted(finder.list.viewport(), lambda: finder.hits.rowCount() > 0, found)
        finder.box.setText("state-")

    def _end(self) -> None:
        print(*(f"{word} {value}" for word, value in self._times.items()))
        self._parts.window.close()


def main() -> int:
    """Run the mode that the command line names."""
    mode, folder, start = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    paths = [str(folder)] if mode == "first" else []
    return run(paths, shown=lambda parts: Watch(parts, folder, start, search=mode == "second"))


if __name__ == "__main__":
    sys.exit(main())
