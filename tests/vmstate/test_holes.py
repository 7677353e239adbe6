"""Arrays of pointers that QEMU before 9.2 describes as if all were NULL: what is known is found and shown."""

from __future__ import annotations

import pytest

from tests.vmstate.checks import check_saved_again, check_state
from tests.vmstate.layouts import Body, Item, body, entry, pointers, scalar
from tests.vmstate.streams import Memory, Stream
from vmsnap_gui.vmstate.devices import VMState, open_state
from vmsnap_gui.vmstate.fields import Field, to_json
from vmsnap_gui.vmstate.siblings import source_of

BEFORE, AFTER = scalar("max_cssid", "uint8", 7), scalar("default_cssid", "uint8", 254)


def section(bodies: list[Body | None], kind: str = "struct", name: str = "s390_css", tail: bytes = b"") -> Stream:
    """A device whose array is described by its first element, as NULL, among others that are described rightly."""
    run = entry("css", kind, 1, *((("struct", ()),) if kind == "struct" else ()), before=("array_len", len(bodies)))
    wrong = Body(name, (BEFORE, Item("css", b"0" * len(bodies), (run,), None), AFTER))
    right = Body(name, (BEFORE, pointers("css", bodies), AFTER))
    stream = Stream().configuration().full(body(AFTER, name="a"))
    stream.full(right, pairs=wrong.pairs, payload=right.data + tail)
    return stream.full(body(AFTER, name="b"))


def both(stream: Stream) -> tuple[VMState, Field]:
    """The state, found by the tail as by walking forward, and the tree of the device."""
    data = stream.finish()
    tail, forward = open_state(Memory(data)), open_state(Memory(data), forward=True)
    assert tail.problems == forward.problems
    for state in (tail, forward):
        check_state(state)
        assert check_saved_again(state) == 3
    found = [next(s for s in state.sections if s.name not in "ab") for state in (tail, forward)]
    trees = [state.decode(one) for state, one in zip((tail, forward), found, strict=True)]
    assert to_json(trees[0]) == to_json(trees[1])
    return tail, trees[0]


def paths(type_: int) -> Body:
    """A channel subsystem image: 256 channel paths of three bytes, of which the first is in use."""
    data = bytes((1, type_, 1)) + bytes(3 * 255)
    return body(Item("chpids", data, (entry("chpids", "buffer", len(data)),), None), name="s390_css_img")


@pytest.mark.parametrize("kind", ["struct", "nullptr"])
@pytest.mark.parametrize("at", [(1,), (254,), (255,), (3, 4, 254)])
def test_the_channel_subsystem_of_s390x_is_known(at: tuple[int, ...], kind: str) -> None:
    state, tree = both(section([paths(0x32) if number in at else None for number in range(256)], kind))
    css = to_json(tree)["css"]
    assert tuple(number for number, one in enumerate(css) if one is not None) == at
    for number in at:
        assert len(css[number]["chpids"]) == 256
        first, second = css[number]["chpids"][:2]
        assert first == {"in_use": 1, "type": 50, "is_virtual": 1}
        assert second == {"in_use": 0, "type": 0, "is_virtual": 0}
    (notice,) = state.problems
    assert notice.is_notice
    assert notice.message.startswith("s390_css: the description, as QEMU before 9.2 writes it, leaves out what")


def test_it_serves_states_without_a_description() -> None:
    described = section([None, paths(1), None]).finish()
    bare = Stream().configuration()
    other = body(BEFORE, pointers("css", [paths(2), None, paths(3)]), AFTER, name="s390_css")
    bare.full(body(AFTER, name="a"), described=False).full(other, described=False)
    source = source_of([open_state(Memory(described))], "another snapshot")
    state = open_state(Memory(bare.finish(vmdesc=False)), layouts=lambda _machine: [source])
    tree = state.decode(next(s for s in state.sections if s.name == "s390_css"))
    css = to_json(tree)["css"]
    assert [one and one["chpids"][0]["type"] for one in css] == [2, None, 3]


WRONG = [
    section([paths(1), None, None]),  # QEMU would describe the array by this one
    section([None, body(Item("chpids", bytes(767), (entry("chpids", "buffer", 767),), None), name="s390_css_img")]),
    section([None, None, None], tail=b"0123"),
    section([None, paths(1)], name="other"),
]


@pytest.mark.parametrize("stream", WRONG)
def test_what_else_is_too_long_stays_a_problem(stream: Stream) -> None:
    state = open_state(Memory(stream.finish()))
    check_state(state)
    (problem,) = state.problems
    assert "the description gives this section" in problem.message
    assert not problem.is_notice


def test_another_version_is_told_besides() -> None:
    run = entry("css", "struct", 1, ("struct", ()), before=("array_len", 2))
    wrong = Body("s390_css", (Item("css", b"00", (run,), None),))
    right = Body("s390_css", (pointers("css", [None, paths(1)]),))
    state = open_state(Memory(Stream().full(right, pairs=wrong.pairs, version=77).finish()))
    found = ["leaves out what pointers of 'css' point to", "it is of version 77, but described as of version 1"]
    assert [text in one.message for text, one in zip(found, state.problems, strict=True)] == [True, True]
