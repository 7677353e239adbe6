"""Comparing in the window, in a process of its own: prints JSON with what each phase's longest stall was.

Usage: python -m tests.bench.compare_child STREAM_A STREAM_B DISK: two saved states, and an image with two snapshots.
The JSON has the milliseconds of each phase, and under "anonymous" the bytes of memory before the comparison began.
"""

from __future__ import annotations

import json
import os
import sys
import traceback
from pathlib import Path
from typing import TYPE_CHECKING

import vmsnap_gui.app  # as the console script does: PySide6 slows down the imports after it

# isort: split
from PySide6.QtCore import QEvent, QObject, Qt, QTimer
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication

from tests.bench.memory import anonymous
from tests.bench.stall_meter import StallMeter
from vmsnap_gui.models.change_rows import Shown
from vmsnap_gui.sides import Side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmsnap_gui.app import Parts
    from vmsnap_gui.views.compare_part import ComparePart

_TURN_MS = 5
_CALM = 40  # turns without any job: time for what follows a result, too
_STEPS = 60
_WORDS = ("cpu", "env", "virtio or apic", "value > 1000")


class Walk(QObject):
    """What a person does with a comparison, step after step; each step ends with what it waits for."""

    def __init__(self, parts: Parts, streams: tuple[Path, Path], disk: Path) -> None:
        super().__init__(parts.window)
        self._parts = parts
        self._streams, self._disk = streams, disk
        self._meter = StallMeter(self)
        self._phase = ""
        self._calm = 0
        self._found: dict[str, float] = {}
        self._steps = self._walk()
        self._ready: Callable[[], bool] = lambda: True
        self._timer = QTimer(self, interval=_TURN_MS)
        self._timer.timeout.connect(self._turn)
        self._timer.start()

    def _turn(self) -> None:
        if self._ready():
            self._calm = 0
            try:
                step = next(self._steps, None)
            except Exception:
                traceback.print_exc()
                os._exit(1)  # Qt would go on, with a walk that seems to be over
            if step is None:
                self._end()
            else:
                self._ready = step

    def _end(self) -> None:
        self._timer.stop()
        self._measure("")
        print(json.dumps(self._found))
        self._parts.window.close()

    def _measure(self, phase: str) -> None:
        """Begin a phase: "" is none."""
        if self._phase:
            self._found[self._phase] = max(self._meter.longest * 1e3, self._found.get(self._phase, 0))
        self._phase = phase
        self._meter.longest = 0.0
        self._meter.on = bool(phase)

    def _is_calm(self) -> bool:
        """Whether nothing went on for a while."""
        self._calm = 0 if self._parts.jobs.unfinished() else self._calm + 1
        return self._calm >= _CALM

    def _at_once(self) -> bool:
        return True

    def _is_shown(self, part: ComparePart) -> Callable[[], bool]:
        return lambda: part.has_result() and part.bytes.map.map is not None and self._is_calm()

    def _walk(self) -> Iterator[Callable[[], bool]]:
        window, session = self._parts.window, self._parts.session
        made = ("overview", "devices", "memory")
        yield lambda: all(window.inspector.has(name) for name in made) and self._is_calm()
        session.open_paths(list(self._streams))
        yield self._is_calm
        self._measure("nothing at all")
        yield self._is_calm
        self._found["anonymous"] = anonymous("self")
        tab = window.compare_tab
        self._measure("fields")
        tab.compare_files(self._streams)
        yield lambda: tab.session.compared is not None and self._is_calm()
        yield from self._fields()
        self._measure("memory")
        tab.view.tabs.setCurrentWidget(tab.view.memory)
        yield self._is_shown(tab.view.memory)
        yield from self._go("F7 and F8 in memory")
        yield from self._scroll(tab.view.memory)
        yield from self._disks()

    def _fields(self) -> Iterator[Callable[[], bool]]:
        view = self._parts.window.compare_tab.view
        compared = self._parts.window.compare_tab.session.compared
        assert compared is not None
        # No further than the last field: behind it comes the memory, a phase of its own.
        yield from self._go("F7 and F8 in fields", min(_STEPS, compared.counts.fields // 2))
        self._measure("all fields")
        view.fields.shown.setCurrentIndex(Shown.ALL)
        yield self._is_calm
        box = self._parts.window.filter_box
        box.setFocus()
        for text in _WORDS:
            self._measure("typing a filter")
            for letter in text:
                _press(box, letter)
                yield self._at_once
            yield self._is_calm
            self._measure("clearing a filter")
            box.clear()
            yield self._is_calm
        self._measure("")
        view.fields.shown.setCurrentIndex(Shown.CHANGED)
        yield self._is_calm

    def _go(self, phase: str, steps: int = _STEPS) -> Iterator[Callable[[], bool]]:
        """Go to the next difference many times, and back."""
        self._measure(phase)
        actions = self._parts.window.compare_tab.actions
        for action in (actions.next, actions.previous):
            for _ in range(steps):
                action.trigger()
                yield self._at_once
        yield self._is_calm

    def _scroll(self, part: ComparePart) -> Iterator[Callable[[], bool]]:
        self._measure("scrolling bytes")
        bar = part.bytes.twin.a.verticalScrollBar()
        for step in range(_STEPS):
            bar.setValue(bar.minimum() + (bar.maximum() - bar.minimum()) * step // _STEPS)
            yield self._at_once
        yield self._is_calm

    def _disks(self) -> Iterator[Callable[[], bool]]:
        window, session = self._parts.window, self._parts.session
        tab = window.compare_tab
        self._measure("")
        session.open_paths([self._disk])
        yield self._is_calm
        entry = session.library.entries.get(self._disk)
        assert entry is not None
        assert entry.info is not None
        a, b = (Side(self._disk, snapshot) for snapshot in entry.info.snapshots)
        self._measure("disk")
        tab.session.compare(a, b)
        tab.view.tabs.setCurrentWidget(tab.view.disk)
        yield self._is_shown(tab.view.disk)
        yield from self._go("F7 and F8 on the disk")


def _press(box: object, letter: str) -> None:
    for kind in (QEvent.Type.KeyPress, QEvent.Type.KeyRelease):
        QApplication.sendEvent(box, QKeyEvent(kind, 0, Qt.KeyboardModifier.NoModifier, letter))  # type: ignore[call-overload]


def main() -> int:
    """Walk through the comparison of what the command line names."""
    a, b, disk = map(Path, sys.argv[1:])
    return vmsnap_gui.app.main([], shown=lambda parts: Walk(parts, (a, b), disk))


if __name__ == "__main__":
    sys.exit(main())
