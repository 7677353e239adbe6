"""The fault runs of 'make verify': at random moments, and none of them may show anything wrong."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

_TABLE = Path(".cache", "faults.md")
"""The table of these runs, which docs/faults.md shows."""


@pytest.mark.verify
def test_faults() -> None:
    _TABLE.parent.mkdir(exist_ok=True)
    words = [sys.executable, "-m", "tests.faults", "--runs", "200", "--seed", "7", "--table", str(_TABLE)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr[-5_000:]
