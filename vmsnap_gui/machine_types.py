"""The machine types that an image's saved states name, from their first bytes. Qt-free, for workers."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING

from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import ImageError

if TYPE_CHECKING:
    from vmsnap_gui.image.snapshot import Image, Snapshot
    from vmsnap_gui.reading import Found

MOST = 256
"""Snapshots of one image whose states are looked into; those of one image are mostly of one machine."""
_LONGEST = 100  # letters of a name that are kept; an image may be hostile
_HEADER = 8  # "QEVM" and the version; the configuration section follows


def with_machines(found: Found) -> Found:
    """Return what was found with the machine types of its snapshots, "" where one cannot be read.

    Where the image holds other snapshots by now, it is returned as it was: whoever notices that reads it again.
    """
    if found.info is None:
        return found
    snapshots = found.info.snapshots
    try:
        with closing(open_image(found.path)) as image:
            if image.snapshots != snapshots:
                return found
            names = [_machine(image, one) if one.vm_state_size else "" for one in snapshots[:MOST]]
    except ImageError:
        return found
    names += [""] * (len(snapshots) - len(names))
    return replace(found, info=replace(found.info, machines=tuple(names)))


def _machine(image: Image, snapshot: Snapshot) -> str:
    from vmsnap_gui.vmstate.configuration import read_configuration
    from vmsnap_gui.vmstate.sections import SectionType
    from vmsnap_gui.vmstate.wire import StreamError

    if image.format != "qcow2" and image.format != "vmstate":
        return ""  # a compressed save image would have to be unpacked first
    try:
        view = image.vm_state(snapshot)
        if view.read(_HEADER, 1) != bytes([SectionType.CONFIGURATION.value]):
            return ""  # QEMU before 2.4, or told not to write it
        return read_configuration(view, _HEADER).machine[:_LONGEST]
    except (ImageError, StreamError):
        return ""
