"""What changed in memory and on a disk: points, ranges, and their Qt models, over the demo's snapshots."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.models.compared import compared
from vmsnap_gui.compare.change import Change
from vmsnap_gui.compare.disk import DiskComparison
from vmsnap_gui.compare.disk_map import DiskUse
from vmsnap_gui.compare.ram import BlockComparison, RamComparison
from vmsnap_gui.compare.ranges import Ranges
from vmsnap_gui.compare.terms import Outcome
from vmsnap_gui.comparing import Compared, DiskCompared, MemoryCompared, compare_disk, compare_memory
from vmsnap_gui.models.change_cells import look_at_disk, look_at_memory
from vmsnap_gui.models.change_words import OUTCOME_SIGNS, change_words, outcome_words
from vmsnap_gui.models.changed_blocks import MUTED_ROLE, ChangedBlocksModel, Column
from vmsnap_gui.models.changed_ranges import ChangedRangesModel
from vmsnap_gui.models.compare_summary import summary
from vmsnap_gui.models.page_cells import MOST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.modeltest import ModelTester

pytestmark = pytest.mark.gui


def quiet(*_: int) -> None:
    """Take progress."""


@pytest.fixture(scope="module")
def found() -> Iterator[Compared]:
    made = compared("booted", "finished")
    yield made
    made.sides.close()


@pytest.fixture(scope="module")
def memory(found: Compared) -> MemoryCompared:
    return compare_memory(found, quiet)


@pytest.fixture(scope="module")
def disk(found: Compared) -> DiskCompared:
    return compare_disk(found.sides, False, quiet)


def test_words_and_kinds_fit_together() -> None:
    assert [word.split(" ", 1)[1] for word in outcome_words()] == [
        "same", "in A", "in B", "in both alike", "in both differently",
    ]  # fmt: skip
    assert len(outcome_words()) == len(set(OUTCOME_SIGNS)) == len(Outcome)
    assert [word.lower() for word in change_words()] == [kind.words.lower() for kind in Change]


def test_the_ranges_of_memory_cover_what_differs(memory: MemoryCompared) -> None:
    for block, cells in zip(memory.ram.blocks, look_at_memory(memory, quiet), strict=True):
        pages = {page for a, b in zip(cells.starts, cells.ends, strict=True) for page in range(a // 4096, b // 4096)}
        assert pages == set(block.differing_pages().tolist())
        assert [block.changes[start // 4096] for start in cells.starts] == cells.kinds.tolist()


def test_steps_visit_each_range_once(memory: MemoryCompared) -> None:
    cells = max(look_at_memory(memory, quiet), key=lambda one: len(one.starts))
    seen, at = [], -1
    while (found := cells.step(at, back=False)) is not None:
        seen.append(found)
        at = int(cells.starts[found])
    assert seen == list(range(len(cells.starts)))
    assert cells.step(cells.size, back=True) == len(cells.starts) - 1
    assert cells.step(int(cells.starts[0]), back=True) is None
    assert cells.range_at(int(cells.ends[0]) - 1) == 0
    assert cells.range_at(cells.size) is None


def test_blocks_are_a_proper_model(
    qapp: object, qtmodeltester: ModelTester, found: Compared, memory: MemoryCompared
) -> None:
    model = ChangedBlocksModel()
    cells = look_at_memory(memory, quiet)
    changed = [int(block.bytes_changed.sum()) for block in memory.ram.blocks]
    model.show([block.name for block in memory.ram.blocks], cells, changed)
    qtmodeltester.check(model, force_py=True)
    row = model.most_changed()
    assert changed[row] == max(changed)
    texts = [model.index(row, column).data() for column in Column]
    assert texts[0] == memory.ram.blocks[row].name
    assert int(texts[1]) == memory.ram.blocks[row].count(Change.CHANGED)
    assert not model.index(row, 0).data(MUTED_ROLE)
    assert "of memory" in summary(found, memory).loud


def test_ranges_of_the_disk_are_a_proper_model(
    qapp: object, qtmodeltester: ModelTester, found: Compared, disk: DiskCompared
) -> None:
    model, cells = ChangedRangesModel(), look_at_disk(disk)
    model.show(cells)
    qtmodeltester.check(model, force_py=True)
    assert model.rowCount() == len(disk.disk.ranges.starts) > 0
    start = int(disk.disk.ranges.starts[0])
    assert model.start(model.index(0, 0)) == start
    assert model.row_at(start) == 0
    assert cells.cells.counts[Change.CHANGED] + cells.cells.counts[Change.ZERO_TO_DATA] == disk.disk.units_changed()
    assert "clusters of the disk" in summary(found, None, disk).loud


def test_a_million_pages_and_a_great_disk_are_small_pictures(memory: MemoryCompared) -> None:
    changes = np.zeros(1 << 21, np.uint8)
    changes[::2] = Change.CHANGED
    block = memory.ram.blocks[0]
    assert block.a is not None
    great = BlockComparison("great", None, block.a, changes, changes.astype(np.uint32))
    (cells,) = look_at_memory(MemoryCompared.of(memory.a, memory.b, RamComparison(4096, (great,))), quiet)
    assert len(cells.starts) == 1 << 20
    assert len(cells.cells.kinds) <= MOST
    size, use = 1 << 40, DiskUse(0, 0, 0, 1 << 40, 0)
    starts = np.arange(1_000_000, dtype=np.int64) << 20
    ranges = Ranges(starts, np.full(len(starts), 65536, np.int64), np.full(len(starts), 1, np.uint8))
    disk = DiskComparison(size, size, ranges, 65536 * len(starts), False, 65536, use, use)
    cells = look_at_disk(DiskCompared(disk, size, disk.unit, False))
    assert len(cells.cells.kinds) <= MOST
    assert cells.cells.counts[Change.CHANGED] == 1_000_000
