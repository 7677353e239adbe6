"""Files that a qcow2 image names: its backing file and its external data file.

A hostile image could name any file of the person who opens it, so each is opened only with consent, and
nothing but plain file names is followed.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from vmsnap_gui.image.byteview import FileHandle
from vmsnap_gui.image.errors import ImageError

if TYPE_CHECKING:
    from vmsnap_gui.image.snapshot import Consent, Reference

MAX_DEPTH = 64
"""The longest backing chain that is followed."""

_PROTOCOL = re.compile(r"[^/:]*:")


@dataclass(frozen=True, slots=True)
class Chain:
    """How an image was reached.

    Attributes:
        consent: Asked before each file; None refuses.
        seen: (device, inode) of the images above, the outermost first.
    """

    consent: Consent | None = None
    seen: tuple[tuple[int, int], ...] = ()

    def below(self, handle: FileHandle) -> Chain:
        """Return the chain for the files that the image in `handle` names."""
        return Chain(self.consent, (*self.seen, (handle.stamp.device, handle.stamp.inode)))

    def open(self, image: Path, name: str, kind: Reference) -> FileHandle:
        """Open a file that `image` names.

        Raises:
            ImageError: consent was not given, the name is no plain file name, the file cannot be opened, or it is
                an image above in the chain again.
        """
        path = named_path(image, name, kind)
        if len(self.seen) > MAX_DEPTH:
            raise ImageError(f"its chain of backing files is longer than {MAX_DEPTH}", path=image)
        if self.consent is None or not self.consent(path, kind):
            raise ImageError(f"this needs the {kind.value} {str(path)!r}, which may not be opened unasked", path=image)
        handle = FileHandle.open(path)
        if (handle.stamp.device, handle.stamp.inode) in self.seen:
            handle.close()
            raise ImageError(f"the {kind.value} {str(path)!r} leads back to itself", path=image)
        return handle


def named_path(image: Path, name: str, kind: Reference) -> Path:
    """Return the path that a name in an image means: relative names count from the image's folder.

    Raises:
        ImageError: the name is no plain file name.
    """
    plain = name.removeprefix("file:")
    if _PROTOCOL.match(plain):
        raise ImageError(f"the {kind.value} {name!r} is no plain file; such names are not followed", path=image)
    if not plain or "\0" in plain:
        raise ImageError(f"the {kind.value} has no usable name ({name!r})", path=image)
    return image.parent / Path(plain)
