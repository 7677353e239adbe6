"""The registry: what handlers of every kind save comes back, is what QEMU's rules say, and our own reader shows it."""

from __future__ import annotations

import io
import math
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vmstate.checks import open_both
from tests.vmstate.described import descriptions, refusals
from tests.vmstate.rams import content, stream
from tests.vmstate.streams import Memory, page, pattern, u32, zero
from vmsnap_gui.vmstate.decoder import Decoder
from vmsnap_gui.vmstate.description import MARKED, Pointers, VMStateDescription, VMStateField
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.handlers import Described, LiveHandler, PlainHandler
from vmsnap_gui.vmstate.loading import values_of
from vmsnap_gui.vmstate.ram_saving import RamHandler
from vmsnap_gui.vmstate.refusals import TransferError, UnknownSubsection, ValueMismatch
from vmsnap_gui.vmstate.registry import Registry, RegistryError
from vmsnap_gui.vmstate.resolving import resolve
from vmsnap_gui.vmstate.saving import SaveError
from vmsnap_gui.vmstate.sections import SectionType
from vmsnap_gui.vmstate.sending import Saving, StreamForm
from vmsnap_gui.vmstate.values import save_values
from vmsnap_gui.vmstate.wire import Reader, StreamError
from vmsnap_gui.vmstate.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmsnap_gui.vmstate.wire import Input

MACHINE = b"\x07" + u32(10) + b"pc-q35-7.2"


class Plain(PlainHandler):
    """Bytes behind their length."""

    def __init__(self, data: bytes = b"") -> None:
        self.data = data
        self.version: int | None = None

    def save(self, out: Writer) -> None:
        out.u32(len(self.data))
        out.put(self.data)

    def load(self, stream: Input, version: int) -> None:
        self.version = version
        self.data = stream.bytes(stream.u32())


class Rounds(LiveHandler):
    """Pieces, one in each round."""

    def __init__(self, pieces: list[bytes] | None = None) -> None:
        self.pieces = list(pieces or [])
        self.left: list[bytes] | None = None
        self.params: Mapping[str, object] = {}
        self.active = True

    def set_params(self, params: Mapping[str, object]) -> None:
        self.params = params

    def _put(self, out: Writer, pieces: list[bytes]) -> None:
        out.u32(len(pieces))
        for piece in pieces:
            out.u32(len(piece))
            out.put(piece)

    def begin(self, out: Writer) -> None:
        self.left = list(self.pieces)
        out.u32(0)

    def is_active(self) -> bool:
        return self.active

    def is_active_iterate(self) -> bool:
        return bool(self.left)

    def iterate(self, out: Writer) -> bool:
        assert self.left
        self._put(out, [self.left.pop(0)])
        return len(self.left) <= 1

    def complete(self, out: Writer) -> None:
        assert self.left is not None
        self._put(out, self.left)
        self.left = []

    def cancel(self) -> None:
        self.left = None

    def load(self, stream: Input, version: int) -> None:
        self.pieces += [stream.bytes(stream.u32()) for _ in range(stream.u32())]


def saved(registry: Registry, form: StreamForm | None = None, **params: object) -> bytes:
    sink = io.BytesIO()
    registry.save(Writer(sink), form or StreamForm(MACHINE), params)
    return sink.getvalue()


def kinds(data: bytes) -> list[tuple[str, str]]:
    return [(s.type.name, s.key) for s in open_state(Memory(data), forward=True).sections]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
