from __future__ import annotations

import itertools
import random
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.samples import sample
from tests.vmstate.rams import Guest, content, index_of, stream
from tests.vmstate.streams import compressed, page, pattern, zero
from vmsnap_gui.compare.change import Change
from vmsnap_gui.compare.errors import CompareError
from vmsnap_gui.compare.ram import compare_ram, page_bytes
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import Cancelled
from vmsnap_gui.image.places import file_places, same_file
from vmsnap_gui.vmstate.devices import open_state

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.ram import RamIndex

SIZE = 4096


def both(a: bytes, b: bytes) -> tuple[RamIndex, RamIndex]:
    return index_of(stream(a)), index_of(stream(b))


def changes(a: bytes, b: bytes) -> list[str]:
    """What became of the 16 pages of pc.ram; "" for the same."""
    result = compare_ram(*both(a, b))
    (block,) = result.blocks
    return [Change(one).name if one else "" for one in block.changes.tolist()]


def all_zero() -> bytes:
    return b"".join(zero(n * SIZE, block="pc.ram" if not n else None) for n in range(16))


def test_each_kind_of_change() -> None:
    first = page(0, pattern(1), "pc.ram") + zero(SIZE) + page(2 * SIZE, pattern(2)) + page(3 * SIZE, pattern(3))
    first += zero(4 * SIZE, 0xA5) + zero(5 * SIZE, 0xA5) + page(6 * SIZE, bytes(SIZE)) + zero(8 * SIZE)
    second = page(0, pattern(1), "pc.ram") + page(SIZE, pattern(9)) + zero(2 * SIZE) + page(3 * SIZE, pattern(4))
    second += zero(4 * SIZE, 0xA5) + page(5 * SIZE, b"\xa5" * SIZE) + zero(6 * SIZE) + zero(7 * SIZE)
    assert changes(first, second) == [
        "", "ZERO_TO_DATA", "DATA_TO_ZERO", "CHANGED", "", "", "", "ONLY_B", "ONLY_A", *[""] * 7,
    ]  # fmt: skip


def test_blocks_of_one_side_and_of_different_lengths() -> None:
    parts = {name: page(0, pattern(5), name) + page(SIZE, pattern(6)) for name in ("common", "ours", "theirs")}
    a = stream(parts["common"], parts["ours"], blocks=(("common", 2 * SIZE), ("ours", 2 * SIZE)))
    more = parts["common"] + page(2 * SIZE, pattern(7))
    b = stream(more, parts["theirs"], blocks=(("theirs", 2 * SIZE), ("common", 4 * SIZE)))
    result = compare_ram(index_of(a), index_of(b))
    told = {block.name: [Change(one).name for one in block.changes.tolist()] for block in result.blocks}
    assert told == {
        "common": ["SAME", "SAME", "ONLY_B", "SAME"],
        "ours": ["ONLY_A", "ONLY_A"],
        "theirs": ["ONLY_B", "ONLY_B"],
    }
    assert [block.ranges().tolist() for block in result.blocks] == [[[2, 1]], [[0, 2]], [[0, 2]]]


def test_pages_of_two_sizes_are_refused() -> None:
    big = stream(page(0, pattern(1, 8192), "pc.ram"), page_size=8192)
    with pytest.raises(CompareError, match="pages of 4096 and of 8192 bytes"):
        compare_ram(index_of(stream(all_zero())), index_of(big))


def test_a_page_that_cannot_be_unpacked() -> None:
    packed = compressed(SIZE, pattern(2))
    broken = packed[:-20] + bytes(20)
    rest = b"".join(zero(n * SIZE) for n in range(2, 16))
    good = index_of(stream(zero(0, block="pc.ram") + packed + rest))
    bad = open_state(type(good.view)(stream(zero(0, block="pc.ram") + broken + rest))).index_ram()  # type: ignore[call-arg]
    (block,) = compare_ram(good, bad).blocks
    assert block.changes[:3].tolist() == [Change.SAME, Change.UNREADABLE, Change.SAME]


def test_memory_that_is_not_complete_is_a_problem() -> None:
    whole = stream(all_zero())
    cut = open_state(type(index_of(whole).view)(whole[:200])).index_ram()  # type: ignore[call-arg]
    result = compare_ram(index_of(whole), cut)
    assert len(result.problems) == 1
    assert result.problems[0].startswith("the memory of B is not complete")
    assert result.pages_changed == result.blocks[0].count(Change.ONLY_A) > 0


