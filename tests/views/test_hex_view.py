"""The hex view: any size, never blocking, by keyboard and mouse."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPoint, QPointF, Qt
from PySide6.QtGui import QFontMetricsF, QGuiApplication, QWheelEvent
from PySide6.QtWidgets import QAbstractSlider, QApplication

from vmsnap_gui.views.byte_source import MemorySource
from vmsnap_gui.views.hex_actions import MOST_COPIED, HexActions
from vmsnap_gui.views.hex_cache import PAGE
from vmsnap_gui.views.hex_layout import HexLayout, join_groups
from vmsnap_gui.views.hex_paint import Highlight, Mark
from vmsnap_gui.views.hex_view import HexView

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui

TIB = 1 << 40


class _Virtual:
    """Made-up bytes of any size, delivered when the test says so: the low byte of (offset // 256 + offset)."""

    def __init__(self, size: int, *, at_once: bool = True) -> None:
        self.size = size
        self.at_once = at_once
        self.asked: list[tuple[int, int]] = []
        self.waiting: list[Callable[[], object]] = []
        self.error: Exception | None = None

    def data(self, offset: int, length: int) -> bytes:
        return bytes((at // 256 + at) & 0xFF for at in range(offset, offset + length))

    def request(self, offset: int, length: int, callback: Callable[[bytes | Exception], object]) -> None:
        assert offset >= 0
        assert offset + length <= self.size
        self.asked.append((offset, length))
        answer = self.error or self.data(offset, length)
        if self.at_once:
            callback(answer)
        else:
            self.waiting.append(lambda: callback(answer))


@pytest.fixture
def view(qtbot: QtBot) -> HexView:
    view = HexView("bytes", "Bytes")
    qtbot.addWidget(view)
    view.resize(700, 400)
    view.show()
    qtbot.waitExposed(view)
    return view


def _key(view: HexView, qtbot: QtBot, key: Qt.Key, *modifiers: Qt.KeyboardModifier) -> None:
    all_of_them = Qt.KeyboardModifier.NoModifier
    for modifier in modifiers:
        all_of_them |= modifier
    qtbot.keyClick(view, key, all_of_them)


_Control, _Shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


def test_a_tebibyte_is_shown_from_end_to_end(view: HexView, qtbot: QtBot) -> None:
    source = _Virtual(TIB)
    view.show_source(source)
    assert view.visible_bytes.start == 0
    assert view.bytes_at(0, 16) == source.data(0, 16)
    _key(view, qtbot, Qt.Key.Key_End, _Control)
    assert view.cursor_offset == TIB - 1
    assert view.visible_bytes.stop == TIB
    assert view.bytes_at(TIB - 16, 16) == source.data(TIB - 16, 16)
    assert view.verticalScrollBar().value() == view.verticalScrollBar().maximum()
    view.go_to(0x8F_1234_5678)
    assert 0x8F_1234_5678 in view.visible_bytes
    assert view.cursor_offset == 0x8F_1234_5678
    assert sum(length for _, length in source.asked) < 1 << 20


def test_single_rows_can_be_reached_however_many_there_are(view: HexView, qtbot: QtBot) -> None:
    view.show_source(_Virtual(TIB))
    view.go_to(TIB // 2)
    start = view.visible_bytes.start
    bar = view.verticalScrollBar()
    bar.triggerAction(QAbstractSlider.SliderAction.SliderSingleStepAdd)
    assert view.visible_bytes.start == start + view.columns
    bar.triggerAction(QAbstractSlider.SliderAction.SliderSingleStepSub)
    assert view.visible_bytes.start == start
    bar.triggerAction(QAbstractSlider.SliderAction.SliderPageStepAdd)
    assert 0 < view.visible_bytes.start - start < 100 * view.columns
    bar.setValue(bar.maximum() // 4)
    assert abs(view.visible_bytes.start / TIB - 0.25) < 0.001
    bar.setValue(bar.maximum())
    assert view.visible_bytes.stop == TIB


def test_the_wheel_scrolls_by_rows_over_the_bytes_and_over_the_bar(view: HexView) -> None:
    view.show_source(_Virtual(TIB))
    for place, target in ((QPointF(50, 50), view.viewport()), (QPointF(4, 50), view.verticalScrollBar())):
        before = view.visible_bytes.start
        QApplication.sendEvent(
            target,
            QWheelEvent(
                place,
                QPointF(target.mapToGlobal(place.toPoint())),
                QPoint(),
                QPoint(0, -120),
                Qt.MouseButton.NoButton,
                Qt.KeyboardModifier.NoModifier,
                Qt.ScrollPhase.NoScrollPhase,
                False,
            ),
        )
        assert view.visible_bytes.start == before + 3 * view.columns


def test_nothing_waits_for_bytes_and_only_what_is_in_sight_is_asked_for(view: HexView, qtbot: QtBot) -> None:
    source = _Virtual(TIB, at_once=False)
    view.show_source(source)
    for offset in range(0, TIB, TIB // 64):
        view.go_to(offset)
        view.viewport().repaint()
    assert len(source.asked) == 1
    assert view.bytes_at(view.visible_bytes.start, 1) is None
    with qtbot.waitSignal(view.bytes_arrived):
        source.waiting.pop()()
    offset, length = source.asked[1]
    assert offset <= view.visible_bytes.start
    assert view.visible_bytes.stop <= offset + length
    source.waiting.pop()()
    assert view.bytes_at(view.visible_bytes.start, 16) == source.data(view.visible_bytes.start, 16)


def test_answers_for_another_source_are_not_shown(view: HexView) -> None:
    old = _Virtual(1000, at_once=False)
    view.show_source(old)
    view.show_source(MemorySource(b"new bytes"))
    old.waiting.pop()()
    assert view.bytes_at(0, 100) == b"new bytes"


def test_bytes_that_cannot_be_read_are_told_not_asked_for_again(view: HexView) -> None:
    source = _Virtual(PAGE)
    source.error = OSError("the disk is gone")
    view.show_source(source)
    view.viewport().repaint()
    view.viewport().repaint()
    assert view.error is source.error
    assert view.bytes_at(0, 1) is None
    assert len(source.asked) == 1


def test_a_page_that_cannot_be_read_hides_none_around_it(view: HexView) -> None:
    class Holed(_Virtual):
        def request(self, offset: int, length: int, callback: Callable[[bytes | Exception], object]) -> None:
            self.error = OSError("a hole") if offset <= 3 * PAGE < offset + length else None
            super().request(offset, length, callback)

    source = Holed(TIB)
    view.show_source(source)
    view.go_to(2 * PAGE)
    assert view.bytes_at(2 * PAGE, 16) == source.data(2 * PAGE, 16)
    assert view.error is None
    assert view.bytes_at(3 * PAGE, 1) is None
    assert view.bytes_at(4 * PAGE, 16) == source.data(4 * PAGE, 16)
    view.go_to(3 * PAGE)
    assert str(view.error) == "a hole"
    asked = len(source.asked)
    view.viewport().repaint()
    assert len(source.asked) == asked


def test_keys_move_the_cursor(view: HexView, qtbot: QtBot) -> None:
    view.show_source(_Virtual(1000))
    moves = [
        (Qt.Key.Key_Right, (), 1), (Qt.Key.Key_Down, (), 17), (Qt.Key.Key_Left, (), 16), (Qt.Key.Key_Up, (), 0),
        (Qt.Key.Key_Left, (), 0), (Qt.Key.Key_Up, (), 0), (Qt.Key.Key_End, (), 15), (Qt.Key.Key_Home, (), 0),
        (Qt.Key.Key_Right, (_Control,), 8), (Qt.Key.Key_Right, (_Control,), 16), (Qt.Key.Key_Left, (_Control,), 8),
        (Qt.Key.Key_End, (_Control,), 999), (Qt.Key.Key_Down, (), 999), (Qt.Key.Key_Home, (_Control,), 0),
    ]  # fmt: skip
    for key, modifiers, offset in moves:
        _key(view, qtbot, key, *modifiers)
        assert view.cursor_offset == offset
    _key(view, qtbot, Qt.Key.Key_PageDown)
    page = view.cursor_offset
    assert page % 16 == 0
    assert 160 <= page <= len(view.visible_bytes)
    assert page in view.visible_bytes
    _key(view, qtbot, Qt.Key.Key_PageUp)
    assert view.cursor_offset == 0


def test_shift_selects(view: HexView, qtbot: QtBot) -> None:
    view.show_source(_Virtual(1000))
    view.go_to(20)
    for _ in range(3):
        _key(view, qtbot, Qt.Key.Key_Right, _Shift)
    assert view.selected == range(20, 24)
    _key(view, qtbot, Qt.Key.Key_Up, _Shift)
    assert view.selected == range(7, 21)
    _key(view, qtbot, Qt.Key.Key_Right)
    assert view.selected == range(8, 9)


def test_only_the_person_moves_the_cursor_with_a_signal(view: HexView, qtbot: QtBot) -> None:
    view.show_source(_Virtual(1000))
    with qtbot.assertNotEmitted(view.cursor_moved):
        view.go_to(100)
        view.select(200, 204)
        view.select_all()
    with qtbot.waitSignal(view.cursor_moved) as moved:
        view.go_to(100)
        _key(view, qtbot, Qt.Key.Key_Right)
    assert moved.args == [101]


@pytest.mark.parametrize("columns", [8, 16, 32])
def test_a_click_finds_the_byte_in_both_parts(view: HexView, qtbot: QtBot, columns: int) -> None:
    view.resize(1200, 400)
    view.show_source(_Virtual(10_000))
    view.set_columns(columns)
    view.go_to(5000)
    for offset in (view.visible_bytes.start + 2 * columns, view.visible_bytes.start + 3 * columns - 1, 5003):
        qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=view.place_of(offset).toPoint())
        assert view.selected == range(offset, offset + 1)


def test_dragging_selects_and_goes_on_beyond_the_edge(view: HexView, qtbot: QtBot) -> None:
    view.show_source(_Virtual(100_000))
    qtbot.mousePress(view.viewport(), Qt.MouseButton.LeftButton, pos=view.place_of(5).toPoint())
    qtbot.mouseMove(view.viewport(), view.place_of(40).toPoint())
    assert view.selected == range(5, 41)
    qtbot.mouseMove(view.viewport(), QPoint(200, view.viewport().height() + 30))
    qtbot.waitUntil(lambda: view.position > 0)
    qtbot.mouseRelease(view.viewport(), Qt.MouseButton.LeftButton)
    assert view.selected.start == 5
    assert view.cursor_offset in view.visible_bytes


@pytest.mark.parametrize("columns", [8, 16, 32])
def test_every_column_is_found_where_it_is_drawn(columns: int) -> None:
    layout = HexLayout(columns, 8, 7.21875, 18)
    for column in range(columns):
        x = layout.hex_column(column)
        assert [layout.column_at(place) for place in (x, x + layout.char, x + 2 * layout.char - 0.1)] == [column] * 3
        assert layout.column_at(layout.text_column(column) + layout.char / 2) == column
    assert layout.column_at(-100) == 0
    assert layout.column_at(layout.width + 100) == columns - 1


def test_texts_are_as_wide_as_the_columns(view: HexView) -> None:
    metrics = QFontMetricsF(view.font())
    char = metrics.horizontalAdvance("0" * 64) / 64
    layout = HexLayout(16, 8, char, 18)
    drawn = metrics.horizontalAdvance(join_groups(["00"] * 15 + [""]))
    assert drawn == pytest.approx(layout.hex_column(15) - layout.hex_x, abs=1.0)
    assert metrics.horizontalAdvance("·" * 16) == pytest.approx(16 * char, abs=1.0)


def test_rows_follow_the_room(view: HexView, qtbot: QtBot) -> None:
    view.show_source(_Virtual(100_000))
    assert view.columns == 16
    view.go_to(50_000)
    view.resize(400, 400)
    assert view.columns == 8
    assert 50_000 in view.visible_bytes
    view.set_columns(32)
    assert view.columns == 32
    assert 50_000 in view.visible_bytes
    assert view.horizontalScrollBar().maximum() > 0
    view.set_columns(0)
    view.resize(900, 400)
    assert view.columns == 16


def test_what_is_near_is_scrolled_to_as_little_as_needed(view: HexView) -> None:
    view.show_source(_Virtual(100_000))
    view.go_to(view.visible_bytes.stop + 16)
    first = view.visible_bytes.start
    assert 0 < first <= 64
    view.go_to(view.visible_bytes.stop - 40)
    assert view.visible_bytes.start == first
    view.go_to(60_000, 8)
    assert view.visible_bytes.start < 60_000 - 64
    assert 60_007 in view.visible_bytes


def test_copying_reads_what_is_not_in_sight(view: HexView, qtbot: QtBot) -> None:
    actions = HexActions(view)
    data = bytes(range(256)) * 80
    view.show_source(MemorySource(data))
    view.select(0x41, 0x45)
    actions.copy_text.trigger()
    assert QGuiApplication.clipboard().text() == "ABCD"
    view.setFocus()
    view.activateWindow()
    qtbot.waitUntil(view.hasFocus)
    qtbot.keyClick(view, Qt.Key.Key_C, _Control)
    assert QGuiApplication.clipboard().text() == "41 42 43 44"
    qtbot.keyClick(view, Qt.Key.Key_A, _Control)
    actions.copy_hex.trigger()
    assert QGuiApplication.clipboard().text() == data.hex(" ")


def test_too_much_is_not_copied(view: HexView, qtbot: QtBot) -> None:
    actions = HexActions(view)
    QGuiApplication.clipboard().setText("before")
    source = _Virtual(TIB)
    view.show_source(source)
    view.select(0, MOST_COPIED + 1)
    asked = len(source.asked)
    with qtbot.waitSignal(actions.refused) as refused:
        actions.copy_hex.trigger()
    assert "At most 1.0 MiB" in refused.args[0]
    assert len(source.asked) == asked
    assert QGuiApplication.clipboard().text() == "before"


def test_as_much_as_can_be_copied_is_copied_at_once(view: HexView) -> None:
    data = bytes(range(256)) * (MOST_COPIED // 256)
    view.show_source(MemorySource(data))
    view.select_all()
    actions = HexActions(view)
    began = time.process_time()
    actions.copy_text.trigger()
    assert time.process_time() - began < 0.1  # byte by byte it took 0.2 s of the Qt thread
    text = QGuiApplication.clipboard().text()
    assert len(text) == MOST_COPIED
    assert text[:128] == "." * 9 + "\t\n" + "." * 21 + "".join(map(chr, range(32, 127))) + "."


def test_highlights_and_hits_are_drawn_where_they_are(view: HexView, qtbot: QtBot) -> None:
    view.show_source(_Virtual(100_000))
    view.go_to(0)
    plain = view.grab().toImage()
    near = view.place_of(35).toPoint()
    corner = view.viewport().mapTo(view, near) - QPoint(12, 6)
    view.set_highlights([Highlight(32, 40, Mark.FIELD)])
    field = view.grab().toImage()
    assert field.pixelColor(corner) != plain.pixelColor(corner)
    view.set_highlights([Highlight(50_000, 50_008)])
    assert view.grab().toImage() == plain
    view.set_hits([33, 60_000], 5)
    hit = view.grab().toImage()
    assert hit.pixelColor(corner) not in (plain.pixelColor(corner), field.pixelColor(corner))


def test_an_empty_view_takes_all_keys_and_clicks(view: HexView, qtbot: QtBot) -> None:
    view.show_source(None)
    for key in (Qt.Key.Key_Right, Qt.Key.Key_PageDown, Qt.Key.Key_End):
        _key(view, qtbot, key)
    qtbot.mouseClick(view.viewport(), Qt.MouseButton.LeftButton, pos=QPoint(100, 100))
    assert view.selected == range(0)
    assert view.visible_bytes == range(0)
    HexActions(view).copy_hex.trigger()
