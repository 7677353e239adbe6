"""What is open: of two readings of one file the one that began later counts, in whatever order they end."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QFileSystemWatcher, QTimer

from tests.image.tools import create, take
from tests.views.world import World, world
from vmsnap_gui import library, scanning
from vmsnap_gui.entries import EntryState
from vmsnap_gui.reading import look_at

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from vmsnap_gui.reading import Found

pytestmark = pytest.mark.gui
WAIT = 20_000


class Held:
    """Really looks at files, and keeps what it saw of one of them, the next time, until it is let go."""

    def __init__(self) -> None:
        self.path: Path | None = None
        self.has_read = threading.Event()
        self.go = threading.Event()

    def look_at(self, path: Path, known: Found | None = None) -> Found:
        found = look_at(path, known)
        if path == self.path:
            self.path = None
            self.has_read.set()
            assert self.go.wait(20)
        return found


@pytest.fixture
def here(qtbot: QtBot, tmp_path: Path) -> Iterator[World]:
    with world(qtbot, tmp_path / "config") as made:
        yield made


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    held = Held()
    for module in (library, scanning):
        monkeypatch.setattr(module, "look_at", held.look_at)
    yield held
    held.go.set()


def tags(here: World, path: Path) -> list[str | None]:
    entry = here.session.library.entries.get(path)
    return [one.tag for one in entry.info.snapshots] if entry is not None and entry.info is not None else []


def test_a_reading_that_ends_late_is_dropped(qtbot: QtBot, here: World, held: Held, tmp_path: Path) -> None:
    path = held.path = create(tmp_path / "a.qcow2")
    here.session.open_paths([path])
    assert held.has_read.wait(20)
    take(path, "one")
    here.session.library.reload(path)
    qtbot.waitUntil(lambda: tags(here, path) == ["one"], timeout=WAIT)
    held.go.set()
    here.settle()
    assert tags(here, path) == ["one"]
    entry = here.session.library.entries.get(path)
    assert entry is not None
    assert entry.state is EntryState.READY


def test_so_is_what_a_scan_saw_before(qtbot: QtBot, here: World, held: Held, tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    lab.mkdir()
    path = create(lab / "a.qcow2")
    here.session.open_paths([lab])
    here.settle()
    held.path = path
    here.session.library.reload(lab)
    qtbot.waitUntil(held.has_read.is_set, timeout=WAIT)
    take(path, "one")
    here.session.library.reload(path)
    qtbot.waitUntil(lambda: tags(here, path) == ["one"], timeout=WAIT)
    held.go.set()
    here.settle()
    assert tags(here, path) == ["one"]


@pytest.mark.parametrize("then", ["again", "closed"])
def test_a_scan_that_is_stopped_at_its_end_tells_nothing(qtbot: QtBot, here: World, tmp_path: Path, then: str) -> None:
    """Its end is told a turn after its last lines, and whoever hears of those may scan anew or close the folder."""
    lab, below = tmp_path / "lab", tmp_path / "lab" / "below"
    below.mkdir(parents=True)
    create(below / "a.qcow2")
    entries = here.session.library.entries
    heard: list[str] = []
    acted: list[str] = []

    def stop(_paths: object) -> None:
        heard.append(then)
        if len(heard) == 2:  # the folder itself came before
            QTimer.singleShot(0, act)

    def act() -> None:
        if then == "again":
            create(below / "new.qcow2")
            here.session.library.reload(lab)
        else:
            here.session.library.close(lab)
        acted.append(then)

    here.session.library.entries_added.connect(stop)
    here.session.open_paths([lab])
    qtbot.waitUntil(lambda: bool(acted), timeout=WAIT)
    here.settle()
    if then == "again":
        assert sorted(one.path.name for one in entries.children(lab)) == ["a.qcow2", "new.qcow2"]
        entry = entries.get(lab)
        assert entry is not None
        assert entry.state is EntryState.READY
    else:
        assert not list(entries)
        assert not any(one.directories() for one in here.session.library.findChildren(QFileSystemWatcher))


def test_a_folder_lists_what_cannot_be_read_with_the_reason(here: World, tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    lab.mkdir()
    create(lab / "good.qcow2")
    (lab / "raw.img").write_bytes(bytes(512))
    (lab / "empty.qcow2").touch()
    (lab / "link.qcow2").symlink_to("nowhere")
    os.mkfifo(lab / "pipe.qcow2")
    here.session.open_paths([lab])
    here.settle()
    told = {one.path.name: str(one.error) for one in here.session.library.entries.children(lab) if one.error}
    assert told == {
        "empty.qcow2": f"{lab}/empty.qcow2: the file is empty",
        "link.qcow2": f"{lab}/link.qcow2: there is no such file",
        "pipe.qcow2": f"{lab}/pipe.qcow2: this is a pipe, not an image file",
    }
    assert here.session.library.entries.counts(lab) == (1, len(told))


def test_a_file_that_is_closed_and_opened_again_is_read_again(here: World, tmp_path: Path) -> None:
    path = create(tmp_path / "a.qcow2")
    here.session.open_paths([path])
    here.settle()
    here.session.close_all()
    take(path, "one")
    here.session.open_paths([path])
    here.settle()
    assert tags(here, path) == ["one"]


def test_what_is_held_is_read_when_it_is_let_go(qtbot: QtBot, here: World, tmp_path: Path) -> None:
    path, other, link = create(tmp_path / "a.qcow2"), create(tmp_path / "b.qcow2"), tmp_path / "link.qcow2"
    link.symlink_to(path)
    here.session.open_paths([path, other, link])
    here.settle()
    here.session.library.hold([path])
    take(path, "one")
    take(other, "one")  # what is noticed of the first is noticed before this
    qtbot.waitUntil(lambda: tags(here, other) == ["one"], timeout=WAIT)
    here.settle()
    assert (tags(here, path), tags(here, link)) == ([], [])
    here.session.library.hold([])
    qtbot.waitUntil(lambda: tags(here, path) == tags(here, link) == ["one"], timeout=WAIT)
