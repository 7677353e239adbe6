"""How files that hold saved states begin, whatever they are called."""

from __future__ import annotations

QCOW2_MAGIC = b"QFI\xfb"
STREAM_MAGIC = b"QEVM"
LIBVIRT_MAGIC = b"LibvirtQemudSave"
LIBVIRT_UNFINISHED_MAGIC = b"LibvirtQemudPart"

MAGIC_SIZE = 16
"""How much of a file's start is enough to tell."""

QCOW1_MAGIC = QCOW2_MAGIC + b"\0\0\0\x01"


def holds_states(start: bytes) -> bool:
    """Tell whether a file that starts like this is a container of saved states."""
    if start.startswith(QCOW2_MAGIC):
        return not start.startswith(QCOW1_MAGIC)
    return start.startswith((STREAM_MAGIC, LIBVIRT_MAGIC, LIBVIRT_UNFINISHED_MAGIC))
