"""Every field type of savevm: its value, how it is shown, and that its bytes are all accounted for."""

from __future__ import annotations

import math
import struct

import pytest

from tests.vmstate.checks import check_tiles, child, decode_one, kinds, leaves, problems
from tests.vmstate.layouts import (
    Body,
    Item,
    alike,
    body,
    buffer,
    buffers,
    chain,
    counted,
    entry,
    nested,
    null,
    pointers,
    scalar,
    scalars,
    structs,
    tree,
)
from vmsnap_gui.vmstate.decoder import Decoder
from vmsnap_gui.vmstate.description import VMStateDescription, VMStateField
from vmsnap_gui.vmstate.fields import Kind, show, to_json, walk
from vmsnap_gui.vmstate.scalars import scalar_type


def decoded(item: Item) -> tuple[object, str]:
    """Save a device of one field; return the field's JSON value and text."""
    root = decode_one(body(item))
    assert problems(root) == []
    assert to_json(root) == {item.name: item.value}
    field = child(root, item.name)
    return to_json(field), show(field)


@pytest.mark.parametrize(
    ("type_name", "value", "shown"),
    [
        ("uint8", 0, "0"),
        ("uint8", 9, "9"),
        ("uint8", 0xFF, "255 (0xff)"),
        ("int8", -1, "-1 (0xff)"),
        ("uint16", 0xFFFF, "65535 (0xffff)"),
        ("int16", -32768, "-32768 (0x8000)"),
        ("uint32", 0xDEADBEEF, "3735928559 (0xdeadbeef)"),
        ("int32", -2, "-2 (0xfffffffe)"),
        ("uint64", (1 << 64) - 1, "18446744073709551615 (0xffffffffffffffff)"),
        ("int64", -(1 << 63), "-9223372036854775808 (0x8000000000000000)"),
        ("int32 equal", 7, "7"),
        ("uint16 equal", 4096, "4096 (0x1000)"),
        ("int32 le", 15, "15 (0xf)"),
        ("bool", 1, "true"),
        ("bool", 0, "false"),
        ("timer", -1, "off"),
        ("timer", 1_500_000_000, "1.500000000 s"),
        ("timer", 0, "0.000000000 s"),
    ],
)
def test_a_scalar_of_each_width(type_name: str, value: int, shown: str) -> None:
    assert decoded(scalar("x", type_name, value)) == (bool(value) if type_name == "bool" else value, shown)


@pytest.mark.parametrize("type_name", ["float64", "CPU_Double_U"])
@pytest.mark.parametrize(("value", "shown"), [(0.0, "0.0"), (-0.0, "-0.0"), (1.5, "1.5"), (math.inf, "inf")])
def test_a_float_is_its_bits_in_json(type_name: str, value: float, shown: str) -> None:
    bits = int.from_bytes(struct.pack(">d", value), "big")
    assert decoded(scalar("x", type_name, value)) == (bits, shown)


def test_a_float_that_is_no_number_keeps_its_bits_and_prints() -> None:
    bits = 0xFFF8_0000_0000_0001
    item = Item("x", bits.to_bytes(8, "big"), (entry("x", "float64", 8),), bits)
    assert decoded(item) == (bits, "nan")


def test_an_odd_bool_is_true() -> None:
    root = decode_one(body(Item("b", b"\x02", (entry("b", "bool", 1),), True)))
    assert to_json(root) == {"b": True}


@pytest.mark.parametrize(
    "type_name", ["buffer", "unused_buffer", "bitmap", "virtio", "fpreg", "pci config", "kvm-thing"]
)
def test_bytes_and_types_that_only_qemu_knows_are_buffers(type_name: str) -> None:
    data = bytes(range(3, 19))
    value, shown = decoded(buffer("b", data, type_name))
    assert (value, shown) == (data.hex(), data.hex(" "))


def test_buffers_are_shown_short() -> None:
    assert decoded(buffer("b", bytes(4096)))[1] == "4096 zero bytes"
    assert decoded(buffer("b", bytes(8)))[1] == "00 00 00 00 00 00 00 00"
    assert decoded(buffer("b", bytes(range(40))))[1] == bytes(range(32)).hex(" ") + " … (40 bytes)"
    assert decoded(buffer("b", bytes(40) + b"\1"))[1] == bytes(32).hex(" ") + " … (41 bytes)"
    assert decoded(buffer("b", b""))[1] == ""


