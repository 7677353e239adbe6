"""Layouts that a person names: a file of QEMU's -dump-vmstate, or an image or stream that describes itself."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from vmsnap_gui.image.containers import open_image, select_snapshot
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.vmstate.dumped import read_dump
from vmsnap_gui.vmstate.siblings import layouts_of
from vmsnap_gui.vmstate.vmdesc import MAX_JSON

if TYPE_CHECKING:
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.layouts import LayoutSource


def read_layouts(named: str, progress: Progress | None = None) -> LayoutSource:
    """Return the layouts of `FILE` or, with one of an image's snapshots, `FILE@SNAPSHOT`.

    Raises:
        ImageError: the file cannot be read, there is no such snapshot, or none that describes itself.
        StreamError: it is JSON, but no dump of QEMU's.
        Cancelled: by the progress callback.
    """
    path, selector = Path(named), None
    if not path.exists() and "@" in named:
        before, _, selector = named.rpartition("@")
        path = Path(before)
    if selector is None and is_json(path):
        return read_dump(read_bounded(path), str(path))
    with closing(open_image(path)) as image:
        snapshots = image.snapshots if selector is None else (select_snapshot(image, selector),)
        found = layouts_of(image, snapshots, progress=progress)
    if found is None:
        raise ImageError("nothing in it describes itself, so there are no layouts to use", path=path)
    return found


def is_json(path: Path) -> bool:
    """Tell whether a file may be a dump: it starts like JSON; False where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(64).lstrip()[:1] == b"{"
    except OSError:
        return False


def read_bounded(path: Path) -> bytes:
    """Read a dump; raises ImageError where it cannot be read or is longer than any."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_JSON + 1)
    except OSError as error:
        raise ImageError(f"the file cannot be read: {error.strerror}", path=path) from error
    if len(data) > MAX_JSON:
        raise ImageError("the file is longer than any dump of QEMU's", path=path)
    return data
