"""What plans say of disks and snapshots, and find in their images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.control import storage_daemon
from vmsnap_gui.control.plan import Blocker, Hindrance
from vmsnap_gui.control.planning_common import path_of
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.qcow2 import Qcow2Image
from vmsnap_gui.image.usage import freed_by

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from vmsnap_gui.control.machine import Disk
    from vmsnap_gui.control.planning_common import Selection
    from vmsnap_gui.image.qcow2_header import Header
    from vmsnap_gui.image.snapshot import Snapshot


def name_of(disk: Disk) -> str:
    """Name a disk for people."""
    return disk.path.name if disk.path is not None else disk.node or "a disk without a file"


def what_of(snapshot: Snapshot) -> str:
    """Say for people what a snapshot holds."""
    return f"a disk and {snapshot.vm_state_size} bytes of VM state" if snapshot.vm_state_size else "a disk's state"


def subject_of(selection: Selection, selector: str) -> str:
    """Name for people what a plan is about."""
    one = selection.snapshot
    return repr(selector) if one is None else f"{one.tag!r} (id {one.id})"


def header_of(path: Path) -> Header | None:
    """Return the header of a qcow2 image, None where it cannot be read as one."""
    try:
        image = open_image(path)
    except ImageError:
        return None
    try:
        return image.header if isinstance(image, Qcow2Image) else None
    finally:
        image.close()


def told_blockers(going: Sequence[tuple[Disk, Snapshot]]) -> Iterator[Blocker]:
    """Say which snapshots cannot be named to QEMU."""
    for disk, snapshot in going:
        if not storage_daemon.fits(snapshot.id or ""):
            yield Blocker(
                kind=Hindrance.AMBIGUOUS,
                text=f"The id {snapshot.id!r} cannot be told to QEMU.",
                remedy="Copy what is wanted out of the image with qemu-img convert.",
                path=disk.path,
            )


def frees_of(going: Sequence[tuple[Disk, Snapshot]]) -> int | None:
    """Return how many bytes the images get back, None where the mapping cannot be read."""
    by_path: dict[Path, list[Snapshot]] = {}
    for disk, snapshot in going:
        by_path.setdefault(path_of(disk), []).append(snapshot)
    total = 0
    for path, snapshots in by_path.items():
        try:
            image = open_image(path)
        except ImageError:
            return None
        try:
            if not isinstance(image, Qcow2Image):
                return None
            names = {(one.id, one.tag) for one in snapshots}
            wanted = [one for one in image.snapshots if (one.id, one.tag) in names]
            total += freed_by(image, wanted)
        except ImageError:
            return None
        finally:
            image.close()
    return total
