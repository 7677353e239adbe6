"""Who holds an image: a query of the locks that QEMU takes, through a descriptor that can only read.

QEMU (block/file-posix.c) locks single bytes of the image file with open-file-description locks: byte 100 + n for each
permission n that it uses, byte 200 + n for each that it does not share with others. Asking with F_OFD_GETLK takes
no lock and changes nothing. Which process it is, /proc tells (`holders`). A process that was told `locking=off` has
no lock to be seen.
"""

from __future__ import annotations

import contextlib
import enum
import fcntl
import os
import struct
from dataclasses import dataclass
from pathlib import Path

from vmsnap_gui.image.byteview import FileHandle
from vmsnap_gui.image.errors import ImageError

_FLOCK = struct.Struct("hhqqi0q")
"""struct flock on 64-bit Linux: type, whence, start, length, pid."""

WRITTEN_SO_FAR = "in use by a running machine: the numbers are of what is written so far"
"""QEMU keeps changes of L2 tables and refcounts in its caches (block/qcow2-cache.c): after it has saved a VM state, the
disk's own mapping in the file still shares that with the snapshot, which then seems to free next to nothing."""

_MACHINES = ("qemu-system", "qemu-kvm")
"""Programs that may go by what they have read of an image: of a backing file whose overlay was told `locking=off`."""

_USED_AT = 100
_UNSHARED_AT = 200


class Permission(enum.Flag):
    """What QEMU may do with an image; the bit numbers are those of the locked bytes."""

    CONSISTENT_READ = 1
    WRITE = 2
    WRITE_UNCHANGED = 4
    RESIZE = 8
    GRAPH_MOD = 16


_NONE = Permission(0)
_WRITING = Permission.WRITE | Permission.WRITE_UNCHANGED | Permission.RESIZE


@dataclass(frozen=True, slots=True)
class LockState:
    """The locks on an image at one moment, those of all processes together.

    Attributes:
        used: What somebody may do with it.
        unshared: What somebody forbids the others.
    """

    used: Permission = _NONE
    unshared: Permission = _NONE

    @property
    def in_use(self) -> bool:
        """Whether somebody may write to it, so that it may be changing."""
        return bool(self.used & _WRITING)


def probe(path: Path) -> LockState:
    """Look at the locks on an image.

    Raises:
        ImageError: the file cannot be opened for reading, or its file system cannot tell.
    """
    handle = FileHandle.open(path)
    try:
        return LockState(_held(handle, _USED_AT), _held(handle, _UNSHARED_AT))
    except OSError as error:
        raise ImageError(f"its locks cannot be seen: {error.strerror}", path=path) from error
    finally:
        handle.close()


def in_use(path: Path) -> bool:
    """Tell whether some QEMU holds an image for writing; False also where nobody can tell (`probe` says why)."""
    try:
        return probe(path).in_use
    except ImageError:
        return False


@dataclass(frozen=True, slots=True)
class Holder:
    """A process that has an image open.

    Attributes:
        pid: Its process id.
        name: Of its program: "qemu-system-x86".
        locking: Whether it holds one of QEMU's locks on the image; a backup tool that only reads does not.
        writing: Whether it may write: a QEMU that was told `locking=off` has no lock and does.
    """

    pid: int
    name: str
    locking: bool
    writing: bool

    def __str__(self) -> str:
        return f"{self.name} (process {self.pid})"


def holders(path: Path) -> tuple[Holder, ...]:
    """Return the processes that have an image open, as /proc shows them; those of other users stay unseen.

    Raises:
        ImageError: the file cannot be found.
    """
    try:
        wanted = path.stat()
    except OSError as error:
        raise ImageError(f"it cannot be found: {error.strerror}", path=path) from error
    found = []
    for process in os.listdir("/proc"):  # noqa: PTH208 (strings: pathlib takes four times as long for thousands of files)
        if process.isdigit() and int(process) != os.getpid():
            # A process may end, or belong to somebody else, at any of these steps.
            with contextlib.suppress(OSError):
                told = [Path(f"/proc/{process}/fdinfo/{fd}").read_text() for fd in _open_as(process, wanted)]
                if told:
                    name = Path(f"/proc/{process}/comm").read_text(errors="replace").strip()
                    locking = any("OFDLCK" in one for one in told)
                    found.append(Holder(int(process), name, locking, any(map(_may_write, told))))
    return tuple(found)


def _may_write(told: str) -> bool:
    """Whether a descriptor was opened for writing, by the (octal) flags in its fdinfo."""
    flags = next(line.split()[1] for line in told.splitlines() if line.startswith("flags:"))
    return int(flags, 8) & os.O_ACCMODE != os.O_RDONLY


def use_of(path: Path) -> str | None:
    """Say who keeps an image from being written to, None if nobody does.

    Raises:
        ImageError: nobody can tell.
    """
    locked = probe(path) != LockState()
    names = [str(one) for one in holders(path) if one.locking or one.writing or one.name.startswith(_MACHINES)]
    if not locked and not names:
        return None
    return f"it is in use by {', '.join(names) or 'a program of somebody else'}"


def _open_as(process: str, wanted: os.stat_result) -> list[str]:
    """Return those descriptors of a process that are of a file; raises OSError if nobody may look."""
    found = []
    for fd in os.listdir(f"/proc/{process}/fd"):  # noqa: PTH208
        with contextlib.suppress(OSError):
            there = os.stat(f"/proc/{process}/fd/{fd}")  # noqa: PTH116
            if there.st_ino == wanted.st_ino and there.st_dev == wanted.st_dev:
                found.append(fd)
    return found


def _held(handle: FileHandle, first_byte: int) -> Permission:
    """Return the permissions whose byte, from `first_byte` on, is locked by anybody."""
    found = _NONE
    for permission in Permission:
        byte = first_byte + permission.value.bit_length() - 1
        query = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
        answer = fcntl.fcntl(handle.fileno(), fcntl.F_OFD_GETLK, query)
        if _FLOCK.unpack(answer)[0] != fcntl.F_UNLCK:
            found |= permission
    return found
