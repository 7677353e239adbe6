"""Each reason to refuse a stream: one that provokes it, its own error, and the sentence that people read."""

from __future__ import annotations

import io
import socket
import struct
from typing import TYPE_CHECKING

import pytest

from tests.vmstate.layouts import body, scalar
from tests.vmstate.streams import END_MARK, Memory, Stream, footer, header, page, pattern, table, u32
from tests.vmstate.test_registry import MACHINE, Plain, Rounds
from vmsnap_gui.cli import main
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.telling import sentence as in_words
from vmsnap_gui.vmstate.description import VMStateDescription, VMStateField
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.handlers import Described
from vmsnap_gui.vmstate.incoming import PipeReader
from vmsnap_gui.vmstate.ram_saving import RamHandler
from vmsnap_gui.vmstate.refusals import (
    BadMagic,
    ObsoleteVersion,
    TransferError,
    UnknownSection,
    UnknownSectionId,
    UnknownSectionType,
    UnknownSubsection,
    UnknownVersion,
    UnsupportedVersion,
    ValueMismatch,
)
from vmsnap_gui.vmstate.registry import Registry
from vmsnap_gui.vmstate.sending import StreamForm
from vmsnap_gui.vmstate.wire import Reader, ShortRead, StreamError

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.vmstate.wire import Input

DEVICE = body(scalar("x", "uint32", 1), name="dev")
HEAD = b"QEVM" + u32(3)
CPU = VMStateDescription(
    "cpu", 5, (VMStateField("id", "uint32 equal", 4, expected=7), VMStateField("x", "uint8", 1)), minimum_version_id=3
)
CPU_BYTES = u32(7) + b"x"


def machine() -> Registry:
    """What loads: a described cpu, something with its own code, something live."""
    registry = Registry()
    registry.register("cpu", Described(CPU, {}), version=5)
    registry.register("slirp", Plain(), version=4, instance_id=3)
    registry.register("rounds", Rounds(), version=1)
    return registry


def full(section_id: int, name: str, instance: int, version: int, payload: bytes) -> bytes:
    return header(4, section_id, name, instance, version) + payload + footer(section_id)


GOOD = HEAD + MACHINE + full(0, "cpu", 0, 5, CPU_BYTES) + b"\0"
REFUSED = [
    (b"RIFF" + u32(3), BadMagic, "this is no VM state: it does not start with QEVM (at stream offset 0x0)"),
    (b"QEV", BadMagic, "this VM state is cut off within its first 8 bytes (at stream offset 0x3)"),
    (b"QEVM" + u32(2), ObsoleteVersion, "of savevm version 2, which QEMU gave up in 2009 (at stream offset 0x4)"),
    (b"QEVM" + u32(9), UnknownVersion, "of savevm version 9; only version 3 is known (at stream offset 0x4)"),
    (
        HEAD + full(0, "gpu", 0, 1, b""), UnknownSection,
        "nothing here loads section 'gpu', instance 0 (at stream offset 0x8)",
    ),
    (
        HEAD + full(0, "slirp", 1, 1, u32(0)), UnknownSection,
        "nothing here loads section 'slirp', instance 1 (at stream offset 0x8)",
    ),
    (
        HEAD + full(0, "cpu", 0, 6, CPU_BYTES), UnsupportedVersion,
        "section 'cpu' is of version 6, and at most 5 is known (at stream offset 0x8)",
    ),
    (
        HEAD + full(0, "cpu", 0, 2, CPU_BYTES), UnsupportedVersion,
        "section 'cpu': version 2 of 'cpu' is older than 3 (at stream offset 0x19)",
    ),
    (
        HEAD + header(2, 9), UnknownSectionId,
        "a section part is for section id 9, which nothing started (at stream offset 0x8)",
    ),
    (
        HEAD + full(0, "cpu", 0, 5, CPU_BYTES + b"\x05\x05cpu/a" + u32(1)), UnknownSubsection,
        "section 'cpu': 'cpu' has no subsection 'cpu/a' here (at stream offset 0x1e)",
    ),
    (HEAD + b"\x33", UnknownSectionType, "no section starts here: 0x33 is the type of none (at stream offset 0x8)"),
    (HEAD, ShortRead, "the stream ends within 1 byte that should be here (at stream offset 0x8)"),
    (
        HEAD + full(0, "slirp", 3, 4, u32(500)), ShortRead,
        "section 'slirp:3': the stream ends within 500 bytes that should be here (at stream offset 0x1f)",
    ),
    (
        HEAD + header(4, 0, "cpu", 0, 5) + u32(7), ShortRead,
        "section 'cpu': short read of 'x' (at stream offset 0x1d)",
    ),
    (
        HEAD + full(0, "cpu", 0, 5, u32(8) + b"x"), ValueMismatch,
        "section 'cpu': id is 8, but must be 7 (at stream offset 0x19)",
    ),
    (
        HEAD + MACHINE.replace(b"q35", b"440"), ValueMismatch,
        "the state is of a machine of type 'pc-440-7.2', and this one is 'pc-q35-7.2' (at stream offset 0x8)",
    ),
    (
        HEAD + header(4, 0, "cpu", 0, 5) + CPU_BYTES + footer(1), ValueMismatch,
        "section 'cpu' has number 0, but its footer is that of 1 (at stream offset 0x1e)",
    ),
    (
        HEAD + full(0, "cpu", 0, 5, CPU_BYTES) + header(4, 1, "slirp", 3, 4) + u32(0) + b"\0", ValueMismatch,
        "section 'slirp:3' ends without its footer (at stream offset 0x3a)",
    ),
    (
        HEAD + header(4, 0, "cpu", 0, 5) + CPU_BYTES + full(1, "slirp", 3, 4, u32(0)), UnknownSectionType,
        "no section starts here: 0x7e is the type of none (at stream offset 0x35)",
    ),
    (HEAD + b"\x08\xff\xff\0\0", UnknownSectionType, "command 0xffff is not known (at stream offset 0x8)"),
    (HEAD + b"\x08\0\0\0\0", UnknownSectionType, "command 0x0 is not known (at stream offset 0x8)"),
]  # fmt: skip
REMEDIES: dict[type[StreamError], str] = {
    BadMagic: "look whether its file is damaged",
    ObsoleteVersion: "a QEMU of that time can load it and save it anew",
    UnknownVersion: "a newer vmsnap may know it",
    UnknownSection: "load it into a machine that has this device",
    UnknownSubsection: "another version of QEMU or vmsnap may know it",
    UnsupportedVersion: "another version of QEMU or vmsnap may know it",
    UnknownSectionId: "the stream is damaged, so copy it again or use another state",
    UnknownSectionType: "the stream is damaged, so copy it again or use another state",
    ShortRead: "it was cut off, so copy it again or use another state",
    ValueMismatch: "the stream is of another machine, or damaged",
}