@settings(deadline=None, max_examples=150)
@given(
    st.lists(descriptions(), min_size=1, max_size=3),
    st.lists(st.binary(max_size=40), max_size=3),
    st.lists(st.lists(st.binary(max_size=40), max_size=4), max_size=2),
    st.booleans(),
)
def test_what_is_saved_is_loaded_and_shown(
    described: list[tuple[VMStateDescription, dict[str, Any]]],
    plain: list[bytes],
    live: list[list[bytes]],
    footers: bool,
) -> None:
    source, target = Registry(), Registry()
    ram = open_state(Memory(stream(page(0, pattern(1), "pc.ram") + zero(4096, 7) + page(8192, pattern(2)))))
    source.register("ram", RamHandler.of(ram.index_ram()), version=4)
    loaded_ram = RamHandler(page_size=4096)
    target.register("ram", loaded_ram, version=4)
    if footers:  # without them nothing tells where a section ends whose form only its handler knows
        for pieces in live:
            source.register("rounds", Rounds(pieces), version=1)
            target.register("rounds", Rounds(), version=1)
    for description, values in described:
        source.register("device", Described(description, deepcopy(values)), version=description.version_id)
        newer = replace(
            description,
            version_id=description.version_id + 1,
            fields=(*description.fields, VMStateField("new", "uint32", 4, version_id=description.version_id + 1)),
        )
        target.register("device", Described(newer, {}), version=newer.version_id)
    for data in plain:
        source.register("plain", Plain(data), version=2)
        target.register("plain", Plain(), version=3)
    data = saved(source, StreamForm(MACHINE, footers=footers))

    target.load(Reader(Memory(data)), machine="pc-q35-7.2", description=True)
    for before, after in zip(source.entries, target.entries, strict=True):
        if isinstance(before.handler, Described):
            assert isinstance(after.handler, Described)
            assert after.handler.values == before.handler.values
        elif isinstance(before.handler, Plain):
            assert isinstance(after.handler, Plain)
            assert (after.handler.data, after.handler.version) == (before.handler.data, 2)
        elif isinstance(before.handler, Rounds):
            assert isinstance(after.handler, Rounds)
            assert after.handler.pieces == before.handler.pieces
    assert loaded_ram.index is not None
    assert [content(loaded_ram.index, b) for b in loaded_ram.index.blocks] == [
        content(ram.index_ram(), b) for b in ram.index_ram().blocks
    ]

    tail, forward = open_both(data)
    assert (tail.end, tail.machine) == (len(data), "pc-q35-7.2")
    assert len(tail.problems) == (1 if footers and live else 0)  # that nothing describes what only its handler knows
    shown = {s.key: s for s in tail.sections if s.type is SectionType.FULL}
    assert len(shown) == len(described) + len(plain)
    for entry in source.entries:
        if isinstance(entry.handler, Described):
            assert values_of(tail.decode(shown[entry.key]).children, entry.handler.description) == entry.handler.values
    assert [s.section_id for s in forward.sections if s.type is not SectionType.PART][: len(source.entries)]
    position = tail.sections[0].offset
    for section in forward.sections:
        assert section.offset == position
        position = section.end
    assert data[position] == 0


@pytest.mark.slow
@settings(deadline=None, max_examples=150)
@given(refusals())
def test_a_value_that_is_not_as_expected_is_refused(described: tuple[VMStateDescription, dict[str, Any]]) -> None:
    description, values = described
    data = save_values(description, values)
    with pytest.raises(ValueMismatch, match=r"^odd is -?[0-9]+, but must be "):
        loaded_into(description, {}, data, description.version_id)


def test_instance_and_section_ids() -> None:
    registry = Registry()
    given = [
        registry.register("disk", Plain(), version=1),
        registry.register("disk", Plain(), version=1),
        registry.register("disk", Plain(), version=1, instance_id=9),
        registry.register("disk", Plain(), version=1),
        registry.register("net", Plain(), version=1, section_id=40),
        registry.register("net", Plain(), version=1, instance_id=0),
    ]
    assert [(e.key, e.section_id) for e in given] == [
        ("disk", 0), ("disk:1", 1), ("disk:9", 2), ("disk:10", 3), ("net", 40), ("net", 41),
    ]  # fmt: skip
    registry.unregister("disk", 9)
    registry.unregister("disk", 10)
    registry.unregister("nobody")
    assert [e.key for e in registry.entries] == ["disk", "disk:1", "net", "net"]
    assert registry.register("disk", Plain(), version=1).key == "disk:2"
    registry.unregister("net")
    assert [(e.key, e.section_id) for e in registry.entries] == [("disk", 0), ("disk:1", 1), ("disk:2", 42)]


@pytest.mark.parametrize(("name", "section_id"), [("", None), ("x" * 256, None), ("\u00ef" * 128, None), ("fine", 0)])
def test_what_cannot_be_registered(name: str, section_id: int | None) -> None:
    registry = Registry()
    registry.register("first", Plain(), version=1)
    with pytest.raises(RegistryError):
        registry.register(name, Plain(), version=1, section_id=section_id)
    assert len(registry.entries) == 1


