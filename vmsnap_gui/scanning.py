"""Looking through a folder for images, a little at a time, so that the library fills while it goes on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from vmsnap_gui.image.containers import find_images
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.jobs import SCAN
from vmsnap_gui.reading import look_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.reading import Found

SLICE = 0.1
"""Seconds of scanning before what was found is shown."""

_Slice = tuple["list[Found]", bool, Exception | None]


class FolderScan(QObject):
    """One look through one folder.

    Signals:
        found: (Found) An image, or a file that should be one but cannot be read.
        ended: (set[Path], Exception | None) It is over; all paths that were found, and what stopped it early.
    """

    found = Signal(object)
    ended = Signal(object, object)

    def __init__(self, jobs: Jobs, folder: Path, parent: QObject) -> None:
        super().__init__(parent)
        self._jobs = jobs
        self._folder = folder
        self._job: Job | None = None
        self._paths: Iterator[Path] | None = None
        self._seen: set[Path] = set()

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
        if self._job is not None:
            self._job.cancel()
        self.deleteLater()

    def _slice(self, progress: Progress) -> _Slice:
        """Look at images for a short time; in a worker, never two at once."""
        results: list[Found] = []
        try:
            if self._paths is None:
                self._paths = find_images(self._folder)
            end = time.monotonic() + SLICE
            for path in self._paths:
                progress(0, 0)
                results.append(look_at(path))
                if time.monotonic() > end:
                    return results, False, None
        except (OSError, ImageError) as error:
            return results, True, error
        return results, True, None

    def _take(self, part: _Slice) -> None:
        results, over, error = part
        for found in results:
            self._seen.add(found.path)
            self.found.emit(found)
        if over:
            self.ended.emit(self._seen, error)
        else:
            self.start()