def named_in(data: bytes) -> str | None:
    """The machine type to ask for, where a stream tells one."""
    return "pc-q35-7.2" if data[8:9] == MACHINE[:1] else None


def test_a_machine_type_that_is_not_told_is_refused() -> None:
    """As qemu_loadvm_state does ("Configuration section missing"), unless the form says that there is none."""
    old = HEAD + full(0, "cpu", 0, 5, CPU_BYTES) + b"\0"
    with pytest.raises(ValueMismatch, match="the configuration is missing: it should be of machine 'pc-q35"):
        machine().load(Reader(Memory(old)), machine="pc-q35-7.2")
    machine().load(Reader(Memory(old)))
    machine().load(Reader(Memory(old)), machine="pc-q35-7.2", form=StreamForm(description=False))
    machine().load(Reader(Memory(GOOD)), machine="pc-q35-7.2")
    with pytest.raises(ShortRead):
        machine().load(Reader(Memory(HEAD)), machine="pc-q35-7.2")


@pytest.mark.parametrize("kind", [Reader, PipeReader])
@pytest.mark.parametrize(("data", "refusal", "sentence"), REFUSED, ids=lambda value: getattr(value, "__name__", None))
def test_loading_refuses(data: bytes, refusal: type[StreamError], sentence: str, kind: type[Input]) -> None:
    stream: Input = Reader(Memory(data)) if kind is Reader else PipeReader(io.BytesIO(data))
    with pytest.raises(StreamError) as caught:
        machine().load(stream, machine=named_in(data))
    assert type(caught.value) is refusal
    assert str(caught.value).endswith(f"{sentence}; {REMEDIES[refusal]}")


@pytest.mark.parametrize(("data", "refusal", "sentence"), REFUSED, ids=lambda value: getattr(value, "__name__", None))
def test_the_window_says_the_same(data: bytes, refusal: type[StreamError], sentence: str) -> None:
    """What, where, and what to do, for people: without "stream", since the page is about a state."""
    with pytest.raises(refusal) as caught:
        machine().load(Reader(Memory(data)), machine=named_in(data))
    told = in_words(caught.value)
    assert told.endswith(f"{sentence.replace('at stream offset', 'at offset')}; {REMEDIES[refusal]}")
    assert "\n" not in told


