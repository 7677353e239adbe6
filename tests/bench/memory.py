"""How much anonymous memory a process has: what files in the page cache hold is not counted."""

from __future__ import annotations

import subprocess
import threading
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


def anonymous(process: int | str) -> int:
    """Return the bytes of a process, by its number or "self"; 0 where it has ended."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("RssAnon")), 0)


def peak_anonymous(
    command: Sequence[str], status: int = 0, environment: Mapping[str, str] | None = None
) -> tuple[int, str]:
    """Run a command that ends with `status`; returns the highest number that was seen, and what it printed."""
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    printed: list[str] = []
    ended = threading.Event()
    waiter = threading.Thread(target=lambda: (printed.append(process.communicate()[0]), ended.set()))
    waiter.start()
    peak = 0
    while not ended.wait(0.002):
        peak = max(peak, anonymous(process.pid))
    waiter.join()
    if process.returncode != status:
        raise RuntimeError(f"{' '.join(command)} ended with {process.returncode}")
    return peak, printed[0]
