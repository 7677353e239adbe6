"""The lines of the library as plain data: which images and folders are open, and how far each is read."""

from __future__ import annotations

import enum
import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vmsnap_gui.image.byteview import Stamp
    from vmsnap_gui.reading import ImageInfo


class EntryState(enum.Enum):
    """How far the reading of a library entry is."""

    READING = "reading"
    READY = "ready"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the library.

    Attributes:
        path: The image or folder; unique in the library.
        parent: The folder that it was found in; None for what was opened itself.
        state: How far its reading is. A folder is READY when it has been looked through.
        is_folder: Whether it is a folder of images.
        info: What was read of an image; kept while it is read again.
        error: Why it cannot be shown, if it FAILED.
        stamp: The file's stamp when it was last read; None where there was none.
        attached: Whether it is known only as a disk of a machine: nobody opened it.
        doubtful: Whether it may only be checked and repaired: a write to it was interrupted.
    """

    path: Path
    parent: Path | None = None
    state: EntryState = EntryState.READING
    is_folder: bool = False
    info: ImageInfo | None = None
    error: Exception | None = None
    stamp: Stamp | None = None
    attached: bool = False
    doubtful: bool = False

    @property
    def in_use(self) -> bool:
        """Whether it is an image that a running VM has open for writing."""
        return self.info is not None and self.info.in_use


def normal(path: Path) -> Path:
    """Return `path` absolute and without dots and doubled slashes; links stay (they are the names people know)."""
    # normpath keeps two leading slashes (POSIX allows a meaning); lanes need that no path has two in a row.
    return Path("/" + os.path.normpath(path.absolute()).lstrip("/"))


def told_apart(path: Path, others: Iterable[Path]) -> str:
    """Return the shortest end of a path, in whole names, that no other path ends with."""
    parts = path.parts
    ends = [other.parts for other in others if other != path]
    length = 1
    while length < len(parts) and any(end[-length:] == parts[-length:] for end in ends):
        length += 1
    return str(Path(*parts[-length:]))


class Entries:
    """The entries, in the order in which they were opened; images of a folder right below it."""

    def __init__(self) -> None:
        self._entries: dict[Path, Entry] = {}
        self._below: dict[Path | None, dict[Path, None]] = {}  # by folder; a folder may have thousands
        self._named: dict[str, dict[Path, None]] = {}  # what was opened itself, by its name

    def __contains__(self, path: Path) -> bool:
        return path in self._entries

    def __iter__(self) -> Iterator[Entry]:
        return iter(list(self._entries.values()))

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, path: Path | None) -> Entry | None:
        """Return the entry of `path`, if there is one."""
        return None if path is None else self._entries.get(path)

    def add(self, entry: Entry) -> None:
        """Add or replace an entry."""
        old = self._entries.get(entry.path)
        if old is not None:
            self._below[old.parent].pop(entry.path)
        self._entries[entry.path] = entry  # in the place of the old one
        self._below.setdefault(entry.parent, {})[entry.path] = None
        if entry.parent is None and not entry.attached:
            self._named.setdefault(entry.path.name, {})[entry.path] = None
        else:
            self._named.get(entry.path.name, {}).pop(entry.path, None)

    def update(self, path: Path, **changes: object) -> bool:
        """Change attributes of an entry; False where it is not there or already like that."""
        old = self._entries.get(path)
        if old is None:
            return False
        new = replace(old, **changes)  # type: ignore[arg-type]
        if new == old:
            return False
        self._entries[path] = new
        return True

    def remove(self, path: Path) -> list[Path]:
        """Remove an entry and what is below it; return what was removed, the entry first."""
        gone = [path, *self._below.get(path, ())]
        for one in gone:
            old = self._entries.pop(one, None)
            if old is not None:
                self._below[old.parent].pop(one)
                self._named.get(one.name, {}).pop(one, None)
        return gone

    def namesakes(self, path: Path) -> list[Path]:
        """Return what else of the same name was opened itself."""
        return [other for other in self._named.get(path.name, ()) if other != path]

    def called(self, path: Path) -> str:
        """Return what an entry is called: its way below the folder it was found in, or its name.

        Where several have that name, as much of their folders stands before it as tells them apart.
        """
        entry = self._entries.get(path)
        if entry is not None and entry.parent is not None:
            above, whole = str(entry.parent).rstrip("/") + "/", str(path)  # pathlib's own way takes ten times as long
            return whole.removeprefix(above) if whole.startswith(above) else path.name
        others = self._named.get(path.name, ())
        return told_apart(path, others) if len(others) > 1 else path.name or str(path)

    def called_alone(self, path: Path) -> str:
        """Return what an entry is called where the line of its folder does not stand above it."""
        entry = self._entries.get(path)
        above = f"{self.called(entry.parent).rstrip('/')}/" if entry is not None and entry.parent is not None else ""
        return above + self.called(path)

    def children(self, folder: Path) -> list[Entry]:
        """Return the images found in a folder."""
        return [self._entries[path] for path in self._below.get(folder, ())]

    def count(self, folder: Path) -> int:
        """Return how many images were found in a folder."""
        return len(self._below.get(folder, ()))

    def reach_into(self, folder: Path) -> bool:
        """Whether anything below a folder is there, as an image of it or not."""
        return any(folder in path.parents for path in self._entries)

    def opened(self) -> list[Path]:
        """Return what was opened itself."""
        return [path for path in self._below.get(None, ()) if not self._entries[path].attached]


def speakable(path: Path) -> bool:
    """Whether Qt can name the file (it cannot where a name is no Unicode; such files are only polled)."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
