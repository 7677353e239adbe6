"""The configuration section: with every subsection, with unknown ones, and with nonsense."""

from __future__ import annotations

import tracemalloc
import uuid

import pytest

from tests.vmstate.checks import check_tiles, child, leaves
from tests.vmstate.layouts import body, scalar
from tests.vmstate.streams import Memory, Stream, counted, u32
from vmsnap_gui.vmstate.configuration import Configuration, read_configuration
from vmsnap_gui.vmstate.description import VMStateDescription, VMStateField
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.fields import Kind, to_json
from vmsnap_gui.vmstate.sections import Located
from vmsnap_gui.vmstate.wire import StreamError

BITS = ("target-page-bits", u32(12))
CAPABILITIES = ("capabilities", u32(2) + counted("x-ignore-shared") + counted("mapped-ram"))
UUID = ("uuid", uuid.UUID("12345678-9abc-def0-1234-56789abcdef0").bytes)


def read(*subsections: tuple[str, bytes], known: VMStateDescription | None = None) -> Configuration:
    stream = Stream().configuration("virt-7.2", *subsections)
    end = len(stream.out)
    found = read_configuration(Memory(stream.finish()), 8, known)
    check_tiles(found.field)
    assert (found.field.offset, found.machine) == (8, "virt-7.2")
    if found.problem is None:
        assert found.field.size == end - 8
    return found


def test_the_machine_type_alone() -> None:
    found = read()
    assert (found.page_size, found.capabilities, found.problem) == (None, frozenset(), None)
    assert to_json(found.field) == {"len": 8, "name": b"virt-7.2".hex()}
    assert [leaf.kind for leaf in leaves(found.field)] == [Kind.FRAME, Kind.INTEGER, Kind.BUFFER]


def test_every_subsection() -> None:
    found = read(BITS, CAPABILITIES, UUID)
    assert found.page_size == 4096
    assert found.capabilities == {"x-ignore-shared", "mapped-ram"}
    assert to_json(found.field) == {
        "len": 8,
        "name": b"virt-7.2".hex(),
        "configuration/target-page-bits": {"target_page_bits": 12},
        "configuration/capabilities": {"caps_count": 2, "capabilities": ["x-ignore-shared", "mapped-ram"]},
        "configuration/uuid": {"uuid.data": list(UUID[1])},
    }
    assert child(found.field, "configuration/target-page-bits.target_page_bits").offset == 8 + 5 + 8 + 36


def test_no_capabilities() -> None:
    assert to_json(read(("capabilities", u32(0))).field)["configuration/capabilities"] == {"caps_count": 0}  # type: ignore[index]


@pytest.mark.parametrize(("bits", "size"), [(8, 256), (10, 1024), (16, 65536), (20, 1 << 20)])
def test_page_bits(bits: int, size: int) -> None:
    assert read(("target-page-bits", u32(bits))).page_size == size


@pytest.mark.parametrize("bits", [0, 7, 21, 64, 0x7FFFFFFF, 0xFFFFFFFF])
def test_page_bits_of_no_target(bits: int) -> None:
    assert read(("target-page-bits", u32(bits))).page_size is None


def test_an_unknown_subsection_is_told_and_ends_the_section() -> None:
    found = read(BITS, ("news", b"abc"))
    assert found.problem == "a subsection of the configuration is not known"
    assert found.page_size == 4096
    assert "configuration/news" not in to_json(found.field)  # type: ignore[operator]


def test_an_unknown_subsection_that_the_vmdesc_describes() -> None:
    news = VMStateDescription("configuration/news", 1, (VMStateField("n", "uint16", 2), VMStateField("b", "buffer", 3)))
    found = read(("news", b"\0\7abc"), BITS, known=VMStateDescription("configuration", 1, (), (news,)))
    assert found.problem is None
    assert to_json(found.field)["configuration/news"] == {"n": 7, "b": b"abc".hex()}  # type: ignore[index]
    assert found.page_size == 4096


