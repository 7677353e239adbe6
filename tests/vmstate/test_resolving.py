"""General descriptions resolved against bytes: what savevm takes for present, how often, how long."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vmsnap_gui.vmstate.decoder import Decoder
from vmsnap_gui.vmstate.description import Pointers, VMStateDescription, VMStateField
from vmsnap_gui.vmstate.eras.building import before, buffer, describe, marked, pci, struct, timer, u8, u16, u32
from vmsnap_gui.vmstate.eras.msix import has_msix, msix, vectors
from vmsnap_gui.vmstate.fields import to_json
from vmsnap_gui.vmstate.refusals import UnsupportedVersion, ValueMismatch
from vmsnap_gui.vmstate.resolving import resolve
from vmsnap_gui.vmstate.saving import save_fields
from vmsnap_gui.vmstate.wire import ShortRead, StreamError

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.description import Values


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
    with pytest.raises(StreamError, match="4294967295 elements of 'e' without bytes"):
        resolve(described, bytes([255] * 5), 0, 5, 1)


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


def test_hooks_run_around_the_fields() -> None:
    seen: list[tuple[dict[str, int | bytes], int]] = []

    def refuse(found: Values, version: int) -> None:
        seen.append((dict(found), version))
        if found["n"] == 9:
            raise StreamError("9 is more than there can be")

    described = replace(
        describe("d", 2, u8("n", when=lambda found, _: found["size"] == 1), u8("rest", "size")),
        pre_load=lambda found: found.update(size=1),
        post_load=refuse,
    )
    assert values(described, b"\3\4", 1) == {"n": 3, "rest": [4]}
    assert seen == [({"size": 1, "n": 3}, 1)]
    with pytest.raises(StreamError, match="9 is more"):
        resolve(described, b"\x09\1", 0, 2, 1)


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
    (tail,) = (replace(field, type="qtailq") for field in described.fields[:1])
    with pytest.raises(StreamError, match="42 is no marker of an element"):
        resolve(describe("d", 1, (tail,), u8("end")), b"\x2a\5\0\7", 0, 4, 1)


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
