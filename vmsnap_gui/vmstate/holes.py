"""Objects that QEMU's own description leaves out: those in an array of pointers whose first pointer is NULL.

Before 9.2 the vmdesc describes such an array by its first element alone, with one byte for each, the mark of NULL
(vmstate_save_state_v in migration/vmstate.c), and the section is longer than that by what objects take. Where one ends
only its layout tells. Known here is that of s390x's channel subsystem, of which every snapshot of that machine has one.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.description import VMStateDescription, VMStateField

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.description import DeviceDescription

_NULL = 0x30  # VMS_NULLPTR_MARKER

_CHANNEL_PATH = VMStateDescription(
    "s390_chp_info", 1, tuple(VMStateField(name, "uint8", 1) for name in ("in_use", "type", "is_virtual"))
)
_KNOWN = {
    # vmstate_css_img (hw/s390x/css.c): subchannel sets have no state of their own
    ("s390_css", "css"): VMStateDescription(
        "s390_css_img", 1, (VMStateField("chpids", "struct", 3, 256, is_array=True, nested=(_CHANNEL_PATH,)),)
    ),
}
"""The objects of an array, by the names of its description and of the field."""


def filled(device: DeviceDescription, payload: bytes) -> tuple[DeviceDescription, str] | None:
    """Return the description with the objects that it leaves out, and a sentence about that.

    None where nothing, or not only this, explains why the payload is longer than the description says.
    """
    description, fields = device.description, device.description.fields
    excess = len(payload) - description.payload_size
    for at, array in enumerate(fields):
        known = _KNOWN.get((description.name, array.name))
        if known is not None and excess > 0 and _is_hollow(array):
            start = sum(field.total for field in fields[:at])
            parts = _elements(array, known, payload[start : start + array.count + excess])
            if parts is not None:
                whole = (*fields[:at], *parts, *fields[at + 1 :])
                text = (
                    f"the description, as QEMU before 9.2 writes it, leaves out what pointers of {array.name!r} point "
                    "to; it is shown by the layout known for it"
                )
                return replace(device, description=replace(description, fields=whole)), text
    return None


def _is_hollow(field: VMStateField) -> bool:
    """Tell whether an array is described as if all of its pointers were NULL."""
    empty = not any(nested.fields or nested.subsections for nested in field.nested)
    return field.is_array and field.count > 1 and field.size == 1 and field.type in ("struct", "nullptr") and empty


def _elements(array: VMStateField, known: VMStateDescription, data: bytes) -> tuple[VMStateField, ...] | None:
    """Return runs of NULL and objects as QEMU describes them since 9.2; None where the bytes are none, to the last."""
    null = replace(array, type="nullptr", nested=())
    one = replace(array, type="struct", size=known.payload_size, count=1, nested=(known,))
    parts: list[VMStateField] = []
    position = 0
    for _ in range(array.count):
        if position >= len(data) or (not parts and data[position] != _NULL):
            return None  # of an array whose first pointer is not NULL the description would tell
        is_null = data[position] == _NULL
        position += 1 if is_null else one.size
        if is_null and parts and parts[-1].type == null.type:
            parts[-1] = replace(null, count=parts[-1].count + 1)
        else:
            parts.append(replace(null, count=1) if is_null else one)
    return tuple(parts) if position == len(data) else None
