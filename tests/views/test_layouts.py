"""Layouts for a state that does not describe itself, in the window: from a QEMU binary, a dump, an image."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtWidgets import QFileDialog, QMessageBox

from tests.end2end.test_gui_walk import running
from tests.samples import sample
from tests.views.test_acting import choose

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.qtbot import QtBot

    from vmsnap_gui.app import Parts
    from vmsnap_gui.thumbnails import Thumbnail

WAIT = 60_000
NODESC = "pc-nodesc@10.0/disk0.qcow2"
QEMU = Path("/usr/bin/qemu-system-x86_64")
pytestmark = [pytest.mark.gui, pytest.mark.qemu]


@pytest.fixture
def parts(qtbot: QtBot, tmp_path: Path) -> Iterator[Parts]:
    with running(qtbot, tmp_path / "config") as parts:
        parts.window.activateWindow()
        choose(qtbot, parts, sample(NODESC), 1)
        qtbot.waitUntil(lambda: parts.session.loaded is not None, timeout=WAIT)
        assert described(parts) == set()
        yield parts


def described(parts: Parts) -> set[str]:
    state = parts.session.loaded
    if state is None:
        return set()
    return {section.name for section in state.vmstate.sections if state.vmstate.is_described(section)}


def use(qtbot: QtBot, parts: Parts, path: Path) -> None:
    """Choose a file in the menu's dialog."""
    parts.window.verbs.layouts.trigger()
    dialog = parts.window.findChild(QFileDialog, "open_dialog")
    assert dialog is not None
    with qtbot.waitSignal(dialog.finished):
        dialog.filesSelected.emit([str(path)])
        dialog.reject()


def test_a_qemu_binary_lends_its_layouts(qtbot: QtBot, parts: Parts) -> None:
    use(qtbot, parts, QEMU)
    qtbot.waitUntil(lambda: "pckbd" in described(parts), timeout=WAIT)
    assert "cpu" not in described(parts)  # a dump has no processors
    use(qtbot, parts, sample("q35-default@10.0/disk0.qcow2"))
    qtbot.waitUntil(lambda: {"cpu", "pckbd"} <= described(parts), timeout=WAIT)
    parts.session.select_snapshot(parts.session.image, 2)
    qtbot.waitUntil(lambda: {"cpu", "pckbd"} <= described(parts), timeout=WAIT)  # kept for the session


def test_what_has_no_layouts_is_told(qtbot: QtBot, parts: Parts, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_text("{}")
    use(qtbot, parts, path)
    qtbot.waitUntil(lambda: parts.window.findChild(QMessageBox, "report") is not None, timeout=WAIT)
    report = parts.window.findChild(QMessageBox, "report")
    assert report is not None
    assert "no dump of QEMU's -dump-vmstate" in report.informativeText()
    report.reject()
    assert described(parts) == set()


def test_the_pictures_follow_the_layouts(qtbot: QtBot, parts: Parts) -> None:
    thumbnails, index = parts.window.thumbnails, parts.session.snapshot
    assert index is not None

    def picture() -> Thumbnail:
        qtbot.waitUntil(lambda: thumbnails.get(index) is not None, timeout=WAIT)
        found = thumbnails.get(index)
        assert found is not None
        return found

    before = picture()
    assert before.image is None
    use(qtbot, parts, sample("q35-default@10.0/disk0.qcow2"))
    qtbot.waitUntil(lambda: {"cpu", "pckbd"} <= described(parts), timeout=WAIT)
    assert picture().image is not None
