"""Plain values by a description: from them to a section's bytes (QEMU's vmstate_save_state); `loading`: and back.

A struct or subsection is a dict, an array or list a list, a NULL pointer None, a buffer bytes; numbers are themselves.
A node of a gtree is a dict with `key` and `value`. Fields of one name are numbered, as in a vmdesc: `unused[0]`,
`unused[1]`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.asking import MAX_KEPT, elements, known, number
from vmsnap_gui.vmstate.description import MARKED, TEXT_LENGTHS, Pointers, field_names
from vmsnap_gui.vmstate.fields import Field, Kind
from vmsnap_gui.vmstate.saving import NULL, VALID, SaveError, encoded
from vmsnap_gui.vmstate.scalars import scalar_type
from vmsnap_gui.vmstate.sections import subsection_header

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmsnap_gui.vmstate.description import Tree, Values, VMStateDescription, VMStateField
    from vmsnap_gui.vmstate.scalars import Scalar

LISTS = ("qtailq", "qlist", MARKED)
"""Types whose elements, all of one description, each follow a byte that is not 0."""

MARKER = "(marker)"
"""What the byte before an element of a list or gtree goes by among its values, where it is another than 1."""


def save_values(description: VMStateDescription, values: Mapping[str, Tree]) -> bytes:
    """Return the payload of a section that holds these values, in the description's own version.

    Which fields there are, and how many, is told by the description and the values before, as it is in loading. A
    subsection is written where its `needed` says so, or, without one, where the values have its name.

    Raises:
        SaveError: a value is missing, is not of its field's type or size, or an array has another length than the
            field that counts it says, or a number is out of its field's range.
    """
    saver = _Saver()
    try:
        saver.description(description, description.version_id, values, {}, "")
    except KeyError as error:
        raise SaveError(f"{error.args[0]} has no value, but another field asks for it") from error
    return bytes(saver.out)


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
        if field.type in LISTS or (field.type == "gtree" and field.nested):
            self._list(field, size, _list(value, where), asked, where)
            return {}
        if not field.is_array:
            return self._element(field, size, value, asked, where)
        count = elements(field, asked, version)
        items = _list(value, where)
        if len(items) != count:
            raise SaveError(f"{where}: {len(items)} elements are given, but there must be {count}")
        for item in items:
            self._element(field, size, item, asked, where)
        return {}

    def _list(self, field: VMStateField, size: int, items: list[Tree], asked: Values, where: str) -> None:
        """Append the elements of a list, or the nodes of a gtree (put_gtree), each behind its marker."""
        if field.type == "gtree":
            self.out += len(items).to_bytes(4, "big")
        for item in items:
            self.out.append(_marker(item, where))
            if field.type != "gtree":
                self._element(field, size, item, asked, where)
                continue
            node = _mapping(item, where)
            key, (*keys, nested) = node.get("key"), field.nested
            for described in keys:
                self.description(described, described.version_id, _mapping(key, f"{where}.key"), asked, f"{where}.key.")
            if not keys:
                self.out += _leaf("uint64", 8, key, f"{where}.key")
            value = _mapping(node.get("value"), f"{where}.value")
            self.description(nested, nested.version_id, value, asked, f"{where}.value.")
        self.out += b"\0"

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
        return {field.name: data} if len(data) <= MAX_KEPT else {}


def _marker(item: Tree, where: str) -> int:
    """Return what stands before an element; loading takes any byte but 0 for "another one follows"."""
    found = item.get(MARKER, 1) if isinstance(item, dict) else 1
    if not isinstance(found, int) or not 1 <= found <= 255:
        raise SaveError(f"{where}: {found!r:.40} cannot mark an element; 1 to 255 can")
    return found


def _leaf(type_name: str, size: int, value: Tree, where: str) -> bytes:
    """Return the bytes of a value without parts."""
    scalar = scalar_type(type_name)
    if isinstance(value, str) and type_name in TEXT_LENGTHS:
        data = value.encode()
        return len(data).to_bytes(TEXT_LENGTHS[type_name], "big") + data
    if scalar is not None and scalar.size == size:
        kind = scalar.kind
        fits = isinstance(value, float if kind is Kind.FLOAT else int)
    else:
        kind, fits = Kind.BUFFER, isinstance(value, bytes) and len(value) == size
    if not fits or isinstance(value, list | dict):
        raise SaveError(f"{where}: {value!r:.40} is no value of type {type_name} with {size} bytes")
    if scalar is not None and isinstance(value, int):
        _check_range(scalar, type_name, value, where)
    return encoded(Field(where, type_name, kind, 0, size, value))


def _check_range(scalar: Scalar, type_name: str, value: int, where: str) -> None:
    """Raise SaveError for a number that a field of this type cannot hold."""
    most = (1 << 8 * scalar.size - scalar.is_signed) - 1
    least = -most - 1 if scalar.is_signed else 0
    if not least <= value <= most:
        raise SaveError(f"{where}: {value} is out of the range of {type_name}, {least} to {most}")


def _mapping(value: Tree, where: str) -> dict[str, Tree]:
    if not isinstance(value, dict):
        raise SaveError(f"{where}: {value!r:.40} are no values of fields")
    return value


def _list(value: Tree, where: str) -> list[Tree]:
    if not isinstance(value, list):
        raise SaveError(f"{where}: {value!r:.40} is no list of elements")
    return value
