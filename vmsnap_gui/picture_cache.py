"""Small pictures of screens, kept for the next start: files among a person's caches. Qt-free, for workers.

It holds no truth: a file that is damaged or of another version counts as none, what cannot be written is not kept, and
of too many or too large ones those go that were not looked at for the longest time. A snapshot never changes while its
entry in a qcow2 image stays; of any other file, the file's stamp is a part of the key.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from vmsnap_gui.screens import SmallScreen

if TYPE_CHECKING:
    from vmsnap_gui.image.byteview import Stamp
    from vmsnap_gui.image.snapshot import Snapshot

_log = logging.getLogger(__name__)

_VERSION = 2
"""Of the files and of what is rendered: counted up when either would come out another way."""
MOST_BYTES = 64 << 20
MOST_PICTURES = 4096
_DIGEST = 16  # bytes before the rest of a file, which tell that it is as it was written
_LARGEST = 4 << 20  # a picture has at most 332 KB of pixels
_TRIMMED = 32  # how many are kept between two looks at all of them


def cache_folder() -> Path:
    """Return where a person's pictures are."""
    return platformdirs.user_cache_path("vmsnap", appauthor=False) / "screens"


def picture_key(path: Path, stamp: Stamp | None, snapshot: Snapshot) -> str:
    """Return the key of a snapshot's picture; asks the file system what `path` leads to.

    Args:
        path: The image.
        stamp: The file's stamp; None for a qcow2 image, whose snapshots stay as they are.
        snapshot: The entry in it.
    """
    image = str(path.resolve()).encode("utf-8", "surrogateescape")
    date = snapshot.date_sec, snapshot.date_nsec
    told = repr((_VERSION, image, stamp, snapshot.id, snapshot.tag, date, snapshot.vm_state_size))
    return hashlib.blake2b(told.encode("utf-8", "backslashreplace"), digest_size=20).hexdigest()


class PictureCache:
    """The pictures in one folder; no method raises. One writer at a time, of several windows each."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES, most_pictures: int = MOST_PICTURES) -> None:
        self._folder = folder
        self._most = most_bytes, most_pictures
        self._untrimmed = _TRIMMED  # a former run may have left too many

    def get(self, key: str) -> SmallScreen | None:
        """Return what is kept under a key."""
        path = self._folder / key
        try:
            with path.open("rb") as file:
                data = file.read(_LARGEST)
            os.utime(path)
        except OSError:
            return None
        return _parsed(data)

    def put(self, key: str, small: SmallScreen) -> None:
        """Keep this under a key, unless it may be otherwise next time."""
        if not small.is_sure:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("wb", dir=self._folder, prefix=".", delete=False) as file:
                file.write(_document(small))
            Path(file.name).replace(self._folder / key)
            self._untrimmed += 1
            if self._untrimmed > _TRIMMED:
                self._untrimmed = 0
                self._trim()
        except OSError as error:
            _log.info("the picture of a screen cannot be kept in %s: %s", self._folder, error)

    def _trim(self) -> None:
        """Delete those that were not looked at for the longest time, where there are too many."""
        found = []
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    about = entry.stat()
                    found.append((about.st_mtime_ns, about.st_size, entry.path))
        size, (most_bytes, most_pictures) = sum(one[1] for one in found), self._most
        found.sort(reverse=True)
        while found and (size > most_bytes or len(found) > most_pictures):
            _, less, path = found.pop()
            size -= less
            Path(path).unlink(missing_ok=True)


def _document(small: SmallScreen) -> bytes:
    head = json.dumps([small.mode, small.width, small.height, small.reason]).encode("ascii")
    rest = head + b"\n" + small.png
    return hashlib.blake2b(rest, digest_size=_DIGEST).digest() + rest


def _parsed(data: bytes) -> SmallScreen | None:
    rest = data[_DIGEST:]
    if hashlib.blake2b(rest, digest_size=_DIGEST).digest() != data[:_DIGEST]:
        return None
    head, _, png = rest.partition(b"\n")
    mode, width, height, reason = json.loads(head)
    return SmallScreen(png, mode, width, height, reason)
