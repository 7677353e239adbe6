"""The table of snapshots: order, odd tags, what stands where there is no value, the same JSON as the command line."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QPersistentModelIndex, Qt

from tests.image.tools import create, run, take
from vmsnap_gui.cli import main
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.snapshot import Snapshot
from vmsnap_gui.models.cells import Cell
from vmsnap_gui.models.facts import Fact, snapshot_facts
from vmsnap_gui.models.snapshot_values import snapshot_json
from vmsnap_gui.models.snapshots import MUTED_ROLE, Column, SnapshotModel
from vmsnap_gui.note_store import Note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from pytestqt.modeltest import ModelTester

pytestmark = pytest.mark.gui


def made(number: int, tag: str, date: int, **more: int) -> Snapshot:
    return Snapshot(id=str(number), tag=tag, date_sec=date, vm_state_size=more.pop("size", 1), **more)


@pytest.fixture
def model(qtmodeltester: ModelTester) -> SnapshotModel:
    model = SnapshotModel()
    qtmodeltester.check(model, force_py=True)
    return model


@pytest.fixture
def in_zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[str], None]]:
    """Move this process to another time zone, and back afterwards."""

    def move(zone: str) -> None:
        monkeypatch.setenv("TZ", zone)
        time.tzset()

    yield move
    monkeypatch.undo()
    time.tzset()


def column(model: SnapshotModel, which: Column) -> list[str]:
    return [model.index(row, which).data() for row in range(model.rowCount())]


def test_sorted_by_date_until_told_otherwise(model: SnapshotModel) -> None:
    model.show([made(10, "b", 300), made(2, "C", 100), made(1, "a", 200)])
    assert column(model, Column.TAG) == ["C", "a", "b"]
    held = QPersistentModelIndex(model.index(0, 0))
    model.sort(Column.TAG)
    assert column(model, Column.TAG) == ["a", "b", "C"]
    assert held.row() == 2
    model.sort(Column.ID, Qt.SortOrder.DescendingOrder)
    assert column(model, Column.ID) == ["10", "2", "1"]
    model.show([made(3, "later", 50), made(4, "x", 60)])
    assert column(model, Column.ID) == ["4", "3"]  # the order stays with the person
    assert model.position(model.index(0, 0)) == 1
    assert model.index_of(0).row() == 1
    assert not model.index_of(7).isValid()
    assert not model.index_of(None).isValid()


def test_odd_tags_are_shown_as_what_they_are(model: SnapshotModel) -> None:
    model.show([made(1, "", 1), made(2, "twice", 2), made(3, "twice", 3), made(4, "a\n\udcff", 4)])
    assert column(model, Column.TAG) == ["(empty)", "twice", "twice", "a\\n\\xff"]
    assert model.index(0, 0).data(MUTED_ROLE)
    assert not model.index(1, 0).data(MUTED_ROLE)
    tips = [model.index(row, 0).data(Qt.ItemDataRole.ToolTipRole) for row in range(4)]
    assert "empty" in tips[0]
    assert "same tag" in tips[1]


def test_what_a_stream_file_does_not_have(model: SnapshotModel) -> None:
    model.show([Snapshot(id=None, tag=None, vm_state_size=5 << 20)])
    texts = [model.index(0, c).data() for c in range(model.columnCount())]
    assert texts == ["(saved state)", "–", "–", "–", "5.0 MiB", "–", "–", "–", "", ""]


def test_instructions_only_where_they_were_counted(model: SnapshotModel) -> None:
    model.show([made(1, "a", 1, icount=0)])  # as qemu-img writes it
    assert model.columnCount() == Column.ICOUNT
    model.show([made(1, "a", 1), made(2, "b", 2, icount=12)])
    assert column(model, Column.ICOUNT) == ["–", "12"]
    assert model.headerData(Column.ICOUNT, Qt.Orientation.Horizontal) == "Instructions"


def test_exact_values_are_in_the_tooltips(model: SnapshotModel) -> None:
    model.show([made(1, "a", 1_700_000_000, size=3 << 20, vm_clock_ns=1_500_000_000)])
    tip = {c: model.index(0, c).data(Qt.ItemDataRole.ToolTipRole) for c in Column}
    assert tip[Column.DATE].endswith("\n2023-11-14T22:13:20.000000000Z")
    assert tip[Column.STATE_SIZE].replace(",", "") == "3145728 bytes"
    assert tip[Column.CLOCK].replace(",", "") == "1500000000 ns"
    assert model.index(0, Column.CLOCK).data() == "00:00:01.500"


@pytest.mark.parametrize(
    ("zone", "title", "named", "shown"),
    [
        ("UTC", "Date (UTC)", "UTC", "2023-11-14 22:13:20 UTC"),
        ("Europe/Berlin", "Date (local)", "Europe/Berlin", "2023-11-14 23:13:20 UTC+01:00"),
        ("America/St_Johns", "Date (local)", "America/St_Johns", "2023-11-14 18:43:20 UTC-03:30"),
    ],
)
def test_dates_say_in_which_zone_they_are(
    model: SnapshotModel, in_zone: Callable[[str], None], zone: str, title: str, named: str, shown: str
) -> None:
    in_zone(zone)
    snapshot = made(1, "a", 1_700_000_000)
    model.show([snapshot])
    assert model.headerData(Column.DATE, Qt.Orientation.Horizontal) == title
    assert named in str(model.headerData(Column.DATE, Qt.Orientation.Horizontal, Qt.ItemDataRole.ToolTipRole))
    cell = model.index(0, Column.DATE)
    assert shown.startswith(cell.data())
    assert cell.data(Qt.ItemDataRole.ToolTipRole) == f"{shown}\n2023-11-14T22:13:20.000000000Z"
    assert Fact("Taken", shown, "2023-11-14T22:13:20.000000000Z") in snapshot_facts(snapshot)


def test_a_snapshot_of_the_disk_alone(model: SnapshotModel) -> None:
    model.show([made(1, "a", 1, size=0, disk_size=4 << 20)])
    assert column(model, Column.STATE_SIZE) == ["disk only"]
    assert column(model, Column.DISK_SIZE) == ["4.0 MiB"]


def test_the_json_is_that_of_the_command_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = create(tmp_path / "a.qcow2")
    take(path, "one", "twö")
    assert run("qemu-img", "info", path)
    assert main(["list", "--json", str(path)]) == 0
    listed = json.loads(capsys.readouterr().out)[0]["snapshots"]
    image = open_image(path)
    ours = [snapshot_json(one, Note()) for one in image.snapshots]
    image.close()
    assert ours == listed


def test_fields_can_be_columns(model: SnapshotModel) -> None:
    model.show([made(1, "a", 1), made(2, "b", 2), made(3, "c", 3)])
    model.add_column("cpu.env.eip")
    model.add_column("port92.outport")
    here = model.columnCount() - 2
    assert model.headerData(here, Qt.Orientation.Horizontal) == "cpu.env.eip"
    assert [model.index(row, here).data() for row in range(3)] == ["", "", ""]
    model.sort(here)
    model.set_cells(0, [Cell("10", 10), Cell("9", 9), Cell()])
    assert [model.index(row, here).data() for row in range(3)] == ["9", "10", ""]
    model.show([made(1, "x", 1, icount=5), made(2, "y", 2)])
    assert column(model, Column.TAG) == ["x", "y"]
    assert model.index(0, model.columnCount() - 2).data() == ""
    model.remove_column(0)
    assert model.headerData(model.columnCount() - 1, Qt.Orientation.Horizontal) == "port92.outport"
    assert column(model, Column.TAG) == ["x", "y"]
    model.sort(Column.ICOUNT)
    model.show([made(1, "x", 1)])
    assert column(model, Column.TAG) == ["x"]
