"""Applying filters to a whole state, against looking at each field by itself."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from tests.models.states import Q35, loaded
from vmsnap_gui.guest.filter import compile_filter
from vmsnap_gui.image.errors import Cancelled
from vmsnap_gui.models.field_filter import Filtered, apply_filter
from vmsnap_gui.models.field_nodes import DeviceTree, Kept, children_of
from vmsnap_gui.vmstate.fields import Field, Kind, join_path, walk

_QUIET = (Kind.FRAME, Kind.RAW, Kind.RECORDS)


@pytest.fixture(scope="module")
def tree() -> DeviceTree:
    return DeviceTree(loaded(Q35))


def _apply(tree: DeviceTree, text: str) -> Filtered:
    return apply_filter(tree, compile_filter(text), lambda _done, _total: None)


def _paths(tree: DeviceTree, filtered: Filtered) -> set[tuple[str, str]]:
    """Return (root, path) of every leaf that stays."""
    found = set()

    def look(field: Field, kept: Kept | None, key: str, path: str) -> None:
        children = field.children
        for place in range(len(children)) if kept is None else kept.places:
            child = children[place]
            here = join_path(path, child.name)
            if child.kind.is_container:
                look(child, kept.below.get(place) if kept is not None else None, key, here)
            else:
                found.add((key, here))

    roots = range(len(tree.roots)) if filtered.kept is None else filtered.kept.places
    for place in roots:
        kept = filtered.kept.below.get(place) if filtered.kept is not None else None
        look(tree.roots[place].field, kept, tree.roots[place].key, "")
    return found


@pytest.mark.parametrize(
    "text", ["eip", "env.eip == 0x7c5a", "device == cpu value > 1000", "rax or cr0", "type ~ timer value >= 0"]
)
def test_what_stays_is_what_matches(tree: DeviceTree, text: str) -> None:
    matches = compile_filter(text).matches
    expected = set()
    for root in tree.roots:
        for path, field in walk(root.field):
            label = root.labels.get(path)
            row = SimpleNamespace(
                device=root.section.key if root.section is not None else root.key, name=field.name, path=path,
                type=field.type, value=field.value, size=field.size, offset=field.offset,
                label=label.name if label is not None else None, changed=False, problem=field.problem,
            )  # fmt: skip
            if not field.kind.is_container and field.kind is not Kind.FRAME and matches(row):
                expected.add((root.key, path))
    filtered = _apply(tree, text)
    assert {found for found in _paths(tree, filtered) if not found[1].endswith(")")} == expected
    assert expected


def test_fields_are_counted_as_the_window_counts_them(tree: DeviceTree) -> None:
    filtered = _apply(tree, "size >= 0")
    assert filtered.of == tree.loaded.fields
    assert filtered.fields == filtered.of
    assert filtered.kept is None


def test_a_filter_that_matches_nothing_leaves_nothing(tree: DeviceTree) -> None:
    filtered = _apply(tree, "nosuchfieldanywhere")
    assert filtered.kept is not None
    assert (len(filtered.kept.places), filtered.fields) == (0, 0)


def test_a_struct_that_matches_by_itself_stays_whole(tree: DeviceTree) -> None:
    filtered = _apply(tree, "name == env.segs device == cpu:0")
    assert filtered.kept is not None
    (place,) = filtered.kept.places
    kept = filtered.kept.below[place]
    assert [children_of(tree.roots[place].field)[child].name for child in kept.places] == ["env.segs"]
    assert kept.below == {}
    assert filtered.fields == 1


def test_a_cancel_gets_through(tree: DeviceTree) -> None:
    def stop(_done: int, _total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        apply_filter(tree, compile_filter("eip"), stop)
