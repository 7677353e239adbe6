"""Comparing in the window, in a process of its own: prints JSON with what each phase's longest stall was.

Usage: python -m tests.bench.compare_child STREAM_A STREAM_B DISK: two saved states, and an image with two snapshots.
The JSON has the milliseconds of each phase, and under "anonymous" the bytes of memory before the comparison began.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import vmsnap_gui.app  # as the console script does: PySide6 slows down the imports after it

# isort: split
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QApplication

from tests.bench.memory import anonymous
from tests.bench.walk import Walk
from vmsnap_gui.models.change_rows import Shown
from vmsnap_gui.sides import Side

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmsnap_gui.app import Parts
    from vmsnap_gui.views.compare_part import ComparePart

_STEPS = 60
_WORDS = ("cpu", "env", "virtio or apic", "value > 1000")


class Comparison(Walk):
    """What a person does with a comparison."""

    def __init__(self, parts: Parts, streams: tuple[Path, Path], disk: Path) -> None:
        self._streams, self._disk = streams, disk
        super().__init__(parts)

    def _over(self) -> None:
        print(json.dumps(self._found))

    def _is_shown(self, part: ComparePart) -> Callable[[], bool]:
        return lambda: part.has_result() and part.bytes.map.map is not None and self._is_calm()

    def _walk(self) -> Iterator[Callable[[], bool]]:
        window, session = self._parts.window, self._parts.session
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
    return vmsnap_gui.app.main([], shown=lambda parts: Comparison(parts, (a, b), disk))


if __name__ == "__main__":
    sys.exit(main())
