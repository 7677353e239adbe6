"""Why a stream is refused: each reason that QEMU's migration/savevm.c (qemu_loadvm_state) has, as its own error.

All are StreamErrors; `wire.ShortRead`, for a stream that ends too early, is one of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from typing import Self

MAGIC = b"QEVM"
VERSION = 3
"""The one version of the stream's form that QEMU has written since 0.9.2 (QEMU_VM_FILE_VERSION)."""

_OBSOLETE = 2  # QEMU_VM_FILE_VERSION_COMPAT


class BadMagic(StreamError):
    """It does not begin as a savevm stream."""

    remedy = "look whether its file is damaged"


class ObsoleteVersion(StreamError):
    """It has the form that QEMU wrote before 2009."""

    remedy = "a QEMU of that time can load it and save it anew"


class UnknownVersion(StreamError):
    """It has a form that is not known here."""

    remedy = "a newer vmsnap may know it"


class UnknownSection(StreamError):
    """Nobody is registered to load a section of this name and instance."""

    remedy = "load it into a machine that has this device"


class UnknownSubsection(StreamError):
    """A device has a subsection that its description does not know."""

    remedy = "another version of QEMU or vmsnap may know it"


class UnsupportedVersion(StreamError):
    """A section is of a version that nothing here can load."""

    remedy = "another version of QEMU or vmsnap may know it"


class UnknownSectionId(StreamError):
    """A section part has the number of a section that was never started."""

    remedy = "the stream is damaged, so copy it again or use another state"


class UnknownSectionType(StreamError):
    """A byte stands where a section should start, and is the type of none."""

    remedy = "the stream is damaged, so copy it again or use another state"


class ValueMismatch(StreamError):
    """A value is not the one that this machine has (savevm's `*_equal` fields, the machine type, a footer)."""

    remedy = "the stream is of another machine, or damaged"


class TransferError(StreamError):
    """The file, pipe or socket below could not be read or written.

    Attributes:
        reason: The error of the operating system.
    """

    remedy = "try again when that is mended"

    def __init__(self, message: str, *, offset: int | None = None, reason: OSError | None = None) -> None:
        super().__init__(message, offset=offset)
        self.reason = reason

    @classmethod
    def of(cls, error: OSError | ValueError, what: str, offset: int) -> Self:
        """Return the error for `what` ("written") that failed at an offset; ValueError: the file was closed."""
        words = error.strerror or str(error) if isinstance(error, OSError) else "it was closed"
        return cls(f"it cannot be {what}: {words}", offset=offset, reason=error if isinstance(error, OSError) else None)


def check_start(head: bytes) -> None:
    """Check the first eight bytes of a stream.

    Raises:
        BadMagic: they are not those of a savevm stream, or there are fewer.
        ObsoleteVersion: its form is the one before 2009.
        UnknownVersion: its form is another one.
    """
    if len(head) < 8 and MAGIC.startswith(head[:4]) and head:
        raise BadMagic("this VM state is cut off within its first 8 bytes", offset=len(head))
    if head[:4] != MAGIC:
        raise BadMagic("this is no VM state: it does not start with QEVM", offset=0)
    version = int.from_bytes(head[4:8], "big")
    if version == _OBSOLETE:
        raise ObsoleteVersion("this VM state is of savevm version 2, which QEMU gave up in 2009", offset=4)
    if version != VERSION:
        raise UnknownVersion(f"this VM state is of savevm version {version}; only version 3 is known", offset=4)
