"""Random descriptions: whatever a device saves comes back as its value, and its leaves tile the section."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vmstate.checks import check_tiles, decode_one, problems
from tests.vmstate.layouts import (
    Body,
    Item,
    alike,
    buffer,
    buffers,
    chain,
    counted,
    nested,
    null,
    pointers,
    scalar,
    scalars,
    structs,
    tree,
)
from tests.vmstate.streams import Memory, Stream
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.fields import show, to_json, walk
from vmsnap_gui.vmstate.sections import Located

pytestmark = pytest.mark.slow

RANGES = {
    f"{sign}int{bits}{how}": (0, (1 << bits) - 1) if sign else (-(1 << bits - 1), (1 << bits - 1) - 1)
    for sign in ("", "u")
    for bits in (8, 16, 32, 64)
    for how in ("", " equal")
} | {"timer": (-1, 1 << 62), "bool": (0, 1), "int64 equal": (0, (1 << 64) - 1)}  # the last is QEMU's name for uint64

names = st.sampled_from(["a", "b", "env.eip", "regs", "0000:00:02.0", "naïve", "x[1]", "very_long_name" * 10])
types = st.sampled_from(sorted(RANGES))


@st.composite
def numbers(draw: st.DrawFn) -> Item:
    type_name = draw(types)
    value = st.integers(*RANGES[type_name])
    if draw(st.booleans()):
        return scalar(draw(names), type_name, draw(value))
    return scalars(draw(names), type_name, draw(st.lists(value, min_size=2, max_size=20)))


texts = st.text(st.characters(codec="utf-8"), max_size=20)
simple = st.one_of(
    numbers(),
    st.builds(scalar, names, st.just("float64"), st.floats(allow_nan=False)),
    st.builds(buffer, names, st.binary(max_size=50), st.sampled_from(["buffer", "unused_buffer", "bitmap", "virtio"])),
    st.builds(lambda name, count: buffers(name, [b"abcd"] * count), names, st.integers(2, 5)),
    st.builds(null, names),
    st.builds(counted, names, texts, st.sampled_from([1, 4])),
)


def bodies(items: st.SearchStrategy[Item]) -> st.SearchStrategy[Body]:
    subs = st.builds(Body, st.sampled_from(["dev/one", "dev/two"]), st.lists(items, max_size=2).map(tuple))
    return st.builds(
        Body,
        st.sampled_from(["dev", "other"]),
        st.lists(items, max_size=4).map(tuple),
        st.lists(subs, max_size=2).map(tuple),
        st.integers(0, 9),
    )


def containers(items: st.SearchStrategy[Item]) -> st.SearchStrategy[Item]:
    body = bodies(items)
    some = st.lists(body, max_size=3)
    keys = st.lists(st.integers(0, (1 << 64) - 1), min_size=3, max_size=3)
    return st.one_of(
        st.builds(nested, names, body, st.sampled_from(["struct", "vstruct", "tmp"])),
        st.builds(structs, names, st.lists(body, min_size=2, max_size=3)),
        st.builds(lambda name, one: alike(name, [one] * 3), names, body),
        st.builds(chain, names, some, st.sampled_from(["qtailq", "qlist"])),
        st.builds(lambda name, some, keys: tree(name, list(zip(keys, some, strict=False))), names, some, keys),
        st.builds(lambda name, key, some: tree(name, [(key, one) for one in some]), names, body, some),
        st.builds(pointers, names, st.lists(st.one_of(st.none(), body), min_size=2, max_size=4)),
    )


items = st.recursive(simple, containers, max_leaves=12)


def usual(body: Body) -> bool:
    """Different fields of one struct never have one name (QEMU would write "name[k]"): it stands for one array."""
    return all(_distinct(fields) for fields in _field_lists(body.pairs))


devices = bodies(items).filter(usual)


def _field_lists(value: object) -> list[list[object]]:
    """Every list under a "fields" key, at any depth."""
    if not isinstance(value, (list, tuple)):
        return []
    if len(value) == 2 and value[0] == "fields":
        return [value[1], *(found for each in value[1] for found in _field_lists(each))]
    return [found for each in value for found in _field_lists(each)]


def _distinct(fields: list[object]) -> bool:
    last: object = None
    for entry in fields:
        assert isinstance(entry, list)
        members = dict(entry)
        if members["name"] == last and members.get("index", 0) == 0:
            return False
        last = members["name"]
    return True


@settings(deadline=None, max_examples=150)
@given(devices)
def test_a_device_comes_back_as_it_was_saved(body: Body) -> None:
    root = decode_one(body)
    check_tiles(root)
    assert problems(root) == []
    assert to_json(root) == body.value
    json.dumps(to_json(root))
    for _, field in walk(root):
        assert "\n" not in show(field)


@settings(deadline=None, max_examples=60)
@given(st.lists(devices, min_size=1, max_size=4), st.booleans(), st.integers(0, 600))
def test_the_tail_finds_every_device(bodies: list[Body], footers: bool, padding: int) -> None:
    stream = Stream(footers=footers).configuration()
    for instance, body in enumerate(bodies):
        stream.full(body, instance=instance)
    state = open_state(Memory(stream.finish(padding=padding)))
    assert state.located is Located.TAIL
    assert [(s.offset, s.size, s.name) for s in state.sections] == stream.sections
    for section in state.sections:
        check_tiles(state.decode(section))
