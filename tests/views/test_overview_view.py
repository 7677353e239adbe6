"""The Overview: what it shows before, while and after a state is read, and how it leads to the devices."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QEvent, QPoint, Qt
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QApplication, QToolTip

from tests.image.tools import MIB, create, take
from tests.models.states import NO_DESCRIPTION, Q35
from tests.samples import sample
from tests.views.world import World, world
from vmsnap_gui.models.facts import Part
from vmsnap_gui.views.overview import Overview
from vmsnap_gui.views.share_bar import ShareBar

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui


@pytest.fixture
def here(qtbot: QtBot, tmp_path: Path) -> Iterator[World]:
    with world(qtbot, tmp_path / "config") as made:
        yield made


@pytest.fixture
def view(qtbot: QtBot, here: World) -> Overview:
    view = Overview(here.session)
    qtbot.addWidget(view)
    view.resize(1000, 600)
    view.show()
    qtbot.waitExposed(view)
    return view


def test_a_state(here: World, view: Overview) -> None:
    assert view.page.message()[0] == "No image is selected"
    here.open(sample(Q35), 1)
    text = view.facts.text()
    assert "Tag: snap1" in text
    assert "Machine type: pc-q35-" in text
    assert "Format: qcow2 version 3" in text
    assert view.chart.isVisible()
    assert not view.problem_list.isVisible()
    assert "Memory" in view.bar.accessibleDescription()


def test_a_device_is_shown_on_request(qtbot: QtBot, here: World, view: Overview) -> None:
    here.open(sample(Q35), 0)
    wanted: list[tuple[int, str]] = []
    here.session.field_wanted.connect(lambda section, path: wanted.append((section, path)))
    view.chart.setFocus()
    view.chart.setCurrentIndex(view.sizes.index(2, 0))
    qtbot.keyClick(view.chart, Qt.Key.Key_Return)
    assert wanted == [(view.sizes.section(view.sizes.index(2, 0)), "")]


def test_problems_are_listed_and_lead_to_their_place(qtbot: QtBot, here: World, view: Overview) -> None:
    here.open(sample(NO_DESCRIPTION), 0)
    qtbot.waitUntil(view.problem_list.isVisible)
    wanted: list[int] = []
    here.session.field_wanted.connect(lambda section, _path: wanted.append(section))
    placed = [row for row in range(view.problems.rowCount()) if _line(view, row).section is not None]
    assert placed
    view.problem_list.setFocus()
    view.problem_list.setCurrentIndex(view.problems.index(placed[0], 0))
    qtbot.keyClick(view.problem_list, Qt.Key.Key_Return)
    assert wanted == [_line(view, placed[0]).section]


def test_a_disk_without_a_machine(qtbot: QtBot, here: World, view: Overview, tmp_path: Path) -> None:
    path = create(tmp_path / "disk.qcow2", MIB)
    here.session.open_paths([path])
    here.settle()
    assert view.page.message()[0] == "This image holds no saved state"
    take(path, "one")
    here.session.reload(path)
    here.settle()
    qtbot.waitUntil(lambda: "disk only" in view.page.message()[0])
    assert "Tag: one" in view.facts.text()


def test_a_state_that_cannot_be_read(qtbot: QtBot, here: World, view: Overview, tmp_path: Path) -> None:
    path = tmp_path / "bad.vmstate"
    shutil.copyfile(sample("q35-default@10.0/s-plain.vmstate"), path)
    with path.open("r+b") as file:
        file.seek(4)
        file.write((9).to_bytes(4, "big"))
    here.session.open_paths([path])
    qtbot.waitUntil(lambda: view.page.message()[0] == "This saved state cannot be read", timeout=20_000)
    assert here.session.failure is not None
    _, text = view.page.message()
    assert "version 9" in text
    assert "not changed" in text


def test_small_parts_stay_visible_and_tell_their_size(qtbot: QtBot) -> None:
    bar = ShareBar("bar")
    qtbot.addWidget(bar)
    bar.resize(400, bar.sizeHint().height())
    bar.show_parts([Part("Memory", 1 << 40, "memory: much"), Part("Devices", 9, "devices: 9 bytes")])
    bar.show()
    pieces = bar.segments()
    assert [piece.width() >= 3 for piece in pieces] == [True, True]
    assert pieces[-1].right() < 400
    place = pieces[1].center()
    QApplication.sendEvent(bar, QHelpEvent(QEvent.Type.ToolTip, place, bar.mapToGlobal(place)))
    assert QToolTip.text() == "devices: 9 bytes"
    QApplication.sendEvent(bar, QHelpEvent(QEvent.Type.ToolTip, QPoint(1, 1), bar.mapToGlobal(QPoint(1, 1))))
    assert QToolTip.text() == "memory: much"
    QToolTip.hideText()
    bar.show_parts([])
    assert bar.segments() == []
    bar.repaint()


def _line(view: Overview, row: int) -> object:
    line = view.problems.line(view.problems.index(row, 0))
    assert line is not None
    return line
