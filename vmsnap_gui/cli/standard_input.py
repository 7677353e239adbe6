"""A stream from standard input ("-"): kept in a temporary file, since showing a state needs its end first."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vmsnap_gui.cli.output import CommandError
from vmsnap_gui.image.texts import size_text

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

_STEP = 1 << 20
_SPARED = 256 << 20
"""Bytes of the temporary file system that are left to others."""


@contextlib.contextmanager
def readable(path: Path) -> Iterator[Path]:
    """Give a path that can be opened: `path` itself, for "-" a temporary file with all of standard input.

    Raises:
        CommandError: standard input cannot be kept.
    """
    if str(path) != "-":
        yield path
        return
    import shutil  # needed for "-" only, and slow to import
    import tempfile

    with tempfile.TemporaryDirectory(prefix="vmsnap-") as folder:
        kept = Path(folder) / "standard-input"
        keep(sys.stdin.buffer, kept, shutil.disk_usage(folder).free - _SPARED)
        yield kept


def keep(source: BinaryIO, target: Path, most: int) -> None:
    """Write what `source` gives to the new file `target`, which nobody else may read.

    Raises:
        CommandError: it is longer than `most` bytes, or cannot be read or written.
    """
    length = 0
    try:
        target.touch(mode=0o600, exist_ok=False)
        with target.open("wb") as file:
            while data := source.read(_STEP):
                length += len(data)
                if length > most:
                    raise CommandError(f"standard input is longer than the {size_text(max(most, 0))} there is room for")
                file.write(data)
    except OSError as error:
        raise CommandError(f"standard input cannot be kept in a temporary file: {error.strerror}") from error
