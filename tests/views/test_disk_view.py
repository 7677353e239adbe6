"""The Disk tab: what each snapshot occupies, what deleting the selected ones frees, all disks of a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt

from tests.control.live_machines import live
from tests.end2end.test_gui_walk import running
from tests.image.tools import (
    COUNT_AT,
    MIB,
    TABLE_AT,
    clusters_in_use,
    create,
    opened,
    patch,
    run,
    take,
    u32,
    u64,
    write,
)
from tests.test_branches import branched
from vmsnap_gui.control.profile import LaunchProfile
from vmsnap_gui.control.profile_store import ProfileStore
from vmsnap_gui.history import look_into
from vmsnap_gui.models import numbers
from vmsnap_gui.models.disk_matrix import WRONG_ROLE, MatrixModel
from vmsnap_gui.models.usage import FREES, GROWTH, NEW, PIECES_ROLE, QUIET_ROLE, TAG, UsageModel, Use, parts_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from vmsnap_gui.app import Parts
    from vmsnap_gui.views.disk_view import DiskView

pytestmark = pytest.mark.gui

WAIT = 20_000


@pytest.fixture(autouse=True)
def _own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "own"))


@pytest.fixture
def parts(qtbot: QtBot, tmp_path: Path) -> Iterator[Parts]:
    with running(qtbot, tmp_path / "config") as parts:
        yield parts


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return branched(tmp_path / "web.qcow2")


def shown(qtbot: QtBot, parts: Parts, path: Path, rows: int) -> DiskView:
    """Show the Disk tab of an image, and wait for its rows."""
    parts.session.open_paths([path])
    parts.window.inspector.setCurrentWidget(parts.window.disk)
    view = parts.window.disk
    qtbot.waitUntil(lambda: view.model.rowCount() == rows and not parts.window.history.is_waiting(), timeout=WAIT)
    return view


def column(model: UsageModel | MatrixModel, which: int) -> list[str]:
    return [str(model.index(row, which).data()) for row in range(model.rowCount())]


def test_rows_and_bars(qtbot: QtBot, parts: Parts, image: Path) -> None:
    view = shown(qtbot, parts, image, 6)
    assert column(view.model, TAG) == ["one", "two", "three", "four", "five", "Now"]
    assert column(view.model, FREES) == column_of_table(parts)
    found = parts.window.history.history()
    assert found is not None
    assert found.usage is not None
    in_use = clusters_in_use(image) * 65536
    sizes = {use: part.size for use, part in parts_of(found)}
    assert sum(size for use, size in sizes.items() if use is not Use.FREE) == in_use
    assert sum(sizes.values()) == -(-image.stat().st_size // 65536) * 65536
    assert view.bars.titles[0].text().startswith(numbers.size(in_use))
    assert len(view.bars.bars[0].segments()) == len(sizes)
    assert f"Shared {numbers.size(sizes[Use.SHARED])}" in view.bars.legend.accessibleName()
    pieces = [view.model.index(row, GROWTH).data(PIECES_ROLE) for row in range(6)]
    assert max(sum(share for _, share in row) for row in pieces) == pytest.approx(1)
    assert view.model.index(5, TAG).data(QUIET_ROLE)
    assert "disk 1.0 MiB" in str(view.model.index(0, NEW).data(Qt.ItemDataRole.ToolTipRole))
    assert not view.matrix.isVisible()
    assert not view.grab().isNull()


def test_free_are_whole_clusters(image: Path) -> None:
    def free() -> int:
        found = look_into(image, opened(image).snapshots, lambda _done, _total: None)
        return {use: part.size for use, part in parts_of(found)}.get(Use.FREE, 0)

    before, size = free(), image.stat().st_size
    assert before % 65536 == 0
    patch(image, -(-size // 65536) * 65536 + 100, b"x")  # the file now ends in a cluster that nobody uses
    assert free() == before + 65536


def test_a_cut_off_list_of_snapshots(qtbot: QtBot, parts: Parts, image: Path) -> None:
    patch(image, COUNT_AT, u32(6))
    patch(image, TABLE_AT, u64(image.stat().st_size))
    parts.session.open_paths([image])
    parts.window.inspector.setCurrentWidget(parts.window.disk)
    page = parts.window.disk.page
    qtbot.waitUntil(lambda: page.message()[0] == "The snapshots of this image cannot be listed", timeout=WAIT)
    assert "0 of 6 snapshots can be read" in page.message()[1]


def column_of_table(parts: Parts) -> list[str]:
    """Return what the snapshot table says that each frees, in the order of the image's table; the last: nothing."""
    from vmsnap_gui.models.snapshots import Column

    model = parts.window.snapshots.model
    rows = {model.position(model.index(row, 0)): row for row in range(model.rowCount())}
    return [*(str(model.index(rows[position], Column.FREES).data()) for position in range(len(rows))), ""]


