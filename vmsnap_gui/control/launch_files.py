"""Where the files of the machines lie that vmsnap starts: their QMP sockets, which nobody else can reach, and logs."""

from __future__ import annotations

import errno
import os
import re
import secrets
import socket
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from vmsnap_gui.control.errors import ControlError

if TYPE_CHECKING:
    from vmsnap_gui.control.profile import LaunchProfile

_LONGEST = 107
"""Bytes of a path that fit into struct sockaddr_un (unix(7)), beside the NUL."""


def new_socket() -> Path:
    """Return a fresh path for a socket; nothing is made."""
    name = f"{secrets.token_hex(6)}.qmp"
    runtime = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.getuid()}"
    path = Path(runtime, "vmsnap", name)
    if not path.is_absolute() or not path.parent.parent.is_dir() or len(os.fsencode(path)) > _LONGEST:
        path = Path("/tmp", f"vmsnap-{os.getuid()}", name)  # a short one, whatever TMPDIR says
    return path


def make_folder(monitor: Path) -> None:
    """Make the folder of a socket, and take away the sockets in it that machines which are gone have left behind.

    Raises:
        ControlError: it cannot be made, or others may enter it.
    """
    folder = monitor.parent
    try:
        folder.mkdir(exist_ok=True, mode=0o700)
        found = folder.lstat()
    except OSError as error:
        raise ControlError(f"the folder for the monitor cannot be made: {error}", path=folder) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ControlError("others may enter this folder, so the machine's monitor is not put there", path=folder)
    _clear(folder)


def _clear(folder: Path) -> None:
    """Remove the sockets that nobody listens on: a QEMU takes its own away when it ends, but not when it is killed.

    A monitor serves one client at a time, so nobody is called who is known to be there: /proc/net/unix lists what is
    bound. Only one that is not listed, since it may be in another network namespace, is tried.
    """
    try:
        lines = Path("/proc/net/unix").read_text(errors="surrogateescape").splitlines()
    except OSError:
        return
    bound = {Path(line.split(maxsplit=7)[-1]).name for line in lines}
    for path in folder.glob("*.qmp"):
        if path.is_socket() and path.name not in bound and _refuses(path):
            path.unlink(missing_ok=True)


def _refuses(path: Path) -> bool:
    """Whether the process that made a socket is gone."""
    with socket.socket(socket.AF_UNIX) as client:
        client.setblocking(False)
        return client.connect_ex(str(path)) == errno.ECONNREFUSED


def log_file(profile: LaunchProfile) -> Path:
    """Return where the words of a profile's QEMU go; each start begins it anew."""
    name = re.sub(r"[^\w.-]", "_", profile.name)
    return platformdirs.user_log_path("vmsnap") / f"{name}.log"
