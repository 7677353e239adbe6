from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.image.tools import KIB, L1_OFFSET_AT, MIB, converted, create, number, opened, patch, run, take, u64, write
from tests.image.tools import write_noise as noise
from tests.samples import sample
from vmsnap_gui.compare.change import Change
from vmsnap_gui.compare.disk import DiskComparison, DiskSide, compare_disks
from vmsnap_gui.compare.errors import CompareError
from vmsnap_gui.compare.ranges import Ranges, covered, union
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import Cancelled, ImageError

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 4 * MIB


def compared(path: Path, a: int | None, b: int | None, **options: bool) -> DiskComparison:
    """Compare two snapshots by their place in the table; None is the disk as it is now."""
    image = opened(path)
    sides = [DiskSide(image, None if one is None else image.snapshots[one]) for one in (a, b)]
    return compare_disks(*sides, **options)


def fill(path: Path) -> None:
    noise(path, [(0, 8 * KIB), (512 * KIB, 256 * KIB), (2 * MIB, 512)])
    take(path, "one")
    write(path, "write -q -P 17 576k 64k", "write -q -z 0 64k", "write -q -P 5 3M 70k", "write -q -P 0 3584k 64k")
    take(path, "two")
    write(path, "discard -q 512k 64k", "write -q -P 17 576k 64k")
    noise(path, [(1 * MIB, 4 * KIB)], seed=3)


def assert_as_converted(path: Path, a: str | None, b: str | None, result: DiskComparison) -> None:
    """Compare with what qemu-img converts the two to: exact by content, a safe superset by mapping."""
    ours, theirs = (np.frombuffer(converted(path, one), np.uint8) for one in (a, b))
    unlike = (ours != theirs).reshape(-1, 512).any(axis=1)
    told = np.zeros(len(unlike), np.bool_)
    for start, length in result.ranges.merged().tolist():
        told[start // 512 : (start + length) // 512] = True
    if result.read_data:
        assert np.array_equal(told, unlike)
        assert result.bytes_changed == int((ours != theirs).sum())
    else:
        assert not (unlike & ~told).any()


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("cluster_size=512",),
        ("cluster_size=2M",),
        ("compat=0.10",),
        ("extended_l2=on", "cluster_size=16k"),
        ("extended_l2=on", "cluster_size=64k"),
    ],
)
def test_each_kind_of_image_as_converted(tmp_path: Path, options: tuple[str, ...]) -> None:
    path = create(tmp_path / "i", SIZE, *options)
    fill(path)
    for a, b in ((0, 1), (1, 0), (1, None), (0, None), (0, 0)):
        ids = [None if one is None else str(one + 1) for one in (a, b)]
        for read_data in (False, True):
            assert_as_converted(path, ids[0], ids[1], compared(path, a, b, read_data=read_data))
    assert not compared(path, 1, 1).differs


def test_compressed_clusters(tmp_path: Path) -> None:
    source, path = tmp_path / "source", tmp_path / "i"
    source.write_bytes(b"the clusters pack well " * 90_000)
    run("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", source, path)
    take(path, "packed")
    write(path, "write -q -P 9 64k 64k")
    take(path, "later")
    result = compared(path, 0, 1)
    assert result.ranges.merged().tolist() == [[64 * KIB, 64 * KIB]]
    assert result.use_a.compressed > result.use_b.compressed > 0
    assert_as_converted(path, "1", "2", compared(path, 0, 1, read_data=True))


def test_what_the_bytes_are_stored_as(tmp_path: Path) -> None:
    path = create(tmp_path / "i", SIZE)
    write(path, "write -q -P 1 0 128k", "write -q -z 1M 64k")
    take(path, "one")
    use = compared(path, 0, None).use_a
    assert (use.data, use.zero, use.compressed, use.damaged) == (128 * KIB, 64 * KIB, 0, 0)
    assert use.unallocated == SIZE - 192 * KIB


def test_kinds_of_change(tmp_path: Path) -> None:
    path = create(tmp_path / "i", SIZE)
    write(path, "write -q -P 1 0 64k", "write -q -P 1 64k 64k")
    take(path, "one")
    write(path, "write -q -P 2 0 64k", "write -q -z 64k 64k", "write -q -P 3 256k 64k", "write -q -z 512k 64k")
    result = compared(path, 0, None)
    assert result.ranges.starts.tolist() == [0, 64 * KIB, 256 * KIB]
    assert [Change(one) for one in result.ranges.kinds] == [
        Change.CHANGED, Change.DATA_TO_ZERO, Change.ZERO_TO_DATA,
    ]  # fmt: skip