def test_instance_ids_are_of_32_bits() -> None:
    registry = Registry()
    registry.register("disk", Plain(), version=1, instance_id=0xFFFFFFFF)
    with pytest.raises(RegistryError, match="'disk' has no instance id left after 4294967295"):
        registry.register("disk", Plain(), version=1)
    for instance_id in (-1, 1 << 32):
        with pytest.raises(RegistryError, match=f"{instance_id} is no instance id"):
            registry.register("disk", Plain(), version=1, instance_id=instance_id)
    assert [e.key for e in registry.entries] == ["disk:4294967295"]
    registry.register("net", Plain(), version=1)
    assert saved(registry)


def test_two_of_one_name_and_instance_are_loaded_in_order() -> None:
    source, target = Registry(), Registry()
    for data in (b"one", b"two"):
        source.register("isa-ide", Plain(data), version=1, instance_id=0)
        target.register("isa-ide", Plain(), version=1, instance_id=0)
    target.load(Reader(Memory(saved(source))))
    assert [entry.handler.data for entry in target.entries if isinstance(entry.handler, Plain)] == [b"one", b"two"]


def test_the_order_of_a_saving() -> None:
    registry = Registry()
    registry.register("late", Plain(b"l"), version=1)
    registry.register("a", Rounds([b"1", b"2", b"3"]), version=1)
    registry.register("early", Plain(b"e"), version=1, early=True)
    registry.register("b", Rounds([b"4", b"5"]), version=1)
    registry.register("idle", Rounds([]), version=1)
    assert kinds(saved(registry)) == [
        ("START", "a"), ("FULL", "early"), ("START", "b"), ("START", "idle"),
        ("PART", "a"), ("PART", "a"), ("PART", "b"),
        ("END", "a"), ("END", "b"), ("END", "idle"), ("FULL", "late"),
    ]  # fmt: skip


@pytest.mark.parametrize("early", [True, False])
def test_a_section_that_is_not_needed_is_not_saved(early: bool) -> None:
    """As vmstate_save asks in qemu_savevm_state_setup and in ..._complete_precopy_non_iterable."""
    description = VMStateDescription("d", 1, (VMStateField("x", "uint8", 1),), needed=lambda values: values["x"] > 1)
    registry = Registry()
    for x in (1, 2):
        registry.register("d", Described(description, {"x": x}), version=1, early=early)
    state = open_state(Memory(saved(registry)))
    assert [section.key for section in state.sections] == ["d:1"]
    assert values_of(state.decode(state.sections[0]).children, description) == {"x": 2}
    assert state.problems == ()


def test_a_live_handler_that_is_not_active_saves_nothing() -> None:
    """As is_active in qemu_savevm_state_setup, _iterate and _complete_precopy_iterable."""
    registry = Registry()
    idle, busy = Rounds([b"1", b"2"]), Rounds([b"3", b"4"])
    idle.active = False
    registry.register("idle", idle, version=1)
    registry.register("busy", busy, version=1)
    assert kinds(saved(registry)) == [("START", "busy"), ("PART", "busy"), ("END", "busy")]
    busy.active = False
    saving = Saving(registry.entries, Writer(io.BytesIO()), StreamForm())
    saving.begin()
    assert saving.iterate()
    saving.cancel()
    assert (idle.left, busy.left) == (None, None)


def test_an_iteration_stops_at_the_first_that_has_more() -> None:
    registry = Registry()
    registry.register("a", Rounds([b"1", b"2", b"3"]), version=1)
    registry.register("b", Rounds([b"4", b"5"]), version=1)
    sink = io.BytesIO()
    out = Writer(sink)
    saving = Saving(registry.entries, out, StreamForm(), {"shared": True})
    saving.header()
    saving.command(3, b"xy")
    saving.begin()
    places = [out.tell()]
    assert not saving.iterate()
    places.append(out.tell())
    assert saving.iterate()
    saving.complete()
    state = open_state(Memory(sink.getvalue()), forward=True)
    assert [(c.section_id, c.payload_size) for c in state.commands] == [(3, 2)]
    parts = [(s.key, s.offset) for s in state.sections if s.type is SectionType.PART]
    assert parts[:2] == [("a", places[0]), ("a", places[1])]
    assert [key for key, _ in parts] == ["a", "a", "b"]
    saving.cancel()
    for entry in registry.entries:
        assert isinstance(entry.handler, Rounds)
        assert (entry.handler.params, entry.handler.left) == ({"shared": True}, None)


