"""Giving fields other values: what becomes of the bytes, and what is refused in which words."""

from __future__ import annotations

import io

import pytest

from tests.vmstate.layouts import body, buffer, counted, nested, scalar, scalars, structs
from tests.vmstate.streams import END_MARK, Memory, Stream, page, pattern, table
from vmsnap_gui.vmstate.devices import VMState, open_state
from vmsnap_gui.vmstate.editing import EditError, edit_of
from vmsnap_gui.vmstate.exporting import write_stream
from vmsnap_gui.vmstate.writer import Writer

DEVICE = body(
    scalar("env.eip", "uint64", 1),
    scalar("level", "int16", -1),
    scalar("on", "bool", 0),
    scalar("fp", "float64", 0),
    buffer("mac", bytes(6)),
    scalars("regs", "uint32", [1, 2, 3]),
    nested("fpu", body(scalar("cw", "uint16", 7))),
    name="cpu",
    subsections=(body(scalar("threshold", "uint8", 3), name="cpu/sub"),),
)


@pytest.fixture
def state() -> VMState:
    stream = Stream(footers=True).configuration("pc-1.0")
    stream.ram(table(("ram", 4096)), page(0, pattern(1, 4096), "ram") + END_MARK)
    return open_state(Memory(stream.full(DEVICE).full(DEVICE, instance=1).finish() + bytes(700)))


def exported(state: VMState, *wishes: str) -> bytes:
    sink = io.BytesIO()
    size = write_stream(state, [edit_of(state, wish) for wish in wishes], Writer(sink))
    assert size == len(sink.getvalue()) == state.end
    return sink.getvalue()


def test_without_edits_it_is_the_stream_without_what_is_behind_it(state: VMState) -> None:
    assert exported(state) == state.view.read(0, state.end)


@pytest.mark.parametrize(
    ("wish", "after"),
    [
        ("cpu.env.eip=0x7c00", "0000000000007c00"),
        ("cpu:1.env.eip = 31744", "0000000000007c00"),
        ("cpu.level=-2", "fffe"),
        ("cpu.level=0xfffe", "fffe"),
        ("cpu.on=true", "01"),
        ("cpu.fp=1.5", "3ff8000000000000"),
        ("cpu.mac=52 54 00 12 34 56", "525400123456"),
        ("cpu.regs[2]=0xffffffff", "ffffffff"),
        ("cpu.fpu.cw=0", "0000"),
        ("cpu.cpu/sub.threshold=9", "09"),
    ],
)
def test_exactly_the_bytes_of_the_field_change(state: VMState, wish: str, after: str) -> None:
    edit = edit_of(state, wish)
    assert edit.after.hex() == after
    before, now = state.view.read(0, state.end), exported(state, wish)
    assert now == before[: edit.offset] + edit.after + before[edit.offset + len(edit.after) :]
    assert before[edit.offset : edit.offset + len(edit.after)] == edit.before
    again = open_state(Memory(now))
    assert edit_of(again, wish).before == edit.after


def test_of_two_values_the_later_one_holds(state: VMState) -> None:
    assert exported(state, "cpu.env.eip=1", "cpu.env.eip=2") == exported(state, "cpu.env.eip=2")


@pytest.mark.parametrize(
    ("wish", "words"),
    [
        ("cpu.env.eip", "does not say what becomes what"),
        ("cpu.env.rip=1", "no field 'cpu.env.rip': section 'cpu' has no such field; the nearest: env.eip"),
        ("gpu.x=1", "no field 'gpu.x': it has no such section; the nearest: cpu"),
        ("zzz.x=1", "no field 'zzz.x': it has no such section; 'vmsnap show' lists all"),
        ("cpu=1", "that is a section; add the path of a field in it"),
        ("cpu.regs[3]=1", "no field"),
        ("cpu.regs=1", "name a field inside it"),
        ("cpu.fpu=1", "name a field inside it"),
        ("cpu.(header)=00", "name a field inside it"),
        ("cpu.env.eip=seven", "'seven' is no number"),
        ("cpu.env.eip=-1", "-1 does not fit into uint64 (8 bytes)"),
        ("cpu.level=40000", "40000 does not fit into int16 (2 bytes)"),
        ("cpu.level=-40000", "-40000 does not fit into int16 (2 bytes)"),
        ("cpu.regs[0]=0x100000000", "does not fit into uint32"),
        ("cpu.on=2", "'2' is neither true nor false"),
        ("cpu.fp=x", "'x' is no number"),
        ("cpu.mac=5254", "it has 6 bytes, and not 2"),
        ("cpu.mac=525400zz3456", "not written in hex bytes"),
    ],
)
def test_what_cannot_be_set_is_refused(state: VMState, wish: str, words: str) -> None:
    with pytest.raises(EditError) as caught:
        edit_of(state, wish)
    assert words in str(caught.value)


