"""Words as people read them: texts out of untrusted files made visible, and counts with the right plural."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from vmsnap_gui.models.numbers import count

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vmsnap_gui.image.snapshot import Snapshot

_LONGEST = 4096
_LONGEST_IN_TIP = 1000
_MARKUP = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})  # as html.escape, which takes 3 ms to load


def visible(text: str) -> str:
    r"""Return `text` with everything that cannot be seen or encoded written as an escape ("\n", "\x00", "\xff")."""
    shown = text if len(text) <= _LONGEST else text[:_LONGEST] + "…"
    return shown if shown.isprintable() else "".join(c if c.isprintable() else _escape(c) for c in shown)


def _escape(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8
        return f"\\x{code - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def sentence(text: str) -> str:
    """Return a message as a sentence of its own: a capital at its start, a full stop at its end."""
    shown = visible(text.strip())
    if not shown:
        return shown
    return shown[0].upper() + shown[1:] + ("" if shown[-1] in ".!?…" else ".")


def plain_tip(lines: Sequence[str], *, fixed: bool = False) -> str:
    """Return a tool tip that shows these lines as they are: Qt would take a text with tags in it for HTML.

    Args:
        lines: The lines.
        fixed: Show them in a font of one width, and never wrap them.
    """
    shown = "\n".join(visible(line[:_LONGEST_IN_TIP]) for line in lines).translate(_MARKUP)
    if not shown:
        return ""
    return f"<pre>{shown}</pre>" if fixed else f'<div style="white-space: pre-wrap">{shown}</div>'


def path_text(path: Path) -> str:
    """Return a path as it can be shown."""
    return visible(str(path))


def name_text(path: Path) -> str:
    """Return a path's last part as it can be shown."""
    return visible(path.name) or str(path)


def snapshot_name(snapshot: Snapshot) -> str:
    """Name a snapshot in a sentence or a title: its tag, else its id, else "saved state"."""
    if snapshot.tag:
        return visible(snapshot.tag)
    if snapshot.id:
        return _tr("snapshot %1").replace("%1", visible(snapshot.id))
    return _tr("saved state")


def snapshots(number: int) -> str:
    """Return "no snapshots", "1 snapshot" or "3 snapshots"."""
    return _plural(number, _tr("no snapshots"), _tr("1 snapshot"), _tr("%1 snapshots"))


def images(number: int) -> str:
    """Return "no images", "1 image" or "3 images"."""
    return _plural(number, _tr("no images"), _tr("1 image"), _tr("%1 images"))


def unreadable_files(number: int) -> str:
    """Return "", "1 file cannot be read" or "3 files cannot be read"."""
    return _plural(number, "", _tr("1 file cannot be read"), _tr("%1 files cannot be read"))


def disks(number: int) -> str:
    """Return "no disks", "1 disk" or "3 disks"."""
    return _plural(number, _tr("no disks"), _tr("1 disk"), _tr("%1 disks"))


def problems(number: int, notices: int = 0) -> str:
    """Return "no problems", "3 problems", "1 problem, 1 notice" or "2 notices"."""
    wrong = _plural(number, _tr("no problems"), _tr("1 problem"), _tr("%1 problems"))
    told = _plural(notices, "", _tr("1 notice"), _tr("%1 notices"))
    return ", ".join(filter(None, (wrong if number or not notices else "", told)))


def devices(number: int) -> str:
    """Return "no devices", "1 device" or "38 devices"."""
    return _plural(number, _tr("no devices"), _tr("1 device"), _tr("%1 devices"))


def fields(number: int) -> str:
    """Return "no fields", "1 field" or "441 fields"."""
    return _plural(number, _tr("no fields"), _tr("1 field"), _tr("%1 fields"))


def pages(number: int) -> str:
    """Return "no pages", "1 page" or "512 pages"."""
    return _plural(number, _tr("no pages"), _tr("1 page"), _tr("%1 pages"))


def clusters(number: int) -> str:
    """Return "no clusters", "1 cluster" or "512 clusters"."""
    return _plural(number, _tr("no clusters"), _tr("1 cluster"), _tr("%1 clusters"))


def jobs(number: int) -> str:
    """Return "no jobs", "1 job" or "2 jobs"."""
    return _plural(number, _tr("no jobs"), _tr("1 job"), _tr("%1 jobs"))


def _tr(text: str) -> str:
    return QCoreApplication.translate("words", text)


def _plural(number: int, none: str, one: str, many: str) -> str:
    if number == 0:
        return none
    return one if number == 1 else many.replace("%1", count(number))