def test_an_iteration_stops_between_handlers_at_the_rate() -> None:
    registry = Registry()
    first, second = Rounds([b"x" * 1000]), Rounds([b"y"])
    registry.register("a", first, version=1)
    registry.register("b", second, version=1)
    out = Writer(io.BytesIO(), rate=900)
    saving = Saving(registry.entries, out, StreamForm())
    saving.header()
    saving.begin()
    assert not saving.iterate()
    assert (first.left, second.left) == ([], [b"y"])
    out.wait()
    assert saving.iterate()
    assert second.left == []
    saving.cancel()


def test_a_saving_that_fails_lets_go() -> None:
    registry = Registry()
    rounds = Rounds([b"x" * 40_000] * 4)
    registry.register("rounds", rounds, version=1)
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(TransferError):  # noqa: PTH123
        registry.save(Writer(full), StreamForm())
    assert rounds.left is None
    registry.register("broken", Described(VMStateDescription("d", 1, (VMStateField("x", "uint8", 1),)), {}), version=1)
    with pytest.raises(SaveError, match="x: None is no value of type uint8 with 1 bytes"):
        saved(registry)
    assert rounds.left is None


@pytest.mark.parametrize(
    ("field", "value", "sentence"),
    [
        (VMStateField("x", "uint8", 1), 256, "x: 256 is out of the range of uint8, 0 to 255"),
        (VMStateField("x", "int16", 2), -32769, "x: -32769 is out of the range of int16, -32768 to 32767"),
        (VMStateField("x", "int8", 1), 200, "x: 200 is out of the range of int8, -128 to 127"),
        (VMStateField("x", "uint8", 1), -1, "x: -1 is out of the range of uint8, 0 to 255"),
        (VMStateField("x", "bool", 1), 256, "x: 256 is out of the range of bool, 0 to 255"),
        (VMStateField("x", "buffer", 4), b"abc", "x: b'abc' is no value of type buffer with 4 bytes"),
        (VMStateField("x", "float64", 8), 1, "x: 1 is no value of type float64 with 8 bytes"),
        (VMStateField("x", "uint8", 1, 3, is_array=True), [1, 2], "x: 2 elements are given, but there must be 3"),
        (VMStateField("x", "uint8", 1, 3, is_array=True), 1, "x: 1 is no list of elements"),
        (VMStateField("x", "struct", 0, nested=(VMStateDescription("s", 1),)), 1, "x: 1 are no values of fields"),
    ],
)
def test_values_that_do_not_fit_are_refused(field: VMStateField, value: Any, sentence: str) -> None:  # noqa: ANN401
    with pytest.raises(SaveError) as caught:
        save_values(VMStateDescription("d", 1, (field,)), {"x": value})
    assert str(caught.value) == sentence


def test_hooks_run_around_saving() -> None:
    said: list[object] = []
    description = VMStateDescription(
        "d",
        1,
        (VMStateField("n", "uint8", 1), VMStateField("items", "uint8", 1, is_array=True, count_from="n")),
        (
            VMStateDescription(
                "d/odd",
                1,
                (VMStateField("x", "uint8", 1),),
                needed=lambda v: len(v["items"]) % 2 == 1,
                post_save=said.append,
            ),
            VMStateDescription("d/never", 1, (VMStateField("x", "uint8", 1),), needed=lambda _: False),
        ),
        pre_save=lambda values: {"n": len(values["items"])},
        post_save=said.append,
    )
    registry = Registry()
    values: dict[str, Any] = {"items": [5, 6, 7], "d/odd": {"x": 1}, "d/never": {"x": 2}}
    registry.register("d", Described(description, values), version=1)
    state = open_state(Memory(saved(registry)))
    (section,) = state.sections
    loaded = values_of(state.decode(section).children, description)
    assert loaded == {"n": 3, "items": [5, 6, 7], "d/odd": {"x": 1}}
    assert said == [{"x": 1}, {**values, "n": 3}]  # at each level, with what pre_save gave


