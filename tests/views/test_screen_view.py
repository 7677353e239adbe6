"""The Screen tab with real states: the picture to the pixel, its zooms, what can be done with it, and where none is."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication, QImage

from tests.samples import sample
from tests.views.world import World, world
from vmsnap_gui.demo import demo_image
from vmsnap_gui.guest.screen.result import Screen
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.screens import screen_of
from vmsnap_gui.views.screen_view import ScreenView

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from pytestqt.qtbot import QtBot

    from vmsnap_gui.models.screens import Display
    from vmsnap_gui.reading import LoadedState

pytestmark = pytest.mark.gui


@pytest.fixture
def here(qtbot: QtBot, tmp_path: Path) -> Iterator[World]:
    with world(qtbot, tmp_path) as made:
        yield made


@pytest.fixture
def view(qtbot: QtBot, here: World) -> ScreenView:
    made = ScreenView(here.session, here.jobs)
    qtbot.addWidget(made)
    made.resize(700, 300)
    made.show()
    return made


def _wait(qtbot: QtBot, view: ScreenView) -> None:
    qtbot.waitUntil(lambda: not view.is_working(), timeout=20_000)


def _truth(path: Path, index: int) -> NDArray[np.uint8]:
    image = open_image(path)
    found = screen_of(image, image.snapshots[index])
    image.close()
    assert isinstance(found, Screen)
    return found.pixels


def _pixels(image: QImage) -> NDArray[np.uint8]:
    words = image.convertToFormat(QImage.Format.Format_RGB32)
    array = np.frombuffer(words.constBits(), np.uint8).reshape(words.height(), words.bytesPerLine() // 4, 4)
    return array[:, : words.width(), 2::-1].copy()


def test_the_screen_is_shown_pixel_by_pixel_at_its_own_size(qtbot: QtBot, here: World, view: ScreenView) -> None:
    here.open(demo_image(), 2)
    _wait(qtbot, view)
    truth = _truth(demo_image(), 2)
    height, width = truth.shape[:2]
    view.resize(width + 200, height + 200)
    view.area.set_zoom(1.0)
    shown, ratio = _pixels(view.area.viewport().grab().toImage()), view.devicePixelRatioF()
    left, top = (round(one * ratio) for one in (view.area.target().left(), view.area.target().top()))
    assert (shown[top : top + height, left : left + width] == truth).all()
    assert view.about.text() == f"VBE {width} × {height} × 8, std VGA"


def test_on_a_desktop_of_scale_2_its_pixels_are_those_of_the_screen() -> None:
    test = f"{__file__}::{test_the_screen_is_shown_pixel_by_pixel_at_its_own_size.__name__}"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
    done = subprocess.run(command, env=os.environ | {"QT_SCALE_FACTOR": "2"}, capture_output=True, text=True)
    assert "1 passed" in done.stdout, done.stdout


def test_whole_zooms_are_crisp_and_what_is_fitted_small_is_not(qtbot: QtBot, here: World, view: ScreenView) -> None:
    here.open(demo_image(), 0)
    _wait(qtbot, view)
    truth = _truth(demo_image(), 0)
    height, width = truth.shape[:2]
    view.resize(3 * width + 60, 3 * height + 120)
    view.area.set_zoom(None)
    assert view.area.zoom == 3.0  # not 3.1: that would not be crisp
    shown, place = _pixels(view.area.viewport().grab().toImage()), view.area.target().toRect()
    drawn = shown[place.top() : place.top() + 3 * height, place.left() : place.left() + 3 * width]
    assert (drawn == truth.repeat(3, 0).repeat(3, 1)).all()
    view.resize(300, 200)
    assert view.area.zoom < 1
    small, colours = _pixels(view.area.viewport().grab().toImage()), {tuple(one) for one in truth.reshape(-1, 3)}
    inside = view.area.target().toRect().adjusted(2, 2, -2, -2)
    seen = {tuple(one) for one in small[inside.top() : inside.bottom(), inside.left() : inside.right()].reshape(-1, 3)}
    assert seen - colours  # mixed ones


def test_the_keys_and_buttons_zoom(qtbot: QtBot, here: World, view: ScreenView) -> None:
    here.open(demo_image(), 0)
    _wait(qtbot, view)
    qtbot.mouseClick(view.zoom.full, Qt.MouseButton.LeftButton)
    assert (view.area.zoom, view.zoom.now.text(), view.zoom.full.isChecked()) == (1.0, "100%", True)
    qtbot.keyClick(view.area, Qt.Key.Key_Plus)
    qtbot.keyClick(view.area, Qt.Key.Key_Plus)
    assert view.area.zoom == 3.0
    assert view.area.verticalScrollBar().maximum() > 0
    middle = view.area.target().center() - view.area.viewport().rect().center()
    assert abs(middle.x()) <= 2  # what was in the middle still is
    qtbot.keyClick(view.area, Qt.Key.Key_Minus)
    assert view.area.zoom == 2.0
    qtbot.mouseClick(view.zoom.fit, Qt.MouseButton.LeftButton)
    assert view.area.is_fitted
    assert view.area.verticalScrollBar().maximum() == 0


def test_it_follows_the_selection_and_can_be_copied_and_saved(qtbot: QtBot, here: World, view: ScreenView) -> None:
    here.open(demo_image(), 0)
    _wait(qtbot, view)
    here.session.select_snapshot(demo_image(), 3)
    qtbot.waitUntil(lambda: here.session.loaded is not None and view.display is not None, timeout=20_000)
    view.copy.trigger()
    assert (_pixels(QGuiApplication.clipboard().image()) == _truth(demo_image(), 3)).all()
    wanted: list[tuple[Display, LoadedState]] = []
    view.save_wanted.connect(lambda display, state: wanted.append((display, state)))
    view.save.trigger()
    (display, state), *_ = wanted
    assert display.pixels is not None
    assert (display.pixels == _truth(demo_image(), 3)).all()
    assert state is here.session.loaded


def test_where_nothing_is_shown_the_reason_is_told(qtbot: QtBot, here: World, view: ScreenView) -> None:
    assert view.page.message()[0] == "No image is selected"
    assert not view.save.isEnabled()
    here.open(sample("aarch64-virt-nofw@7.2/disk0.qcow2"))
    _wait(qtbot, view)
    assert view.page.message() == ("No display was found", "The machine has no display that is known here.")
    assert view.page.isVisible()
    assert not view.copy.isEnabled()


def test_what_is_out_of_sight_renders_nothing(qtbot: QtBot, here: World, view: ScreenView) -> None:
    view.hide()
    here.open(demo_image(), 1)
    here.settle()
    assert view.display is None
    view.show()
    _wait(qtbot, view)
    assert view.display is not None
    assert view.display.pixels is not None
    assert (view.display.pixels == _truth(demo_image(), 1)).all()
