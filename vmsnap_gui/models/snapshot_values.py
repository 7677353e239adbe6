"""What stands behind the texts of the snapshot table: its JSON, and what it is sorted by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmsnap_gui.image.snapshot import Snapshot


def snapshot_json(snapshot: Snapshot) -> dict[str, object]:
    """Return a snapshot as `vmsnap list --json` writes it."""
    return {
        "id": snapshot.id,
        "tag": snapshot.tag,
        "date": _json_date(snapshot),
        "date_sec": snapshot.date_sec,
        "date_nsec": snapshot.date_nsec,
        "vm_clock_ns": snapshot.vm_clock_ns,
        "icount": snapshot.icount,
        "vm_state_size": snapshot.vm_state_size,
        "disk_size": snapshot.disk_size,
    }


def _json_date(snapshot: Snapshot) -> str | None:
    if snapshot.date_sec is None:
        return None
    date = datetime.fromtimestamp(snapshot.date_sec, UTC).replace(microsecond=snapshot.date_nsec // 1000 % 1_000_000)
    return date.isoformat().replace("+00:00", "Z")


def id_key(snapshot: Snapshot) -> tuple[bool, int, str]:
    """Return what to sort by where ids are: numbers as numbers, before other texts."""
    text = snapshot.id or ""
    number = text.isascii() and text.isdecimal() and len(text) < 20
    return (not number, int(text) if number else 0, text)
