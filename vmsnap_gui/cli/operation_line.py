"""The line on stderr that moves while an operation is under way, and what Ctrl-C means then."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

from vmsnap_gui.control.terms import StepKind
from vmsnap_gui.image.errors import Cancelled
from vmsnap_gui.image.texts import size_text
from vmsnap_gui.vmstate.fields import printable

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Iterator

    from vmsnap_gui.control.plan import Step

_EVERY = 0.25
"""Seconds between two drawings."""

_READING = frozenset((StepKind.CHECK,))


class OperationLine:
    """Watches an operation, draws one line where stderr is a terminal, and cancels before the first write."""

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._interrupted = False
        self._writing = False
        self._what = ""
        self._begun = time.monotonic()
        self._written = 0
        self._expected: int | None = None

    @contextlib.contextmanager
    def shown(self, loop: asyncio.AbstractEventLoop) -> Iterator[None]:
        """Draw the line as long as this lasts."""
        handle: list[asyncio.TimerHandle] = []

        def draw() -> None:
            self._draw()
            handle[:] = [loop.call_later(_EVERY, draw)]

        draw()
        try:
            yield
        finally:
            for one in handle:
                one.cancel()
            self._clear()

    def step(self, step: Step, number: int, count: int) -> None:
        """Hear that a step begins; see Observer.

        Raises:
            Cancelled: Ctrl-C was pressed, and nothing is written yet.
        """
        if self._interrupted and not self._writing:
            raise Cancelled
        self._writing = self._writing or step.kind not in _READING
        self._what = f"{number}/{count} {printable(step.text)}"
        self._begun, self._written, self._expected = time.monotonic(), 0, None
        self._draw()

    def written(self, done: int, expected: int | None) -> None:
        """Hear how much a step has written; see Observer."""
        self._written, self._expected = done, expected

    def interrupt(self) -> None:
        """Do what can be done on Ctrl-C."""
        self._interrupted = True
        self._clear()
        if self._writing:
            text = "this cannot be cancelled half-way; waiting for its end"
        else:
            text = "stopping before anything is changed"
        print(f"vmsnap: {text}", file=sys.stderr, flush=True)

    def _draw(self) -> None:
        if self._terminal and self._what:
            amount = f", {size_text(self._written)} written" if self._written else ""
            if self._expected:
                amount += f" of about {size_text(self._expected)}"
            line = f"{self._what}: {time.monotonic() - self._begun:.0f} s{amount}"
            width = os.get_terminal_size(sys.stderr.fileno()).columns or 80  # a longer line could not be overwritten
            sys.stderr.write(f"\r\x1b[K{line[: width - 1]}")
            sys.stderr.flush()

    def _clear(self) -> None:
        if self._terminal:
            sys.stderr.write("\r\x1b[K")
            sys.stderr.flush()
