"""The session over real images: what is selected and loaded, and what happens when files change or vanish."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.control.test_locks import exported
from tests.image.tools import MIB, create, run, take
from tests.samples import sample
from tests.views.world import World, world
from vmsnap_gui.cli import main
from vmsnap_gui.entries import EntryState
from vmsnap_gui.reading import DiskOnly, LoadedState
from vmsnap_gui.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

    from vmsnap_gui.session import Session

pytestmark = pytest.mark.gui

WAIT = 20_000
Q35 = "q35-default@10.0/disk0.qcow2"


@pytest.fixture
def here(qtbot: QtBot, tmp_path: Path) -> Iterator[World]:
    with world(qtbot, tmp_path / "config") as made:
        yield made


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "web.qcow2"
    shutil.copyfile(sample(Q35), path)
    return path


def ready(qtbot: QtBot, session: Session, path: Path) -> None:
    done = (EntryState.READY, EntryState.FAILED)
    qtbot.waitUntil(lambda: state_of(session, path) in done, timeout=WAIT)


def state_of(session: Session, path: Path) -> EntryState | None:
    entry = session.library.entries.get(path)
    return entry.state if entry is not None else None


def test_opening_loads_the_newest_state(here: World, image: Path) -> None:
    heard: list[str] = []
    session = here.session
    session.state_loading.connect(lambda key: heard.append(f"loading {key.tag}"))
    session.state_loaded.connect(lambda state: heard.append(f"loaded {state.key.tag}"))
    here.open(image)
    assert heard == ["loading snap2", "loaded snap2"]
    state = session.loaded
    assert isinstance(state, LoadedState)
    assert state.key.path == image
    assert len(state.trees) == len(state.labels) == len(state.vmstate.sections)
    assert state.devices > 30
    assert state.fields > 400
    assert not state.torn
    selected = session.selected_snapshot()
    assert selected is not None
    assert (selected.tag, selected.vm_state_size) == ("snap2", state.snapshot.vm_state_size)


def test_stepping_through_snapshots_loads_only_the_last(qtbot: QtBot, here: World, image: Path) -> None:
    here.open(image)
    loaded: list[str] = []
    here.session.state_loaded.connect(lambda state: loaded.append(state.key.tag))
    for index in (0, 1, 0, 1):
        here.session.select_snapshot(image, index)
        assert here.session.loaded is None  # never the wrong one
    qtbot.waitUntil(lambda: here.session.loaded is not None, timeout=WAIT)
    here.settle()
    assert loaded == ["snap1"]


def test_memory_is_indexed_once(qtbot: QtBot, here: World, image: Path) -> None:
    heard: list[object] = []
    here.session.ram_indexed.connect(lambda _key, index: heard.append(index))
    here.session.index_ram()  # nothing is loaded: nothing happens
    here.open(image)
    here.session.index_ram()
    here.session.index_ram()
    qtbot.waitUntil(lambda: here.session.ram is not None, timeout=WAIT)
    here.session.index_ram()
    here.settle()
    assert heard == [here.session.ram]
    here.session.select_snapshot(image, 0)
    assert here.session.ram is None


def test_a_snapshot_of_the_disk_alone_is_no_failure_of_reading(qtbot: QtBot, here: World, tmp_path: Path) -> None:
    path = create(tmp_path / "disk.qcow2")
    take(path, "first")
    failed: list[str] = []
    here.session.state_failed.connect(lambda _key, words: failed.append(words))
    here.session.open_paths([path])
    qtbot.waitUntil(lambda: bool(failed), timeout=WAIT)
    assert isinstance(here.session.failure, DiskOnly)
    assert "disk only" in failed[0]
    assert not here.jobs.jobs


def test_a_damaged_state_is_told_and_others_still_load(qtbot: QtBot, here: World, tmp_path: Path) -> None:
    stream = bytearray(sample("q35-default@10.0/s-plain.vmstate").read_bytes())
    bad, good = tmp_path / "bad.vmstate", tmp_path / "good.vmstate"
    good.write_bytes(stream)
    stream[4:8] = (2).to_bytes(4, "big")  # a version that QEMU gave up
    bad.write_bytes(stream)
    failed: list[str] = []
    here.session.state_failed.connect(lambda _key, words: failed.append(words))
    here.session.open_paths([bad])
    qtbot.waitUntil(lambda: bool(failed), timeout=WAIT)
    assert "version 2" in failed[0]
    here.open(good)
    assert here.session.loaded is not None
    assert here.session.failure is None


def test_a_folder_fills_and_its_unreadable_files_say_why(qtbot: QtBot, here: World, tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    (lab / "deep").mkdir(parents=True)
    for name in ("a.qcow2", "deep/b.qcow2"):
        take(create(lab / name), "one")
    broken = lab / "c.qcow2"
    broken.write_bytes((lab / "a.qcow2").read_bytes()[:40])
    here.session.open_paths([lab])
    ready(qtbot, here.session, lab)
    entries = {entry.path: entry for entry in here.session.library.entries}
    assert set(entries) == {lab, lab / "a.qcow2", lab / "deep" / "b.qcow2", broken}
    assert entries[lab].is_folder
    assert {entry.parent for path, entry in entries.items() if path != lab} == {lab}
    assert entries[broken].state is EntryState.FAILED
    assert "header" in str(entries[broken].error)
    (lab / "a.qcow2").unlink()
    create(lab / "new.qcow2")
    qtbot.waitUntil(lambda: lab / "new.qcow2" in here.session.library.entries, timeout=WAIT)
    ready(qtbot, here.session, lab)
    assert lab / "a.qcow2" not in here.session.library.entries


def test_the_selected_image_is_opened_once_in_a_folder_and_alone(qtbot: QtBot, here: World, tmp_path: Path) -> None:
    (tmp_path / "lab").mkdir()
    path = create(tmp_path / "lab" / "a.qcow2")
    here.session.open_paths([path])
    ready(qtbot, here.session, path)
    here.session.open_paths([path.parent])
    ready(qtbot, here.session, path.parent)
    assert [entry.path for entry in here.session.library.entries] == [path, path.parent]


def test_a_changed_image_keeps_what_still_holds(qtbot: QtBot, here: World, image: Path) -> None:
    here.open(image, 0)
    cleared: list[bool] = []
    here.session.state_cleared.connect(lambda: cleared.append(True))
    run("qemu-io", "-f", "qcow2", "-c", "write -P 5 0 64k", image)  # the disk, not the snapshots
    before = here.session.library.entries.get(image)
    qtbot.waitUntil(lambda: here.session.library.entries.get(image) is not before, timeout=WAIT)
    ready(qtbot, here.session, image)
    assert here.session.loaded is not None
    assert not cleared
    run("qemu-img", "snapshot", "-d", "snap0", image)
    qtbot.waitUntil(lambda: bool(cleared), timeout=WAIT)
    qtbot.waitUntil(lambda: here.session.loaded is not None, timeout=WAIT)
    assert here.session.loaded.key.tag == "snap2"  # what was selected is gone: the newest


def test_a_vanished_image_is_told_and_comes_back(qtbot: QtBot, here: World, image: Path, tmp_path: Path) -> None:
    here.open(image, 1)
    aside = tmp_path / "aside"
    image.rename(aside)
    qtbot.waitUntil(lambda: state_of(here.session, image) is EntryState.FAILED, timeout=WAIT)
    assert here.session.loaded is None
    aside.rename(image)
    here.session.library.check()
    qtbot.waitUntil(lambda: here.session.loaded is not None, timeout=WAIT)
    assert here.session.loaded.key.tag == "snap1"


def test_reload_reads_again_and_keeps_the_selection(qtbot: QtBot, here: World, image: Path) -> None:
    here.open(image, 1)
    first = here.session.loaded
    here.session.reload(image)
    qtbot.waitUntil(lambda: here.session.loaded not in (None, first), timeout=WAIT)
    assert here.session.loaded is not None
    assert here.session.loaded.key.tag == "snap1"
    assert first is not None
    assert here.session.loaded.key != first.key


def test_an_image_in_use_is_marked_while_it_is(qtbot: QtBot, here: World, tmp_path: Path) -> None:
    path = create(tmp_path / "busy.qcow2", MIB)
    take(path, "one")
    with exported(path):
        here.session.open_paths([path])
        ready(qtbot, here.session, path)
        entry = here.session.library.entries.get(path)
        assert entry is not None
        assert entry.in_use
    here.session.library.check()
    qtbot.waitUntil(lambda: not (here.session.library.entries.get(path) or entry).in_use, timeout=WAIT)


def test_a_stream_in_use_is_marked_as_the_command_line_does(
    qtbot: QtBot, here: World, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "busy.vmstate"
    shutil.copyfile(sample("q35-default@10.0/s-plain.vmstate"), path)
    here.session.open_paths([path])
    ready(qtbot, here.session, path)

    def marked() -> bool:
        entry = here.session.library.entries.get(path)
        return entry is not None and entry.in_use

    assert not marked()
    with exported(path, "-f", "raw"):
        here.session.library.check()
        qtbot.waitUntil(marked, timeout=WAIT)
        assert main(["list", "--json", str(path)]) == 0
        assert json.loads(capsys.readouterr().out)[0]["in_use"] is True
    here.session.library.check()
    qtbot.waitUntil(lambda: not marked(), timeout=WAIT)


def test_closing_selects_a_neighbour_and_nothing_stays_open(qtbot: QtBot, here: World, tmp_path: Path) -> None:
    paths = [create(tmp_path / f"{name}.qcow2", MIB) for name in "abc"]
    session = here.session
    session.open_paths(paths)
    for path in paths:
        ready(qtbot, session, path)
    session.select_image(paths[1])
    session.close_image(paths[1])
    assert session.image == paths[2]
    session.close_image(paths[2])
    assert session.image == paths[0]
    session.close_all()
    assert session.image is None
    assert not len(session.library.entries)


def test_no_file_stays_open_after_closing(here: World, image: Path) -> None:
    here.open(image)
    here.session.close_image(image)
    here.settle()
    assert image not in _open_files()


def test_what_was_open_comes_back(qtbot: QtBot, tmp_path: Path, image: Path) -> None:
    lab = tmp_path / "lab"
    lab.mkdir()
    inside = lab / "web.qcow2"
    image.rename(inside)
    other = create(tmp_path / "other.qcow2")
    gone = create(tmp_path / "gone.qcow2")
    with world(qtbot, tmp_path / "config") as first:
        first.session.open_paths([other, lab, gone])
        ready(qtbot, first.session, lab)
        first.session.select_snapshot(inside, 1)
        qtbot.waitUntil(lambda: first.session.loaded is not None, timeout=WAIT)
    gone.unlink()
    with world(qtbot, tmp_path / "config") as second:
        second.session.restore()
        qtbot.waitUntil(lambda: second.session.loaded is not None, timeout=WAIT)
        assert second.session.image == inside
        assert second.session.loaded is not None
        assert second.session.loaded.key.tag == "snap1"
        ready(qtbot, second.session, gone)
        assert second.session.library.entries.opened() == [other, lab, gone]
        missing = second.session.library.entries.get(gone)
        assert missing is not None
        assert missing.state is EntryState.FAILED


def test_what_is_not_there_is_shown_and_not_remembered(qtbot: QtBot, tmp_path: Path, image: Path) -> None:
    mistyped = tmp_path / "nope"
    with world(qtbot, tmp_path / "config") as first:
        first.session.open_paths([mistyped, image])
        ready(qtbot, first.session, mistyped)
        entry = first.session.library.entries.get(mistyped)
        assert entry is not None
        assert "no such file" in str(entry.error)
        ready(qtbot, first.session, image)
    settings = Settings(tmp_path / "config" / "settings.ini")
    assert (settings.opened, settings.recent) == ([image], [image])


def test_the_demo_opens(qtbot: QtBot, here: World) -> None:
    here.session.open_demo()
    qtbot.waitUntil(lambda: here.session.loaded is not None, timeout=WAIT)
    assert here.session.image is not None
    assert here.session.image.name == "demo.qcow2"


def test_a_broken_installation_says_that_there_is_no_demo(
    qtbot: QtBot, here: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    reports = []
    here.session.problem.connect(reports.append)
    here.session.open_demo()
    qtbot.waitUntil(lambda: bool(reports), timeout=WAIT)
    assert "demo" in reports[0].title.lower()
    assert str(blocked) in reports[0].text


def test_shutting_down_in_the_middle_of_everything(qtbot: QtBot, tmp_path: Path, image: Path) -> None:
    with world(qtbot, tmp_path / "config") as made:
        made.session.open_paths([tmp_path])
        made.session.open_paths([image])
        qtbot.waitUntil(lambda: made.session.loading is not None, timeout=WAIT)
    assert not made.jobs.unfinished()
    assert image not in _open_files()


def _open_files() -> list[Path]:
    return [fd.readlink() for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()]
