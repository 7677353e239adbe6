"""The Devices tab over real states: fields and bytes, filters, stepping through snapshots."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QPushButton

from tests.image.tools import MIB, create, take
from tests.models.states import NO_DESCRIPTION, PPC, Q35, many_sections
from tests.samples import sample
from tests.views.world import World, select_field, world
from vmsnap_gui.models.fields import Column
from vmsnap_gui.views.device_tree import MOST_FILTERED
from vmsnap_gui.views.devices_view import DevicesView
from vmsnap_gui.views.hex_paint import Highlight, Mark
from vmsnap_gui.vmstate.fields import to_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui


@pytest.fixture
def here(qtbot: QtBot, tmp_path: Path) -> Iterator[World]:
    with world(qtbot, tmp_path) as made:
        yield made


@pytest.fixture
def view(qtbot: QtBot, here: World) -> DevicesView:
    view = DevicesView(here.session, here.jobs)
    qtbot.addWidget(view)
    view.resize(1200, 500)
    view.show()
    qtbot.waitExposed(view)
    return view


@pytest.fixture
def q35(here: World, view: DevicesView) -> DevicesView:
    here.open(sample(Q35), 0)
    here.settle()
    return view


def _selected(view: DevicesView) -> str:
    place = view.tree.place_of(view.tree.currentIndex())
    return f"{place.key}.{place.path}".rstrip(".") if place is not None else ""


def _rows(view: DevicesView) -> list[str]:
    """Return the names of all rows that are shown."""
    names = []
    index = view.tree.fields.index(0, 0)
    while index.isValid():
        names.append(str(index.data()))
        index = view.tree.indexBelow(index)
    return names


def test_choosing_a_field_highlights_its_bytes(q35: DevicesView, here: World) -> None:
    index = select_field(q35, "cpu", "env.eip")
    here.settle()
    field = q35.tree.fields.field(index)
    assert field is not None
    shown = q35.bytes.hex
    start = field.offset - shown.base
    assert shown.highlights == [Highlight(start, start + 8)]
    assert shown.cursor_offset == start
    assert start in shown.visible_bytes
    assert shown.bytes_at(start, 8) == (0x7C5A).to_bytes(8, "big")
    assert q35.bytes.heading.text() == "cpu · env.eip"
    assert q35.bytes.status.text() == f"Byte {field.offset:#x} of the state, {start:#x} of the section"


def test_a_field_in_a_struct_also_shows_what_it_is_a_part_of(q35: DevicesView) -> None:
    select_field(q35, "cpu", "env.segs[1].base")
    around, field = q35.bytes.hex.highlights
    assert (around.mark, field.mark) == (Mark.AROUND, Mark.FIELD)
    assert around.start <= field.start < field.end <= around.end


def test_arrow_keys_in_the_tree_move_through_the_bytes(q35: DevicesView, qtbot: QtBot) -> None:
    select_field(q35, "cpu", "env.eip")
    before = q35.bytes.hex.cursor_offset
    qtbot.keyClick(q35.tree, Qt.Key.Key_Down)
    assert _selected(q35) == "cpu.env.eflags"
    assert q35.bytes.hex.cursor_offset == before + 8


def test_clicking_a_byte_selects_the_innermost_field(q35: DevicesView, qtbot: QtBot) -> None:
    select_field(q35, "cpu", "env.eip")
    shown = q35.bytes.hex
    position = shown.position
    target = shown.cursor_offset + 8 + 3
    qtbot.mouseClick(shown.viewport(), Qt.MouseButton.LeftButton, pos=shown.place_of(target).toPoint())
    assert _selected(q35) == "cpu.env.eflags"
    assert shown.cursor_offset == target  # the cursor stays where the person put it
    assert shown.position == position
    assert shown.highlights == [Highlight(target - 3, target + 5)]
    assert q35.tree.viewport().rect().contains(q35.tree.visualRect(q35.tree.currentIndex()).center())


def test_arrow_keys_in_the_bytes_move_through_the_fields(q35: DevicesView, qtbot: QtBot) -> None:
    select_field(q35, "cpu", "env.regs[15]")
    seen = []
    for _ in range(12):
        qtbot.keyClick(q35.bytes.hex, Qt.Key.Key_Right)
        seen.append(_selected(q35))
    assert seen == ["cpu.env.regs[15]"] * 7 + ["cpu.env.eip"] * 5


def test_a_byte_far_in_a_huge_array_selects_its_element(here: World, view: DevicesView, qtbot: QtBot) -> None:
    here.open(sample(PPC), 0)
    tree = view.tree.fields.tree
    assert tree is not None
    root = next(at for at, one in enumerate(tree.roots) if any(len(f.children) == 262_144 for f in one.field.children))
    select_field(view, tree.roots[root].key, "mig_table[199999]")
    for _ in range(8):
        qtbot.keyClick(view.bytes.hex, Qt.Key.Key_Right)
    assert _selected(view).endswith(".mig_table[200000]")
    assert view.tree.isExpanded(view.tree.currentIndex().parent())


def test_a_filter_shows_what_matches_expanded_and_says_how_much(q35: DevicesView, here: World) -> None:
    assert q35.set_filter("eip or eflags") is None
    here.settle()
    assert _rows(q35) == [
        "cpu",
        "env.eip",
        "env.eflags",
        "env.sysenter_eip",
        "cpu:1",
        "env.eip",
        "env.eflags",
        "env.sysenter_eip",
    ]
    assert _selected(q35) == "cpu.env.eip"
    total = here.session.loaded.fields if here.session.loaded is not None else 0
    assert q35.filter_result() == f"6 of {total} fields".replace(str(total), q35.locale().toString(total))
    assert q35.set_filter("") is None
    assert q35.filter_result() == ""
    assert len(_rows(q35)) > 40


def test_matches_in_many_devices_are_expanded_up_to_a_bound(q35: DevicesView, here: World) -> None:
    assert q35.set_filter("value > 0x1000") is None
    here.settle()
    assert {"cpu", "env.eip", "hpet"} <= set(_rows(q35))
    assert 200 < len(_rows(q35)) <= MOST_FILTERED
    assert q35.set_filter("size >= 0") is None  # everything
    here.settle()
    assert 300 < len(_rows(q35)) <= MOST_FILTERED
    roots = [q35.tree.fields.index(row, 0) for row in range(q35.tree.fields.rowCount())]
    assert {"cpu", "hpet"} <= {index.data() for index in roots if q35.tree.isExpanded(index)}


def test_what_has_too_many_rows_does_not_keep_others_collapsed(here: World, view: DevicesView) -> None:
    here.open(sample(PPC), 0)
    assert view.set_filter("mig_table or device ~ cpu") is None
    here.settle()
    assert len(_rows(view)) <= MOST_FILTERED
    assert "env.gpr" in _rows(view)


def test_a_filter_without_a_match_says_so_and_is_cleared_there(q35: DevicesView, here: World, qtbot: QtBot) -> None:
    assert q35.set_filter('"<b>nothing</b>"') is None
    here.settle()
    page = q35.result.page
    assert page.isVisible()
    assert page.message()[0] == 'No field matches “"<b>nothing</b>"”'
    assert not q35.tree.isVisible()
    q35.setFocus()
    button = page.findChild(QPushButton, "filter_page_clear")
    assert q35.focusProxy().focusProxy() is button
    with qtbot.waitSignal(q35.filter_wanted) as wanted:
        qtbot.mouseClick(button, Qt.MouseButton.LeftButton)
    assert q35.set_filter(wanted.args[0]) is None
    assert q35.tree.isVisible()
    assert not page.isVisible()


def test_a_wrong_filter_is_explained_and_changes_nothing(q35: DevicesView, here: World) -> None:
    q35.set_filter("eip")
    here.settle()
    before, result = _rows(q35), q35.filter_result()
    why = q35.set_filter("value > (")
    here.settle()
    assert why is not None
    assert "at character" in why
    assert (_rows(q35), q35.filter_result()) == (before, result)


def test_the_selection_outlives_a_filter_that_hides_it(q35: DevicesView, here: World) -> None:
    select_field(q35, "cpu", "env.eflags")
    q35.set_filter("hpet")
    here.settle()
    assert _selected(q35) != "cpu.env.eflags"
    q35.set_filter("")
    assert _selected(q35) == "cpu.env.eflags"
    assert q35.tree.isExpanded(q35.tree.currentIndex().parent())


def test_a_byte_whose_field_the_filter_hides_selects_what_is_around_it(
    q35: DevicesView, here: World, qtbot: QtBot
) -> None:
    q35.set_filter("eip")
    here.settle()
    select_field(q35, "cpu", "env.eip")
    for _ in range(8):
        qtbot.keyClick(q35.bytes.hex, Qt.Key.Key_Right)
    assert _selected(q35) == "cpu"
    assert "hides cpu.env.eflags" in q35.findChild(object, "devices_message").text()


def test_the_filter_can_be_cleared_where_its_result_stands(q35: DevicesView, here: World, qtbot: QtBot) -> None:
    q35.set_filter("eip")
    here.settle()
    with qtbot.waitSignal(q35.filter_wanted) as wanted:
        qtbot.mouseClick(q35.findChild(QPushButton, "clear_filter"), Qt.MouseButton.LeftButton)
    assert wanted.args == [""]


def test_a_filter_can_be_made_of_a_field(q35: DevicesView, here: World, qtbot: QtBot) -> None:
    select_field(q35, "cpu", "env.eip")
    with qtbot.waitSignal(q35.filter_wanted) as wanted:
        q35.actions_of_field.filter.trigger()
    assert q35.set_filter(wanted.args[0]) is None
    here.settle()
    assert q35.filter_result().startswith("1 of ")
    assert _selected(q35) == "cpu.env.eip"


def test_stepping_through_snapshots_keeps_the_field(q35: DevicesView, here: World) -> None:
    select_field(q35, "hpet", "timer[1].config")
    select_field(q35, "cpu", "env.eip")
    height = q35.tree.visualRect(q35.tree.currentIndex()).top()
    here.open(sample(Q35), 1)
    here.settle()
    assert _selected(q35) == "cpu.env.eip"
    tree = q35.tree.fields.tree
    assert tree is not None
    assert tree.loaded is here.session.loaded
    assert tree.loaded.key.index == 1
    assert q35.tree.visualRect(q35.tree.currentIndex()).top() == height
    assert "timer" in _rows(q35)[_rows(q35).index("hpet") + 1 :]
    assert q35.bytes.heading.text() == "cpu · env.eip"


def test_the_field_is_found_again_in_another_machine_and_back(q35: DevicesView, here: World) -> None:
    select_field(q35, "cpu", "env.eip")
    here.open(sample(NO_DESCRIPTION), 0)
    here.settle()
    assert _selected(q35) == "cpu"
    here.open(sample(Q35), 2)
    here.settle()
    assert _selected(q35) == "cpu.env.eip"


def test_a_field_that_is_asked_for_is_shown(q35: DevicesView, here: World) -> None:
    state = here.session.loaded
    assert state is not None
    number = next(i for i, section in enumerate(state.vmstate.sections) if section.key == "hpet")
    here.session.show_field(number, "timer[2].cmp")
    assert _selected(q35) == "hpet.timer[2].cmp"
    here.session.show_field(number, "")
    assert _selected(q35) == "hpet"


def test_a_field_is_copied_in_each_form(q35: DevicesView, here: World) -> None:
    clipboard, actions = QGuiApplication.clipboard(), q35.actions_of_field
    index = select_field(q35, "cpu", "env.eip")
    actions.copy_value.trigger()
    assert clipboard.text() == "31834"
    actions.copy_path.trigger()
    assert clipboard.text() == "cpu.env.eip"
    actions.copy_hex.trigger()
    here.settle()
    assert clipboard.text() == "00 00 00 00 00 00 7c 5a"
    actions.copy_json.trigger()
    here.settle()
    assert clipboard.text() == "31834"
    section = q35.tree.fields.field(index.parent())
    assert section is not None
    q35.tree.setCurrentIndex(index.parent())
    actions.copy_json.trigger()
    here.settle()
    assert json.loads(clipboard.text()) == to_json(section)


def test_copying_far_too_much_is_refused(q35: DevicesView, here: World) -> None:
    select_field(q35, "(memory)", "")
    QGuiApplication.clipboard().setText("before")
    q35.actions_of_field.copy_hex.trigger()
    here.settle()
    state = here.session.loaded
    assert state is not None
    assert state.vmstate.unwalked is not None
    if state.vmstate.unwalked[1] > 4 << 20:
        assert "At most" in q35.findChild(object, "devices_message").text()
        assert QGuiApplication.clipboard().text() == "before"
    else:
        assert len(QGuiApplication.clipboard().text()) == 3 * state.vmstate.unwalked[1] - 1


def test_all_below_a_row_is_expanded_up_to_a_bound(q35: DevicesView, here: World) -> None:
    index = select_field(q35, "cpu", "env.segs")
    q35.actions_of_field.expand.trigger()
    assert q35.tree.isExpanded(q35.tree.fields.index(5, 0, index))
    q35.actions_of_field.collapse.trigger()
    assert not q35.tree.isExpanded(index)
    assert not q35.tree.isExpanded(q35.tree.fields.index(5, 0, index))
    select_field(q35, "0000:00:02.0/e1000e", "")
    q35.actions_of_field.expand.trigger()
    assert "too much" in q35.findChild(object, "devices_message").text()


@pytest.mark.parametrize("width", [980, 1600])
def test_the_main_columns_are_seen_whole(q35: DevicesView, width: int) -> None:
    q35.resize(width, 500)
    select_field(q35, "cpu", "env.eip")
    header = q35.tree.header()
    assert header.sectionViewportPosition(Column.VALUE) + header.sectionSize(Column.VALUE) <= header.width()
    value = q35.tree.currentIndex().siblingAtColumn(Column.VALUE)
    assert q35.tree.visualRect(value).width() > q35.tree.sizeHintForIndex(value).width()
    assert q35.bytes.hex.width() >= q35.bytes.hex.width_for(16)


def test_everything_is_reached_by_keyboard(q35: DevicesView, qtbot: QtBot) -> None:
    q35.tree.setFocus()
    q35.activateWindow()
    qtbot.waitUntil(q35.tree.hasFocus)
    qtbot.keyClick(q35.tree, Qt.Key.Key_Tab)
    assert q35.bytes.hex.hasFocus()
    qtbot.keyClick(q35.bytes.hex, Qt.Key.Key_Tab)
    assert q35.bytes.inspector.hasFocus()
    for widget in (q35, q35.tree, q35.bytes.hex, q35.bytes.inspector):
        assert widget.accessibleName()
        assert widget.objectName()


def test_the_inspector_follows_the_cursor(q35: DevicesView, here: World, qtbot: QtBot) -> None:
    select_field(q35, "cpu", "env.eip")
    here.settle()
    model = q35.bytes.inspector.model()
    assert model.index(3, 1).data() == "31834"
    qtbot.keyClick(q35.bytes.hex, Qt.Key.Key_Right)
    assert model.index(3, 1).data() != "31834"


def test_without_a_snapshot_the_view_says_so(view: DevicesView) -> None:
    assert view.page.isVisible()
    assert view.page.message()[0] == "No image is selected"
    assert view.set_filter("eip") is None


def test_a_snapshot_of_the_disk_alone_is_no_failure(
    qtbot: QtBot, here: World, view: DevicesView, tmp_path: Path
) -> None:
    path = create(tmp_path / "disk.qcow2", MIB)
    here.session.open_paths([path])
    qtbot.waitUntil(lambda: view.page.message()[0] == "This image holds no saved state")
    take(path, "one")
    here.session.reload(path)
    qtbot.waitUntil(lambda: "disk only" in view.page.message()[0])
    assert "cannot be read" not in view.page.message()[0]


def test_a_state_that_cannot_be_read_is_explained(here: World, view: DevicesView, tmp_path: Path, qtbot: QtBot) -> None:
    broken = tmp_path / "broken.vmstate"
    broken.write_bytes(b"QEVM\0\0\0\x02" + bytes(100))
    here.session.open_paths([broken])
    qtbot.waitUntil(lambda: here.session.failure is not None)
    assert view.page.isVisible()
    title, text = view.page.message()
    assert title == "This saved state cannot be read"
    assert "savevm version 2" in text
    assert "The file was not changed." in text
    assert not view.bytes.hex.source.size


def test_very_many_sections_can_be_walked_through(here: World, view: DevicesView, tmp_path: Path) -> None:
    path = tmp_path / "many.vmstate"
    many_sections(path, 2500)
    here.open(path)
    here.settle()
    tree = view.tree
    assert tree.isVisible()
    group = tree.fields.index(2, 0)
    tree.setCurrentIndex(group)
    assert _selected(view) == ""
    tree.expand(group)
    select_field(view, "part:2003", "number")
    here.settle()
    assert _selected(view) == "part:2003.number"
    assert view.bytes.hex.bytes_at(view.bytes.hex.selected.start, 4) == (2003).to_bytes(4, "big")
    here.session.reload(path)
    here.open(path)
    here.settle()
    assert [tree.isExpanded(tree.fields.index(row, 0)) for row in range(3)] == [False, False, True]
    assert _selected(view) == "part:2003.number"
