"""Comparing with a base in the window: two branches of a real machine that both come from one snapshot."""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QColor, QDropEvent, QPalette
from PySide6.QtWidgets import QApplication, QMenu

from tests.compare.machines import (
    CLUSTER,
    PAGE,
    PAGES_OF,
    REGISTERS,
    REGISTERS_OF,
    SECTORS_OF,
    branched,
    known_pages,
)
from tests.end2end.test_gui_walk import loaded, running
from tests.views.test_compare_view import _compare, _paths, _select, _settle
from vmsnap_gui.compare.terms import Outcome
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.models.change_rows import Shown
from vmsnap_gui.models.changed_blocks import Column as BlockColumn
from vmsnap_gui.models.changed_ranges import OUTCOME_ROLE
from vmsnap_gui.models.changed_ranges import Column as RangeColumn
from vmsnap_gui.models.changes import Column
from vmsnap_gui.views import theme
from vmsnap_gui.views.page_colours import outcome_colours

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from vmsnap_gui.app import Parts
    from vmsnap_gui.views.base_button import BaseButton
    from vmsnap_gui.views.change_tree import ChangeTree
    from vmsnap_gui.views.compare_view import CompareView
    from vmsnap_gui.views.main_window import MainWindow

pytestmark = [pytest.mark.gui, pytest.mark.qemu]

ALIKE = sum(map(len, known_pages().values()))


@pytest.fixture
def parts(qtbot: QtBot, tmp_path: Path) -> Iterator[Parts]:
    with running(qtbot, tmp_path / "config") as parts:
        parts.session.open_paths([branched()])
        loaded(qtbot, parts)
        yield parts


@pytest.fixture
def view(qtbot: QtBot, parts: Parts) -> CompareView:
    """The comparison of "a" and "b" with "base"."""
    parts.window.activateWindow()
    qtbot.waitUntil(parts.window.isActiveWindow)
    _compare(qtbot, parts, 0, 1, 2)
    return parts.window.compare_tab.view


def _statuses(tree: ChangeTree) -> dict[str, str]:
    rows = tree.changes.rows
    assert rows is not None
    places = [(n, place) for n, section in enumerate(rows.sections) for place in range(len(section.rows))]
    indexes = [tree.changes.index_of(*one) for one in places]
    return {index.data(): index.siblingAtColumn(Column.STATUS).data() for index in indexes}


def test_of_three_selected_snapshots_the_oldest_is_the_base(view: CompareView) -> None:
    header, tree = view.header, view.fields.tree
    assert (header.a.name(), header.b.name(), header.base.text()) == ("a", "b", "Base: base")
    assert header.ticks.isVisible()
    own = ("← in A", "→ in B", "≠ in both differently")
    expected = {path: status for (_, path), status in zip(REGISTERS_OF.values(), own, strict=True)}
    assert _statuses(tree) == dict.fromkeys(REGISTERS, "≡ in both alike") | expected
    assert header.since.text() == f"Fields: ← 1, → 1, ≡ {len(REGISTERS)}, ≠ 1"
    assert not tree.isColumnHidden(Column.BASE)
    cpu = tree.changes.index(0, 0)
    assert cpu.siblingAtColumn(Column.STATUS).data() == f"← 1 · → 1 · ≡ {len(REGISTERS)} · ≠ 1"
    row = tree.changes.index_of(0, [one.path for one in tree.changes.rows.sections[0].rows].index("env.regs[5]"))
    texts = [row.siblingAtColumn(column).data() for column in (Column.BASE, Column.A, Column.B)]
    assert texts == ["1717986918 (0x66666666)", "1", "2"]


def test_each_kind_has_a_colour_of_its_own(view: CompareView) -> None:
    boxes = view.header.ticks.boxes.values()
    try:
        for scheme in (Qt.ColorScheme.Dark, Qt.ColorScheme.Light):
            theme.set_scheme(scheme)
            palette = QApplication.palette()
            colours = outcome_colours(palette)[1:5]
            assert len({colour.name() for colour in colours}) == 4
            base = palette.color(QPalette.ColorRole.Base)
            assert all(_contrast(colour, base) > 4.5 for colour in colours)
            QApplication.processEvents()
            swatches = [box.icon().pixmap(4, 4).toImage().pixelColor(2, 2).name() for box in boxes]
            assert swatches == [colour.name() for colour in colours]
    finally:
        theme.set_scheme(Qt.ColorScheme.Unknown)


