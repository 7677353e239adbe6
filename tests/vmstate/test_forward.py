"""The forward walk: commands, sections that nothing describes, and finding the way again after damage."""

from __future__ import annotations

import pytest

from tests.vmstate.checks import check_state, leaves, open_both, undescribed
from tests.vmstate.layouts import body, buffer, scalar, scalars
from tests.vmstate.streams import END_MARK, Memory, Stream, header, page, pattern, table, u16, u32, u64, zero
from vmsnap_gui.image.errors import Cancelled
from vmsnap_gui.vmstate import borders
from vmsnap_gui.vmstate.devices import VMState, open_state
from vmsnap_gui.vmstate.fields import Kind, to_json
from vmsnap_gui.vmstate.sections import Located, SectionType

CPU = body(scalars("regs", "uint64", [1, 2, 3]), name="cpu")
SERIAL = body(scalar("rbr", "uint8", 7), buffer("fifo", bytes(20)), name="serial")
RTC = body(scalar("t", "timer", -1), name="mc146818rtc")
RAM = (table(("pc.ram", 8192)), page(0, pattern(1), "pc.ram") + END_MARK, zero(4096, block="pc.ram") + END_MARK)


def forward(data: bytes) -> VMState:
    state = open_state(Memory(data), forward=True)
    check_state(state)
    assert state.located is Located.FORWARD
    return state


def keys(state: VMState) -> list[str]:
    return [s.key for s in state.sections if s.type is SectionType.FULL]


def messages(state: VMState) -> list[str]:
    return [p.message for p in state.problems]


def test_parts_and_ends_have_the_name_of_their_start() -> None:
    data = Stream().configuration().ram(*RAM, section_id=2).full(CPU).finish()
    state = forward(data)
    assert [(s.type, s.section_id, s.name, s.version) for s in state.sections] == [
        (SectionType.START, 2, "ram", 4),
        (SectionType.PART, 2, "ram", 4),
        (SectionType.END, 2, "ram", 4),
        (SectionType.FULL, 3, "cpu", 1),
    ]
    root = state.decode(state.sections[1])
    assert [leaf.kind for leaf in leaves(root)] == [Kind.FRAME, Kind.RECORDS, Kind.FRAME]
    assert to_json(root) == {}


def test_commands() -> None:
    advise = u64(4096) + u64(4096)
    stream = Stream().configuration().command(3, advise).command(0x0B).ram(*RAM, section_id=2)
    tail, walked = open_both(stream.command(0x0B).full(CPU).finish())
    assert [(c.type, c.section_id, c.payload_size, c.size) for c in walked.commands] == [
        (SectionType.COMMAND, 3, 16, 21),
        (SectionType.COMMAND, 11, 0, 5),
        (SectionType.COMMAND, 11, 0, 5),
    ]
    assert [c.section_id for c in tail.commands] == [3, 11]
    assert tail.problems == walked.problems == ()
    assert [leaf.kind for leaf in leaves(walked.decode(walked.commands[0]))] == [Kind.FRAME, Kind.RECORDS]


def test_a_command_before_the_first_device_without_ram() -> None:
    tail, walked = open_both(Stream().configuration().command(3, b"").full(CPU).finish())
    assert tail.problems == walked.problems == ()


@pytest.mark.parametrize("described", ["none", "vmdesc of others", "nothing at all"])
@pytest.mark.parametrize("footers", [True, False])
def test_sections_that_nothing_describes(footers: bool, described: str) -> None:
    stream = Stream(footers=footers).configuration().ram(*RAM, section_id=2)
    for device in (CPU, SERIAL, RTC):
        stream.full(device, described=described == "vmdesc of others" and device is SERIAL)
    data = stream.finish(vmdesc=described != "nothing at all")
    state = forward(data)
    assert keys(state) == ["cpu", "serial", "mc146818rtc"]
    assert [(s.offset, s.size) for s in state.sections] == [(at, size) for at, size, _ in stream.sections]
    by = "footer" if footers else "next header"
    bounded = [s.bounded_by for s in state.sections if s.type is SectionType.FULL]
    if described == "vmdesc of others":
        assert bounded == [by, None, "footer" if footers else "end"]
        assert messages(state) == [undescribed("2 sections")]
    else:
        assert bounded == [by, by, "footer" if footers else "end"]
        assert messages(state) == [undescribed("3 sections")]
    assert state.problems[0].offset == state.sections[3].offset
    root = state.decode(state.sections[3])
    assert to_json(root) == {"(raw)": CPU.data.hex()}
    assert root.problem == f"nothing describes this section; its end was found by the {by}"


