"""From a tree of fields and its description back to the bytes of a section: what QEMU's vmstate_save_state does.

The counterpart of `decoder`: what that reads is written here in the same form, so that decoding and saving gives the
same bytes.
"""

from __future__ import annotations

import re
import struct
from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.description import MARKED
from vmsnap_gui.vmstate.elements import Elements
from vmsnap_gui.vmstate.fields import Field, Kind
from vmsnap_gui.vmstate.sections import footer, full_header, subsection_header
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from vmsnap_gui.vmstate.description import VMStateDescription, VMStateField
    from vmsnap_gui.vmstate.sections import Section

NULL = b"0"  # VMSNULLPTR_MARKER
_UNSIGNED = {1: "B", 2: "H", 4: "I", 8: "Q"}
VALID = b"1"  # VMS_MARKER_PTRVALID
_ESCAPED = re.compile(rb"\\x([0-9a-f]{2})")


class SaveError(StreamError):
    """A tree cannot be saved by a description: one sentence for people, with the field's path in the tree."""


def save_section(section: Section, description: VMStateDescription | None, root: Field) -> bytes:
    """Return a FULL section's bytes, with header and footer.

    Args:
        section: The section; whether it has a footer is told by its size.
        description: What it holds, concrete; None where nothing describes it.
        root: Its tree, as `VMState.decode` gives it.

    Raises:
        SaveError: the tree is not one of this description.
    """
    head = full_header(section.section_id, section.name, section.instance_id, section.version)
    nodes = [node for node in root.children if node.kind is not Kind.FRAME]
    saver = _Saver()
    if description is None:
        saver.rest(nodes)
    else:
        saver.description(description, nodes)
    has_footer = section.size > len(head) + section.payload_size
    return b"".join((head, bytes(saver.out), footer(section.section_id) if has_footer else b""))


def save_fields(description: VMStateDescription, nodes: Sequence[Field]) -> bytes:
    """Return the payload of fields and subsections; raises like `save_section`."""
    saver = _Saver()
    saver.description(description, nodes)
    return bytes(saver.out)


