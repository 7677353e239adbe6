"""Reading the wire: numbers, windows, ends; and headers and footers."""

from __future__ import annotations

import pytest

from tests.vmstate.streams import Memory, footer, header
from vmsnap_gui.vmstate.refusals import UnknownSectionType
from vmsnap_gui.vmstate.sections import MAX_HEADER, Header, SectionType, full_header
from vmsnap_gui.vmstate.sections import footer as written_footer
from vmsnap_gui.vmstate.wire import Reader, ShortRead, StreamError, text

DATA = bytes(range(256)) * 1024  # 256 KiB: four windows


def test_numbers_are_big_endian() -> None:
    reader = Reader(Memory(DATA), 1)
    assert (reader.u8(), reader.u16(), reader.u32(), reader.u64()) == (1, 0x0203, 0x04050607, 0x08090A0B0C0D0E0F)
    assert reader.position == 16
    assert reader.left == len(DATA) - 16


def test_reads_cross_window_borders() -> None:
    for start in ((64 << 10) - 3, (64 << 10) - 1, 64 << 10):
        reader = Reader(Memory(DATA), start - 8)
        reader.u64()
        assert reader.u64() == int.from_bytes(DATA[start : start + 8], "big")
        reader.position = 0
        assert reader.u8() == 0


def test_long_reads_pass_the_window_by() -> None:
    reader = Reader(Memory(DATA), 5)
    assert reader.bytes(200_000) == DATA[5:200_005]
    assert reader.bytes(0) == b""


def test_small_reads_share_one_window() -> None:
    view = Memory(DATA)
    reader = Reader(view)
    for _ in range(8000):
        reader.u64()
    assert view.reads == 1


def test_peek_is_shorter_at_the_end_and_does_not_move() -> None:
    reader = Reader(Memory(b"abcde"), 3)
    assert (reader.peek(10), reader.peek(1), reader.position) == (b"de", b"d", 3)
    reader.position = 9
    assert reader.peek(1) == b""
    reader.position = -1
    assert reader.peek(1) == b""


@pytest.mark.parametrize("position", [3, 5, 9, -1])
def test_reading_past_the_end_says_where(position: int) -> None:
    reader = Reader(Memory(b"abcde"), position)
    with pytest.raises(StreamError) as caught:
        reader.u32()
    assert caught.value.message == "the stream ends within 4 bytes that should be here"
    assert caught.value.offset == position


@pytest.mark.parametrize("length", [6, 1 << 63, (1 << 64) - 1, -1])
def test_skipping_is_bounded(length: int) -> None:
    reader = Reader(Memory(b"abcde"))
    with pytest.raises(StreamError, match=r"^the stream ends within .* bytes that should be here"):
        reader.skip(length)
    assert reader.position == 0


def test_a_huge_read_allocates_nothing() -> None:
    with pytest.raises(StreamError):
        Reader(Memory(b"abcde")).bytes(1 << 63)


def test_errors_name_the_offset_in_the_stream() -> None:
    assert str(StreamError("no section starts here", offset=0x1F)) == "no section starts here (at stream offset 0x1f)"
    assert str(StreamError("no section starts here")) == "no section starts here"


def test_names_that_are_no_utf_8_stay_visible() -> None:
    assert text("naïve".encode()) == "naïve"
    assert text(b"a\xff\xfeb") == "a\\xff\\xfeb"
    assert Reader(Memory(b"\x03a\xffb")).counted() == "a\\xffb"


@pytest.mark.parametrize("name", ["", "ram", "0000:00:1f.2/ich9_ahci", "x" * 255])
@pytest.mark.parametrize("instance_id", [0, 1, 0x80000000, 0xFFFFFFFF])
def test_full_headers(name: str, instance_id: int) -> None:
    data = header(4, 7, name, instance_id, 3)
    assert full_header(7, name, instance_id, 3) == data
    found = Header.parse(data + b"payload")
    assert found == Header(SectionType.FULL, 7, name, instance_id, 3, len(data))
    assert len(data) <= MAX_HEADER


def test_headers_of_parts_only_repeat_the_id() -> None:
    assert Header.parse(header(2, 9)) == Header(SectionType.PART, 9, "", 0, 0, 5)
    assert Header.parse(header(3, 9)) == Header(SectionType.END, 9, "", 0, 0, 5)
    assert Header.parse(header(1, 9, "ram", 0, 4)) == Header(SectionType.START, 9, "ram", 0, 4, 17)


@pytest.mark.parametrize("kind", [0x00, 0x05, 0x06, 0x07, 0x08, 0x7E, 0xFF])
def test_other_types_are_no_headers(kind: int) -> None:
    assert Header.parse(bytes([kind]) + header(4, 7, "cpu")[1:]) is None


def test_headers_that_are_cut_short_are_none() -> None:
    for kind in (1, 2, 3, 4):
        data = header(kind, 7, "cpu", 1, 2)
        assert [Header.parse(data[:n]) for n in range(len(data))] == [None] * len(data)


def test_reading_a_header_moves_past_it() -> None:
    reader = Reader(Memory(b"xx" + header(4, 7, "cpu") + b"payload"), 2)
    assert Header.read(reader).name == "cpu"
    assert reader.peek(7) == b"payload"
    at = reader.position
    with pytest.raises(UnknownSectionType) as caught:
        Header.read(reader)
    found = caught.value.message, caught.value.offset
    assert found == ("no section starts here: 0x70 is the type of none", at)


def test_reading_a_header_that_is_cut_short() -> None:
    data = header(4, 7, "cpu", 1, 2)
    for length in range(len(data)):
        with pytest.raises(ShortRead):
            Header.read(Reader(Memory(data[:length])))


def test_footers() -> None:
    assert written_footer(0x01020304) == footer(0x01020304) == b"\x7e\x01\x02\x03\x04"
