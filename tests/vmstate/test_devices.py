"""A whole state: what is no state at all, what is cut short anywhere, and that something is always shown."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vmstate.checks import check_state, check_tiles, leaves, open_both
from tests.vmstate.layouts import body, buffer, chain, nested, scalar, scalars
from tests.vmstate.streams import END_MARK, Memory, Stream, page, pattern, table, u32, zero
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.vmstate import devices as devices_module
from vmsnap_gui.vmstate.devices import VMState, open_state
from vmsnap_gui.vmstate.fields import Kind, to_json
from vmsnap_gui.vmstate.sections import Located, SectionType
from vmsnap_gui.vmstate.wire import StreamError

CPU = body(scalars("regs", "uint64", [1, 2]), nested("fpu", body(scalar("cw", "uint16", 7))), name="cpu")
SUB = body(scalar("threshold", "uint8", 3), name="serial/sub")
SERIAL = body(
    scalar("rbr", "uint8", 7), chain("q", [body(scalar("n", "uint32", 9))]), name="serial", subsections=(SUB,)
)


def machine(*, footers: bool) -> bytes:
    stream = Stream(footers=footers).configuration("pc-1.0", ("target-page-bits", u32(8)))
    first = page(0, pattern(1, 256), "ram") + zero(256) + END_MARK
    stream.ram(table(("ram", 1024)), first, page(512, pattern(2, 256), "ram") + END_MARK)
    return stream.full(CPU).full(SERIAL).finish(page_size=256)


NO_STATE = "this is no VM state: it does not start with QEVM (at stream offset 0x0); look whether its file is damaged"


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", NO_STATE),
        (
            b"QEVM",
            "this VM state is cut off within its first 8 bytes (at stream offset 0x4)"
            "; look whether its file is damaged",
        ),
        (b"QFI\xfb" + bytes(100), NO_STATE),
        (
            b"QEVM" + u32(2) + bytes(9),
            "this VM state is of savevm version 2, which QEMU gave up in 2009 (at stream offset 0x4)"
            "; a QEMU of that time can load it and save it anew",
        ),
        (
            b"QEVM" + u32(4) + bytes(9),
            "this VM state is of savevm version 4; only version 3 is known (at stream offset 0x4)"
            "; a newer vmsnap may know it",
        ),
    ],
)
def test_what_is_no_state(data: bytes, message: str) -> None:
    with pytest.raises(StreamError) as caught:
        open_state(Memory(data))
    assert str(caught.value) == message


def test_a_whole_state() -> None:
    tail, forward = open_both(machine(footers=True))
    for state in (tail, forward):
        assert (state.machine, state.page_size, state.problems) == ("pc-1.0", 256, ())
        assert [(b.name, b.length) for b in state.ram_blocks] == [("ram", 1024)]
        index = state.index_ram()
        assert index.read(index.blocks[0], 0, 1024) == pattern(1, 256) + bytes(256) + pattern(2, 256) + bytes(256)
        assert state.end == state.view.size
    assert [s.type.name for s in tail.sections] == ["START", "FULL", "FULL"]
    assert [s.type.name for s in forward.sections] == ["START", "PART", "END", "FULL", "FULL"]
    assert tail.unwalked == (forward.sections[1].offset, forward.sections[1].size + forward.sections[2].size)


@pytest.mark.parametrize("footers", [True, False])
@pytest.mark.parametrize("forward", [False, True])
def test_cut_at_every_byte(footers: bool, forward: bool) -> None:
    """What was whole before the cut is there, the rest is told: never a blank result, no other exception."""
    data = machine(footers=footers)
    whole = open_state(Memory(data), forward=True)
    for cut in range(8, len(data)):
        state = open_state(Memory(data[:cut]), forward=forward)
        check_state(state)
        assert state.located is Located.FORWARD
        assert state.problems, cut
        assert (state.machine == "pc-1.0") == (cut >= 19), cut
        passed = [s for s in whole.sections if s.end <= cut]
        found = {(s.type, s.name, s.offset) for s in state.sections}
        assert {(s.type, s.name, s.offset) for s in passed} <= found
        if cut > 0x60:
            assert state.ram_blocks == whole.ram_blocks
        index = state.index_ram()
        if len(passed) >= 2:
            assert index.read(index.blocks[0], 0, 256) == pattern(1, 256)
        if len(passed) >= 3:
            assert index.complete
            assert index.read(index.blocks[0], 512, 256) == pattern(2, 256)


@pytest.mark.parametrize("footers", [True, False])
@settings(deadline=None, max_examples=150)
@given(st.data())
def test_damaged_anywhere(footers: bool, data: st.DataObject) -> None:
    stream = bytearray(machine(footers=footers))
    for _ in range(data.draw(st.integers(1, 3))):
        stream[data.draw(st.integers(8, len(stream) - 1))] = data.draw(st.integers(0, 255))
    for forward in (False, True):
        state = open_state(Memory(bytes(stream)), forward=forward)
        check_state(state)
        index = state.index_ram()
        for block in index.blocks:
            if block.length <= 1 << 20:
                index.read(block, 0, block.length)
                index.entropy(block, 0, block.pages)
        changed = bytes(stream) != machine(footers=footers)
        assert state.sections or state.problems or not changed


def test_what_a_description_of_nothing_leaves_out_is_walked() -> None:
    """A zero instead of the configuration ends the walk at once, and "devices" misspelt describes none."""
    stream = bytearray(machine(footers=True))
    whole = open_state(Memory(bytes(stream)), forward=True)
    stream[8] = 0
    stream[stream.index(b'"devices"') + 1] = ord("D")
    state = open_state(Memory(bytes(stream)))
    assert state.located is Located.FORWARD
    assert [section.name for section in state.sections] == [section.name for section in whole.sections]
    assert any("no section starts here" in str(problem) for problem in state.problems)


class Failing(Memory):
    """A view whose file is cut off while it is read."""

    def __init__(self, data: bytes, after: int) -> None:
        super().__init__(data)
        self.after = after

    def readinto(self, offset: int, buffer: object) -> None:
        if self.reads >= self.after:
            raise ImageError("the file ended 1 bytes too early: it has shrunk while it was read", offset=offset)
        super().readinto(offset, buffer)  # type: ignore[arg-type]


def test_a_file_that_fails_under_the_reader() -> None:
    """An ImageError passes through, wherever it comes; nothing else does."""
    data = machine(footers=True)
    failures = 0
    for forward in (False, True):
        for after in range(60):
            view = Failing(data, after)
            try:
                state = open_state(view, forward=forward)
                for section in state.sections:
                    state.decode(section)
                index = state.index_ram()
                index.read(index.blocks[0], 0, 1024)
            except ImageError as error:
                assert error.message.startswith("the file ended")  # noqa: PT017
                failures += 1
    assert failures > 20


def test_an_index_is_made_again_after_a_failure() -> None:
    view = Failing(machine(footers=True), 1 << 30)
    state = open_state(view)
    view.after = view.reads + 1
    with pytest.raises(ImageError):
        state.index_ram()
    view.after = 1 << 30
    assert state.index_ram().complete


def test_sections_too_large_to_hold_are_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(devices_module, "_HELD", 1000)
    large = body(buffer("b", bytes(2000)), name="large")
    state = open_state(Memory(Stream().full(CPU).full(large).finish()))
    check_state(state)
    root = state.decode(state.sections[1])
    assert [leaf.kind for leaf in leaves(root)] == [Kind.FRAME, Kind.RECORDS, Kind.FRAME]
    assert to_json(root) == {}
    assert to_json(state.decode(state.sections[0])) == CPU.value


def test_decoding_gives_a_new_tree_each_time() -> None:
    state = open_state(Memory(machine(footers=True)))
    first, second = state.decode(state.sections[-1]), state.decode(state.sections[-1])
    assert first == second
    assert first is not second
    check_tiles(first)


def test_two_sections_of_one_name_and_instance() -> None:
    """QEMU's isapc saves two "isa-ide" 0; the n-th has the n-th description."""
    one, two = body(scalar("a", "uint8", 1), name="isa-ide"), body(scalar("b", "uint32", 2), name="isa-ide")
    tail, forward = open_both(Stream().full(one).full(CPU).full(two).finish())
    for state in (tail, forward):
        assert [to_json(state.decode(s)) for s in state.sections] == [{"a": 1}, CPU.value, {"b": 2}]
        assert state.problems == ()


def described(state: VMState) -> list[bool]:
    return [state.is_described(s) for s in state.sections if s.type is SectionType.FULL]


@pytest.mark.parametrize("forward", [False, True])
def test_all_devices_are_described(forward: bool) -> None:
    assert described(open_state(Memory(machine(footers=True)), forward=forward)) == [True, True]
