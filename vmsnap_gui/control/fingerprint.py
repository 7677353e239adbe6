"""Digests of what maps a disk and its snapshots: two that are equal read the same, and no data is read for it.

A cluster that a snapshot refers to is never written in place, so equal L2 entries are equal content. The COPIED flag
(docs/interop/qcow2.txt, "Cluster mapping") tells only who owns a cluster, and where an L2 table lies says nothing
about content: both stay out.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.qcow2 import Qcow2Image
from vmsnap_gui.image.qcow2_content import vm_state_offset
from vmsnap_gui.image.qcow2_map import WINDOW_CLUSTERS

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.image.qcow2_map import ClusterMap, Window
    from vmsnap_gui.image.snapshot import Snapshot

UNREADABLE = "unreadable"
"""Stands for a mapping that cannot be read: it proves nothing."""

_COPIED = ~np.uint64(1 << 63)


@dataclass(frozen=True, slots=True)
class Print:
    """The digest of one mapping.

    Attributes:
        disk: Of the disk's size and mapping.
        state: Of the VM state's size and mapping, "" without one.
    """

    disk: str
    state: str = ""

    def __str__(self) -> str:
        return f"{self.disk}:{self.state}"


@dataclass(frozen=True, slots=True)
class Fingerprints:
    """What an image holds.

    Attributes:
        active: The disk as it is now.
        snapshots: The snapshots by their keys (see `key_of`), in table order.
    """

    active: Print
    snapshots: dict[str, Print]


def key_of(snapshot: Snapshot) -> str:
    """Return what names a snapshot in its image for good: id, tag and moment, as JSON in ASCII."""
    return json.dumps([snapshot.id, snapshot.tag, snapshot.date_sec, snapshot.date_nsec])


def name_of(key: str) -> str:
    """Return a key's snapshot for people: "'clean' (id 3)"."""
    id_, tag = json.loads(key)[:2]
    return f"{tag!r} (id {id_})"


def tag_of(key: str) -> str:
    """Return the tag in a key."""
    found: str = json.loads(key)[1]
    return found


def id_of(key: str) -> str:
    """Return the id in a key."""
    found: str = json.loads(key)[0]
    return found


def fingerprints(path: Path) -> Fingerprints:
    """Read the fingerprints of an image.

    Raises:
        ControlError: it is no qcow2 image, or cannot be read.
    """
    try:
        image = open_image(path)
        try:
            return _prints(image, path)
        finally:
            image.close()
    except ImageError as error:
        raise ControlError(error.message, path=path) from error


def _prints(image: object, path: Path) -> Fingerprints:
    if not isinstance(image, Qcow2Image):
        raise ControlError("it is no qcow2 image", path=path)
    memory: _Memory = {}
    found: dict[str, Print] = {}
    for snapshot in image.snapshots:
        key = key_of(snapshot)
        while key in found:  # two entries that are alike in all: only a damaged table has them
            key += " "
        found[key] = _print(image, snapshot, memory)
    return Fingerprints(_print(image, None, memory), found)


_Memory = dict[tuple[bytes, int, int], bytes]
"""(Tables that a window comes from, first and last of its entries) to what they digest to."""


def _print(image: Qcow2Image, snapshot: Snapshot | None, memory: _Memory) -> Print:
    size = image.virtual_size if snapshot is None else snapshot.disk_size or 0
    try:
        mapping = image.cluster_map(snapshot)
        disk = _digest(mapping, (0, size), image.cluster_size, memory)
        if snapshot is None or not snapshot.vm_state_size:
            return Print(f"{size}-{disk}")
        start = vm_state_offset(image.header, size)
        state = _digest(mapping, (start, mapping.mapped_size), image.cluster_size, memory)
        return Print(f"{size}-{disk}", f"{snapshot.vm_state_size}-{state}")
    except ImageError:
        return Print(UNREADABLE)


def _digest(mapping: ClusterMap, part: tuple[int, int], cluster: int, memory: _Memory) -> str:
    """Return the digest of the mapping of a range of content, given in bytes."""
    total = hashlib.blake2b(digest_size=16)
    start, end = part[0] // cluster, -(-part[1] // cluster)
    for index in mapping.used_windows():
        first = index * WINDOW_CLUSTERS
        low, high = max(start - first, 0), min(end - first, WINDOW_CLUSTERS)
        if low < high:
            key = mapping.tables_of(index), low, high
            if key not in memory:
                memory[key] = _window_digest(mapping.window(index), slice(low, high))
            if memory[key]:
                total.update(index.to_bytes(8, "big") + memory[key])
    return total.hexdigest()


def _window_digest(window: Window, part: slice) -> bytes:
    """Return the digest of a part of a window, b"" where it maps nothing, as where there are no tables."""
    entries = window.entries[part] & _COPIED
    if not entries.any():
        return b""
    total = hashlib.blake2b(entries.tobytes(), digest_size=16)
    if window.bitmaps is not None:
        total.update(window.bitmaps[part].tobytes())
    if window.bad is not None:
        total.update(window.bad[part].tobytes())
    return total.digest()
