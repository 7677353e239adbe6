"""Where the journal's entries are, and how a file is written for good.

Apart from the journal itself, which takes longer to import than all that a list of snapshots needs.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import platformdirs

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.control.journal_entry import Operation

own: dict[Path, Operation] = {}
"""The operations that this process carries out, by their files: as they are, also where that could not be written."""


def folder() -> Path:
    """Return where the entries are."""
    return platformdirs.user_state_path("vmsnap") / "operations"


def is_empty() -> bool:
    """Whether there is no entry, so that no image is in quarantine."""
    return not own and next(folder().glob("*.json"), None) is None


def write_whole(file: Path, data: bytes) -> None:
    """Write a file as a whole or not at all, and wait until the disk has it; raises OSError."""
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    fresh = file.with_suffix(".new")
    with fresh.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    fresh.replace(file)
    directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)
