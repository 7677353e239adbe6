"""The Memory tab over real states: index, blocks, page map, bytes, search."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPointF, Qt
from PySide6.QtWidgets import QPushButton

from tests.models.states import Q35, loaded
from tests.samples import sample
from tests.views.world import World, world
from tests.vmstate.rams import with_broken_page
from tests.vmstate.streams import pattern
from vmsnap_gui.models.hits import Hit
from vmsnap_gui.models.ram import Column
from vmsnap_gui.views.memory_view import MemoryView

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui

_Control, _Shift = Qt.KeyboardModifier.ControlModifier, Qt.KeyboardModifier.ShiftModifier


@pytest.fixture
def here(qtbot: QtBot, tmp_path: Path) -> Iterator[World]:
    with world(qtbot, tmp_path) as made:
        yield made


@pytest.fixture
def view(qtbot: QtBot, here: World) -> MemoryView:
    view = MemoryView(here.session, here.jobs)
    qtbot.addWidget(view)
    view.resize(1200, 600)
    view.show()
    qtbot.waitExposed(view)
    return view


@pytest.fixture
def q35(here: World, view: MemoryView, qtbot: QtBot) -> MemoryView:
    here.open(sample(Q35), 0)
    here.settle()
    qtbot.waitUntil(lambda: view.map.map is not None, timeout=20_000)  # the first of a run imports pyqtgraph
    return view


def _bytes(length: int, offset: int) -> bytes:
    index = loaded(Q35).vmstate.index_ram()
    return index.read(index.block("pc.ram"), offset, length)


def _places(text: bytes) -> list[int]:
    content = _bytes(64 << 20, 0)
    places, at = [], content.find(text)
    while at >= 0:
        places.append(at)
        at = content.find(text, at + 1)
    return places


def _search(view: MemoryView, here: World, text: str, kind: str = "Text") -> None:
    view.find_bar.how.setCurrentText(kind)
    view.find_bar.text.setText(text)
    view.find_next()
    here.settle()


# The index and the blocks


def test_memory_is_indexed_when_it_is_looked_at_and_the_largest_block_shown(q35: MemoryView) -> None:
    assert q35.block is not None
    assert q35.block.name == "pc.ram"
    assert q35.bytes.heading.text() == "pc.ram"
    assert q35.bytes.hex.bytes_at(0, 64) == _bytes(64, 0)
    row = q35.blocks.currentIndex().row()
    cells = [
        str(q35.model.index(row, column).data()) for column in (Column.NAME, Column.SIZE, Column.DATA, Column.MISSING)
    ]
    assert cells == ["pc.ram", "64.0 MiB", "175", "0"]


def test_memory_is_not_indexed_while_nobody_looks(here: World, qtbot: QtBot) -> None:
    view = MemoryView(here.session, here.jobs)
    qtbot.addWidget(view)
    here.open(sample(Q35), 0)
    here.settle()
    assert here.session.ram is None
    view.show()
    qtbot.waitUntil(lambda: view.block is not None)
    here.settle()


def test_a_view_that_is_made_late_shows_what_is_indexed_already(here: World, qtbot: QtBot) -> None:
    here.open(sample(Q35), 0)
    here.session.index_ram()
    here.settle()
    assert here.session.ram is not None
    view = MemoryView(here.session, here.jobs)
    qtbot.addWidget(view)
    here.settle()
    assert view.block is not None
    assert view.block.name == "pc.ram"


def test_indexing_can_be_cancelled_and_begun_again(here: World, view: MemoryView, qtbot: QtBot) -> None:
    cancel = view.findChild(QPushButton, "index_page_cancel_index")
    seen: list[str] = []

    def stop() -> None:
        seen.append(view.page.message()[0])
        cancel.click()

    here.session.state_loaded.connect(stop)
    here.open(sample(Q35), 0)
    here.settle()
    assert seen == ["Indexing the memory"]
    assert here.session.ram is None
    assert view.page.message()[0] == "The memory is not indexed"
    qtbot.mouseClick(view.findChild(QPushButton, "index_page_start_index"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: view.block is not None)
    here.settle()


def test_a_change_of_the_file_does_not_begin_again_what_was_cancelled(
    here: World, view: MemoryView, tmp_path: Path
) -> None:
    path = tmp_path / "disk.qcow2"
    shutil.copyfile(sample(Q35), path)
    here.session.state_loaded.connect(lambda *_: here.session.ram_job and here.session.ram_job.cancel())
    here.open(path, 0)
    here.settle()
    cancelled = here.session.ram_job
    state = here.session.loaded
    os.utime(path)
    here.session.library.reload(path)
    here.settle()
    assert here.session.loaded is state
    assert here.session.ram_job is cancelled
    assert view.page.message()[0] == "The memory is not indexed"


def test_another_snapshot_shows_its_own_memory_in_the_same_block(q35: MemoryView, here: World) -> None:
    q35.blocks.setCurrentIndex(q35.model.index(q35.model.row_of("0000:00:01.0/vga.vram"), 0))
    here.settle()
    before = here.session.ram
    here.open(sample(Q35), 1)
    here.settle()
    assert here.session.ram is not before
    assert q35.block is not None
    assert q35.block.name == "0000:00:01.0/vga.vram"
    assert here.session.ram is not None
    assert q35.block in here.session.ram.blocks


def test_choosing_a_block_shows_its_bytes_and_pages(q35: MemoryView, here: World) -> None:
    row = q35.model.row_of("pc.bios")
    q35.blocks.setCurrentIndex(q35.model.index(row, 0))
    here.settle()
    index = loaded(Q35).vmstate.index_ram()
    assert q35.bytes.hex.source.size == index.block("pc.bios").length
    assert q35.bytes.hex.bytes_at(0, 64) == index.read(index.block("pc.bios"), 0, 64)
    assert q35.map.describe(0).startswith("Page 0 · 0x0 · ")


def test_what_cannot_be_followed_is_said_above_what_can(here: World, view: MemoryView, tmp_path: Path) -> None:
    whole = sample("q35-default@10.0/s-plain.vmstate").read_bytes()
    cut = tmp_path / "cut.vmstate"
    cut.write_bytes(whole[: len(whole) // 2])
    here.open(cut)
    here.settle()
    assert here.session.ram is not None
    assert here.session.ram.problem is not None
    assert view.notice.isVisible()
    assert "could not be followed to its end" in view.notice.text()
    assert view.block is not None


def test_without_a_snapshot_the_view_says_so(view: MemoryView) -> None:
    assert view.page.isVisible()
    assert view.page.message()[0] == "No image is selected"
    view.find_next()
    view.go_to("0x1000")


def test_a_state_without_memory_says_so(here: World, view: MemoryView, tmp_path: Path) -> None:
    empty = tmp_path / "empty.vmstate"
    empty.write_bytes(b"QEVM\0\0\0\x03\0")
    here.open(empty)
    here.settle()
    assert view.page.message()[0] == "This saved state holds no memory"


def test_a_state_that_cannot_be_read_is_explained(here: World, view: MemoryView, tmp_path: Path, qtbot: QtBot) -> None:
    broken = tmp_path / "broken.vmstate"
    broken.write_bytes(b"QEVM\0\0\0\x02" + bytes(100))
    here.session.open_paths([broken])
    qtbot.waitUntil(lambda: here.session.failure is not None)
    assert view.page.message()[0] == "This saved state cannot be read"


# Going somewhere


def test_going_to_an_offset_shows_it_everywhere(q35: MemoryView, here: World, qtbot: QtBot) -> None:
    qtbot.keyClicks(q35.find_bar.go_to, "0xc7190")
    qtbot.keyClick(q35.find_bar.go_to, Qt.Key.Key_Return)
    here.settle()
    shown = q35.bytes.hex
    assert shown.cursor_offset == 0xC7190
    assert shown.bytes_at(0xC7190, 16) == _bytes(16, 0xC7190)
    assert q35.bytes.status.text() == "Byte 0xc7190, page 199 + 0x190"
    about = q35.findChild(object, "page_map_about").text()
    assert about == "Page 199 · 0xc7000 · data"


def test_a_wrong_offset_is_explained_and_goes_nowhere(q35: MemoryView) -> None:
    q35.go_to("0x1000")
    q35.go_to("page 99999999")
    assert q35.bytes.hex.cursor_offset == 0x1000
    assert "outside" in q35.find_bar.status.text()
    q35.go_to("page 2")
    assert q35.bytes.hex.cursor_offset == 0x2000
    assert q35.find_bar.status.text() == ""


# The page map


def test_a_click_in_the_page_map_shows_that_page(q35: MemoryView, here: World, qtbot: QtBot) -> None:
    assert q35.map.map is not None
    place = q35.map.map.place_of(4321).toPoint()
    assert q35.map.map.page_at(QPointF(place)) == 4321
    qtbot.mouseClick(q35.map.map.viewport(), Qt.MouseButton.LeftButton, pos=place)
    assert q35.bytes.hex.cursor_offset == 4321 * 4096


def test_arrow_keys_in_the_page_map_move_from_page_to_page(q35: MemoryView, qtbot: QtBot) -> None:
    page_map = q35.map.map
    assert page_map is not None
    q35.go_to("page 1000")
    for key, page in (
        (Qt.Key.Key_Right, 1001), (Qt.Key.Key_Down, 1001 + page_map.columns), (Qt.Key.Key_Up, 1001),
        (Qt.Key.Key_Left, 1000), (Qt.Key.Key_End, 16383), (Qt.Key.Key_Right, 16383), (Qt.Key.Key_Home, 0),
    ):  # fmt: skip
        qtbot.keyClick(page_map, key)
        assert q35.bytes.hex.cursor_offset == page * 4096


def test_pages_are_drawn_by_kind_and_by_entropy(q35: MemoryView, here: World) -> None:
    page_map = q35.map.map
    assert page_map is not None
    data, zero = page_map.place_of(199).toPoint(), page_map.place_of(9000).toPoint()
    q35.go_to("page 16000")  # the mark is elsewhere
    kinds = page_map.grab().toImage()
    assert kinds.pixelColor(data) != kinds.pixelColor(zero)
    assert "data 175" in q35.map.legend.accessibleName()
    q35.map.mode.setCurrentIndex(1)
    here.settle()
    entropy = page_map.grab().toImage()
    assert entropy.pixelColor(data) != kinds.pixelColor(data)
    assert entropy.pixelColor(zero) == kinds.pixelColor(zero)
    assert q35.map.describe(199).endswith(" bits per byte")
    assert q35.map.legend.accessibleName() == "0 bits – 8 bits per byte"
    q35.map.mode.setCurrentIndex(0)
    assert page_map.grab().toImage() == kinds


def test_entropy_that_another_block_interrupted_is_computed_again(q35: MemoryView, here: World) -> None:
    main, video = (q35.model.index(q35.model.row_of(name), 0) for name in ("pc.ram", "0000:00:01.0/vga.vram"))
    q35.map.mode.setCurrentIndex(1)
    q35.blocks.setCurrentIndex(video)
    here.settle()
    assert q35.map.describe(4000).endswith("zero · 0.00 bits per byte")
    q35.blocks.setCurrentIndex(main)
    here.settle()
    assert q35.map.describe(16_000).endswith(" bits per byte")
    done = len(here.jobs.jobs)
    q35.blocks.setCurrentIndex(video)
    assert len(here.jobs.jobs) == done  # that of the other block is still known


def test_cancelling_the_entropy_goes_back_to_kinds(q35: MemoryView, here: World) -> None:
    q35.map.mode.setCurrentIndex(1)
    cancel = q35.findChild(QPushButton, "entropy_cancel")
    assert cancel.isVisible()
    cancel.click()
    here.settle()
    assert q35.map.mode.currentIndex() == 0
    assert not cancel.isVisible()
    assert "bits per byte" not in q35.map.describe(199)


# Search


@pytest.mark.parametrize(
    ("text", "kind", "data"),
    [
        ("QEMU", "Text", b"QEMU"),
        ("51 45 4d 55", "Hex bytes", b"QEMU"),
        ("0x554d4551", "Integer, 32 bits", b"QEMU"),
        ("QE", "Text (UTF-16)", b"Q\0E\0"),
    ],
)
def test_a_search_finds_all_places_and_shows_the_first(
    q35: MemoryView, here: World, text: str, kind: str, data: bytes
) -> None:
    _search(q35, here, text, kind)
    places = _places(data)
    assert q35.search.hits.offsets == places
    if places:
        assert q35.bytes.hex.selected == range(places[0], places[0] + len(data))
        assert q35.bytes.hex.bytes_at(places[0], len(data)) == data
        assert q35.find_bar.status.text() == f"1 of {len(places)} found"
        assert q35.hits.isVisible()
    else:
        assert q35.find_bar.status.text() == "Nothing found in pc.ram"


def test_numbers_can_be_looked_for_in_the_other_byte_order(q35: MemoryView, here: World) -> None:
    q35.find_bar.order.setCurrentIndex(1)
    _search(q35, here, "0x51454d55", "Integer, 32 bits")
    assert q35.search.hits.offsets == _places(b"QEMU")


def test_next_and_previous_go_round(q35: MemoryView, here: World, qtbot: QtBot) -> None:
    places = _places(b"QEMU")
    _search(q35, here, "QEMU")
    shown = q35.bytes.hex
    qtbot.keyClick(shown, Qt.Key.Key_F3)
    assert shown.selected.start == places[1]
    assert q35.find_bar.status.text() == f"2 of {len(places)} found"
    qtbot.keyClick(shown, Qt.Key.Key_F3, _Shift)
    qtbot.keyClick(shown, Qt.Key.Key_F3, _Shift)
    assert shown.selected.start == places[-1]
    q35.activateWindow()
    q35.find_bar.text.setFocus()
    qtbot.waitUntil(q35.find_bar.text.hasFocus)
    qtbot.keyClick(q35.find_bar.text, Qt.Key.Key_Return)
    assert shown.selected.start == places[0]
    qtbot.keyClick(q35.find_bar.text, Qt.Key.Key_Return, _Shift)
    assert shown.selected.start == places[-1]


def test_a_search_begins_at_the_cursor(q35: MemoryView, here: World) -> None:
    places = _places(b"QEMU")
    q35.go_to(str(places[7] + 1))
    _search(q35, here, "QEMU")
    assert q35.bytes.hex.selected.start == places[8]
    assert q35.search.hits.offsets == places


def test_choosing_a_result_shows_it(q35: MemoryView, here: World) -> None:
    _search(q35, here, "QEMU")
    q35.hits.setCurrentIndex(q35.search.hits.index(4, 0))
    assert q35.bytes.hex.selected.start == _places(b"QEMU")[4]


def test_a_search_can_be_cancelled_and_keeps_what_it_found(q35: MemoryView, here: World, qtbot: QtBot) -> None:
    q35.find_bar.text.setText("no such text in this memory")
    q35.find_next()
    cancel = q35.findChild(QPushButton, "find_cancel")
    assert cancel.isVisible()
    assert q35.find_bar.status.text().startswith("Searching…")
    qtbot.mouseClick(cancel, Qt.MouseButton.LeftButton)
    assert not q35.search.running
    here.settle()
    # by then it may have found the first one
    assert q35.find_bar.status.text() in ("Cancelled · Nothing found in pc.ram", "Cancelled · 1 of 17 found")
    assert not cancel.isVisible()
    _search(q35, here, "QEMU")
    assert q35.search.hits.offsets == _places(b"QEMU")


def test_a_search_that_was_cancelled_can_be_begun_again(q35: MemoryView, here: World) -> None:
    q35.find_bar.text.setText("QEMU")
    q35.find_next()
    q35.search.cancel()
    here.settle()
    found = q35.search.hits.offsets  # by then it may have found some: to these it leads without a new search
    assert q35.find_bar.status.text().startswith("Cancelled · " if found else "Cancelled · Nothing found in pc.ram")
    if found:
        q35.bytes.hex.go_to(found[-1])
    q35.find_next()
    here.settle()
    places = _places(b"QEMU")
    assert q35.search.hits.offsets == places
    assert q35.find_bar.status.text().endswith(f" of {len(places)} found")


def test_behind_what_a_cancelled_search_found_it_is_begun_again(q35: MemoryView, here: World) -> None:
    places = _places(b"QEMU")
    _search(q35, here, "QEMU")
    q35.find_bar.text.setText("no such text in this memory")
    q35.find_next()
    q35.search.hits.add([Hit(places[0], b"QEMU", 0), Hit(places[1], b"QEMU", 0)], 0)  # as if it had come so far
    q35.search.cancel()
    q35.bytes.hex.go_to(places[0])
    q35.find_next()
    assert not q35.search.running
    assert q35.bytes.hex.selected.start == places[1]
    q35.find_next(back=True)
    assert q35.bytes.hex.selected.start == places[0]
    q35.find_next(back=True)
    assert q35.search.running
    here.settle()
    assert q35.find_bar.status.text() == "Nothing found in pc.ram"


def test_what_a_search_could_not_look_at_is_said(here: World, view: MemoryView, tmp_path: Path) -> None:
    path = tmp_path / "broken-page.vmstate"
    path.write_bytes(with_broken_page(5))
    here.open(path)
    here.settle()
    text = pattern(9)[8:16].decode()
    _search(view, here, text)
    assert view.find_bar.status.text() == f"1 of {view.search.hits.rowCount()} found · 1 page cannot be read"
    assert view.search.hits.offsets[-1] > 60 * 4096
    view.go_to("page 4")
    here.settle()
    assert view.bytes.hex.bytes_at(4 * 4096, 4096) == pattern(4)
    assert view.bytes.hex.bytes_at(5 * 4096, 1) is None


def test_what_cannot_be_looked_for_is_explained_and_changes_nothing(q35: MemoryView, here: World) -> None:
    _search(q35, here, "QEMU")
    _search(q35, here, "xyz", "Hex bytes")
    assert "two digits" in q35.find_bar.status.text()
    assert q35.search.hits.rowCount()
    _search(q35, here, "99999999999", "Integer, 16 bits")
    assert "does not fit" in q35.find_bar.status.text()
    _search(q35, here, "", "Text")
    assert "Type what to look for" in q35.find_bar.status.text()


def test_another_block_forgets_the_search(q35: MemoryView, here: World) -> None:
    _search(q35, here, "QEMU")
    q35.blocks.setCurrentIndex(q35.model.index(q35.model.row_of("pc.bios"), 0))
    here.settle()
    assert q35.search.hits.rowCount() == 0
    assert q35.find_bar.status.text() == ""
    assert not q35.hits.isVisible()


def test_keys_lead_to_what_is_typed(q35: MemoryView, qtbot: QtBot) -> None:
    q35.activateWindow()
    q35.bytes.hex.setFocus()
    qtbot.waitUntil(q35.bytes.hex.hasFocus)
    qtbot.keyClick(q35.bytes.hex, Qt.Key.Key_F, _Control)
    assert q35.find_bar.text.hasFocus()
    qtbot.keyClick(q35.find_bar.text, Qt.Key.Key_G, _Control)
    assert q35.find_bar.go_to.hasFocus()


def test_everything_is_reached_by_keyboard_and_has_a_name(q35: MemoryView, here: World, qtbot: QtBot) -> None:
    _search(q35, here, "0x51", "Integer, 8 bits")
    q35.activateWindow()
    q35.blocks.setFocus()
    qtbot.waitUntil(q35.blocks.hasFocus)
    reached = []
    while (focus := q35.window().focusWidget()) not in reached:
        reached.append(focus)
        qtbot.keyClick(focus, Qt.Key.Key_Tab)
    names = {widget.objectName() for widget in reached}
    assert names >= {
        "ram_blocks", "page_map_mode", "page_map", "find_results", "go_to", "find_text", "find_how", "find_order",
        "find_start", "find_previous", "find_next", "memory_bytes", "memory_bytes_inspector",
    }  # fmt: skip
    for widget in reached:
        assert widget.accessibleName() or isinstance(widget, QPushButton)
