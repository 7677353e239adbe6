"""Iterative sections other than RAM, which no vmdesc describes: framed by their own formats."""

from __future__ import annotations

import pytest

from tests.vmstate.checks import check_state, open_both
from tests.vmstate.layouts import body, scalar
from tests.vmstate.streams import END_MARK, Memory, Stream, counted, page, pattern, table, u16, u32, u64
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.iterative import payload_skipper
from vmsnap_gui.vmstate.sections import SectionType
from vmsnap_gui.vmstate.wire import Reader, StreamError

CPU = body(scalar("eip", "uint64", 0x7C00), name="cpu")
RAM = (table(("pc.ram", 4096)), page(0, pattern(1), "pc.ram") + END_MARK, END_MARK)
MIB = 1 << 20

HTAB_RECORDS = u32(0) + u32(5) + u16(2) + u16(3) + bytes(32) + u32(0) + u16(1) + u16(0) + bytes(16) + bytes(8)
BITMAP_START = b"\x1c" + counted("drive0") + counted("bitmap0") + u32(65536) + b"\x04"
BITS = b"\x44" + counted("bitmap0") + u64(0) + u32(512) + u64(4) + b"\xff\0\xff\0"
VFIO_END, VFIO_CONFIG, VFIO_SETUP, VFIO_DATA, VFIO_INIT_SENT = (u64(0xFFFFFFFFEF100001 + i) for i in range(5))

PAYLOADS = {
    "block, empty (0.12 to 1.0)": ("block", u64(2)),
    "block": (
        "block",
        u64(0 << 9 | 1) + counted("ide0-hd0") + b"x" * MIB
        + u64(2048 << 9 | 9) + counted("ide0-hd0")
        + u64(50 << 9 | 4) + u64(2),
    ),
    "block, the last chunk is the end": ("block", u64(3) + counted("ide0-hd0") + bytes(MIB)),
    "htab, no table": ("spapr/htab", u32(0xFFFFFFFF)),
    "htab, the size shift": ("spapr/htab", u32(18)),
    "htab": ("spapr/htab", HTAB_RECORDS),
    "storage attributes": ("s390-storage_attributes", u64(0x2000 | 2) + u64(5) + b"abcde" + u64(8) + u64(1)),
    "dirty bitmap": ("dirty-bitmap", BITMAP_START + BITS + b"\x42" + u64(512) + u32(512) + b"\x20\x01"),
    "dirty bitmap, nothing": ("dirty-bitmap", b"\x01"),
    "vfio": ("0000:00:05.0/vfio", VFIO_SETUP + VFIO_DATA + u64(3) + b"abc" + VFIO_INIT_SENT + VFIO_END),
}  # fmt: skip


@pytest.mark.parametrize("footers", [True, False])
@pytest.mark.parametrize("what", PAYLOADS)
def test_every_known_form(what: str, footers: bool) -> None:
    name, payload = PAYLOADS[what]
    stream = Stream(footers=footers).configuration().section(1, payload, section_id=1, name=name)
    stream.ram(*RAM, section_id=2)
    stream.section(2, payload, section_id=1).section(3, payload, section_id=1).full(CPU)
    tail, forward = open_both(stream.finish())
    assert [(s.offset, s.size, s.bounded_by) for s in forward.sections] == [
        (at, size, None) for at, size, _ in stream.sections
    ]
    assert tail.problems == forward.problems == ()
    assert [s.name for s in forward.sections if s.type is not SectionType.FULL].count(name) == 3
    assert [b.name for b in tail.ram_blocks] == ["pc.ram"]
    assert tail.index_ram().complete


@pytest.mark.parametrize("what", PAYLOADS)
def test_every_form_cut_short_says_so(what: str) -> None:
    name, payload = PAYLOADS[what]
    skip = payload_skipper(name)
    assert skip is not None
    cuts = range(len(payload)) if len(payload) < 1000 else [0, 7, 8, 9, 17, 1000, len(payload) - 1]
    for cut in cuts:
        with pytest.raises(StreamError, match=r"^the stream ends within"):
            skip(Reader(Memory(payload[:cut])))


@pytest.mark.parametrize(
    ("name", "payload", "message"),
    [
        ("block", u64(8), "unknown flags 0x8 in a block section"),
        ("block", u64(0), "unknown flags 0x0 in a block section"),
        ("s390-storage_attributes", u64(4), "unknown flags 0x4 in the storage attributes"),
        ("dirty-bitmap", b"\x80\x80\x01\0", "unknown flags 0x80800100 in a dirty bitmap section"),
        ("dirty-bitmap", b"\x80\x10", "unknown flags 0x8010 in a dirty bitmap section"),  # QEMU never sends two bytes
        ("dirty-bitmap", b"\0", "unknown flags 0x0 in a dirty bitmap section"),
        ("dirty-bitmap", b"\x0c\1a\1b", "unknown flags 0xc in a dirty bitmap section"),
        ("x/vfio", u64(7), "unknown tag 0x7 in a VFIO section"),
        ("x/vfio", VFIO_CONFIG, "a VFIO device's own configuration has no length of its own"),
        ("dirty-bitmap", b"\x20" * 70_000, "a dirty bitmap section completes more bitmaps than it can hold"),
    ],
)
def test_what_is_of_no_known_form(name: str, payload: bytes, message: str) -> None:
    skip = payload_skipper(name)
    assert skip is not None
    with pytest.raises(StreamError) as caught:
        skip(Reader(Memory(payload + bytes(100))))
    assert caught.value.message == message


def test_lengths_near_the_limit_of_64_bits() -> None:
    for name, payload in (
        ("s390-storage_attributes", u64(2) + u64((1 << 64) - 1)),
        ("dirty-bitmap", b"\x40" + bytes(12) + u64(1 << 63)),
        ("x/vfio", VFIO_DATA + u64((1 << 64) - 8)),
    ):
        skip = payload_skipper(name)
        assert skip is not None
        with pytest.raises(StreamError, match=r"^the stream ends within"):
            skip(Reader(Memory(payload + bytes(100))))


@pytest.mark.parametrize("name", ["xyz", "", "vfio", "ram"])
def test_other_names_have_no_known_form(name: str) -> None:
    assert payload_skipper(name) is None


def test_a_vfio_configuration_is_bounded_by_its_footer() -> None:
    """What a VFIO device appends in its END section has no length; the footer after it tells."""
    stream = Stream().ram(*RAM, section_id=1).section(1, VFIO_SETUP + VFIO_END, section_id=2, name="d/vfio")
    stream.section(3, VFIO_CONFIG + bytes(300) + VFIO_END, section_id=2).full(CPU)
    state = open_state(Memory(stream.finish()), forward=True)
    check_state(state)
    assert [(s.offset, s.size) for s in state.sections] == [(at, size) for at, size, _ in stream.sections]
    assert state.sections[-2].bounded_by == "footer"
    assert state.problems[0].message.startswith("d/vfio: a VFIO device's own configuration has no length of its own")


def test_a_full_section_of_an_iterative_name_is_a_device() -> None:
    """Only START, PART and END are written by iterative code."""
    tail, forward = open_both(Stream().full(body(scalar("x", "uint8", 1), name="block")).finish())
    assert tail.problems == forward.problems == ()
