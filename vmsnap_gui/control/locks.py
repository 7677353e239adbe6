"""Who holds an image: a query of the locks that QEMU takes, through a descriptor that can only read.

QEMU (block/file-posix.c) locks single bytes of the image file with open-file-description locks: byte 100 + n for each
permission n that it uses, byte 200 + n for each that it does not share with others. Asking with F_OFD_GETLK takes
no lock and changes nothing. A process that was told `locking=off` cannot be seen.
"""

from __future__ import annotations

import enum
import fcntl
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.image.byteview import FileHandle
from vmsnap_gui.image.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

_FLOCK = struct.Struct("hhqqi0q")
"""struct flock on 64-bit Linux: type, whence, start, length, pid."""

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
