"""Turns of the Qt thread, to which work in the background gives way.

Python's lock goes from thread to thread every 0.2 ms at best, and painting a list asks for it a thousand times: beside
a worker that computes, a paint of 10 ms took 150. So what works through many small things stops between two of them
while the Qt thread has a turn.
"""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 0.02
"""Seconds after which work goes on even so: the Qt thread may wait for it."""

_free = threading.Event()
_free.set()


@contextmanager
def qt_turn() -> Iterator[None]:
    """Have workers give way meanwhile; only for the Qt thread. A turn within a turn is one with it."""
    if not _free.is_set():
        yield
        return
    _free.clear()
    try:
        yield
    finally:
        _free.set()


def give_way() -> bool:
    """Wait while the Qt thread has a turn, but not for long; for workers. Returns whether the turn is over."""
    return _free.wait(PATIENCE)
