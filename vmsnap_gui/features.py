"""Tells PySide6 that nothing here uses its features (`__feature__`). Imported between what knows no Qt and what does.

It would find out by itself: once it is there, it reads the source of each module that is imported, or imported again,
which took 25 ms of a start. Where its table has gone, it still does.
"""

from __future__ import annotations

import sys
from pathlib import Path

import PySide6.QtCore  # noqa: F401

_UNUSED = -1
_NONE_USED = 0


def _tell() -> None:
    table = getattr(sys.modules.get("shibokensupport.feature"), "pyside_feature_dict", None)
    if isinstance(table, dict):
        table |= dict.fromkeys(sys.modules.keys() - table.keys(), _UNUSED)
        for package in ("vmsnap_gui", "vmsnap_gui.models", "vmsnap_gui.views"):
            for file in (Path(__file__).parents[1] / package.replace(".", "/")).iterdir():
                table.setdefault(f"{package}.{file.stem}", _NONE_USED)


_tell()
