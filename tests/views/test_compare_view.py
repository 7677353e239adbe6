"""Comparing in the window, driven as a person does, with the demo's snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QEvent, QItemSelectionModel, QMimeData, QPoint, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QCheckBox, QFileDialog, QMenu, QMessageBox, QPushButton, QToolButton

from tests.end2end.test_gui_walk import loaded, running
from tests.models.states import Q35
from tests.samples import sample
from vmsnap_gui.demo import demo_image
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.models.change_rows import Shown
from vmsnap_gui.models.changes import Column
from vmsnap_gui.reporting import noise_file, noise_rules
from vmsnap_gui.sides import Side
from vmsnap_gui.views import theme
from vmsnap_gui.views.noise_dialog import NoiseDialog
from vmsnap_gui.views.pages import Notice

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from vmsnap_gui.app import Parts
    from vmsnap_gui.views.main_window import MainWindow

pytestmark = pytest.mark.gui

_Flag = QItemSelectionModel.SelectionFlag
_Ctrl = Qt.KeyboardModifier.ControlModifier


@pytest.fixture
def parts(qtbot: QtBot, tmp_path: Path) -> Iterator[Parts]:
    with running(qtbot, tmp_path / "config") as parts:
        parts.session.open_demo()
        loaded(qtbot, parts)
        yield parts


@pytest.fixture
def window(qtbot: QtBot, parts: Parts) -> MainWindow:
    parts.window.activateWindow()
    qtbot.waitUntil(parts.window.isActiveWindow)
    return parts.window


def _select(window: MainWindow, *rows: int) -> None:
    table = window.snapshots.table
    table.selectionModel().clearSelection()
    for row in rows:
        table.selectionModel().select(table.model().index(row, 0), _Flag.Select | _Flag.Rows)


def _settle(qtbot: QtBot, parts: Parts) -> None:
    qtbot.waitUntil(lambda: not parts.jobs.unfinished(), timeout=20_000)


def _compare(qtbot: QtBot, parts: Parts, *rows: int) -> None:
    _select(parts.window, *rows)
    parts.window.compare_tab.actions.compare.trigger()
    _settle(qtbot, parts)


def _paths(window: MainWindow) -> list[str]:
    rows = window.compare_tab.view.fields.tree.changes.rows
    return [row.path for section in rows.sections for row in section.rows] if rows is not None else []


def test_two_selected_snapshots_can_be_compared_and_the_reason_is_told_why_not(
    qtbot: QtBot, parts: Parts, window: MainWindow
) -> None:
    compare = window.compare_tab.actions.compare
    assert not compare.isEnabled()
    assert "Select two snapshots" in compare.toolTip()
    table = window.snapshots.table
    where = [table.visualRect(table.model().index(row, 0)).center() + QPoint(4, 0) for row in (0, 3)]
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, pos=where[0])
    qtbot.mouseClick(table.viewport(), Qt.MouseButton.LeftButton, _Ctrl, where[1])
    assert compare.isEnabled()
    assert parts.session.snapshot == 0
    qtbot.keyClick(window, Qt.Key.Key_D, _Ctrl)
    assert window.tabs.currentWidget() is window.compare_tab.view
    _settle(qtbot, parts)
    assert (window.compare_tab.view.header.a.name(), window.compare_tab.view.header.b.name()) == ("booted", "finished")
    assert window.compare_tab.view.header.summary.text().endswith("fields differ")
    assert "env.eflags" in _paths(window)
    _select(window, 0, 1, 2, 3)
    assert not compare.isEnabled()


def test_the_sides_can_be_swapped(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    _compare(qtbot, parts, 0, 3)
    tree = window.compare_tab.view.fields.tree
    before = tree.changes.index_of(1, 0).siblingAtColumn(Column.A).data()
    qtbot.mouseClick(window.compare_tab.view.header.swap, Qt.MouseButton.LeftButton)
    assert window.compare_tab.view.header.a.name() == "booted"  # what is shown stays until the next is ready
    _settle(qtbot, parts)
    assert window.compare_tab.view.header.a.name() == "finished"
    assert tree.changes.index_of(1, 0).siblingAtColumn(Column.B).data() == before


def test_f7_and_f8_go_through_the_differences(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    _compare(qtbot, parts, 0, 3)
    tree = window.compare_tab.view.fields.tree
    seen = []
    for _ in range(4):
        qtbot.keyClick(window, Qt.Key.Key_F8)
        seen.append(tree.currentIndex().data())
    assert len(set(seen)) == 4
    qtbot.keyClick(window, Qt.Key.Key_F7)
    assert tree.currentIndex().data() == seen[2]
    assert seen[2] in window.compare_tab.view.fields.details.toPlainText()


def test_the_filter_box_filters_the_tab_that_is_shown(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    _compare(qtbot, parts, 0, 3)
    window.filter_box.set_filter("rax or eflags")
    _settle(qtbot, parts)
    assert _paths(window) == ["env.regs[0]", "env.eflags"]
    window.filter_box.set_filter("rax and (")
    assert window.filter_box.reason()
    assert _paths(window) == ["env.regs[0]", "env.eflags"]
    window.filter_box.set_filter("nosuchfield")
    _settle(qtbot, parts)
    assert window.compare_tab.view.fields.page.message()[0] == "No field matches the filter"
    window.filter_box.set_filter("changed")
    _settle(qtbot, parts)
    assert len(_paths(window)) > 10
    window.tabs.setCurrentIndex(0)
    assert window.inspector.current_tab() == "overview"


def test_what_the_rules_name_is_shown_on_request_and_counts_without_them(
    qtbot: QtBot, parts: Parts, window: MainWindow
) -> None:
    _compare(qtbot, parts, 0, 3)
    changed = len(_paths(window))
    window.compare_tab.view.fields.shown.setCurrentIndex(Shown.FILTERED)
    _settle(qtbot, parts)
    more = len(_paths(window))
    assert more > changed
    window.compare_tab.view.fields.shown.setCurrentIndex(Shown.CHANGED)
    window.compare_tab.view.header.noise.click()
    _settle(qtbot, parts)
    assert len(_paths(window)) == more
    assert not window.compare_tab.session.noise


def test_a_snapshot_can_be_marked_and_compared_with_one_of_another_image(
    qtbot: QtBot, parts: Parts, window: MainWindow
) -> None:
    assert not window.compare_tab.actions.compare_marked.isEnabled()
    assert "Mark a snapshot" in window.compare_tab.actions.compare_marked.toolTip()
    _select(window, 0)
    window.compare_tab.actions.mark.trigger()
    assert "marked one" in window.compare_tab.actions.compare_marked.toolTip()
    parts.session.open_paths([sample(Q35)])
    qtbot.waitUntil(lambda: parts.session.loaded is not None, timeout=20_000)
    assert window.compare_tab.actions.compare_marked.text() == "Compare with booted (demo.qcow2)"
    window.compare_tab.actions.compare_marked.trigger()
    _settle(qtbot, parts)
    assert (window.compare_tab.view.header.a.name(), window.compare_tab.view.header.b.name()) == ("booted", "snap2")
    statuses = {section.change.status.value for section in window.compare_tab.view.fields.tree.changes.rows.sections}
    assert {"added", "removed"} <= statuses


def test_nothing_different_is_said_to_be_so(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    _select(window, 0)
    side = window.compare_tab.actions._selected()
    assert side is not None
    window.compare_tab.session.compare(side, side)
    window.compare_tab.show()
    _settle(qtbot, parts)
    assert window.compare_tab.view.header.summary.text() == "No difference"
    assert window.compare_tab.view.fields.page.message()[0] == "No field differs"
    assert window.compare_tab.view.fields.page.isVisible()


def test_closing_takes_the_tab_away(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    _compare(qtbot, parts, 0, 3)
    view = window.compare_tab.view
    qtbot.mouseClick(window.findChild(QToolButton, "close_compare_tab"), Qt.MouseButton.LeftButton)
    assert window.tabs.indexOf(view) < 0
    assert not window.compare_tab.actions.next.isEnabled()
    assert not window.tabs.tabBar().isVisible()
    _compare(qtbot, parts, 1, 2)
    assert window.tabs.currentWidget() is view
    parts.session.close_all()
    assert window.compare_tab.session.compared is None
    assert window.compare_tab.session.marked is None


def test_a_broken_side_leaves_what_was_shown(qtbot: QtBot, parts: Parts, window: MainWindow, tmp_path: Path) -> None:
    _compare(qtbot, parts, 0, 3)
    before = window.compare_tab.session.compared
    assert before is not None
    gone = type(before.sides.a)(tmp_path / "gone.qcow2", before.sides.a.snapshot)
    window.compare_tab.session.compare(before.sides.a, gone)
    _settle(qtbot, parts)
    assert window.compare_tab.session.compared is before
    assert "as it was before" in window.compare_tab.view.header.notice.text()
    assert _paths(window)


def test_a_first_comparison_that_fails_says_why_on_every_tab(
    qtbot: QtBot, parts: Parts, window: MainWindow, tmp_path: Path
) -> None:
    _select(window, 0)
    side = window.compare_tab.actions._selected()
    assert side is not None
    window.compare_tab.session.compare(side, Side(tmp_path / "gone.qcow2", side.snapshot))
    view = window.compare_tab.view
    assert view.fields.page.message()[0] == "Comparing"
    _settle(qtbot, parts)
    for page in (view.fields.page, view.memory.page, view.disk.page):
        assert page.message()[0] == "These cannot be compared"
        assert "no such file" in page.message()[1]


def test_a_comparison_can_be_cancelled(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    _compare(qtbot, parts, 0, 3)
    before = window.compare_tab.session.compared
    window.compare_tab.session.swap()
    qtbot.mouseClick(window.findChild(QPushButton, "compare_notice_cancel"), Qt.MouseButton.LeftButton)
    _settle(qtbot, parts)
    assert window.compare_tab.session.compared is before
    assert window.compare_tab.view.header.a.name() == "booted"
    assert not window.compare_tab.view.header.notice.isVisible()


def test_two_saved_states_that_are_dropped_are_compared(
    qtbot: QtBot, parts: Parts, window: MainWindow, tmp_path: Path
) -> None:
    image = open_image(demo_image())
    files = [tmp_path / "a.vmstate", tmp_path / "b.vmstate"]
    for file, snapshot in zip(files, image.snapshots[::3], strict=True):
        view = image.vm_state(snapshot)
        file.write_bytes(view.read(0, view.size))
    image.close()
    _drop(window, *files)
    _settle(qtbot, parts)
    found = window.compare_tab.session.compared
    assert found is not None
    assert [found.sides.a.path.name, found.sides.b.path.name] == ["a.vmstate", "b.vmstate"]
    assert "env.eflags" in _paths(window)
    window.compare_tab.view.tabs.setCurrentWidget(window.compare_tab.view.disk)
    assert window.compare_tab.view.disk.page.message()[0] == "There is no disk to compare"
    assert window.compare_tab.view.header.notice.text() == ""
    _settle(qtbot, parts)


def test_a_side_that_is_cut_off_is_told_above_what_differs(
    qtbot: QtBot, parts: Parts, window: MainWindow, tmp_path: Path
) -> None:
    whole = sample("q35-default@10.0/s-plain.vmstate")
    short = tmp_path / "short.vmstate"
    short.write_bytes(whole.read_bytes()[:100_000])
    _drop(window, whole, short)
    _settle(qtbot, parts)
    notice = window.compare_tab.view.header.notice
    assert notice.isVisible()
    assert notice.text().startswith("B: the walk stopped: the stream ends without its end mark")
    assert notice.text().endswith(" (+1)")
    assert not notice.findChild(QPushButton).isVisible()


def _drop(window: MainWindow, *files: Path) -> None:
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(file)) for file in files])
    copy, left = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton
    window.dropEvent(QDropEvent(QPointF(9, 9), copy, data, left, Qt.KeyboardModifier.NoModifier))


def test_a_row_can_be_copied(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    _compare(qtbot, parts, 0, 3)
    window.filter_box.set_filter("eflags")
    _settle(qtbot, parts)
    qtbot.keyClick(window, Qt.Key.Key_F8)
    tree = window.compare_tab.view.fields.tree
    qtbot.keyClick(tree, Qt.Key.Key_C, _Ctrl)
    assert QGuiApplication.clipboard().text().split("\t")[0] == "env.eflags"
    window.compare_tab.view.fields.actions_of_change.filter.trigger()
    assert window.filter_box.text() == 'path == "cpu.env.eflags"'


# Memory and disk


def _through_to(qtbot: QtBot, parts: Parts, window: MainWindow, tab: int) -> None:
    """Press F8 until another tab is shown."""
    for _ in range(400):
        if window.compare_tab.view.tabs.currentIndex() == tab:
            break
        qtbot.keyClick(window, Qt.Key.Key_F8)
        _settle(qtbot, parts)


def test_memory_is_compared_when_it_is_looked_at(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    _compare(qtbot, parts, 0, 3)
    memory = window.compare_tab.view.memory
    assert window.compare_tab.session.memory.result is None
    window.compare_tab.view.tabs.setCurrentWidget(memory)
    _settle(qtbot, parts)
    assert memory.has_result()
    assert "pages of memory" in window.compare_tab.view.header.summary.text()
    qtbot.waitUntil(lambda: memory.bytes.map.map is not None, timeout=20_000)
    name = memory.blocks.currentIndex().data()
    found = window.compare_tab.session.memory.result
    assert found is not None
    block = next(one for one in found.ram.blocks if one.name == name)
    page = int(block.differing_pages()[0])
    twin = memory.bytes.twin
    assert twin.a.cursor_offset // 4096 == page  # where it begins, without a key
    qtbot.keyClick(window, Qt.Key.Key_F8)
    _settle(qtbot, parts)
    assert twin.a.cursor_offset // 4096 > page
    qtbot.keyClick(window, Qt.Key.Key_F7)
    _settle(qtbot, parts)
    at = twin.a.cursor_offset
    assert at == twin.b.cursor_offset
    assert at // 4096 == page
    assert block.a is not None
    assert block.b is not None
    assert twin.a.bytes_at(at, 1) == found.a.read(block.a, at, 1)
    assert twin.a.bytes_at(at, 1) != twin.b.bytes_at(at, 1)
    assert any(mark.start == at for mark in twin.b.highlights)
    assert "changed" in twin.status.text()


def test_both_sides_scroll_and_move_in_step(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    _compare(qtbot, parts, 0, 3)
    window.compare_tab.view.tabs.setCurrentWidget(window.compare_tab.view.memory)
    _settle(qtbot, parts)
    twin = window.compare_tab.view.memory.bytes.twin
    for one, other in ((twin.a, twin.b), (twin.b, twin.a)):
        one.setFocus()
        qtbot.keyClick(one, Qt.Key.Key_PageDown)
        qtbot.keyClick(one, Qt.Key.Key_Right, Qt.KeyboardModifier.ShiftModifier)
        assert (other.position, other.selected) == (one.position, one.selected)
        assert one.columns == other.columns
    window.compare_tab.view.memory.bytes.map.chosen.emit(4096)
    assert twin.a.cursor_offset == twin.b.cursor_offset == 4096


def test_f8_goes_from_fields_through_memory_and_disk_to_the_screen_and_f7_back(
    qtbot: QtBot, parts: Parts, window: MainWindow
) -> None:
    _compare(qtbot, parts, 0, 3)
    window.compare_tab.view.fields.go_to_end(back=True)
    _through_to(qtbot, parts, window, 1)
    memory = window.compare_tab.view.memory
    assert memory.has_result()
    assert memory.blocks.currentIndex().row() == 0
    _through_to(qtbot, parts, window, 2)
    disk = window.compare_tab.view.disk
    assert disk.ranges.currentIndex().row() == 0
    _through_to(qtbot, parts, window, 3)
    assert disk.ranges.currentIndex().row() == disk.model.rowCount() - 1
    slider = window.compare_tab.view.screens.slider
    assert slider.current == 0
    window.compare_tab.view.screens.go_to_end(back=True)
    qtbot.keyClick(window, Qt.Key.Key_F8)
    assert window.statusBar().currentMessage() == "This is the last difference."
    window.compare_tab.view.screens.go_to_end(back=False)
    for _ in range(disk.model.rowCount() + 1):
        qtbot.keyClick(window, Qt.Key.Key_F7)
        _settle(qtbot, parts)
    assert window.compare_tab.view.tabs.currentWidget() is memory


def test_the_disk_is_told_by_tables_and_by_content_on_request(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    _compare(qtbot, parts, 0, 3)
    disk = window.compare_tab.view.disk
    window.compare_tab.view.tabs.setCurrentWidget(disk)
    _settle(qtbot, parts)
    assert disk.notice.isVisible()
    assert window.compare_tab.session.disk.result is not None
    by_tables = window.compare_tab.session.disk.result.disk.bytes_changed
    disk.read_data.trigger()
    _settle(qtbot, parts)
    assert not disk.notice.isVisible()
    assert window.compare_tab.session.disk.result.read_data
    assert window.compare_tab.session.disk.result.disk.bytes_changed < by_tables
    disk.ranges.setCurrentIndex(disk.model.index(0, 0))
    _settle(qtbot, parts)
    start = disk.model.start(disk.model.index(0, 0))
    assert start is not None
    assert start <= disk.bytes.twin.a.cursor_offset < start + 512


def test_nothing_different_in_memory_and_disk_is_said_to_be_so(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    _select(window, 0)
    side = window.compare_tab.actions._selected()
    assert side is not None
    window.compare_tab.session.compare(side, side)
    _settle(qtbot, parts)
    view = window.compare_tab.view
    for part, title in ((view.memory, "No page differs"), (view.disk, "The disks do not differ")):
        view.tabs.setCurrentWidget(part)
        _settle(qtbot, parts)
        assert part.page.message()[0] == title
    assert window.compare_tab.view.header.summary.text() == "No difference"
    qtbot.keyClick(window, Qt.Key.Key_F8)
    _settle(qtbot, parts)  # the screens are compared first
    assert window.statusBar().currentMessage() == "This is the last difference."


def test_another_comparison_makes_the_tab_that_is_shown_anew(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    _compare(qtbot, parts, 0, 3)
    window.compare_tab.view.tabs.setCurrentWidget(window.compare_tab.view.memory)
    _settle(qtbot, parts)
    first = window.compare_tab.session.memory.result
    window.compare_tab.actions.swap.trigger()
    _settle(qtbot, parts)
    assert window.compare_tab.session.memory.result not in (None, first)
    assert window.compare_tab.view.memory.has_result()


# Reports and rules


@pytest.mark.parametrize(("suffix", "holds"), [("html", "<h1>"), ("md", "# "), ("json", '"devices"')])
def test_a_report_can_be_saved(
    qtbot: QtBot, parts: Parts, window: MainWindow, tmp_path: Path, suffix: str, holds: str
) -> None:
    assert not window.compare_tab.actions.report.isEnabled()
    _compare(qtbot, parts, 0, 3)
    window.compare_tab.actions.report.trigger()
    dialog = window.findChild(QFileDialog, "report_dialog")
    assert dialog.selectedFiles()[0].endswith("booted-finished.html")
    dialog.reject()
    window.compare_tab.files.save_report(tmp_path / f"report.{suffix}")
    _settle(qtbot, parts)
    text = (tmp_path / f"report.{suffix}").read_text(encoding="utf-8")
    assert holds in text
    assert "eflags" in text
    assert window.statusBar().currentMessage().endswith(f"report.{suffix} (fields)")
    assert [one.name for one in tmp_path.glob("report*")] == [f"report.{suffix}"]


def test_a_report_that_cannot_be_saved_is_told_of(
    qtbot: QtBot, parts: Parts, window: MainWindow, tmp_path: Path
) -> None:
    _compare(qtbot, parts, 0, 3)
    image = parts.session.image
    assert image is not None
    before = image.read_bytes()
    as_report = tmp_path / "link.html"
    as_report.symlink_to(image)
    for path in (tmp_path / "no" / "folder.html", as_report):
        window.compare_tab.files.save_report(path)
        _settle(qtbot, parts)
        box = window.findChild(QMessageBox, "report")
        assert "not saved" in box.text()
        box.close()
        QApplication.sendPostedEvents(box, QEvent.Type.DeferredDelete)
    assert image.read_bytes() == before


def test_noise_rules_can_be_switched_off_one_by_one(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    _compare(qtbot, parts, 0, 3)
    before = len(_paths(window))
    try:
        qtbot.mouseClick(window.compare_tab.view.header.rules, Qt.MouseButton.LeftButton)
        _settle(qtbot, parts)
        dialog = window.findChild(NoiseDialog)
        model = dialog.model
        found = window.compare_tab.session.compared
        assert found is not None
        assert found.fields is not None
        rules = {row.rule.name for one in found.fields.sections for row in one.fields if row.rule is not None}
        for row in range(model.rowCount()):
            if model.index(row, 0).data() in rules:
                model.setData(model.index(row, 0), Qt.CheckState.Unchecked, Qt.ItemDataRole.CheckStateRole)
        dialog.accept()
        _settle(qtbot, parts)
        assert len(_paths(window)) > before
        assert noise_file().exists()
    finally:
        noise_file().unlink(missing_ok=True)
        noise_rules()


def test_a_broken_file_of_rules_is_not_written_over(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    noise_file().parent.mkdir(parents=True, exist_ok=True)
    noise_file().write_text("disable = 7")
    try:
        window.compare_tab.actions.rules.trigger()
        _settle(qtbot, parts)
        dialog = window.findChild(NoiseDialog)
        assert dialog.findChild(Notice).isVisible()
        assert not dialog.findChild(QPushButton, "use_rules").isEnabled()
        index = dialog.model.index(0, 0)
        assert not dialog.model.setData(index, Qt.CheckState.Unchecked, Qt.ItemDataRole.CheckStateRole)
        dialog.reject()
    finally:
        noise_file().unlink()
        noise_rules()


# Fields as columns of the snapshot table


def test_a_field_can_be_a_column_of_the_snapshot_table(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    _compare(qtbot, parts, 0, 3)
    window.filter_box.set_filter("eflags")
    _settle(qtbot, parts)
    qtbot.keyClick(window, Qt.Key.Key_F8)
    before = window.snapshots.model.columnCount()
    window.compare_tab.view.fields.actions_of_change.column.trigger()
    assert window.tabs.currentIndex() == 0
    model = window.snapshots.model
    assert model.columnCount() == before + 1
    assert model.headerData(before, Qt.Orientation.Horizontal) == "cpu.env.eflags"
    assert window.snapshots.selected() == [0, 3]
    assert window.compare_tab.actions.compare.isEnabled()
    _settle(qtbot, parts)
    assert [str(model.index(row, before).data()).split()[0] for row in (0, 3)] == ["514", "518"]
    parts.session.open_paths([sample(Q35)])
    qtbot.waitUntil(lambda: parts.session.loaded is not None, timeout=20_000)
    _settle(qtbot, parts)
    assert all(model.index(row, before).data() for row in range(model.rowCount()))
    menu = QMenu()
    window.snapshots.menu_wanted.emit(menu)
    (remove,) = [action for action in menu.actions() if "cpu.env.eflags" in action.text()]
    remove.trigger()
    assert model.columnCount() == before
    _settle(qtbot, parts)


def test_a_field_of_the_devices_tab_can_be_a_column(qtbot: QtBot, parts: Parts, window: MainWindow) -> None:
    cpu = next(i for i, one in enumerate(parts.session.loaded.vmstate.sections) if one.name == "cpu")
    window.inspector.complete()
    _settle(qtbot, parts)
    window.devices.show()
    parts.session.show_field(cpu, "env.eip")
    _settle(qtbot, parts)
    qtbot.waitUntil(lambda: window.devices.tree.currentIndex().data() == "env.eip", timeout=20_000)
    window.devices.actions_of_field.column.trigger()
    _settle(qtbot, parts)
    model = window.snapshots.model
    last = model.columnCount() - 1
    assert model.headerData(last, Qt.Orientation.Horizontal) == "cpu.env.eip"
    assert all(model.index(row, last).data() for row in range(model.rowCount()))


# What is remembered


def test_columns_and_the_switch_of_the_noise_rules_are_there_again(qtbot: QtBot, tmp_path: Path) -> None:
    folder = tmp_path / "config"
    with running(qtbot, folder) as parts:
        parts.session.open_demo()
        loaded(qtbot, parts)
        window = parts.window
        _compare(qtbot, parts, 0, 3)
        window.compare_tab.view.header.noise.click()
        _settle(qtbot, parts)
        for path in ("env.eip", "env.eflags"):
            window.compare_tab.column_wanted.emit("cpu", path)
        _settle(qtbot, parts)
        last = window.snapshots.model.columnCount() - 1
        window.snapshots.table.header().resizeSection(last, 333)
    with running(qtbot, folder) as parts:
        loaded(qtbot, parts)
        _settle(qtbot, parts)
        window, model = parts.window, parts.window.snapshots.model
        titles = [model.headerData(column, Qt.Orientation.Horizontal) for column in (last - 1, last)]
        assert (model.columnCount(), titles) == (last + 1, ["cpu.env.eip", "cpu.env.eflags"])
        assert window.snapshots.table.header().sectionSize(last) == 333
        assert str(model.index(0, last).data()) == "514 (0x202)"
        assert not window.compare_tab.session.noise
        _compare(qtbot, parts, 0, 3)
        assert not window.compare_tab.view.header.noise.isChecked()
        assert any(path.startswith("cpu_") for path in _paths(window))
        menu = QMenu()
        window.snapshots.menu_wanted.emit(menu)
        next(action for action in menu.actions() if "cpu.env.eflags" in action.text()).trigger()
        window.compare_tab.view.header.noise.click()
        _settle(qtbot, parts)
    with running(qtbot, folder) as parts:
        loaded(qtbot, parts)
        _settle(qtbot, parts)
        assert parts.window.snapshots.model.columnCount() == last
        assert parts.window.compare_tab.session.noise


# The look


def test_tick_boxes_are_outlined_in_both_schemes(qtbot: QtBot) -> None:
    try:
        for scheme in (Qt.ColorScheme.Dark, Qt.ColorScheme.Light):
            theme.set_scheme(scheme)
            box = QCheckBox("")
            qtbot.addWidget(box)
            picture = box.grab().toImage()
            outline = picture.pixelColor(0, picture.height() // 2).lightness()
            assert abs(outline - QApplication.palette().color(QPalette.ColorRole.Window).lightness()) > 80
            assert abs(outline - picture.pixelColor(picture.width() // 2, picture.height() // 2).lightness()) > 80
    finally:
        theme.set_scheme(Qt.ColorScheme.Unknown)