@pytest.mark.parametrize("type_name", ["uint8", "int16", "uint32", "int64", "bool", "timer", "float64", "uint32 equal"])
def test_arrays_of_scalars(type_name: str) -> None:
    item = scalars("a", type_name, [1, 0, 1, 1, 0])
    value, shown = decoded(item)
    assert shown == "5 elements"
    root = decode_one(body(item))
    assert [to_json(child(root, f"a[{i}]")) for i in range(5)] == value
    elements = child(root, "a").children
    assert to_json(elements[-1]) == to_json(elements[4])
    assert [field.name for field in elements[1:3]] == ["[1]", "[2]"]
    with pytest.raises(IndexError):
        elements[5]
    with pytest.raises(IndexError):
        elements[-6]


def test_signed_elements_keep_their_sign_in_lists() -> None:
    assert decoded(scalars("a", "int16", [-1, 2, -32768]))[0] == [-1, 2, -32768]
    assert decoded(scalars("t", "timer", [-1, 5]))[0] == [-1, 5]


def test_an_array_of_buffers() -> None:
    assert decoded(buffers("mac", [b"\x52\x54\0\x12\x34\x56", b"\x52\x54\0\x12\x34\x57"]))[1] == "2 elements"


@pytest.mark.slow
def test_a_long_array_is_counted_without_being_decoded() -> None:
    assert decoded(scalars("a", "uint8", [7] * 100_000))[1] == "100000 elements"


INNER = body(scalar("lo", "uint16", 1), scalar("hi", "uint16", 2), name="inner")


@pytest.mark.parametrize("type_name", ["struct", "vstruct", "tmp"])
def test_structs(type_name: str) -> None:
    value, shown = decoded(nested("s", INNER, type_name))
    assert value == {"lo": 1, "hi": 2}
    assert shown == ""


def test_arrays_of_structs_by_index_and_by_length() -> None:
    other = body(scalar("lo", "uint16", 3), buffer("more", b"abc"), name="inner")
    assert decoded(structs("s", [INNER, other]))[0] == [{"lo": 1, "hi": 2}, {"lo": 3, "more": "616263"}]
    assert decoded(alike("s", [INNER] * 3))[0] == [{"lo": 1, "hi": 2}] * 3
    root = decode_one(body(structs("s", [INNER, other]), scalar("after", "uint8", 5)))
    assert to_json(child(root, "s[1].more")) == "616263"
    assert to_json(child(root, "after")) == 5


def test_an_empty_struct() -> None:
    assert decoded(nested("s", body(name="none")))[0] == {}


@pytest.mark.parametrize("type_name", ["qtailq", "qlist"])
@pytest.mark.parametrize("count", [0, 1, 3])
def test_lists_whose_descriptions_repeat_keys_in_one_object(type_name: str, count: int) -> None:
    bodies = [body(scalar("n", "uint32", i), buffer("b", bytes(i)), name="element") for i in range(count)]
    value, shown = decoded(chain("q", bodies, type_name))
    assert value == [{"n": i, "b": bytes(i).hex()} for i in range(count)]
    assert shown == ("1 element" if count == 1 else f"{count} elements")


def test_lists_of_elements_with_subsections() -> None:
    extra = body(scalar("e", "uint8", 9), name="element/extra")
    bodies = [
        body(scalar("n", "uint8", 1), name="element"),
        body(scalar("n", "uint8", 2), name="element", subsections=(extra,)),
    ]
    assert decoded(chain("q", bodies))[0] == [{"n": 1}, {"n": 2, "element/extra": {"e": 9}}]


def test_lists_of_empty_elements() -> None:
    assert decoded(chain("q", [body(name="nothing")] * 2))[0] == [{}, {}]


def test_a_tree_with_direct_keys() -> None:
    nodes: list[tuple[int | Body, Body]] = [(5, INNER), (1 << 63, INNER)]
    assert decoded(tree("t", nodes))[0] == [
        {"key": 5, "value": {"lo": 1, "hi": 2}},
        {"key": 1 << 63, "value": {"lo": 1, "hi": 2}},
    ]


def test_a_tree_whose_keys_are_structs() -> None:
    key = body(scalar("low", "uint64", 1), scalar("high", "uint64", 2), name="interval")
    assert (
        decoded(tree("t", [(key, INNER), (key, INNER)]))[0]
        == [{"key": {"low": 1, "high": 2}, "value": {"lo": 1, "hi": 2}}] * 2
    )