def twice() -> VMState:
    """As QEMU's i8254: an element's field, and one with a name that spells the same path."""
    channel = body(scalar("next", "int64", 5))
    pit = body(structs("channels", [channel]), scalar("channels[0].next", "int64", -1), name="i8254")
    return open_state(Memory(Stream().full(pit).full(DEVICE).full(DEVICE).finish()))


def test_a_path_that_occurs_twice_is_ambiguous() -> None:
    state = twice()
    first, second = (edit_of(state, f"i8254.channels[0].next#{n}=9") for n in (1, 2))
    assert (first.before, second.before) == (bytes(7) + b"\x05", b"\xff" * 8)
    assert second.offset == first.offset + 8
    with pytest.raises(EditError) as caught:
        edit_of(state, "i8254.channels[0].next=9")
    assert str(caught.value) == (
        "2 fields of the state are called 'i8254.channels[0].next'; choose one: "
        f"i8254.channels[0].next#1 (now 5, at {first.offset:#x}), "
        f"i8254.channels[0].next#2 (now -1, at {second.offset:#x})"
    )
    before, now = state.view.read(0, state.end), exported(state, "i8254.channels[0].next#2=9")
    assert now == before[: second.offset] + second.after + before[second.offset + 8 :]


def test_sections_of_one_name_are_told_apart_likewise() -> None:
    state = twice()
    sections = [section for section in state.sections if section.key == "cpu"]
    for number, section in enumerate(sections, 1):
        assert section.offset < edit_of(state, f"cpu.env.eip#{number}=9").offset < section.end
    with pytest.raises(EditError, match=r"choose one: cpu\.env\.eip#1 \(now 1, at "):
        edit_of(state, "cpu.env.eip=9")


@pytest.mark.parametrize(
    ("name", "more"), [("cpu", ""), ("serial", ", or what its qemu-system-… -M pc-q35-10.0 -dump-vmstate FILE writes")]
)
def test_what_would_describe_a_section_is_told(name: str, more: str) -> None:
    stream = Stream().configuration().ram(table(), END_MARK)
    stream.full(body(scalar("x", "uint8", 1)), name=name, described=False)
    state = open_state(Memory(stream.finish(vmdesc=False)))
    would = "layouts (--layouts FILE) would: another state of machine type pc-q35-10.0 that describes itself"
    with pytest.raises(EditError) as refused:
        edit_of(state, f"{name}.x=1")
    assert str(refused.value) == f"the state has no field '{name}.x': nothing describes section '{name}'; {would}{more}"
    with pytest.raises(EditError, match="section 'ram' has no fields"):
        edit_of(state, "ram.x=1")


@pytest.mark.parametrize("wish", ["cpu.env.eip#3=1", "cpu.env.eip#0=1", "cpu.env.eip#x=1", "i8254.channels#1=1"])
def test_a_number_that_no_field_has(wish: str) -> None:
    with pytest.raises(EditError, match="no field"):
        edit_of(twice(), wish)


def test_every_other_byte_of_an_edited_section_stays_as_it_was() -> None:
    """Also where it is none that QEMU writes: a truth value of 2, a text that is no UTF-8."""
    odd = body(scalar("on", "bool", 0), counted("s", "a\\xffb"), scalar("x", "uint8", 1), name="odd")
    payload = b"\2" + odd.data[1:].replace(b"\\xffb", b"\\xff\xff")
    state = open_state(Memory(Stream().full(odd, payload=payload).finish()))
    edit = edit_of(state, "odd.x=9")
    before, now = state.view.read(0, state.end), exported(state, "odd.x=9")
    assert now == before[: edit.offset] + b"\x09" + before[edit.offset + 1 :]
