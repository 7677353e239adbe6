"""What QEMU's own descriptions leave out: the objects in an array of pointers whose first pointer is NULL.

Before QEMU 9.2 the vmdesc describes such an array by its first element alone, with one byte for each, the mark of NULL
(vmstate_save_state_v in migration/vmstate.c). The section is longer than that by what objects take, so where the array
holds one its borders follow; of s390x's channel subsystem, which every snapshot of that machine has, what is in it is
known, too.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vmsnap_gui.image.texts import counted
from vmsnap_gui.vmstate.description import VMStateDescription, VMStateField

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.description import DeviceDescription

_NULL = b"0"  # VMS_NULLPTR_MARKER

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
    """Return the description with the one object that it leaves out, and a sentence about that.

    None where nothing, or not only this, explains why the payload is longer than the description says.
    """
    description, fields = device.description, device.description.fields
    places = [at for at, field in enumerate(fields) if _is_hollow(field)]
    size = len(payload) - description.payload_size + 1
    if len(places) != 1 or size <= 1:
        return None
    (at,) = places
    array = fields[at]
    known = _KNOWN.get((description.name, array.name))
    nested = (known,) if known is not None and known.payload_size == size else ()
    start = sum(field.total for field in fields[:at])
    elements = payload[start : start + array.count - 1 + size]
    before = min(len(elements) - len(elements.lstrip(_NULL)), array.count - 1)
    after = array.count - 1 - before
    if elements[before + size :] != _NULL * after:
        return None  # there are more objects
    parts = (
        replace(array, count=before),
        replace(array, size=size, count=1, nested=nested),
        replace(array, count=after),
    )
    whole = (*fields[:at], *(part for part in parts if part.count), *fields[at + 1 :])
    shown = "it is read by what is known of it" if nested else "its bytes are shown raw"
    text = (
        f"its description leaves out {array.name}[{before}], {counted(size, 'byte')}, as QEMU before 9.2 does: {shown}"
    )
    return replace(device, description=replace(description, fields=whole)), text


def _is_hollow(field: VMStateField) -> bool:
    """Tell whether an array is described as if all of its pointers were NULL."""
    empty = not any(nested.fields or nested.subsections for nested in field.nested)
    return field.is_array and field.count > 1 and field.size == 1 and field.type in ("struct", "nullptr") and empty
