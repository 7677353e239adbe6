"""Looking through a folder for images, a little at a time, so that the library fills while it goes on.

First comes what the cache knows of the folder, at once; then each file is looked at, and read if it is not as it was.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from vmsnap_gui.image.containers import find_images
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.jobs import SCAN
from vmsnap_gui.reading import look_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.image_cache import ImageCache
    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.reading import Found

SLICE = 0.1
"""Seconds of scanning before what was found is shown."""
AT_ONCE = 200
"""The most images that are shown at a time: the Qt thread has other things to do in between."""

MOST_FOLDERS = 500
"""Folders within an opened one that are watched for files that come and go: the system has so many watches only."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What a scan has found.

    Attributes:
        names: The paths of all images, as texts: those are compared a hundred times as fast.
        folders: The folders below the one that was scanned in which some are, to be watched.
    """

    names: frozenset[str]
    folders: frozenset[Path]


_Slice = tuple["list[Found]", Seen | None, Exception | None]


class FolderScan(QObject):
    """One look through one folder.

    Signals:
        found: (list[Found]) Images, and files that should be some but cannot be read; first what the cache knows.
        ended: (Seen, Exception | None) It is over; what was found, and what stopped it early.
    """

    found = Signal(object)
    ended = Signal(object, object)

    def __init__(self, jobs: Jobs, folder: Path, cache: ImageCache, parent: QObject) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._folder = folder
        self._cache = cache
        self._job: Job | None = None
        self._known: dict[Path, Found] = {}
        self._knows_all = False
        self._paths: Iterator[Path] | None = None
        self._seen: set[Path] = set()
        self._stopped = False

    def start(self) -> None:
        """Scan the next slice."""
        self._job = self._jobs.run(
            self.tr("Looking for images in %1").replace("%1", self._folder.name),
            self._slice,
            lane=SCAN,
            success=self._take,
            quiet=True,
        )

    def stop(self) -> None:
        """End the scan (nothing is told any more) and go away."""
        self._stopped = True
        if self._job is not None:
            self._job.cancel()
        self.deleteLater()

    def _slice(self, progress: Progress) -> _Slice:
        """Look at images for a short time; in a worker, never two at once."""
        if not self._knows_all:
            return self._next_known(progress), None, None
        results: list[Found] = []
        error = self._look(results, self._known, progress)
        over = error is not _MORE
        self._cache.keep(self._news(results, progress))
        self._seen.update(found.path for found in results)
        if not over:
            return results, None, None
        if error is None:
            self._cache.settle(self._folder, self._seen)
        folders = sorted({path.parent for path in self._seen} - {self._folder})[:MOST_FOLDERS]
        return results, Seen(frozenset(map(str, self._seen)), frozenset(folders)), error

    def _news(self, results: list[Found], progress: Progress) -> Iterator[Found]:
        """Yield what the cache does not know yet."""
        for one in results:
            progress(0, 0)
            if _is_news(one, self._known.get(one.path)):
                yield one

    def _next_known(self, progress: Progress) -> list[Found]:
        """Return more of what the cache knows."""
        more = self._cache.below(self._folder, AT_ONCE, next(reversed(self._known), None), progress)
        self._knows_all = len(more) < AT_ONCE
        self._known |= {found.path: found for found in more}
        return more

    def _look(self, results: list[Found], known: dict[Path, Found], progress: Progress) -> Exception | None:
        """Look at images for a short time; returns what stopped it, or `_MORE` where there are more."""
        try:
            if self._paths is None:
                self._paths = find_images(self._folder)
            end = time.monotonic() + SLICE
            for path in self._paths:
                progress(0, 0)
                results.append(look_at(path, known.get(path)))
                if time.monotonic() > end or len(results) >= AT_ONCE:
                    return _MORE
        except (OSError, ImageError) as error:
            return error
        return None

    def _take(self, part: _Slice) -> None:
        results, seen, error = part
        self.found.emit(results)
        if self._stopped:  # by somebody who heard of it
            return
        if seen is None:
            self.start()
        else:  # in a turn of its own: both take a while, of thousands of images
            QTimer.singleShot(0, self, partial(self._end, seen, error))

    def _end(self, seen: Seen, error: Exception | None) -> None:
        if not self._stopped:
            self.ended.emit(seen, error)


_MORE = Exception("there are more")


def _is_news(found: Found, known: Found | None) -> bool:
    """Whether a file is not as the cache has it."""
    if known is None or found.stamp is None or known.info is None or found.info is None:
        return True
    return not known.still_holds(found.stamp)
