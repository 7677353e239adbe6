"""Why there is no state to show: the message that stands in its place, the same in all tabs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from vmsnap_gui.models import words
from vmsnap_gui.reading import DiskOnly
from vmsnap_gui.telling import sentence

if TYPE_CHECKING:
    from vmsnap_gui.session import Session


def why_no_state(session: Session) -> tuple[str, str, str]:
    """Return icon, heading and text for a session that has no loaded state."""
    failure = session.failure
    if isinstance(failure, DiskOnly):
        return "image", words.visible(failure.message), _tr("QEMU's savevm saves both; qemu-img only the disk.")
    if failure is not None:
        after = _tr("The image was not changed. Its other snapshots can still be looked at.")
        return "failed", _tr("This saved state cannot be read"), f"{words.sentence(sentence(failure))}\n{after}"
    if session.loading is not None:
        return "reading", _tr("Reading the saved state"), ""
    entry = session.entry()
    if entry is None:
        return "", _tr("No image is selected"), ""
    if entry.info is not None and not entry.info.snapshots:
        if entry.info.problems:
            return "problem", _tr("No saved state can be read"), ""
        return "", _tr("This image holds no saved state"), ""
    return "", _tr("No snapshot is selected"), ""


def _tr(text: str) -> str:
    return QCoreApplication.translate("state_message", text)