def test_an_empty_tree() -> None:
    assert decoded(tree("t", [])) == ([], "0 elements")


def test_a_null_pointer() -> None:
    assert decoded(null("p")) == (None, "NULL")


def test_runs_of_null_and_other_pointers_under_one_name() -> None:
    item = pointers("css", [None, None, INNER, None, INNER])
    assert decoded(item)[0] == [None, None, {"lo": 1, "hi": 2}, None, {"lo": 1, "hi": 2}]


def test_runs_of_null_with_a_length() -> None:
    """QEMU 9.2 and later compress a run of NULL pointers: array_len, then an index for the rest."""
    first = entry("p", "nullptr", 1, before=("array_len", 3))
    rest = entry("p", "struct", 4, ("struct", INNER.pairs), before=("index", 3))
    item = Item("p", b"000" + INNER.data, (first, rest), [None, None, None, INNER.value])
    assert decoded(item)[0] == [None, None, None, {"lo": 1, "hi": 2}]


def test_runs_of_one_pointer_have_neither_index_nor_length() -> None:
    """QEMU 9.2 and later again: the run is what counts as the array."""
    parts = [entry("p", "nullptr", 1), entry("p", "struct", 4, ("struct", INNER.pairs)), entry("p", "nullptr", 1)]
    root = decode_one(body(Item("p", b"0" + INNER.data + b"0", tuple(parts), None), scalar("q", "uint8", 1)))
    assert to_json(root) == {"p": [None, INNER.value, None], "q": 1}


def test_null_pointers_by_the_name_that_qemu_11_gives_them() -> None:
    run = entry("p", "ptr-marker", 1, before=("array_len", 3))
    assert decoded(Item("p", b"000", (run,), [None] * 3))[0] == [None] * 3
    assert decoded(Item("p", b"0", (entry("p", "ptr-marker", 1),), None)) == (None, "NULL")


def test_pointers_that_loading_allocates_have_a_marker_each() -> None:
    """QEMU 11 describes each marker and each object by an entry of its own, all under one name without index."""
    mark = entry("p", "ptr-marker", 1)
    one = entry("p", "struct", 4, ("struct", INNER.pairs))
    item = Item("p", b"1" + INNER.data + b"01" + INNER.data, (mark, one, mark, mark, one), None)
    root = decode_one(body(item, scalar("q", "uint8", 1)))
    assert to_json(root) == {"p": [INNER.value, None, INNER.value], "q": 1}
    assert [(one.name, one.kind) for one in child(root, "p").children] == [
        ("(marker)", Kind.FRAME), ("[0]", Kind.STRUCT), ("[1]", Kind.NULL),
        ("(marker)", Kind.FRAME), ("[2]", Kind.STRUCT),
    ]  # fmt: skip
    assert child(root, "p").type == "struct"
    assert problems(root) == []


def test_int64_equal_is_unsigned() -> None:
    """QEMU gives vmstate_info_uint64_equal the name "int64 equal"."""
    value = (1 << 63) + 5
    data = struct.pack(">Q", value)
    assert decoded(Item("x", data, (entry("x", "int64 equal", 8),), value))[0] == value
    run = entry("x", "int64 equal", 8, before=("array_len", 2))
    assert decoded(Item("x", data * 2, (run,), [value] * 2))[0] == [value] * 2


def test_null_pointers_described_as_empty_structs() -> None:
    """Before QEMU 9.2 an array of pointers whose first is NULL is described as structs of one byte."""
    one = entry("css", "struct", 1, ("struct", ()), before=("array_len", 4))
    item = Item("css", b"0000", (one,), [None] * 4)
    assert decoded(item)[0] == [None] * 4


def test_pointers_that_are_not_null_described_as_null() -> None:
    """... and where that was wrong, the bytes are shown as they are."""
    one = entry("css", "struct", 1, ("struct", ()), before=("array_len", 4))
    root = decode_one(body(Item("css", b"00\x010", (one,), None)))
    assert to_json(root) == {"css": [None, None, "01", None]}


def test_a_nullptr_that_is_none_says_so() -> None:
    root = decode_one(body(Item("p", b"1", (entry("p", "nullptr", 1),), "31")))
    assert problems(root) == [("p", "a NULL pointer is one byte, ASCII 0; this is something else")]
    assert to_json(root) == {"p": "31"}


