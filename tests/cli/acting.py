"""Running the acting commands: in this process, and on a terminal of their own."""

from __future__ import annotations

import os
import pty
import select
import subprocess
import sys
import termios
from typing import TYPE_CHECKING

from vmsnap_gui.cli import main

if TYPE_CHECKING:
    import pytest

PATIENCE = 120_000
"""Milliseconds that any wait may take: only a command that hangs reaches it."""


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    """Run a command here; its standard input is no terminal."""
    status = main([str(one) for one in arguments])
    out, err = capsys.readouterr()
    return status, out, err


class Terminal:
    """A command on a terminal; what it prints there is its stdout and stderr in one."""

    def __init__(self, *arguments: object) -> None:
        ours, theirs = pty.openpty()
        attributes = termios.tcgetattr(theirs)
        attributes[1] &= ~termios.OPOST  # newlines as they are
        termios.tcsetattr(theirs, termios.TCSANOW, attributes)
        code = "import sys; from vmsnap_gui.start import command; sys.exit(command())"
        words = [sys.executable, "-c", code, *(str(one) for one in arguments)]
        self._process = subprocess.Popen(
            words, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, preexec_fn=_control
        )
        os.close(theirs)
        self._terminal = ours
        self.text = ""

    def wait_for(self, text: str) -> None:
        """Read until the command has printed this."""
        while text not in self.text:
            assert self._read(), f"it ended, and said {self.text!r}"

    def type(self, text: str) -> None:
        """Type this."""
        os.write(self._terminal, text.encode())

    def end(self) -> int:
        """Read until the command ends; returns its exit status."""
        while self._read():
            pass
        os.close(self._terminal)
        return self._process.wait(PATIENCE)

    def _read(self) -> bool:
        poll = select.poll()
        poll.register(self._terminal, select.POLLIN | select.POLLHUP)
        assert poll.poll(PATIENCE), f"nothing came after {self.text!r}"
        try:
            data = os.read(self._terminal, 4096)
        except OSError:  # EIO: the other end is closed
            return False
        self.text += data.decode()
        return bool(data)


def _control() -> None:
    """Make the terminal the one that controls this session, so that Ctrl-C is a signal."""
    import fcntl

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
