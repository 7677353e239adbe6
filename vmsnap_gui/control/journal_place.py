"""Where the journal's entries are, apart from what reads and writes them: that takes longer to import than a list."""

from __future__ import annotations

from typing import TYPE_CHECKING

import platformdirs

if TYPE_CHECKING:
    from pathlib import Path


def folder() -> Path:
    """Return where the entries are."""
    return platformdirs.user_state_path("vmsnap") / "operations"


def is_empty() -> bool:
    """Whether there is no entry, so that no image is in quarantine."""
    return next(folder().glob("*.json"), None) is None
