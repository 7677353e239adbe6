"""The filter on the fields of recorded machines, and the examples that the documentation gives."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.guest.recorded import devices
from tests.samples import sample
from vmsnap_gui.guest.filter import compile_filter, field_filter
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.fields import Kind, walk

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.fields import Value

Q35 = "q35-default@10.0"
DOCUMENT = Path(__file__).parents[2] / "docs" / "filter.md"


@dataclass(frozen=True, slots=True)
class Row:
    device: str
    name: str
    path: str
    type: str
    value: Value
    size: int
    offset: int
    label: str | None
    changed: bool = False
    outcome: str = ""
    problem: str | None = None


@cache
def rows() -> list[Row]:
    """Every field of a recorded PC, but of each array only the first hundred elements."""
    image = open_image(sample(f"{Q35}/disk0.qcow2"))
    state = open_state(image.vm_state(image.snapshots[0]))
    found = []
    for section in state.sections:
        labels = devices(Q35, "snap0")[section.key].labels
        for path, field in walk(state.decode(section)):
            if field.kind is Kind.FRAME or re.search(r"\[\d{3,}\]", path):
                continue
            label = labels[path].name if path in labels else None
            place = (field.value, field.size, field.offset)
            found.append(Row(section.key, field.name, path, field.type, *place, label))
    image.close()
    return found


def found(text: str) -> list[Row]:
    matches = compile_filter(text).matches
    return [row for row in rows() if matches(row)]


def test_registers_by_path_and_by_label() -> None:
    (first,) = found("cpu:0.env.eip != 0")
    assert found("rip != 0 and device == cpu:0") == [first]
    assert found(f"rip == {first.value} and cpu:0.rip > 0") == [first]
    assert {row.device for row in found("env.eip != 0")} == {"cpu", "cpu:1"}
    assert [row.path for row in found("rax device == cpu:1")] == ["env.regs[0]"]
    assert [row.label for row in found("cs.selector == 0 and device == cpu:0")] == ["CS.selector"]


def test_kinds_of_fields() -> None:
    timers = found("type == timer")
    assert timers == [row for row in rows() if row.type == "timer"]
    assert len(timers) > 10
    assert {row.device for row in found("device ~ virtio")} == {"0000:00:03.0/virtio-blk"}
    assert found("size >= 512 and size < 1 KiB") == [row for row in rows() if 512 <= row.size < 1024]
    assert {row.device for row in found("globalstate.runstate == paused")} == {"globalstate"}
    assert {row.path for row in found('type == "pci config" and value ~ 8680')} >= {
        "parent_obj.config[0]",
        "d.config[0]",
    }
    assert len(found("label") + found("not label")) == len(rows())


def test_a_filter_of_every_field_finds_it_and_nothing_with_another_name() -> None:
    by_value = {(row.device, row.path): row for row in rows()}
    for row in list(by_value.values())[::7]:
        text = field_filter(f"{row.device}.{row.path}", row.value)
        matches = compile_filter(text).matches
        assert matches(row), text
        for other in rows()[::97]:
            same_end = other.path.endswith(row.path) or (other.label or "") == row.path
            assert not matches(other) or same_end, (text, other)


def test_the_examples_of_the_documentation() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    quoted = re.findall(r"(?m)^\| `([^`]+)` \| [^|]+ \|$", text)
    in_tables = [
        example for line in re.findall(r"(?m)^\| `\w+` \| .* \| (.*) \|$", text) for example in line.split("`")[1::2]
    ]
    indented = re.findall(r"(?m)^    (.+)$", text)
    inline = [example for example in re.findall(r"`([^`]+)`", text) if " ~ " in example or " == " in example]
    examples = [example for example in [*quoted, *in_tables, *indented, *inline] if not example.startswith("==")]
    assert len(examples) > 40
    nothing_here = {"changed", "changed == in_b", "problem"}
    for example in examples:
        assert bool(found(example)) != (example in nothing_here), example


@pytest.mark.parametrize("text", ["device ~ virtio", "value > 10", "changed or problem", "cpu.env.eip == 0x7c00"])
def test_a_filter_reads_its_own_text_again(text: str) -> None:
    assert compile_filter(f"  {text} ").text == text
    assert found(f"({text}) and ({text})") == found(text)
