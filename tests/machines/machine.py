"""One QEMU under TCG, started for a test and never left behind."""

from __future__ import annotations

import contextlib
import itertools
import os
import select
import shlex
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from qemu.qmp import QMPError

from tests.machines.monitor import Monitor

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

PATIENCE = 120.0
"""Seconds that any single wait may take: only a hung QEMU reaches it."""

PAGE = 4096


class MachineError(Exception):
    """QEMU did not start, died, or did not do what it should; with its stderr."""


class Machine:
    """A running QEMU, as a context manager; it is killed at the end whatever happens.

    QMP and the guest's marks go over socket pairs that QEMU inherits, so there is no path to collide, no waiting for
    a socket to appear, and QEMU's end is seen at once.

    Attributes:
        arguments: What QEMU was started with.
        monitor: Its QMP session.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        program: str = "qemu-system-x86_64",
        marks: bool = True,
        qmp: Path | None = None,
    ) -> None:
        """Start `program` with `arguments` and connect to it.

        Args:
            arguments: Machine, memory, disks, devices, ... (`-nodefaults` is the caller's choice).
            program: The emulator.
            marks: Add an isa-debugcon device at port 0xe9, whose bytes `wait_marks` sees.
            qmp: Where a second monitor listens, for the program under test; it is there when this returns.

        Raises:
            MachineError: QEMU ends at once.
        """
        self._numbers = itertools.count()
        self._directory = tempfile.TemporaryDirectory(prefix="vmsnap-vm-")
        self._stderr = Path(self._directory.name, "stderr")
        ours, theirs = socket.socketpair()
        self._marks, guest = socket.socketpair()
        self.arguments = [
            *_dying_with_us(), program, "-accel", "tcg", "-display", "none",
            "-chardev", f"socket,id=tests-qmp,fd={theirs.fileno()}", "-mon", "chardev=tests-qmp,mode=control",
            *arguments,
        ]  # fmt: skip
        if qmp is not None:
            self.arguments += ["-qmp", f"unix:{str(qmp).replace(',', ',,')},server=on,wait=off"]
        if marks:
            self.arguments += ["-chardev", f"socket,id=tests-marks,fd={guest.fileno()}"]
            self.arguments += ["-device", "isa-debugcon,iobase=0xe9,chardev=tests-marks"]
        with theirs, guest, self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(
                self.arguments,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=stderr,
                pass_fds=(theirs.fileno(), guest.fileno()) if marks else (theirs.fileno(),),
            )
        self._marks.settimeout(PATIENCE)
        try:
            self.monitor = Monitor(ours, PATIENCE)
        except (QMPError, TimeoutError) as error:
            ours.close()
            self._process.kill()
            self._process.wait()
            said = self._said()
            self._end()
            raise MachineError(f"QEMU did not start: {said}") from error

    @property
    def pid(self) -> int:
        """QEMU's process id."""
        return self._process.pid

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None:
                self.quit()
        finally:
            self.kill()

    def qmp(self, command: str, **arguments: object) -> Any:  # noqa: ANN401 (what QEMU returns)
        """Run a QMP command and return its answer."""
        return self.monitor.execute(command, **arguments)

    def hmp(self, command: str) -> str:
        """Run a command of the human monitor and return its text."""
        answer: str = self.qmp("human-monitor-command", command_line=command)
        return answer.replace("\r\n", "\n")

    def wait_marks(self, marks: bytes) -> None:
        """Wait until the guest has written each byte of `marks` to port 0xe9, in whatever order."""
        missing = set(marks)
        while missing:
            try:
                byte = self._marks.recv(1)
            except TimeoutError:
                raise MachineError(f"the guest did not send {bytes(missing)!r}: {self._said()}") from None
            if not byte:
                raise MachineError(f"QEMU ended before the guest sent {bytes(missing)!r}: {self._said()}")
            missing.discard(byte[0])

    def stop(self) -> None:
        """Pause the guest; returns when it stands still."""
        self.qmp("stop")

    def resume(self) -> None:
        """Let the guest run on."""
        self.qmp("cont")

    def registers(self) -> str:
        """Return `info registers -a`: the registers of every processor."""
        return self.hmp("info registers -a")

    def snapshot_save(self, tag: str, *, vmstate: str, devices: Sequence[str]) -> None:
        """Take an internal snapshot of all `devices` with the VM state on `vmstate` (node names)."""
        self._snapshot_job("snapshot-save", tag=tag, vmstate=vmstate, devices=list(devices))

    def snapshot_load(self, tag: str, *, vmstate: str, devices: Sequence[str]) -> None:
        """Go back to a snapshot; JobError if that fails, for instance because there is no such tag."""
        self._snapshot_job("snapshot-load", tag=tag, vmstate=vmstate, devices=list(devices))

    def snapshot_delete(self, tag: str, *, devices: Sequence[str]) -> None:
        """Delete a snapshot from all `devices`."""
        self._snapshot_job("snapshot-delete", tag=tag, devices=list(devices))

    def migrate_to(self, path: Path, **capabilities: bool) -> None:
        """Write the state as a plain stream file and wait until that is complete.

        Args:
            path: The file.
            capabilities: Migration capabilities to set first, underscores for dashes.
        """
        self._set_capabilities(capabilities)
        ended = Path(self._directory.name, f"ended{next(self._numbers)}")
        os.mkfifo(ended)
        reader = os.open(ended, os.O_RDONLY | os.O_NONBLOCK)
        try:
            self.qmp("migrate", uri=f"exec:cat > {shlex.quote(str(path))}; echo > {shlex.quote(str(ended))}")
            self._wait_for_migration()
            # QEMU tells the end as soon as it has written all, which is before `cat` has.
            if not select.select([reader], [], [], PATIENCE)[0]:
                raise MachineError(f"{path} does not become complete: {self._said()}")
        finally:
            os.close(reader)

    def migrate_from(self, path: Path, **capabilities: bool) -> None:
        """Load a plain stream file; the machine was started with `-incoming defer -S`."""
        self._set_capabilities(capabilities)
        self.qmp("migrate-incoming", uri=f"exec:cat {shlex.quote(str(path))}")
        self._wait_for_migration()

    def _set_capabilities(self, capabilities: dict[str, bool]) -> None:
        wanted = {"events": True, **{name.replace("_", "-"): on for name, on in capabilities.items()}}
        settings = [{"capability": name, "state": on} for name, on in wanted.items()]
        self.qmp("migrate-set-capabilities", capabilities=settings)

    def _wait_for_migration(self) -> None:
        ends = {"completed", "failed", "cancelled"}
        event = self.monitor.wait_event(lambda event: event["event"] == "MIGRATION" and event["data"]["status"] in ends)
        if event["data"]["status"] != "completed":
            raise MachineError(f"the migration {event['data']['status']}: {self.qmp('query-migrate')}; {self._said()}")

    def memory(self, address: int, size: int) -> bytes:
        """Return guest-physical memory, as pmemsave writes it."""
        path = Path(self._directory.name, f"memory{next(self._numbers)}")
        self.qmp("pmemsave", val=address, size=size, filename=str(path))
        data = path.read_bytes()
        path.unlink()
        return data

    def screendump(self, path: Path) -> None:
        """Write the guest's screen as a PNG file."""
        self.qmp("screendump", filename=str(path), format="png")

    def quit(self) -> None:
        """Let QEMU end by itself, so that its images are complete, and wait for that."""
        if self._process.poll() is None:
            with contextlib.suppress(QMPError):  # it may be gone before it answers
                self.qmp("quit")
            code = self._process.wait(PATIENCE)
            if code:
                raise MachineError(f"QEMU ended with status {code}: {self._said()}")
        self.kill()

    def kill(self) -> None:
        """End QEMU now and free everything; harmless when done twice."""
        if self._process.poll() is None:
            self._process.kill()
        monitor = self.__dict__.pop("monitor", None)
        if monitor is not None:
            with contextlib.suppress(QMPError, EOFError, ConnectionError):
                monitor.close()
        self._end()

    def _snapshot_job(self, command: str, **arguments: object) -> None:
        self.monitor.run_job(command, f"{command}-{next(self._numbers)}", **arguments)

    def _end(self) -> None:
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        self._marks.close()
        self._directory.cleanup()

    def _said(self) -> str:
        return self._stderr.read_text(errors="replace").strip() or "(nothing on stderr)"


def _dying_with_us() -> list[str]:
    """Return the command prefix that makes the kernel kill QEMU when the thread that started it dies."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "KILL", "--"] if setpriv else []
