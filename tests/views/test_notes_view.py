"""Writing about a snapshot in the window: dialog, table, overview, undo, and what outlives the window."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QEvent, Qt
from PySide6.QtGui import QHelpEvent
from PySide6.QtWidgets import QApplication, QToolTip, QWidget

from tests.end2end.test_gui_walk import running
from tests.image.tools import create, take
from vmsnap_gui.cli import main
from vmsnap_gui.image.byteview import Stamp
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.models.snapshot_tree import TAG
from vmsnap_gui.models.snapshots import Column
from vmsnap_gui.note_store import Note, NoteStore, note_on, notes_file
from vmsnap_gui.views.note_dialog import NoteDialog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from vmsnap_gui.app import Parts
    from vmsnap_gui.image.snapshot import Snapshot

WAIT = 30_000
pytestmark = pytest.mark.gui


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    path = create(tmp_path / "a.qcow2")
    take(path, "one", "two")
    return path


@pytest.fixture
def parts(qtbot: QtBot, tmp_path: Path, path: Path) -> Iterator[Parts]:
    with running(qtbot, tmp_path / "config") as parts:
        parts.session.open_paths([path])
        qtbot.waitUntil(lambda: parts.session.snapshot == 1, timeout=WAIT)
        parts.window.activateWindow()
        qtbot.waitUntil(parts.window.isActiveWindow)
        yield parts


def newest(path: Path) -> Snapshot:
    image = open_image(path)
    image.close()
    return image.snapshots[-1]


def shown(parts: Parts) -> list[str]:
    model = parts.window.snapshots.model
    return [model.index(row, Column.NOTE).data() for row in range(model.rowCount())]


def write(qtbot: QtBot, parts: Parts, label: str, text: str) -> None:
    """Press F2 in the table and type."""
    table = parts.window.snapshots.table
    table.setFocus()
    qtbot.waitUntil(table.hasFocus)
    qtbot.keyClick(table, Qt.Key.Key_F2)
    dialog = parts.window.findChild(NoteDialog)
    assert isinstance(dialog, NoteDialog)
    dialog.label.setText(label)
    dialog.text.setPlainText(text)
    with qtbot.waitSignal(dialog.destroyed):
        qtbot.mouseClick(dialog.save, Qt.MouseButton.LeftButton)


def test_a_note_is_shown_undone_and_kept(qtbot: QtBot, parts: Parts, path: Path) -> None:
    header = parts.window.snapshots.table.header()
    assert header.isSectionHidden(Column.NOTE)
    write(qtbot, parts, "before", "the update\nto 12")
    assert shown(parts) == ["", "before – the update to 12"]
    assert not header.isSectionHidden(Column.NOTE)
    qtbot.waitUntil(lambda: "Note: the update\nto 12" in parts.window.overview.facts.text(), timeout=WAIT)
    qtbot.waitUntil(lambda: note_on(path, newest(path)) == Note("before", "the update\nto 12"), timeout=WAIT)
    assert parts.window.exporting.undo.text() == "&Undo note on two"
    parts.window.exporting.undo.trigger()
    assert shown(parts) == ["", ""]
    assert header.isSectionHidden(Column.NOTE)
    qtbot.waitUntil(lambda: not note_on(path, newest(path)), timeout=WAIT)
    parts.window.exporting.redo.trigger()
    assert shown(parts) == ["", "before – the update to 12"]
    qtbot.waitUntil(lambda: bool(note_on(path, newest(path))), timeout=WAIT)


def test_the_dialog_by_keys(qtbot: QtBot, parts: Parts, path: Path) -> None:
    table = parts.window.snapshots.table
    table.setFocus()
    qtbot.waitUntil(table.hasFocus)
    qtbot.keyClick(table, Qt.Key.Key_F2)
    dialog = parts.window.findChild(NoteDialog)
    assert isinstance(dialog, NoteDialog)
    qtbot.waitUntil(dialog.label.hasFocus)
    for widget in (dialog.text, dialog.save, dialog.cancel, dialog.label, dialog.text):
        qtbot.keyClick(QApplication.focusWidget(), Qt.Key.Key_Tab)
        assert widget.hasFocus()
    assert (dialog.save.text(), dialog.cancel.text()) == ("&Save note", "&Cancel")
    qtbot.keyClicks(dialog.text, "by hand")
    with qtbot.waitSignal(dialog.destroyed):
        qtbot.keyClick(dialog.text, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert shown(parts) == ["", "by hand"]
    qtbot.waitUntil(lambda: bool(note_on(path, newest(path))), timeout=WAIT)


def test_closing_at_once_loses_nothing(qtbot: QtBot, tmp_path: Path, path: Path) -> None:
    with running(qtbot, tmp_path / "config") as parts:
        parts.session.open_paths([path])
        qtbot.waitUntil(lambda: parts.session.snapshot == 1, timeout=WAIT)
        entry, snapshot = parts.session.entry(), parts.session.selected_snapshot()
        assert entry is not None
        assert entry.info is not None
        assert snapshot is not None
        for number in range(5):
            parts.session.notes.put(entry.info, snapshot, Note(f"note {number}"))
        with qtbot.waitSignal(parts.window.closed, timeout=WAIT):
            parts.window.close()
        assert parts.window.findChild(QWidget, "leave") is None  # no image is written: nobody is asked
    assert note_on(path, newest(path)) == Note("note 4")


def test_a_note_of_another_window_is_seen(qtbot: QtBot, parts: Parts, path: Path) -> None:
    NoteStore(notes_file()).write(path, Stamp.of(path.stat()), newest(path), Note("from elsewhere"))
    parts.session.notes.read()
    qtbot.waitUntil(lambda: shown(parts) == ["", "from elsewhere"], timeout=WAIT)


def test_gallery_tree_and_timeline_show_it(qtbot: QtBot, parts: Parts) -> None:
    views, model = parts.window.views, parts.window.snapshots.model
    views.show("gallery")
    gallery = views.gallery
    qtbot.waitUntil(lambda: all(parts.window.thumbnails.get(row) is not None for row in range(2)), timeout=WAIT)
    cards = [gallery.visualRect(model.index(row, Column.TAG)) for row in range(2)]
    before = [gallery.viewport().grab(card).toImage() for card in cards]
    entry, snapshot = parts.session.entry(), parts.session.selected_snapshot()
    assert entry is not None
    assert entry.info is not None
    assert snapshot is not None
    parts.session.notes.put(entry.info, snapshot, Note("a<b", "Two\nlines"))
    qtbot.waitUntil(lambda: gallery.viewport().grab(cards[1]).toImage() != before[1], timeout=WAIT)
    assert gallery.viewport().grab(cards[0]).toImage() == before[0]
    place = cards[1].center()
    event = QHelpEvent(QEvent.Type.ToolTip, place, gallery.viewport().mapToGlobal(place))
    QApplication.sendEvent(gallery.viewport(), event)
    qtbot.waitUntil(lambda: "a&lt;b\nTwo\nlines" in QToolTip.text(), timeout=WAIT)
    QToolTip.hideText()
    views.show("tree")
    tree = views.tree.model
    qtbot.waitUntil(lambda: tree.rowCount() == 3, timeout=WAIT)
    tips = [str(tree.index(row, TAG).data(Qt.ItemDataRole.ToolTipRole)) for row in range(3)]
    assert ["two\na&lt;b\nTwo\nlines\n" in tip for tip in tips] == [False, True, False]
    views.show("timeline")
    qtbot.waitUntil(lambda: views.timeline.plot is not None and bool(views.timeline.plot.marks.all), timeout=WAIT)
    plot = views.timeline.plot
    assert plot is not None
    place = plot.place_of(1).toPoint()
    QApplication.sendEvent(plot.viewport(), QHelpEvent(QEvent.Type.ToolTip, place, plot.viewport().mapToGlobal(place)))
    assert QToolTip.text() == tips[1]
    QToolTip.hideText()


def test_notes_that_cannot_be_kept_are_told(qtbot: QtBot, parts: Parts) -> None:
    notes_file().parent.parent.mkdir(exist_ok=True)
    notes_file().parent.write_text("in the way")
    write(qtbot, parts, "a", "")
    qtbot.waitUntil(lambda: parts.window.findChild(QWidget, "report") is not None, timeout=WAIT)
    report = parts.window.findChild(QWidget, "report")
    assert "cannot be used" in report.property("informativeText")
    report.close()


def test_what_others_write_is_seen(qtbot: QtBot, parts: Parts, path: Path) -> None:
    assert not notes_file().exists()
    for text in ("first", "second", ""):  # the first makes the file and its folder, too
        assert main(["note", str(path), "-s", "one", "--text", text]) == 0
        there = [text] if text else []
        qtbot.waitUntil(lambda there=there: [one for one in shown(parts) if one] == there, timeout=WAIT)
