"""The lines of the library as plain data: which images and folders are open, and how far each is read."""

from __future__ import annotations

import enum
import os
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

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


def told_apart(paths: Iterable[Path]) -> dict[Path, str]:
    """Return the shortest end of each path, in whole names, that none of the others ends with."""
    found: dict[Path, str] = {}
    left, length = list(dict.fromkeys(paths)), 1
    while left:
        ends = {path: path.parts[-length:] for path in left}
        times = Counter(ends.values())
        for path, end in ends.items():
            if times[end] == 1 or length >= len(path.parts):
                found[path] = str(Path(*end))
        left = [path for path in left if path not in found]
        length += 1
    return found


def way_below(path: Path, folder: Path) -> str:
    """Return the way to an image below the folder that it was found in."""
    above, whole = str(folder).rstrip("/") + "/", str(path)  # pathlib's own way takes ten times as long
    return whole.removeprefix(above) if whole.startswith(above) else path.name


class Entries:
    """The entries, in the order in which they were opened; images of a folder right below it."""

    def __init__(self) -> None:
        self._entries: dict[Path, Entry] = {}
        self._below: dict[Path | None, dict[Path, None]] = {}  # by folder; a folder may have thousands
        self._named: dict[str, dict[Path, None]] = {}  # those that no folder was opened for, by their names
        self._apart: dict[str, dict[Path, str]] = {}  # what these are called, where there are several
        self._failed: Counter[Path | None] = Counter()  # by folder

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
            self._take_out(old)
        self._entries[entry.path] = entry  # in the place of the old one
        self._below.setdefault(entry.parent, {})[entry.path] = None
        self._failed[entry.parent] += entry.state is EntryState.FAILED
        if entry.parent is None:
            self._named.setdefault(entry.path.name, {})[entry.path] = None
            self._apart.pop(entry.path.name, None)

    def _take_out(self, entry: Entry) -> None:
        """Forget where an entry stands, and its name."""
        self._below[entry.parent].pop(entry.path)
        self._failed[entry.parent] -= entry.state is EntryState.FAILED
        if entry.parent is None:
            self._named[entry.path.name].pop(entry.path)
            self._apart.pop(entry.path.name, None)

    def update(self, path: Path, **changes: object) -> bool:
        """Change attributes of an entry; False where it is not there or already like that."""
        old = self._entries.get(path)
        if old is None:
            return False
        new = replace(old, **changes)  # type: ignore[arg-type]
        if new == old:
            return False
        self._entries[path] = new
        self._failed[new.parent] += (new.state is EntryState.FAILED) - (old.state is EntryState.FAILED)
        return True

    def remove(self, path: Path) -> list[Path]:
        """Remove an entry and what is below it; return what was removed, the entry first."""
        gone = [path, *self._below.get(path, ())]
        for one in gone:
            old = self._entries.pop(one, None)
            if old is not None:
                self._take_out(old)
        return gone

    def has_namesakes(self, path: Path) -> bool:
        """Tell whether anything else of the same name was opened, or is a machine's disk."""
        there = self._named.get(path.name, {})
        return len(there) > (path in there)

    def called(self, path: Path) -> str:
        """Return what an entry's line is called: its way below the folder it was found in, or its name.

        Where several that no folder was opened for have that name, as much of their folders stands before it as tells
        them apart.
        """
        entry = self._entries.get(path)
        if entry is not None and entry.parent is not None:
            return way_below(path, entry.parent)
        return self._names(path.name).get(path) or path.name or str(path)

    def called_alone(self, path: Path) -> str:
        """Return what an entry is called where its folder or its machine does not stand above it."""
        entry = self._entries.get(path, Entry(path))
        return name_alone(entry, self._names((entry.parent or path).name))

    def names(self) -> dict[Path, str]:
        """Return what all that no folder was opened for is called."""
        return {path: self.called(path) for path in self._below.get(None, ())}

    def _names(self, name: str) -> Mapping[Path, str]:
        """Return what those of a name are called, where there are several."""
        there = self._named.get(name, {})
        if len(there) > 1 and name not in self._apart:
            self._apart[name] = told_apart(there)
        return self._apart.get(name, {})

    def children(self, folder: Path) -> list[Entry]:
        """Return the images found in a folder."""
        return [self._entries[path] for path in self._below.get(folder, ())]

    def counts(self, folder: Path) -> tuple[int, int]:
        """Return how many images were found in a folder that can be read, and how many that cannot."""
        failed = self._failed[folder]
        return len(self._below.get(folder, ())) - failed, failed

    def reach_into(self, folder: Path) -> bool:
        """Whether anything below a folder is there, as an image of it or not."""
        return any(folder in path.parents for path in self._entries)

    def opened(self) -> list[Path]:
        """Return what was opened itself."""
        return [path for path in self._below.get(None, ()) if not self._entries[path].attached]


def name_alone(entry: Entry, names: Mapping[Path, str]) -> str:
    """Return what `Entries.called_alone` does, by what `Entries.names` gave: for a worker."""
    if entry.parent is None:
        return names.get(entry.path) or entry.path.name or str(entry.path)
    folder = names.get(entry.parent) or entry.parent.name
    return f"{folder.rstrip('/')}/{way_below(entry.path, entry.parent)}"


def speakable(path: Path) -> bool:
    """Whether Qt can name the file (it cannot where a name is no Unicode; such files are only polled)."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True
