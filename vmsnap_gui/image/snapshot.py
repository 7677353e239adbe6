"""What the layers above see of any image: its snapshots, and the one interface of all kinds of image."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from vmsnap_gui.image.errors import ImageError, Problem, Progress

if TYPE_CHECKING:
    from vmsnap_gui.image.byteview import ByteView


class Reference(Enum):
    """Why an image names another file."""

    BACKING = "backing file"
    DATA = "external data file"


Consent = Callable[[Path, Reference], bool]
"""Asked before a file is opened that an image names; True opens it. The image may be hostile: a person decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """One saved state of an image.

    Attributes:
        id, tag: As stored, both None for the one state of a stream file. Bytes that are not UTF-8 are surrogate
            escapes (`os.fsencode` gives them back); there may be NULs, newlines and nothing at all.
        date_sec, date_nsec: When it was taken, UTC, in seconds since 1970; date_sec None where nobody wrote it.
        vm_clock_ns: The guest's clock, in ns since the machine was started.
        icount: Instructions executed, None unless the machine counted them.
        vm_state_size: Bytes of VM state; 0 for a snapshot of the disk only. For a compressed save image the bytes
            as stored.
        disk_size: Virtual size in bytes of the disk at that time; None without a disk.
    """

    id: str | None
    tag: str | None
    date_sec: int | None = None
    date_nsec: int = 0
    vm_clock_ns: int | None = None
    icount: int | None = None
    vm_state_size: int
    disk_size: int | None = None


class Image(Protocol):
    """An open image of any kind. Reading it is thread-safe; it never writes and takes no lock."""

    @property
    def path(self) -> Path:
        """The file."""

    @property
    def format(self) -> str:
        """What it is: "qcow2", "vmstate" (a plain stream) or "libvirt-save"."""

    @property
    def virtual_size(self) -> int:
        """Bytes of the disk now; 0 where there is no disk."""

    @property
    def cluster_size(self) -> int | None:
        """Bytes in a cluster, None where there are none."""

    @property
    def snapshots(self) -> tuple[Snapshot, ...]:
        """In the order of the image's table."""

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What is wrong but does not stop the reading; offsets in the file."""

    @property
    def facts(self) -> tuple[tuple[str, str], ...]:
        """(label, text) pairs about the image, for people."""

    def vm_state(self, snapshot: Snapshot, progress: Progress | None = None) -> ByteView:
        """Return the VM state's stream.

        Quick, but for a compressed save image, which is first decompressed into a temporary file: in a worker
        thread only, with a progress callback that may raise Cancelled (its numbers are compressed bytes).

        Raises:
            ImageError: the snapshot has none, or it cannot be read.
        """

    def disk(self, snapshot: Snapshot | None) -> ByteView:
        """Return the disk's content in a snapshot, or as it is now (None).

        Raises:
            ImageError: there is no disk, or it needs another file for which consent was not given.
        """

    def changed(self) -> bool:
        """Tell whether the file (or one that it needs and that was opened) was changed since it was opened."""

    def close(self) -> None:
        """Close all files; reading from views then raises ImageError."""


def select_snapshot(image: Image, selector: str) -> Snapshot:
    """Find the snapshot that `id:X`, `tag:X` or a bare word means.

    Raises:
        ImageError: there is none, or more than one; the message lists the candidates.
    """
    prefix, colon, rest = selector.partition(":")
    if colon and prefix in ("id", "tag"):
        found = [one for one in image.snapshots if rest == (one.id if prefix == "id" else one.tag)]
    else:
        found = [one for one in image.snapshots if selector in (one.id, one.tag)]
    if len(found) == 1:
        return found[0]
    if [(one.id, one.tag) for one in image.snapshots] == [(None, None)]:
        raise ImageError(f"no snapshot is called {selector!r}: this is one saved state without a name", path=image.path)
    candidates = found or image.snapshots
    names = ", ".join(describe(one) for one in candidates[:20]) + (", ..." if len(candidates) > 20 else "")
    if found:
        raise ImageError(f"{selector!r} can mean more than one snapshot: {names}", path=image.path)
    there = f"there are: {names}" if names else "there are none in this image"
    raise ImageError(f"no snapshot is called {selector!r}; {there}", path=image.path)


def describe(snapshot: Snapshot) -> str:
    """Name a snapshot for people: its id and its tag, quoted so that odd characters show."""
    if snapshot.id is None and snapshot.tag is None:
        return "the saved state"
    return f"id {snapshot.id!r} tag {snapshot.tag!r}"


_BRIEF = 40


def describe_briefly(snapshot: Snapshot) -> str:
    """Name a snapshot within a sentence: "'clean' (id 3)"; what is longer than anybody reads is cut."""
    tag, id_ = (
        text if len(text) <= _BRIEF else f"{text[:_BRIEF]}..." for text in (snapshot.tag or "", snapshot.id or "")
    )
    return f"{tag!r} (id {id_})"