@pytest.mark.parametrize("text", ["", "x-ignore-shared", "zwölf"])
@pytest.mark.parametrize("width", [1, 4])
def test_counted_texts(text: str, width: int) -> None:
    assert decoded(counted("c", text, width)) == (text, text)


def test_a_text_with_control_characters_is_shown_in_one_line() -> None:
    value, shown = decoded(counted("c", "a\nb\x1b[31m\\"))
    assert value == "a\nb\x1b[31m\\"
    assert shown == "a\\nb\\x1b[31m\\"


def test_a_text_with_a_wrong_length_is_a_buffer() -> None:
    root = decode_one(body(Item("c", b"\x09abc", (entry("c", "capability", 4),), None)))
    assert to_json(root) == {"c": "09616263"}
    assert child(root, "c").kind is Kind.BUFFER


def test_a_text_that_is_no_utf_8_stays_visible() -> None:
    root = decode_one(body(Item("c", b"\x02\xffa", (entry("c", "capability", 3),), None)))
    assert to_json(root) == {"c": "\\xffa"}


def test_a_scalar_of_a_wrong_size_is_a_buffer_with_a_problem() -> None:
    root = decode_one(body(Item("x", b"abc", (entry("x", "uint32", 3),), None)))
    assert problems(root) == [("x", "type uint32 takes 4 bytes, but the description says 3")]
    assert to_json(root) == {"x": "616263"}


def test_nested_subsections() -> None:
    inner = body(scalar("c", "uint8", 3), name="dev/sub/inner", version=2)
    sub = body(scalar("b", "uint16", 2), name="dev/sub", subsections=(inner,))
    second = body(scalar("d", "uint8", 4), name="dev/second")
    root = decode_one(body(scalar("a", "uint32", 1), subsections=(sub, second)))
    assert to_json(root) == {"a": 1, "dev/sub": {"b": 2, "dev/sub/inner": {"c": 3}}, "dev/second": {"d": 4}}
    assert problems(root) == []
    assert kinds(root).count(Kind.FRAME) == 5
    assert child(root, "dev/sub.dev/sub/inner.c").size == 1


def test_a_subsection_of_another_version_says_so() -> None:
    described = VMStateDescription("dev/sub", 3, (VMStateField("b", "uint8", 1),))
    data = body(scalar("b", "uint8", 2), name="dev/sub", version=1).framed
    nodes, reached = Decoder(data, 0).description(VMStateDescription("dev", 1, (), (described,)), 0, len(data))
    assert (nodes[0].problem, reached) == ("the description is of version 3, the stream of 1", len(data))


def test_names_that_repeat_become_a_list() -> None:
    items = [scalar(name, "uint8", i) for i, name in enumerate("xyxyx")]
    assert to_json(decode_one(body(*items))) == {"x": [0, 2, 4], "y": [1, 3]}
    arrays = (scalars("a", "uint8", [1, 2]), scalar("y", "uint8", 9), scalars("a", "uint8", [3, 4]))
    assert to_json(decode_one(body(*arrays))) == {"a": [[1, 2], [3, 4]], "y": 9}


def test_names_made_unique_by_qemu_stay_as_they_are() -> None:
    """A repeated name[k] of scalars is no array: the brackets belong to the name."""
    root = decode_one(body(scalar("x[0]", "uint8", 1), scalar("x[1]", "uint8", 2)))
    assert to_json(root) == {"x[0]": 1, "x[1]": 2}
    assert [path for path, field in walk(root) if field.kind is Kind.INTEGER] == ["x[0]", "x[1]"]


def test_bytes_that_a_struct_does_not_describe_are_raw() -> None:
    one = entry("s", "struct", 7, ("struct", INNER.pairs))
    root = decode_one(body(Item("s", INNER.data + b"xyz", (one,), None)))
    assert problems(root) == [("s.(raw)", "3 bytes that the description does not cover")]
    assert to_json(root) == {"s": {"lo": 1, "hi": 2, "(raw)": "78797a"}}


def test_a_struct_that_does_not_fit_its_own_size() -> None:
    one = entry("s", "struct", 3, ("struct", INNER.pairs))
    root = decode_one(body(Item("s", INNER.data[:3], (one,), None), scalar("after", "uint8", 5)))
    message = "the description puts 2 bytes of 'hi' here, but they do not fit; these bytes are shown raw"
    assert problems(root) == [("s.(raw)", message)]
    assert to_json(root) == {"s": {"lo": 1, "(raw)": "00"}, "after": 5}


