"""Small pictures of the screens of the selected image's snapshots: what is seen is made first, one after the other.

Views ask for a picture when they paint and get it, or a change of it later. What is kept from a former run is there at
once; rendering waits while a state is being loaded, which somebody waits for. What renders and keeps is imported in the
worker: it would add to the window's start.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QImage

from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.telling import sentence

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vmsnap_gui.image.byteview import Stamp
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.image.snapshot import Image, Snapshot
    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.picture_cache import PictureCache
    from vmsnap_gui.screens import SmallScreen
    from vmsnap_gui.session import Session
    from vmsnap_gui.vmstate.layouts import LayoutSource

LANE = "thumbnails"
_LATER_MS = 20
"""After a choice or a state was shown: what they have the window do comes first."""
AHEAD = 64
"""How many snapshots of an image get a picture before anybody has seen their places."""
MOST_HELD = 256
"""Pictures in memory, 450 KB each at most; others are taken from the cache again."""
ROW = QSize(96, 72)
"""The most pixels of a picture in a row of a table."""

_Name = tuple[object, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Thumbnail:
    """What is shown for a snapshot.

    Attributes:
        image: The picture; None where there is none.
        row: The same, small enough for a row of a table.
        text: The mode and the size of the screen, or why there is no picture.
    """

    image: QImage | None
    row: QImage | None
    text: str


class _Maker:
    """Makes pictures of one image's snapshots, in a worker; `close` is for any thread."""

    def __init__(
        self, path: Path, stamp: Stamp | None, layouts: tuple[LayoutSource, ...], cache: PictureCache | None
    ) -> None:
        self._path = path
        self._stamp = stamp
        self._layouts = layouts
        self._given = cache
        self._image: Image | None = None
        self._closed = False
        self._lock = threading.Lock()

    def kept(self, snapshots: Sequence[Snapshot], progress: Progress) -> list[Thumbnail | None]:
        """Return what is in the cache of these snapshots; with layouts, which may be others next time, nothing."""
        if self._layouts:
            return [None] * len(snapshots)
        cache = self._cache()
        found: list[Thumbnail | None] = []
        for number, snapshot in enumerate(snapshots):
            progress(number, len(snapshots))
            small = cache.get(self._key(snapshot))
            found.append(_thumbnail(small) if small is not None else None)
        return found

    def make(self, snapshot: Snapshot, progress: Progress) -> Thumbnail:
        """Render the screen of a snapshot and keep it; raises ImageError where the image cannot be opened."""
        from vmsnap_gui.screens import small_screen

        small = small_screen(self._opened(), snapshot, progress, self._layouts)
        if not self._layouts:
            self._cache().put(self._key(snapshot), small)
        return _thumbnail(small)

    def _key(self, snapshot: Snapshot) -> str:
        from vmsnap_gui.picture_cache import picture_key

        return picture_key(self._path, self._stamp, snapshot)

    def close(self) -> None:
        """Close the image; later work raises ImageError."""
        with self._lock:
            self._closed = True
            if self._image is not None:
                self._image.close()

    def _cache(self) -> PictureCache:
        from vmsnap_gui.picture_cache import PictureCache, cache_folder

        if self._given is None:
            self._given = PictureCache(cache_folder())
        return self._given

    def _opened(self) -> Image:
        with self._lock:
            if self._closed:
                raise ImageError("the image was closed", path=self._path)
            if self._image is None:
                self._image = open_image(self._path)
            return self._image


def _thumbnail(small: SmallScreen) -> Thumbnail:
    """Make the pictures ready to be drawn."""
    image = QImage.fromData(small.png).convertToFormat(QImage.Format.Format_RGB32)
    if image.isNull():
        return Thumbnail(None, None, small.reason)
    keep, smooth = Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation
    return Thumbnail(image, image.scaled(ROW, keep, smooth), f"{small.mode}, {small.width} × {small.height}")


