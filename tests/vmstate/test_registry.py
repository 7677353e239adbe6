"""The registry: what handlers of every kind save comes back, is what QEMU's rules say, and our own reader shows it."""

from __future__ import annotations

import io
from copy import deepcopy
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vmstate.checks import open_both
from tests.vmstate.described import descriptions
from tests.vmstate.rams import content, stream
from tests.vmstate.streams import Memory, page, pattern, u32, zero
from vmsnap_gui.vmstate.description import VMStateDescription, VMStateField
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.handlers import Described, LiveHandler, PlainHandler
from vmsnap_gui.vmstate.ram_saving import RamHandler
from vmsnap_gui.vmstate.registry import Registry
from vmsnap_gui.vmstate.sections import SectionType
from vmsnap_gui.vmstate.sending import StreamForm
from vmsnap_gui.vmstate.values import values_of
from vmsnap_gui.vmstate.wire import Reader
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
