"""Plain values by a description: from them to a section's bytes (QEMU's vmstate_save_state), and from its tree back.

A struct or subsection is a dict, an array or list a list, a NULL pointer None, a buffer bytes; numbers are themselves.
Fields of one name are numbered, as in a vmdesc: `unused[0]`, `unused[1]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.decoder import MARKED, scalar_type
from vmsnap_gui.vmstate.description import TEXT_LENGTHS, Pointers, field_names
from vmsnap_gui.vmstate.fields import Field, Kind
from vmsnap_gui.vmstate.resolving import number
from vmsnap_gui.vmstate.saving import NULL, VALID, SaveError, encoded
from vmsnap_gui.vmstate.sections import subsection_header

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import TypeAlias

    from vmsnap_gui.vmstate.description import Values, VMStateDescription, VMStateField

    Tree: TypeAlias = int | float | bytes | str | list["Tree"] | dict[str, "Tree"] | None

_MAX_KNOWN = 4096  # as in resolving: longer buffers are not asked about
_LISTS = ("qtailq", "qlist", MARKED)
_MARKER = "(marker)"
"""What the byte before an element of a hand-written list goes by among its values, where it is another than 1."""


def save_values(description: VMStateDescription, values: Mapping[str, Tree]) -> bytes:
    """Return the payload of a section that holds these values, in the description's own version.

    Which fields there are, and how many, is told by the description and the values before, as it is in loading. A
    subsection is written where its `needed` says so, or, without one, where the values have its name.

    Raises:
        SaveError: a value is missing, is not of its field's type or size, or an array has another length than the
            field that counts it says.
    """
    saver = _Saver()
    try:
        saver.description(description, description.version_id, values, {}, "")
    except KeyError as error:
        raise SaveError(f"{error.args[0]} has no value, but another field asks for it") from error
    return bytes(saver.out)


def known(values: Mapping[str, Tree], prefix: str = "") -> dict[str, int | bytes]:
    """Return what fields can ask about: numbers and buffers, those of structs as `struct.field`."""
    found: dict[str, int | bytes] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= known(value, f"{prefix}{name}.")
        elif isinstance(value, int) or (isinstance(value, bytes) and len(value) <= _MAX_KNOWN):
            found[f"{prefix}{name}"] = value
    return found


def values_of(
    nodes: Iterable[Field], description: VMStateDescription, present: Mapping[str, Tree] | None = None
) -> dict[str, Tree]:
    """Return the values of decoded fields, without savevm's own bytes.

    Args:
        nodes: The fields.
        description: The general one.
        present: Values before loading: what the stream lacks keeps them, as in vmstate_load_state.
    """
    fields = dict(zip(field_names(description.fields), description.fields, strict=True))
    subsections = {subsection.name: subsection for subsection in description.subsections}
    found: dict[str, Tree] = dict(present or {})
    for node in nodes:
        before = found.get(node.name)
        if node.kind is Kind.SUBSECTION:
            inner = before if isinstance(before, dict) else None
            found[node.name] = values_of(node.children, subsections[node.name], inner)
        elif node.kind is not Kind.FRAME:
            field = fields.get(node.name)
            found[node.name] = _old_value(node) if field is None else _value(node, field, before)
    return found


def _old_value(node: Field) -> Tree:
    """Return the value of what load_state_old read, which is not among the description's fields."""
    inner = [child for child in node.children if child.kind is not Kind.FRAME]
    if node.kind is Kind.ARRAY:
        return [_old_value(child) for child in inner]
    if node.kind is Kind.STRUCT:
        return {child.name: _old_value(child) for child in inner}
    return node.value


def _value(node: Field, field: VMStateField, before: Tree) -> Tree:
    if field.type == MARKED:
        return _marked(node, field)
    if node.kind is Kind.ARRAY:
        children = [child for child in node.children if child.kind is not Kind.FRAME]
        # elements of a list are new ones; the marker of a single pointer has its value, not a list
        olds = [] if field.type in _LISTS else before if isinstance(before, list) else [before]
        olds = [*olds[: len(children)], *[None] * (len(children) - len(olds))]
        items = [_value(child, field, old) for child, old in zip(children, olds, strict=True)]
        # the marker of a single pointer makes it look like an array of one
        return items[0] if field.pointers is Pointers.MARKED and not field.is_array else items
    if node.kind is Kind.STRUCT:
        return values_of(node.children, field.nested[0], before if isinstance(before, dict) else None)
    return node.value


def _marked(node: Field, field: VMStateField) -> list[Tree]:
    items: list[Tree] = []
    marker: Tree = 1
    for child in node.children:
        if child.kind is Kind.FRAME:
            marker = child.value[0] if isinstance(child.value, bytes) else 1
        else:
            values = values_of(child.children, field.nested[0])
            items.append(values if marker == 1 else {_MARKER: marker, **values})
    return items