@pytest.mark.parametrize("page_size", [256, 1024, 4096, 8192])
@pytest.mark.parametrize("seed", range(4))
def test_any_records_as_a_byte_compare(page_size: int, seed: int) -> None:
    """Whatever records a live save writes, in runs or not: the result is that of comparing the memory's bytes."""
    blocks = (("a", 96 * page_size), ("b", 33 * page_size))
    guests = [Guest(blocks, page_size, seed), Guest(blocks, page_size, seed)]
    parts = [[guest.part(60, "pr"), guest.part(60)] for guest in guests]
    parts[1].append(guests[1].part(10 + 20 * seed))
    indexes = [index_of(stream(*part, blocks=blocks, page_size=page_size)) for part in parts]
    result = compare_ram(*indexes)
    for block in result.blocks:
        ours, theirs = (
            np.frombuffer(content(i, i.block(block.name)), np.uint8).reshape(-1, page_size) for i in indexes
        )
        counts = (ours != theirs).sum(axis=1)
        missing = block.a.locations == 0  # type: ignore[union-attr]
        held = ~(missing | (block.b.locations == 0))  # type: ignore[union-attr]
        assert np.array_equal(block.bytes_changed[held], counts[held])
        assert np.array_equal(block.changes[held] != 0, counts[held] > 0)
        for number in np.flatnonzero(held).tolist():
            expected = Change.SAME
            if counts[number]:
                empty = not ours[number].any(), not theirs[number].any()
                expected = {(True, False): Change.ZERO_TO_DATA, (False, True): Change.DATA_TO_ZERO}.get(
                    empty, Change.CHANGED
                )
            assert block.changes[number] == expected
    assert result.bytes_changed == sum(int(block.bytes_changed.sum()) for block in result.blocks)


def test_runs_are_compared_as_they_lie() -> None:
    rng = random.Random(5)
    pages = [rng.randbytes(SIZE) for _ in range(16)]
    others = [*pages[:9], bytes(SIZE), *pages[10:15], pages[15][:-1] + b"?"]
    made = [
        b"".join(page(n * SIZE, one, "pc.ram" if not n else None) for n, one in enumerate(p)) for p in (pages, others)
    ]
    a, b = both(*made)
    (block,) = compare_ram(a, b).blocks
    assert block.differing_pages().tolist() == [9, 15]
    assert block.changes[[9, 15]].tolist() == [Change.DATA_TO_ZERO, Change.CHANGED]
    assert page_bytes(a, b, block, 15).ranges == ((SIZE - 1, 1),)
    assert page_bytes(a, b, block, 9).a == pages[9]


def test_recorded_states_as_a_byte_compare() -> None:
    image = open_image(sample("q35-default@10.0/disk0.qcow2"))
    indexes = [open_state(image.vm_state(s)).index_ram() for s in image.snapshots]
    for a, b in itertools.pairwise(indexes):
        result = compare_ram(a, b)
        for block in result.blocks:
            assert block.a is not None
            assert block.b is not None
            ours, theirs = a.read(block.a, 0, block.a.length), b.read(block.b, 0, block.b.length)
            sides = [np.frombuffer(side, np.uint8).reshape(-1, a.page_size) for side in (ours, theirs)]
            assert np.array_equal(block.bytes_changed, (sides[0] != sides[1]).sum(axis=1))


def test_one_state_with_itself_reads_no_page() -> None:
    image = open_image(sample("q35-default@10.0/disk0.qcow2"))
    snapshot = image.snapshots[1]
    a, b = (open_state(image.vm_state(snapshot)).index_ram() for _ in range(2))
    assert same_file(a.view, b.view)
    stored = a.blocks[0].locations[a.blocks[0].locations > 0]
    places = file_places(a.view, stored, a.page_size)
    assert (places >= 0).sum() > len(stored) // 2
    handle = open(image.path, "rb")  # noqa: SIM115, PTH123
    with handle:
        for place, offset in list(zip(places.tolist(), stored.tolist(), strict=True))[:50]:
            if place >= 0:
                handle.seek(place)
                assert handle.read(a.page_size) == a.view.read(offset, a.page_size)
    assert compare_ram(a, b).pages_changed == 0


def test_progress_ends_at_all_and_can_cancel() -> None:
    seen: list[tuple[int, int]] = []
    compare_ram(*both(all_zero(), page(0, pattern(1), "pc.ram")), lambda done, total: seen.append((done, total)))
    assert seen == sorted(seen)
    assert seen[-1] == (65536, 65536)

    def stop(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        compare_ram(*both(all_zero(), all_zero()), stop)
