"""What the Memory tab's models make of real memory."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PySide6.QtCore import Qt

from tests.models.states import Q35, loaded
from vmsnap_gui.image.errors import Cancelled
from vmsnap_gui.models import hits as hits_module
from vmsnap_gui.models.hits import Hit, HitsModel, find
from vmsnap_gui.models.inspection import InspectionModel, interpret
from vmsnap_gui.models.offsets import parse_offset
from vmsnap_gui.models.page_cells import MOST, bucket_of, columns_for, fill_entropy, look_at_blocks
from vmsnap_gui.models.ram import SHARE_ROLE, BlocksModel, Column
from vmsnap_gui.vmstate.ram import PageState, RamBlock, RamIndex
from vmsnap_gui.vmstate.ram_search import Pattern

if TYPE_CHECKING:
    from pytestqt.modeltest import ModelTester


def _quiet(_done: int, _total: int) -> None:
    pass


@pytest.fixture(scope="module")
def index() -> RamIndex:
    return loaded(Q35).vmstate.index_ram()


@pytest.fixture(scope="module")
def ram(index: RamIndex) -> RamBlock:
    return index.block("pc.ram")


def _all_places(index: RamIndex, block: RamBlock, data: bytes) -> list[int]:
    content = index.read(block, 0, block.length)
    places, at = [], content.find(data)
    while at >= 0:
        places.append(at)
        at = content.find(data, at + 1)
    return places


# Pages


def test_pages_are_counted_and_pictured_for_every_block(index: RamIndex) -> None:
    pages = look_at_blocks(index, _quiet)
    for block, found in zip(index.blocks, pages, strict=True):
        states = block.states()
        assert found.bucket == 1
        assert np.array_equal(found.kinds, states)
        assert found.counts == tuple(int((states == state).sum()) for state in PageState)


def test_a_point_of_many_pages_shows_the_greatest_kind(
    index: RamIndex, ram: RamBlock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vmsnap_gui.models.page_cells.MOST", 1000)
    found = look_at_blocks(index, _quiet)[0]
    assert index.blocks[0] is ram
    assert found.bucket == 32
    states = ram.states()
    assert list(found.kinds) == [states[i : i + 32].max() for i in range(0, len(states), 32)]


@pytest.mark.parametrize(("pages", "bucket"), [(0, 1), (1, 1), (MOST, 1), (MOST + 1, 2), (1 << 40, 1 << 22)])
def test_a_picture_never_has_too_many_points(pages: int, bucket: int) -> None:
    assert bucket_of(pages) == bucket
    assert -(-pages // bucket) <= MOST


@pytest.mark.parametrize(
    ("points", "width", "height", "columns"),
    [(16384, 500, 500, 128), (16384, 500, 120, 256), (1, 500, 100, 1), (64, 0, 0, 1)],
)
def test_rows_of_points_begin_at_round_offsets(points: int, width: int, height: int, columns: int) -> None:
    assert columns_for(points, width, height) == columns


@pytest.mark.parametrize("bucket", [1, 8])
def test_entropy_is_that_of_the_pages_with_data(index: RamIndex, ram: RamBlock, bucket: int) -> None:
    points = np.full(-(-ram.pages // bucket), np.nan, np.float32)
    fill_entropy(index, ram, bucket, points, _quiet)
    assert not np.isnan(points).any()
    states = ram.states()
    for point in (0, 1, 199 // bucket, 239 // bucket, len(points) - 1):
        expected = []
        for page in range(point * bucket, min((point + 1) * bucket, ram.pages)):
            if states[page] == PageState.DATA:
                counts = np.bincount(np.frombuffer(index.read(ram, page * 4096, 4096), np.uint8), minlength=256) / 4096
                expected.append(-sum(share * np.log2(share) for share in counts if share))
        assert points[point] == pytest.approx(np.mean(expected) if expected else 0.0, abs=1e-4)


def test_entropy_can_be_cancelled(index: RamIndex, ram: RamBlock) -> None:
    points = np.full(ram.pages, np.nan, np.float32)

    def stop(done: int, _total: int) -> None:
        if done:
            raise Cancelled

    with pytest.raises(Cancelled):
        fill_entropy(index, ram, 1, points, stop)
    assert not np.isnan(points[0])
    assert np.isnan(points[-1])


# Search


def test_a_search_goes_once_round_from_where_it_began(index: RamIndex, ram: RamBlock) -> None:
    expected = _all_places(index, ram, b"QEMU")
    start = expected[5] + 1
    found: list[Hit] = []
    find(index, ram, Pattern(b"QEMU"), start, found, _quiet)
    assert [hit.offset for hit in found] == expected[6:] + expected[:6]
    for hit in found:
        assert hit.context[hit.before : hit.before + 4] == b"QEMU"


@pytest.mark.parametrize("data", [b"QEMU", b"no such text", bytes(3)])
def test_the_progress_of_a_search_only_grows(index: RamIndex, ram: RamBlock, data: bytes) -> None:
    seen: list[tuple[int, int]] = []
    find(index, ram, Pattern(data), ram.length // 2, [], lambda done, total: seen.append((done, total)))
    dones = [done for done, _ in seen]
    assert dones == sorted(dones)
    assert all(0 <= done <= total == ram.length for done, total in seen)


def test_a_search_ends_after_so_many_hits(index: RamIndex, ram: RamBlock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hits_module, "MOST", 100)
    found: list[Hit] = []
    find(index, ram, Pattern(bytes(2)), 0, found, _quiet)
    assert len(found) == 100


@pytest.mark.gui
def test_hits_stand_in_order_though_they_come_round_the_end(qapp: object, qtmodeltester: ModelTester) -> None:
    model = HitsModel()
    model.add([Hit(50, b"x", 0), Hit(70, b"x", 0)], 40)
    model.add([Hit(90, b"ab\0", 1), Hit(10, b"x", 0)], 40)
    model.add([Hit(20, b"x", 0)], 40)
    assert model.offsets == [10, 20, 50, 70, 90]
    assert [model.next_row(offset) for offset in (0, 10, 69, 90)] == [0, 1, 3, 0]
    assert [model.previous_row(offset) for offset in (0, 10, 11, 90)] == [4, 4, 0, 3]
    assert (model.row_at(70), model.row_at(71)) == (3, None)
    assert [str(model.index(4, column).data()) for column in (0, 1)] == ["0000005a", "ab·"]
    qtmodeltester.check(model, force_py=True)


# Blocks


@pytest.mark.gui
def test_blocks_tell_sizes_at_once_and_pages_when_they_are_known(
    qapp: object, qtmodeltester: ModelTester, index: RamIndex
) -> None:
    model = BlocksModel()
    model.show(loaded(Q35).vmstate.ram_blocks)
    row = model.row_of("pc.ram")
    assert row == model.largest()
    assert [model.index(row, column).data() for column in (Column.NAME, Column.SIZE)] == ["pc.ram", "64.0 MiB"]
    assert model.index(row, Column.DATA).data() == "–"
    model.show_pages(look_at_blocks(index, _quiet))
    assert model.index(row, Column.DATA).data() == "175"
    total = sum(block.length for block in model.blocks)
    assert model.index(row, 0).data(SHARE_ROLE) == pytest.approx((64 << 20) / total)
    assert model.index(0, Column.SIZE).data(Qt.ItemDataRole.TextAlignmentRole) & Qt.AlignmentFlag.AlignRight
    qtmodeltester.check(model, force_py=True)


@pytest.mark.gui
def test_no_blocks_are_no_rows(qapp: object) -> None:
    model = BlocksModel()
    model.show(())
    model.show_pages([])
    assert (model.rowCount(), model.largest(), model.row_of("pc.ram")) == (0, -1, -1)


# What is typed, what stands at the cursor


@pytest.mark.parametrize(
    ("text", "offset"),
    [
        ("0x1f000", 0x1F000), ("126976", 126976), ("0", 0), (" 1f000h ", 0x1F000), ("page 31", 31 * 4096),
        ("Page 0x10", 0x10000), ("p 2", 8192), ("+0x10", 0x5010), ("-16", 0x4FF0), ("0x1_0000", 0x10000), ("007", 7),
    ],
)  # fmt: skip
def test_offsets_can_be_typed_in_many_ways(text: str, offset: int) -> None:
    assert parse_offset(text, size=1 << 26, page_size=4096, cursor=0x5000) == offset


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "Type an offset"), ("soon", "no number"), ("0x", "no number"), ("page", "no number"), ("+", "no number"),
        ("0x4000000", "outside: the last byte is at 0x3ffffff"), ("-0x5001", "outside"), ("page 16384", "outside"),
    ],
)  # fmt: skip
def test_what_is_no_offset_is_told_in_a_sentence(text: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        parse_offset(text, size=1 << 26, page_size=4096, cursor=0x5000)


def test_the_inspector_reads_both_byte_orders() -> None:
    data = bytes.fromhex("ff00000000000080") + b"AB"
    assert [interpret(data, row, little_endian=False) for row in range(4)] == [
        "255  -1", "65280  -256", "4278190080  -16777216", f"{0xFF00000000000080}  {0xFF00000000000080 - (1 << 64)}",
    ]  # fmt: skip
    assert [interpret(data, row, little_endian=True) for row in range(4)] == [
        "255  -1", "255", "255", f"{0x80000000000000FF}  {0x80000000000000FF - (1 << 64)}",
    ]  # fmt: skip
    assert interpret(bytes.fromhex("3fc00000"), 4, little_endian=False) == "1.5"
    assert interpret(bytes.fromhex("0000000000000440"), 5, little_endian=True) == "2.5"
    assert interpret(bytes.fromhex("7fc00000"), 4, little_endian=False) == "nan"
    assert interpret(b"QEMU\0\xff", 6, little_endian=False) == "QEMU··"
    assert interpret(b"QEMU\0\xff", 6, little_endian=True) == "QEMU··"
    assert interpret("Hé".encode("utf-16-le"), 7, little_endian=True) == "Hé"
    assert interpret("Hé".encode("utf-16-be"), 7, little_endian=False) == "Hé"


def test_what_the_bytes_do_not_suffice_for_is_a_dash() -> None:
    assert [interpret(b"\1\2\3", row, little_endian=True) for row in range(8)] == [
        *("1", "513", "–", "–", "–", "–", "···", "ȁ")
    ]
    assert {interpret(b"", row, little_endian=False) for row in range(8)} == {"–"}


@pytest.mark.gui
def test_the_inspector_is_a_proper_model(qapp: object, qtmodeltester: ModelTester) -> None:
    model = InspectionModel()
    model.show(b"abc")
    assert [model.index(0, column).data() for column in range(3)] == ["8 bits", "97", "97"]
    model.show(None)
    assert model.index(0, 1).data() == "…"
    qtmodeltester.check(model, force_py=True)
