"""Finding the devices from a stream's end: padding, traps in the vmdesc's length, wrong descriptions, and cut ends."""

from __future__ import annotations

import json

import pytest

from tests.vmstate.checks import check_state, open_both, problems, undescribed
from tests.vmstate.layouts import Body, Item, body, buffer, entry, nested, null, pointers, scalar, scalars
from tests.vmstate.streams import END_MARK, Memory, Stream, page, pattern, table, u32, zero
from vmsnap_gui.image.errors import Cancelled
from vmsnap_gui.vmstate.devices import VMState, open_state
from vmsnap_gui.vmstate.fields import to_json
from vmsnap_gui.vmstate.sections import Located, SectionType
from vmsnap_gui.vmstate.tail import find_tail, tail_at
from vmsnap_gui.vmstate.wire import StreamError

CPU = body(scalars("regs", "uint64", [1, 2, 3]), scalar("eip", "uint64", 0x7C00), name="cpu")
SERIAL = body(scalar("rbr", "uint8", 7), name="serial", version=3)
PCI = body(buffer("config", bytes(64)), name="0000:00:02.0/e1000")
RAM = (table(("pc.ram", 8192)), page(0, pattern(1), "pc.ram") + zero(4096) + END_MARK, END_MARK)
"""The RAM of a tiny machine: START, PART and END."""


def machine(*, footers: bool = True) -> Stream:
    """A small machine: configuration, RAM, four devices, two of one name."""
    stream = Stream(footers=footers).configuration().ram(*RAM, section_id=2)
    return stream.full(CPU).full(CPU, instance=1).full(SERIAL, version=3).full(PCI)


def names(state: VMState) -> list[str]:
    return [s.key for s in state.sections if s.type is SectionType.FULL]


def values(state: VMState) -> dict[str, object]:
    return {s.key: to_json(state.decode(s)) for s in state.sections if s.type is SectionType.FULL}


def test_reading_over_padding_can_be_cancelled() -> None:
    data = machine().finish(padding=5 << 20)
    seen: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        seen.append((done, total))
        if len(seen) == 3:
            raise Cancelled

    with pytest.raises(Cancelled):
        open_state(Memory(data), progress=stop)
    assert seen == [((4 << 10) + (mib << 20), len(data)) for mib in (0, 1, 2)]


@pytest.mark.parametrize("footers", [True, False])
@pytest.mark.parametrize("padding", [0, 1, 511, 65536, (1 << 20) + 3])
def test_zeros_may_follow(footers: bool, padding: int) -> None:
    tail, forward = open_both(machine(footers=footers).finish(padding=padding))
    assert (tail.located, forward.located) == (Located.TAIL, Located.FORWARD)
    assert tail.problems == forward.problems == ()
    assert names(tail) == ["cpu", "cpu:1", "serial", "0000:00:02.0/e1000"]
    assert values(tail)["cpu:1"] == {"regs": [1, 2, 3], "eip": 0x7C00}
    assert tail.end == forward.end == tail.view.size - padding
    assert [(b.name, b.length) for b in tail.ram_blocks] == [("pc.ram", 8192)]


def test_a_section_of_another_version_than_its_description_is_told() -> None:
    stream = Stream().configuration().full(CPU, version=CPU.version + 1).full(SERIAL)
    for state in open_both(stream.finish()):
        (problem,) = state.problems
        assert problem.message == f"cpu: it is of version {CPU.version + 1}, but described as of version {CPU.version}"
        assert problem.offset == state.sections[0].offset


def test_the_tail_reads_no_page() -> None:
    pages = b"".join(page(4096 * i, pattern(i), "pc.ram" if i == 0 else None) for i in range(1000))
    view = Memory(Stream().ram(table(("pc.ram", 4096 * 1000)), pages + END_MARK, END_MARK).full(CPU).finish())
    state = open_state(view)
    assert state.located is Located.TAIL
    assert state.unwalked is not None
    start, size = state.unwalked
    assert size > 1000 * 4096
    assert view.reads < 20
    assert start + size == state.sections[-1].offset


@pytest.mark.parametrize("length", [0x067B, 0x7B06, 0x067B06, 0x060000, 0x067B7B])
def test_a_length_that_looks_like_a_description_itself(length: int) -> None:
    stream = machine()
    text = stream.vmdesc()
    padded = text[:-1] + b" " * (length - len(text)) + b"}"
    if len(padded) != length:
        padded = b'{"devices": [' + b" " * (length - 15) + b"]}"
    tail = find_tail(Memory(stream.finish(vmdesc=padded)))
    assert tail is not None
    assert tail.end - tail.desc_offset == 5 + length
    assert tail.eof == len(stream.out)