def _contrast(one: QColor, other: QColor) -> float:
    """Return the contrast of two colours as the WCAG define it."""
    light = sorted(_luminance(colour) for colour in (one, other))
    return (light[1] + 0.05) / (light[0] + 0.05)


def _luminance(colour: QColor) -> float:
    parts = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in colour.getRgbF()[:3]]
    return 0.2126 * parts[0] + 0.7152 * parts[1] + 0.0722 * parts[2]


def test_ticks_and_the_filter_choose_what_is_shown(qtbot: QtBot, parts: Parts, view: CompareView) -> None:
    boxes = view.header.ticks.boxes
    boxes[Outcome.ALIKE].click()
    _settle(qtbot, parts)
    assert _paths(parts.window) == [REGISTERS_OF[which][1] for which in ("a", "b", "both")]
    for outcome in (Outcome.IN_A, Outcome.IN_B, Outcome.DIFFERENTLY):
        boxes[outcome].click()
    _settle(qtbot, parts)
    assert view.fields.page.message()[0] == "No such field changed"
    for box in boxes.values():
        box.click()
    _settle(qtbot, parts)
    for text, paths in (
        ("changed == in_a", ["env.regs[1]"]),
        ("changed == in_b or changed == both_differently", ["env.regs[2]", "env.regs[5]"]),
        ("changed != both_alike", ["env.regs[1]", "env.regs[2]", "env.regs[5]"]),
        ("rbp == 1", ["env.regs[5]"]),
    ):
        parts.window.filter_box.set_filter(text)
        _settle(qtbot, parts)
        assert _paths(parts.window) == paths, text
    parts.window.filter_box.set_filter("changed == somewhere")
    assert "both_differently" in parts.window.filter_box.reason()


def test_all_fields_are_those_that_changed_and_those_that_did_not(
    qtbot: QtBot, parts: Parts, view: CompareView
) -> None:
    view.fields.shown.setCurrentIndex(Shown.ALL)
    parts.window.filter_box.set_filter("device == cpu")
    _settle(qtbot, parts)
    paths = _paths(parts.window)
    assert len(paths) == len(set(paths))
    assert {"env.regs[1]", "env.regs[4]"} <= set(paths)
    parts.window.filter_box.set_filter("device == cpu not changed")
    _settle(qtbot, parts)
    assert set(_paths(parts.window)) < set(paths) - {"env.regs[1]"}
    assert _statuses(view.fields.tree)["env.regs[4]"] == "= same"