@pytest.mark.parametrize("footers", [True, False])
def test_a_description_of_nothing_but_others_also_by_the_tail(footers: bool) -> None:
    """A section that the vmdesc leaves out breaks the chain of lengths; the forward walk takes over."""
    stream = Stream(footers=footers).configuration().full(CPU).full(SERIAL, described=False).full(RTC)
    state = open_state(Memory(stream.finish()))
    check_state(state)
    assert keys(state) == ["cpu", "serial", "mc146818rtc"]
    assert {s.name: state.is_described(s) for s in state.sections} == {
        "cpu": True, "serial": False, "mc146818rtc": True,
    }  # fmt: skip


def test_payloads_full_of_traps() -> None:
    """Bytes that look like this section's footer, other footers, headers and end marks stand in payloads."""
    for section_id in (3, 4, 5):
        foot = b"\x7e" + u32(section_id)
        inner = foot + foot + b"\x04junk" + foot + b"\x7e" * 7 + header(4, 1000, "a b\x7fc") + b"\0\x06\0\0\0\x02{}"
        traps = body(buffer("traps", inner), name="traps")
        stream = Stream().ram(*RAM, section_id=2).full(traps, described=False).full(traps, instance=1, described=False)
        state = forward(stream.full(CPU).finish())
        assert [(s.offset, s.size) for s in state.sections] == [(at, size) for at, size, _ in stream.sections]


def test_a_used_id_is_no_header() -> None:
    """Without footers a section that seems to start again inside another one is not taken for a section."""
    inner = header(4, 3, "cpu", 0, 1) + header(2, 77) + header(4, 1 << 21, "xx", 0, 1) + header(4, 90, "xx", 0, 1 << 29)
    traps = body(buffer("traps", b"abc" + inner), name="traps")
    stream = Stream(footers=False).ram(*RAM, section_id=2).full(CPU, described=False).full(traps, described=False)
    state = forward(stream.full(RTC, described=False).finish(vmdesc=False))
    assert [(s.offset, s.size) for s in state.sections] == [(at, size) for at, size, _ in stream.sections]


def test_the_last_section_ends_with_the_stream() -> None:
    stream = Stream(footers=False).ram(*RAM, section_id=2).full(CPU, described=False).full(RTC, described=False)
    state = forward(stream.finish(vmdesc=False))
    assert [s.bounded_by for s in state.sections[-2:]] == ["next header", "end"]
    assert state.sections[-1].end == state.view.size - 1
    assert state.end == state.view.size


@pytest.mark.parametrize("footers", [True, False])
def test_an_iterative_section_of_unknown_form(footers: bool) -> None:
    stream = Stream(footers=footers).configuration()
    stream.section(1, b"unknown", section_id=1, name="xyz").ram(*RAM, section_id=2)
    stream.section(2, b"more", section_id=1).section(3, b"last", section_id=1).full(CPU)
    tail, walked = open_both(stream.finish())
    assert [(s.type.name, s.name) for s in walked.sections] == [
        ("START", "xyz"), ("START", "ram"), ("PART", "ram"), ("END", "ram"), ("PART", "xyz"), ("END", "xyz"),
        ("FULL", "cpu"),
    ] if footers else [
        ("START", "xyz"), ("START", "ram"), ("PART", "ram"), ("END", "ram"), ("PART", "xyz"), ("FULL", "cpu"),
    ]  # fmt: skip
    assert [b.name for b in tail.ram_blocks] == ["pc.ram"]
    assert tail.index_ram().complete
    assert walked.index_ram().read(walked.index_ram().blocks[0], 0, 4096) == pattern(1)


def test_a_part_that_nothing_started() -> None:
    stream = Stream().configuration().ram(*RAM, section_id=2)
    stream.section(2, b"lost", section_id=9).full(CPU).full(RTC)
    state = forward(stream.finish())
    assert keys(state) == ["cpu", "mc146818rtc"]
    assert messages(state) == [
        "14 bytes here cannot be read as a section: a section part is for section id 9, which nothing started"
    ]
    assert state.problems[0].offset == stream.sections[3][0]


def test_bytes_between_sections() -> None:
    junk = b"\x99junk\x04\0\0\0\x50\x02xx" + bytes(30)
    stream = Stream().configuration().ram(*RAM, section_id=2).full(CPU).raw(junk).full(RTC)
    state = forward(stream.finish())
    assert keys(state) == ["cpu", "mc146818rtc"]
    assert messages(state) == [
        f"{len(junk)} bytes here cannot be read as a section: no section starts here: 0x99 is the type of none"
    ]
    tail = open_state(Memory(stream.finish()))
    assert keys(tail) == ["cpu", "mc146818rtc"]


def test_damage_inside_ram_keeps_the_devices_and_the_pages_before_it() -> None:
    pages = [page(4096 * i, pattern(i), "pc.ram" if i == 0 else None) for i in range(16)]
    pages[9] = b"\xff" * 8 + pages[9][8:]
    stream = Stream().ram(table(("pc.ram", 65536)), b"".join(pages) + END_MARK, END_MARK).full(CPU)
    data = stream.finish()
    for state in (open_state(Memory(data)), forward(data)):
        index = state.index_ram()
        assert not index.complete
        assert index.problem is not None
        assert index.problem.startswith("unknown flags 0xfff in a RAM section (at stream offset")
        states = index.blocks[0].states().tolist()
        assert states == [3] * 9 + [0] * 7
        assert keys(state) == ["cpu"]
    assert messages(forward(data)) == [f"ram: {index.problem}"]