def test_written_again_with_the_same_content(tmp_path: Path) -> None:
    path = create(tmp_path / "i", SIZE)
    write(path, "write -q -P 1 0 64k")
    take(path, "one")
    write(path, "write -q -P 1 0 64k")
    by_map, by_content = compared(path, 0, None), compared(path, 0, None, read_data=True)
    assert (by_map.differs, by_map.read_data, by_map.bytes_changed) == (True, False, 64 * KIB)
    assert (by_content.differs, by_content.read_data, by_content.bytes_changed) == (False, True, 0)


def test_a_backing_file_is_not_opened_for_the_mapping(tmp_path: Path) -> None:
    (tmp_path / "base").write_bytes(b"\x55" * SIZE)
    path = create(tmp_path / "i", SIZE, backing=("base", "raw"))
    take(path, "one")
    write(path, "write -q -P 3 1M 64k", "write -q -z 0 64k")
    result = compared(path, 0, None)
    assert result.ranges.merged().tolist() == [[0, 64 * KIB], [MIB, 64 * KIB]]
    with pytest.raises(ImageError, match="may not be opened unasked"):
        compared(path, 0, None, read_data=True)


def test_damaged_tables_are_told_and_not_guessed(tmp_path: Path) -> None:
    path = create(tmp_path / "i", SIZE, "cluster_size=4k")
    write(path, "write -q -P 7 0 4M")
    take(path, "one")
    write(path, "write -q -P 8 0 4k")
    table = number(path, number(path, L1_OFFSET_AT, 8), 8) & 0xFF_FFFF_FFFF_FE00
    patch(path, table + 8 * 3, u64(1 << 50))
    for read_data in (False, True):
        result = compared(path, 0, None, read_data=read_data)
        assert result.bytes_of(Change.UNREADABLE) == 4096
        assert result.bytes_of(Change.CHANGED) == 4096


def test_a_stream_has_no_disk() -> None:
    image = open_image(sample("q35-default@10.0/s-plain.vmstate"))
    side = DiskSide(image, image.snapshots[0])
    with pytest.raises(CompareError, match="no disk to compare"):
        compare_disks(side, side)


def test_cancel(tmp_path: Path) -> None:
    path = create(tmp_path / "i", SIZE)
    fill(path)
    image = opened(path)

    def stop(done: int, total: int) -> None:
        raise Cancelled

    now, then = DiskSide(image, None), DiskSide(image, image.snapshots[0])
    for read_data in (False, True):
        with pytest.raises(Cancelled):
            compare_disks(now, then, read_data=read_data, progress=stop)


units = st.lists(st.integers(0, 3), max_size=40).map(lambda kinds: np.array(kinds, np.uint8))


def spread(ranges: Ranges, size: int = 50) -> list[int]:
    """The kind at each place."""
    found = [0] * size
    for start, length, kind in zip(ranges.starts, ranges.lengths, ranges.kinds, strict=True):
        assert length > 0
        found[start : start + length] = [int(kind)] * int(length)
    return found


@given(units, units, st.integers(0, 50))
def test_ranges_are_what_places_tell(first: np.ndarray, second: np.ndarray, end: int) -> None:  # type: ignore[type-arg]
    a, b = Ranges.of_units(first, 0, 1), Ranges.of_units(second, 0, 1)
    ours, theirs = spread(a), spread(b)
    assert ours[: len(first)] == first.tolist()
    assert spread(a.cut(end)) == [kind if at < end else 0 for at, kind in enumerate(ours)]
    assert spread(union(a, b)) == [int(x > 0 or y > 0) for x, y in zip(ours, theirs, strict=True)]
    assert covered(a, np.arange(50)).tolist() == [kind > 0 for kind in ours]
    apart = b.of(~covered(a, b.starts) & ~covered(a, b.starts + b.lengths - 1))
    pieces = [a.of(a.kinds == kind) for kind in (1, 2, 3)]
    assert spread(Ranges.joined(pieces)) == ours
    merged = a.merged()
    assert all(merged[1:, 0] > (merged[:-1, 0] + merged[:-1, 1]))
    assert len(apart.starts) <= len(b.starts)


def test_more_places_than_can_be_held_are_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = create(tmp_path / "i", SIZE)
    fill(path)
    monkeypatch.setattr("vmsnap_gui.compare.ranges.MOST_RANGES", 1)
    for read_data in (False, True):
        with pytest.raises(CompareError, match="more than 1 places"):
            compared(path, 0, 1, read_data=read_data)