def test_memory_tells_pages_apart(qtbot: QtBot, parts: Parts, view: CompareView) -> None:
    view.tabs.setCurrentWidget(view.memory)
    _settle(qtbot, parts)
    memory, model = view.memory, view.memory.model
    row = [model.index(n, 0).data() for n in range(model.rowCount())].index("pc.ram")
    counts = [model.index(row, column).data() for column in range(BlockColumn.CHANGED, BlockColumn.ONLY_B)]
    assert counts == ["1", "1", str(ALIKE), "1"]
    assert memory.blocks.isColumnHidden(BlockColumn.ONLY_B)
    assert f"Pages: ← 1, → 1, ≡ {ALIKE}, ≠ 1" in view.header.since.text()
    assert "in both alike" in memory.bytes.map.legend.accessibleName()
    twin = memory.bytes.twin
    memory.bytes.go_to_change(PAGES_OF["a"] * PAGE)
    _settle(qtbot, parts)
    assert "in A" in twin.status.text()
    assert twin.base.isVisible()
    offset = PAGES_OF["both"] * PAGE
    memory.bytes.go_to_change(offset)
    _settle(qtbot, parts)
    assert [view.bytes_at(offset, 4) for view in (twin.base, twin.a, twin.b)] == [
        bytes(4), bytes([0, 0, 0, 1]), bytes([0, 0, 0, 2]),
    ]  # fmt: skip
    assert twin.base.cursor_offset == twin.a.cursor_offset == offset + 3
    assert [[mark.start for mark in view.highlights] for view in (twin.a, twin.b)] == [[offset + 3]] * 2
    view.header.ticks.boxes[Outcome.ALIKE].click()
    _settle(qtbot, parts)
    cells = model.cells[row]
    assert [int(start) // PAGE for start in cells.starts] == sorted(PAGES_OF.values())


def test_what_both_changed_alike_is_marked_against_the_base(qtbot: QtBot, parts: Parts, view: CompareView) -> None:
    view.tabs.setCurrentWidget(view.memory)
    _settle(qtbot, parts)
    start = known_pages()["zero_to_data"][0] * PAGE
    view.memory.bytes.go_to_change(start)
    _settle(qtbot, parts)
    twin = view.memory.bytes.twin
    marks = [[(mark.start, mark.end) for mark in one.highlights] for one in (twin.a, twin.b)]
    assert marks[0] == marks[1] != []
    assert "in both alike" in twin.status.text()


def test_the_disk_is_told_by_tables_and_by_content(qtbot: QtBot, parts: Parts, view: CompareView) -> None:
    view.tabs.setCurrentWidget(view.disk)
    _settle(qtbot, parts)
    model = view.disk.model
    told = {model.start(model.index(row, 0)): model.index(row, RangeColumn.CHANGE) for row in range(model.rowCount())}
    words = {"a": "← in A", "b": "→ in B", "both": "≠ in both differently"}
    assert {which: told[start].data() for which, start in SECTORS_OF.items()} == words
    assert told[SECTORS_OF["b"]].data(OUTCOME_ROLE) == Outcome.IN_B
    assert not any(index.data() == "≡ in both alike" for index in told.values())
    assert view.disk.notice.isVisible()
    view.disk.read_data.trigger()
    _settle(qtbot, parts)
    assert sum(model.index(row, RangeColumn.CHANGE).data() == "≡ in both alike" for row in range(model.rowCount())) >= 3
    assert f"Disk: ← {CLUSTER >> 10}.0 KiB" in view.header.since.text()


def test_steps_go_through_all_that_changed(qtbot: QtBot, parts: Parts, view: CompareView) -> None:
    seen = set()
    view.fields.tree.go_to_end(back=False)
    while True:
        seen.add(view.fields.tree.currentIndex().data())
        if not view.fields.tree.step(back=False):
            break
    assert seen == {*REGISTERS, *(path for _, path in REGISTERS_OF.values())}


def test_swapping_swaps_what_is_told(qtbot: QtBot, parts: Parts, view: CompareView) -> None:
    qtbot.mouseClick(view.header.swap, Qt.MouseButton.LeftButton)
    _settle(qtbot, parts)
    assert (view.header.a.name(), view.header.base.text()) == ("b", "Base: base")
    assert _statuses(view.fields.tree)["env.regs[1]"] == "→ in B"


def test_the_base_can_be_chosen_and_taken_away(qtbot: QtBot, parts: Parts) -> None:
    window = parts.window
    _compare(qtbot, parts, 1, 2)
    view = window.compare_tab.view
    assert not view.header.ticks.isVisible()
    assert view.fields.tree.isColumnHidden(Column.BASE)
    assert set(_paths(window)) == {path for _, path in REGISTERS_OF.values()}
    view.header.base.fill()
    offered = {action.text().split(" ")[0]: action for action in view.header.base.choices.actions() if action.text()}
    assert (offered["a"].isEnabled(), offered["base"].isEnabled()) == (False, True)
    offered["base"].trigger()
    _settle(qtbot, parts)
    assert view.header.base.text() == "Base: base"
    assert "env.eip" in _paths(window)
    view.tabs.setCurrentWidget(view.memory)
    _settle(qtbot, parts)
    window.compare_tab.actions.drop_base.trigger()
    _settle(qtbot, parts)
    assert view.header.base.text() == "Base: none"
    assert set(_paths(window)) == {path for _, path in REGISTERS_OF.values()}
    assert not view.memory.bytes.twin.base.isVisible()
    assert not view.memory.blocks.isColumnHidden(BlockColumn.ONLY_B)
    _select(window, 0)
    window.compare_tab.actions.set_base.trigger()
    _settle(qtbot, parts)
    assert window.compare_tab.session.compared.sides.base.snapshot.tag == "base"
    menu = QMenu()
    window.snapshots.menu_wanted.emit(menu)
    assert window.compare_tab.actions.set_base in menu.actions()
    assert not window.compare_tab.actions.set_base.isEnabled()
    assert "already" in window.compare_tab.actions.set_base.toolTip()


def _streams(folder: Path) -> list[Path]:
    """Write the three states as stream files, the base last, but with the oldest date."""
    image = open_image(branched())
    files = []
    for snapshot in reversed(image.snapshots):
        view = image.vm_state(snapshot)
        files.append(folder / f"{snapshot.tag}.vmstate")
        files[-1].write_bytes(view.read(0, view.size))
    image.close()
    os.utime(files[-1], (1_000_000_000, 1_000_000_000))
    return files


def _drop(widget: MainWindow | BaseButton, *files: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(file)) for file in files])
    copy, left = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    widget.dropEvent(QDropEvent(QPointF(9, 9), copy, data, left, Qt.KeyboardModifier.NoModifier))


