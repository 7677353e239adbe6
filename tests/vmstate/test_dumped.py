"""The layouts that a QEMU binary dumps: what is read of them, and what they make of states of that QEMU."""

from __future__ import annotations

import json
from contextlib import closing
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.machines.machine import Machine
from tests.vmstate.streams import Memory, Stream
from tests.vmstate.test_siblings import leaves, undescribed
from vmsnap_gui.control.dumping import dump_layouts
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.vmstate.description import Doubt
from vmsnap_gui.vmstate.devices import VMState, open_state
from vmsnap_gui.vmstate.dumped import read_dump
from vmsnap_gui.vmstate.editing import edit_of
from vmsnap_gui.vmstate.fields import show, to_json, walk
from vmsnap_gui.vmstate.sections import SectionType
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.description import VMStateDescription
    from vmsnap_gui.vmstate.fields import Field

QEMU = Path("/usr/bin/qemu-system-x86_64")


@cache
def dump() -> bytes:
    return dump_layouts(QEMU, "pc", lambda _done, _total: None)


def field(name: str, size: int, **more: object) -> dict[str, object]:
    return {"field": name, "version_id": 0, "field_exists": False, "size": size, **more}


def described(*fields: dict[str, object], name: str = "dev", **more: object) -> bytes:
    layout = {"name": name, "version_id": 2, "minimum_version_id": 1, "Fields": list(fields), **more}
    entry = {"Name": name, "version_id": 2, "minimum_version_id": 1, "Description": layout}
    return json.dumps({"vmschkmachine": {"Name": "pc-i440fx-10.0"}, "the-class": entry}).encode()


def layout(*fields: dict[str, object], **more: Any) -> VMStateDescription:  # noqa: ANN401
    source = read_dump(described(*fields, **more), "it")
    (found,) = source.candidates("0000:00:01.0/dev")
    return found


def shown(data: bytes, *fields: dict[str, object], version: int = 2) -> object:
    """Return what a section of these bytes is decoded to."""
    state = read(data, *fields, version=version)
    return to_json(state.decode(state.sections[0]))


def read(data: bytes, *fields: dict[str, object], version: int = 2) -> VMState:
    """Open a state with a section of these bytes."""
    from tests.vmstate.layouts import body

    stream = Stream().configuration().full(body(), name="dev", payload=data, version=version, described=False)
    source = read_dump(described(*fields), "it")
    return open_state(Memory(stream.finish(vmdesc=False)), layouts=lambda _machine: [source])


def test_a_section_that_is_described_in_part_is_told_and_not_called_described() -> None:
    either = [field(name, 1, field_exists=True) for name in ("b", "c")]
    state = read(b"\1\2", field("a", 1), *either)
    (section,) = state.sections
    assert to_json(state.decode(section)) == {"a": 1, "(raw)": "02"}
    assert state.description(section) is not None
    assert not state.is_described(section)
    assert "1 section (1 in part: several layouts fit, and what they do not agree on is raw) by layouts of it" in (
        state.problems[0].message
    )
    assert all(read(b"\1\2", field("a", 1), field("b", 1)).is_described(one) for one in state.sections)


def test_which_layouts_do_not_fit_and_which_there_are_not_is_told() -> None:
    from tests.vmstate.layouts import body

    stream = Stream().configuration()
    for name in ("dev", "0000:00:01.0/dev", "other"):
        stream.full(body(), name=name, payload=b"\1\2\3", described=False)
    source = read_dump(described(field("a", 2)), "it")
    state = open_state(Memory(stream.finish(vmdesc=False)), layouts=lambda _machine: [source])
    assert [problem.message for problem in state.problems] == [
        "nothing describes 3 sections, shown as raw bytes; "
        "what the layouts have for dev, 0000:00:01.0/dev does not fit, and the layouts have nothing for other"
    ]


def test_fields_have_sizes_but_no_types() -> None:
    found = layout(field("a", 4), field("b", 3), field("c", 2, num=5), field("d", 0))
    assert [(f.type, f.size, f.count, f.is_array, f.doubt) for f in found.fields] == [
        ("(uint32)", 4, 1, False, Doubt.SLIGHT),
        ("(bytes)", 3, 1, False, Doubt.SLIGHT),
        ("(uint16)", 2, 5, True, Doubt.NONE),
        ("(bytes)", 0, 1, False, Doubt.FULL),
    ]
    assert (found.version_id, found.minimum_version_id) == (2, 1)


def test_names_that_repeat_are_numbered_as_in_a_vmdesc() -> None:
    found = layout(field("a", 4), field("config", 256, field_exists=True), field("config", 4096, field_exists=True))
    assert [f.name for f in found.fields] == ["a", "config[0]", "config[1]"]


def test_one_of_the_fields_of_one_name_is_there() -> None:
    fields = (field("x", 4, field_exists=True), field("x", 8, field_exists=True), field("end", 1))
    assert shown(bytes(4) + b"\1", *fields) == {"x[0]": 0, "end": 1}
    assert shown(bytes(8) + b"\1", *fields) == {"x[1]": 0, "end": 1}


