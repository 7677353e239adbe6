"""The whole window, as a person uses it: open, choose, drop, filter, read again, close and come back."""

from __future__ import annotations

import shutil
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QCoreApplication, QEvent, QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent
from PySide6.QtWidgets import (
    QAbstractButton,
    QAbstractItemView,
    QAbstractScrollArea,
    QLineEdit,
    QMenu,
    QTableView,
    QToolButton,
    QTreeView,
    QWidget,
)

from tests.samples import sample
from tests.views.world import turns
from vmsnap_gui.app import Parts, build
from vmsnap_gui.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui

Q35 = "q35-default@10.0/disk0.qcow2"
WAIT = 20_000


@contextmanager
def running(qtbot: QtBot, folder: Path) -> Iterator[Parts]:
    """The application, but for its event loop; closed properly at the end."""
    parts = build(Settings(folder / "vmsnap.ini"))
    parts.session.restore()
    parts.window.show()
    qtbot.waitExposed(parts.window)
    parts.window.inspector.complete()
    try:
        yield parts
    finally:
        parts.window.close()
        parts.shut_down()
        QCoreApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "web.qcow2"
    shutil.copyfile(sample(Q35), path)
    return path


def loaded(qtbot: QtBot, parts: Parts) -> None:
    qtbot.waitUntil(lambda: parts.session.loaded is not None, timeout=WAIT)
    turns()


def shown_tag(parts: Parts) -> str | None:
    return parts.session.loaded.key.tag if parts.session.loaded is not None else None


def test_open_choose_and_come_back(qtbot: QtBot, tmp_path: Path, image: Path) -> None:
    with running(qtbot, tmp_path) as parts:
        window = parts.window
        assert window.welcome.isVisible()
        parts.session.open_paths([image])
        loaded(qtbot, parts)
        assert not window.welcome.isVisible()
        table = window.snapshots.table
        tags = [table.model().index(row, 0).data() for row in range(table.model().rowCount())]
        assert tags == ["snap0", "snap1", "snap2"]
        assert shown_tag(parts) == "snap2"  # the newest
        table.setFocus()
        qtbot.keyClick(table, Qt.Key.Key_Up)
        qtbot.waitUntil(
            lambda: parts.session.loaded is not None and parts.session.loaded.key.tag == "snap1", timeout=WAIT
        )
        window.inspector.show_tab("devices")
        qtbot.keyClicks(window.filter_box, "rip == 0x7c5a")
        window.filter_box.apply_now()
        qtbot.waitUntil(lambda: window.devices.filter_result().startswith("1 of"), timeout=WAIT)
        window.resize(790, 640)
    with running(qtbot, tmp_path) as parts:
        qtbot.waitUntil(lambda: shown_tag(parts) == "snap1", timeout=WAIT)
        assert parts.session.image == image
        assert parts.window.inspector.current_tab() == "devices"
        assert (parts.window.width(), parts.window.height()) == (790, 640)


def test_a_wrong_filter_says_why_and_changes_nothing(qtbot: QtBot, tmp_path: Path, image: Path) -> None:
    with running(qtbot, tmp_path) as parts:
        parts.session.open_paths([image])
        loaded(qtbot, parts)
        window = parts.window
        window.filter_box.set_filter("device ~ vga")
        qtbot.waitUntil(lambda: bool(window.devices.filter_result()), timeout=WAIT)
        before = window.devices.filter_result()
        window.filter_box.set_filter("value >")
        assert "missing" in window.filter_box.reason()
        assert window.devices.filter_result() == before


def test_files_are_dropped(qtbot: QtBot, tmp_path: Path, image: Path) -> None:
    with running(qtbot, tmp_path) as parts:
        data = QMimeData()
        data.setUrls([QUrl.fromLocalFile(str(image))])
        event = QDropEvent(
            QPointF(20, 20), Qt.DropAction.CopyAction, data, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
        )
        parts.window.dropEvent(event)
        loaded(qtbot, parts)
        assert parts.session.image == image


def test_a_changed_image_is_read_again_and_keeps_its_place(qtbot: QtBot, tmp_path: Path, image: Path) -> None:
    with running(qtbot, tmp_path) as parts:
        parts.session.open_paths([image])
        loaded(qtbot, parts)
        model = parts.window.snapshots.table.model()
        subprocess.run(["qemu-img", "snapshot", "-c", "later", image], check=True)
        qtbot.waitUntil(lambda: model.rowCount() == 4, timeout=WAIT)
        loaded(qtbot, parts)
        assert shown_tag(parts) == "snap2"


