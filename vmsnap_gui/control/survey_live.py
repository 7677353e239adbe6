"""Looking at a running QEMU through its monitor: its disks, and what snapshots are in their images.

What QEMU says is set against what our own reader finds in the files: a disk whose file cannot be read here, or holds
something else, is nothing that could be verified after a write, so it is left alone.
"""

from __future__ import annotations

import contextlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.locks import holders
from vmsnap_gui.control.machine import Disk, Machine
from vmsnap_gui.control.qmp import QMP, SCHEME, endpoint, is_local
from vmsnap_gui.control.survey import disk_at
from vmsnap_gui.control.terms import Reach
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.snapshot import Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable

Answer = dict[str, Any]
"""What QEMU returns (qapi/block-core.json tells what is in it)."""

_PROTOCOL = re.compile(r"[^/:]+:")
"""A file name that names a protocol (path_has_protocol in QEMU's block.c)."""


async def survey_qmp(address: str) -> Machine:
    """Look at the QEMU whose monitor is at "qmp:PATH" or "qmp:HOST:PORT".

    Raises:
        Busy: the monitor serves somebody else.
        ControlError: it cannot be reached, or belongs to libvirt.
    """
    refuse_libvirts(address)
    async with await QMP.connect(SCHEME + address.removeprefix(SCHEME)) as qmp:
        return await survey(qmp)


def refuse_libvirts(address: str) -> None:
    """Raise ControlError if a monitor is libvirt's: a second hand at it would confuse the first."""
    where = endpoint(address)
    if isinstance(where, str) and "libvirt" in Path(where).parts:
        raise ControlError("this monitor belongs to libvirt, which must be asked itself (virsh)", path=Path(where))


async def survey(qmp: QMP) -> Machine:
    """Look at the QEMU of a session; raises ControlError."""
    name = (await qmp.execute("query-name")).get("name")
    status = (await qmp.execute("query-status"))["status"]
    blocks: list[Answer] = await qmp.execute("query-block")
    local = is_local(qmp.address)
    disks = tuple(_disk(block, qmp.pid, local) for block in blocks)
    pid = _process_of(disks) or qmp.pid
    return Machine(
        name=name or (f"QEMU (process {pid})" if pid is not None else qmp.address),
        reach=Reach.QMP,
        disks=disks,
        address=qmp.address,
        pid=pid,
        version=qmp.version,
        status=status,
    )


def _process_of(disks: Iterable[Disk]) -> int | None:
    """Return the process that has the disks open for writing: a socket may be another program's, that forwards it."""
    for disk in disks:
        if disk.fit and disk.path is not None:
            with contextlib.suppress(ImageError):
                users = [holder.pid for holder in holders(disk.path) if holder.locking]
                return users[0] if len(users) == 1 else None
    return None


def _disk(block: Answer, pid: int | None, local: bool) -> Disk:
    """Return a disk as query-block describes it (BlockInfo)."""
    inserted = block.get("inserted")
    if inserted is None:
        return Disk(path=None, format="", unfit="it is removable and empty", writable=False)
    image = inserted["image"]
    said = Disk(
        path=_path_of(inserted["file"], pid) if local else None,
        format=inserted["drv"],
        node=inserted.get("node-name") or block["device"],
        snapshots=tuple(_snapshot(one) for one in image.get("snapshots", ())),
        virtual_size=image["virtual-size"],
        unfit=_unfit(inserted),
        writable=not inserted["ro"],
    )
    return said if said.unfit is not None else _verified(said, inserted["file"])


def _unfit(inserted: Answer) -> str | None:
    """Say why QEMU leaves a disk out of a snapshot, or would fail with it; None if it is fit."""
    image, drv = inserted["image"], inserted["drv"]
    specific = image.get("format-specific", {}).get("data", {})
    if inserted["ro"]:
        return "it is read-only"
    if drv != "qcow2":
        return f"it is {drv}, and {drv} disks hold no snapshots"
    if "data-file" in specific:
        return "its data is in an external file, and QEMU takes no snapshots of such images"
    if "encrypt" in specific:
        return "it is encrypted, and QEMU fails to take snapshots of such images"
    return None


def _verified(said: Disk, name: str) -> Disk:
    """Return a disk with its snapshots as our own reader finds them, unfit if it does not find those."""
    if said.path is None:
        return replace(said, unfit=f"its image is no file of this machine ({name})")
    try:
        found = disk_at(said.path)
    except (ControlError, ImageError) as error:
        return replace(said, unfit=f"its image cannot be read here: {error.message}")
    if _moments(found.snapshots) != _moments(said.snapshots):
        return replace(said, unfit="the file of that name here does not hold the snapshots that QEMU knows")
    return replace(said, snapshots=found.snapshots, unfit=found.unfit)


def _moments(snapshots: Iterable[Snapshot]) -> list[tuple[int | None, int]]:
    """Return what tells snapshots apart whatever becomes of odd bytes in their tags."""
    return sorted((one.date_sec or 0, one.date_nsec) for one in snapshots)


def _snapshot(said: Answer) -> Snapshot:
    """Return a snapshot as QEMU describes it (SnapshotInfo)."""
    return Snapshot(
        id=said["id"],
        tag=said["name"],
        date_sec=said["date-sec"],
        date_nsec=said["date-nsec"],
        vm_clock_ns=said["vm-clock-sec"] * 10**9 + said["vm-clock-nsec"],
        icount=said.get("icount"),
        vm_state_size=said["vm-state-size"],
    )


def _path_of(name: str, pid: int | None) -> Path | None:
    """Return the local file that QEMU means by an image's file name, None if it is none."""
    if name.startswith("json:"):
        node = json.loads(name.removeprefix("json:"))
        while isinstance(node, dict) and "filename" not in node:
            node = node.get("file", node.get("image"))  # blkdebug and its like call it image
        name = str(node["filename"]) if isinstance(node, dict) else ""
    name = name.removeprefix("file:")
    if not name or _PROTOCOL.match(name):
        return None
    return Path(name) if name.startswith("/") else _relative(name, pid)


def _relative(name: str, pid: int | None) -> Path | None:
    """Find a relative name where QEMU was started, or among the files that it has open (after -daemonize)."""
    if pid is None:
        return None
    try:
        process = psutil.Process(pid)
        path = Path(process.cwd(), name)
        if path.exists():
            return path
        return next((Path(one.path) for one in process.open_files() if one.path.endswith(f"/{name}")), None)
    except psutil.Error:
        return None
