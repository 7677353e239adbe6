"""The tree of snapshots: what is inferred is mostly true, never called a fact, and what is wrong stands in the docs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.image.ancestry_table import DOCS, guessed, misses, part, row, tag
from tests.image.histories import HISTORIES, make_history
from tests.image.tools import MIB, create, extra_at, opened, patch, put_table, run, table_entry, take, u64, write
from vmsnap_gui.image.ancestry import Records, Source, Tree, ancestry_of

if TYPE_CHECKING:
    from pathlib import Path


def parents(tree: Tree) -> dict[str, str]:
    return {tag(edge.child, "now"): tag(edge.parent) for edge in (*tree.edges, tree.here)}


def write_some(path: Path, *clusters: int, value: int = 7) -> None:
    write(path, *(f"write -q -P {value} {cluster * 65536} 64k" for cluster in clusters))


def go_back(path: Path, wanted: str) -> None:
    run("qemu-img", "snapshot", "-a", wanted, path)


@pytest.mark.parametrize("seed", HISTORIES)
def test_the_docs_list_what_is_wrong_or_open(tmp_path: Path, seed: int) -> None:
    history = make_history(tmp_path / "i", seed)
    tree = guessed(history.path)
    assert tree.problems == ()
    assert [tag(edge.child) for edge in tree.edges] == history.there
    assert all(edge.source is not Source.RECORDED and edge.reason for edge in (*tree.edges, tree.here))
    lines, page = misses(history, tree), DOCS.read_text("utf-8")
    assert row(seed, history, lines) in page.splitlines()
    assert not lines or part(seed, history, lines) + "\n" in page
    assert len(lines) <= 1


def test_a_branch_is_told_from_a_line(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 16 * MIB)
    write_some(path, 1, 2)
    take(path, "base")
    write_some(path, 3, 4)
    take(path, "left")
    go_back(path, "base")
    write_some(path, 5)
    take(path, "right", "right again")
    go_back(path, "left")
    tree = guessed(path)
    assert parents(tree) == {"base": "-", "left": "base", "right": "base", "right again": "right", "now": "left"}
    assert [edge.source for edge in tree.edges] == [Source.INFERRED] * 4
    assert tree.edges[2].reason == "1 cluster of the disk differs from 'base' (id 1), and all others hold changes" \
        " that this one has not"  # fmt: skip
    run("qemu-img", "snapshot", "-d", "left", path)
    assert parents(guessed(path)) == {"base": "-", "right": "base", "right again": "right", "now": "base"}
    run("qemu-img", "snapshot", "-d", "base", path)
    assert parents(guessed(path)) == {"right": "-", "right again": "right", "now": "-"}


def test_what_shares_nothing_stays_open(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 16 * MIB)
    for value, name in enumerate(("one", "two"), 1):
        write_some(path, 1, 2, value=value)
        take(path, name)
    edge = guessed(path).edges[1]
    assert (edge.parent, edge.source) == (None, Source.OPEN)
    assert edge.reason == "it shares no cluster with any snapshot that it could go back to"


@pytest.mark.parametrize(("clocks", "parent"), [((10, 20, 15), "one"), ((10, 20, 25), "two"), ((30, 20, 25), "two")])
def test_vm_clocks_break_ties(tmp_path: Path, clocks: tuple[int, ...], parent: str) -> None:
    path = create(tmp_path / "i", 16 * MIB)
    write_some(path, 1)
    take(path, "one", "two", "three")
    for index, clock in enumerate(clocks):
        at = extra_at(path, index)
        patch(path, at - 16, u64(clock * 1_000_000_000))
        patch(path, at, u64(4096))  # the size of a VM state
    tree = guessed(path)
    assert tag(tree.edges[2].parent) == parent
    reason = "it is the latest of them" if clocks[2] == 25 and clocks[0] == 10 else "only its VM clock is not later"
    assert tree.edges[2].reason.endswith(reason)


def test_records_count_unless_the_mapping_contradicts(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 16 * MIB)
    write_some(path, 1, 2)
    take(path, "one")
    write_some(path, 2)
    take(path, "two")
    write_some(path, 2)
    take(path, "three")
    image = opened(path)
    one, two, three = image.snapshots
    tree = ancestry_of(image, Records({one: None, two: one, three: one}, here=two))
    assert parents(tree) == {"one": "-", "two": "one", "three": "one", "now": "three"}  # it is exactly as in 'three'
    assert [edge.source for edge in (*tree.edges, tree.here)] == [*[Source.RECORDED] * 3, Source.INFERRED]
    go_back(path, "one")
    write_some(path, 3)
    take(path, "four")
    image = opened(path)
    one, two, _, four = image.snapshots
    edge = ancestry_of(image, Records({four: two})).edges[3]  # it holds what 'two' had written over
    assert (edge.parent, edge.source) == (one, Source.INFERRED)
    backwards = ancestry_of(image, Records({two: four})).edges[1]
    assert (backwards.parent, backwards.source) == (one, Source.INFERRED)


def test_damage(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 16 * MIB)
    put_table(path, [table_entry((b"1", b"x"), l1=(1 << 40, 1))])
    tree = guessed(path)
    assert [edge.source for edge in (*tree.edges, tree.here)] == [Source.OPEN, Source.OPEN]
    assert "cannot be compared: the L1 table lies outside the file" in tree.problems[0].message
    put_table(path, [table_entry((b"", b""))] * 1001)
    assert "more than 1000 snapshots are not compared" in guessed(path).problems[0].message
    path = create(tmp_path / "j", 16 * MIB)
    write_some(path, 1)
    take(path, "one")
    patch(path, int(opened(path).header.l1_offset), u64(1 << 40))
    assert [problem.message for problem in guessed(path).problems] == [
        "tables of the disk as it is now cannot be read, so it was compared without them"
    ]
