"""What people write about snapshots: labels and notes, in a file among their data and never in an image. Qt-free.

A note belongs to a snapshot by its image and by its id and moment (`moment_of`): one that is taken later, under
whatever tag, has none. The image is known by its path, and, where it was moved, by its inode; a copy is another image.
"""

from __future__ import annotations

import json
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeVar

import platformdirs

from vmsnap_gui.entries import normal
from vmsnap_gui.image.byteview import Stamp

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from vmsnap_gui.image.snapshot import Snapshot

T = TypeVar("T")

VERSION = 1
"""Of the table."""
LONGEST_LABEL, LONGEST_TEXT = 100, 20_000
"""Letters; more is cut off."""

_TABLES = """
CREATE TABLE IF NOT EXISTS notes (
    path BLOB, inode TEXT NOT NULL, moment TEXT, label TEXT NOT NULL, note TEXT NOT NULL, changed INTEGER NOT NULL,
    PRIMARY KEY (path, moment)
) WITHOUT ROWID;
"""


class NotesError(Exception):
    """The notes cannot be read or written: one sentence for people."""


@dataclass(frozen=True, slots=True)
class Note:
    """What a person wrote about a snapshot.

    Attributes:
        label: A word or a few.
        text: Any lines.
    """

    label: str = ""
    text: str = ""

    def __bool__(self) -> bool:
        return bool(self.label or self.text)

    @property
    def line(self) -> str:
        """All of it in one line."""
        return " – ".join(part for part in (self.label, " ".join(self.text.split())) if part)

    @property
    def lines(self) -> list[str]:
        """All of it line by line."""
        return [part for part in (self.label, *self.text.splitlines()) if part]

    @classmethod
    def of(cls, label: str, text: str) -> Note:
        """Make a note of what was typed: without spaces around it, not too long, of letters that can be written."""
        label, text = (one.replace("\0", "").encode(errors="replace").decode() for one in (label, text))
        return cls(" ".join(label.split())[:LONGEST_LABEL].strip(), text[:LONGEST_TEXT].strip())


def moment_of(snapshot: Snapshot, stamp: Stamp) -> str:
    """Return what tells a snapshot from all others of its image, as ASCII; where no date does, the file does."""
    if snapshot.date_sec is None:
        return json.dumps([snapshot.id, stamp.size, stamp.mtime_ns])
    return json.dumps([snapshot.id, snapshot.date_sec, snapshot.date_nsec])


@dataclass(slots=True)
class KnownNotes:
    """All notes, as they were read.

    Attributes:
        by_path: Of each image by its path, then by moment.
        by_inode: The same by its inode.
    """

    by_path: dict[bytes, dict[str, Note]] = field(default_factory=dict)
    by_inode: dict[str, dict[str, Note]] = field(default_factory=dict)

    def of(self, path: Path, stamp: Stamp, snapshots: Sequence[Snapshot]) -> tuple[Note, ...]:
        """Return the notes on an image's snapshots, empty ones among them; nothing where there is no note at all."""
        here, there = self.by_path.get(os.fsencode(path), {}), self.by_inode.get(str(stamp.inode), {})
        if not here and not there:
            return ()
        moments = [moment_of(one, stamp) for one in snapshots]
        return tuple(here.get(moment) or there.get(moment) or Note() for moment in moments)

    def add(self, name: bytes, inode: str, moment: str, note: Note) -> None:
        """Replace the note on a snapshot, here only."""
        self.by_path.setdefault(name, {})[moment] = note
        self.by_inode.setdefault(inode, {})[moment] = note


def notes_file() -> Path:
    """Return where a person's notes are."""
    return platformdirs.user_data_path("vmsnap", appauthor=False) / "notes.sqlite"


class NoteStore:
    """The notes in one file; several windows may use it at once."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def read(self) -> KnownNotes:
        """Return all notes; none where there is no file yet.

        Raises:
            NotesError: it cannot be read. A damaged one is put aside first, for whoever can save something of it.
        """
        known = KnownNotes()
        if not self.file.exists():
            return known
        query = "SELECT path, inode, moment, label, note FROM notes ORDER BY changed"
        for name, inode, moment, label, text in self._do(lambda store: store.execute(query).fetchall()):
            known.add(name, inode, moment, Note(label, text))
        return known

    def write(self, path: Path, stamp: Stamp, snapshot: Snapshot, note: Note) -> None:
        """Keep the note on a snapshot; an empty one goes.

        Raises:
            NotesError: it cannot be written.
        """
        moment, inode, name = moment_of(snapshot, stamp), str(stamp.inode), os.fsencode(path)

        def work(store: sqlite3.Connection) -> None:
            store.execute("DELETE FROM notes WHERE moment = ? AND (path = ? OR inode = ?)", (moment, name, inode))
            if note:
                row = (name, inode, moment, note.label, note.text, time.time_ns())
                store.execute("INSERT INTO notes VALUES (?, ?, ?, ?, ?, ?)", row)

        self._do(work)

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T:
        import sqlite3  # not before the first paint

        from vmsnap_gui.sqlite_file import is_damage, opened

        try:
            with opened(self.file, VERSION, _TABLES) as store:
                return work(store)
        except (sqlite3.Error, OSError) as error:
            message = f"the notes in {self.file} cannot be used: {error}"
            if is_damage(error) and (aside := self._put_aside()) is not None:
                message = f"the file with your notes was damaged ({error}); it is {aside} now, and a new one is begun"
            raise NotesError(message) from error

    def _put_aside(self) -> Path | None:
        aside = self.file.with_name(f"{self.file.name}.damaged-{time.time_ns()}")
        try:
            self.file.rename(aside)
            for end in ("-wal", "-shm"):
                self.file.with_name(self.file.name + end).unlink(missing_ok=True)
        except OSError:
            return None
        return aside


def note_on(path: Path, snapshot: Snapshot) -> Note:
    """Return the note on one snapshot of one image; an empty one where there is none, or none can be read."""
    try:
        return next(iter(NoteStore(notes_file()).read().of(normal(path), Stamp.of(path.stat()), [snapshot])), Note())
    except (NotesError, OSError):
        return Note()