def test_a_later_form_of_a_field_has_a_version() -> None:
    fields = (field("x", 4, field_exists=True), field("x", 4, version_id=2), field("end", 1, version_id=2))
    assert shown(bytes(4) + b"\1", *fields) == {"x[1]": 0, "end": 1}
    assert shown(bytes(4), *fields, version=1) == {"x[0]": 0}


def test_a_timer_is_shorter_than_in_memory() -> None:
    assert shown(b"\1" + bytes(8) + b"\2", field("a", 1), field("timer", 48), field("b", 1)) == {
        "a": 1,
        "timer": bytes(8).hex(),
        "b": 2,
    }


@pytest.mark.parametrize(
    ("name", "size", "value", "type_name", "text"),
    [
        ("rtc_timer", 8, "f" * 16, "timer", "off"),
        ("ar.tmr.timer", 8, "00000000b2d05e00", "timer", "3.000000000 s"),
        ("timer_expiry", 8, "f" * 16, "(uint64)", "0xffffffffffffffff"),
        ("time", 8, "00" * 7 + "2a", "(uint64)", "0x000000000000002a"),
        ("level", 4, "fffffffe", "(uint32)", "0xfffffffe"),
        ("timer", 4, "00000007", "(uint32)", "0x00000007"),
    ],
)
def test_what_has_no_type_is_shown_in_hexadecimal(name: str, size: int, value: str, type_name: str, text: str) -> None:
    """Only what is called a timer certainly is one: whether another number can be negative is not told."""
    state = read(bytes.fromhex(value), field(name, size))
    number = state.decode(state.sections[0]).children[1]
    assert (number.type, show(number)) == (type_name, text)
    assert "; numbers whose type a dump does not tell are shown in hexadecimal" in state.problems[0].message
    edited = edit_of(state, f"dev.{name}=-3")
    assert edited.after == (-3).to_bytes(size, "big", signed=True)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "no JSON"),
        (b"[" * 100_000, "no JSON"),
        (b"[]", "no dump"),
        (b'{"devices": []}', "no dump"),
        (b'{"vmschkmachine": {}, "a": {"Description": 5}}', "no object"),
        (described(field("a", -5)), "no number"),
        (described(field("a", 1 << 40)), "no number"),
        (described(field("a", -1)), "no number"),
        (described(field("a", 4) | {"num": -1}), "no number"),
        (described({"field": 7}), "no name"),
        (described(name="x" * 5000), "no name"),
        (described(Subsections={}), "no list"),
    ],
)
def test_what_is_no_dump_is_refused(data: bytes, reason: str) -> None:
    with pytest.raises(StreamError, match=reason):
        read_dump(data, "it")


def borders(root: Field) -> list[tuple[str, int, int]]:
    """Return name and place of each leaf; not its whole path, since some classes have a struct of another name."""
    return [(path.rpartition(".")[2], offset, size) for path, _, offset, size in leaves(root)]


@pytest.mark.qemu
def test_a_real_dump_has_the_devices_of_its_qemu() -> None:
    source = read_dump(dump(), "qemu")
    assert source.machine is not None
    assert source.machine.startswith("pc-i440fx-")
    assert len(source.layouts) > 100
    (serial, *_) = source.candidates("serial")
    assert [f.type for f in serial.fields] == ["struct"]
    assert "divider" in [f.name for f in serial.fields[0].nested[0].fields]


@pytest.mark.qemu
def test_what_a_real_dump_describes_has_the_borders_that_the_state_itself_describes(tmp_path: Path) -> None:
    path = tmp_path / "state"
    with Machine(["-M", "pc", "-m", "16", "-S"]) as machine:
        machine.migrate_to(path)
    with closing(open_image(path)) as image:
        truth = open_state(image.vm_state(image.snapshots[0]))
        source = read_dump(dump(), "qemu")
        state = open_state(undescribed(truth.view), layouts=lambda _machine: [source])
        whole = timers = 0
        for section, own in zip(
            (s for s in state.sections if s.type is SectionType.FULL),
            (s for s in truth.sections if s.type is SectionType.FULL),
            strict=True,
        ):
            if state.description(section) is None:
                continue
            found, expected = borders(state.decode(section)), borders(truth.decode(own))
            beginning = [leaf for leaf in found if leaf[0] not in ("(raw)", "(footer)")]
            assert expected[: len(beginning)] == beginning, section.key
            whole += len(found) == len(expected)
            numbers = {field.offset: field for _, field in walk(state.decode(section)) if field.type == "timer"}
            types = {field.offset: field.type for _, field in walk(truth.decode(own)) if not field.kind.is_container}
            assert {types[offset] for offset in numbers} <= {"timer"}
            timers += len(numbers)
        # Without `num` (QEMU 7.2) arrays are in the way in a third of them.
        assert whole >= 12
        assert timers
        assert "what the stream does not describe itself: " in state.problems[0].message
