"""Where the files of the machines lie that vmsnap starts: their QMP sockets, which nobody else can reach, and logs."""

from __future__ import annotations

import os
import re
import secrets
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


def log_file(profile: LaunchProfile) -> Path:
    """Return where the words of a profile's QEMU go; each start begins it anew."""
    name = re.sub(r"[^\w.-]", "_", profile.name)
    return platformdirs.user_log_path("vmsnap") / f"{name}.log"
