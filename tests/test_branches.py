"""Trees laid out: rows with lanes, and points along an axis, of real images with branches."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.image.tools import MIB, create, opened, run, take, write
from vmsnap_gui.branches import Row, points_of, rows_of
from vmsnap_gui.image.ancestry import Edge, Source, Tree, ancestry_of

if TYPE_CHECKING:
    from pathlib import Path


def branched(path: Path) -> Path:
    """Make an image: one ─ two ─ three, one ─ four, where the disk is now, and two ─ five."""
    create(path, 16 * MIB)
    for number, (back, tag) in enumerate((("", "one"), ("", "two"), ("", "three"), ("one", "four"), ("two", "five"))):
        if back:
            run("qemu-img", "snapshot", "-a", back, path)
        write(path, f"write -q -P {number + 1} {number}M 1M")
        take(path, tag)
    run("qemu-img", "snapshot", "-a", "four", path)
    write(path, "write -q -P 9 9M 64k")
    return path


def tree_of(path: Path) -> Tree:
    image = opened(path)
    tree = ancestry_of(image)
    image.close()
    return tree


def test_rows_have_what_branches_off_before_what_goes_on(tmp_path: Path) -> None:
    rows = rows_of(tree_of(branched(tmp_path / "i")))
    # 3 is 'four', from which the disk goes on: it is the heir of 'one'. 'five' is later than 'three'.
    assert [(row.node, row.lane) for row in rows] == [(0, 0), (1, 1), (2, 2), (4, 1), (3, 0), (5, 0)]
    assert [row.comes_from for row in rows] == [None, 0, 1, None, None, None]
    assert [row.above for row in rows] == [False, False, False, True, True, True]
    assert [row.below for row in rows] == [False, False, None, None, False, None]
    assert [row.through for row in rows] == [(), ((0, False),), ((0, False), (1, False)), ((0, False),), (), ()]
    assert {row.source for row in rows} == {Source.INFERRED}
    assert not any(row.solid for row in rows)


def test_lines_of_a_lane_meet(tmp_path: Path) -> None:
    """Where a line leaves a row below, one arrives in the next from above, equally solid."""
    rows = rows_of(tree_of(branched(tmp_path / "i")))
    for upper, lower in pairwise(rows):
        assert _leaving(upper) == _arriving(lower)


def _leaving(row: Row) -> dict[int, bool]:
    return {**dict(row.through), **({row.lane: row.below} if row.below is not None else {})}


def _arriving(row: Row) -> dict[int, bool]:
    return {**dict(row.through), **({row.lane: row.solid} if row.above else {})}


def test_points_keep_apart_in_their_lanes(tmp_path: Path) -> None:
    points = points_of(tree_of(branched(tmp_path / "i")), [0.0, 10.0, 20.0, 30.0, 40.0])
    assert [point.node for point in points] == [0, 1, 2, 3, 4, 5]
    assert [point.at for point in points][:5] == [0.0, 10.0, 20.0, 30.0, 40.0]
    assert points[5].at > 40.0
    assert [point.parent for point in points] == [None, 0, 1, 0, 1, 3]
    assert [point.lane for point in points] == [0, 1, 2, 0, 1, 0]


def test_what_has_no_time_is_left_out(tmp_path: Path) -> None:
    tree = tree_of(branched(tmp_path / "i"))
    points = points_of(tree, [5.0, None, 20.0, None, 40.0])
    assert [(point.node, point.parent) for point in points] == [(0, None), (2, 0), (4, 0), (5, 0)]
    assert points_of(tree, [None] * 5) == ()


def test_a_long_line_is_laid_out_without_recursion(tmp_path: Path) -> None:
    path = create(tmp_path / "i", MIB)
    take(path, "one")
    image = opened(path)
    snapshots = [replace(image.snapshots[0], id=str(number), index=number) for number in range(3000)]
    image.close()
    edges = [Edge(child, parent, Source.RECORDED, "") for parent, child in pairwise([None, *snapshots])]
    rows = rows_of(Tree(tuple(edges), Edge(None, snapshots[-1], Source.OPEN, "")))
    assert [row.node for row in rows] == list(range(3001))
    assert {row.lane for row in rows} == {0}
    assert rows[5].solid
    assert not rows[3000].solid
