"""One measurement of the window, in a process of its own: prints milliseconds.

Usage: python -m tests.bench.window_child MODE PATH START, where START is time.monotonic() before the process began.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

if sys.argv[1:2] != ["bare"]:  # as the GUI script does: PySide6 slows down the imports after it
    from vmsnap_gui.collecting import paused_collection

    with paused_collection():
        import vmsnap_gui.app  # noqa: F401

from PySide6.QtCore import QEvent, QObject, QTimer
from PySide6.QtWidgets import QAbstractScrollArea, QApplication, QMainWindow

from tests.bench.stall_meter import StallMeter

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmsnap_gui.app import Parts

_STEPS = 150


class Painted(QObject):
    """Calls `then` after a widget was painted while `ready`.

    Attributes:
        waits: That was not the case yet.
    """

    def __init__(self, widget: QObject, ready: Callable[[], bool], then: Callable[[], None]) -> None:
        super().__init__(widget)
        self._ready, self._then = ready, then
        self.waits = True
        widget.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:
        if event.type() == QEvent.Type.Paint and self._ready():
            watched.removeEventFilter(self)
            self.waits = False
            QTimer.singleShot(0, self._then)  # after the painting itself
        return False


def bare(start: float) -> None:
    """An empty main window."""
    app = QApplication([])
    window = QMainWindow()

    def painted() -> None:
        print((time.monotonic() - start) * 1e3)
        app.quit()

    Painted(window, lambda: True, painted)
    window.show()
    app.exec()


def listed(parts: Parts, start: float) -> None:
    """The list of an image's snapshots."""
    window, table = parts.window, parts.window.snapshots.table

    def ready() -> bool:
        return table.model().rowCount() > 0

    def painted() -> None:
        print((time.monotonic() - start) * 1e3)
        window.close()

    def first() -> None:
        if whole.waits:  # the list was not there yet. Only then its viewport: PySide makes 50 enums to wrap the first
            window.removeEventFilter(whole)
            Painted(table.viewport(), ready, painted)

    Painted(window, lambda: True, first)
    whole = Painted(window, ready, painted)  # with the window all that is in it is painted


class Scenario:
    """Open, index and scroll, one after the other; one of these is measured."""

    def __init__(self, parts: Parts, mode: str, path: Path) -> None:
        self._parts = parts
        self._mode = mode
        self._meter = StallMeter(parts.window)
        self._areas: list[QAbstractScrollArea] = []
        self._step = 0
        self._timer = QTimer(parts.window, interval=5)
        self._timer.timeout.connect(self._scroll_on)
        self._path = path
        self._calm = QTimer(parts.window, interval=100)
        self._calm.timeout.connect(self._open_when_calm)
        self._calm.start()
        parts.session.state_loaded.connect(lambda _state: QTimer.singleShot(300, self._index))
        parts.session.ram_indexed.connect(lambda *_: QTimer.singleShot(700, self._scroll))
        parts.session.state_failed.connect(lambda *_: sys.exit("the state cannot be read"))
        parts.session.ram_failed.connect(lambda *_: sys.exit("the memory cannot be indexed"))

    def _open_when_calm(self) -> None:
        """Open the image once the empty window is complete: what comes before is the start, a case of its own."""
        made = all(
            self._parts.window.inspector.has(name) for name in ("overview", "devices", "memory", "screen", "disk")
        )
        if not made or not self._parts.window.compare_tab.is_made or self._parts.jobs.unfinished():
            return
        self._calm.stop()
        self._measure("open")
        self._parts.session.open_paths([self._path])

    def _measure(self, mode: str) -> None:
        self._meter.on = mode == self._mode

    def _index(self) -> None:
        self._measure("index")
        self._parts.window.inspector.setCurrentWidget(self._parts.window.memory)
        self._parts.session.index_ram()

    def _scroll(self) -> None:
        self._measure("nothing")  # filling the tree to scroll in is no scrolling
        window = self._parts.window
        window.inspector.setCurrentWidget(window.devices)  # out of sight it would be filled at the first step
        window.devices.tree.expandToDepth(1)
        window.devices.tree.executeDelayedItemsLayout()
        window.inspector.setCurrentWidget(window.memory)
        tabs = (window.memory, window.devices)
        self._areas = [area for tab in tabs for area in tab.findChildren(QAbstractScrollArea)]
        QTimer.singleShot(300, self._timer.start)

    def _scroll_on(self) -> None:
        self._measure("scroll")
        self._step += 1
        window = self._parts.window
        window.inspector.setCurrentWidget(window.devices if self._step < _STEPS // 2 else window.memory)
        for area in self._areas:
            bar = area.verticalScrollBar()
            bar.setValue(bar.minimum() + (bar.maximum() - bar.minimum()) * (self._step % 50) // 50)
        if self._step >= _STEPS:
            self._timer.stop()
            print(self._meter.longest * 1e3)
            window.close()


def main() -> int:
    """Run the mode that the command line names."""
    mode, path, start = sys.argv[1], Path(sys.argv[2]), float(sys.argv[3])
    if mode == "bare":
        bare(start)
        return 0
    from vmsnap_gui.app import main as run

    if mode == "list":
        return run([str(path)], shown=lambda parts: listed(parts, start))
    return run([], shown=lambda parts: Scenario(parts, mode, path))


if __name__ == "__main__":
    sys.exit(main())
