"""Small pictures of real snapshots: made once, visible ones first, kept for the next start, cancelled on closing."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.views.world import World, world
from vmsnap_gui.demo import demo_image
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.picture_cache import PictureCache
from vmsnap_gui.screens import SMALL, screen_of
from vmsnap_gui.thumbnails import Thumbnails

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray
    from PySide6.QtGui import QImage
    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui


@pytest.fixture
def here(qtbot: QtBot, tmp_path: Path) -> Iterator[World]:
    with world(qtbot, tmp_path) as made:
        yield made


def _thumbnails(here: World, folder: Path) -> Thumbnails:
    return Thumbnails(here.jobs, here.session, here.session, PictureCache(folder))


def _qemu_img(*arguments: str | Path) -> None:
    subprocess.run(["qemu-img", *map(str, arguments)], check=True)


def _wait(qtbot: QtBot, thumbnails: Thumbnails) -> None:
    qtbot.waitUntil(lambda: not thumbnails.is_working(), timeout=20_000)


def pixels(image: QImage) -> NDArray[np.uint8]:
    words = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine() // 4, 4)
    return words[:, : image.width(), 2::-1]


def test_each_shows_what_the_screen_shows_and_the_next_start_has_them(
    qtbot: QtBot, here: World, tmp_path: Path
) -> None:
    from vmsnap_gui.guest.screen.result import Screen
    from vmsnap_gui.guest.screen.thumbnail import shrunk

    first = _thumbnails(here, tmp_path / "screens")
    here.open(demo_image())
    assert first.get(2) is None
    _wait(qtbot, first)
    image = open_image(demo_image())
    for position, snapshot in enumerate(image.snapshots):
        found, made = screen_of(image, snapshot), first.get(position)
        assert isinstance(found, Screen)
        assert made is not None
        assert made.image is not None
        assert (pixels(made.image) == shrunk(found.pixels, SMALL)).all()
        height, width = found.pixels.shape[:2]
        assert made.text == f"{found.mode}, {width} × {height}"
    image.close()
    kept = {path.name: path.stat().st_ino for path in (tmp_path / "screens").iterdir()}
    assert len(kept) == 4
    next_start = _thumbnails(here, tmp_path / "screens")
    next_start.get(0)
    _wait(qtbot, next_start)
    assert all(next_start.get(position) is not None for position in range(4))
    assert {path.name: path.stat().st_ino for path in (tmp_path / "screens").iterdir()} == kept  # none was made again


def test_what_was_asked_for_last_is_made_first(qtbot: QtBot, here: World, tmp_path: Path) -> None:
    thumbnails = _thumbnails(here, tmp_path / "screens")
    here.open(demo_image())
    made: list[int] = []
    thumbnails.changed.connect(made.append)
    thumbnails.changed.connect(lambda _position: thumbnails.get(3))  # now another one comes into sight
    thumbnails.get(1)
    thumbnails.get(0)
    _wait(qtbot, thumbnails)
    assert made == [1, 3, 0, 2]


def test_why_there_is_no_picture_is_told(qtbot: QtBot, here: World, tmp_path: Path) -> None:
    image = tmp_path / "disk.qcow2"
    _qemu_img("create", "-q", "-f", "qcow2", image, "1M")
    _qemu_img("snapshot", "-c", "disk", image)
    thumbnails = _thumbnails(here, tmp_path / "screens")
    here.session.open_paths([image])
    qtbot.waitUntil(lambda: here.session.snapshot is not None, timeout=20_000)
    thumbnails.get(0)
    _wait(qtbot, thumbnails)
    found = thumbnails.get(0)
    assert found is not None
    assert (found.image, found.row) == (None, None)
    assert found.text == "this snapshot holds the disk only, no state of the machine"


def test_work_ends_with_the_image(qtbot: QtBot, here: World, tmp_path: Path) -> None:
    thumbnails = _thumbnails(here, tmp_path / "screens")
    here.open(demo_image())
    thumbnails.get(0)
    qtbot.waitUntil(lambda: bool(here.jobs.unfinished("thumbnails")), timeout=20_000)
    changes: list[int] = []
    thumbnails.changed.connect(changes.append)
    here.session.close_all()
    here.settle()
    _wait(qtbot, thumbnails)
    assert not changes
    assert thumbnails.get(0) is None


def test_the_others_keep_their_pictures_when_one_is_deleted(qtbot: QtBot, here: World, tmp_path: Path) -> None:
    image = tmp_path / "copy.qcow2"
    image.write_bytes(demo_image().read_bytes())
    thumbnails = _thumbnails(here, tmp_path / "screens")
    here.open(image)
    thumbnails.get(0)
    _wait(qtbot, thumbnails)
    second = thumbnails.get(1)
    assert second is not None
    _qemu_img("snapshot", "-d", "booted", image)
    here.session.reload(image)
    qtbot.waitUntil(lambda: len(here.session.entry().info.snapshots) == 3, timeout=20_000)  # type: ignore[union-attr]
    assert thumbnails.get(0) is second