def test_hooks_run_once_in_loading() -> None:
    said: list[str] = []
    description = VMStateDescription(
        "d",
        1,
        (VMStateField("long", "buffer", 40_000),),
        post_load=lambda _values, _version: said.append("post_load"),
        post_save=lambda _values: said.append("post_save"),
    )
    registry = Registry()
    values: dict[str, Any] = {"long": bytes(range(200)) * 200}
    registry.register("d", Described(description, values), version=1)
    data = saved(registry)
    assert said == ["post_save"]
    loading = Registry()
    got: dict[str, Any] = {}
    loading.register("d", Described(description, got), version=1)
    loading.load(Reader(Memory(data)))
    assert (got, said) == (values, ["post_save", "post_load"])


def test_hooks_of_structs_get_their_own_values() -> None:
    said: list[tuple[str, object]] = []

    def hooked(name: str, *fields: VMStateField, version: int = 1) -> VMStateDescription:
        def pre_load(values: dict[str, Any]) -> None:
            said.append((f"before {name}", dict(values)))
            values["n"] = 2

        return VMStateDescription(
            name,
            version,
            fields,
            pre_load=pre_load,
            post_load=lambda values, version: said.append((f"after {name} {version}", dict(values))),
        )

    x = VMStateField("x", "uint8", 1)
    item = hooked("item", x, VMStateField("rest", "uint8", 1, is_array=True, count_from="n"))
    one = hooked("one", x)
    sub = hooked("d/sub", x, version=3)
    description = VMStateDescription(
        "d",
        1,
        (
            VMStateField("n", "uint8", 1),
            VMStateField("long", "buffer", 40_000),
            VMStateField("items", "struct", 0, 2, is_array=True, nested=(item,)),
            VMStateField("one", "qtailq", 0, nested=(one,), version_id=1),
        ),
        (sub,),
    )
    values: dict[str, Any] = {"n": 1, "items": [{"x": 7}], "d/sub": {"x": 8, "y": 9}}
    data = b"\1" + bytes(40_000) + b"\3\4\5\6\7\x08" + b"\1\x0a\0" + b"\x05\x05d/sub" + u32(3) + b"\x0b"
    loaded_into(description, values, data, 1)
    items = [{"x": 3, "n": 2, "rest": [4, 5]}, {"x": 6, "n": 2, "rest": [7, 8]}]
    last, after = {"x": 10, "n": 2}, {"x": 11, "y": 9, "n": 2}
    assert values == {"n": 1, "long": bytes(40_000), "items": items, "one": [last], "d/sub": after}
    assert said == [
        ("before item", {"x": 7}), ("before item", {}), ("before one", {}), ("before d/sub", {"x": 8, "y": 9}),
        ("after item 1", items[0]), ("after item 1", items[1]), ("after one 1", last), ("after d/sub 3", after),
    ]  # fmt: skip


def test_a_struct_can_refuse_its_values() -> None:
    def refuse(values: Mapping[str, Any], _version: int) -> None:
        if values["x"] == 9:
            raise StreamError("9 is more than there can be")

    inner = VMStateDescription("s", 1, (VMStateField("x", "uint8", 1),), post_load=refuse)
    description = VMStateDescription("d", 1, (VMStateField("s", "struct", 0, nested=(inner,)),))
    values: dict[str, Any] = {}
    loaded_into(description, values, b"\x08", 1)
    with pytest.raises(StreamError, match="9 is more"):
        loaded_into(description, values, b"\x09", 1)
    assert values == {"s": {"x": 8}}


def test_an_unknown_subsection_is_refused_before_post_load() -> None:
    said: list[int] = []
    description = VMStateDescription(
        "d", 1, (VMStateField("x", "uint8", 1),), post_load=lambda _values, version: said.append(version)
    )
    with pytest.raises(UnknownSubsection, match="'d' has no subsection 'd/new' here"):
        loaded_into(description, {}, b"\1\x05\x05d/new" + u32(1) + b"\2", 1)
    assert not said