@pytest.mark.parametrize("size", [70_000, (1 << 20) - 5, (1 << 20) + 1, 17 << 20])
def test_long_descriptions(size: int) -> None:
    stream = machine()
    text = stream.vmdesc()
    tail, _ = open_both(stream.finish(vmdesc=text[:-1] + b" " * (size - len(text)) + b"}"))
    assert (tail.located, tail.problems) == (Located.TAIL, ())
    assert len(names(tail)) == 4


def test_a_stream_without_sections() -> None:
    tail, forward = open_both(Stream().configuration().finish())
    assert tail.sections == forward.sections == ()
    assert tail.problems == forward.problems == ()


def test_no_description() -> None:
    assert find_tail(Memory(machine().finish(vmdesc=False))) is None
    assert find_tail(Memory(b"")) is None
    assert find_tail(Memory(b"}")) is None
    assert find_tail(Memory(bytes(3 << 20))) is None


@pytest.mark.parametrize("text", [b"{]}", b"{'a': 1}", b'{"devices": [}', b"{\xff}"])
def test_a_description_that_is_no_json_is_told_and_the_sections_are_found_forward(text: bytes) -> None:
    state = open_state(Memory(machine().finish(vmdesc=text)))
    check_state(state)
    assert state.located is Located.FORWARD
    assert state.problems[0].message.startswith("the description is no JSON that can be read: ")
    assert [p.message for p in state.problems[1:]] == [undescribed("4 sections")]
    assert names(state) == ["cpu", "cpu:1", "serial", "0000:00:02.0/e1000"]


def test_a_description_cut_short() -> None:
    data = machine().finish()
    whole = len(machine().vmdesc())
    start = len(data) - whole
    for end in range(start - 6, len(data)):
        state = open_state(Memory(data[:end]))
        check_state(state)
        assert names(state) == ["cpu", "cpu:1", "serial", "0000:00:02.0/e1000"]
        assert len(state.index_ram().blocks) == 1
        if end >= start:
            # A cut may leave zeros at the end, which are no part of it; here there are none.
            message = f"the description is cut short: of its {whole} bytes only {end - start} are here"
            assert [p.message for p in state.problems] == [
                message,
                undescribed("4 sections"),
            ]


@pytest.mark.parametrize("junk", [b"x", b"}", b"\0" * 100 + b"junk}", bytes(70_000) + b"\x06\0\0\0\x01{}"])
@pytest.mark.parametrize("footers", [True, False])
@pytest.mark.parametrize("forward", [False, True])
def test_other_bytes_after_the_stream(junk: bytes, footers: bool, forward: bool) -> None:
    data = machine(footers=footers).finish()
    state = open_state(Memory(data + junk), forward=forward)
    check_state(state)
    left = len(junk.lstrip(b"\0"))
    behind = "1 byte" if left == 1 else f"{left:,} bytes"
    where = len(data) + len(junk) - left
    assert [(p.message, p.offset) for p in state.problems] == [(f"the stream has {behind} behind it", where)]
    assert values(state) == values(open_state(Memory(data)))


@pytest.mark.parametrize(
    ("vmdesc", "footers", "padding"), [(True, True, 0), (True, False, 0), (True, True, 5000), (False, True, 0)]
)
@pytest.mark.parametrize("next_vmdesc", [True, False])
def test_a_stream_behind_another_is_told_and_not_mixed_in(
    vmdesc: bool, footers: bool, padding: int, next_vmdesc: bool
) -> None:
    first = machine(footers=footers).finish(vmdesc=vmdesc)
    second = Stream(footers=footers).configuration("pc-i440fx-9.0").ram(*RAM, section_id=2).full(CPU).full(PCI)
    data = first + bytes(padding) + second.finish(vmdesc=next_vmdesc)
    alone, state = open_state(Memory(first)), open_state(Memory(data), joined=True)
    check_state(state)
    follows = f"the stream has {len(data) - len(first) - padding:,} bytes behind it; another saved state starts there"
    told = [(p.message, p.offset) for p in state.problems if p not in alone.problems]
    assert told == [(f"{follows}, which is not shown", len(first) + padding)]
    assert state.end == len(first)
    assert state.machine == "pc-q35-10.0"
    assert values(state) == values(alone)
    assert names(state) == names(alone)


def test_the_index_tells_of_a_second_stream_that_was_not_seen() -> None:
    data = machine(footers=True).finish()
    state = open_state(Memory(data + data))
    assert state.located is Located.TAIL
    assert state.index_ram().problem == (
        "an end mark stands before the devices that are shown: the file holds several states"
    )


