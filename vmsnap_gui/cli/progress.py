"""How far long work is, in one line on a terminal's stderr; nothing where stderr is none."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType

    from vmsnap_gui.image.errors import Progress

_EVERY_S = 0.1
"""The least time between two numbers of one step."""


class ProgressLine:
    """The line. As a context manager it erases itself at the end, also when the work fails."""

    def __init__(self) -> None:
        self._shown = sys.stderr.isatty()
        self._written = 0
        self._next = 0.0

    def step(self, what: str) -> Progress:
        """Begin a step, named `what`; returns what its work is to call."""
        self._next = 0.0

        def report(done: int, total: int) -> None:
            if self._shown and time.monotonic() >= self._next:
                self._next = time.monotonic() + _EVERY_S
                self._write(f"{what} {min(100, 100 * done // total)} %" if total > 0 else what)

        return report

    def erase(self) -> None:
        """Take the line away: something else is about to be written."""
        if self._written:
            sys.stderr.write(f"\r{' ' * self._written}\r")  # not by an escape sequence: every terminal knows this
            sys.stderr.flush()
            self._written = 0

    def __enter__(self) -> ProgressLine:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.erase()

    def _write(self, text: str) -> None:
        sys.stderr.write(f"\r{text}{' ' * (self._written - len(text))}")
        sys.stderr.flush()
        self._written = max(self._written, len(text))
