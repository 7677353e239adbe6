"""Layouts of one state used for another of the same machine: the recorded states, with their description taken away."""

from __future__ import annotations

import struct
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.samples import QCOW2, STREAMS, sample
from tests.vmstate.checks import check_saved_again, check_state
from tests.vmstate.layouts import Body, Item, body, buffer, entry, nested, null, pointers, scalar, scalars, structs
from tests.vmstate.streams import Memory, Stream
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.qcow2_snapshots import Qcow2Snapshot
from vmsnap_gui.vmstate.devices import VMState, open_state
from vmsnap_gui.vmstate.elements import Elements
from vmsnap_gui.vmstate.fields import join_path, to_json
from vmsnap_gui.vmstate.sections import SectionType
from vmsnap_gui.vmstate.siblings import layouts_beside, layouts_of, source_of
from vmsnap_gui.vmstate.snapshots import open_snapshot
from vmsnap_gui.vmstate.tail import find_tail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vmsnap_gui.image.byteview import ByteView
    from vmsnap_gui.vmstate.fields import Field

DESCRIBED = [name for name in (*QCOW2, *STREAMS) if not name.startswith(("seed-era", "pc-nodesc"))]


def undescribed(view: ByteView) -> Memory:
    """Return a stream as `-machine suppress-vmdesc=on` writes it."""
    tail = find_tail(view)
    assert tail is not None
    return Memory(view.read(0, tail.eof + 1))


def trees(state: VMState) -> dict[int, list[tuple[str, str, int, int]]]:
    """Return path, type and place of every leaf of every device; an array of numbers counts as one."""
    return {
        section.offset: list(leaves(state.decode(section)))
        for section in state.sections
        if section.type is SectionType.FULL
    }


def leaves(field: Field, path: str = "") -> Iterator[tuple[str, str, int, int]]:
    for child in field.children:
        here = join_path(path, child.name)
        is_plain = isinstance(child.children, Elements) and child.children.scalars() is not None
        if child.kind.is_container and not is_plain:
            yield from leaves(child, here)
        else:
            yield here, child.type, child.offset, child.size


@pytest.mark.slow
@pytest.mark.parametrize("name", DESCRIBED)
def test_every_state_is_described_by_those_beside_it_as_by_itself(name: str) -> None:
    with closing(open_image(sample(name))) as image:
        states = {
            snapshot: open_state(image.vm_state(snapshot)) for snapshot in image.snapshots if snapshot.vm_state_size
        }
        for snapshot, truth in states.items():
            others = [state for other, state in states.items() if other != snapshot] or [truth]
            layouts = [source_of(others, "another snapshot")]
            state = open_state(undescribed(truth.view), layouts=lambda _machine, layouts=layouts: layouts)
            expected = trees(truth)
            assert trees(state) == expected
            count = len(expected)
            (notice,) = state.problems
            what = f"{count} section{'' if count == 1 else 's'} by layouts of another snapshot"
            assert notice.message == f"what the stream does not describe itself: {what}"


@pytest.mark.slow
def test_nothing_is_described_without_a_sibling() -> None:
    with closing(open_image(sample("pc-nodesc@10.0/disk0.qcow2"))) as image:
        assert layouts_of(image, image.snapshots) is None
        for snapshot in image.snapshots:
            state = open_snapshot(image, snapshot)
            check_state(state)
            full = [section for section in state.sections if section.type is SectionType.FULL]
            assert len(full) == 35
            assert {section.bounded_by for section in full} == {"footer"}
            assert not any(state.is_described(section) for section in full)


def test_a_damaged_snapshot_is_no_sibling_and_no_hindrance(tmp_path: Path) -> None:
    path = tmp_path / "image"
    path.write_bytes(sample("pc-nodesc@10.0/disk0.qcow2").read_bytes())
    with closing(open_image(path)) as image:
        second = image.snapshots[1]
        assert isinstance(second, Qcow2Snapshot)
        entry_of_second = path.read_bytes().index(struct.pack(">QI", second.l1_offset, second.l1_size))
    with path.open("r+b") as file:
        file.seek(entry_of_second)
        file.write(struct.pack(">Q", 1 << 50))
    with closing(open_image(path)) as image:
        state = open_snapshot(image, image.snapshots[0])
        assert len(state.sections) > 10


def test_siblings_are_sought_once_for_an_open_image() -> None:
    path = sample("riscv64-virt@10.0/disk0.qcow2")
    with closing(open_image(path)) as image, closing(open_image(path)) as again:
        found = layouts_beside(image, "virt")
        assert found is not None
        assert layouts_beside(image, "virt") is found
        assert layouts_beside(image, "pc") is None
        assert layouts_beside(again, "virt") is not found  # it may be another file by then