@pytest.mark.parametrize(("data", "refusal", "sentence"), REFUSED[:4])
def test_the_command_line_says_the_same(
    data: bytes, refusal: type[StreamError], sentence: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a save image, whose head promises a state; a file of its own is not taken for one by other magic numbers."""
    path = tmp_path / "state.save"
    xml = b"<domain/>\0"
    path.write_bytes(b"LibvirtQemudSave" + struct.pack("<5I", 2, len(xml), 0, 0, 0) + bytes(56) + xml + data)
    assert main(["show", str(path)]) == 1
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert err.startswith(f"vmsnap: {path}: ")
    assert err.endswith(f"{sentence}; {REMEDIES[refusal]}\n")


@pytest.mark.parametrize("cut", range(1, len(GOOD)))
def test_every_cut_is_refused(cut: int) -> None:
    machine().load(PipeReader(io.BytesIO(GOOD)), machine="pc-q35-7.2")
    with pytest.raises(BadMagic if cut > len(GOOD) - 8 else ShortRead):
        machine().load(PipeReader(io.BytesIO(GOOD[:-cut])), machine="pc-q35-7.2")


def test_each_reason_has_a_class_of_its_own() -> None:
    refusals = {refusal for _, refusal, _ in REFUSED} | {TransferError}
    assert len(refusals) == 11
    assert all(issubclass(refusal, StreamError) for refusal in refusals)
    assert all(not issubclass(one, other) for one in refusals for other in refusals if one is not other)


def test_what_cannot_be_read_is_told() -> None:
    # the socket is connected to nobody
    with socket.socket() as alone, alone.makefile("rb") as source, pytest.raises(TransferError) as caught:
        machine().load(PipeReader(source))
    assert "it cannot be read: " in str(caught.value)
    assert str(caught.value).endswith("(at stream offset 0x0); try again when that is mended")


def test_what_is_only_saved_cannot_be_loaded() -> None:
    registry = Registry()
    registry.register("ram", RamHandler(), version=4)
    with pytest.raises(StreamError, match="section 'ram': RAM is read where it lies, so from a file only"):
        registry.load(PipeReader(io.BytesIO(HEAD + header(1, 0, "ram", 0, 4))))


@pytest.mark.parametrize("version", [2, 5])
@pytest.mark.parametrize("vmdesc", [True, False])
def test_ram_of_an_unknown_version_is_no_ram(version: int, vmdesc: bool) -> None:
    """One rule: what the registry refuses, opening a state refuses, too."""
    stream = Stream().configuration().ram(table(("ram", 4096)), page(0, pattern(1), "ram") + END_MARK, version=version)
    data = stream.full(DEVICE).finish(vmdesc=vmdesc)
    registry = Registry()
    registry.register("ram", RamHandler(), version=5)
    sentence = f"RAM section of version {version} is not known; 3 and 4 are"
    with pytest.raises(UnsupportedVersion) as caught:
        registry.load(Reader(Memory(data)))
    assert caught.value.message == f"section 'ram': {sentence}"
    state = open_state(Memory(data))
    (problem,) = [problem.message for problem in state.problems if sentence in problem.message]
    assert problem.startswith("ram: ")
    assert state.ram_blocks == ()
    assert "dev" in [section.name for section in state.sections]
    assert sentence in str(state.index_ram().problem)


@pytest.mark.parametrize(("data", "refusal"), [case[:2] for case in REFUSED[:4]])
def test_opening_a_state_refuses_with_the_same(data: bytes, refusal: type[StreamError]) -> None:
    with pytest.raises(refusal):
        open_state(Memory(data))


@pytest.mark.parametrize(
    ("damaged", "sentence"),
    [
        (Stream().configuration().full(DEVICE).section(2, b"lost", section_id=9).full(DEVICE, instance=1).finish(),
         "14 bytes here cannot be read as a section: a section part is for section id 9, which nothing started"),
        (Stream().configuration().full(DEVICE).raw(b"\x99" * 9).full(DEVICE, instance=1).finish(),
         "9 bytes here cannot be read as a section: no section starts here: 0x99 is the type of none"),
        (bytes(Stream().configuration().full(DEVICE).out), "the walk stopped: the stream ends without its end mark"),
    ],
)  # fmt: skip
def test_a_state_that_is_opened_all_the_same_says_it(damaged: bytes, sentence: str) -> None:
    state = open_state(Memory(damaged), forward=True)
    assert sentence in [problem.message for problem in state.problems]
    assert state.sections


class Shrunk(Memory):
    """A file that gets shorter while it is read."""

    def readinto(self, offset: int, buffer: object) -> None:
        raise ImageError("the file ended 4 bytes too early: it has shrunk while it was read")


def test_errors_of_the_file_pass_through() -> None:
    with pytest.raises(ImageError, match="has shrunk"):
        machine().load(Reader(Shrunk(GOOD)))
