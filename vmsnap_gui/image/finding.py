"""Look for images below a folder, by what files hold, and by names that promise an image."""

from __future__ import annotations

import contextlib
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from vmsnap_gui.image.byteview import FileHandle, cannot_open
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.magic import MAGIC_SIZE, holds_states

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MAX_DEPTH = 32
"""Folders within folders that are followed."""

MAX_FILES = 500_000
"""Files that one search looks at."""

_NAMES = frozenset({".qcow2", ".qcow", ".vmstate"})
"""Suffixes of files that are taken for images even if they do not begin like one: whoever opens them says why."""

_PSEUDO = ("/proc", "/sys")
"""Their files are no data on a disk, and reading them can have effects."""


def find_images(folder: Path, *, skipped: Callable[[ImageError], None] | None = None) -> Iterator[Path]:
    """Yield the files below a folder that begin like an image or are named like one, in the order of their paths.

    Symbolic links are followed, but no folder is entered twice, and none that `folder` lies in. Only the first bytes of
    regular files are read.

    Args:
        folder: Where to begin.
        skipped: Told of each file or folder that could not be looked into, and of a search that is cut short.

    Raises:
        ImageError: `folder` itself cannot be read.
    """
    _entries(folder)  # to fail at once, not with the first image
    return _Search(folder, skipped).below(folder, 0)


class _Search:
    def __init__(self, folder: Path, skipped: Callable[[ImageError], None] | None) -> None:
        self._skipped = skipped or (lambda _: None)
        self._entered: set[tuple[int, int]] = set()
        for above in folder.resolve().parents:
            with contextlib.suppress(OSError):
                found = above.stat()
                self._entered.add((found.st_dev, found.st_ino))
        self._pseudo = {os.stat(path).st_dev for path in _PSEUDO if os.path.isdir(path)}  # noqa: PTH112, PTH116
        self._files = 0

    def below(self, folder: Path, depth: int) -> Iterator[Path]:
        """Yield the images below a folder."""
        try:
            found = folder.stat()
            if found.st_dev in self._pseudo or (found.st_dev, found.st_ino) in self._entered:
                return
            self._entered.add((found.st_dev, found.st_ino))
            if depth > MAX_DEPTH:
                raise ImageError(f"more than {MAX_DEPTH} folders within each other are not searched", path=folder)
            entries = _entries(folder)
        except OSError as error:
            self._skipped(cannot_open(folder, error))
            return
        except ImageError as error:
            self._skipped(error)
            return
        for path in entries:
            yield from self._look_at(path, depth)

    def _look_at(self, path: Path, depth: int) -> Iterator[Path]:
        if self._files > MAX_FILES:
            return
        try:
            found = path.stat()
            if stat.S_ISDIR(found.st_mode):
                yield from self.below(path, depth + 1)
                return
            self._files += 1
            if self._files > MAX_FILES:
                raise ImageError(f"the search ends here, after {MAX_FILES} files", path=path)
            if _is_named(path) or (stat.S_ISREG(found.st_mode) and found.st_size >= MAGIC_SIZE and _is_image(path)):
                yield path
        except OSError as error:
            if _is_named(path):
                yield path
            elif not path.is_symlink():  # a link to nowhere is no news
                self._skipped(cannot_open(path, error))
        except ImageError as error:
            self._skipped(error)


def _is_named(path: Path) -> bool:
    return path.suffix.lower() in _NAMES


def _is_image(path: Path) -> bool:
    handle = FileHandle.open(path)
    try:
        return holds_states(handle.read_up_to(0, MAGIC_SIZE))
    finally:
        handle.close()


def _entries(folder: Path) -> list[Path]:
    """Return what is in a folder, sorted by name; raises ImageError if it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return [Path(entry.path) for entry in sorted(entries, key=lambda entry: entry.name)]
    except (OSError, ValueError) as error:
        raise cannot_open(folder, error) from error
