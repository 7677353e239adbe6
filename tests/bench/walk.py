"""What a person does with the window, step after step, with the longest stall of each phase."""

from __future__ import annotations

import os
import traceback
from abc import abstractmethod
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer

from tests.bench.stall_meter import StallMeter

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmsnap_gui.app import Parts

_TURN_MS = 5
_CALM = 40  # turns without any job: time for what follows a result, too


class Walk(QObject):
    """A walk through the window; each of its steps ends with what it waits for. It closes the window at its end."""

    def __init__(self, parts: Parts) -> None:
        super().__init__(parts.window)
        self._parts = parts
        self._meter = StallMeter(self)
        self._phase = ""
        self._calm = 0
        self._found: dict[str, float] = {}
        self._steps = self._walk()
        self._ready: Callable[[], bool] = self._is_made
        self._timer = QTimer(self, interval=_TURN_MS)
        self._timer.timeout.connect(self._turn)
        self._timer.start()

    @abstractmethod
    def _walk(self) -> Iterator[Callable[[], bool]]:
        """Do a step, and yield what must become true before the next; begins when the empty window is complete."""

    @abstractmethod
    def _over(self) -> None:
        """Print what was found."""

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
        self._over()
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

    def _is_made(self) -> bool:
        """Whether the window has all its parts, and nothing went on for a while."""
        made = ("overview", "devices", "memory", "screen", "disk")
        return all(self._parts.window.inspector.has(name) for name in made) and self._is_calm()

    def _at_once(self) -> bool:
        return True
