"""Arrays of pointers that QEMU before 9.2 describes as if all were NULL: the one object that is there is found."""

from __future__ import annotations

import pytest

from tests.vmstate.checks import check_saved_again, check_state
from tests.vmstate.layouts import Body, Item, body, entry, pointers, scalar
from tests.vmstate.streams import Memory, Stream
from vmsnap_gui.vmstate.devices import VMState, open_state
from vmsnap_gui.vmstate.fields import Field, to_json

BEFORE, AFTER = scalar("max_cssid", "uint8", 7), scalar("default_cssid", "uint8", 254)
OBJECT = body(scalar("x", "uint32", 5), name="sub")


def section(bodies: list[Body | None], kind: str = "struct", name: str = "s390_css") -> Stream:
    """A device whose array is described by its first element, as NULL, among others that are described rightly."""
    run = entry("css", kind, 1, *((("struct", ()),) if kind == "struct" else ()), before=("array_len", len(bodies)))
    wrong = Body(name, (BEFORE, Item("css", b"0" * len(bodies), (run,), None), AFTER))
    right = Body(name, (BEFORE, pointers("css", bodies), AFTER))
    stream = Stream().configuration().full(body(AFTER, name="a")).full(right, pairs=wrong.pairs)
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


@pytest.mark.parametrize("at", [1, 2, 3])
@pytest.mark.parametrize("kind", ["struct", "nullptr"])
def test_one_object_is_shown_where_it_is(at: int, kind: str) -> None:
    state, tree = both(section([OBJECT if number == at else None for number in range(4)], kind))
    nulls = [None] * 4
    css = [*nulls[:at], "00000005", *nulls[at + 1 :]]
    assert to_json(tree) == {"max_cssid": 7, "css": css, "default_cssid": 254}
    (notice,) = state.problems
    assert notice.is_notice
    text = f"css[{at}], 4 bytes, as QEMU before 9.2 does: its bytes are shown raw"
    assert notice.message == f"s390_css: its description leaves out {text}"


def paths(type_: int) -> Body:
    """A channel subsystem image: 256 channel paths of three bytes, of which the first is in use."""
    data = bytes((1, type_, 1)) + bytes(3 * 255)
    return body(Item("chpids", data, (entry("chpids", "buffer", len(data)),), None), name="s390_css_img")


@pytest.mark.parametrize("at", [1, 254, 255])
def test_the_channel_subsystem_of_s390x_is_known(at: int) -> None:
    state, tree = both(section([paths(0x32) if number == at else None for number in range(256)]))
    css = to_json(tree)["css"]
    assert [number for number, one in enumerate(css) if one is not None] == [at]
    paths_ = css[at]["chpids"]
    assert len(paths_) == 256
    assert paths_[:2] == [{"in_use": 1, "type": 50, "is_virtual": 1}, {"in_use": 0, "type": 0, "is_virtual": 0}]
    assert state.problems[0].message.endswith("as QEMU before 9.2 does: it is read by what is known of it")


def test_the_same_bytes_of_another_device_are_not() -> None:
    _, tree = both(section([None, paths(1), None], name="other"))
    assert to_json(tree)["css"] == [None, bytes([1, 1, 1, *bytes(765)]).hex(), None]


def test_another_version_is_told_besides() -> None:
    run = entry("css", "struct", 1, ("struct", ()), before=("array_len", 2))
    wrong = Body("s390_css", (Item("css", b"00", (run,), None),))
    right = Body("s390_css", (pointers("css", [None, OBJECT]),))
    state = open_state(Memory(Stream().full(right, pairs=wrong.pairs, version=77).finish()))
    found = ["its description leaves out css[1]", "it is of version 77, but described as of version 1"]
    assert [text in one.message for text, one in zip(found, state.problems, strict=True)] == [True, True]


def test_several_objects_cannot_be_told_apart() -> None:
    stream = section([None, OBJECT, OBJECT, None])
    state = open_state(Memory(stream.finish()))
    check_state(state)
    (problem,) = state.problems
    assert "the description gives this section 6 bytes, but it has 12" in problem.message
    assert not problem.is_notice


def test_nor_is_anything_else_that_is_too_long() -> None:
    one = scalar("x", "uint8", 1)
    stream = Stream().full(body(one, scalar("y", "uint8", 2), name="a"), pairs=body(one, name="a").pairs)
    (problem,) = open_state(Memory(stream.finish())).problems
    assert "the description gives this section 1 byte, but it has 2" in problem.message
