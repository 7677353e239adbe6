"""What has to hold for every state, whatever is in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.vmstate.streams import Memory, Stream
from vmsnap_gui.vmstate.devices import VMState, open_state
from vmsnap_gui.vmstate.fields import Field, Kind, show, to_json, walk
from vmsnap_gui.vmstate.saving import save_section
from vmsnap_gui.vmstate.sections import SectionType

if TYPE_CHECKING:
    from tests.vmstate.layouts import Body
    from vmsnap_gui.vmstate.sections import Section


def undescribed(what: str) -> str:
    """What is told of so many sections that nothing describes: "4 sections"."""
    return (
        f"nothing describes {what}, shown as raw bytes; "
        "layouts of its QEMU, or of another state of this machine type, would"
    )


def leaves(root: Field) -> list[Field]:
    """The leaves below a field, or the field itself if it is one."""
    return [field for _, field in walk(root) if not field.kind.is_container]


def check_tiles(root: Field) -> None:
    """Every byte of `root` belongs to exactly one leaf, in order, and each container spans its children."""
    position = root.offset
    for leaf in leaves(root):
        assert leaf.offset == position, (leaf, position)
        position += leaf.size
    assert position == root.offset + root.size
    for path, field in walk(root):
        if field.kind.is_container:
            assert sum(child.size for child in field.children) == field.size, path


def check_state(state: VMState) -> None:
    """Sections are in order and whole, each is tiled by its leaves, and can be shown and written as JSON."""
    position = 8
    for section in sorted((*state.sections, *state.commands), key=lambda s: s.offset):
        assert section.offset >= position
        position = section.end
        root = state.decode(section)
        assert (root.offset, root.size) == (section.offset, section.size)
        check_tiles(root)
        assert all("\n" not in show(field) for _, field in walk(root))
        json.dumps(to_json(root))
    assert position <= state.view.size
    if state.configuration is not None:
        check_tiles(state.configuration)


def facts(section: Section) -> tuple[object, ...]:
    """What the tail and the forward walk must agree on."""
    return (
        section.type, section.section_id, section.key, section.version,
        section.offset, section.size, section.payload_offset, section.payload_size,
    )  # fmt: skip


def open_both(data: bytes) -> tuple[VMState, VMState]:
    """Open a stream by the tail and forward, and check that they agree about every FULL section."""
    tail, forward = open_state(Memory(data)), open_state(Memory(data), forward=True)
    for state in (tail, forward):
        check_state(state)
    full = [facts(s) for s in forward.sections if s.type is SectionType.FULL]
    assert [facts(s) for s in tail.sections if s.type is SectionType.FULL] == full
    assert tail.ram_blocks == forward.ram_blocks
    for a in tail.sections:
        if a.type is SectionType.FULL:
            b = next(s for s in forward.sections if s.offset == a.offset)
            assert to_json(tail.decode(a)) == to_json(forward.decode(b))
    return tail, forward


def decode_one(body: Body) -> Field:
    """Save one device, open the stream both ways, and return its root."""
    tail, _ = open_both(Stream().full(body).finish())
    assert tail.problems == ()
    (section,) = tail.sections
    assert tail.is_described(section)
    return tail.decode(section)


def child(root: Field, path: str) -> Field:
    """The field at a path; an AssertionError that lists the paths where it is not there."""
    found = dict(walk(root))
    assert path in found, sorted(found)
    return found[path]


def problems(root: Field) -> list[tuple[str, str]]:
    """(path, problem) of each field with a problem."""
    return [(path, field.problem) for path, field in walk(root) if field.problem is not None]


def kinds(root: Field) -> list[Kind]:
    """The kinds of the leaves."""
    return [field.kind for field in leaves(root)]


def check_saved_again(state: VMState) -> int:
    """Decode and save every FULL section: the same bytes come back. Returns how many there were."""
    count = 0
    for section in state.sections:
        if section.type is SectionType.FULL:
            device = state.description(section)
            saved = save_section(section, device.description if device else None, state.decode(section))
            assert saved == state.view.read(section.offset, section.size), section.key
            count += 1
    return count