def test_what_the_selection_frees_together(qtbot: QtBot, parts: Parts, image: Path) -> None:
    view = shown(qtbot, parts, image, 6)
    assert "Deleting 'five' frees" in view.summary.text()
    view.table.setFocus()
    place = view.table.visualRect(view.model.index(1, TAG)).center()
    qtbot.mouseClick(view.table.viewport(), Qt.MouseButton.LeftButton, pos=place)
    place = view.table.visualRect(view.model.index(2, TAG)).center()
    qtbot.mouseClick(view.table.viewport(), Qt.MouseButton.LeftButton, Qt.KeyboardModifier.ControlModifier, place)
    assert sorted(parts.window.snapshots.selected()) == [1, 2]
    qtbot.waitUntil(lambda: parts.window.history.freed is not None and not parts.window.history.is_waiting())
    freed = parts.window.history.freed
    before = clusters_in_use(image)
    for tag in ("two", "three"):
        run("qemu-img", "snapshot", "-d", tag, image)
    assert freed == (before - clusters_in_use(image)) * 65536
    assert view.summary.text() == f"Deleting 2 snapshots frees {numbers.size(freed)} inside the image."
    parts.session.reload(image)
    qtbot.waitUntil(lambda: column(view.model, TAG) == ["one", "four", "five", "Now"], timeout=WAIT)


def test_without_snapshots(qtbot: QtBot, parts: Parts, image: Path) -> None:
    view = shown(qtbot, parts, image, 6)
    title = view.bars.titles[0].text()
    for tag in ("one", "two", "three", "four", "five"):
        run("qemu-img", "snapshot", "-d", tag, image)
    left = clusters_in_use(image) * 65536
    assert title.endswith(f"without snapshots {numbers.size(left)}")


def test_damage_is_said(qtbot: QtBot, parts: Parts, image: Path) -> None:
    view = shown(qtbot, parts, image, 6)
    assert not view.notice.isVisible()
    patch(image, 48, u64(1 << 40))  # the refcount table is beyond the end of the file
    parts.session.reload(image)
    qtbot.waitUntil(view.page.isVisible, timeout=WAIT)
    assert "What the snapshots occupy cannot be counted" in view.page.message()[1]
    assert view.summary.text() == ""
    assert column(view.model, TAG) == []
    assert column_of_table(parts)[:5] == ["–"] * 5


def test_all_disks_of_a_machine(qtbot: QtBot, parts: Parts, tmp_path: Path) -> None:
    first, second = (create(tmp_path / f"lab{number}.qcow2", 8 * MIB) for number in (0, 1))
    for number, path in enumerate((first, second)):
        write(path, f"write -q -P 1 0 {number + 1}M")
        take(path, "whole")
    take(first, "half")
    drives = [word for path in (first, second) for word in ("-drive", f"file={path},format=qcow2,if=virtio")]
    profile = LaunchProfile(name="lab", arguments=("qemu-system-x86_64", "-m", "64", *drives), directory=tmp_path)
    ProfileStore().put(profile)
    parts.session.machines.refresh()
    qtbot.waitUntil(lambda: parts.session.machines.of(first) is not None, timeout=WAIT)
    view = shown(qtbot, parts, first, 3)
    qtbot.waitUntil(lambda: parts.window.history.history(second) is not None, timeout=WAIT)
    assert view.matrix.isVisible()
    assert column(view.matrix_model, 0) == ["whole", "half"]
    assert column(view.matrix_model, 3)[1] == "missing"
    assert column(view.matrix_model, 1) == ["whole", "incomplete"]
    assert "lab1.qcow2 lacks it" in str(view.matrix_model.index(1, 1).data(Qt.ItemDataRole.ToolTipRole))
    assert view.matrix_model.index(1, 3).data(WRONG_ROLE)
    assert not view.matrix_model.index(0, 3).data(WRONG_ROLE)
    assert [title.text().partition(":")[0] for title in view.bars.titles] == ["lab0.qcow2", "lab1.qcow2"]
    found = parts.window.history.history(second)
    assert found is not None
    qtbot.waitUntil(lambda: column(view.matrix_model, 3)[0] == numbers.size(found.frees[0]), timeout=WAIT)
    view.matrix.selectionModel().select(
        view.matrix_model.index(1, 0),
        view.matrix.selectionModel().SelectionFlag.ClearAndSelect | view.matrix.selectionModel().SelectionFlag.Rows,
    )
    assert parts.window.snapshots.selected() == [1]
    assert view.summary.text().endswith("inside the machine's 2 images.")
    parts.window.snapshots.select([0])
    assert [index.row() for index in view.matrix.selectionModel().selectedRows()] == [0]
    here = parts.window.history.history(first)
    assert here is not None
    assert parts.window.history.freed == here.frees[0] + found.frees[0]
    ProfileStore().remove("lab")


@pytest.mark.qemu
def test_an_image_in_use_says_of_what_the_numbers_are(qtbot: QtBot, parts: Parts, tmp_path: Path) -> None:
    with live(tmp_path) as machine:
        machine.done(machine.plan_take("one"))
        view = shown(qtbot, parts, machine.paths["disk0"], 2)
        text = "In use by a running machine: the numbers are of what is written so far."
        assert text in view.notice.text()
        least = column(view.model, FREES)
        assert least[0].startswith("≥ ")
        assert column_of_table(parts) == least
        assert "; without snapshots about " in view.bars.titles[0].text()
        qtbot.waitUntil(lambda: view.summary.text().startswith("Deleting 'one' frees at least "), timeout=WAIT)
    qtbot.waitUntil(lambda: view.notice.isHidden() and column(view.model, FREES) != least, timeout=WAIT)
    qtbot.waitUntil(lambda: "at least" not in view.summary.text(), timeout=WAIT)
    assert view.summary.text().startswith("Deleting 'one' frees ")
    assert "≥" not in "".join([*column(view.model, FREES), *column_of_table(parts)])