def test_other_machine_types_are_no_siblings() -> None:
    with closing(open_image(sample("riscv64-virt@10.0/disk0.qcow2"))) as image:
        found = layouts_of(image, image.snapshots)
        assert found is not None
        assert found.machine == "virt"
        assert layouts_of(image, image.snapshots, "pc-i440fx-10.0") is None


def described_by(*others: Body, target: Body) -> tuple[VMState, object]:
    """Describe `target` by states that have the others; return the state and what the target decodes to."""
    sources = []
    for other in others:
        stream = Stream().configuration().full(other, name="0000:00:02.0/dev")
        sources.append(open_state(Memory(stream.finish())))
    data = Stream().configuration().full(target, name="0000:00:05.0/dev").finish(vmdesc=False)
    state = open_state(Memory(data), layouts=lambda _machine: [source_of(sources, "others")])
    (section,) = state.sections
    check_state(state)
    assert check_saved_again(state) == 1
    return state, to_json(state.decode(section))


def element(number: int, *, with_data: bool) -> Body:
    items = [scalar("has", "uint8", int(with_data)), scalar("n", "uint16", number)]
    return body(*items, *([buffer("data", bytes([number] * 3))] if with_data else []), name="e")


def test_what_only_some_elements_have_is_found_by_the_number_that_tells_it() -> None:
    seen = body(structs("e", [element(1, with_data=True), element(2, with_data=False)]))
    target = body(structs("e", [element(3, with_data=False), element(4, with_data=True)]))
    state, found = described_by(seen, target=target)
    assert found == target.value
    assert "leave open" not in state.problems[0].message


def counted(*values: int) -> Body:
    return body(
        scalar("unrelated", "uint8", 9), scalar("n", "uint8", len(values)), scalars("v", "uint32", list(values))
    )


def test_a_count_that_was_an_earlier_field_each_time_is_that_field() -> None:
    target = counted(*range(1, 8))
    state, found = described_by(counted(1, 2), counted(1, 2, 3), target=target)
    assert found == target.value
    assert "leave open" not in state.problems[0].message


def test_a_count_seen_once_is_found_by_what_fits() -> None:
    target = counted(*range(1, 8))
    state, found = described_by(counted(1, 2), target=target)
    assert found == target.value
    assert "in 1 place what they leave open was decided by what fits" in state.problems[0].message


def test_subsections_come_from_whichever_state_had_them() -> None:
    first, second = body(scalar("x", "uint8", 1), name="dev/a"), body(scalar("y", "uint16", 2), name="dev/b")
    target = body(scalar("s", "uint8", 5), subsections=(second, first))
    with_first = body(scalar("s", "uint8", 5), subsections=(first,))
    with_second = body(scalar("s", "uint8", 5), subsections=(second,))
    _, found = described_by(with_first, with_second, target=target)
    assert found == target.value


def test_null_pointers_may_be_others() -> None:
    one, two = body(scalar("x", "uint32", 7), name="e"), body(scalar("x", "uint32", 8), name="e")
    target = body(pointers("p", [one, None, two, None]), scalar("end", "uint8", 1))
    _, found = described_by(body(pointers("p", [None, None, one, None]), scalar("end", "uint8", 1)), target=target)
    assert found == target.value


def test_pointers_that_were_all_null_stay_unknown() -> None:
    one = body(scalar("x", "uint32", 7), name="e")
    state, _ = described_by(
        body(null("p"), scalar("end", "uint8", 1)), target=body(nested("p", one), scalar("end", "uint8", 1))
    )
    assert "nothing describes 1 section" in state.problems[-1].message


def test_hand_written_state_of_another_length_stays_bytes() -> None:
    def handwritten(data: bytes) -> Body:
        return Body("", (Item("data", data, (entry("data", "buffer", len(data)),), data.hex()),), (), 0)

    _, found = described_by(handwritten(b"abc"), target=handwritten(b"defgh"))
    assert found == {"data": b"defgh".hex()}


@pytest.mark.parametrize("value", [1.5, float("inf"), float("nan")])
def test_nothing_depends_on_a_float(value: float) -> None:
    target = body(scalar("f", "float64", value), scalar("n", "uint8", 3), scalars("v", "uint8", [1, 2, 3]))
    seen = body(scalar("f", "float64", value), scalar("n", "uint8", 2), scalars("v", "uint8", [1, 2]))
    _, found = described_by(seen, target=target)
    assert found == target.value