class Thumbnails(QObject):
    """The small pictures of the image that is selected in the session.

    Signals:
        changed: (int) The picture of the snapshot at this position of the image's table is there.
        seen_made: All pictures are there whose places somebody has seen.
    """

    changed = Signal(int)
    seen_made = Signal()

    def __init__(self, jobs: Jobs, session: Session, parent: QObject, cache: PictureCache | None = None) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._session = session
        self._cache = cache
        self._of: tuple[Path, Stamp | None, tuple[LayoutSource, ...]] | None = None
        self._snapshots: tuple[Snapshot, ...] = ()
        self._maker: _Maker | None = None
        self._held: OrderedDict[_Name, Thumbnail] = OrderedDict()
        self._asked: set[int] = set()
        self._to_look_up: list[int] = []
        self._to_make: list[int] = []  # the next one last
        self._is_wanted = False
        self._job: Job | None = None
        self._soon = QTimer(self, interval=_LATER_MS, singleShot=True)
        self._soon.timeout.connect(self._go_on)
        session.selection_changed.connect(self._follow)
        for signal in (session.state_loaded, session.state_failed, session.state_cleared):
            signal.connect(self._soon.start)
        self._follow()

    def get(self, position: int) -> Thumbnail | None:
        """Return the picture of the snapshot at a position; where it is not there yet, it will be made: `changed`."""
        if position >= len(self._snapshots):
            return None
        name = _name(self._snapshots[position])
        found = self._held.get(name)
        if found is not None:
            self._held.move_to_end(name)
        elif position not in self._asked:
            self._is_wanted = True
            self._asked.add(position)
            self._to_look_up.append(position)
            self._soon.start()
        return found

    def is_working(self) -> bool:
        """Whether pictures are still to come."""
        return self._job is not None or self._soon.isActive() or bool(self._to_look_up or self._to_make)

    def is_making_seen(self) -> bool:
        """Whether pictures are still to come whose places somebody has seen."""
        return self._is_wanted and self.is_working()

    def _follow(self) -> None:
        entry = self._session.entry()
        info = entry.info if entry is not None else None
        of = None
        if info is not None:
            of = info.path, info.stamp if info.format != "qcow2" else None, self._session.layouts
        snapshots = info.snapshots if info is not None else ()
        if of == self._of and snapshots == self._snapshots:
            return
        self._stop()
        if of != self._of:
            self._held.clear()
        self._of, self._snapshots = of, snapshots
        self._asked.clear()
        self._to_look_up, self._to_make = [], []
        self._is_wanted = False

    def _stop(self) -> None:
        """Let go of the image, and of all work on it."""
        maker, self._maker, self._job = self._maker, None, None
        self._jobs.release(LANE, maker.close if maker is not None else None)

    def _go_on(self) -> None:
        """Look up all that is wanted, then make the next one; then do the same with what nobody asked for yet."""
        if self._job is not None or self._of is None:
            return
        if self._to_look_up:
            several, self._to_look_up = self._to_look_up, []
            self._look_up(several)
        elif self._session.loading is not None:
            return  # it comes back here when that is over
        elif self._to_make:
            self._make(self._to_make.pop())
        elif self._is_wanted:
            for position in range(min(AHEAD, len(self._snapshots))):
                self.get(position)
            self._is_wanted = False
            self.seen_made.emit()

    def _making(self) -> _Maker:
        if self._maker is None:
            assert self._of is not None
            self._maker = _Maker(*self._of, self._cache)
        return self._maker

    def _look_up(self, positions: list[int]) -> None:
        snapshots = [self._snapshots[position] for position in positions]
        self._job = self._jobs.run(
            self.tr("Looking for pictures of screens"),
            partial(self._making().kept, snapshots),
            lane=LANE,
            success=partial(self._looked_up, positions),
            quiet=True,
        )

    def _looked_up(self, positions: list[int], found: list[Thumbnail | None]) -> None:
        self._job = None
        missing = []
        for position, thumbnail in zip(positions, found, strict=True):
            if thumbnail is None:
                missing.append(position)
            else:
                self._hold(position, thumbnail)
        self._to_make += reversed(missing)
        self._go_on()

    def _make(self, position: int) -> None:
        snapshot = self._snapshots[position]
        self._job = self._jobs.run(
            self.tr("Rendering a screen"),
            partial(self._making().make, snapshot),
            lane=LANE,
            success=partial(self._made, position),
            failure=lambda error: self._made(position, Thumbnail(None, None, sentence(error))),
            quiet=True,
        )

    def _made(self, position: int, thumbnail: Thumbnail) -> None:
        self._job = None
        self._hold(position, thumbnail)
        self._go_on()

    def _hold(self, position: int, thumbnail: Thumbnail) -> None:
        self._held[_name(self._snapshots[position])] = thumbnail
        self._asked.discard(position)  # when it is let go of, it may be asked for again
        if len(self._held) > MOST_HELD:
            self._held.popitem(last=False)
        self.changed.emit(position)


def _name(snapshot: Snapshot) -> _Name:
    """Return what stays of a snapshot where others come and go before it in the table."""
    return snapshot.id, snapshot.tag, snapshot.date_sec, snapshot.date_nsec, snapshot.vm_state_size