def test_pointers_load_as_they_were_before() -> None:
    inner = VMStateDescription("s", 1, (VMStateField("x", "uint8", 1),))
    field = VMStateField("p", "struct", 0, 2, is_array=True, nested=(inner,), pointers=Pointers.NULLABLE)
    description = VMStateDescription("d", 1, (field,))
    values: dict[str, Any] = {"p": [{"x": 1}, None]}
    loaded_into(description, values, b"00", 1)
    assert values == {"p": [{"x": 0x30}, None]}
    assert save_values(description, values) == b"00"


def test_what_an_old_version_is_loaded_into() -> None:
    description = VMStateDescription(
        "d",
        2,
        (VMStateField("new", "uint8", 1),),
        minimum_version_id=2,
        minimum_version_id_old=1,
        load_old=lambda _data, _version: (VMStateField("old", "uint16", 2),),
    )
    old = VMStateDescription("d", 1, (VMStateField("old", "uint16", 2),))
    registry = Registry()
    registry.register("d", Described(old, {"old": 0x1234}), version=1)
    got: dict[str, Any] = {}
    loading = Registry()
    loading.register("d", Described(description, got), version=2)
    loading.load(Reader(Memory(saved(registry))))
    assert got == {"old": 0x1234}


def test_floats_that_are_no_numbers() -> None:
    description = VMStateDescription("d", 1, (VMStateField("x", "float64", 8), VMStateField("y", "float64", 8)))
    source, target = Registry(), Registry()
    source.register("d", Described(description, {"x": math.inf, "y": math.nan}), version=1)
    loaded: dict[str, Any] = {}
    target.register("d", Described(description, loaded), version=1)
    target.load(Reader(Memory(saved(source))))
    assert loaded["x"] == math.inf
    assert math.isnan(loaded["y"])


@pytest.mark.parametrize("kind", [MARKED, "qtailq", "qlist"])
def test_the_markers_of_a_list_come_back(kind: str) -> None:
    item = VMStateDescription("item", 0, (VMStateField("x", "uint8", 1),))
    description = VMStateDescription("d", 1, (VMStateField("items", kind, 0, nested=(item,)),))
    data = bytes([42, 5, 1, 6, 2, 7, 0])
    concrete, size = resolve(description, data, 0, len(data), 1)
    nodes, _ = Decoder(data, 0).description(concrete, 0, size)
    values = values_of(nodes, description)
    assert values == {"items": [{"(marker)": 42, "x": 5}, {"x": 6}, {"(marker)": 2, "x": 7}]}
    assert save_values(description, values) == data


def test_fields_of_one_name_keep_their_values() -> None:
    """As mc146818rtc's three `unused`, and both `status` of virtio-net."""
    description = VMStateDescription(
        "d",
        1,
        (
            VMStateField("unused", "unused_buffer", 2),
            VMStateField("status", "uint8", 1),
            VMStateField("unused", "unused_buffer", 1),
            VMStateField("old", "uint8", 1, exists=lambda _, version: version < 1),
            VMStateField("old", "uint16", 2, version_id=1),
            VMStateField("status", "uint16", 2),
            VMStateField("status", "uint16", 2),
        ),
    )
    data = bytes([0, 9, 1, 0, 1, 2, 3, 4, 5, 6])
    concrete, size = resolve(description, data, 0, len(data), 1)
    nodes, _ = Decoder(data, 0).description(concrete, 0, size)
    values = values_of(nodes, description)
    assert values == {
        "unused[0]": b"\0\x09", "status[0]": 1, "unused[1]": b"\0", "old[1]": 0x102,
        "status[1]": 0x304, "status[2]": 0x506,
    }  # fmt: skip
    assert save_values(description, values) == data


def loaded_into(description: VMStateDescription, values: dict[str, Any], data: bytes, version: int) -> None:
    """Load a section's payload into values that are there already."""
    Described(description, values).load(Reader(Memory(data)), version)


