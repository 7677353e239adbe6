"""QEMU's monitor, spoken to through qemu.qmp: commands, jobs, and an end to every wait.

While QEMU saves or loads a state, its main loop stands still and no ordinary command is answered (seen on 7.2, 10.0 and
11.1), however long that takes. Out-of-band commands are answered by a thread of their own (docs/interop/qmp-spec.txt,
"Out-of-band execution"), so they tell a QEMU that is at work from one that hangs, was stopped, or whose socket leads
nowhere. A monitor without them (before QEMU 3.0) is waited for as long as its socket is open.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import re
import socket
import struct
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

import psutil
from qemu.qmp import ExecuteError, QMPClient, QMPError

from vmsnap_gui.control.errors import ControlError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Mapping
    from types import TracebackType

T = TypeVar("T")

SCHEME = "qmp:"

GREETING = 1.0
"""Seconds within which a monitor that is free greets, and takes its first command."""

_AGAIN = 0.02
"""Seconds until a connection for which there was no room is tried again."""

PATIENCE = 30.0
"""Seconds that a sign of life may take: its thread has nothing else to do."""

BEAT = 2.0
"""Seconds between two signs of life, and until the first is asked for."""

_POLL = 0.1

_JOBS = "vmsnap-"

_TCP = re.compile(r"(?:\[(?P<six>[^]]*)\]|(?P<host>[^/:]*)):(?P<port>\d{1,5})")
_UCRED = struct.Struct("3i")
"""struct ucred of unix(7): pid, uid, gid."""


class Busy(ControlError):
    """The monitor serves another client, or its QEMU has no time: it did not greet."""


class Lost(ControlError):
    """QEMU is gone, or does not answer any more: nobody knows how far it came with its last command."""


class Silent(Lost):
    """The connection stands, but QEMU does not answer any more."""


def endpoint(address: str) -> str | tuple[str, int]:
    """Return the path, or the host and port, that "qmp:PATH" or "qmp:HOST:PORT" names; the scheme may be left out."""
    rest = address.removeprefix(SCHEME)
    tcp = _TCP.fullmatch(rest)
    if tcp is None:
        return rest
    host = tcp["six"] if tcp["six"] is not None else tcp["host"]
    return host or "localhost", int(tcp["port"])


class QMP:
    """A session with one QEMU, as an asynchronous context manager.

    Attributes:
        address: As it was connected to.
        pid: The process at the other end if it is one of this machine, None if nobody can tell.
        version: QEMU's (major, minor, micro).
        commands: The names of the commands that it knows.
    """

    def __init__(self, client: QMPClient, address: str, pid: int | None) -> None:
        self._client = client
        self.address = address
        self.pid = pid
        greeting = client.greeting
        assert greeting is not None, "a client that is connected was greeted"
        version: Any = greeting.QMP.version["qemu"]
        self.version: tuple[int, int, int] = (version["major"], version["minor"], version["micro"])
        self._beats = "oob" in greeting.QMP.capabilities
        self.commands: frozenset[str] = frozenset()

    @classmethod
    async def connect(cls, address: str) -> Self:
        """Connect to the monitor at "qmp:PATH" or "qmp:HOST:PORT" and learn what it can do.

        Raises:
            Busy: it did not greet in time, because it serves somebody else.
            ControlError: nothing answers there, or it is no QMP monitor.
        """
        connection = await _connection(address)
        client = QMPClient("vmsnap")
        client.logger.setLevel(logging.CRITICAL)  # it logs what it raises, too, and that we tell ourselves
        try:
            async with asyncio.timeout(GREETING):
                await client.connect(connection)
        except TimeoutError:
            connection.close()
            raise Busy(f"the monitor {address} is busy: it serves another client") from None
        except (QMPError, OSError, EOFError) as error:
            connection.close()
            raise ControlError(f"the monitor {address} does not speak QMP: {error}") from error
        made = cls(client, address, _process_at(connection))
        try:
            made.commands = frozenset(one["name"] for one in await made.execute("query-commands"))
        except BaseException:
            await made.close()
            raise
        return made

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def execute(self, command: str, arguments: Mapping[str, object] | None = None, *, long: bool = False) -> Any:  # noqa: ANN401 (what QEMU returns)
        """Run a command and return its answer.

        Args:
            command: Its name.
            arguments: By name.
            long: It takes as long as it takes; else it is given up after a while, too, where QEMU gives no signs of
                life.

        Raises:
            Lost: QEMU did not answer.
            ControlError: QEMU refused, with its own words.
        """
        line = (json.dumps({"execute": command, **({"arguments": dict(arguments)} if arguments else {})}),)
        try:
            return await self._answer(self._client.execute(command, arguments), long)
        except ExecuteError as error:
            raise ControlError(str(error), command=line) from error
        except TimeoutError:  # is an OSError, too
            message = f"QEMU has given no sign of life for {PATIENCE:.0f} seconds"
            raise Silent(message, command=line) from None
        except (QMPError, OSError, EOFError) as error:
            raise Lost("the connection to QEMU was lost", command=line, details=str(error)) from error

    async def hmp(self, line: str) -> str:
        """Run a command of the human monitor and return what it says; raises as `execute` does."""
        said: str = await self.execute("human-monitor-command", {"command-line": line}, long=True)
        return said.replace("\r\n", "\n").strip()

    async def run_job(self, command: str, arguments: Mapping[str, object]) -> None:
        """Start a job and see it through.

        The command itself succeeds even where the job fails: the error is only in query-jobs, and gone after
        job-dismiss.

        Args:
            command: "snapshot-save" or "snapshot-load".
            arguments: All but the job's id.

        Raises:
            Lost: QEMU did not answer.
            ControlError: QEMU refused the job, or it failed; with QEMU's own words.
        """
        job = f"{_JOBS}{uuid.uuid4().hex[:12]}"
        line = (json.dumps({"execute": command, "arguments": {"job-id": job, **arguments}}),)
        await self.execute(command, {"job-id": job, **arguments}, long=True)
        while True:
            found = await self._job(job)
            if found is None:
                raise ControlError("somebody else dismissed the job, so that nobody knows how it ended", command=line)
            if found["status"] == "concluded":
                break
            await asyncio.sleep(_POLL)
        await self.execute("job-dismiss", {"id": job})
        if error := found.get("error"):
            raise ControlError(error, command=line)

    async def works_for_us(self) -> bool:
        """Whether a job of ours is not at its end; raises as `execute` does."""
        jobs = await self.execute("query-jobs") if "query-jobs" in self.commands else ()
        return any(one["id"].startswith(_JOBS) and one["status"] != "concluded" for one in jobs)

    async def _job(self, job: str) -> dict[str, Any] | None:
        """Return what query-jobs says of a job; the answer comes when QEMU has time."""
        jobs: list[dict[str, Any]] = await self.execute("query-jobs", long=True)
        return next((one for one in jobs if one["id"] == job), None)

    async def close(self) -> None:
        """End the session; harmless when it has ended already."""
        with contextlib.suppress(QMPError, OSError, EOFError):
            async with asyncio.timeout(GREETING):
                await self._client.disconnect()

    async def _answer(self, work: Coroutine[Any, Any, T], long: bool) -> T:
        """Wait for an answer, but only as long as QEMU is alive; raises TimeoutError if it is not."""
        answer = asyncio.get_running_loop().create_task(work)
        try:
            while True:
                wait = BEAT if self._beats else None if long else PATIENCE
                done, _ = await asyncio.wait((answer,), timeout=wait)
                if done:
                    return answer.result()
                if not self._beats:
                    raise TimeoutError
                await self._sign_of_life()
        finally:
            answer.cancel()
            await asyncio.gather(answer, return_exceptions=True)

    async def _sign_of_life(self) -> None:
        async with asyncio.timeout(PATIENCE):
            with contextlib.suppress(ExecuteError):  # any answer will do; before QEMU 6.0 this is no command
                await self._client.execute("query-yank", oob=True)


async def _connection(address: str) -> socket.socket:
    """Return a socket that is connected to a monitor; raises ControlError."""
    where = endpoint(address)
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(GREETING):
            if isinstance(where, str):
                return await _connected_unix(where)
            found = await loop.getaddrinfo(*where, type=socket.SOCK_STREAM)
            return await _connected_tcp(found[0][0], found[0][4])
    except TimeoutError:
        raise Busy(f"the monitor {address} is busy: it takes no connection") from None
    except OSError as error:
        why = error.strerror or str(error)
        raise ControlError(f"the monitor {address} cannot be reached: {why}") from error


async def _connected_unix(path: str) -> socket.socket:
    """Connect as soon as there is room in QEMU's queue, which may still hold a client that has just left.

    Nothing tells when that is: it is tried again. (asyncio takes a queue that is full, EAGAIN, for a connection.)
    """
    made = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        while True:
            with contextlib.suppress(BlockingIOError):
                made.connect(path)
                break
            await asyncio.sleep(_AGAIN)
    except BaseException:
        made.close()
        raise
    return made


async def _connected_tcp(family: int, where: Any) -> socket.socket:  # noqa: ANN401 (as getaddrinfo has it)
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, where)
    except BaseException:
        made.close()
        raise
    return made


def _process_at(connection: socket.socket) -> int | None:
    """Return the process at the other end of a connection, None if it is not seen from here."""
    try:
        if connection.family == socket.AF_UNIX:
            credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
            return int(_UCRED.unpack(credentials)[0]) or None
        ours, theirs = connection.getsockname()[:2], connection.getpeername()[:2]
        for one in psutil.net_connections("tcp"):
            if one.raddr == ours and one.laddr == theirs:
                found: int | None = one.pid
                return found
    except (OSError, psutil.Error):
        pass
    return None


def is_local(address: str) -> bool:
    """Whether a monitor's address is one of this machine."""
    where = endpoint(address)
    return isinstance(where, str) or where[0] in ("localhost", "::1") or where[0].startswith("127.")


def quoted(word: str) -> str:
    """Return a word as the human monitor reads it back (get_str in QEMU's monitor/hmp.c)."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r")
    return f'"{escaped}"'


def socket_path(address: str) -> Path | None:
    """Return the path in an address, None for a host and port."""
    where = endpoint(address)
    return Path(where) if isinstance(where, str) else None
