"""The vmdesc's JSON: what is taken from it, and what is refused."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from tests.vmstate.layouts import body, chain, dump, nested, scalar, scalars, structs
from vmsnap_gui.vmstate.description import VMStateDescription, VMStateField
from vmsnap_gui.vmstate.vmdesc import MAX_DEPTH, MAX_EXCESS, MAX_JSON, VMDesc
from vmsnap_gui.vmstate.wire import StreamError


def parsed(document: Any) -> VMDesc:  # noqa: ANN401
    return VMDesc.parse(json.dumps(document).encode())


def one(**members: object) -> VMDesc:
    """A vmdesc of one device with one field of these members."""
    field = {"name": "x", "type": "uint32", "size": 4} | members
    return parsed({"devices": [{"name": "dev", "instance_id": 0, "fields": [field]}]})


def test_a_whole_description() -> None:
    sub = body(scalar("s", "uint8", 1), name="dev/sub", version=4)
    dev = body(
        scalar("a", "uint32", 1),
        scalars("b", "uint16", [1, 2, 3]),
        nested("c", body(scalar("d", "uint8", 1), name="inner")),
        chain("q", [body(scalar("e", "uint8", 1), name="element", version=7)] * 2),
        version=3,
        subsections=(sub,),
    )
    desc = VMDesc.parse(
        dump([("page_size", 1024), ("devices", [[("name", "dev0"), ("instance_id", 2), *dev.pairs]])]).encode()
    )
    (device,) = desc.devices
    assert (desc.page_size, desc.configuration, desc.problems) == (1024, None, ())
    assert (device.name, device.instance_id, device.payload_size) == ("dev0", 2, len(dev.data))
    layout = device.description
    assert (layout.name, layout.version_id) == ("dev", 3)
    assert [(f.name, f.type, f.size, f.count, f.is_array) for f in layout.fields] == [
        ("a", "uint32", 4, 1, False),
        ("b", "uint16", 2, 3, True),
        ("c", "struct", 1, 1, False),
        ("q", "qtailq", 5, 1, False),
    ]
    assert layout.fields[2].nested == (VMStateDescription("inner", 1, (VMStateField("d", "uint8", 1),)),)
    assert [part.version_id for part in layout.fields[3].nested] == [7, 7]
    assert layout.subsections[0].framed_size == len(sub.framed)


def test_entries_by_index_stay_apart() -> None:
    item = structs("s", [body(scalar("a", "uint8", 1)), body(scalar("a", "uint16", 1))])
    desc = VMDesc.parse(dump([("devices", [[("name", "d"), ("instance_id", 0), *body(item).pairs]])]).encode())
    assert [(f.size, f.count, f.is_array) for f in desc.devices[0].description.fields] == [(1, 1, True), (2, 1, True)]


@pytest.mark.parametrize("instance_id", [-0x80000000, 0x80000000])
def test_instance_ids_are_unsigned(instance_id: int) -> None:
    desc = parsed({"devices": [{"name": "spapr", "instance_id": instance_id, "fields": []}]})
    assert desc.devices[0].instance_id == 0x80000000


@pytest.mark.parametrize("page_size", [256, 1024, 4096, 65536])
def test_page_sizes(page_size: int) -> None:
    assert parsed({"page_size": page_size}).page_size == page_size


@pytest.mark.parametrize("page_size", [0, 1, 128, -4096, 4097, 1 << 21, 1 << 64, "4096", True, 4096.0, [], {}, None])
def test_page_sizes_that_no_target_has_are_not_taken(page_size: object) -> None:
    assert parsed({"page_size": page_size}).page_size is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"", "the description is no JSON that can be read: it breaks at byte 0 of its text"),
        (b"[]", "the description is no JSON object"),
        (b"7", "the description is no JSON object"),
        (b"{", "the description is no JSON that can be read: it breaks at byte 1 of its text"),
        (b'{"devices": [}', "the description is no JSON that can be read: it breaks at byte 13 of its text"),
        (b'{"a": "\xff"}', "the description is no JSON that can be read: byte 7 of its text is no UTF-8"),
        (b'{"a": ' + b"9" * 5000 + b"}", "the description is no JSON that can be read: a number in it is too long"),
        (b"[" * 10_000, "the description is no JSON that can be read: it nests too deep"),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "the description is no JSON that can be read: it nests too deep"),
    ],
)
def test_what_is_no_json_object(text: bytes, message: str) -> None:
    with pytest.raises(StreamError) as caught:
        VMDesc.parse(text, 0x123)
    assert caught.value.message.startswith(message)
    assert caught.value.offset == 0x123


def device(name: str, instance: int = 0) -> dict[str, object]:
    inner = {"vmsd_name": "inner", "version": 1, "fields": [{"name": "x", "type": "uint8", "size": 1}]}
    fields = [{"name": "struct", "type": "struct", "size": 1, "struct": inner}]
    return {"name": name, "instance_id": instance, "vmsd_name": name, "version": 1, "fields": fields}


def test_of_a_damaged_description_all_other_devices_are_read() -> None:
    devices = [device("first"), device("second"), device("second", 1), device("second"), device("last")]
    text = json.dumps({"page_size": 4096, "devices": devices}).encode()
    at = text.index(b'"inner"', text.index(b'"second"'))
    for damage, lost, why in (
        (b"\xff", (), f"byte {at + 1} of its text is no UTF-8"),
        (b'"', ("second", 0), f"it breaks at byte {at + 2} of its text"),
        (b"\n", ("second", 0), f"it breaks at byte {at + 1} of its text"),
    ):
        found = VMDesc.parse(text[: at + 1] + damage + text[at + 2 :])
        assert [(one.name, one.instance_id) for one in found.devices] == [
            key for one in devices if (key := (one["name"], one["instance_id"])) != lost
        ]
        assert found.page_size == 4096
        assert not found.complete
        readable = f"what it tells of {len(found.devices)} devices can be read"
        assert found.problems == (f"the description is damaged: {why}; {readable}",)


@pytest.mark.parametrize(
    "rest",
    [
        b'{"name": "x", "instance_id": 0, "fields": [' * 50_000,  # in each other
        b'{"name": "x", "instance_id": 0, "fields": [}, ' * 50_000,
        b'{"name": "x", "instance_id": 0, "name": [], "instance_id": {}, "fields": []}, ' * 50,
        (b'{"name": "x", "instance_id": 0, "fields": [' + b"1, " * 2_000) * 100,  # each attempt fails at the end
    ],
)
def test_looking_for_devices_in_a_damaged_description_ends(rest: bytes) -> None:
    text = b'{"devices": [' + json.dumps(device("good")).encode() + b", " + rest
    assert [one.name for one in VMDesc.parse(text).devices] == ["good"]


@pytest.mark.parametrize("devices", [None, 1, "devices", {}, {"name": 1}])
def test_devices_that_are_no_list_are_none(devices: object) -> None:
    assert parsed({"devices": devices}).devices == ()


DEEP: list[object] = []
for _ in range(900):
    DEEP = [DEEP]


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({"size": None}, "its 'size' is missing"),
        ({"size": -1}, "its 'size' is -1"),
        ({"size": 1 << 64}, "its 'size' is 18446744073709551616"),
        ({"size": 4.0}, "its 'size' is 4.0"),
        ({"size": True}, "its 'size' is True"),
        ({"size": "4"}, "its 'size' is '4'"),
        ({"size": "4" * 100}, "its 'size' is '" + "4" * 39),
        ({"size": float("inf")}, "its 'size' is inf"),
        ({"size": {"a": 1}}, "its 'size' is an object"),
        ({"array_len": -1}, "its 'array_len' is -1"),
        ({"array_len": [1]}, "its 'array_len' is a list"),
        ({"name": None}, "its 'name' is missing"),
        ({"name": 5}, "its 'name' is 5"),
        ({"name": "x" * 5000}, "its 'name' is '" + "x" * 39),
        ({"type": []}, "its 'type' is a list"),
        ({"struct": []}, "a nested description is no object"),
        ({"struct": {"fields": {}}}, "its fields or subsections are no list"),
        ({"struct": {"subsections": 7}}, "its fields or subsections are no list"),
        ({"struct": {"fields": [7]}}, "a field is no object"),
        ({"struct": {"version": -1}}, "its 'version' is -1"),
    ],
)
def test_a_device_with_a_wrong_field_is_left_out_and_told(members: dict[str, object], reason: str) -> None:
    desc = one(**members)
    assert desc.devices == ()
    assert desc.problems == (f"entry 0 of the description's devices is not usable: {reason}",)


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (7, "it is no object"),
        ({}, "its 'name' is missing"),
        ({"name": "d", "instance_id": 1 << 32}, "its 'instance_id' is 4294967296"),
        ({"name": "d", "instance_id": "0"}, "its 'instance_id' is '0'"),
        ({"name": "d", "fields": 7}, "its fields or subsections are no list"),
        ({"name": "d", "subsections": [7]}, "a nested description is no object"),
    ],
)
def test_other_devices_stay(entry: object, reason: str) -> None:
    good = {"name": "good", "instance_id": 0, "fields": [{"name": "x", "type": "uint8", "size": 1}]}
    desc = parsed({"devices": [good, entry, good | {"instance_id": 1}]})
    assert [(d.name, d.instance_id) for d in desc.devices] == [("good", 0), ("good", 1)]
    assert desc.problems == (f"entry 1 of the description's devices is not usable: {reason}",)


def test_values_that_nest_deep_are_told_without_being_printed() -> None:
    assert one(size=DEEP).problems == ("entry 0 of the description's devices is not usable: its 'size' is a list",)


def test_half_a_surrogate_pair_stays_visible() -> None:
    desc = VMDesc.parse(b'{"devices": [{"name": "a\\ud800", "instance_id": 0}]}')
    assert desc.devices[0].name == "a\\ud800"


def test_nesting_is_bounded() -> None:
    for depth, usable in ((MAX_DEPTH, True), (MAX_DEPTH + 1, False)):
        field: dict[str, object] = {"name": "x", "type": "uint8", "size": 64}
        for _ in range(depth):
            field = {"name": "s", "type": "struct", "struct": {"fields": [field]}, "size": 64}
        desc = parsed({"devices": [{"name": "dev", "fields": [field]}]})
        assert len(desc.devices) == usable
        assert [f"it nests more than {MAX_DEPTH} deep" in text for text in desc.problems] == [True] * (not usable)


def empties(count: int, depth: int = 1) -> dict[str, object]:
    """Arrays of `count` empty structs, each of them holding such an array, and so on."""
    field: dict[str, object] = {"name": "x", "type": "uint8", "size": 0, "array_len": count}
    for _ in range(depth - 1):
        field = {"name": "x", "type": "struct", "size": 0, "array_len": count, "struct": {"fields": [field]}}
    return field


def test_empty_fields_are_bounded_over_the_whole_description() -> None:
    many = {"name": "a", "fields": [empties(MAX_EXCESS - 10)]}
    few = {"name": "b", "fields": [empties(11)]}
    desc = parsed({"devices": [many, few, {"name": "c"}]})
    assert [d.name for d in desc.devices] == ["a", "c"]
    assert desc.problems == ("entry 1 of the description's devices is not usable: it has far more fields than bytes",)


@pytest.mark.parametrize(("count", "depth"), [(1 << 32, 1), ((1 << 64) - 1, 1), (300, 2), (2, 40), ((1 << 64) - 1, 40)])
def test_empty_fields_that_multiply_are_refused(count: int, depth: int) -> None:
    assert parsed({"devices": [{"name": "a", "fields": [empties(count, depth)]}]}).devices == ()
    assert parsed({"configuration": {"fields": [empties(count, depth)]}}).configuration is None


def test_many_structs_around_each_byte_are_refused() -> None:
    field: dict[str, object] = {"name": "x", "type": "uint8", "size": 1}
    for _ in range(40):
        field = {"name": "s", "type": "struct", "size": 1, "struct": {"fields": [field]}}
    field["array_len"] = 100_000
    assert parsed({"devices": [{"name": "a", "fields": [field]}]}).devices == ()


def test_large_arrays_of_small_structs_are_fine() -> None:
    inner = {"fields": [{"name": name, "type": "uint8", "size": 1} for name in "abc"]}
    field = {"name": "s", "type": "struct", "size": 3, "array_len": 1 << 20, "struct": inner}
    assert len(parsed({"devices": [{"name": "a", "fields": [field]}]}).devices) == 1


def test_problems_are_bounded() -> None:
    desc = parsed({"devices": [7] * 102})
    assert len(desc.problems) == 101
    assert desc.problems[-1] == "2 more entries of the description's devices are not usable"


def test_a_configuration() -> None:
    desc = parsed({"configuration": {"vmsd_name": "configuration", "version": 1, "fields": []}, "devices": []})
    assert desc.configuration == VMStateDescription("configuration", 1)
    desc = parsed({"configuration": {"fields": 1}, "devices": []})
    assert desc.configuration is None
    assert desc.problems == (
        "the description of the configuration is not usable: its fields or subsections are no list",
    )


def test_a_description_longer_than_any_machine_writes() -> None:
    with pytest.raises(StreamError, match=f"^the description is {MAX_JSON + 1} bytes long, more than any"):
        VMDesc.parse(b" " * (MAX_JSON + 1))


@pytest.mark.parametrize(
    "item", [b"[]", b"{}", b'{"a":0}', b"[[]]", b"0", b'{"":{}}', b"[0,0,0,0,0]", b'{"a":0,"a":0}']
)
def test_five_megabytes_of_small_items_stay_in_proportion(item: bytes) -> None:
    text = b'{"devices": [' + (item + b",") * (5_000_000 // (len(item) + 1)) + b"0]}"
    tracemalloc.start()
    try:
        with pytest.raises(StreamError, match="more entries than any machine"):
            VMDesc.parse(text)
        assert tracemalloc.get_traced_memory()[1] < (64 << 20)
    finally:
        tracemalloc.stop()


@pytest.mark.slow
@pytest.mark.parametrize(
    "item",
    [
        b'{"name":"","fields":[{}]}',
        pytest.param(b"[]", marks=pytest.mark.verify),
        pytest.param(b'{"":0}', marks=pytest.mark.verify),
    ],
)
def test_as_many_small_items_as_are_let_through_stay_in_proportion(item: bytes) -> None:
    """... with as much white space between them as makes them just pass."""
    length = 300_000
    most = 250_000 + length // 12
    count = most // (1 + sum(item.count(c) for c in (b",", b"[", b"{"))) - 3
    text = b'{"devices": [' + (item + b",") * count
    text += b" " * max(0, length - len(text)) + b"0]}"
    tracemalloc.start()
    try:
        VMDesc.parse(text)
        assert tracemalloc.get_traced_memory()[1] < (64 << 20) + 4 * len(text)
    finally:
        tracemalloc.stop()


def test_more_devices_than_the_stream_before_has_room_for() -> None:
    text = b'{"devices": [' + b", ".join([b'{"name": ""}'] * 10) + b"]}"
    assert len(VMDesc.parse(text, 140).devices) == 10
    with pytest.raises(StreamError, match=r"^the description has more devices than the stream before it can hold"):
        VMDesc.parse(text, 139)