def test_a_missing_subsection_leaves_its_bytes_raw() -> None:
    sub = body(scalar("b", "uint16", 2), name="dev/sub")
    whole = body(scalar("a", "uint8", 1), subsections=(sub,))
    data = whole.data.replace(b"\x05", b"\x04", 1)
    described = VMStateDescription(
        "dev",
        1,
        (VMStateField("a", "uint8", 1),),
        (VMStateDescription("dev/sub", 1, (VMStateField("b", "uint16", 2),)),),
    )
    nodes, reached = Decoder(data, 100).description(described, 0, len(data))
    assert [node.name for node in nodes] == ["a", "(raw)"]
    assert nodes[1].problem == (
        "the description puts 15 bytes of 'dev/sub' here, but they do not fit; these bytes are shown raw"
    )
    assert (nodes[1].offset, nodes[1].size, reached) == (101, len(data) - 1, len(data))


@pytest.mark.parametrize(
    "type_name", ["qtailq", "qlist", "gtree", "nullptr", "capability", "str", "struct", "tmp", "vstruct"]
)
@pytest.mark.parametrize("size", [0, 1, 4, 5, 12])
@pytest.mark.parametrize("filler", [0x00, 0x01, 0x30, 0xFF])
def test_containers_of_nonsense_are_tiled_all_the_same(type_name: str, size: int, filler: int) -> None:
    inner = (VMStateDescription("in", 1, (VMStateField("x", "uint16", 2),)),) * 2
    for nested_in in ((), inner):
        field = VMStateField("f", type_name, size, nested=nested_in)
        node = Decoder(bytes([filler]) * size, 50).element(field, "f", 0)
        assert (node.offset, node.size) == (50, size)
        if node.kind.is_container:
            check_tiles(node)


def test_a_list_that_breaks_off_keeps_what_came_before() -> None:
    bodies = [body(scalar("n", "uint16", i), name="e") for i in range(3)]
    item = chain("q", bodies)
    broken = bytearray(item.data)
    broken[3] = 0  # the second element's marker
    root = decode_one(body(Item("q", bytes(broken), item.entries, None)))
    assert to_json(root) == {"q": [{"n": 0}, bytes(broken[4:]).hex()]}
    assert problems(root) == [("q.(raw)", "6 bytes that the description does not cover")]


def test_a_tree_that_counts_wrong_keeps_what_came_before() -> None:
    item = tree("t", [(1, INNER), (2, INNER)])
    root = decode_one(body(Item("t", b"\0\0\0\1" + item.data[4:], item.entries, None)))
    assert [path for path, _ in problems(root)] == ["t.(raw)"]
    check_tiles(root)


def test_arrays_that_do_not_fit_are_raw() -> None:
    described = VMStateDescription("dev", 1, (VMStateField("a", "uint8", 1, 1 << 62, is_array=True),))
    nodes, reached = Decoder(bytes(10), 0).description(described, 0, 10)
    assert [(node.name, node.size) for node in nodes] == [("(raw)", 10)]
    assert reached == 10


def test_arrays_of_nothing_are_bounded() -> None:
    described = VMStateDescription("dev", 1, (VMStateField("a", "struct", 0, 1 << 62, is_array=True),))
    nodes, _ = Decoder(b"", 0).description(described, 0, 0)
    assert len(nodes[0].children) == 4096
    assert nodes[0].problem == "the description has more empty elements here than are shown"


def test_an_array_without_elements() -> None:
    root = decode_one(body(Item("a", b"", (entry("a", "uint32", 4, before=("array_len", 0)),), [])))
    assert to_json(root) == {"a": []}


def test_scalar_types_by_name() -> None:
    found = scalar_type("uint32 equal")
    assert found is not None
    assert (found.size, found.kind) == (4, Kind.INTEGER)
    assert scalar_type("buffer") is None


def test_offsets_count_from_the_start_of_the_stream() -> None:
    root = decode_one(body(scalar("a", "uint8", 1), scalars("b", "uint16", [1, 2])))
    assert [(leaf.name, leaf.offset, leaf.size) for leaf in leaves(root)] == [
        ("(header)", 8, 17),
        ("a", 25, 1),
        ("[0]", 26, 2),
        ("[1]", 28, 2),
        ("(footer)", 30, 5),
    ]
