"""The library's search: what is typed is tried in a worker on all that the library knows, again when that changes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from vmsnap_gui.entries import name_alone
from vmsnap_gui.finding_snapshots import compile_search, lines_of
from vmsnap_gui.guest.filter_text import FilterError
from vmsnap_gui.jobs import SCAN
from vmsnap_gui.machine_types import with_machines
from vmsnap_gui.reading import Found

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.entries import Entry
    from vmsnap_gui.finding_snapshots import Line, Test
    from vmsnap_gui.image.byteview import Stamp
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.library import Library
    from vmsnap_gui.note_store import Note
    from vmsnap_gui.notes import Notes

SETTLE_MS = 300
"""This long after a change in the library the search is made again."""
SLICE = 0.1
"""Seconds for which machine types are read before they are noted."""
_LANE = "library search"
_Known = tuple["Entry", str, "tuple[Note, ...]", "list[Line]"]


class LibrarySearch(QObject):
    """What was searched for, and what was found.

    Machine types are only read when somebody searches: it takes longer than all else, and the cache then has them.

    Signals:
        changed: There are other hits than before, or none is searched for any more.

    Attributes:
        hits: What was found, in the library's order.
        images: Of how many images that is.
        snapshots: How many snapshots are in it.
        active: Whether something is searched for.
    """

    changed = Signal()

    def __init__(self, jobs: Jobs, library: Library, notes: Notes, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("library_search")
        self.hits: list[Line] = []
        self.images = self.snapshots = 0
        self.active = False
        self._jobs, self._library, self._notes = jobs, library, notes
        self._test: Test | None = None
        self._job: Job | None = None
        self._reading: Job | None = None
        self._lines: dict[Path, _Known] = {}  # only for the worker, which is one at a time
        self._tried: set[tuple[Path, Stamp]] = set()
        self._soon = QTimer(self, interval=SETTLE_MS, singleShot=True)
        self._soon.timeout.connect(self._search)
        for signal in (library.entries_added, library.entry_changed, library.entry_removed, notes.changed):
            signal.connect(self._follow)

    def search(self, text: str) -> str | None:
        """Search for what a text means; returns why it means nothing, or None. A wrong one changes nothing."""
        try:
            self._test = compile_search(text)
        except FilterError as error:
            return str(error)
        self.active = self._test is not None
        if not self.active:
            self._show([], 0, 0)
        self._search()
        return None

    def stop(self) -> None:
        """Search no more."""
        self._test = None
        self._soon.stop()

    def _follow(self, *_: object) -> None:
        if self.active and not self._soon.isActive():
            self._soon.start()

    def _search(self) -> None:
        if self._job is not None:
            self._job.cancel()
        test, library = self._test, self._library
        if test is None:
            return
        entries = [entry for entry in library.entries if not entry.is_folder]
        known = {entry.path: self._notes.of(entry.info) for entry in entries if entry.info is not None}
        names = library.entries.names()

        def work(progress: Progress) -> tuple[list[Line], int, int]:
            hits: list[Line] = []
            images = 0
            for number, entry in enumerate(entries):
                progress(number, len(entries))
                found = list(filter(test, self._lines_of(entry, name_alone(entry, names), known.get(entry.path, ()))))
                images += bool(found)
                hits += found
            for path in self._lines.keys() - {entry.path for entry in entries}:
                del self._lines[path]
            return hits, images, sum(hit.snapshot is not None for hit in hits)

        name = self.tr("Searching the library")
        self._job = self._jobs.run(name, work, lane=_LANE, success=self._found, quiet=True)

    def _lines_of(self, entry: Entry, called: str, notes: tuple[Note, ...]) -> list[Line]:
        """Return an entry's lines, made once for all that is typed; in the worker."""
        there = self._lines.get(entry.path)
        if there is None or there[0] is not entry or there[1:3] != (called, notes):
            there = self._lines[entry.path] = entry, called, notes, list(lines_of(entry, called, notes))
        return there[3]

    def _found(self, found: tuple[list[Line], int, int]) -> None:
        self._show(*found)
        self._read_machines()

    def _show(self, hits: list[Line], images: int, snapshots: int) -> None:
        self.hits, self.images, self.snapshots = hits, images, snapshots
        self.changed.emit()

    def _read_machines(self) -> None:
        """Read machine types that are not known yet, some at a time, as long as something is searched for."""
        if not self.active or (self._reading is not None and not self._reading.state.is_over):
            return
        infos = (entry.info for entry in self._library.entries if entry.info is not None)
        lacking = [one for one in infos if one.machines is None and (one.path, one.stamp) not in self._tried]
        if not lacking:
            return

        def work(progress: Progress) -> list[Found]:
            found: list[Found] = []
            end = time.monotonic() + SLICE
            for info in lacking:
                progress(0, 0)
                found.append(with_machines(Found(info.path, info.stamp, info=info)))
                if time.monotonic() > end:
                    break
            self._library.cache.keep(found)
            return found

        name = self.tr("Reading machine types")
        self._reading = self._jobs.run(name, work, lane=SCAN, success=self._machines_read, quiet=True)

    def _machines_read(self, found: list[Found]) -> None:
        self._reading = None
        for one in found:
            if one.info is not None:
                self._tried.add((one.path, one.info.stamp))
                if one.info.machines is not None:
                    self._library.note_machines(one.path, one.info.machines, one.info)
        self._read_machines()
