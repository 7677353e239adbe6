"""Searching the library in the window: as one types, over snapshots, notes and machine types, while things change."""

from __future__ import annotations

import re
import subprocess
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt

from tests.image.tools import KIB, MIB, create, take
from tests.views.world import World, world
from vmsnap_gui.entries import EntryState
from vmsnap_gui.models.library import ASIDE_ROLE, DETAIL_ROLE
from vmsnap_gui.note_store import Note
from vmsnap_gui.views.library_view import LibraryView

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

WAIT = 20_000
pytestmark = [pytest.mark.gui, pytest.mark.qemu]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image in which a real QEMU saved a state, of its machine without anything."""
    path = create(tmp_path_factory.mktemp("saved") / "none.qcow2", MIB, f"cluster_size={4 * KIB}")
    machine = ["qemu-system-x86_64", "-M", "none", "-nodefaults", "-display", "none", "-S", "-monitor", "stdio"]
    commands = "savevm booted\nquit\n"
    drive = ["-drive", f"if=none,format=qcow2,file={path}"]
    subprocess.run([*machine, *drive], input=commands, text=True, check=True, capture_output=True, timeout=60)
    return path


@pytest.fixture
def here(qtbot: QtBot, tmp_path: Path, saved: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    for name in ("CACHE", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))
    lab = tmp_path / "lab"
    lab.mkdir()
    take(create(lab / "web.qcow2"), "clean", "infected")
    (lab / "none.qcow2").write_bytes(saved.read_bytes())
    (lab / "bad.qcow2").write_bytes(b"QFI\xfb" + bytes(200))
    with world(qtbot, tmp_path / "config") as made:
        made.session.open_paths([lab])
        qtbot.waitUntil(lambda: sum(made.session.library.entries.counts(lab)) == 3, timeout=WAIT)
        qtbot.waitUntil(
            lambda: all(one.state is not EntryState.READING for one in made.session.library.entries), timeout=WAIT
        )
        yield made


@pytest.fixture
def view(qtbot: QtBot, here: World) -> LibraryView:
    view = LibraryView(here.session)
    qtbot.addWidget(view)
    view.resize(300, 400)
    view.show()
    qtbot.waitExposed(view)
    return view


def hits(view: LibraryView) -> list[str]:
    model = view.finder.hits
    return [model.index(row, 0).data() for row in range(model.rowCount())]


def test_it_finds_as_one_types_and_selects_what_is_chosen(qtbot: QtBot, here: World, view: LibraryView) -> None:
    view.finder.box.setFocus()
    qtbot.keyClicks(view.finder.box, "infec")
    qtbot.waitUntil(lambda: hits(view) == ["infected"], timeout=WAIT)
    assert view.finder.list.isVisible()
    assert not view.tree.isVisible()
    assert view.finder.count.text() == "1 snapshot in 1 image"
    hit = view.finder.hits.index(0, 0)
    assert hit.data(DETAIL_ROLE) == "lab/web.qcow2"
    told = hit.data(Qt.ItemDataRole.AccessibleTextRole)
    assert told.startswith(f"infected, lab/web.qcow2, {hit.data(ASIDE_ROLE)} ")
    assert re.fullmatch(r"20\d\d-\d\d-\d\d", hit.data(ASIDE_ROLE))
    view.activateWindow()
    view.finder.list.setFocus()
    qtbot.waitUntil(view.finder.list.hasFocus)
    qtbot.keyClick(view.finder.list, Qt.Key.Key_Home)
    qtbot.keyClick(view.finder.list, Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: here.session.selected_snapshot() is not None, timeout=WAIT)
    chosen = here.session.selected_snapshot()
    assert chosen is not None
    assert (here.session.image is not None and here.session.image.name, chosen.tag) == ("web.qcow2", "infected")
    qtbot.keyClick(view.finder.box, Qt.Key.Key_Escape)
    assert view.tree.isVisible()
    assert hits(view) == []


def test_the_end_of_a_long_list_is_there_at_once(qtbot: QtBot, here: World, view: LibraryView, tmp_path: Path) -> None:
    many = 1500
    more = tmp_path / "more"
    more.mkdir()
    state = (tmp_path / "lab" / "none.qcow2").read_bytes()
    for number in range(many):
        (more / f"copy-{number:04}.qcow2").write_bytes(state)
    here.session.open_paths([more])
    view.finder.box.set_filter("copy-")
    qtbot.waitUntil(lambda: view.finder.hits.rowCount() == many, timeout=WAIT)
    view.activateWindow()
    view.finder.list.setFocus()
    qtbot.waitUntil(view.finder.list.hasFocus)
    ended: list[int] = []

    def end() -> None:
        for _ in range(2):  # without a current row, the first key goes to the first
            qtbot.keyClick(view.finder.list, Qt.Key.Key_End)
        ended.append(view.finder.list.currentIndex().row())

    here.session.search.changed.connect(end)
    view.finder.box.set_filter("copy")
    qtbot.waitUntil(lambda: bool(ended), timeout=WAIT)
    assert ended[0] == many - 1
    here.session.search.changed.disconnect(end)


def test_a_wrong_search_says_why_and_changes_nothing(qtbot: QtBot, view: LibraryView) -> None:
    view.finder.box.set_filter("clean")
    qtbot.waitUntil(lambda: hits(view) == ["clean"], timeout=WAIT)
    view.finder.box.set_filter("size > much")
    assert "'much' is no number" in view.finder.box.reason()
    assert hits(view) == ["clean"]
    view.finder.box.set_filter("nothing of the kind")
    qtbot.waitUntil(lambda: hits(view) == [], timeout=WAIT)
    assert view.finder.count.text() == "Nothing was found"
    assert view.finder.box.reason() == ""


def test_machine_types_are_read_when_somebody_searches_and_then_kept(
    qtbot: QtBot, tmp_path: Path, here: World, view: LibraryView
) -> None:
    lab = tmp_path / "lab"
    entry = here.session.library.entries.get(lab / "none.qcow2")
    assert entry is not None
    assert entry.info is not None
    assert entry.info.machines is None
    view.finder.box.set_filter("machine == none")
    qtbot.waitUntil(lambda: hits(view) == ["booted"], timeout=WAIT)
    kept = {one.path.name: one.info.machines for one in here.session.library.cache.below(lab, 10) if one.info}
    assert kept == {"none.qcow2": ("none",), "web.qcow2": ("", "")}


def test_what_comes_and_what_is_written_later_is_found_too(
    qtbot: QtBot, tmp_path: Path, here: World, view: LibraryView
) -> None:
    view.finder.box.set_filter("update")
    qtbot.waitUntil(lambda: view.finder.count.text() == "Nothing was found", timeout=WAIT)
    entry = here.session.library.entries.get(tmp_path / "lab" / "web.qcow2")
    assert entry is not None
    assert entry.info is not None
    here.session.notes.put(entry.info, entry.info.snapshots[0], Note("", "before the Update"))
    qtbot.waitUntil(lambda: hits(view) == ["clean"], timeout=WAIT)
    take(create(tmp_path / "lab" / "new.qcow2"), "after-update")
    qtbot.waitUntil(lambda: sorted(hits(view)) == ["after-update", "clean"], timeout=WAIT)
    here.session.edits.stack.undo()
    qtbot.waitUntil(lambda: hits(view) == ["after-update"], timeout=WAIT)


def test_images_of_one_name_are_told_apart(qtbot: QtBot, here: World, view: LibraryView, tmp_path: Path) -> None:
    """Those of machines, too, whose lines in the library stand below the machine."""
    paths = [tmp_path / way / "disk.qcow2" for way in ("vms/web", "vms/mail", "old/web")]
    for path in paths:
        path.parent.mkdir(parents=True)
        take(create(path), "before")
    here.session.library.attach(paths[:2])
    here.session.open_paths(paths[2:])
    view.finder.box.set_filter("before")
    qtbot.waitUntil(lambda: hits(view) == ["before"] * 3, timeout=WAIT)
    names = {view.finder.hits.index(row, 0).data(DETAIL_ROLE) for row in range(3)}
    assert names == {"vms/web/disk.qcow2", "mail/disk.qcow2", "old/web/disk.qcow2"}


def test_what_cannot_be_read_is_found_by_its_reason(qtbot: QtBot, here: World, view: LibraryView) -> None:
    view.finder.box.set_filter('"not supported"')
    qtbot.waitUntil(lambda: hits(view) == ["lab/bad.qcow2"], timeout=WAIT)
    assert "version 0" in view.finder.hits.index(0, 0).data(DETAIL_ROLE)
