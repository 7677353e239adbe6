"""A socket between a monitor and the program, which can close, or stop to forward, in the middle."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class Proxy:
    """A socket that forwards to a monitor; where there is none, it says what it is told to.

    Attributes:
        path: Where it listens.
        answers: What a client hears at once, without a monitor.
    """

    def __init__(self, path: Path, monitor: Path | None) -> None:
        self.path = path
        self.answers = b""
        self._monitor = monitor
        self._lock = threading.Lock()
        self._closed = False
        self._flows = threading.Event()
        self._flows.set()
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._open: list[socket.socket] = [self._listener]
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *ignored: object) -> None:
        self.close()
        for thread in self._threads:
            thread.join()

    def stall(self) -> None:
        """Forward nothing more, in either direction."""
        self._flows.clear()

    def close(self) -> None:
        """End all connections, and take no new ones."""
        with self._lock:
            self._closed = True
        for one in self._open:
            with contextlib.suppress(OSError):  # it was closed from the other end
                one.shutdown(socket.SHUT_RDWR)
            one.close()
        self._flows.set()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            ends = self._opened(near)
            for pair in (ends, ends[::-1]) if ends else ():
                thread = threading.Thread(target=self._forward, args=pair)
                self._threads.append(thread)
                thread.start()

    def _opened(self, near: socket.socket) -> tuple[socket.socket, ...]:
        """Connect a client to the monitor, and return both ends; none where that cannot be, or is over."""
        with self._lock:
            if self._closed:
                near.close()
                return ()
            self._open.append(near)
            if self._monitor is None:
                near.sendall(self.answers)
                return ()
            far = socket.socket(socket.AF_UNIX)
            self._open.append(far)
            far.setblocking(False)
            try:
                far.connect(str(self._monitor))
            except OSError:  # it is gone, or its queue is full
                near.close()
                return ()
            far.setblocking(True)
            return near, far

    def _forward(self, source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                self._flows.wait()
                sink.sendall(data)
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # one of the ends is closed
