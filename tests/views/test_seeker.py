"""What was chosen before the window had its size, and before all lines were found, is in sight in the end."""

from __future__ import annotations

import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QPoint, QPointF, Qt
from PySide6.QtGui import QWheelEvent

from tests.image.tools import MIB, create, take
from tests.views.world import turns
from vmsnap_gui.app import Parts, build
from vmsnap_gui.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PySide6.QtWidgets import QAbstractItemView
    from pytestqt.qtbot import QtBot

    from vmsnap_gui.session import Session

pytestmark = pytest.mark.gui
WAIT = 30_000


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = create(tmp_path / "web.qcow2", MIB)
    take(path, *(f"s{number:02}" for number in range(15)))
    return path


@contextmanager
def started(qtbot: QtBot, tmp_path: Path, *opened: Path) -> Iterator[Parts]:
    """The application as it starts: what is remembered and what is named are opened before the window is shown."""

    def begin(session: Session) -> None:
        session.restore()
        session.open_paths(opened)

    parts = build(Settings(tmp_path / "config" / "vmsnap.ini"), begin)
    parts.window.resize(1100, 700)
    parts.window.show()
    qtbot.waitExposed(parts.window)
    parts.window.inspector.complete()
    try:
        settle(qtbot, parts)
        yield parts
    finally:
        parts.window.close()
        parts.shut_down()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


def settle(qtbot: QtBot, parts: Parts) -> None:
    window = parts.window
    qtbot.waitUntil(
        lambda: not parts.jobs.unfinished() and not window.history.is_waiting() and not window.thumbnails.is_working(),
        timeout=WAIT,
    )
    turns()


def is_in_sight(view: QAbstractItemView) -> bool:
    place = view.visualRect(view.currentIndex())
    return place.isValid() and view.viewport().rect().contains(place.center())


def test_what_is_chosen_at_the_start_is_in_sight(qtbot: QtBot, tmp_path: Path, image: Path) -> None:
    lab = tmp_path / "lab"
    lab.mkdir()
    for number in range(60):
        shutil.copyfile(image, lab / f"i{number:02}.qcow2")
    with started(qtbot, tmp_path, lab) as parts:
        parts.window.views.actions[3].trigger()  # the gallery, from now on
    with started(qtbot, tmp_path, image) as parts:
        tree, gallery = parts.window.library.tree, parts.window.views.gallery
        assert parts.session.image == image
        assert gallery.currentIndex().data() == "s14"
        assert is_in_sight(gallery)
        assert tree.verticalScrollBar().maximum() > 0  # the folder's images stand above it
        assert is_in_sight(tree)


def test_who_scrolls_is_left_in_peace(qtbot: QtBot, tmp_path: Path, image: Path) -> None:
    with started(qtbot, tmp_path, image) as parts:
        parts.window.views.actions[3].trigger()
        gallery, window = parts.window.views.gallery, parts.window
        qtbot.waitUntil(lambda: is_in_sight(gallery), timeout=WAIT)
        bar, middle = gallery.verticalScrollBar(), gallery.viewport().rect().center()
        for _ in range(20):  # a turn is a page at most
            wheel = QWheelEvent(
                QPointF(middle), QPointF(gallery.viewport().mapToGlobal(middle)), QPoint(0, 0), QPoint(0, 12_000),
                Qt.MouseButton.NoButton, Qt.KeyboardModifier.NoModifier, Qt.ScrollPhase.NoScrollPhase, False,
            )  # fmt: skip
            QCoreApplication.sendEvent(gallery.viewport(), wheel)
        assert bar.value() == 0
        before = bar.maximum()
        window.resize(1100, 720)
        qtbot.waitUntil(lambda: bar.maximum() != before, timeout=WAIT)
        turns()
        assert bar.value() == 0
        parts.session.select_snapshot(image, 12)
        qtbot.waitUntil(lambda: is_in_sight(gallery), timeout=WAIT)
