"""Asking a QEMU binary for the layouts of its devices, by -dump-vmstate: it writes them and ends, no machine runs."""

from __future__ import annotations

import re
import subprocess
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from vmsnap_gui.control.errors import ControlError

if TYPE_CHECKING:
    from vmsnap_gui.image.errors import Progress

TIME_LIMIT = 30.0
"""Seconds; a QEMU needs less than one."""

_LOOK_EVERY = 0.05
_MAX_DUMP = 32 << 20
_NO_MACHINE = "none"
_MACHINE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # in a stream could stand anything, options of -M, too


def dump_layouts(binary: Path, machine: str | None, progress: Progress, limit: float = TIME_LIMIT) -> bytes:
    """Return what a QEMU binary writes for -dump-vmstate.

    Args:
        binary: The program; it is run.
        machine: The machine type to ask about; one that this QEMU does not have is left out.
        progress: Called while it runs; may raise Cancelled, which ends it.
        limit: Seconds that it may take.

    Raises:
        ControlError: it cannot be run, fails, or is not done in time.
        Cancelled: by `progress`.
    """
    machines = [_NO_MACHINE]
    if machine is not None and _MACHINE.fullmatch(machine):
        machines.insert(0, machine)
    with tempfile.TemporaryDirectory(prefix="vmsnap-") as folder:
        for name in machines:
            dump = Path(folder, f"{len(name)}.json")
            command = [
                str(binary.absolute()),
                "-M",
                name,
                "-nodefaults",
                "-display",
                "none",
                "-dump-vmstate",
                str(dump),
            ]
            said, code = _run(command, Path(folder, "said"), progress, limit)
            if code == 0 and dump.exists() and 0 < dump.stat().st_size <= _MAX_DUMP:
                return dump.read_bytes()
    last = said.strip().splitlines()[-1:] or [f"it ended with status {code}"]
    raise ControlError(f"it did not tell its layouts: {last[0]}", path=binary, command=command, details=said)


def _run(command: list[str], output: Path, progress: Progress, limit: float) -> tuple[str, int]:
    """Run a command to its end, and return the end of what it said, and its exit status."""
    with output.open("wb+") as said:
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=said)
        except OSError as error:
            what = error.strerror or str(error)
            raise ControlError(f"it cannot be run: {what}", path=Path(command[0]), command=command) from error
        deadline = time.monotonic() + limit
        try:
            while _is_running(process):
                progress(0, 0)
                if time.monotonic() > deadline:
                    text = f"it was not done after {limit:.0f} seconds, and was ended"
                    raise ControlError(text, path=Path(command[0]), command=command)
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
        said.seek(max(0, said.tell() - 4096))
        return said.read(4096).decode("utf-8", "backslashreplace"), process.returncode


def _is_running(process: subprocess.Popen[bytes]) -> bool:
    try:
        process.wait(_LOOK_EVERY)
    except subprocess.TimeoutExpired:
        return True
    return False
