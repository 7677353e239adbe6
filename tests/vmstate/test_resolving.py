"""General descriptions resolved against bytes: what savevm takes for present, how often, how long."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmsnap_gui.vmstate.decoder import Decoder
from vmsnap_gui.vmstate.description import Pointers, VMStateDescription, VMStateField
from vmsnap_gui.vmstate.eras.building import before, buffer, describe, i32, marked, pci, struct, timer, u8, u16, u32
from vmsnap_gui.vmstate.eras.msix import has_msix, msix, vectors
from vmsnap_gui.vmstate.fields import Kind, to_json
from vmsnap_gui.vmstate.fitting import fit
from vmsnap_gui.vmstate.refusals import UnknownSubsection, UnsupportedVersion, ValueMismatch
from vmsnap_gui.vmstate.resolving import Budget, resolve
from vmsnap_gui.vmstate.saving import save_fields
from vmsnap_gui.vmstate.wire import ShortRead, StreamError


def values(description: VMStateDescription, data: bytes, version: int | None = None) -> dict[str, object]:
    """Resolve and decode all of `data`; return the values by name."""
    version = description.version_id if version is None else version
    concrete, size = resolve(description, data, 0, len(data), version)
    assert size == concrete.payload_size == len(data)
    nodes, reached = Decoder(data, 0).description(concrete, 0, len(data))
    assert reached == len(data)
    assert save_fields(concrete, nodes) == data
    return {node.name: to_json(node) for node in nodes}


def subsection(name: str, version: int, payload: bytes) -> bytes:
    return b"\x05" + bytes([len(name)]) + name.encode() + version.to_bytes(4, "big") + payload


def test_fields_come_with_their_version_or_their_test() -> None:
    described = describe("d", 3, u8("a"), u8("b", since=2), u16("c", when=before(3)))
    assert values(described, b"\x01\x00\x02", 1) == {"a": 1, "c": 2}
    assert values(described, b"\x01\x05\x00\x02", 2) == {"a": 1, "b": 5, "c": 2}
    assert values(described, b"\x01\x05", 3) == {"a": 1, "b": 5}


def test_a_version_that_is_not_described_is_refused() -> None:
    described = describe("d", 3, u8("a"), minimum=2)
    with pytest.raises(StreamError, match="newer than 3"):
        resolve(described, b"\0", 0, 1, 4)
    with pytest.raises(StreamError, match="older than 2"):
        resolve(described, b"\0", 0, 1, 1)


def test_arrays_and_buffers_take_their_size_from_an_earlier_field() -> None:
    described = describe("d", 1, u16("n"), u8("m"), u32("words", "n"), buffer("bytes", "m", multiply=3))
    data = b"\0\2\1" + bytes([0, 0, 0, 7, 0, 0, 0, 9]) + b"abc"
    assert values(described, data) == {"n": 2, "m": 1, "words": [7, 9], "bytes": "616263"}
    assert values(described, bytes(3)) == {"n": 0, "m": 0, "words": [], "bytes": ""}


def test_elements_of_different_length_are_found() -> None:
    element = describe("e", 1, u8("n"), buffer("data", "n"))
    described = describe("d", 1, struct("e", element, 3), u8("end"))
    found = values(described, b"\1a\2bc\0\x7f")
    assert found["e"] == [{"n": 1, "data": "61"}, {"n": 2, "data": "6263"}, {"n": 0, "data": ""}]
    assert found["end"] == 0x7F


def test_a_struct_has_the_version_of_its_own_description_and_sees_the_fields_around_it() -> None:
    inner = describe("i", 2, u8("x", since=2), u8("y", when=lambda found, _: found["outer"] == 1))
    described = describe("d", 1, u8("outer"), struct("s", inner), u8("z", when=lambda found, _: found["s.x"] == 5))
    assert values(described, b"\x01\x05\x06\x07") == {"outer": 1, "s": {"x": 5, "y": 6}, "z": 7}
    assert values(described, b"\x00\x04") == {"outer": 0, "s": {"x": 4}}


def test_subsections_come_in_any_order_or_not_at_all() -> None:
    described = describe("d", 1, u8("a"), subsections=(describe("d/p", 2, u8("p")), describe("d/q", 1, timer("q"))))
    assert values(described, b"\1") == {"a": 1}
    p, q = subsection("d/p", 1, b"\5"), subsection("d/q", 1, bytes(8))
    assert list(values(described, b"\1" + q + p)) == ["a", "d/q", "d/p"]
    with pytest.raises(StreamError, match="newer than 2"):
        resolve(described, b"\1" + subsection("d/p", 3, b"\5"), 0, 100, 1)


def test_a_subsection_of_the_struct_around_is_left_to_it() -> None:
    inner = describe("i", 1, u8("x"), subsections=(describe("i/a", 1, u8("a")),))
    described = describe("d", 1, struct("s", inner), subsections=(describe("d/b", 1, u8("b")),))
    found = values(described, b"\1" + subsection("d/b", 1, b"\2"))
    assert found == {"s": {"x": 1}, "d/b": {"b": 2}}


def test_a_marked_list_ends_with_a_zero_byte() -> None:
    described = describe("d", 1, marked("l", describe("e", 1, u8("x"))), u8("end"))
    assert values(described, b"\1\5\1\6\0\7") == {"l": [{"x": 5}, {"x": 6}], "end": 7}


@pytest.mark.parametrize("cut", range(1, 20))
def test_every_cut_is_a_short_read(cut: int) -> None:
    element = describe("e", 1, u8("x"))
    described = describe("d", 1, u16("n"), u32("w", "n"), struct("e", element, 2), marked("l", element), buffer("b", 4))
    data = b"\0\2" + bytes(8) + b"\1\2" + b"\1\3\1\4\0" + b"abcd"
    assert values(described, data)
    with pytest.raises(ShortRead):
        resolve(described, data, 0, len(data) - cut, 1)


def test_msix_tables_are_as_long_as_the_capability_says() -> None:
    config = bytearray(256)
    described = describe("d", 0, pci(), msix(), u16("vector", when=has_msix()))
    device = (2).to_bytes(4, "big") + bytes(config) + bytes(16)
    assert vectors(bytes(config)) == 0
    assert list(values(described, device)) == ["parent_obj"]
    config[0x06], config[0x34] = 0x10, 0x50
    config[0x50:0x52] = b"\x05\x40"  # MSI, and then
    config[0x40:0x44] = b"\x11\x00\x08\x80"  # MSI-X: nine vectors, enabled
    assert vectors(bytes(config)) == 9
    device = (2).to_bytes(4, "big") + bytes(config) + bytes(16)
    found = values(described, device + bytes(9 * 16) + b"\1\2" + b"\0\3")
    assert (found["msix_pba"], found["vector"]) == ("0102", 3)
    config[0x41] = 0x50  # the list runs in a circle, without MSI-X in it
    config[0x40] = 0x09
    assert vectors(bytes(config)) == 0


def test_elements_without_bytes_are_bounded() -> None:
    empty = struct("e", describe("one", 1, u8("x", since=2)), "n")
    described = describe("d", 1, u32("n"), empty, u8("after"))
    assert values(described, (3).to_bytes(4, "big") + b"\7") == {"n": 3, "e": [{}, {}, {}], "after": 7}
    assert values(described, (1 << 31).to_bytes(4, "big") + b"\7") == {"n": 1 << 31, "e": [], "after": 7}  # an int
    with pytest.raises(StreamError, match="2147483647 elements of 'e' without bytes"):
        resolve(described, b"\x7f" + bytes([255] * 4), 0, 5, 1)


def old_fields(data: bytes, version: int) -> tuple[VMStateField, ...]:
    """Version 2 has a length and as many bytes; version 3 one more number before them."""
    head = (*u8("extra"), *u8("length")) if version == 3 else u8("length")
    return (*head, *buffer("data", data[len(head) - 1]))


def with_old(oldest: int = 2) -> VMStateDescription:
    described = describe("d", 5, u8("a b"), minimum=4, subsections=(describe("d/s", 1, u8("x")),))
    return replace(described, load_old=old_fields, minimum_version_id_old=oldest)


def test_versions_below_the_minimum_go_to_load_state_old() -> None:
    assert values(with_old(), b"\1\2", 5) == values(with_old(), b"\1\2", 4) == {"a": 1, "b": 2}
    assert values(with_old(), b"\x09\3abc", 3) == {"extra": 9, "length": 3, "data": b"abc".hex()}
    assert values(with_old(), b"\2ab", 2) == {"length": 2, "data": b"ab".hex()}
    with pytest.raises(StreamError, match="version 1 of 'd' is older than 2"):
        resolve(with_old(), b"\2ab", 0, 3, 1)
    with pytest.raises(StreamError, match="version 3 of 'd' is older than 4"):
        resolve(describe("d", 5, u8("a"), minimum=4), b"\2ab", 0, 3, 3)
    with pytest.raises(ShortRead):
        resolve(with_old(), b"\3ab", 0, 3, 2)


def test_load_state_old_looks_for_no_subsections() -> None:
    data = b"\1a" + subsection("d/s", 1, b"\5")
    assert resolve(with_old(), data, 0, len(data), 2)[1] == 2
    assert values(with_old(), b"\1\2" + subsection("d/s", 1, b"\5"), 4) == {"a": 1, "b": 2, "d/s": {"x": 5}}


@settings(deadline=None)
@given(st.integers(0, 6), st.integers(0, 6), st.integers(0, 6), st.integers(0, 7))
def test_a_version_is_read_where_savevm_reads_it(newest: int, minimum: int, oldest: int, version: int) -> None:
    described = replace(describe("d", newest, u8("a"), minimum=minimum), minimum_version_id_old=oldest)
    for load_old in (None, lambda _data, _version: u16("old")):
        if version > newest or version < (minimum if load_old is None else min(minimum, oldest)):
            with pytest.raises(StreamError):
                resolve(replace(described, load_old=load_old), b"\0\0", 0, 2, version)
        elif load_old is None or version >= max(minimum, oldest):
            assert resolve(replace(described, load_old=load_old), b"\0\0", 0, 2, version)[1] == 1


@settings(deadline=None)
@given(st.integers(0, 0xFFFF), st.integers(0, 0xFFFF))
def test_a_value_that_must_be_equal_is_compared(here: int, there: int) -> None:
    (equal,) = u16("size")
    described = describe("d", 1, u8("a"), (replace(equal, type="uint16 equal", expected=here),))
    data = b"\1" + there.to_bytes(2, "big")
    if here == there:
        assert values(described, data) == {"a": 1, "size": here}
    else:
        with pytest.raises(StreamError, match=f"size is {there}, but must be {here}") as error:
            resolve(described, data, 0, 3, 1)
        assert error.value.offset == 1


def pointers(kind: Pointers, count: int) -> VMStateDescription:
    (field,) = struct("p", describe("e", 1, u8("x")), count)
    return describe("d", 1, (replace(field, pointers=kind),), u8("end"))


def test_null_pointers_are_one_byte() -> None:
    assert values(pointers(Pointers.NULLABLE, 4), b"00\1\2\x7f") == {"p": [None, None, {"x": 1}, {"x": 2}], "end": 0x7F}
    assert values(pointers(Pointers.NULLABLE, 3), b"000\x7f") == {"p": [None, None, None], "end": 0x7F}


def test_pointers_that_loading_allocates_have_a_marker_each() -> None:
    found = values(pointers(Pointers.MARKED, 4), b"1\x050" + b"1\x061\x07" + b"\x7f")
    assert found == {"p": [{"x": 5}, None, {"x": 6}, {"x": 7}], "end": 0x7F}
    with pytest.raises(StreamError, match="2 is no marker of a pointer"):
        resolve(pointers(Pointers.MARKED, 1), b"\2\5\x7f", 0, 3, 1)


def test_a_vstruct_has_the_version_that_its_field_says() -> None:
    inner = describe("i", 3, u8("x"), u8("y", since=2))
    for version, data, expected in ((1, b"\1", {"x": 1}), (2, b"\1\2", {"x": 1, "y": 2})):
        field = VMStateField("v", "vstruct", 0, nested=(inner,), struct_version=version)
        assert values(describe("d", 1, (field,), u8("z")), data + b"\3") == {"v": expected, "z": 3}


def test_hand_written_lists_have_markers_of_their_own() -> None:
    described = describe("d", 1, marked("l", describe("e", 1, u8("x"))), u8("end"))
    assert values(described, b"\x2a\5\2\6\0\7") == {"l": [{"x": 5}, {"x": 6}], "end": 7}


@pytest.mark.parametrize("kind", ["qtailq", "qlist"])
def test_any_marker_but_0_is_one_of_an_element(kind: str) -> None:
    """As in get_qtailq and get_qlist, though QEMU writes 1."""
    field = VMStateField("l", kind, 0, nested=(describe("e", 0, u8("x")),))
    assert values(describe("d", 1, (field,), u8("end")), b"\x2a\5\1\6\0\7") == {"l": [{"x": 5}, {"x": 6}], "end": 7}


def test_a_tree_has_as_many_nodes_as_it_says() -> None:
    key, value = describe("k", 0, u16("a")), describe("v", 0, u8("b"))
    direct = describe("d", 1, (VMStateField("t", "gtree", 0, nested=(value,)),), u8("end"))
    keyed = describe("d", 1, (VMStateField("t", "gtree", 0, nested=(key, value)),), u8("end"))
    count = (2).to_bytes(4, "big")
    nodes = b"\1" + bytes(7) + b"\5\6" + b"\3" + bytes(7) + b"\7\x08"
    assert values(direct, count + nodes + b"\0\x09") == {
        "t": [{"key": 5, "value": {"b": 6}}, {"key": 7, "value": {"b": 8}}],
        "end": 9,
    }
    pairs = b"\1\0\5\6\1\0\7\x08"
    found = [{"key": {"a": 5}, "value": {"b": 6}}, {"key": {"a": 7}, "value": {"b": 8}}]
    assert values(keyed, count + pairs + b"\0\x09") == {"t": found, "end": 9}
    assert values(keyed, bytes(5) + b"\x09") == {"t": [], "end": 9}
    for wrong in (1, 3):
        data = wrong.to_bytes(4, "big") + pairs + b"\0\x09"
        with pytest.raises(StreamError, match=f"'t' has not the {wrong} nodes that it says"):
            resolve(keyed, data, 0, len(data), 1)
    whole = count + pairs + b"\0"
    for cut in range(len(whole)):
        with pytest.raises(ShortRead):
            resolve(keyed, whole, 0, cut, 1)
    with pytest.raises(UnsupportedVersion, match="version 1 of 'k' is newer than 0"):
        resolve(describe("d", 1, (replace(keyed.fields[0], version_id=1),)), whole, 0, len(whole), 1)


def test_a_pointer_is_null_as_it_was_before() -> None:
    """As in vmstate_load_state: an object that begins with ASCII 0 is one where the pointer is not NULL."""
    described = pointers(Pointers.NULLABLE, 2)
    x = {"x": 1}
    for there, nulls in (([x, x], []), ([None, x], [0]), ([x, None], [1]), ([x], [1]), ([], [0, 1])):
        concrete, size = resolve(described, b"00\x7f", 0, 3, 1, present={"p": there})
        nodes, _ = Decoder(b"00\x7f", 0).description(concrete, 0, size)
        assert [n for n, child in enumerate(nodes[0].children) if child.kind is Kind.NULL] == nulls
    with pytest.raises(StreamError, match="'p' is NULL here, but 5 stands for it"):
        resolve(described, b"\5\6\x7f", 0, 3, 1, present={"p": [None, None]})


def test_a_pointer_is_null_where_that_fits() -> None:
    (field,) = struct("p", describe("e", 1, u16("x")), 2)
    described = describe("d", 1, (replace(field, pointers=Pointers.NULLABLE),), u8("end"))
    for data, expected in (
        (b"0\1\2\3", [None, {"x": 0x102}]),
        (b"00\7", [None, None]),
        (b"0\1\2\3\4", [{"x": 0x3001}, {"x": 0x203}]),
    ):
        found = fit(described, data + bytes(8), len(data), 1, Budget(10_000))
        assert found is not None
        nodes, _ = Decoder(data, 0).description(found.description, 0, len(data))
        assert to_json(nodes[0]) == expected


@pytest.mark.parametrize("kind", [Pointers.NULLABLE, Pointers.MARKED])
def test_pointers_to_numbers_may_be_null(kind: Pointers) -> None:
    field = VMStateField("p", "uint16", 2, 3, is_array=True, pointers=kind)
    mark = b"" if kind is Pointers.NULLABLE else b"1"
    data = mark + b"\1\2" + b"0" + mark + b"\3\4" + b"\x7f"
    assert values(describe("d", 1, (field,), u8("end")), data) == {"p": [0x102, None, 0x304], "end": 0x7F}


def test_a_negative_count_is_no_element() -> None:
    """As the loop of vmstate_load_state has it."""
    described = describe("d", 1, i32("n"), u16("w", "n"), struct("s", describe("e", 1, u8("x")), "n"), u8("end"))
    assert values(described, b"\xff\xff\xff\xfe\7") == {"n": -2, "w": [], "s": [], "end": 7}


def test_a_subsection_of_the_devices_name_that_is_unknown_is_refused() -> None:
    """As vmstate_subsection_load does (ENOENT); a name that does not begin like the device's is left to others."""
    described = describe("d", 1, u8("a"), subsections=(describe("d/p", 2, u8("p")),))
    for unknown in (describe("d", 1, u8("a")), described):
        data = b"\1" + subsection("d/x", 1, b"\5")
        with pytest.raises(UnknownSubsection, match="'d' has no subsection 'd/x' here") as caught:
            resolve(unknown, data, 0, len(data), 1)
        assert caught.value.offset == 1
        assert resolve(unknown, b"\1" + subsection("e/x", 1, b"\5"), 0, 10, 1)[1] == 1
        assert resolve(unknown, data, 0, 5, 1)[1] == 1  # cut off in its name: nothing is to be peeked at


