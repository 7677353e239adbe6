"""Running QEMU's tools: in a session of their own and with their output in files, so that they survive our death."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vmsnap_gui.control.errors import ControlError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from vmsnap_gui.control.work import Run

_LOOK_EVERY = 0.1
"""Seconds between two looks at how much a tool has written."""

_MAX_SAID = 64 << 10


@dataclass(frozen=True, slots=True)
class Ended:
    """A tool that has ended.

    Attributes:
        command: What was run.
        code: Its exit status; negative if a signal ended it.
        out: Its standard output.
        said: Its standard error, the end of it if it is long.
    """

    command: tuple[str, ...]
    code: int
    out: str
    said: str

    def failure(self, path: Path) -> ControlError:
        """Return the error that says that it failed, in its own words as far as it had any."""
        last = self.said.strip().splitlines()[-1:] or [f"it ended with status {self.code}"]
        why = f"it was ended by {_signal_name(-self.code)}" if self.code < 0 else last[0]
        return ControlError(
            f"{Path(self.command[0]).name} failed: {why}", path=path, command=self.command, details=self.said
        )


async def write_with(run: Run, command: Sequence[str], stdin: bytes = b"") -> Ended:
    """Run a tool that writes for an operation: the journal knows of it, and the observer sees what it writes.

    Args:
        run: The operation.
        command: The tool and its arguments.
        stdin: What it reads, all of it before it starts; less than a pipe holds.

    Raises:
        ControlError: it cannot be started.
    """
    out = run.operation.output()
    said = run.operation.output()

    def look(process: int) -> None:
        run.observer.written(_written(process), None)

    return await _run(command, stdin, (out, said), run.operation.tool_started, look)


async def read_with(command: Sequence[str]) -> Ended:
    """Run a tool that only reads; raises ControlError if it cannot be started."""
    with tempfile.TemporaryDirectory(prefix="vmsnap-") as directory:
        return await _run(command, b"", (Path(directory, "out"), Path(directory, "err")), None, None)


async def _run(
    command: Sequence[str],
    stdin: bytes,
    outputs: tuple[Path, Path],
    started: Callable[[int], None] | None,
    look: Callable[[int], None] | None,
) -> Ended:
    pid = _start(command, stdin, outputs)
    refused = None
    try:
        if started is not None:
            started(pid)
    except ControlError as error:  # the tool runs already: what comes of it is worth knowing all the same
        refused = error
    code = await _end_of(pid, look)
    if refused is not None:
        raise refused
    return Ended(tuple(command), code, _text(outputs[0]), _text(outputs[1]))


def _start(command: Sequence[str], stdin: bytes, outputs: tuple[Path, Path]) -> int:
    """Start a tool and return its process id.

    Not by asyncio or subprocess: their objects kill it, or complain, when they are dropped before it has ended.
    """
    try:
        with outputs[0].open("wb") as out, outputs[1].open("wb") as said, _filled(stdin) as source:
            files = [
                (os.POSIX_SPAWN_DUP2, fd, number) for number, fd in enumerate((source, out.fileno(), said.fileno()))
            ]
            words = [os.fsencode(word) for word in command]
            environment = {**os.environ, "LC_ALL": "C"}
            return os.posix_spawnp(words[0], words, environment, file_actions=files, setsid=True)
    except OSError as error:
        raise ControlError(f"{command[0]} cannot be started: {error.strerror}", command=command) from error


async def _end_of(pid: int, look: Callable[[int], None] | None) -> int:
    """Wait until a child has ended, and return its exit status, negative if a signal ended it."""
    loop, ended = asyncio.get_running_loop(), asyncio.Event()
    descriptor = os.pidfd_open(pid)
    loop.add_reader(descriptor, ended.set)
    try:
        while not ended.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(ended.wait(), None if look is None else _LOOK_EVERY)
            if look is not None:
                look(pid)
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])  # noqa: ASYNC222 (it has ended)


def _written(pid: int) -> int:
    """Return how many bytes a process has given to the kernel to write, 0 where that cannot be seen."""
    try:
        lines = Path(f"/proc/{pid}/io").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("wchar:")), 0)


@contextlib.contextmanager
def _filled(data: bytes) -> Iterator[int]:
    """Give a descriptor to read `data` from, which needs nobody to write it: it works on when we are gone."""
    if not data:
        with Path(os.devnull).open("rb") as nothing:
            yield nothing.fileno()
        return
    source, sink = os.pipe()
    try:
        try:
            os.set_blocking(sink, False)
            if os.write(sink, data) < len(data):
                raise ControlError("this is too much to tell a tool at once")
        finally:
            os.close(sink)
        yield source
    finally:
        os.close(source)


def _text(path: Path) -> str:
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _MAX_SAID))
        return file.read().decode("utf-8", "backslashreplace")


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
