"""Layouts that a person names: a QEMU binary, its dump in a file, or an image or stream that describes itself."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from vmsnap_gui.image.containers import open_image, select_snapshot
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.vmstate.dumped import read_dump
from vmsnap_gui.vmstate.siblings import layouts_of
from vmsnap_gui.vmstate.vmdesc import MAX_JSON
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.layouts import LayoutSource

_ELF = b"\x7fELF"
_QEMUS = ("qemu-system-", "qemu-kvm")


def read_layouts(named: str, progress: Progress | None = None) -> LayoutSource:
    """Return the layouts of `FILE` or, with one of an image's snapshots, `FILE@SNAPSHOT`.

    Raises:
        ImageError: the file cannot be read, is no dump of QEMU's, or there is no such snapshot, or none that describes
            itself.
        Cancelled: by the progress callback.
    """
    path, selector = Path(named), None
    if not path.exists() and "@" in named:
        before, _, selector = named.rpartition("@")
        path = Path(before)
    if selector is None and _starts_with(path, b"{"):
        return _dump(_read_bounded(path), path)
    if _starts_with(path, _ELF):
        remedy = "if it is a QEMU, name the file that it writes for -M TYPE -dump-vmstate FILE"
        raise ImageError(f"this is a program; {remedy}", path=path)
    with closing(open_image(path)) as image:
        snapshots = image.snapshots if selector is None else (select_snapshot(image, selector),)
        found = layouts_of(image, snapshots, progress=progress)
    if found is None:
        raise ImageError("nothing in it describes itself, so there are no layouts to use", path=path)
    return found


def layouts_from(path: Path, machine: str | None, progress: Progress) -> LayoutSource:
    """Return the layouts of a file of whatever kind; a program is run, if its name is that of a QEMU.

    Args:
        path: The file.
        machine: The machine type that the layouts are for.
        progress: May raise Cancelled.

    Raises:
        ImageError: like `read_layouts`.
        ControlError: it is a program, but no QEMU by its name, or does not tell its layouts.
        Cancelled: by `progress`.
    """
    if not _starts_with(path, _ELF):
        return read_layouts(str(path), progress)
    from vmsnap_gui.control.dumping import dump_layouts
    from vmsnap_gui.control.errors import ControlError

    if not path.name.startswith(_QEMUS):
        raise ControlError("it is a program, and is run only if it is called qemu-system-… or qemu-kvm", path=path)
    return _dump(dump_layouts(path, machine, progress), path)


def _dump(data: bytes, path: Path) -> LayoutSource:
    try:
        return read_dump(data, str(path))
    except StreamError as error:
        raise ImageError(error.message, path=path) from error


def _starts_with(path: Path, start: bytes) -> bool:
    try:
        with path.open("rb") as file:
            return file.read(64).lstrip().startswith(start)
    except OSError:
        return False  # opening it as an image says why


def _read_bounded(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_JSON + 1)
    except OSError as error:
        raise ImageError(f"the file cannot be read: {error.strerror}", path=path) from error
    if len(data) > MAX_JSON:
        raise ImageError("the file is longer than any dump of QEMU's", path=path)
    return data
