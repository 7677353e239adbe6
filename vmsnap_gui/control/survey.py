"""Looking at images as the disks of a machine that no QEMU is known to run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.locks import holders
from vmsnap_gui.control.machine import Disk, Machine
from vmsnap_gui.control.terms import Reach
from vmsnap_gui.image.byteview import FileHandle
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.magic import MAGIC_SIZE, QCOW1_MAGIC, holds_states
from vmsnap_gui.image.qcow2 import Qcow2Image
from vmsnap_gui.image.qcow2_facts import encryption, mapping_refusal

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmsnap_gui.image.snapshot import Image


def survey_files(paths: Sequence[Path], name: str | None = None) -> Machine:
    """Look at images as the disks of one machine; only headers and snapshot tables are read.

    Args:
        paths: The images, the one with the VM state first.
        name: What to call the machine; the first image's file name if None.

    Raises:
        ControlError: there is no image, one cannot be read, or one is named twice.
    """
    if not paths:
        raise ControlError("no image was named")
    absolute = [Path(path).absolute() for path in paths]
    _refuse_twice(absolute)
    try:
        disks = tuple(disk_at(path) for path in absolute)
        held = [holder for path in absolute for holder in holders(path) if holder.locking]
    except ImageError as error:
        raise ControlError(error.message, path=error.path) from error
    return Machine(
        name=name if name is not None else absolute[0].name,
        reach=Reach.FILES,
        disks=disks,
        holders=tuple({holder.pid: holder for holder in held}.values()),
    )


def unfit_qcow2(image: Qcow2Image) -> str | None:
    """Say why a qcow2 image cannot hold snapshots that QEMU's tools work on, None if it can."""
    if image.header.has_data_file:
        return "its data is in an external file, and QEMU takes no snapshots of such images"
    if image.header.crypt_method:
        return f"it is encrypted ({encryption(image.header)}), and qemu-img does not open it without the key"
    return mapping_refusal(image.header)


def _refuse_twice(paths: list[Path]) -> None:
    seen: set[tuple[int, int]] = set()
    for path in paths:
        try:
            found = path.stat()
        except OSError as error:
            raise ControlError(f"it cannot be found: {error.strerror}", path=path) from error
        if (found.st_dev, found.st_ino) in seen:
            raise ControlError("this image is named twice", path=path)
        seen.add((found.st_dev, found.st_ino))


def disk_at(path: Path) -> Disk:
    """Look at one image as a disk; raises ImageError if it cannot be read."""
    handle = FileHandle.open(path)
    try:
        start = handle.read_up_to(0, MAGIC_SIZE)
        size = handle.size
    finally:
        handle.close()
    if not holds_states(start):
        if start.startswith(QCOW1_MAGIC):
            return Disk(path=path, format="qcow", unfit="it is a qcow image of version 1, which has no snapshots")
        return Disk(path=path, format="raw", virtual_size=size, unfit="it is raw, and raw disks hold no snapshots")
    image = open_image(path)
    try:
        return _with_states(path, image)
    finally:
        image.close()


def _with_states(path: Path, image: Image) -> Disk:
    if not isinstance(image, Qcow2Image):
        return Disk(path=path, format=image.format, unfit="it is a saved VM state, not a disk")
    return Disk(
        path=path,
        format=image.format,
        snapshots=image.snapshots,
        virtual_size=image.virtual_size,
        unfit=unfit_qcow2(image),
        problems=tuple(str(one) for one in image.problems if not one.is_notice),
    )
