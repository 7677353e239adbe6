"""What a running QEMU says of itself before an operation: all that a plan must know beside its disks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmsnap_gui.control.qmp import QMP

_MEMORY_LINES = ("RssAnon:", "RssShmem:", "VmSwap:", "HugetlbPages:")
"""Of /proc/PID/status, in KiB: what a process has touched of its memory, wherever it lies; not its program."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """A running QEMU at one moment.

    Attributes:
        status: Its run state.
        jobs: Whether it has the snapshot jobs (6.0 and later).
        blocked: Why its state cannot be saved, in its own words.
        busy: What else it is doing with its disks or its state; for people.
        bitmaps: The nodes with dirty bitmaps: a snapshot of these cannot be loaded.
        memory: Bytes of RAM that are in use, about the size of a VM state; None where nobody can tell.
    """

    status: str
    jobs: bool
    blocked: tuple[str, ...]
    busy: tuple[str, ...]
    bitmaps: frozenset[str]
    memory: int | None


async def look_at(qmp: QMP) -> Look:
    """Look at the QEMU of a session; raises ControlError."""
    migration = await qmp.execute("query-migrate")
    busy = [f"job {one['id']!r} ({one['type']})" for one in await _jobs(qmp) if one["status"] != "concluded"]
    if migration.get("status") in ("setup", "active", "device", "postcopy-active", "pre-switchover", "cancelling"):
        busy.append("a migration")
    inserted = [one["inserted"] for one in await qmp.execute("query-block") if "inserted" in one]
    return Look(
        status=(await qmp.execute("query-status"))["status"],
        jobs="snapshot-save" in qmp.commands,
        blocked=tuple(migration.get("blocked-reasons", ())),
        busy=tuple(busy),
        bitmaps=frozenset(one["node-name"] for one in inserted if one.get("dirty-bitmaps")),
        memory=await _memory(qmp),
    )


async def _jobs(qmp: QMP) -> list[dict[str, str]]:
    """Return the jobs; before QEMU 3.0 those of block devices, which have no state by name."""
    if "query-jobs" in qmp.commands:
        jobs: list[dict[str, str]] = await qmp.execute("query-jobs")
        return jobs
    return [{"id": one["device"], "type": one["type"], "status": ""} for one in await qmp.execute("query-block-jobs")]


async def _memory(qmp: QMP) -> int | None:
    """Return how much of the guest's RAM is in use: of what it has, no more than the process has touched."""
    total = None
    if "query-memory-size-summary" in qmp.commands:
        summary = await qmp.execute("query-memory-size-summary")
        total = summary["base-memory"] + summary.get("plugged-memory", 0)
    touched = _touched(qmp.pid)
    return min((one for one in (total, touched) if one is not None), default=None)


def _touched(pid: int | None) -> int | None:
    if pid is None:
        return None
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return None
    return sum(int(line.split()[1]) << 10 for line in lines if line.startswith(_MEMORY_LINES))