def test_the_end_mark_is_missing() -> None:
    stream = Stream().configuration().ram(*RAM, section_id=2).full(CPU)
    state = forward(bytes(stream.out))
    assert keys(state) == ["cpu"]
    assert messages(state) == [
        "the walk stopped: the stream ends without its end mark",
        undescribed("1 section"),
    ]


def test_the_stream_ends_within_a_section() -> None:
    stream = Stream().configuration().ram(*RAM, section_id=2).full(CPU).full(SERIAL)
    state = forward(bytes(stream.out[:-12]))
    assert keys(state) == ["cpu", "serial"]
    assert messages(state) == [
        "the walk stopped: the stream ends without its end mark",
        "serial: the stream ends within this section",
        undescribed("1 section"),
    ]
    assert to_json(state.decode(state.sections[-1])) == {"(raw)": SERIAL.data[:-7].hex()}


def test_a_zero_byte_after_no_section_is_no_end() -> None:
    stream = Stream().configuration("pc").full(CPU).full(RTC)
    stream.out[9:13] = u32(0)  # the machine type's length: its text now stands where a section should
    stream.out[13:15] = b"\0\0"
    state = forward(stream.finish())
    assert keys(state) == ["cpu", "mc146818rtc"]
    assert messages(state) == [
        "2 bytes here cannot be read as a section: no section starts here: 0x00 is the type of none"
    ]


def test_many_damaged_places_are_bounded() -> None:
    stream = Stream()
    for i in range(100):
        stream.full(CPU, instance=i).raw(b"\xff\xff\xff")
    state = forward(stream.finish())
    assert len(state.sections) == 65
    assert len(state.problems) == 65
    assert state.problems[0].message == "the walk stopped: no section starts here: 0xff is the type of none"
    assert keys(open_state(Memory(stream.finish()))) == keys(state)


def test_more_commands_than_any_machine_sends() -> None:
    stream = Stream().raw((b"\x08" + u16(11) + u16(0)) * 3000).full(CPU)
    walked = forward(stream.finish())
    assert len(walked.commands) == 1024
    assert messages(walked) == [
        "9,880 bytes here cannot be read as a section: the stream has more commands than any machine sends"
    ]
    assert keys(walked) == keys(open_state(Memory(stream.finish()))) == ["cpu"]


def test_searching_windows_overlap(monkeypatch: pytest.MonkeyPatch) -> None:
    """Footers and headers that lie across the border of two search windows are found."""
    for footers in (True, False):
        for step in (7, 64, 100):
            monkeypatch.setattr(borders, "STEP", step)
            stream = Stream(footers=footers).ram(*RAM, section_id=2)
            for i in range(3):
                device = body(buffer("b", bytes(50 + 13 * i)), name=f"device-with-a-name-{i}")
                stream.full(device, described=False)
            state = forward(stream.finish(vmdesc=False))
            assert [(s.offset, s.size) for s in state.sections] == [(at, size) for at, size, _ in stream.sections]


def test_progress_and_cancel() -> None:
    pages = b"".join(page(4096 * i, pattern(i), "pc.ram" if i == 0 else None) for i in range(3000))
    data = Stream().ram(table(("pc.ram", 4096 * 3000)), pages + END_MARK, END_MARK).full(CPU).finish()
    seen: list[tuple[int, int]] = []
    open_state(Memory(data), forward=True, progress=lambda done, total: seen.append((done, total)))
    assert len(seen) >= 2
    assert {total for _, total in seen} == {len(data)}
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)

    def cancel(done: int, total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        open_state(Memory(data), forward=True, progress=cancel)
    state = open_state(Memory(data))
    with pytest.raises(Cancelled):
        state.index_ram(cancel)
    assert state.index_ram().complete


@pytest.mark.parametrize("footers", [True, False])
def test_many_small_sections_that_nothing_describes_in_a_long_stream(footers: bool) -> None:
    """What is read to find the end of one must not grow with what stands behind it."""
    stream = Stream(footers=footers)
    for i in range(400):
        stream.full(SERIAL, instance=i, described=False)
    view = Memory(stream.full(body(buffer("b", bytes(2 << 20)), name="big"), described=False).finish(vmdesc=False))
    state = open_state(view, forward=True)
    assert len(state.sections) == 401
    assert view.read_bytes < 8 * view.size


def test_a_stream_without_any_section_says_so() -> None:
    state = open_state(Memory(Stream().finish(vmdesc=False, padding=100)))
    assert messages(state) == ["the stream ends without any section"]
