"""A folder of images in the library: shown at once from what a former run kept, verified afterwards, and watched."""

from __future__ import annotations

import shutil
import threading
from typing import TYPE_CHECKING

import pytest

from tests.image.tools import create, take
from tests.views.world import World, world
from vmsnap_gui import scanning, watching
from vmsnap_gui.entries import EntryState
from vmsnap_gui.reading import look_at
from vmsnap_gui.views.library_view import LibraryView

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from vmsnap_gui.reading import Found

pytestmark = pytest.mark.gui
WAIT = 20_000


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with folders of images, and a cache of its own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "lab"
    for name in ("b", "a"):
        (folder / name).mkdir(parents=True)
        take(create(folder / name / "one.qcow2"), f"of-{name}")
        shutil.copyfile(folder / name / "one.qcow2", folder / name / "two.qcow2")
    return folder


@pytest.fixture
def after_a_run(qtbot: QtBot, tmp_path: Path, lab: Path) -> Path:
    """The folder, after a window had it open."""
    with world(qtbot, tmp_path / "config") as first:
        first.session.open_paths([lab])
        qtbot.waitUntil(lambda: _state(first, lab) is EntryState.READY, timeout=WAIT)
    return lab


class Gate:
    """Lets files be looked at only once it is opened; notes how each was looked at."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.known: dict[str, bool] = {}

    def look_at(self, path: Path, known: Found | None = None) -> Found:
        assert self.go.wait(20)
        self.known[f"{path.parent.name}/{path.name}"] = known is not None
        return look_at(path, known)


@pytest.fixture
def gate(monkeypatch: pytest.MonkeyPatch) -> Iterator[Gate]:
    gate = Gate()
    monkeypatch.setattr(scanning, "look_at", gate.look_at)
    yield gate
    gate.go.set()


def _state(here: World, path: Path) -> EntryState | None:
    entry = here.session.library.entries.get(path)
    return entry.state if entry is not None else None


def tags(here: World, folder: Path) -> dict[str, list[str | None]]:
    return {
        str(one.path.relative_to(folder)): [snapshot.tag for snapshot in one.info.snapshots] if one.info else []
        for one in here.session.library.entries.children(folder)
    }


def test_a_second_start_shows_what_is_known_before_it_reads(
    qtbot: QtBot, tmp_path: Path, after_a_run: Path, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = after_a_run
    monkeypatch.setattr(scanning, "AT_ONCE", 3)
    take(lab / "a" / "two.qcow2", "later")
    (lab / "b" / "two.qcow2").unlink()
    create(lab / "a" / "three.qcow2")
    with world(qtbot, tmp_path / "config") as here:
        view = LibraryView(here.session)
        qtbot.addWidget(view)
        here.session.restore()
        qtbot.waitUntil(lambda: len(tags(here, lab)) == 4, timeout=WAIT)
        before = {"a/one.qcow2": ["of-a"], "a/two.qcow2": ["of-a"], "b/one.qcow2": ["of-b"], "b/two.qcow2": ["of-b"]}
        assert tags(here, lab) == before
        assert {_state(here, one.path) for one in here.session.library.entries.children(lab)} == {EntryState.READING}
        folder = view.model.index_of(lab)
        assert view.tree.isExpanded(folder)
        assert [view.model.index(row, 0, folder).data() for row in range(4)] == sorted(before)
        gate.go.set()
        qtbot.waitUntil(lambda: _state(here, lab) is EntryState.READY, timeout=WAIT)
        after = {
            "a/one.qcow2": ["of-a"],
            "a/two.qcow2": ["of-a", "later"],
            "b/one.qcow2": ["of-b"],
            "a/three.qcow2": [],
        }
        assert tags(here, lab) == after
        assert {_state(here, one.path) for one in here.session.library.entries.children(lab)} == {EntryState.READY}
        assert [view.model.index(row, 0, folder).data() for row in range(4)] == sorted(after)
        assert gate.known == {"a/one.qcow2": True, "a/two.qcow2": True, "b/one.qcow2": True, "a/three.qcow2": False}


def test_images_that_come_into_a_folder_below_are_noticed(qtbot: QtBot, tmp_path: Path, after_a_run: Path) -> None:
    lab = after_a_run
    with world(qtbot, tmp_path / "config") as here:
        here.session.open_paths([lab])
        qtbot.waitUntil(lambda: _state(here, lab) is EntryState.READY, timeout=WAIT)
        watched = set(here.session.library._watcher._files.directories())
        assert watched == {str(lab), str(lab / "a"), str(lab / "b")}  # one for each folder, none for a file
        shutil.copyfile(lab / "a" / "one.qcow2", lab / "b" / "three.qcow2")
        qtbot.waitUntil(lambda: tags(here, lab).get("b/three.qcow2") == ["of-a"], timeout=WAIT)


def test_of_many_images_some_are_asked_at_a_time(
    qtbot: QtBot, tmp_path: Path, after_a_run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = after_a_run
    monkeypatch.setattr(watching, "POLLED", 3)
    with world(qtbot, tmp_path / "config") as here:
        here.session.open_paths([lab])
        qtbot.waitUntil(lambda: _state(here, lab) is EntryState.READY, timeout=WAIT)
        watcher = here.session.library._watcher
        turns = [[entry.path for entry in watcher._due()] for _ in range(3)]
        assert [len(turn) for turn in turns] == [4, 2, 4]  # the folder each time, and its four images in turn
        assert {path for turn in turns[:2] for path in turn} == {entry.path for entry in here.session.library.entries}
        take(lab / "b" / "one.qcow2", "in place")  # no folder changes with that
        qtbot.waitUntil(lambda: tags(here, lab)["b/one.qcow2"] == ["of-b", "in place"], timeout=WAIT)


def test_unreadable_files_are_listed_with_their_reason_at_once(
    qtbot: QtBot, tmp_path: Path, lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad = lab / "a" / "bad.qcow2"
    bad.write_bytes(b"QFI\xfb" + bytes(200))
    for _ in range(2):
        with world(qtbot, tmp_path / "config") as here:
            here.session.open_paths([lab])
            qtbot.waitUntil(lambda: _state(here, bad) is EntryState.FAILED, timeout=WAIT)
            entry = here.session.library.entries.get(bad)
            assert entry is not None
            assert "version 0 is not supported" in str(entry.error)
            qtbot.waitUntil(lambda: _state(here, lab) is EntryState.READY, timeout=WAIT)
        monkeypatch.setattr(scanning, "AT_ONCE", 1)
