"""What is remembered between runs, typed: a small layer over QSettings in an INI file of the user.

The values are in memory; a worker writes them to the file soon after one changed. QSettings itself would do that in the
Qt thread, which then waits for the disk: up to a second beside a machine that is being saved.
"""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QByteArray, QObject, QSettings, QStandardPaths, Qt, QTimer

if TYPE_CHECKING:
    from collections.abc import Callable

RECENT = 12
"""How many recent files are kept."""
_WRITE_MS = 500
"""How long after a change the file is written: several changes come together."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The snapshot that was selected last, so that it is found again after the image was changed.

    Attributes:
        path: The image.
        id: The snapshot's id (None: only the image was selected, or the snapshot has none).
        tag: The snapshot's tag.
        date_sec: The snapshot's date.
    """

    path: Path
    id: str | None
    tag: str | None
    date_sec: int | None


def settings_file() -> Path:
    """Return the user's settings file."""
    base = QStandardPaths.writableLocation(QStandardPaths.StandardLocation.GenericConfigLocation)
    return Path(base) / "vmsnap" / "vmsnap.ini"


class Settings(QObject):
    """Typed settings. What is missing or malformed in the file reads as its default."""

    def __init__(self, file: Path) -> None:
        """Read `file`, now; `settings_file` names the user's."""
        super().__init__()
        self._file = file
        store = QSettings(str(file), QSettings.Format.IniFormat)
        self._values: dict[str, object] = {key: store.value(key) for key in store.allKeys()}
        self._pending: dict[str, object] = {}
        self._lock = threading.Lock()
        self._run: Callable[[Callable[[], None]], object] | None = None
        self._soon = QTimer(self, interval=_WRITE_MS, singleShot=True)
        self._soon.timeout.connect(self._write_soon)

    def write_with(self, run: Callable[[Callable[[], None]], object]) -> None:
        """From now on write what changes, as work given to `run`, in a thread; without this only `save` writes."""
        self._run = run

    def arrangement(self, name: str) -> QByteArray:
        """Return what Qt saved for the window, dock, splitter or header with this object name (may be empty)."""
        value = self._values.get(f"arrangement/{name}")
        return value if isinstance(value, QByteArray) else QByteArray()

    def set_arrangement(self, name: str, state: QByteArray) -> None:
        """Remember what `saveState` or `saveGeometry` gave."""
        self._put(f"arrangement/{name}", state)

    @property
    def recent(self) -> list[Path]:
        """Recently opened images and folders, the latest first."""
        return self._paths("recent")

    def add_recent(self, *paths: Path) -> None:
        """Put paths on top of the recent files, the last of them first."""
        self._set_paths("recent", list(dict.fromkeys([*reversed(paths), *self.recent]))[:RECENT])

    def forget_recent(self, *paths: Path) -> None:
        """Drop these from the recent files; without arguments all."""
        self._set_paths("recent", [path for path in self.recent if path not in paths] if paths else [])

    @property
    def opened(self) -> list[Path]:
        """What was in the library, in its order."""
        return self._paths("opened")

    @opened.setter
    def opened(self, paths: list[Path]) -> None:
        self._set_paths("opened", paths)

    @property
    def choice(self) -> Choice | None:
        """The selection to come back to."""
        data = self._json("choice")
        if not isinstance(data, dict) or not isinstance(data.get("path"), str):
            return None
        date = data.get("date_sec")
        return Choice(
            Path(data["path"]), _text(data.get("id")), _text(data.get("tag")), date if isinstance(date, int) else None
        )

    @choice.setter
    def choice(self, choice: Choice | None) -> None:
        data = choice and {
            "path": str(choice.path),
            "id": choice.id,
            "tag": choice.tag,
            "date_sec": choice.date_sec,
        }
        self._put("choice", json.dumps(data))

    @property
    def tab(self) -> str:
        """Object name of the inspector's tab that was shown ("" if never)."""
        return _text(self._values.get("tab")) or ""

    @tab.setter
    def tab(self, name: str) -> None:
        self._put("tab", name)

    @property
    def view(self) -> str:
        """How snapshots are looked at: "table", "timeline", "tree" ("" if never chosen)."""
        return _text(self._values.get("view")) or ""

    @view.setter
    def view(self, name: str) -> None:
        self._put("view", name)

    @property
    def vm_clock(self) -> bool:
        """Whether the timeline goes by the VM clock, not by dates."""
        return self._json("vm_clock") is True

    @vm_clock.setter
    def vm_clock(self, on: bool) -> None:
        self._put("vm_clock", json.dumps(on))

    @property
    def scheme(self) -> Qt.ColorScheme:
        """The colour scheme the person chose; Unknown means that of the system."""
        name = self._values.get("scheme")
        known = {scheme.name: scheme for scheme in Qt.ColorScheme}
        return known.get(str(name), Qt.ColorScheme.Unknown)

    @scheme.setter
    def scheme(self, scheme: Qt.ColorScheme) -> None:
        self._put("scheme", scheme.name)

    @property
    def notify(self) -> bool:
        """Whether the desktop tells when a long job ends."""
        return str(self._values.get("notify", "true")) != "false"

    @notify.setter
    def notify(self, on: bool) -> None:
        self._put("notify", "true" if on else "false")

    @property
    def columns(self) -> list[tuple[str, str]]:
        """Fields that are columns of the snapshot table, in their order: device and path."""
        data = self._json("columns")
        pairs = [tuple(item) for item in data if isinstance(item, list)] if isinstance(data, list) else []
        return [(pair[0], pair[1]) for pair in pairs if len(pair) == 2 and all(isinstance(part, str) for part in pair)]

    @columns.setter
    def columns(self, columns: list[tuple[str, str]]) -> None:
        self._put("columns", json.dumps(columns))

    @property
    def noise(self) -> bool:
        """Whether noise rules apply to comparisons."""
        return self._json("noise") is not False

    @noise.setter
    def noise(self, on: bool) -> None:
        self._put("noise", json.dumps(on))

    def save(self) -> None:
        """Write what changed to the file now, and wait for it."""
        self._soon.stop()
        self._write()

    def _put(self, key: str, value: object) -> None:
        if key not in self._values or self._values[key] != value:
            self._values[key] = value
            with self._lock:
                self._pending[key] = value
            if self._run is not None:
                self._soon.start()

    def _write_soon(self) -> None:
        if self._run is not None:
            self._run(self._write)

    def _write(self) -> None:
        """Write what is not written yet, in any thread; what another window wrote of the rest stays."""
        with self._lock:
            pending, self._pending = self._pending, {}
        if not pending:
            return
        store = QSettings(str(self._file), QSettings.Format.IniFormat)
        for key, value in pending.items():
            store.setValue(key, value)
        store.sync()
        if store.status() != QSettings.Status.NoError:
            with self._lock:
                self._pending = pending | self._pending  # perhaps it can be written later

    def _json(self, key: str) -> object:
        try:
            data: object = json.loads(str(self._values.get(key, "null")))
        except (ValueError, RecursionError):
            return None
        return data

    def _paths(self, key: str) -> list[Path]:
        data = self._json(key)
        return [Path(item) for item in data if isinstance(item, str) and item] if isinstance(data, list) else []

    def _set_paths(self, key: str, paths: list[Path]) -> None:
        # As JSON: QSettings would lose names that are no Unicode, and turns a list of one into a text.
        self._put(key, json.dumps([str(path) for path in paths]))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
