"""The QEMU processes of this machine, and how each is reached: by the monitors that its command line opens.

Looking at a monitor is connecting to it, and a monitor serves one client at a time: one that does not greet at once is
left alone, and those of libvirt are never tried.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.machine import Disk, Machine
from vmsnap_gui.control.qemu_options import Option, is_on, options_of, pairs_of
from vmsnap_gui.control.qmp import SCHEME, Busy
from vmsnap_gui.control.survey import disk_at
from vmsnap_gui.control.survey_live import refuse_libvirts, survey_qmp
from vmsnap_gui.control.terms import Reach
from vmsnap_gui.image.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

_PROGRAM = re.compile(r"qemu-system-[\w.-]+|qemu-kvm|qemu|kvm")

_LIBVIRTS_CHARDEV = "charmonitor"
"""What libvirt calls the monitor's socket (qemuMonitorTestCommandLine and qemu_command.c there)."""


@dataclass(frozen=True, slots=True)
class Process:
    """A QEMU process.

    Attributes:
        pid: Its process id.
        arguments: Its command line without the program.
        directory: Where relative paths start, None if that cannot be seen.
    """

    pid: int
    arguments: tuple[str, ...]
    directory: Path | None


@dataclass(frozen=True, slots=True)
class Monitors:
    """What a command line says of QMP monitors.

    Attributes:
        addresses: Of those that can be connected to.
        obstacles: Why others cannot be; sentences.
    """

    addresses: tuple[str, ...]
    obstacles: tuple[str, ...]


async def find_machines() -> list[Machine]:
    """Find the QEMU processes of this machine and look at each that lets us."""
    return list(await asyncio.gather(*(_look(process) for process in processes())))


def processes() -> tuple[Process, ...]:
    """Return the QEMU processes of this machine, the oldest first."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error):  # it may end while it is looked at
            words = process.cmdline()
            if words and _PROGRAM.fullmatch(Path(words[0]).name):
                found.append((process.create_time(), Process(process.pid, tuple(words[1:]), _directory(process))))
    return tuple(process for _, process in sorted(found, key=lambda one: (one[0], one[1].pid)))


def monitors_of(process: Process) -> Monitors:
    """Return the QMP monitors that a command line opens.

    They are -qmp and -qmp-pretty, and -mon with mode=control on a -chardev (QEMU's qemu-options.hx).
    """
    options = tuple(options_of(process.arguments))
    sockets = {one.pairs.get("id", ""): one.pairs for one in options if one.name == "chardev"}
    found = [_address(one, process.directory) for one in _controls(options, sockets)]
    addresses = tuple(SCHEME + address for address, _ in found if address)
    obstacles = tuple(why for _, why in found if why)
    if not found:
        obstacles = ("it was started without a QMP monitor (-qmp)",)
    return Monitors(addresses, obstacles)


def _controls(options: Sequence[Option], sockets: dict[str, dict[str, str]]) -> Iterator[dict[str, str]]:
    """Yield the character devices of QMP monitors, as key=value lists."""
    for option in options:
        value = option.value or ""
        if option.name in ("qmp", "qmp-pretty"):
            yield sockets.get(value.removeprefix("chardev:"), {}) if value.startswith("chardev:") else _compat(value)
        elif option.name == "mon" and option.pairs.get("mode") == "control":
            yield sockets.get(option.pairs.get("chardev", option.pairs.get("", "")), {})


def _compat(value: str) -> dict[str, str]:
    """Turn the old form of a character device, "unix:PATH,..." or "tcp:HOST:PORT,...", into the new one."""
    pairs = pairs_of(value)
    kind, _, rest = pairs.pop("", "").partition(":")
    if kind == "unix":
        return {"": "socket", "path": rest, **pairs}
    if kind == "tcp":
        host, _, port = rest.rpartition(":")
        return {"": "socket", "host": host.strip("[]"), "port": port, **pairs}
    return {"": kind, **pairs}


def _address(device: dict[str, str], directory: Path | None) -> tuple[str, str]:
    """Return a character device's address without scheme, or "" and why it has none that we could use."""
    if device.get("") != "socket":
        return "", f"its monitor is no socket but {device.get('') or 'unknown'}"
    if "fd" in device:
        return "", "its monitor's socket was handed to it by the program that started it, and has no address"
    if not is_on(device.get("server")):
        return "", "its monitor does not listen: it connects to another program"
    if is_on(device.get("abstract")):
        return "", "its monitor's socket is an abstract one"
    if "path" not in device:
        return _tcp(device.get("host", ""), device.get("port", "")), ""
    path = Path(device["path"])
    if path.is_absolute():
        return str(path), ""
    if directory is None:
        return "", f"its monitor is at {path}, but where that is cannot be seen"
    return str(directory / path), ""


def _tcp(host: str, port: str) -> str:
    here = {"": "localhost", "0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host)
    return f"{here or (f'[{host}]' if ':' in host else host)}:{port}"


def is_libvirts(process: Process) -> bool:
    """Whether libvirt started a QEMU: by its parent, the place of its sockets, or the name of its monitor."""
    with contextlib.suppress(psutil.Error):
        parent = psutil.Process(process.pid).parent()
        if parent is not None and parent.name() in ("libvirtd", "virtqemud"):
            return True
    for option in options_of(process.arguments):
        if option.name == "chardev" and option.pairs.get("id") == _LIBVIRTS_CHARDEV:
            return True
    try:
        for address in monitors_of(process).addresses:
            refuse_libvirts(address)
    except ControlError:
        return True
    return False


async def _look(process: Process) -> Machine:
    """Look at one QEMU, by the first of its monitors that answers."""
    if is_libvirts(process):
        return _unreached(process, Reach.LIBVIRT, "it belongs to libvirt, which must be asked itself (virsh)")
    monitors = monitors_of(process)
    reach, reasons = Reach.UNREACHABLE, list(monitors.obstacles)
    for address in monitors.addresses:
        try:
            return replace(await survey_qmp(address), pid=process.pid)
        except Busy as error:
            reach = Reach.BUSY
            reasons.append(error.message)
        except ControlError as error:
            reasons.append(error.message)
    return _unreached(process, reach, "; ".join(reasons))


def _unreached(process: Process, reach: Reach, note: str) -> Machine:
    """Return a machine whose monitor was not asked: with the qcow2 images that the process has open."""
    name = next((one.pairs for one in options_of(process.arguments) if one.name == "name"), {})
    return Machine(
        name=name.get("guest") or name.get("") or f"QEMU (process {process.pid})",
        reach=reach,
        disks=tuple(_open_disks(process.pid)),
        pid=process.pid,
        note=note,
    )


def _open_disks(pid: int) -> Iterable[Disk]:
    """Yield the qcow2 images that a process has open, in the order in which it opened them."""
    try:
        opened = psutil.Process(pid).open_files()
    except psutil.Error:  # of another user
        return
    paths = {Path(one.path): "+" in one.mode or "w" in one.mode for one in sorted(opened, key=lambda one: one.fd)}
    for path, writable in paths.items():
        with contextlib.suppress(ControlError, ImageError):
            disk = disk_at(path)
            if disk.format == "qcow2":
                yield disk if writable else replace(disk, writable=False, unfit="it is read-only")


def _directory(process: psutil.Process) -> Path | None:
    try:
        return Path(process.cwd())
    except psutil.Error:
        return None