def test_what_stands_after_the_end_mark() -> None:
    assert tail_at(Memory(b"\0"), 1) is None
    assert tail_at(Memory(b"\0\x06\0\0"), 1) is None
    with pytest.raises(StreamError, match=r"^the description is cut short: of its 4294967295 bytes only 2 are here"):
        tail_at(Memory(b"\0\x06\xff\xff\xff\xff{}"), 1)
    with pytest.raises(StreamError, match=r"^the description is 33554433 bytes long, more than any machine writes"):
        tail_at(Memory(b"\0\x06\x02\0\0\x01" + bytes(0x2000001)), 1)
    found = tail_at(Memory(b"\0\x06\0\0\0\x02{}more"), 1)
    assert found is not None
    assert (found.eof, found.desc_offset, found.end) == (0, 1, 8)


@pytest.mark.parametrize("footers", [True, False])
def test_early_devices_before_ram(footers: bool) -> None:
    stream = Stream(footers=footers).configuration()
    early = body(scalar("size", "uint64", 1 << 30), name="virtio-mem-early")
    stream.full(early).full(early, instance=1).ram(*RAM, section_id=5).full(CPU).full(SERIAL)
    tail, forward = open_both(stream.finish())
    assert (tail.located, tail.problems, forward.problems) == (Located.TAIL, (), ())
    assert names(tail) == ["virtio-mem-early", "virtio-mem-early:1", "cpu", "serial"]
    assert all(tail.is_described(s) for s in tail.sections if s.type is SectionType.FULL)


def test_early_devices_without_ram() -> None:
    tail, forward = open_both(Stream().configuration().full(SERIAL).full(CPU).finish())
    assert (tail.located, tail.problems, forward.problems) == (Located.TAIL, (), ())


def test_early_devices_that_are_not_described() -> None:
    stream = Stream().configuration().full(SERIAL, described=False).ram(*RAM, section_id=2).full(CPU)
    state = open_state(Memory(stream.finish()))
    check_state(state)
    assert names(state) == ["serial", "cpu"]
    assert values(state)["cpu"] == CPU.value
    assert [p.message for p in state.problems] == [undescribed("1 section")]


@pytest.mark.parametrize("instance", [0x80000000, 0xFFFFFFFF, 0x71000003])
@pytest.mark.parametrize("signed", [False, True])
def test_high_instance_ids(instance: int, signed: bool) -> None:
    stream = Stream().full(SERIAL, instance=instance)
    if signed and instance >= 1 << 31:
        stream.devices[0][1] = ("instance_id", instance - (1 << 32))
    tail, _ = open_both(stream.finish())
    assert (names(tail), tail.problems) == ([f"serial:{instance}"], ())


NULLS = [None, body(scalar("x", "uint16", 5), name="sub"), None, body(scalar("x", "uint16", 5), name="sub")]
WRONG = entry("css", "struct", 1, ("struct", ()), before=("array_len", 4))
CSS = Body("s390_css", (pointers("css", NULLS), scalar("after", "uint8", 9)))
CSS_WRONG = Body("s390_css", (Item("css", b"0000", (WRONG,), None), scalar("after", "uint8", 9)))


@pytest.mark.parametrize("footers", [True, False])
@pytest.mark.parametrize("position", ["first", "middle", "last"])
def test_a_wrong_description_is_recovered_from(footers: bool, position: str) -> None:
    """QEMU before 9.2 describes arrays of pointers that mix NULL and others as if all were like the first."""
    stream = Stream(footers=footers).configuration().ram(*RAM, section_id=1)
    if position != "first":
        stream.full(CPU).full(SERIAL, version=3)
    stream.full(CSS, pairs=CSS_WRONG.pairs)
    if position != "last":
        stream.full(CPU, instance=1).full(PCI)
    data = stream.finish()
    tail, forward = open_state(Memory(data)), open_state(Memory(data), forward=True)
    for state in (tail, forward):
        check_state(state)
        css = next(s for s in state.sections if s.name == "s390_css")
        assert css.payload_size == len(CSS.data) == 7
        root = state.decode(css)
        assert to_json(root) == {"css": [None, "00", "05", None], "after": 0, "(raw)": "0509"}
        assert problems(root)[0] == ("(raw)", "2 bytes that the description does not cover")
        others = {name: value for name, value in values(state).items() if name != "s390_css"}
        first = {"cpu": CPU.value, "serial": SERIAL.value} if position != "first" else {}
        last = {"cpu:1": CPU.value, "0000:00:02.0/e1000": PCI.value} if position != "last" else {}
        assert others == first | last
        full = [s for s in state.sections if s.type is SectionType.FULL]
        assert [s.name for s in full if not state.is_described(s)] == ["s390_css"]
        assert len(state.problems) == 1
        assert state.problems[0].offset == css.offset
    assert tail.located is Located.TAIL
    assert tail.problems[0].message == (
        "s390_css: the description gives this section 5 bytes, but it has 7: what fits is decoded, the rest shown raw"
    )
    assert forward.problems == tail.problems
    assert [s for s in tail.sections if s.type is SectionType.FULL] == [
        s for s in forward.sections if s.type is SectionType.FULL
    ]
    assert values(tail) == values(forward)


