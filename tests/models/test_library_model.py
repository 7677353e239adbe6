"""The library as a tree: it follows what is opened, found, changed and closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt

from tests.control.test_locks import exported
from tests.image.tools import MIB, create, take
from tests.views.world import World, world
from vmsnap_gui.models.library import DETAIL_ROLE, LOOK_ROLE, PATH_ROLE, LibraryModel, Look

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.modeltest import ModelTester
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui


@pytest.fixture
def here(qtbot: QtBot, tmp_path: Path) -> Iterator[World]:
    with world(qtbot, tmp_path / "config") as made:
        yield made


@pytest.fixture
def model(here: World, qtmodeltester: ModelTester) -> LibraryModel:
    model = LibraryModel(here.session.library, here.session.machines, here.session)
    qtmodeltester.check(model, force_py=True)
    return model


def detail(model: LibraryModel, path: Path) -> str:
    return str(model.index_of(path).data(DETAIL_ROLE))


def test_an_image(here: World, model: LibraryModel, tmp_path: Path) -> None:
    path = create(tmp_path / "a.qcow2")
    take(path, "one")
    here.session.open_paths([path])
    assert detail(model, path) == "reading…"
    here.settle()
    index = model.index_of(path)
    assert index.data() == "a.qcow2"
    assert index.data(PATH_ROLE) == path
    assert index.data(LOOK_ROLE) is Look.IMAGE
    assert detail(model, path).startswith("1 snapshot · ")
    assert str(path) in index.data(Qt.ItemDataRole.ToolTipRole)
    assert index.data(Qt.ItemDataRole.AccessibleTextRole).startswith("a.qcow2, 1 snapshot")
    assert model.path_of(index) == path


def test_files_of_one_name_are_told_apart(here: World, model: LibraryModel, tmp_path: Path) -> None:
    paths = [tmp_path / way / "disk.qcow2" for way in ("lab/web", "lab/mail", "old/web", ".")]
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        create(path)
    here.session.open_paths(paths[:1])
    here.settle()
    assert model.index_of(paths[0]).data() == "disk.qcow2"
    here.session.open_paths(paths[1:])
    here.settle()
    names = ["lab/web/disk.qcow2", "mail/disk.qcow2", "old/web/disk.qcow2", f"{tmp_path.name}/disk.qcow2"]
    assert [model.index_of(path).data() for path in paths] == names
    here.session.close_image(paths[2])
    assert model.index_of(paths[0]).data() == "web/disk.qcow2"
    for path in (paths[1], paths[3]):
        here.session.close_image(path)
    assert model.index_of(paths[0]).data() == "disk.qcow2"


def test_all_that_was_looked_at_first_is_told_as_changed(here: World, model: LibraryModel, tmp_path: Path) -> None:
    first, second = (tmp_path / name / "disk.qcow2" for name in "ab")
    for path in (first, second):
        path.parent.mkdir()
        create(path)
    here.session.open_paths([first])
    here.settle()
    told: list[str] = []
    model.dataChanged.connect(lambda start, _end: told.append(start.data()))
    here.session.open_paths([second])
    assert told[0] == "a/disk.qcow2"


def test_a_folder_sorts_what_it_holds(here: World, model: LibraryModel, tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    (lab / "old").mkdir(parents=True)
    for name in ("b.qcow2", "a.qcow2", "old/c.qcow2"):
        create(lab / name)
    (lab / "broken.qcow2").write_bytes(b"QFI\xfb\0\0\0\3" + bytes(32))
    here.session.open_paths([lab])
    here.settle()
    folder = model.index_of(lab)
    names = [model.index(row, 0, folder).data() for row in range(model.rowCount(folder))]
    assert names == ["a.qcow2", "b.qcow2", "broken.qcow2", "old/c.qcow2"]
    assert detail(model, lab) == "3 images · 1 unreadable"
    assert folder.data(LOOK_ROLE) is Look.FOLDER
    broken = model.index_of(lab / "broken.qcow2")
    assert broken.data(LOOK_ROLE) is Look.FAILED
    assert broken.data(DETAIL_ROLE) in broken.data(Qt.ItemDataRole.ToolTipRole)
    assert model.parent(broken) == folder
    told: list[str] = []
    model.dataChanged.connect(lambda index, _end: told.append(index.data(DETAIL_ROLE)))
    (lab / "broken.qcow2").write_bytes((lab / "a.qcow2").read_bytes())
    here.session.reload(lab / "broken.qcow2")
    here.settle()
    assert "4 images" in told
    assert detail(model, lab) == "4 images"
    here.session.close_image(lab / "a.qcow2")
    assert model.rowCount(folder) == 3
    here.session.close_image(lab)
    assert model.rowCount() == 0
    assert not model.index_of(lab).isValid()


def test_an_image_in_use(here: World, model: LibraryModel, tmp_path: Path) -> None:
    path = create(tmp_path / "busy.qcow2", MIB)
    with exported(path):
        here.session.open_paths([path])
        here.settle()
        assert model.index_of(path).data(LOOK_ROLE) is Look.IN_USE
        assert detail(model, path).startswith("in use · ")
        assert "changing" in model.index_of(path).data(Qt.ItemDataRole.ToolTipRole)


def test_a_model_made_later_shows_what_is_there(here: World, tmp_path: Path, qtmodeltester: ModelTester) -> None:
    create(tmp_path / "a.qcow2")
    here.session.open_paths([tmp_path])
    here.settle()
    model = LibraryModel(here.session.library, here.session.machines, here.session)
    qtmodeltester.check(model, force_py=True)
    assert model.rowCount(model.index_of(tmp_path)) == 1