def test_a_subsection_may_come_again() -> None:
    described = describe("d", 1, u8("a"), subsections=(describe("d/p", 2, u8("p")),))
    data = b"\1" + subsection("d/p", 1, b"\5") + subsection("d/p", 2, b"\6")
    concrete, size = resolve(described, data, 0, len(data), 1)
    assert [(one.name, one.version_id) for one in concrete.subsections] == [("d/p", 1), ("d/p", 2)]
    nodes, reached = Decoder(data, 0).description(concrete, 0, size)
    assert (reached, save_fields(concrete, nodes)) == (len(data), data)
    assert [to_json(node) for node in nodes] == [1, {"p": 5}, {"p": 6}]


def test_texts_are_as_long_as_they_say() -> None:
    fields = (VMStateField("c", "capability", 0), VMStateField("s", "str", 0))
    assert values(describe("d", 1, fields), b"\2ab\0\0\0\3cde") == {"c": "ab", "s": "cde"}


def test_structs_that_nest_too_deep_are_refused() -> None:
    described = describe("d", 1, u8("x"))
    for _ in range(60):
        described = describe("d", 1, struct("s", described))
    with pytest.raises(StreamError, match="nests deeper"):
        resolve(described, b"\1", 0, 1, 1)


@pytest.mark.parametrize(("value", "fits"), [(0, True), (3, True), (5, True), (6, False), (-1, False)])
@pytest.mark.parametrize("count", [1, 2])
def test_a_number_may_be_at_most_what_is_there(value: int, fits: bool, count: int) -> None:
    """As get_int32_le: not below 0 nor above the present value."""
    field = VMStateField("x", "int32 le", 4, count, is_array=count > 1, expected=5)
    data = bytes(4) * (count - 1) + value.to_bytes(4, "big", signed=True)
    with nullcontext() if fits else pytest.raises(ValueMismatch, match="must be from 0 to 5"):
        resolve(VMStateDescription("d", 1, (field,)), data, 0, len(data), 1)


def test_elements_of_a_list_are_of_the_version_of_the_field() -> None:
    """As in get_qtailq, and both bounds are checked."""
    item = VMStateDescription(
        "item",
        3,
        (VMStateField("x", "uint8", 1), VMStateField("y", "uint8", 1, version_id=3)),
        minimum_version_id=2,
    )
    described = VMStateDescription("d", 9, (VMStateField("items", "qtailq", 0, nested=(item,), version_id=2),))
    assert values(described, b"\1\5\1\6\0") == {"items": [{"x": 5}, {"x": 6}]}
    for version in (1, 4):
        other = replace(described, fields=(replace(described.fields[0], version_id=version),))
        with pytest.raises(UnsupportedVersion, match=f"version {version} of 'item'"):
            resolve(other, b"\1\5\0", 0, 3, 9)
