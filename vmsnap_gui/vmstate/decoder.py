"""From a section's bytes and its description to a tree of fields that covers every byte.

The layout of each field type is that of QEMU's migration/vmstate-types.c. What does not fit becomes a node of raw
bytes with a problem; nothing here raises for what a stream holds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.image.texts import counted
from vmsnap_gui.vmstate.description import MARKED
from vmsnap_gui.vmstate.elements import Elements, Run
from vmsnap_gui.vmstate.fields import Field, Kind
from vmsnap_gui.vmstate.scalars import scalar_type
from vmsnap_gui.vmstate.wire import text

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmsnap_gui.vmstate.description import VMStateDescription, VMStateField

_NULL_MARKER = 0x30  # VMS_NULLPTR_MARKER, ASCII "0"
_PTR_MARKER = "ptr-marker"  # what QEMU 11 calls a nullptr, and the byte before a pointer that loading allocates
_VALID_MARKER = 0x31  # VMS_MARKER_PTR_VALID, ASCII "1": the pointer's object follows
_MAX_EMPTY = 4096  # elements without bytes cost nothing in the stream, so bound them here


class Decoder:
    """Decodes one section whose bytes are all here.

    Attributes:
        data: The section's bytes, header and footer included.
        base: Offset of data[0] in the stream.
    """

    def __init__(self, data: bytes, base: int) -> None:
        self.data = data
        self.base = base

    def leaf(self, name: str, type_name: str, kind: Kind, start: int, end: int) -> Field:
        """Return a leaf over data[start:end]; its value is those bytes, but for FRAME and RECORDS."""
        value = None if kind in (Kind.FRAME, Kind.RECORDS) else self.data[start:end]
        return Field(name, type_name, kind, self.base + start, end - start, value)

    def raw(self, start: int, end: int, problem: str | None = None) -> Field:
        """Return a leaf of raw bytes that no description covers."""
        field = self.leaf("(raw)", "(raw)", Kind.RAW, start, end)
        field.problem = problem
        return field

    def description(self, description: VMStateDescription, position: int, end: int) -> tuple[list[Field], int]:
        """Decode fields and subsections from `position`.

        Returns:
            The nodes, and the position after what they cover; less than the description says where it does not fit
            before `end`: then the last node carries the problem.
        """
        nodes: list[Field] = []
        fields = description.fields
        i = 0
        while i < len(fields):
            field = fields[i]
            group = [field]
            i += 1
            # Different fields never share a name here; a run of one element has neither index nor array_len.
            while i < len(fields) and fields[i].name == field.name:
                group.append(fields[i])
                i += 1
            if len(group) == 1 and not field.is_array:
                if position + field.size > end:
                    return self._cut(nodes, field.name, field.size, position, end)
                nodes.append(self.element(field, field.name, position))
                position += field.size
                continue
            total = sum(part.total for part in group)
            if position + total > end:
                return self._cut(nodes, field.name, total, position, end)
            nodes.append(self._array(group, position))
            position += total
        for subsection in description.subsections:
            node = self._subsection(subsection, position, end)
            if node is None:
                return self._cut(nodes, subsection.name, subsection.framed_size, position, end)
            nodes.append(node)
            position += node.size
        return nodes, position

    def _cut(self, nodes: list[Field], name: str, size: int, position: int, end: int) -> tuple[list[Field], int]:
        message = f"the description puts {size} bytes of {name!r} here, but they do not fit; these bytes are shown raw"
        nodes.append(self.raw(position, end, message))
        return nodes, end

    def element(self, field: VMStateField, name: str, position: int) -> Field:
        """Decode one element of `field`, named `name`, at `position`; the caller has checked that it fits."""
        scalar = scalar_type(field.type)
        if scalar is not None and scalar.size == field.size:
            value = scalar.unpack(self.data, position)[0]
            if scalar.kind is Kind.BOOLEAN:
                value = bool(value) if value in (0, 1) else value  # others count as true, but are kept for saving
            return Field(name, field.type, scalar.kind, self.base + position, field.size, value)
        end = position + field.size
        decode = _CONTAINERS.get(field.type)
        if decode is not None:
            return decode(self, field, name, position, end)
        node = self.leaf(name, field.type, Kind.BUFFER, position, end)
        if scalar is not None:
            node.problem = f"type {field.type} takes {scalar.size} bytes, but the description says {field.size}"
        return node

    def _array(self, group: list[VMStateField], position: int) -> Field:
        if self._has_valid_markers(group, position):
            return self._pointers(group, position)
        runs, count, start = [], 0, position
        for part in group:
            if part.count:
                runs.append(Run(count, part, position))
            count += part.count if part.size else min(part.count, _MAX_EMPTY)
            position += part.total
        node = Field(group[0].name, group[-1].type, Kind.ARRAY, self.base + start, position - start)
        node.children = Elements(self, runs, count)
        if any(not part.size and part.count > _MAX_EMPTY for part in group):
            node.problem = "the description has more empty elements here than are shown"
        return node

    def _has_valid_markers(self, group: list[VMStateField], position: int) -> bool:
        """Tell whether a group is one of pointers that loading allocates: each is described by an entry of its own."""
        found = False
        for part in group:
            if part.count != 1:
                return False
            found |= part.type == _PTR_MARKER and part.size == 1 and self.data[position] == _VALID_MARKER
            position += part.size
        return found

    def _pointers(self, group: list[VMStateField], position: int) -> Field:
        """Pointers that loading allocates (vmstate_save_vmsd_v of QEMU 11): a marker for each, perhaps an object."""
        size = sum(part.size for part in group)
        what = next((part.type for part in group if part.type != _PTR_MARKER), _PTR_MARKER)
        node = Field(group[0].name, what, Kind.ARRAY, self.base + position, size)
        children: list[Field] = []
        number = 0
        for part in group:
            if part.type == _PTR_MARKER and part.size == 1 and self.data[position] == _VALID_MARKER:
                children.append(self._marker(position))
            else:
                children.append(self.element(part, f"[{number}]", position))
                number += 1
            position += part.size
        node.children = children
        return node

    def _container(self, field: VMStateField, name: str, kind: Kind, start: int) -> Field:
        return Field(name, field.type, kind, self.base + start, field.size)

    def _struct(self, field: VMStateField, name: str, start: int, end: int) -> Field:
        nested = field.nested[0] if field.nested else None
        if nested is None or not (nested.fields or nested.subsections):
            # Before 9.2 an array of pointers whose first is NULL is described as empty structs of one byte.
            if field.size == 1 and self.data[start] == _NULL_MARKER:
                return self._null(field, name, start, end)
            if field.size:
                return self.leaf(name, field.type, Kind.BUFFER, start, end)
            return self._container(field, name, Kind.STRUCT, start)
        node = self._container(field, name, Kind.STRUCT, start)
        children, reached = self.description(nested, start, end)
        node.children = self._close(children, reached, end)
        return node

    def _close(self, children: list[Field], reached: int, end: int) -> list[Field]:
        if reached < end:
            children.append(
                self.raw(reached, end, f"{counted(end - reached, 'byte')} that the description does not cover")
            )
        return children

    def _null(self, field: VMStateField, name: str, start: int, end: int) -> Field:
        return Field(name, field.type, Kind.NULL, self.base + start, end - start)

    def _nullptr(self, field: VMStateField, name: str, start: int, end: int) -> Field:
        if field.size == 1 and self.data[start] == _NULL_MARKER:
            return self._null(field, name, start, end)
        node = self.leaf(name, field.type, Kind.BUFFER, start, end)
        node.problem = "a NULL pointer is one byte, ASCII 0; this is something else"
        return node

    def _text(self, field: VMStateField, name: str, start: int, end: int) -> Field:
        data = self.data[start:end]
        for width in (1, 4):  # counted by a byte (capability) or by a 32-bit number (str)
            if len(data) >= width and int.from_bytes(data[:width], "big") == len(data) - width:
                return Field(name, field.type, Kind.TEXT, self.base + start, end - start, text(data[width:]))
        return self.leaf(name, field.type, Kind.BUFFER, start, end)

    def _marker(self, position: int) -> Field:
        return self._frame("(marker)", position, position + 1)

    def _frame(self, name: str, start: int, end: int) -> Field:
        node = self.leaf(name, name, Kind.FRAME, start, end)
        node.value = self.data[start:end]  # loading takes any but 0 for 1, so keep it for saving
        return node

    def _list(self, field: VMStateField, name: str, start: int, end: int) -> Field:
        """A qtailq, qlist or hand-written list: for each element a byte that is not 0 and its struct, then a byte 0."""
        node = self._container(field, name, Kind.ARRAY, start)
        children: list[Field] = []
        position = start
        for number, nested in enumerate(field.nested):
            if position >= end or not self.data[position]:
                break
            children.append(self._marker(position))
            part, reached = self.description(nested, position + 1, end)
            item = Field(f"[{number}]", "struct", Kind.STRUCT, self.base + position + 1, reached - position - 1)
            item.children = part
            children.append(item)
            position = reached
        if position < end and self.data[position] == 0:
            children.append(self._marker(position))
            position += 1
        node.children = self._close(children, position, end)
        return node

    def _tree(self, field: VMStateField, name: str, start: int, end: int) -> Field:
        """A gtree: u32 nodes; for each a byte that is not 0, a key (u64, or a struct) and a value; then a byte 0."""
        node = self._container(field, name, Kind.ARRAY, start)
        if field.size < 5:
            node.children = self._close([], start, end)
            return node
        count = int.from_bytes(self.data[start : start + 4], "big")
        children = [self._frame("(count)", start, start + 4)]
        position = start + 4
        nested = list(field.nested)
        keyed = count > 0 and len(nested) == 2 * count
        for number in range(min(count, len(nested))):
            if position >= end or not self.data[position]:
                break
            children.append(self._marker(position))
            item = Field(f"[{number}]", "struct", Kind.STRUCT, self.base + position + 1, 0)
            item.children, position = self._tree_node(nested, number, keyed, position + 1, end)
            item.size = self.base + position - item.offset
            children.append(item)
        if position < end and self.data[position] == 0:
            children.append(self._marker(position))
            position += 1
        node.children = self._close(children, position, end)
        return node

    def _tree_node(
        self, nested: list[VMStateDescription], number: int, keyed: bool, position: int, end: int
    ) -> tuple[list[Field], int]:
        if keyed:
            start = position
            parts, position = self.description(nested[2 * number], position, end)
            key = Field("key", "struct", Kind.STRUCT, self.base + start, position - start, children=parts)
            value = nested[2 * number + 1]
        elif position + 8 <= end:
            number_key = int.from_bytes(self.data[position : position + 8], "big")
            key = Field("key", "uint64", Kind.INTEGER, self.base + position, 8, number_key)
            position += 8
            value = nested[number]
        else:
            return [self.raw(position, end, "the key of a tree node does not fit")], end
        start = position
        parts, position = self.description(value, position, end)
        return [
            key,
            Field("value", "struct", Kind.STRUCT, self.base + start, position - start, children=parts),
        ], position

    def _subsection(self, description: VMStateDescription, start: int, end: int) -> Field | None:
        """Decode a subsection at `start`; None where it is not there."""
        name = description.name.encode()
        head = b"\x05" + bytes([len(name) & 0xFF]) + name
        body = start + len(head) + 4
        if body > end or len(name) > 255 or self.data[start : start + len(head)] != head:
            return None
        node = Field(description.name, "(subsection)", Kind.SUBSECTION, self.base + start, 0)
        children, reached = self.description(description, body, end)
        version = int.from_bytes(self.data[body - 4 : body], "big")
        if version != description.version_id:
            node.problem = f"the description is of version {description.version_id}, the stream of {version}"
        node.children = [self.leaf("(header)", "(header)", Kind.FRAME, start, body), *children]
        node.size = reached - start
        return node


_CONTAINERS: dict[str, Callable[[Decoder, VMStateField, str, int, int], Field]] = {
    "struct": Decoder._struct,
    "vstruct": Decoder._struct,
    "tmp": Decoder._struct,
    "qtailq": Decoder._list,
    "qlist": Decoder._list,
    MARKED: Decoder._list,
    "gtree": Decoder._tree,
    "nullptr": Decoder._nullptr,
    _PTR_MARKER: Decoder._nullptr,
    "capability": Decoder._text,
    "str": Decoder._text,
}
