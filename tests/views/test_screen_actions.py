"""Saving screens in the window, by its menus: the files equal what the command line writes, nothing is replaced."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtWidgets import QApplication, QFileDialog, QMenu, QMessageBox

from tests.end2end.test_gui_walk import loaded, running
from tests.machines.guests import create_disk
from vmsnap_gui.cli import main
from vmsnap_gui.demo import demo_image

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from vmsnap_gui.app import Parts

pytestmark = pytest.mark.gui


@pytest.fixture
def parts(qtbot: QtBot, tmp_path: Path) -> Iterator[Parts]:
    with running(qtbot, tmp_path / "config") as parts:
        parts.session.open_demo()
        loaded(qtbot, parts)
        yield parts


@pytest.fixture(scope="module")
def by_command(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("screens")
    assert main(["screen", str(demo_image()), "--all", str(folder)]) == 0
    return sorted(folder.iterdir())


def _choose(qtbot: QtBot, parts: Parts, name: str, target: Path) -> None:
    dialog = parts.window.findChild(QFileDialog, name)
    assert dialog is not None
    dialog.filesSelected.emit([str(target)])
    dialog.close()
    qtbot.waitUntil(lambda: not parts.jobs.unfinished(), timeout=20_000)


def test_a_snapshot_s_screen_is_saved_from_its_menu(
    qtbot: QtBot, parts: Parts, by_command: list[Path], tmp_path: Path
) -> None:
    table = parts.window.snapshots
    table.select([1])
    table.table.customContextMenuRequested.emit(table.table.visualRect(table.model.index(1, 0)).center())
    (menu,) = [one for one in QApplication.topLevelWidgets() if isinstance(one, QMenu) and one.isVisible()]
    (action,) = [one for one in menu.actions() if one.objectName() == "save_screen"]
    menu.close()
    action.trigger()
    _choose(qtbot, parts, "picture_dialog", tmp_path / "one.png")
    assert (tmp_path / "one.png").read_bytes() == by_command[1].read_bytes()
    assert parts.window.statusBar().currentMessage() == f"Saved {tmp_path / 'one.png'}"


def test_the_screen_tab_saves_what_it_shows(qtbot: QtBot, parts: Parts, by_command: list[Path], tmp_path: Path) -> None:
    parts.window.inspector.show_tab("screen")
    view = parts.window.inspector.screen_tab
    qtbot.waitUntil(lambda: view.save.isEnabled(), timeout=20_000)
    view.save.trigger()
    _choose(qtbot, parts, "picture_dialog", tmp_path / "shown.png")
    assert (tmp_path / "shown.png").read_bytes() == by_command[3].read_bytes()


def test_all_screens_go_into_a_folder_that_was_not_there(
    qtbot: QtBot, parts: Parts, by_command: list[Path], tmp_path: Path
) -> None:
    for name in ("demo-screens", "demo-screens-2"):
        parts.window.saving.save_all.trigger()
        _choose(qtbot, parts, "target_dialog", tmp_path)
        found = sorted((tmp_path / name).iterdir())
        assert [one.name for one in found] == [one.name for one in by_command]
        assert [one.read_bytes() for one in found] == [one.read_bytes() for one in by_command]


def test_an_image_is_never_written_over(qtbot: QtBot, parts: Parts, tmp_path: Path) -> None:
    other = create_disk(tmp_path / "other.qcow2", b"", 1 << 20)
    before = other.read_bytes()
    parts.window.saving.save.trigger()
    _choose(qtbot, parts, "picture_dialog", other)
    assert other.read_bytes() == before
    report = parts.window.findChild(QMessageBox, "report")
    assert report is not None
    assert "never overwrites" in report.informativeText()
    report.close()
