"""Streams made by hand to be slow or large: bombs, claims near 2^64, and traps for anything that searches twice."""

from __future__ import annotations

import math
import time
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import pytest

from tests.fuzz.test_fuzz_stream import LONGEST, MEMORY, Report, drive
from tests.vmstate.layouts import body, buffer, scalar, scalars
from tests.vmstate.streams import (
    COMPRESSED,
    END_MARK,
    FLUSH,
    MEM_SIZE,
    Memory,
    Stream,
    counted,
    footer,
    header,
    page,
    pattern,
    record,
    table,
    u16,
    u32,
    u64,
    xbzrle,
    zero,
)
from vmsnap_gui.image.errors import Cancelled
from vmsnap_gui.vmstate.devices import VMState, open_state
from vmsnap_gui.vmstate.sections import SectionType

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.verify

MIB = 1 << 20
MUCH = 2_000_000
CPU = body(scalars("regs", "uint64", [1, 2, 3]), name="cpu")
SERIAL = body(scalar("rbr", "uint8", 7), name="serial")
RAM = (table(("ram", 65536)), page(0, pattern(1), "ram") + END_MARK, END_MARK)


def quickest(work: Callable[[], object], limit: float) -> float:
    """The seconds of processor time that some work takes; again where it is too long, since others use it, too."""
    seconds = math.inf
    for _ in range(3):
        started = time.process_time()
        work()
        seconds = min(seconds, time.process_time() - started)
        if seconds < limit:
            break
    return seconds


def check(data: bytes) -> VMState:
    """Do all that can be done with a stream, once against the clock and once counting memory."""
    seconds = quickest(lambda: drive(data, Report()), 2 * LONGEST)
    assert seconds < 2 * LONGEST, f"{seconds:.1f} seconds, by the tail and forward"
    tracemalloc.start()
    drive(data, Report())
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < MEMORY + 4 * len(data), f"{peak / MIB:.0f} MiB for {len(data) / MIB:.1f}"
    return open_state(Memory(data))


def names(state: VMState) -> list[str]:
    return [s.name for s in state.sections if s.type is SectionType.FULL]


def ram(records: bytes, *, length: int = 65536, page_size: int | None = 4096) -> bytes:
    """A stream with these records in a PART, and a device after it."""
    stream = Stream().configuration().ram(table(("ram", length)), records + END_MARK, END_MARK)
    return stream.full(CPU).finish(page_size=page_size)


def vmdesc(*entries: str) -> bytes:
    """A stream of two devices whose vmdesc has other entries instead."""
    text = '{"page_size": 4096, "devices": [' + ", ".join(entries) + "]}"
    return Stream().configuration().full(CPU).full(SERIAL).finish(vmdesc=text.encode())


def device(fields: str, name: str = "cpu") -> str:
    return f'{{"name": "{name}", "instance_id": 0, "vmsd_name": "{name}", "version": 1, "fields": [{fields}]}}'


