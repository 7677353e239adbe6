"""Whatever words an image holds, they are shown as they are: nowhere does Qt take them for HTML."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QAbstractItemModel, QModelIndex
from PySide6.QtGui import QAction, Qt, QTextDocument
from PySide6.QtWidgets import QAbstractItemView, QLabel, QMenu, QMessageBox, QWidget

from tests.end2end.test_gui_walk import running
from tests.image.tools import MIB, create, run, take
from tests.vmstate.layouts import body, buffer, scalar
from tests.vmstate.streams import END_MARK, Stream, page, pattern, table
from vmsnap_gui.telling import Report

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from vmsnap_gui.app import Parts

pytestmark = pytest.mark.gui

WORD = "<img src=x>"


@pytest.fixture
def parts(qtbot: QtBot, tmp_path: Path) -> Iterator[Parts]:
    with running(qtbot, tmp_path / "config") as parts:
        yield parts


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """A saved state in which the machine, a device, its fields and a block of memory have that name."""
    device = body(scalar(WORD, "uint32", 5), buffer(f"{WORD}2", WORD.encode()), name=WORD)
    start, end = table((WORD, 8192)), page(0, pattern(1), WORD) + page(4096, pattern(2)) + END_MARK
    stream = Stream().configuration(WORD).ram(start, end).full(device)
    stream.full(body(scalar("a", "uint32", 7), name=f"{WORD}3"), described=False)
    path = tmp_path / f"{WORD}.vmstate"
    path.write_bytes(stream.finish())
    return path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image whose name, tag and backing file are like that."""
    path = tmp_path / f"{WORD}.qcow2"
    take(create(path, MIB), WORD, f"{WORD}2")
    run("qemu-img", "rebase", "-q", "-u", "-f", "qcow2", "-F", "raw", "-b", f"{WORD}.raw", path)
    return path


def told(window: QWidget) -> set[str]:
    """Return all labels and tool tips of a window with that word in them; none of them as HTML."""
    found = set()
    for label in window.findChildren(QLabel):
        if WORD in label.text():
            assert label.textFormat() == Qt.TextFormat.PlainText, f"{label.objectName()}: {label.text()}"
            found.add(label.text())
    tips = [widget.toolTip() for widget in window.findChildren(QWidget)]
    for menu in window.findChildren(QMenu):
        tips += [action.toolTip() for action in menu.findChildren(QAction)] if menu.toolTipsVisible() else []
    for view in window.findChildren(QAbstractItemView):
        if view.model() is not None:
            tips += _tips(view.model(), QModelIndex())
    for tip in tips:
        if "src" in tip:
            assert WORD not in tip
            found.add(_shown(tip))
    return found


def _tips(model: QAbstractItemModel, parent: QModelIndex) -> Iterator[str]:
    for row in range(model.rowCount(parent)):
        for column in range(model.columnCount(parent)):
            yield str(model.index(row, column, parent).data(Qt.ItemDataRole.ToolTipRole) or "")
        yield from _tips(model, model.index(row, 0, parent))


def _shown(tip: str) -> str:
    assert Qt.mightBeRichText(tip)
    document = QTextDocument()
    document.setHtml(tip)
    text = document.toPlainText()
    assert WORD in text, tip
    return text


def test_words_of_a_saved_state(qtbot: QtBot, parts: Parts, state: Path) -> None:
    window = parts.window
    parts.session.open_paths([state])
    qtbot.waitUntil(lambda: parts.session.loaded is not None, timeout=20_000)
    names = [section.name for section in parts.session.loaded.vmstate.sections] if parts.session.loaded else []
    parts.session.show_field(names.index(WORD), WORD)
    qtbot.waitUntil(lambda: window.inspector.current_tab() == "devices", timeout=20_000)
    qtbot.waitUntil(lambda: not parts.jobs.unfinished(), timeout=20_000)
    devices = told(window)
    for start in (f"Snapshots of {WORD}", f"{WORD} · {WORD}", str(state), f"{WORD} {WORD}"):
        assert any(text.startswith(start) for text in devices), f"{start} is not in {devices}"
    window.inspector.show_tab("memory")
    qtbot.waitUntil(lambda: window.memory.block is not None, timeout=20_000)
    assert any(text.startswith(f"{WORD}\n8") for text in told(window))
    window.inspector.show_tab("overview")
    assert f"Machine type: {WORD}" in window.overview.facts.text()
    assert {WORD, f"{WORD}: 8192 bytes", f"{WORD}3: 35 bytes"} <= told(window)  # facts, and the sizes of sections
    window.filter_box.set_filter(f'value > "{WORD}"')
    assert any("is not one" in text for text in told(window))
    window.filter_box.set_filter(f'"{WORD}4"')
    qtbot.waitUntil(lambda: f'No field matches “"{WORD}4"”' in told(window), timeout=20_000)


def test_the_title_names_a_file_whole(qtbot: QtBot, parts: Parts, tmp_path: Path) -> None:
    parts.session.open_paths([create(tmp_path / "a[*]b.qcow2", MIB)])
    assert parts.window.windowTitle() == "a[*][*]b.qcow2"  # Qt's way to write "a[*]b.qcow2"


def test_words_of_an_image_and_of_messages(qtbot: QtBot, parts: Parts, image: Path, tmp_path: Path) -> None:
    window = parts.window
    broken = tmp_path / f"{WORD}.broken"
    broken.write_bytes(WORD.encode() * 100)
    window.inspector.show_tab("overview")
    parts.session.open_paths([image, broken])
    qtbot.waitUntil(lambda: not parts.jobs.unfinished(), timeout=20_000)
    assert "Backing file" in window.overview.facts.text()
    shown = told(window)
    assert f"{WORD}2" in shown  # as a fact, and as the tip of its tag
    assert any(f"{WORD}.raw" in text for text in shown)  # the backing file
    window.inspector.show_tab("disk")
    for name in ("timeline", "gallery", "tree"):
        window.views.show(name)
    qtbot.waitUntil(lambda: window.views.tree.model.rowCount() > 1, timeout=20_000)
    shown = told(window)
    assert any(text.startswith("You are here: after ") for text in shown)
    assert any(text.startswith("Deleting ") for text in shown)
    assert any(f"{WORD}2\n" in text and "Goes back to" in text for text in shown)
    assert any(text.startswith(str(broken)) for text in shown)
    parts.session.select_image(broken)
    assert f"{WORD}.broken cannot be opened" in told(window)
    window.show_report(Report(f"{WORD} broke", f"It is {WORD}.", WORD))
    assert {f"{WORD} broke", f"It is {WORD}."} <= told(window)
    window.findChildren(QMessageBox)[0].close()