def test_of_three_dropped_states_the_oldest_is_the_base(qtbot: QtBot, parts: Parts, tmp_path: Path) -> None:
    files = _streams(tmp_path)
    _drop(parts.window, *files)
    _settle(qtbot, parts)
    session = parts.window.compare_tab.session
    assert session.compared is not None
    assert session.compared.sides.base.path.name == "base.vmstate"
    assert {side.path.name for side in session.compared.sides.all[:2]} == {"a.vmstate", "b.vmstate"}
    assert session.compared.since is not None
    assert sum(session.compared.since.counts[1:]) == len(REGISTERS) + 3
    parts.session.close_image(files[-1])
    _settle(qtbot, parts)
    assert session.compared.sides.base is None


def test_a_state_dropped_on_the_button_becomes_the_base(qtbot: QtBot, parts: Parts, tmp_path: Path) -> None:
    *_, base = _streams(tmp_path)
    _compare(qtbot, parts, 1, 2)
    header = parts.window.compare_tab.view.header
    _drop(header.base, branched())
    _settle(qtbot, parts)
    assert "exactly one" in parts.window.statusBar().currentMessage()
    assert header.base.text() == "Base: none"
    _drop(header.base, base)
    _settle(qtbot, parts)
    assert header.base.text() == "Base: saved state"
    assert _statuses(parts.window.compare_tab.view.fields.tree)["env.regs[2]"] == "→ in B"
    view = parts.window.compare_tab.view
    view.tabs.setCurrentWidget(view.disk)
    assert view.disk.page.message()[0] == "There is no disk to compare"


def test_a_report_tells_it(qtbot: QtBot, parts: Parts, view: CompareView, tmp_path: Path) -> None:
    for part in (view.memory, view.disk):
        view.tabs.setCurrentWidget(part)
        _settle(qtbot, parts)
    files = parts.window.compare_tab.files
    for name in ("report.json", "report.md", "report.html"):
        files.save_report(tmp_path / name)
        _settle(qtbot, parts)
    found = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert found["base"]["snapshot"]["tag"] == "base"
    cpu = next(one for one in found["since_base"]["devices"] if one["name"] == "cpu")
    outcomes = {one["path"]: one["outcome"] for one in cpu["fields"] if "rule" not in one}
    assert outcomes["env.regs[5]"] == "both_differently"
    assert outcomes["env.eip"] == "both_alike"
    assert next(one for one in found["since_base"]["ram"] if one["name"] == "pc.ram")["both_alike"] == ALIKE
    assert [SECTORS_OF["a"], CLUSTER, "in_a"] in found["since_base"]["disk"]
    counts = {"In A": 1, "In B": 1, "In both alike": len(REGISTERS), "In both differently": 1}
    html = (tmp_path / "report.html").read_text("utf-8")
    cells = "".join(f'<td data-head="{head}">{number}</td>' for head, number in counts.items())
    assert f"fields</th>{cells}" in html
    markdown = (tmp_path / "report.md").read_text("utf-8").replace("\\", "")
    assert f"fields: 1 in A, 1 in B, {len(REGISTERS)} in both alike, 1 in both differently" in markdown
    for text in (html.replace("<wbr>", ""), markdown):
        assert "in both alike" in text.partition("env.eip")[2].partition("env.eip")[0]


def test_a_comparison_with_a_base_can_be_cancelled(qtbot: QtBot, parts: Parts) -> None:
    _compare(qtbot, parts, 1, 2)
    session = parts.window.compare_tab.session
    before = session.compared
    parts.window.compare_tab.view.header.base.fill()
    _select(parts.window, 0)
    parts.window.compare_tab.actions.set_base.trigger()
    assert session.base is not None
    session.cancel()
    _settle(qtbot, parts)
    assert session.base is None
    assert session.compared is before
