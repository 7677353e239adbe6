"""A synchronous face of `qemu.qmp`: commands, events and jobs of one QEMU over a connected socket."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, TypeVar

from qemu.qmp import QMPClient

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Coroutine

T = TypeVar("T")
Event = dict[str, Any]


class JobError(Exception):
    """A QEMU job ended with an error; the text is QEMU's."""


class Monitor:
    """One QMP session on an event loop of its own, which runs only while a call is under way."""

    def __init__(self, connection: socket.socket, patience: float) -> None:
        """Greet QEMU over `connection` and negotiate; every later wait ends after `patience` seconds."""
        self._patience = patience
        self._loop = asyncio.new_event_loop()
        self._client = QMPClient("tests")
        try:
            self._run(self._client.connect(connection))
        except BaseException:
            self._loop.close()
            raise

    def execute(self, command: str, **arguments: object) -> Any:  # noqa: ANN401 (what QEMU returns)
        """Run one command; `ExecuteError` if QEMU refuses it. Underscores in argument names become dashes."""
        named = {name.replace("_", "-"): value for name, value in arguments.items()}
        return self._run(self._client.execute(command, named))

    def wait_event(self, matches: Callable[[Event], bool]) -> Event:
        """Return the first event not yet seen that matches; those before it are dropped."""

        async def wait() -> Event:
            while not matches(event := dict(await self._client.events.get())):
                pass
            return event

        return self._run(wait())

    def wait_named(self, name: str) -> Event:
        """Return the next event of that name."""
        return self.wait_event(lambda event: event["event"] == name)

    def run_job(self, command: str, job_id: str, **arguments: object) -> None:
        """Start a job and see it through.

        The command itself succeeds even where the job fails: the error is only in query-jobs, and gone after
        job-dismiss.

        Raises:
            JobError: the job failed.
        """
        self.execute(command, job_id=job_id, **arguments)

        def concluded(event: Event) -> bool:
            data = event.get("data", {})
            return (event["event"], data.get("id"), data.get("status")) == ("JOB_STATUS_CHANGE", job_id, "concluded")

        self.wait_event(concluded)
        (job,) = (job for job in self.execute("query-jobs") if job["id"] == job_id)
        self.execute("job-dismiss", id=job_id)
        if error := job.get("error"):
            raise JobError(error)

    def close(self) -> None:
        """End the session; the connection closes with it."""
        try:
            self._run(self._client.disconnect())
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return self._loop.run_until_complete(asyncio.wait_for(work, self._patience))
