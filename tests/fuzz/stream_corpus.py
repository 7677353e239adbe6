"""Small whole streams to start mutating from: built by hand, and real ones with their RAM cut down."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.samples import sample
from tests.vmstate.layouts import (
    Body,
    Item,
    alike,
    body,
    buffer,
    chain,
    counted,
    entry,
    nested,
    null,
    pointers,
    scalar,
    scalars,
    structs,
    tree,
)
from tests.vmstate.streams import END_MARK, FLUSH, Stream, compressed, delta, page, pattern, table, u16, u32, u64, zero
from tests.vmstate.streams import counted as name_of
from tests.vmstate.streams import xbzrle as delta_page
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.sections import SectionType

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.devices import VMState

INNER = body(scalar("lo", "uint16", 1), scalar("hi", "uint32 equal", 2), name="inner")
ELEMENT = body(scalar("n", "uint32", 3), buffer("b", b"xy"), name="element")
SUB = body(scalar("s", "uint8", 1), name="dev/sub", subsections=(body(counted("c", "abc"), name="dev/sub/inner"),))
EVERYTHING = Body(
    "dev",
    (
        scalar("a", "uint64", 1),
        scalar("t", "timer", -1),
        scalar("f", "float64", 1.5),
        scalar("ok", "bool", 1),
        scalars("regs", "uint32", [1, 2, 3, 4]),
        buffer("config", bytes(64)),
        nested("s", INNER),
        nested("tmp", INNER, "tmp"),
        nested("v", INNER, "vstruct"),
        structs("many", [INNER, ELEMENT]),
        alike("same", [INNER] * 3),
        chain("q", [ELEMENT, ELEMENT]),
        chain("l", [], "qlist"),
        tree("g", [(7, INNER), (9, INNER)]),
        tree("k", [(INNER, ELEMENT)]),
        pointers("p", [None, INNER, None]),
        null("none"),
        counted("str", "text", 4),
        Item("wrong", b"00", (entry("wrong", "struct", 1, ("struct", ()), before=("array_len", 2)),), None),
    ),
    (SUB,),
)
CPU = body(scalars("regs", "uint64", [1, 2, 3]), scalar("eip", "uint64", 0x7C00), name="cpu")
SERIAL = body(scalar("rbr", "uint8", 7), name="serial")


def records(size: int = 256) -> bytes:
    """RAM records of every kind that pages of this size can have."""
    out = page(0, pattern(1, size), "ram") + zero(size) + page(2 * size, pattern(2, size), "vga") + zero(0, 0xA5, "vga")
    out += b"".join(page(i * size, pattern(i, size)) for i in range(3, 14))
    out += b"".join(zero(i * size, 0, "ram" if i == 3 else None) for i in range(3, 16))
    out += delta_page(size, delta((3, b"abc"), (5, b"d"))) + delta_page(size, delta((0, b"z")))
    if size >= 1024:
        out += u64(FLUSH) + compressed(0, pattern(5, size))
    return out + END_MARK


def built() -> list[bytes]:
    """Streams from the builder: each form of framing, RAM and iterative section in one of them."""
    caps = ("capabilities", u32(1) + name_of("x-ignore-shared"))
    whole = Stream().configuration("pc", ("target-page-bits", u32(8)), ("uuid", bytes(16)))
    whole.ram(table(("ram", 4096), ("vga", 4096)), records(), END_MARK, section_id=2)
    everything = whole.full(EVERYTHING).full(CPU).full(CPU, instance=0x80000000).finish(page_size=256, padding=7)
    old = Stream(footers=False).section(1, u64(2), section_id=1, name="block")
    old.ram(u64(8192 | 4) + u64(8) + pattern(1) + u64(4096 | 2) + b"\0" + END_MARK, END_MARK, version=3, section_id=2)
    plain = Stream(footers=False).ram(table(("ram", 16384), ("vga", 16384)), records(1024), END_MARK)
    iterative = Stream().configuration().command(3).command(11)
    iterative.section(1, u32(18), section_id=1, name="spapr/htab").ram(
        table(("ram", 4096), ("vga", 4096)), section_id=2
    )
    iterative.section(1, b"\x1c\1d\1b" + u32(65536) + b"\x04\x01", section_id=3, name="dirty-bitmap")
    iterative.section(2, u32(0) + u32(5) + u16(1) + u16(3) + bytes(16) + bytes(8), section_id=1)
    iterative.section(1, u64(1), section_id=4, name="s390-storage_attributes").section(3, records(), section_id=2)
    iterative.section(3, b"\x46\1b" + u64(0) + u32(512) + b"\x20\x01", section_id=3).full(SERIAL)
    shared = Stream().configuration("pc", caps)
    shared.ram(table(("ram", 4096), ("vga", 4096), extra=[u64(0), u64(7)]), records(), END_MARK, section_id=1)
    early = Stream().configuration().full(SERIAL).ram(table(("ram", 4096)), END_MARK, section_id=4).full(CPU)
    wrong = body(Item("css", b"0", (entry("css", "struct", 1, ("struct", ()), before=("array_len", 2)),), None))
    recovered = Stream().full(CPU).full(EVERYTHING, pairs=wrong.pairs).full(SERIAL)
    return [
        everything,
        everything[:-7],
        old.full(CPU, described=False).full(SERIAL, described=False).finish(vmdesc=False),
        plain.full(CPU).full(EVERYTHING).finish(page_size=None),
        plain.finish(vmdesc=False),
        iterative.finish(page_size=256),
        shared.full(SERIAL).finish(page_size=256),
        early.finish(),
        recovered.finish(),
        Stream().full(EVERYTHING).finish(),
    ]


REAL = (
    ("riscv64-virt@10.0/disk0.qcow2", "snap0"),
    ("aarch64-virt-nofw@7.2/disk0.qcow2", "snap0"),
    ("pc-nodesc@10.0/disk0.qcow2", "snap0"),
    ("seed-era/v0.11.1-i386-pcmin.qcow2", "real"),
    ("seed-era/v2.2.0-i386-pcmin.qcow2", "real"),
)


def real() -> list[bytes]:
    """Streams of real machines, with a few records instead of all their pages."""
    found = []
    for name, tag in REAL:
        image = open_image(sample(name))
        try:
            snapshot = next(s for s in image.snapshots if s.tag == tag)
            found.append(_without_pages(open_state(image.vm_state(snapshot), forward=True)))
        finally:
            image.close()
    return found


def _without_pages(state: VMState) -> bytes:
    """Write the stream again; of RAM's records only the first of each part, as they are."""
    out, position = b"", 0
    for section in state.sections:
        if section.name != "ram" or section.size < 5000:
            continue
        keep = section.payload_offset
        if section.type is SectionType.START:  # up to QEMU 1.0 the pages follow the table
            keep = _table_end(state, section.payload_offset)
        out += state.view.read(position, keep - position)
        out += _first_records(state, keep) + END_MARK
        position = section.payload_offset + section.payload_size
    return out + state.view.read(position, state.view.size - position)


def _table_end(state: VMState, start: int) -> int:
    if state.ram_blocks[0].name == "ram":  # version 3 has no table
        return start + 8
    return start + 8 + sum(9 + len(block.name) for block in state.ram_blocks)


def _first_records(state: VMState, start: int) -> bytes:
    """The first pages or zero pages, up to some 9 KiB."""
    position, end = start, start
    while end - start < 9000:
        flags = int.from_bytes(state.view.read(position, 8), "big") & 0xFFF
        head = 8 if flags & 0x20 or state.ram_blocks[0].name == "ram" else 9 + state.view.read(position + 8, 1)[0]
        if not flags & (2 | 8):
            break
        position += head + (4096 if flags & 8 else 1)
        end = position
    return state.view.read(start, end - start)
