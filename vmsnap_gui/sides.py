"""The sides of a comparison: one snapshot each, and their files, open as long as the comparison is shown. Qt-free.

They are opened for it alone: another image may be selected meanwhile.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.compare.errors import CompareError
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.image.snapshot import Image, Snapshot
    from vmsnap_gui.vmstate.devices import VMState


@dataclass(frozen=True, slots=True)
class Side:
    """One snapshot of one image.

    Attributes:
        path: The image.
        snapshot: The snapshot's entry.
    """

    path: Path
    snapshot: Snapshot


def only_side(path: Path) -> Side | None:
    """Return the one saved state of a file; None where it is none, or holds more or fewer."""
    try:
        image = open_image(path)
    except (ImageError, OSError):
        return None
    try:
        states = [one for one in image.snapshots if one.vm_state_size]
        return Side(path, states[0]) if len(states) == 1 else None
    finally:
        image.close()


def age(side: Side) -> float:
    """Return when a state was saved, in seconds: as its snapshot says, else when its file was written."""
    date = side.snapshot.date_sec
    return date + side.snapshot.date_nsec / 1e9 if date is not None else side.path.stat().st_mtime


class Sides:
    """Two snapshots, perhaps with a base, whose files are open for one comparison; all but `close` is for workers.

    Attributes:
        a, b: The snapshots.
        base: The one that both come from, or None.
    """

    def __init__(self, a: Side, b: Side, base: Side | None = None) -> None:
        self.a, self.b, self.base = a, b, base
        self._images: dict[Path, Image] = {}
        self._closed = False
        self._lock = threading.Lock()

    def image(self, side: Side) -> Image:
        """Return the image of a side, opened; the sides share it where it is one.

        Raises:
            ImageError: it cannot be opened, or this was closed.
            CompareError: the snapshot is not there any more.
        """
        with self._lock:
            if self._closed:
                raise ImageError("the comparison was closed", path=side.path)
            if side.path not in self._images:
                self._images[side.path] = open_image(side.path)
            image = self._images[side.path]
        if side.snapshot not in image.snapshots:
            raise CompareError("the snapshot is not there any more; reload the image", what=str(side.path))
        return image

    @property
    def all(self) -> tuple[Side, ...]:
        """A, B, and the base where there is one."""
        return (self.a, self.b) if self.base is None else (self.a, self.b, self.base)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """What is compared, as places in `all`: A with B, and the base with each."""
        return ((0, 1),) if self.base is None else ((0, 1), (2, 0), (2, 1))

    def state(self, side: Side, progress: Progress) -> VMState:
        """Open the state of a side, which may borrow layouts; raises ImageError, StreamError or CompareError."""
        from vmsnap_gui.vmstate.snapshots import open_snapshot

        others = [(self.image(other), other.snapshot) for other in self.all if other is not side]
        return open_snapshot(self.image(side), side.snapshot, others=others, progress=progress)

    def close(self) -> None:
        """Close the files; later reads raise ImageError."""
        with self._lock:
            self._closed = True
            for image in self._images.values():
                image.close()
