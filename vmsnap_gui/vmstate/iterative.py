"""The payloads of iterative sections other than RAM: how long they are, so that the next section is found.

No vmdesc describes them; their formats are those of the load functions in QEMU: hw/ppc/spapr.c (htab_load),
hw/s390x/s390-stattrib.c (cmma_load), migration/block.c (block_load, before 9.1), migration/block-dirty-bitmap.c,
hw/vfio/migration.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmsnap_gui.vmstate.wire import Reader

_BLOCK_CHUNK = 1 << 20
_MAX_BITMAPS = 1 << 16
_SECTOR_MASK = 0x1FF
_VFIO_END, _VFIO_CONFIG, _VFIO_SETUP, _VFIO_DATA, _VFIO_INIT_SENT = (0xFFFFFFFFEF100001 + i for i in range(5))


def payload_skipper(name: str) -> Callable[[Reader], None] | None:
    """Return a function that moves a reader over one START, PART or END payload of section `name`, or None.

    The function raises StreamError where the payload is not of the known form.
    """
    if name.endswith("/vfio"):
        return _vfio
    return _SKIPPERS.get(name)


def _block(reader: Reader) -> None:
    while True:
        at = reader.position
        flags = reader.u64() & _SECTOR_MASK
        if flags & 1:  # a chunk of a device
            reader.counted()
            if not flags & 8:  # not a zero chunk
                reader.skip(_BLOCK_CHUNK)
        elif not flags & (2 | 4):
            raise StreamError(f"unknown flags {flags:#x} in a block section", offset=at)
        if flags & 2:
            return


def _htab(reader: Reader) -> None:
    header = reader.u32()
    if header:  # the size shift alone, or no table
        return
    while True:
        index, valid, invalid = reader.u32(), reader.u16(), reader.u16()
        if not (index or valid or invalid):
            return
        reader.skip(16 * valid)


def _storage_attributes(reader: Reader) -> None:
    while True:
        at = reader.position
        flags = reader.u64() & 0xFFF
        if flags == 0x01:
            return
        if flags == 0x02:
            reader.skip(reader.u64())
        elif flags != 0x08:
            raise StreamError(f"unknown flags {flags:#x} in the storage attributes", offset=at)


def _bitmap_flags(reader: Reader) -> int:
    flags = reader.u8()
    if flags & 0x80:
        flags = flags << 8 | reader.u8()
        if flags & 0x80:
            flags = flags << 16 | reader.u16()
    return flags


def _dirty_bitmap(reader: Reader) -> None:
    completed = 0
    while True:
        at = reader.position
        flags = _bitmap_flags(reader)
        if flags & ~0x7F or not flags & 0x71:
            raise StreamError(f"unknown flags {flags:#x} in a dirty bitmap section", offset=at)
        if flags & 0x08:  # node alias
            reader.counted()
        if flags & 0x04:  # bitmap alias
            reader.counted()
        if flags & 0x10:  # start: granularity, flags
            reader.skip(5)
        elif flags & 0x20:  # complete
            completed += 1
            if completed > _MAX_BITMAPS:
                raise StreamError("a dirty bitmap section completes more bitmaps than it can hold", offset=at)
        elif flags & 0x40:  # bits: start sector, sectors, unless zeroes a buffer
            reader.skip(12)
            if not flags & 0x02:
                reader.skip(reader.u64())
        if flags & 0x01:
            return


def _vfio(reader: Reader) -> None:
    while True:
        at = reader.position
        tag = reader.u64()
        if tag == _VFIO_END:
            return
        if tag == _VFIO_DATA:
            reader.skip(reader.u64())
        elif tag == _VFIO_CONFIG:
            raise StreamError("a VFIO device's own configuration has no length of its own", offset=at)
        elif tag not in (_VFIO_SETUP, _VFIO_INIT_SENT):
            raise StreamError(f"unknown tag {tag:#x} in a VFIO section", offset=at)


_SKIPPERS: dict[str, Callable[[Reader], None]] = {
    "block": _block,
    "spapr/htab": _htab,
    "s390-storage_attributes": _storage_attributes,
    "dirty-bitmap": _dirty_bitmap,
}