@pytest.mark.parametrize("footers", [True, False])
def test_a_description_that_says_too_much(footers: bool) -> None:
    stream = Stream(footers=footers).full(CPU)
    longer = body(scalar("rbr", "uint8", 7), buffer("fifo", bytes(16)), name="serial")
    data = stream.full(SERIAL, pairs=longer.pairs, version=1).full(PCI).finish()
    for forward in (False, True):
        state = open_state(Memory(data), forward=forward)
        check_state(state)
        assert values(state)["cpu"] == CPU.value
        assert values(state)["0000:00:02.0/e1000"] == PCI.value
        assert len(state.problems) == 1


def test_a_wrong_description_whose_stream_has_another_version() -> None:
    data = Stream().full(CPU).full(CSS, pairs=CSS_WRONG.pairs, version=77).full(PCI).finish()
    state = open_state(Memory(data))
    assert state.located is Located.TAIL
    assert [s.version for s in state.sections] == [1, 77, 1]


def test_a_wrong_description_of_a_section_whose_payload_holds_headers() -> None:
    """The nearest header before the section's end need not be its own: what is inside must not be taken for it."""
    inner = Stream().full(body(scalar("x", "uint32", 5), name="s390_css")).out[8:]
    long = Body("s390_css", (buffer("blob", bytes(inner) * 2), scalar("after", "uint8", 9)))
    short = Body("s390_css", (buffer("blob", b"x"),))
    data = Stream().full(CPU).full(long, pairs=short.pairs, section_id=1).full(PCI).finish()
    state = open_state(Memory(data))
    check_state(state)
    assert names(state) == ["cpu", "s390_css", "0000:00:02.0/e1000"]
    assert next(s for s in state.sections if s.name == "s390_css").payload_size == len(long.data)


def test_a_payload_that_ends_like_a_footer() -> None:
    liar = body(buffer("b", b"abc\x7e\0\0\0\x01"), name="liar")
    tail, forward = open_both(Stream(footers=False).full(CPU).full(liar).finish())
    assert tail.problems == forward.problems == ()
    assert names(tail) == ["cpu", "liar"]


def test_a_description_of_other_devices_leads_forward() -> None:
    stream = machine()
    stream.devices[2][0] = ("name", "parallel")
    state = open_state(Memory(stream.finish()))
    check_state(state)
    assert state.located is Located.FORWARD
    assert names(state) == ["cpu", "cpu:1", "serial", "0000:00:02.0/e1000"]
    assert [p.message for p in state.problems] == [
        "the description does not fit what stands before this; walked forward instead",
        undescribed("1 section"),
    ]
    assert values(state)["cpu"] == CPU.value


@pytest.mark.parametrize("name", ["", "\0", "\0\0\0\0\0", "x" * 255, "x" * 256, "x" * 4096, "a\\b[.*"])
def test_odd_names_of_devices(name: str) -> None:
    stream = machine()
    stream.devices[2][0] = ("name", name)
    state = open_state(Memory(stream.finish()))
    check_state(state)
    assert len(names(state)) == 4


def test_a_device_that_is_not_usable_leads_forward() -> None:
    stream = machine()
    document = json.loads(stream.vmdesc())
    document["devices"][1]["fields"][0]["size"] = -1
    state = open_state(Memory(stream.finish(vmdesc=json.dumps(document).encode())))
    check_state(state)
    assert state.located is Located.FORWARD
    assert [p.message for p in state.problems] == [
        "entry 1 of the description's devices is not usable: its 'size' is -1",
        undescribed("1 section"),
    ]
    found = values(state)
    assert (found["cpu"], found["serial"]) == (CPU.value, SERIAL.value)
    assert found["cpu:1"] == {"(raw)": CPU.data.hex()}


def test_a_section_saved_twice_is_described_once() -> None:
    stream = Stream().full(CPU).full(CPU, described=False)
    state = open_state(Memory(stream.finish()), forward=True)
    check_state(state)
    assert [state.is_described(s) for s in state.sections] == [True, False]


def test_null_arrays_described_rightly_need_no_recovery() -> None:
    tail, forward = open_both(Stream().full(CSS).full(body(null("p"), nested("s", CPU))).finish())
    assert tail.problems == forward.problems == ()


def test_a_lone_page_size() -> None:
    state = open_state(Memory(Stream().finish(page_size=1024)))
    assert state.page_size == 1024
    assert (
        open_state(Memory(Stream().configuration("m", ("target-page-bits", u32(13))).finish(page_size=None))).page_size
        == 8192
    )