class _Saver:
    """Appends to `out` what fields hold."""

    def __init__(self) -> None:
        self.out = bytearray()

    def description(self, description: VMStateDescription, nodes: Sequence[Field]) -> None:
        """Save fields in the description's order, its subsections, and raw bytes that it does not cover."""
        left = iter(nodes)
        for group in _groups(description.fields):
            node = next(left, None)
            if node is None or node.kind is Kind.RAW:  # cut off there: what is left of it was kept raw
                self.rest([node] if node is not None else [])
                break
            if len(group) == 1 and not group[0].is_array:
                self.element(group[0], node)
            else:
                self._array(group, node)
        else:
            for subsection in description.subsections:
                node = next(left, None)
                if node is None or node.kind is not Kind.SUBSECTION:
                    self.rest([node] if node is not None else [])
                    break
                self._subsection(subsection, node)
        self.rest(left)

    def rest(self, nodes: Iterable[Field]) -> None:
        """Save bytes that nothing describes."""
        for node in nodes:
            if node.kind is not Kind.RAW:
                raise SaveError(f"{node.name}: nothing describes this field")
            self._leaf(node)

    def element(self, field: VMStateField, node: Field) -> None:
        """Save one element of `field`."""
        if node.kind not in (Kind.STRUCT, Kind.ARRAY):
            self._leaf(node)
        elif field.type == "gtree":
            self._tree(field, node)
        elif field.type in ("qtailq", "qlist", MARKED):
            self._list(field, node)
        else:
            self.description(field.nested[0], node.children) if field.nested else self.rest(node.children)

    def _array(self, group: list[VMStateField], node: Field) -> None:
        children = node.children
        if not isinstance(children, Elements):  # pointers that loading allocates: a marker before each object
            for field, child in zip(group, children, strict=True):
                if child.kind is Kind.FRAME:
                    self.out += VALID
                else:
                    self.element(field, child)
            return
        if not self._all_at_once(group[0], children):
            for first, count, field in children.runs():
                for index in range(first, first + count):
                    self.element(field, children[index])

    def _all_at_once(self, field: VMStateField, children: Elements) -> bool:
        """Save an array of whole numbers in one go; False where it is none."""
        values = children.scalars() if field.type != "bool" else None  # a bool may be another byte than 0 and 1
        if values is None:
            return False
        unsigned = [int(value) & (1 << 8 * field.size) - 1 for value in values]
        self.out += struct.pack(f">{len(unsigned)}{_UNSIGNED[field.size]}", *unsigned)
        return True

    def _list(self, field: VMStateField, node: Field) -> None:
        """A qtailq or qlist: before each element a marker, at the end a byte 0."""
        items = [child for child in node.children if child.kind is Kind.STRUCT]
        markers = [child for child in node.children if child.kind is Kind.FRAME]
        for nested, marker, item in zip(field.nested, markers, items, strict=False):
            self._leaf(marker)
            self.description(nested, item.children)
        self._end(node)

    def _tree(self, field: VMStateField, node: Field) -> None:
        """A gtree: how many nodes, before each a marker, then key and value, at the end a byte 0."""
        items = [child for child in node.children if child.kind is Kind.STRUCT]
        frames = [child for child in node.children if child.kind is Kind.FRAME]
        for count in frames[:1]:
            self._leaf(count)
        keyed = len(field.nested) == 2 * len(items)
        for number, (marker, item) in enumerate(zip(frames[1:], items, strict=False)):
            self._leaf(marker)
            for part in item.children:
                if part.kind is not Kind.STRUCT:
                    self._leaf(part)
                elif part.name == "key":
                    self.description(field.nested[2 * number], part.children)
                else:
                    self.description(field.nested[2 * number + 1 if keyed else number], part.children)
        self._end(node)

    def _end(self, node: Field) -> None:
        frames = [child for child in node.children if child.kind is Kind.FRAME and child.name == "(marker)"]
        items = sum(child.kind is Kind.STRUCT for child in node.children)
        if len(frames) > items:
            self.out += b"\0"
        self.rest(child for child in node.children if child.kind is Kind.RAW)

    def _subsection(self, description: VMStateDescription, node: Field) -> None:
        self.out += subsection_header(description.name, description.version_id)
        self.description(description, [child for child in node.children if child.kind is not Kind.FRAME])

    def _leaf(self, node: Field) -> None:
        data = encoded(node)
        if len(data) != node.size:
            raise SaveError(f"{node.name}: its value takes {len(data)} bytes, but it has {node.size}")
        self.out += data


def _groups(fields: Sequence[VMStateField]) -> Iterator[list[VMStateField]]:
    """Yield the parts of each array together, and each other field by itself, as the decoder takes them."""
    group: list[VMStateField] = []
    for field in fields:
        if group and field.name != group[0].name:
            yield group
            group = []
        group.append(field)
    if group:
        yield group


def encoded(node: Field) -> bytes:
    """Return the bytes of a leaf; SaveError where it has no value."""
    value = node.value
    if isinstance(value, bytes):
        return value
    if node.kind is Kind.NULL:
        return NULL
    if node.kind is Kind.FLOAT and isinstance(value, float):
        return struct.pack(">d", value)
    if node.kind is Kind.TEXT and isinstance(value, str):
        data = value.encode()
        if len(data) != node.size - (1 if node.type == "capability" else 4):  # what is no UTF-8 is shown as escapes
            data = _ESCAPED.sub(lambda found: bytes([int(found[1], 16)]), data)
        return len(data).to_bytes(max(1, node.size - len(data)), "big") + data
    if isinstance(value, int):
        return (value & (1 << 8 * node.size) - 1).to_bytes(node.size, "big")
    raise SaveError(f"{node.name}: a field of type {node.type} has no value of its own")
