"""Whether a window can be shown at all: where it cannot, Qt does not say so, but aborts the process. Qt-free.

Only X11 and Wayland have this trap. The places of their sockets are those of Xlib's and libwayland's own.
"""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

_X_DISPLAY = re.compile(r"(?P<host>.*):(?P<number>\d{1,5})(\.\d+)?")
_X_PORT = 6000
_PATIENCE = 2.0  # seconds


def why_no_window(environment: Mapping[str, str] = os.environ) -> str | None:
    """Return why no window can be shown, in a sentence; None where one can, as far as can be told."""
    if not sys.platform.startswith("linux") or environment.get("QT_QPA_PLATFORM"):
        return None
    wayland, x11 = environment.get("WAYLAND_DISPLAY"), environment.get("DISPLAY")
    if not wayland and not x11:
        return "there is no display to show a window on (neither DISPLAY nor WAYLAND_DISPLAY is set)"
    if (wayland and _answers_wayland(wayland, environment)) or (x11 and _answers_x11(x11)):
        return None
    named = [f"WAYLAND_DISPLAY={wayland}"] if wayland else []
    return f"the display cannot be reached ({', '.join([*named, *([f'DISPLAY={x11}'] if x11 else [])])})"


def _answers_wayland(display: str, environment: Mapping[str, str]) -> bool:
    return _answers(str(Path(environment.get("XDG_RUNTIME_DIR", ""), display)))


def _answers_x11(display: str) -> bool:
    named = _X_DISPLAY.fullmatch(display)
    if named is None:
        return True  # a form that is not known here: let Qt try
    host, number = named["host"], int(named["number"])
    if host not in ("", "unix"):
        return _answers((host, _X_PORT + number))
    path = f"/tmp/.X11-unix/X{number}"
    return _answers(f"\0{path}") or _answers(path)


def _answers(address: str | tuple[str, int]) -> bool:
    """Return whether something answers at a socket: a path, or a host and its port."""
    import socket  # not above: only a real display is asked

    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as connection:
        connection.settimeout(_PATIENCE)
        try:
            connection.connect(address)
        except (OSError, UnicodeError):
            return False
    return True