def test_a_described_subsection_that_is_too_long() -> None:
    news = VMStateDescription("configuration/news", 1, (VMStateField("b", "buffer", 1 << 62),))
    found = read(("news", b"abc"), known=VMStateDescription("configuration", 1, (), (news,)))
    assert found.problem == (
        "a subsection of the configuration cannot be read: "
        "the stream ends within 4,611,686,018,427,387,904 bytes that should be here"
    )
    assert found.field.size == 5 + len("virt-7.2")


@pytest.mark.parametrize("length", [4097, 0x7FFFFFFF, 0xFFFFFFFF])
def test_an_absurd_machine_type(length: int) -> None:
    with pytest.raises(StreamError) as caught:
        read_configuration(Memory(b"\x07" + u32(length) + bytes(10_000)), 0)
    assert str(caught.value) == f"the machine type's name would be {length} bytes long (at stream offset 0x1)"


def test_an_absurd_number_of_capabilities() -> None:
    found = read(BITS, ("capabilities", u32(257) + bytes(1000)))
    assert found.problem == "a subsection of the configuration cannot be read: the stream claims 257 capabilities"
    assert found.page_size == 4096


def test_a_configuration_cut_short() -> None:
    data = bytes(Stream().configuration("virt-7.2", BITS, CAPABILITIES, UUID).out[8:])
    for length in range(1, len(data)):
        if length < 13:
            with pytest.raises(StreamError, match=r"^the stream ends within"):
                read_configuration(Memory(data[:length]), 0)
            continue
        found = read_configuration(Memory(data[:length]), 0)
        assert found.machine == "virt-7.2"
        assert found.field.size <= length
        assert (found.problem is None) == (found.field.size == length)
        assert (found.page_size == 4096) == (length >= 13 + 40)


def test_a_machine_type_that_is_no_utf_8() -> None:
    data = b"\x07" + u32(3) + b"a\xffb"
    assert read_configuration(Memory(data), 0).machine == "a\\xffb"


def test_subsections_without_end_are_bounded() -> None:
    one = b"\x05" + counted("configuration/capabilities") + u32(1) + u32(0)
    data = b"\x07" + u32(0) + one * 100_000
    tracemalloc.start()
    found = read_configuration(Memory(data), 0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.problem == "the configuration has more subsections than any machine writes"
    assert peak < 4 << 20


def test_a_state_knows_its_configuration() -> None:
    state = open_state(Memory(Stream().configuration("virt-7.2", BITS).full(body(scalar("a", "uint8", 1))).finish()))
    assert (state.machine, state.page_size, state.located) == ("virt-7.2", 4096, Located.TAIL)
    assert state.configuration is not None


@pytest.mark.parametrize("forward", [False, True])
def test_a_state_whose_configuration_goes_on_unknown_shows_its_devices(forward: bool) -> None:
    stream = Stream().configuration("virt-12", BITS, ("news", b"abc")).full(body(scalar("a", "uint8", 7)))
    state = open_state(Memory(stream.finish()), forward=forward)
    assert state.problems[0].message == "a subsection of the configuration is not known"
    assert [to_json(state.decode(s)) for s in state.sections] == [{"a": 7}]


@pytest.mark.parametrize("forward", [False, True])
def test_a_state_whose_configuration_is_absurd_shows_its_devices(forward: bool) -> None:
    stream = Stream().configuration().full(body(scalar("a", "uint8", 7)))
    stream.out[9:13] = b"\xff\xff\xff\xff"
    state = open_state(Memory(stream.finish()), forward=forward)
    assert state.problems[0].message == "the machine type's name would be 4294967295 bytes long"
    assert [to_json(state.decode(s)) for s in state.sections] == [{"a": 7}]


def test_a_state_without_a_configuration() -> None:
    state = open_state(Memory(Stream().full(body(scalar("a", "uint8", 1))).finish()))
    assert (state.machine, state.configuration) == (None, None)
