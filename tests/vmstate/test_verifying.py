"""Checking an exported stream: what was written passes, and whatever differs from the state is found and told."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from tests.vmstate.streams import CONTINUE, END_MARK, HOOK, PAGE, Memory, Stream, u16, u32, u64
from tests.vmstate.test_exporting import CPU, RAM, RTC, alternating, pages
from tests.vmstate.test_ram_table import mapped
from vmsnap_gui.image.errors import Cancelled
from vmsnap_gui.vmstate.devices import VMState, open_state
from vmsnap_gui.vmstate.editing import edit_of
from vmsnap_gui.vmstate.exporting import write_stream
from vmsnap_gui.vmstate.refusals import (
    UnknownSection,
    UnknownSectionId,
    UnknownSectionType,
    UnsupportedVersion,
    ValueMismatch,
)
from vmsnap_gui.vmstate.verifying import DamagedRam, Differs, verify_stream
from vmsnap_gui.vmstate.wire import ShortRead, StreamError
from vmsnap_gui.vmstate.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Callable

WISH = "cpu.eip=0x7c00"


def progress(_done: int, _total: int) -> None:
    """Go on."""


def exported(state: VMState, *wishes: str) -> bytes:
    sink = io.BytesIO()
    write_stream(state, [edit_of(state, wish) for wish in wishes], Writer(sink))
    return sink.getvalue()


def rounds() -> bytes:
    """Live sections that alternate, a command between the rounds, an early device, and others."""
    stream = Stream().configuration("pc-q35-8.0").full(RTC, section_id=9)
    stream.section(1, RAM, section_id=2, name="ram", version=4)
    for first in range(3):
        stream.section(2, pages(first) + END_MARK, section_id=2)
        stream.command(11)
    return stream.section(3, END_MARK, section_id=2).full(CPU, section_id=5).finish()


@pytest.mark.parametrize(
    "data",
    [alternating(footers=True).full(CPU).finish(), alternating(footers=False).full(CPU).finish(vmdesc=False), rounds()],
)
@pytest.mark.parametrize("wishes", [(), (WISH,)])
def test_what_was_exported_passes(data: bytes, wishes: tuple[str, ...]) -> None:
    state = open_state(Memory(data), forward=True)
    wishes = wishes if state.is_described(state.sections[-1]) else ()
    written = exported(state, *wishes)
    assert wishes or written == data
    verify_stream(Memory(written), state, [edit_of(state, wish) for wish in wishes], progress)


def test_ram_that_was_written_anew_passes() -> None:
    data, _ = mapped()
    state = open_state(Memory(data))
    written = exported(state)
    verify_stream(Memory(written), state, [], progress)
    at = written.index(b"\0" * 5 + b"\x08", 300) + 2000  # within a page
    for damaged, sentence in (
        (written[:at] + bytes([written[at] ^ 1]) + written[at + 1 :], "is not what the state holds from "),
        (written.replace(b"\x08vga.vram", b"\x08vga.vrat"), "its RAM blocks are not those of the state"),
    ):
        with pytest.raises(Differs, match=sentence):
            verify_stream(Memory(damaged), state, [], progress)


def flip(data: bytes) -> bytes:
    at = data.index(CPU.data)
    return data[:at] + b"\xee" + data[at + 1 :]


def without_last(data: bytes) -> bytes:
    at = data.index(b"\x04" + u32(3))
    return data[:at] + data[at + len(data[at : data.index(b"\x7e" + u32(3))]) + 5 :]


def without_last_footer(data: bytes) -> bytes:
    at = data.rindex(b"\x7e" + u32(3))
    return data[:at] + data[at + 5 :]


def with_command(data: bytes, number: int) -> bytes:
    at = data.index(b"\x01" + u32(1))
    return data[:at] + b"\x08" + u16(number) + u16(0) + data[at:]


@pytest.mark.parametrize(
    ("damage", "refusal", "sentence"),
    [
        (flip, Differs, "section 'cpu': it is not what the state holds at "),
        (without_last, Differs, "section 'cpu' is missing"),
        (lambda data: data + b"x", Differs, "more follows than the state holds"),
        (lambda data: data[:-1], ShortRead, "the stream ends within "),
        (lambda data: data.replace(b"\x03cpu", b"\x03gpu"), UnknownSection, "nothing here loads section 'gpu'"),
        (lambda data: data.replace(b"cpu" + u32(0) + u32(1), b"cpu" + u32(0) + u32(2)), UnsupportedVersion,
         "section 'cpu' is of version 2, and at most 1 is known"),
        (without_last_footer, ValueMismatch, "section 'cpu' ends without its footer"),
        (lambda data: data[:-20] + bytes(20), ValueMismatch, "the description of the stream is not as it must be"),
        (lambda data: with_command(data, 3), Differs, "its commands are not those of the state"),
        (lambda data: with_command(data, 0xFFFF), UnknownSectionType, "command 0xffff is not known"),
        (lambda data: data.replace(b"\x02" + u32(2), b"\x02" + u32(7)), UnknownSectionId, "section id 7"),
    ],
)  # fmt: skip
def test_whatever_else_it_holds_is_found(
    damage: Callable[[bytes], bytes], refusal: type[StreamError], sentence: str
) -> None:
    state = open_state(Memory(alternating(footers=True).full(CPU).finish()))
    with pytest.raises(refusal, match=sentence):
        verify_stream(Memory(damage(exported(state))), state, [], progress)


@pytest.mark.parametrize("forward", [True, False])
def test_damage_of_ram_that_was_copied_is_found(forward: bool) -> None:
    data = alternating(footers=True).full(CPU).finish()
    word = u64(2 * 4096 | PAGE | CONTINUE)
    assert word in data
    damaged = data.replace(word, u64(2 * 4096 | HOOK))
    state = open_state(Memory(damaged), forward=forward)
    written = exported(state)
    assert written == damaged
    with pytest.raises(DamagedRam, match="its RAM cannot be loaded: "):
        verify_stream(Memory(written), state, [], progress)


def test_a_configuration_that_is_missing_is_found() -> None:
    data = rounds()
    state = open_state(Memory(data))
    assert state.configuration is not None
    without = data[:8] + data[8 + state.configuration.size :]
    with pytest.raises(ValueMismatch, match="the configuration is not as it must be"):
        verify_stream(Memory(without), state, [], progress)


def test_it_can_be_cancelled() -> None:
    state = open_state(Memory(alternating(footers=True).full(CPU).finish()))
    written = Memory(exported(state))

    def stop(_done: int, _total: int) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        verify_stream(written, state, [], stop)
