"""How far a command is, on a real terminal; and nothing of it anywhere else."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from vmsnap_gui.demo import demo_image

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

COMMAND = [sys.executable, "-c", "import sys; from vmsnap_gui.start import command; sys.exit(command())"]


def on_terminal(arguments: Sequence[str], output: Path) -> tuple[int, str]:
    """Run the command with a terminal as stderr; returns the exit status and what was written there."""
    ours, theirs = pty.openpty()
    with output.open("wb") as stdout, subprocess.Popen([*COMMAND, *arguments], stdout=stdout, stderr=theirs) as running:
        os.close(theirs)
        written = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # Linux says so where the other end of a terminal is closed
                break
            if not part:
                break
            written += part
    os.close(ours)
    return running.returncode, written.decode()


def screen(written: str) -> list[str]:
    """Return the lines that a terminal shows in the end."""
    lines = []
    for text in written.replace("\r\n", "\n").split("\n"):
        cells: list[str] = []
        for part in text.split("\r"):
            cells[: len(part)] = part
        lines.append("".join(cells).rstrip())
    return lines


DIFF = ("diff", "{demo}@1", "{demo}@4", "--base", "{demo}@2", "--ram", "--disk", "--read-data", "--json")
RAM = ("ram", "{demo}", "-s", "id:1", "--json")
CASES = [
    pytest.param(DIFF, ("Comparing fields", "Comparing memory", "Comparing disks"), 1, id="diff"),
    pytest.param(RAM, ("Reading pc.ram",), 0, id="ram"),
]


@pytest.mark.parametrize(("words", "steps", "status"), CASES)
def test_a_terminal_shows_how_far_it_is_and_nothing_of_that_in_the_end(
    tmp_path: Path, words: Sequence[str], steps: Sequence[str], status: int
) -> None:
    arguments = [word.format(demo=demo_image()) for word in words]
    ended, written = on_terminal(arguments, tmp_path / "terminal")
    assert ended == status
    for step in steps:
        assert f"\r{step} " in written
    assert " %" in written
    assert screen(written) == [""]
    plain = subprocess.run([*COMMAND, *arguments], capture_output=True, check=False)
    assert (plain.returncode, plain.stderr) == (status, b"")
    assert plain.stdout == (tmp_path / "terminal").read_bytes()


def test_an_error_stands_alone(tmp_path: Path) -> None:
    arguments = ["diff", f"{demo_image()}@1", f"{demo_image()}@2", "--report", str(tmp_path / "none" / "x.md")]
    status, written = on_terminal(arguments, tmp_path / "terminal")
    assert status == 2
    assert "\rComparing fields " in written
    (line, rest) = screen(written)
    assert line.startswith("vmsnap: ")
    assert rest == ""