def repeated(unit: bytes) -> bytes:
    return unit * (MUCH // len(unit))


def test_decompression_bombs() -> None:
    bomb = zlib.compress(bytes(4_000_000), 9)
    records = b"".join(
        record(4096 * i, COMPRESSED, "ram" if i == 0 else None, u32(len(bomb)) + bomb) for i in range(16)
    )
    state = check(ram(records))
    assert state.index_ram().complete
    with pytest.raises(Exception, match=r"^page 0 of block ram: a compressed page does not have the size of a page"):
        state.index_ram().read(state.index_ram().blocks[0], 0, 16)


@pytest.mark.parametrize("count", [10**9, (1 << 32) - 1, 1 << 63, (1 << 64) - 1])
@pytest.mark.parametrize("size", [0, 1, 8, 1 << 32])
@pytest.mark.parametrize("type_name", ["uint8", "struct", "buffer", "qtailq"])
def test_billions_of_elements(count: int, size: int, type_name: str) -> None:
    array = f'{{"name": "x", "array_len": {count}, "type": "{type_name}", "size": {size}}}'
    field = f'{{"name": "s", "type": "struct", "struct": {{"fields": [{array}]}}, "size": 24}}'
    for fields in (array, field, f"{array}, {field}"):
        assert names(check(vmdesc(device(fields), device('{"name": "y", "type": "uint8", "size": 1}', "serial")))) == [
            "cpu", "serial",
        ]  # fmt: skip


def test_elements_that_multiply() -> None:
    field = '{"name": "x", "type": "uint8", "size": 1}'
    for _ in range(40):
        field = f'{{"name": "s", "array_len": 2, "type": "struct", "struct": {{"fields": [{field}]}}, "size": 0}}'
    assert names(check(vmdesc(device(field)))) == ["cpu", "serial"]


def test_structs_around_every_byte() -> None:
    field = '{"name": "x", "array_len": 100000, "type": "uint8", "size": 1}'
    for _ in range(40):
        field = field.replace('"array_len": 100000, ', "")
        field = f'{{"name": "s", "array_len": 100000, "type": "struct", "struct": {{"fields": [{field}]}}, "size": 1}}'
    text = '{"devices": [' + device(field, "big") + "]}"
    check(Stream().full(body(buffer("b", bytes(100_000)), name="big")).finish(vmdesc=text.encode()))


def test_one_description_for_thousands_of_sections() -> None:
    """Each device may be dear to decode, but not all of those that have no bytes."""
    fields = '{"name": "x", "array_len": 60000, "type": "uint8", "size": 0}'
    stream = Stream()
    for i in range(3000):
        stream.full(body(name="dear"), instance=i, described=False)
    entries = ", ".join(device(fields, "dear").replace('_id": 0', f'_id": {i}') for i in range(3000))
    state = check(stream.finish(vmdesc=('{"devices": [' + entries + "]}").encode()))
    assert len(state.sections) == 3000


@pytest.mark.parametrize("length", [1 << 40, 1 << 63, (1 << 64) - 4096])
def test_blocks_of_astronomic_length(length: int) -> None:
    start = u64(min(length, (1 << 64) - 256) & ~0xFF | MEM_SIZE) + counted("ram") + u64(length & ~0xFF) + END_MARK
    body_ = zero(0, 0, "ram") + zero(length - 4096) + END_MARK
    state = check(Stream().ram(start, body_, END_MARK).full(CPU).finish())
    assert names(state) == ["cpu"]
    assert state.ram_blocks[0].length == length


def test_very_many_blocks() -> None:
    blocks = [(f"b{i}", 4096) for i in range(60_000)]
    assert names(check(Stream().ram(table(*blocks), END_MARK).full(CPU).finish())) == ["cpu"]
    check(Stream().ram(u64(1 << 62 | MEM_SIZE) + repeated(counted("b") + u64(0)), END_MARK).full(CPU).finish())


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 10_000 + b"]" * 10_000,
        b'{"a":' * 10_000 + b"1" + b"}" * 10_000,
        b'{"devices":' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"devices":[' + b'{"fields":[' * 10_000 + b"]}" * 10_000 + b"]}",
        b'{"devices":[' + b'{"name":"d","subsections":[' * 400 + b"]}" * 400 + b"]}",
        b'{"devices":[' + repeated(b"[],") + b"[]]}",
        b'{"devices":[' + repeated(b"{},") + b"{}]}",
        b'{"devices":' + repeated(b"[[],") + b"]}",
        b'{"devices":[' + repeated(b'{"name":"d","instance_id":0},') + b"{}]}",
        b'{"devices":[{"name":"d","fields":[' + repeated(b'{"name":"a","type":"b","size":0},') + b"{}]}]}",
        b'{"page_size":' + b"9" * MUCH + b"}",
        b'{"' + b"x" * MUCH + b'":1}',
        b'{"devices":[{"name":"' + b"x" * MUCH + b'"}]}',
        b'{"devices":[{"name":"' + repeated(b"\\u0000") + b'"}]}',
        b'{"devices":[{"name":"d","size":' + repeated(b'{"a":0,"a":0},').rstrip(b",") + b"}]}",
    ],
    ids=lambda text: f"{text[:40]!r}".replace("[", "(").replace("]", ")"),
)
def test_monstrous_descriptions(text: bytes) -> None:
    assert names(check(Stream().full(CPU).full(SERIAL).finish(vmdesc=text))) == ["cpu", "serial"]


def test_places_that_look_like_a_description() -> None:
    check(Stream().raw(repeated(b"\0\x06")).raw(b"}").finish(vmdesc=False)[:-1])
    check(Stream().raw(repeated(b"\0\x06\0\0\0\1{")).raw(b"}").finish(vmdesc=False)[:-1])
    check(Stream().raw(repeated(b"\0\x06\x01\x06\0\x06{")).raw(b"}").finish(vmdesc=False)[:-1])


@pytest.mark.parametrize("name", ["", "\\u0000", "\\u0000" * 5, "x"])
@pytest.mark.parametrize("filler", [b"\0", b"\1\0\0\0\0\0", b"\4\0\0\0\0\0\0\0\0\0", b"\4\0\0\0\0\1x\0\0\0\0\0\0\0\1"])
def test_searches_for_a_device_that_is_not_there(name: str, filler: bytes) -> None:
    text = '{"devices": [' + ", ".join(device("", name) for _ in range(100)) + "]}"
    check(Stream().full(CPU).raw(repeated(filler)).full(SERIAL).finish(vmdesc=text.encode()))


TRAPS: dict[str, Callable[[], bytes]] = {
    "footers of this section": lambda: repeated(footer(3)),
    "footers before other headers": lambda: repeated(footer(3) + header(2, 77)),
    "headers of used ids": lambda: repeated(header(4, 3, "cpu")),
    "headers of ids that are too high": lambda: repeated(header(4, 0x0F0FFF, "xx")[:1] + b"\0\x10" + bytes(14)),
    "headers of unprintable names": lambda: repeated(header(4, 99, "ab\x01")),
    "headers cut off": lambda: repeated(b"\x04\0\0\0\x50\xffab"),
    "end marks": lambda: repeated(footer(3) + b"\0\x05"),
    "descriptions": lambda: repeated(b'\0\x06\0\0\0\x10{"devices"'),
}


@pytest.mark.parametrize("what", TRAPS)
@pytest.mark.parametrize("footers", [True, False])
def test_traps_inside_a_section_that_nothing_describes(what: str, footers: bool) -> None:
    trap = body(buffer("b", b"x" + TRAPS[what]()), name="trap")
    stream = Stream(footers=footers).ram(*RAM, section_id=1).full(CPU).full(trap, described=False, section_id=3)
    state = check(stream.full(SERIAL).finish())
    assert "cpu" in names(state)
    assert state.problems


@pytest.mark.parametrize("footers", [True, False])
@pytest.mark.parametrize("size", [1, 200])
def test_very_many_sections_that_nothing_describes(footers: bool, size: int) -> None:
    stream = Stream(footers=footers)
    count = MUCH // 4 // (size + 25)
    for i in range(count):
        stream.full(body(buffer("b", bytes(size)), name="name"), instance=i, described=False)
    state = check(stream.finish(vmdesc=False))
    assert len(state.sections) == count


def device_of_old(name: str, version: int, payload: bytes, size: int) -> bytes:
    """A stream of about `size` bytes that tells nothing, of sections that are all alike."""
    stream = Stream(footers=False)
    device = body(buffer("b", payload), name=name)
    for _ in range(size // len(payload)):
        stream.full(device, version=version, described=False)
    return stream.finish(vmdesc=False)


@pytest.mark.parametrize(
    ("name", "version", "payload"),
    [("xhci", 1, b"\1" * (100 << 10)), ("qxl", 21, bytes(300)), ("scsi-disk", 1, b"\1" * (100 << 10))],
)
def test_sections_that_layouts_of_old_machines_nearly_fit(name: str, version: int, payload: bytes) -> None:
    """None is found in the end, but each may take much work to refuse; that the work ended is told, once."""
    data = device_of_old(name, version, payload, 1 << 20)
    state = check(data)
    told = [problem for problem in state.problems if "took too much work" in problem.message]
    assert len(told) == 1
    assert told[0].offset is not None

    many = device_of_old(name, version, payload, 8 << 20)
    seconds = quickest(lambda: open_state(Memory(many)), LONGEST)
    assert seconds < LONGEST, f"{seconds:.1f} seconds to open 8 MiB"

    def stop(done: int, total: int) -> None:
        assert 0 < done <= total == len(data)
        raise Cancelled

    with pytest.raises(Cancelled):
        open_state(Memory(data), progress=stop)


def test_very_many_sections_of_one_description() -> None:
    stream = Stream()
    for _ in range(20_000):
        stream.full(body(name="n"))
    assert len(check(stream.finish()).sections) == 20_000


def test_very_many_damaged_places() -> None:
    stream = Stream()
    for i in range(5000):
        stream.full(CPU, instance=i, described=i % 2 == 0).raw(b"\xff" * 40)
    check(stream.finish())


RECORDS: dict[str, Callable[[], bytes]] = {
    "multifd flushes": lambda: repeated(u64(FLUSH)),
    "zero pages": lambda: zero(0, 0, "ram") + repeated(zero(4096)),
    "zero pages that name their block": lambda: repeated(zero(4096, 0, "ram")),
    "zero pages of another fill each": lambda: zero(0, 0, "ram") + repeated(zero(0, 1) + zero(4096, 2)),
    "deltas of one page": lambda: zero(0, 0, "ram") + repeated(xbzrle(0, b"\0\1x")),
    "deltas of all pages": lambda: (
        zero(0, 0, "ram") + repeated(b"".join(xbzrle(4096 * i, b"\0\1x") for i in range(16)))
    ),
    "compressed pages": lambda: zero(0, 0, "ram") + repeated(record(4096, COMPRESSED, None, u32(0))),
    "runs of nine": lambda: repeated(zero(0, 0, "ram") + zero(4096) * 9 + u64(FLUSH)),
    "flushes and pages": lambda: zero(0, 0, "ram") + repeated(u64(FLUSH) + zero(4096)),
}


@pytest.mark.parametrize("what", RECORDS)
@pytest.mark.parametrize("page_size", [4096, None])
def test_records_without_end(what: str, page_size: int | None) -> None:
    state = check(ram(RECORDS[what](), page_size=page_size))
    assert state.index_ram().complete


def test_records_of_pages_far_apart() -> None:
    """Each touches another part of the arrays."""
    records = b"".join(zero((i * 7919 % (1 << 20)) * 4096, 0, "ram" if i == 0 else None) for i in range(MUCH // 9))
    assert check(ram(records, length=1 << 32)).index_ram().complete


@pytest.mark.parametrize("payload", [END_MARK, zero(0, 0, "ram") + END_MARK])
def test_very_many_parts(payload: bytes) -> None:
    stream = Stream().ram(table(("ram", 65536)), section_id=1)
    one = header(2, 1) + payload + footer(1)
    stream.out += one * 30_000
    stream.section(3, END_MARK, section_id=1)
    state = check(stream.full(CPU).finish())
    assert names(state) == ["cpu"]
    assert state.index_ram().complete


ITERATIVE: dict[str, tuple[str, Callable[[], bytes]]] = {
    "dirty bitmaps completed": ("dirty-bitmap", lambda: repeated(b"\x20")),
    "dirty bitmaps of nothing": ("dirty-bitmap", lambda: repeated(b"\x00")),
    "dirty bitmaps with empty names": ("dirty-bitmap", lambda: repeated(b"\x2c\0\0")),
    "dirty bitmaps started": ("dirty-bitmap", lambda: repeated(b"\x10" + bytes(5))),
    "dirty bitmap bits": ("dirty-bitmap", lambda: repeated(b"\x42" + bytes(12))),
    "block progress": ("block", lambda: repeated(u64(4))),
    "block zeroes": ("block", lambda: repeated(u64(9) + b"\0")),
    "htab records": ("spapr/htab", lambda: u32(0) + repeated(u32(1) + u16(0) + u16(1))),
    "storage attributes": ("s390-storage_attributes", lambda: repeated(u64(8))),
    "empty storage attributes": ("s390-storage_attributes", lambda: repeated(u64(2) + u64(0))),
    "vfio tags": ("d/vfio", lambda: repeated(u64(0xFFFFFFFFEF100003))),
}


@pytest.mark.parametrize("what", ITERATIVE)
def test_iterative_sections_without_end(what: str) -> None:
    name, make = ITERATIVE[what]
    stream = Stream().section(1, make(), section_id=1, name=name).ram(*RAM, section_id=2).full(CPU)
    assert names(check(stream.finish())) == ["cpu"]


def test_commands_without_end() -> None:
    assert names(check(Stream().raw(repeated(b"\x08\0\x0b\0\0")).full(CPU).finish())) == ["cpu"]


def test_a_configuration_without_end() -> None:
    one = b"\x05" + counted("configuration/capabilities") + u32(1) + u32(0)
    check(Stream().configuration("pc").raw(repeated(one)).full(CPU).finish())


def test_zeros() -> None:
    state = check(b"QEVM" + u32(3) + bytes(64 * MIB))
    assert [p.message for p in state.problems] == ["the stream ends without any section"]
    check(Stream().full(CPU).finish() + bytes(16 * MIB))
