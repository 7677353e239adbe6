"""Exporting through the registry: sections in the order that they have, and what no QEMU could load is refused."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest

from tests.vmstate.checks import check_state
from tests.vmstate.layouts import Body, Item, body, buffer, entry, scalar
from tests.vmstate.rams import Guest, content, state_of
from tests.vmstate.streams import END_MARK, Memory, Stream, counted, page, pattern, table, u32, u64
from tests.vmstate.test_ram_table import mapped
from vmsnap_gui.image.errors import Cancelled
from vmsnap_gui.vmstate import ram_saving
from vmsnap_gui.vmstate.devices import VMState, open_state
from vmsnap_gui.vmstate.editing import edit_of
from vmsnap_gui.vmstate.exporting import write_stream
from vmsnap_gui.vmstate.ram import PageState
from vmsnap_gui.vmstate.ram_saving import RamHandler
from vmsnap_gui.vmstate.refusals import TransferError
from vmsnap_gui.vmstate.registry import Registry
from vmsnap_gui.vmstate.sections import SectionType
from vmsnap_gui.vmstate.sending import StreamForm
from vmsnap_gui.vmstate.wire import Reader, StreamError
from vmsnap_gui.vmstate.writer import Writer

CPU = body(scalar("eip", "uint64", 0xFFF0), name="cpu")
RTC = body(scalar("tick", "uint8", 3), name="mc146818rtc")
BLOCK_END = u64(0x02)
RAM = table(("pc.ram", 65536))


def exported(state: VMState, *wishes: str, ram: RamHandler | None = None) -> bytes:
    sink = io.BytesIO()
    size = write_stream(state, [edit_of(state, wish) for wish in wishes], Writer(sink), ram=ram)
    assert size == len(sink.getvalue())
    return sink.getvalue()


def pages(first: int, count: int = 1) -> bytes:
    name = "pc.ram" if first == 0 else None
    return b"".join(page(4096 * i, pattern(i), name if i == first else None) for i in range(first, first + count))


def alternating(*, footers: bool) -> Stream:
    """As QEMU 0.12 to 1.0 save: a part of `block` before each one of `ram`, and more rounds than one."""
    stream = Stream(footers=footers).section(1, BLOCK_END, section_id=1, name="block", version=1)
    stream.section(1, RAM, section_id=2, name="ram", version=4)
    for first in (0, 2):
        stream.section(2, BLOCK_END, section_id=1).section(2, pages(first) + END_MARK, section_id=2)
    stream.section(2, pages(3) + END_MARK, section_id=2)
    return stream.section(3, BLOCK_END, section_id=1).section(3, pages(4) + END_MARK, section_id=2)


@pytest.mark.parametrize("footers", [True, False])
@pytest.mark.parametrize("vmdesc", [True, False])
@pytest.mark.parametrize("forward", [True, False])
def test_parts_alternate_as_they_did(footers: bool, vmdesc: bool, forward: bool) -> None:
    data = alternating(footers=footers).full(CPU).full(RTC, instance=112).finish(vmdesc=vmdesc)
    padding = bytes(99) if vmdesc else b""  # without a vmdesc nothing tells it from the last section
    state = open_state(Memory(data + padding), forward=forward)
    assert exported(state) == data
    index = state.index_ram()  # exporting has kept it
    assert index.read(index.blocks[0], 3 * 4096, 4096) == pattern(3)


def test_commands_and_early_devices_stay_where_they_are() -> None:
    stream = Stream().configuration("pc-q35-8.0", ("uuid", bytes(16))).command(3).full(RTC, section_id=9)
    stream.ram(RAM, pages(0, 4) + END_MARK, section_id=2)
    data = stream.out
    at = data.rindex(b"\x03\0\0\0\2")  # the END of RAM
    stream.out = data[:at] + b"\x08\0\x0b\0\0" + data[at:]
    stream.full(CPU, section_id=5)
    whole = stream.finish()
    state = open_state(Memory(whole))
    assert [s.type for s in state.walked()] == [
        SectionType.COMMAND, SectionType.FULL, SectionType.START, SectionType.COMMAND, SectionType.END,
        SectionType.FULL,
    ]  # fmt: skip
    assert exported(state) == whole


def test_sections_that_nothing_describes_are_copied_and_edited() -> None:
    data = alternating(footers=True).full(CPU, described=False).full(RTC).finish()
    state = open_state(Memory(data), forward=True)
    assert exported(state) == data
    changed = exported(state, "cpu.(raw)=0102030405060708", "mc146818rtc.tick=9")
    assert changed == data.replace(CPU.data, bytes(range(1, 9))).replace(b"\x03\x7e", b"\x09\x7e", 1)


def test_a_section_without_its_footer_is_refused() -> None:
    """By the tail, what stands between two sections belongs to the first one, which then has no footer."""
    data = alternating(footers=True).full(CPU).raw(b"\x99\x99").full(RTC).finish()
    with pytest.raises(StreamError, match="section 'cpu' does not end as the others: QEMU could not load this state"):
        exported(open_state(Memory(data)))


@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (Stream().ram(RAM, pages(0) + END_MARK).raw(b"\x99\x99").full(CPU).full(RTC).finish(),
         "here are 2 bytes that belong to no section: QEMU could not load this state"),
        (bytes(alternating(footers=True).full(CPU).out),
         "the state ends here without its end mark: QEMU could not load it"),
        (Stream().ram(RAM, pages(0) + END_MARK, section_id=2).full(CPU, section_id=2).finish(),
         "QEMU could not load this state: section id 2 is taken"),
        (Stream().section(1, RAM, section_id=2, name="ram", version=4).full(CPU).finish(),
         "the END of section 'ram' should be here: QEMU could not load this state"),
        (Stream().section(1, RAM, section_id=2, name="ram", version=4).full(CPU)
         .section(3, END_MARK, section_id=2).full(RTC).finish(),
         "the END of section 'ram' should be here: QEMU could not load this state"),
    ],
)  # fmt: skip
def test_what_qemu_could_not_load_is_refused(data: bytes, sentence: str, forward: bool) -> None:
    state = open_state(Memory(data), forward=forward)
    with pytest.raises(StreamError) as caught:
        exported(state)
    assert caught.value.message == sentence


def test_it_stops_when_it_is_cancelled() -> None:
    state = state_of(alternating(footers=True).full(CPU).finish())
    calls = 0

    def count(*_: int) -> None:
        nonlocal calls
        calls += 1

    write_stream(state, [], Writer(io.BytesIO()), count)
    assert calls > 8
    for last in range(calls):
        left = last

        def stop(*_: int) -> None:
            nonlocal left
            if not left:
                raise Cancelled
            left -= 1

        with pytest.raises(Cancelled):
            write_stream(state, [], Writer(io.BytesIO()), stop)


def test_it_stops_when_nothing_can_be_written() -> None:
    data = Stream().ram(table(("pc.ram", 16 << 20)), b"".join(pages(i) for i in range(4096)) + END_MARK).finish()
    view = Memory(data)
    state = open_state(view)
    state.index_ram()
    read = view.read_bytes
    with open("/dev/full", "wb", buffering=0) as full, pytest.raises(TransferError):  # noqa: PTH123
        write_stream(state, [], Writer(full))
    assert view.read_bytes - read < 5 << 20  # not all 16 MiB for nothing


@pytest.mark.parametrize("page_size", [256, 1024, 4096, 16384])
@pytest.mark.parametrize("seed", range(3))
def test_ram_is_written_anew(page_size: int, seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ram_saving, "_PART", 20 * page_size)
    monkeypatch.setattr(ram_saving, "_BATCH", 9 * page_size)
    blocks = (("pc.ram", 64 * page_size), ("vga.vram", 16 * page_size), ("empty", 4 * page_size))
    guest = Guest(blocks[:2], page_size, seed)
    stream = Stream().configuration().ram(table(*blocks), *(guest.part(40) + END_MARK for _ in range(3)))
    source = state_of(stream.full(CPU).finish(page_size=page_size))
    index = source.index_ram()

    again = open_state(Memory(exported(source, ram=RamHandler.of(index))))
    check_state(again)
    assert sum(section.type is SectionType.PART for section in again.walked()) > 1
    registry, loaded = Registry(), RamHandler(page_size=page_size)
    registry.register("ram", RamHandler.of(index), version=4)
    sink = io.BytesIO()
    registry.save(Writer(sink), StreamForm(page_size=page_size))
    target = Registry()
    target.register("ram", loaded, version=4)
    target.load(Reader(Memory(sink.getvalue())))
    assert loaded.index is not None
    for found in (again.index_ram(), loaded.index):
        assert [b.name for b in found.blocks] == [name for name, _ in blocks]
        for block in found.blocks[:2]:
            assert content(found, block) == bytes(guest.memory[block.name])
        for before, after in zip(index.blocks, found.blocks, strict=True):
            assert (after.states() == before.states()).all()
        assert (found.blocks[2].states() == PageState.MISSING).all()


@pytest.mark.parametrize(
    ("name", "shown"), [(b"pc\xff.ram", "pc\\\\xff.ram"), (b"\xff" * 200, "\\\\xff" * 200), ("\u00ef" * 127, None)]
)
def test_a_block_whose_name_cannot_be_written_again_is_refused(name: str | bytes, shown: str | None) -> None:
    data, _ = mapped(names=(name, "vga.vram"))
    state = open_state(Memory(data))
    if shown is None:
        assert open_state(Memory(exported(state))).ram_blocks[0].name == name
        return
    with pytest.raises(StreamError) as caught:
        exported(state)
    why = "is longer than 255 bytes or no UTF-8, so that it cannot be written as it was"
    assert str(caught.value) == f"the name of RAM block '{shown}' {why}"


def described_configuration(*capabilities: str, page_bits: bool = False) -> tuple[tuple[tuple[str, bytes], ...], Body]:
    """What follows the machine type in a configuration section, and its description, as QEMU 10.0 writes it."""
    caps = b"".join(counted(name) for name in capabilities)
    items = Item(
        "capabilities",
        u32(len(capabilities)) + caps,
        (
            entry("caps_count", "uint32", 4),
            *(
                entry("capabilities", "capability", 1 + len(name), before=("index", index))
                for index, name in enumerate(capabilities)
            ),
        ),
        None,
    )
    found = [("target-page-bits", body(scalar("target_page_bits", "uint32", 12)))] if page_bits else []
    found += [("capabilities", body(items))] if capabilities else []
    whole = Body(
        "configuration",
        (scalar("len", "uint32", 2), buffer("name", b"pc")),
        tuple(replace(one, name=f"configuration/{name}") for name, one in found),
    )
    return tuple((name, one.data) for name, one in found), whole


@pytest.mark.parametrize("left", [(), ("x-blocktime", "late-block-activate")])
@pytest.mark.parametrize("page_bits", [True, False])
def test_the_configuration_is_described_as_it_is_written(left: tuple[str, ...], page_bits: bool) -> None:
    """Of mapped-ram two capabilities are dropped, which the vmdesc tells since QEMU 10.0."""
    subsections, whole = described_configuration(*left[:1], "mapped-ram", *left[1:], "multifd", page_bits=page_bits)
    data, _ = mapped(machine=subsections, configuration=whole)
    state = open_state(Memory(data))
    assert state.is_mapped
    written = exported(state)
    again = open_state(Memory(written))
    assert (again.problems, again.capabilities) == ((), frozenset(left))
    expected = Stream().configuration("pc", *described_configuration(*left, page_bits=page_bits)[0])
    assert written.startswith(bytes(expected.out) + b"\x01")
    assert again.configuration is not None
    assert again.described_configuration is not None
    assert again.described_configuration.payload_size == again.configuration.size - 1
    names = [one.name for one in again.described_configuration.subsections]
    assert names == [f"configuration/{name}" for name, _ in described_configuration(*left, page_bits=page_bits)[0]]
    before, after = state.description_text, again.description_text
    assert before is not None
    assert after is not None
    assert before.partition(b'"devices"')[2] == after.partition(b'"devices"')[2]


@pytest.mark.parametrize("text", [b"{", b'{"devices": [}', b"[1]", b"", b"{" * 2000, b"\xff{}"])
def test_a_description_that_cannot_be_read_is_copied(text: bytes) -> None:
    """QEMU does not look at it either."""
    data = alternating(footers=True).full(CPU).finish(vmdesc=text)
    state = open_state(Memory(data))
    assert exported(state) == data


def test_a_section_whose_name_cannot_be_written_again_is_refused() -> None:
    data = alternating(footers=True).full(RTC, name="rtcx").finish().replace(b"\x04rtcx", b"\x04rt\xffx")
    state = open_state(Memory(data), forward=True)
    with pytest.raises(StreamError, match=r"the name of section .* is no UTF-8, so that it cannot be written as it is"):
        exported(state)


def test_ram_that_is_not_whole_is_not_written_anew() -> None:
    broken = pages(0, 4) + b"\xff" * 8
    state = state_of(Stream().configuration().ram(RAM, broken + END_MARK).full(CPU).finish())
    with pytest.raises(StreamError, match="the RAM cannot be read whole: unknown flags"):
        exported(state, ram=RamHandler.of(state.index_ram()))


def test_a_part_ends_when_the_rate_is_reached() -> None:
    state = state_of(Stream().ram(table(("pc.ram", 16 << 20)), pages(0, 4096) + END_MARK).full(CPU).finish())
    sink = io.BytesIO()
    write_stream(state, [], Writer(sink, rate=2 << 20), ram=RamHandler.of(state.index_ram()))
    again = open_state(Memory(sink.getvalue()), forward=True)
    sizes = [section.size for section in again.sections if section.type is SectionType.PART]
    # One for each batch of 2 MiB, and one that finds nothing left; fewer where an interval ended within a batch.
    assert 16 // 4 < len(sizes) <= 16 // 2 + 1
    before, after = state.index_ram(), again.index_ram()
    assert content(after, after.blocks[0]) == content(before, before.blocks[0])
