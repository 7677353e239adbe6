"""Where the QMP sockets lie that vmsnap gives to machines: in a folder of the user that nobody else can enter."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from vmsnap_gui.control.errors import ControlError

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


def make_folder(socket: Path) -> None:
    """Make the folder of a socket.

    Raises:
        ControlError: it cannot be made, or others may enter it.
    """
    folder = socket.parent
    try:
        folder.mkdir(exist_ok=True, mode=0o700)
        found = folder.lstat()
    except OSError as error:
        raise ControlError(f"the folder for the monitor cannot be made: {error}", path=folder) from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise ControlError("others may enter this folder, so the machine's monitor is not put there", path=folder)
