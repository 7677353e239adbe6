"""What was read of images, kept for the next start: a small SQLite file among a person's caches. Qt-free, for workers.

It holds no truth: each line is compared with its file (`reading.look_at`) before it counts, what is damaged is made
anew, and where the file cannot be written there simply is none. Several windows may use it at once (WAL, and a write
waits for another's). One JSON document for each image, since that is how it is read and replaced: as a whole.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import time
from dataclasses import astuple, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import platformdirs

from vmsnap_gui.image.byteview import Stamp
from vmsnap_gui.image.errors import ImageError, Problem
from vmsnap_gui.image.qcow2_snapshots import Qcow2Snapshot
from vmsnap_gui.image.snapshot import Snapshot
from vmsnap_gui.reading import Found, ImageInfo

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterable, Iterator

    from vmsnap_gui.image.errors import Progress

T = TypeVar("T")

_log = logging.getLogger(__name__)

VERSION = 1
"""Of the tables and documents; a file of any other version is made anew."""
MOST_IMAGES = 50_000
"""Of more, those that were not seen for the longest time are dropped."""
MOST_SNAPSHOTS = 4096
"""An image with more is read each time: its document would be megabytes."""

_TABLES = """
CREATE TABLE IF NOT EXISTS images (
    path BLOB PRIMARY KEY, seen INTEGER NOT NULL, document TEXT NOT NULL, digest BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS images_by_age ON images (seen);
"""


def cache_file() -> Path:
    """Return where a person's cache is."""
    return platformdirs.user_cache_path("vmsnap", appauthor=False) / "library.sqlite"


class ImageCache:
    """The cache in one file; every method opens it anew, and none of them raises."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def below(
        self, folder: Path, most: int, after: Path | None = None, progress: Progress = lambda _done, _total: None
    ) -> list[Found]:
        """Return what is known of the first so many images below a folder, by their paths, or of those after one.

        All of it is marked as `cached`.
        """

        def work(store: sqlite3.Connection) -> list[Found]:
            start, end = _range(folder)
            query = f"SELECT path, document, digest FROM images WHERE {_BELOW} ORDER BY path LIMIT ?"
            rows = store.execute(query, (os.fsencode(after) if after is not None else start, end, most))
            found: list[Found] = []
            for number, row in enumerate(rows):
                progress(number, most)
                found += _known(*row)
            return found

        return self._do(work) or []

    def keep(self, several: Iterable[Found]) -> None:
        """Keep what was read of these files."""
        now = time.time_ns()
        rows = [(os.fsencode(one.path), now, text, _digest(text)) for one in several for text in _document(one)]
        if rows:
            self._do(lambda store: store.executemany("REPLACE INTO images VALUES (?, ?, ?, ?)", rows))

    def settle(self, folder: Path, there: Collection[Path]) -> None:
        """Know that a folder was looked through: what is not there any more goes, and the oldest of too many."""

        def work(store: sqlite3.Connection) -> None:
            known = {row[0] for row in store.execute(f"SELECT path FROM images WHERE {_BELOW}", _range(folder))}
            gone = known - {os.fsencode(path) for path in there}
            store.executemany("DELETE FROM images WHERE path = ?", [(path,) for path in gone])
            store.execute(f"UPDATE images SET seen = ? WHERE {_BELOW}", (time.time_ns(), *_range(folder)))
            (count,) = store.execute("SELECT count(*) FROM images").fetchone()
            if count > MOST_IMAGES:
                oldest = "SELECT path FROM images ORDER BY seen LIMIT ?"
                store.execute(f"DELETE FROM images WHERE path IN ({oldest})", (count - MOST_IMAGES,))

        self._do(work)

    def _do(self, work: Callable[[sqlite3.Connection], T]) -> T | None:
        """Let `work` use the file; None where that fails. A damaged one is made anew, once."""
        import sqlite3  # not before the first paint

        from vmsnap_gui.sqlite_file import discard, is_damage, opened

        for again in (True, False):
            try:
                with opened(self._file, VERSION, _TABLES) as store:
                    return work(store)
            except (sqlite3.Error, OSError) as error:
                _log.info("the library's cache %s cannot be used: %s", self._file, error)
                if not again or not is_damage(error):
                    return None
                discard(self._file)
        return None


_BELOW = "path > ? AND path < ?"


def _range(folder: Path) -> tuple[bytes, bytes]:
    """Return what the paths below a folder lie between: "0" is the next character after "/"."""
    name = os.fsencode(folder).rstrip(b"/")
    return name + b"/", name + b"0"


_NAMES = {kind: tuple(one.name for one in fields(kind)) for kind in (Snapshot, Qcow2Snapshot)}


def _digest(document: str) -> bytes:
    """Return what tells that a document is as it was written: SQLite notices damage to its own structures only."""
    import hashlib  # not above: it takes 6 ms to load, for which the first paint would wait

    return hashlib.blake2b(document.encode(), digest_size=8).digest()


def _document(found: Found) -> Iterator[str]:
    """Yield the document of what was read of a file, if it is worth keeping."""
    info, stamp = found.info, found.stamp
    if found.is_folder or stamp is None or (info is not None and len(info.snapshots) > MOST_SNAPSHOTS):
        return
    document: dict[str, Any] = {"stamp": astuple(stamp)}
    if info is None:
        document["error"] = [getattr(found.error, "message", ""), getattr(found.error, "offset", None)]
    else:
        document |= {
            "image": [info.format, info.virtual_size, info.cluster_size],
            "snapshots": [[getattr(one, name) for name in _NAMES[type(one)]] for one in info.snapshots],
            "problems": [astuple(one) for one in info.problems],
            "facts": info.facts,
            "machines": info.machines,
        }
    yield json.dumps(document, separators=(",", ":"))  # in ASCII: names may be no Unicode


def _known(path: bytes, text: str, digest: bytes) -> Iterator[Found]:
    """Yield what a line of the table tells; nothing where it is damaged."""
    with contextlib.suppress(ValueError, TypeError, KeyError, AttributeError):
        if _digest(text) != digest:
            return
        document = json.loads(text)
        where, stamp = Path(os.fsdecode(path)), Stamp(*document["stamp"])
        if "error" in document:
            message, offset = document["error"]
            yield Found(where, stamp, error=ImageError(message, path=where, offset=offset), cached=True)
            return
        machines = document["machines"]
        form, virtual_size, cluster_size = document["image"]
        kind = Qcow2Snapshot if form == "qcow2" else Snapshot
        info = ImageInfo(
            where,
            form,
            virtual_size,
            cluster_size,
            snapshots=tuple(kind(**dict(zip(_NAMES[kind], one, strict=True))) for one in document["snapshots"]),
            problems=tuple(Problem(*one) for one in document["problems"]),
            facts=tuple((label, value) for label, value in document["facts"]),
            in_use=False,
            stamp=stamp,
            machines=None if machines is None else tuple(machines),
        )
        yield Found(where, stamp, info=info, cached=True)
