"""The comparison's Screen tab with the demo: the slider to the pixel, regions, F8, sides that show nothing, a base."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage

from tests.end2end.test_gui_walk import loaded, running
from tests.samples import sample
from vmsnap_gui.demo import demo_image
from vmsnap_gui.guest.screen.result import Screen
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.sides import Side

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

    from vmsnap_gui.app import Parts
    from vmsnap_gui.views.screen_changes import ScreenChanges

pytestmark = pytest.mark.gui


@pytest.fixture
def parts(qtbot: QtBot, tmp_path: Path) -> Iterator[Parts]:
    with running(qtbot, tmp_path / "config") as parts:
        parts.session.open_demo()
        loaded(qtbot, parts)
        yield parts


def _sides() -> list[Side]:
    image = open_image(demo_image())
    image.close()
    return [Side(demo_image(), snapshot) for snapshot in image.snapshots]


def _compare(qtbot: QtBot, parts: Parts, a: Side, b: Side, base: Side | None = None) -> ScreenChanges:
    """Compare, look at the Screen tab and wait for it."""
    tab = parts.window.compare_tab
    tab.session.compare(a, b, base)
    tab.show()
    tab.view.tabs.setCurrentWidget(tab.view.screens)
    qtbot.waitUntil(lambda: not parts.jobs.unfinished() and tab.session.compared is not None, timeout=20_000)
    return tab.view.screens


def _pixels(image: QImage) -> NDArray[np.uint8]:
    words = image.convertToFormat(QImage.Format.Format_RGB32)
    array = np.frombuffer(words.constBits(), np.uint8).reshape(words.height(), words.bytesPerLine() // 4, 4)
    return array[:, : words.width(), 2::-1].copy()


def test_each_side_of_the_line_shows_its_screen(qtbot: QtBot, parts: Parts) -> None:
    sides = _sides()
    view = _compare(qtbot, parts, sides[0], sides[3])
    result = parts.window.compare_tab.session.screens.result
    assert result is not None
    a, b = result.screens
    assert isinstance(a, Screen)
    assert isinstance(b, Screen)
    slider = view.slider
    slider.set_zoom(1.0)
    for split, truth in ((1.0, a.pixels), (0.0, b.pixels)):
        slider.set_split(split)
        shown, target = _pixels(slider.viewport().grab().toImage()), slider.target().toRect()
        top, left = max(0, -target.top()), max(0, -target.left())
        seen = shown[max(0, target.top()) :, max(0, target.left()) :]
        truth = truth[top : top + seen.shape[0], left : left + seen.shape[1]]
        same = (seen[: truth.shape[0], : truth.shape[1]] == truth).all(axis=2)
        assert same.mean() > 0.9  # all but outlines, line and names
    assert view.about.text().endswith("%)")
    assert "region" in view.about.text()


def test_the_line_follows_mouse_and_keys(qtbot: QtBot, parts: Parts) -> None:
    sides = _sides()
    slider = _compare(qtbot, parts, sides[0], sides[3]).slider
    target = slider.target()
    place = QPoint(round(target.left() + target.width() / 4), round(target.center().y()))
    qtbot.mouseClick(slider.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert slider.split == pytest.approx(0.25, abs=0.01)
    qtbot.keyClick(slider, Qt.Key.Key_Right)
    assert slider.split == pytest.approx(0.27, abs=0.01)
    qtbot.keyClick(slider, Qt.Key.Key_End)
    qtbot.keyClick(slider, Qt.Key.Key_Right)
    assert slider.split == 1.0
    qtbot.keyClick(slider, Qt.Key.Key_Home)
    assert slider.split == 0.0


def test_the_next_difference_goes_through_the_regions(qtbot: QtBot, parts: Parts) -> None:
    sides = _sides()
    view = _compare(qtbot, parts, sides[1], sides[2])
    result = parts.window.compare_tab.session.screens.result
    assert result is not None
    assert result.found[0] is not None
    count = len(result.found[0].regions)
    assert count > 1
    steps = parts.window.compare_tab.actions.next
    for number in range(count):
        steps.trigger()
        assert view.slider.current == number
    steps.trigger()
    assert parts.window.statusBar().currentMessage() == "This is the last difference."
    parts.window.compare_tab.actions.previous.trigger()
    assert view.slider.current == count - 2


def test_the_same_screens_are_said_to_be_the_same(qtbot: QtBot, parts: Parts) -> None:
    side = _sides()[0]
    view = _compare(qtbot, parts, side, side)
    assert view.about.text() == "The screens are the same, pixel by pixel"
    assert not view.go_to_end(back=False)


def test_with_a_base_each_pair_can_be_chosen(qtbot: QtBot, parts: Parts) -> None:
    sides = _sides()
    view = _compare(qtbot, parts, sides[1], sides[2], sides[0])
    assert [view.pair.itemText(number) for number in range(3)] == ["A | B", "Base | A", "Base | B"]
    texts = set()
    for number in range(3):
        view.pair.setCurrentIndex(number)
        texts.add(view.about.text())
    assert len(texts) == 3
    view = _compare(qtbot, parts, sides[1], sides[2])
    assert not view.pair.isVisible()


def test_a_side_that_shows_nothing_is_told_with_the_reason(qtbot: QtBot, parts: Parts) -> None:
    image = open_image(sample("aarch64-virt-nofw@7.2/disk0.qcow2"))
    image.close()
    view = _compare(qtbot, parts, _sides()[3], Side(image.path, image.snapshots[0]))
    assert view.about.text() == "There is nothing to compare"
    assert "shows nothing. The machine has no display that is known here." in view.notice.text()
    assert len(np.unique(_pixels(view.slider.viewport().grab().toImage()).reshape(-1, 3), axis=0)) > 100


def test_disks_alone_have_no_screens(qtbot: QtBot, parts: Parts, tmp_path: Path) -> None:
    image = tmp_path / "disk.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "1M"], check=True)
    subprocess.run(["qemu-img", "snapshot", "-c", "disk", image], check=True)
    opened = open_image(image)
    opened.close()
    view = _compare(qtbot, parts, _sides()[0], Side(image, opened.snapshots[0]))
    assert view.page.message()[0] == "There are no screens to compare"
