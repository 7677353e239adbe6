"""The far ends that a stream is written to, as QEMU's migration URIs name them: fd:, exec:, unix:, tcp:."""

from __future__ import annotations

import fcntl
import os
import socket
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.refusals import TransferError

if TYPE_CHECKING:
    import io
    from collections.abc import Callable, Iterator
    from typing import IO

_MOST_FILES = (1 << 31) - 1
_MOST_PORTS = (1 << 16) - 1


def is_end(where: str) -> bool:
    """Tell whether a text names an end that is no file."""
    kind, colon, _ = where.partition(":")
    return bool(colon) and kind in _KINDS


@contextmanager
def end(where: str) -> Iterator[io.RawIOBase | IO[bytes]]:
    """Open an end: a file descriptor "fd:3", the input of a command "exec:gzip > f", a socket that listens.

    Sockets are "unix:PATH" or "tcp:HOST:PORT". Nothing is held back here, so that closing cannot fail to write it.

    Raises:
        TransferError: there is no such end, or the command failed, or ended before it had read all.
    """
    kind, _, place = where.partition(":")
    try:
        opened = _KINDS[kind](place)
    except (OSError, ValueError) as error:
        reason = (error.strerror if isinstance(error, OSError) else None) or error
        raise TransferError(f"nothing can be sent there: {reason}") from error
    if not isinstance(opened, subprocess.Popen):
        with opened:
            yield opened
        return
    with opened:
        assert opened.stdin is not None  # it is a pipe
        try:
            yield opened.stdin
        except TransferError as error:
            if not isinstance(error.reason, BrokenPipeError):
                raise
            opened.stdin.close()
            how = _how_it_ended(opened.wait())
            raise TransferError(f"the command {place!r} {how} before it had read all of the stream") from error
    if opened.returncode:
        raise TransferError(f"the command {place!r} {_how_it_ended(opened.returncode)}")


def _how_it_ended(status: int) -> str:
    return f"ended with status {status}" if status >= 0 else f"was ended by signal {-status}"


def _descriptor(place: str) -> io.RawIOBase:
    number = _number(place, _MOST_FILES, "an open file, as fd:3 has it")
    if not fcntl.fcntl(number, fcntl.F_GETFL) & (os.O_WRONLY | os.O_RDWR):
        raise ValueError("it is not open for writing")
    return os.fdopen(os.dup(number), "wb", buffering=0)  # the caller's own stays open


def _child(place: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["/bin/sh", "-c", place], stdin=subprocess.PIPE, bufsize=0)


def _unix(place: str) -> io.RawIOBase:
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(place)
        return connection.makefile("wb", buffering=0)  # it holds the socket open until it is closed itself


def _tcp(place: str) -> io.RawIOBase:
    host, _, port = place.rpartition(":")
    number = _number(port, _MOST_PORTS, "a port, as tcp:HOST:PORT has it")
    try:
        with socket.create_connection((host.strip("[]"), number)) as connection:
            return connection.makefile("wb", buffering=0)
    except UnicodeError as error:
        raise ValueError(f"{host!r} is no name of a host") from error


def _number(text: str, most: int, what: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 12 and int(text) <= most):
        raise ValueError(f"{text!r} is no number of {what}")
    return int(text)


_KINDS: dict[str, Callable[[str], io.RawIOBase | subprocess.Popen[bytes]]] = {
    "fd": _descriptor,
    "exec": _child,
    "unix": _unix,
    "tcp": _tcp,
}
