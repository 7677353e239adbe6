"""What counts, sizes and tests of fields are told by: numbers and short buffers that stand before them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.refusals import ValueMismatch
from vmsnap_gui.vmstate.scalars import scalar_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmsnap_gui.vmstate.description import Count, Tree, Values, VMStateField

MAX_KEPT = 4096
"""Bytes of a buffer that a later field may ask about: a PCI configuration space is the largest."""


def known(values: Mapping[str, Tree], prefix: str = "") -> dict[str, int | bytes]:
    """Return what fields can ask about: numbers and buffers, those of structs as `struct.field`."""
    found: dict[str, int | bytes] = {}
    for name, value in values.items():
        if isinstance(value, dict):
            found |= known(value, f"{prefix}{name}.")
        elif isinstance(value, int) or (isinstance(value, bytes) and len(value) <= MAX_KEPT):
            found[f"{prefix}{name}"] = value
    return found


def number(count: Count, values: Values, version: int) -> int:
    """Return a count or size: it is fixed, or that of a field before, or computed from those."""
    if isinstance(count, int):
        return count
    return int(values[count]) if isinstance(count, str) else count(values, version)


def elements(field: VMStateField, values: Values, version: int) -> int:
    """Return how many elements a field has: none where the count is negative, as in vmstate_load_state's loop.

    vmstate_n_elems gives an int: also a count of 32 unsigned bits is negative from 2^31 on.
    """
    if field.count_from is None:
        return field.count
    count = number(field.count_from, values, version) & 0xFFFFFFFF
    return count if count < 1 << 31 else 0


def check_expected(field: VMStateField, data: bytes, position: int, end: int) -> None:
    """Compare numbers with what a `*_equal` or `*_le` field expects (get_int32_le: not below 0).

    Raises:
        ValueMismatch: one is another.
    """
    scalar = scalar_type(field.type)
    if field.expected is None or scalar is None or scalar.size != field.size:
        return
    for offset in range(position, end, scalar.size):
        value = int(scalar.unpack(data, offset)[0])
        if field.type.endswith(" le"):
            fits, rule = 0 <= value <= field.expected, f"from 0 to {field.expected}"
        else:
            fits, rule = value == field.expected, f"{field.expected}"
        if not fits:
            raise ValueMismatch(f"{field.name} is {value}, but must be {rule}", offset=offset)