def test_what_cannot_be_read_is_said(qtbot: QtBot, tmp_path: Path) -> None:
    broken = tmp_path / "broken.qcow2"
    broken.write_bytes(b"QFI\xfb" + b"\xff" * 60)
    with running(qtbot, tmp_path) as parts:
        parts.session.open_paths([broken])
        page = parts.window.snapshots.page
        qtbot.waitUntil(lambda: "cannot be opened" in page.message()[0], timeout=WAIT)
        assert "was not changed" in page.message()[1]
        broken.unlink()
        parts.session.reload(broken)
        qtbot.waitUntil(lambda: "no such file" in page.message()[1].lower(), timeout=WAIT)


def test_everything_has_a_name_and_is_reached_by_keyboard(qtbot: QtBot, tmp_path: Path, image: Path) -> None:
    with running(qtbot, tmp_path) as parts:
        parts.session.open_paths([image])
        loaded(qtbot, parts)
        window = parts.window
        for tab, view in (("overview", 0), ("devices", 1), ("memory", 2), ("screen", 3), ("disk", 0)):
            window.inspector.show_tab(tab)
            window.views.actions[view].trigger()
            qtbot.waitUntil(lambda: not parts.jobs.unfinished(), timeout=WAIT)
            views = [w for w in window.findChildren(QWidget) if w.isVisible() and isinstance(w, _NAMED)]
            unnamed = [v.objectName() or repr(v) for v in views if not _name(v)]
            assert not unnamed, f"no accessible name: {unnamed}"
            unreachable = [v.objectName() for v in views if isinstance(v, (QTreeView, QTableView)) and not _by_tab(v)]
            assert not unreachable, f"not reached by Tab: {unreachable}"
        in_menus = [action for menu in window.menuBar().findChildren(QMenu) for action in menu.actions()]
        for button in window.findChildren(QToolButton):
            if button.defaultAction() is not None and button.defaultAction().text():  # else Qt's own
                assert button.defaultAction() in in_menus, f"{button.defaultAction().text()} is in no menu"


_NAMED = (QAbstractItemView, QAbstractScrollArea, QAbstractButton, QLineEdit)
_QT_OWN = ("qt_", "ScrollLeftButton", "ScrollRightButton")


def _name(view: QWidget) -> str:
    own = view.objectName().startswith(_QT_OWN) or view.parent() is None
    text = view.text() if isinstance(view, QAbstractButton) else ""
    inside = view.parentWidget()
    part_of_view = inside is not None and isinstance(inside, (QAbstractItemView, QLineEdit))
    return view.accessibleName() or text or ("Qt's own" if own or part_of_view else "")


def _by_tab(view: QWidget) -> bool:
    return bool(view.focusPolicy() & Qt.FocusPolicy.TabFocus)


def test_the_selected_snapshot_is_deleted_by_somebody_else(qtbot: QtBot, tmp_path: Path, image: Path) -> None:
    with running(qtbot, tmp_path) as parts:
        parts.session.open_paths([image])
        loaded(qtbot, parts)
        assert shown_tag(parts) == "snap2"
        model = parts.window.snapshots.table.model()
        subprocess.run(["qemu-img", "snapshot", "-d", "snap2", image], check=True)
        qtbot.waitUntil(lambda: model.rowCount() == 2, timeout=WAIT)
        qtbot.waitUntil(lambda: shown_tag(parts) == "snap1", timeout=WAIT)


def test_a_touched_image_is_not_torn_for_ever(qtbot: QtBot, tmp_path: Path, image: Path) -> None:
    with running(qtbot, tmp_path) as parts:
        parts.session.open_paths([image])
        loaded(qtbot, parts)
        entries = parts.session.library.entries
        before = entries.get(image)
        image.touch()
        qtbot.waitUntil(lambda: entries.get(image) != before and not parts.jobs.unfinished(), timeout=WAIT)
        parts.session.select_snapshot(image, 0)
        qtbot.waitUntil(lambda: shown_tag(parts) == "snap0", timeout=WAIT)
        assert parts.session.loaded is not None
        assert not parts.session.loaded.torn
