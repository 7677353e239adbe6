"""Tells PySide6 that nothing here uses its features (`__feature__`). Imported between what knows no Qt and what does.

It would find out by itself: once it is there, it reads the source of each module that is imported, or imported again,
which took 25 ms of a start. Told are our own modules and Python's. Where PySide6's table has gone, it still reads.
"""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import PySide6.QtCore  # noqa: F401

_KNOWS_NO_QT = -1
"""PySide6 changes nothing when such a module is entered."""
_NONE_USED = 0


def _tell() -> None:
    table = getattr(sys.modules.get("shibokensupport.feature"), "pyside_feature_dict", None)
    if not isinstance(table, dict):
        return
    for name in (*sys.stdlib_module_names, *sys.modules):
        top = name.partition(".")[0]
        if top == "vmsnap_gui":
            table.setdefault(name, _NONE_USED)
        elif top in sys.stdlib_module_names:
            table.setdefault(name, _KNOWS_NO_QT)
    for package in ("vmsnap_gui", "vmsnap_gui.models", "vmsnap_gui.views"):
        with contextlib.suppress(OSError):  # not from a folder
            for file in (Path(__file__).parents[1] / package.replace(".", "/")).iterdir():
                table.setdefault(f"{package}.{file.stem}", _NONE_USED)


_tell()