class _Saver:
    """Appends to `out` what values hold; what later fields can ask about is returned, as `resolving` does."""

    def __init__(self) -> None:
        self.out = bytearray()

    def description(
        self, description: VMStateDescription, version: int, values: Mapping[str, Tree], around: Values, path: str
    ) -> dict[str, int | bytes]:
        own: dict[str, int | bytes] = {}
        if description.pre_save is not None:
            values = {**values, **description.pre_save(values)}
        around = {**around, **known(values)}  # a count need not be in the stream
        try:
            self._fields(description, version, values, around, path, own)
        finally:
            if description.post_save is not None:
                description.post_save(values)
        return own

    def _fields(
        self,
        description: VMStateDescription,
        version: int,
        values: Mapping[str, Tree],
        around: Values,
        path: str,
        own: dict[str, int | bytes],
    ) -> None:
        """Append fields and subsections; `own` gets what later fields can ask about."""
        for name, field in zip(field_names(description.fields), description.fields, strict=True):
            asked = {**around, **own}
            if field.version_id <= version if field.exists is None else field.exists(asked, version):
                own |= self._field(name, field, values, asked, version, path)
        for subsection in description.subsections:
            needed = subsection.name in values if subsection.needed is None else subsection.needed(values)
            if needed:
                self.out += subsection_header(subsection.name, subsection.version_id)
                inner = _mapping(values.get(subsection.name, {}), f"{path}{subsection.name}")
                asked = {**around, **own}
                self.description(subsection, subsection.version_id, inner, asked, f"{path}{subsection.name}.")

    def _field(
        self, name: str, field: VMStateField, values: Mapping[str, Tree], asked: Values, version: int, path: str
    ) -> dict[str, int | bytes]:
        where = f"{path}{name}"
        size = field.size
        if field.size_from is not None:
            size = field.multiply * number(field.size_from, asked, version)
        value = values.get(name, bytes(size) if field.type == "unused_buffer" else None)
        if field.type in _LISTS:
            for item in _list(value, where):
                self.out.append(_marker(item) if field.type == MARKED else 1)
                self._element(field, size, item, asked, where)
            self.out += b"\0"
            return {}
        if not field.is_array:
            return self._element(field, size, value, asked, where)
        count = field.count if field.count_from is None else number(field.count_from, asked, version)
        items = _list(value, where)
        if len(items) != count:
            raise SaveError(f"{where}: {len(items)} elements are given, but there must be {count}")
        for item in items:
            self._element(field, size, item, asked, where)
        return {}

    def _element(
        self, field: VMStateField, size: int, value: Tree, asked: Values, where: str
    ) -> dict[str, int | bytes]:
        if field.pointers is not Pointers.NONE and value is None:
            self.out += NULL
            return {}
        if field.pointers is Pointers.MARKED:
            self.out += VALID
        if field.nested:
            nested = field.nested[0]
            version = nested.version_id if field.struct_version is None else field.struct_version
            own = self.description(nested, version, _mapping(value, where), asked, f"{where}.")
            return {f"{field.name}.{name}": one for name, one in own.items()}
        data = _leaf(field.type, size, value, where)
        self.out += data
        scalar = scalar_type(field.type)
        if scalar is not None:
            return {field.name: int(value)} if isinstance(value, int) else {}
        return {field.name: data} if len(data) <= _MAX_KNOWN else {}


def _marker(item: Tree) -> int:
    found = item.get(_MARKER, 1) if isinstance(item, dict) else 1
    return found if isinstance(found, int) else 1


def _leaf(type_name: str, size: int, value: Tree, where: str) -> bytes:
    """Return the bytes of a value without parts."""
    scalar = scalar_type(type_name)
    if isinstance(value, str) and type_name in TEXT_LENGTHS:
        data = value.encode()
        return len(data).to_bytes(TEXT_LENGTHS[type_name], "big") + data
    if scalar is not None:
        kind = scalar.kind
        fits = isinstance(value, float) if kind is Kind.FLOAT else isinstance(value, int) and _fits(value, size)
    else:
        kind, fits = Kind.BUFFER, isinstance(value, bytes) and len(value) == size
    if not fits or isinstance(value, list | dict):
        raise SaveError(f"{where}: {value!r:.40} is no value of type {type_name} with {size} bytes")
    return encoded(Field(where, type_name, kind, 0, size, value))


def _fits(value: int, size: int) -> bool:
    return -(1 << 8 * size - 1) <= value < 1 << 8 * size


def _mapping(value: Tree, where: str) -> dict[str, Tree]:
    if not isinstance(value, dict):
        raise SaveError(f"{where}: {value!r:.40} are no values of fields")
    return value


def _list(value: Tree, where: str) -> list[Tree]:
    if not isinstance(value, list):
        raise SaveError(f"{where}: {value!r:.40} is no list of elements")
    return value
