"""Columns that share the width there is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtGui import QStandardItemModel
from PySide6.QtWidgets import QTreeView

from vmsnap_gui.views.columns import FittingColumns, Room, share

if TYPE_CHECKING:
    from pytestqt.qtbot import QtBot

ROOMS = (Room(20, 30), Room(10, 20, 50), Room(10, 15))


def test_as_many_columns_as_are_of_use_fill_the_width() -> None:
    for width in range(200, 10_000, 7):
        given = share(width, 10, ROOMS, always=1)
        shown = 3 if width >= 400 else 2 if width >= 300 else 1
        assert sum(given[:shown]) <= width
        assert sum(given[:shown]) > min(width, {3: 950, 2: 800, 1: 300}[shown]) - 2 * shown
        assert all(one >= room.least * 10 for one, room in zip(given, ROOMS, strict=True))
        assert given[shown:] == [room.best * 10 for room in ROOMS[shown:]]


def test_where_there_is_too_little_some_share_it_still() -> None:
    given = share(150, 10, ROOMS, always=2)
    assert given == [100, 50, 150]
    assert share(0, 10, ROOMS, always=2)[:2] == [0, 0]


@pytest.mark.gui
def test_a_table_fits_until_it_gets_other_widths(qtbot: QtBot) -> None:
    table = QTreeView()
    qtbot.addWidget(table)
    table.setModel(QStandardItemModel(0, 3, table))
    header = table.header()
    header.setStretchLastSection(False)
    table.resize(300, 200)
    table.show()
    FittingColumns(table, ROOMS, always=2)
    narrow = [header.sectionSize(column) for column in range(3)]
    table.resize(500, 200)
    wide = [header.sectionSize(column) for column in range(3)]
    assert sum(narrow) <= 300 < sum(wide) <= 500
    kept = header.saveState()
    table.resize(300, 200)
    assert [header.sectionSize(column) for column in range(3)] == narrow
    header.restoreState(kept)  # as the last run left it
    table.resize(400, 200)
    assert [header.sectionSize(column) for column in range(3)] == wide


@pytest.mark.gui
def test_a_hidden_column_leaves_its_width_to_the_others(qtbot: QtBot) -> None:
    table = QTreeView()
    qtbot.addWidget(table)
    table.setModel(QStandardItemModel(0, 3, table))
    header = table.header()
    header.setStretchLastSection(False)
    table.resize(260, 200)
    table.show()
    fitting = FittingColumns(table, ROOMS, always=2)
    all_of_them = [header.sectionSize(column) for column in range(3)]
    table.setColumnHidden(1, True)
    fitting.fit()
    assert header.sectionSize(0) > all_of_them[0]
    assert header.sectionSize(0) + header.sectionSize(2) <= 260
    table.setColumnHidden(1, False)
    fitting.fit()
    assert [header.sectionSize(column) for column in range(3)] == all_of_them
    header.resizeSection(0, 77)
    table.resize(900, 200)
    fitting.fit()
    assert header.sectionSize(0) == 77