def test_loading_an_old_stream_keeps_what_it_lacks() -> None:
    """As vmstate_load_state: an old stream can be saved in the new form."""
    inner = VMStateDescription("s", 1, (VMStateField("x", "uint8", 1), VMStateField("gone", "uint8", 1, version_id=2)))
    description = VMStateDescription(
        "d",
        2,
        (
            VMStateField("a", "uint8", 1),
            VMStateField("b", "uint8", 1, version_id=2),
            VMStateField("s", "struct", 0, 2, is_array=True, nested=(inner,)),
        ),
        (VMStateDescription("d/sub", 1, (VMStateField("y", "uint8", 1),)),),
        minimum_version_id=1,
    )
    values: dict[str, Any] = {"a": 0, "b": 7, "s": [{"x": 0, "gone": 8}, {"x": 0, "gone": 9}], "d/sub": {"y": 6}}
    loaded_into(description, values, bytes([5, 3, 4]), 1)
    assert values == {"a": 5, "b": 7, "s": [{"x": 3, "gone": 8}, {"x": 4, "gone": 9}], "d/sub": {"y": 6}}
    assert save_values(description, values) == bytes([5, 7, 3, 4]) + b"\x05\x05d/sub" + u32(1) + b"\6"


def test_pre_load_gives_what_the_stream_lacks_and_runs_once() -> None:
    calls: list[int] = []

    def pre_load(values: dict[str, Any]) -> None:
        calls.append(1)
        values.update(b=9, n=2)

    description = VMStateDescription(
        "d",
        2,
        (
            VMStateField("a", "buffer", 50_000),
            VMStateField("b", "uint8", 1, version_id=2),
            VMStateField("items", "uint8", 1, is_array=True, count_from="n"),
            VMStateField("extra", "uint8", 1, exists=lambda known, _: bool(known["n"])),
        ),
        minimum_version_id=1,
        pre_load=pre_load,
    )
    values: dict[str, Any] = {}
    loaded_into(description, values, bytes(50_000) + b"\1\2\3", 1)
    assert values == {"a": bytes(50_000), "b": 9, "n": 2, "items": [1, 2], "extra": 3}
    assert calls == [1]
    assert save_values(description, values) == bytes(50_000) + b"\x09\1\2\3"


def test_a_count_that_nothing_tells_is_refused() -> None:
    description = VMStateDescription(
        "d",
        2,
        (
            VMStateField("n", "uint8", 1, version_id=2),
            VMStateField("items", "uint8", 1, is_array=True, count_from="n"),
        ),
        minimum_version_id=1,
    )
    with pytest.raises(StreamError, match="n has no value, but another field of 'd' asks for it"):
        loaded_into(description, {}, b"\1\2", 1)
    without_n = replace(description, fields=description.fields[1:])
    with pytest.raises(SaveError, match="n has no value, but another field asks for it"):
        save_values(without_n, {"items": [1]})


def test_post_load_sees_all_values() -> None:
    seen: list[dict[str, Any]] = []
    description = VMStateDescription(
        "d",
        1,
        (VMStateField("long", "buffer", 5000), VMStateField("items", "uint8", 1, 2, is_array=True)),
        (VMStateDescription("d/sub", 1, (VMStateField("y", "uint8", 1),)),),
        post_load=lambda values, _: seen.append(dict(values)),
    )
    values: dict[str, Any] = {}
    loaded_into(description, values, bytes(5000) + b"\1\2\x05\x05d/sub" + u32(1) + b"\6", 1)
    assert values == {"long": bytes(5000), "items": [1, 2], "d/sub": {"y": 6}}
    assert seen == [{**values, "d/sub.y": 6}]


def test_what_load_old_reads_keeps_its_form() -> None:
    inner = VMStateDescription("s", 1, (VMStateField("x", "uint8", 1),))
    old = (
        VMStateField("words", "uint16", 2, 2, is_array=True),
        VMStateField("s", "struct", 1, nested=(inner,)),
    )
    description = VMStateDescription(
        "d", 2, minimum_version_id=2, minimum_version_id_old=1, load_old=lambda _data, _version: old
    )
    values: dict[str, Any] = {}
    loaded_into(description, values, b"\0\1\0\2\3", 1)
    assert values == {"words": [1, 2], "s": {"x": 3}}
