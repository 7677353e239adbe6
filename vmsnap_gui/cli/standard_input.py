"""A stream from standard input ("-"): kept in a temporary file, since showing a state needs its end first."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vmsnap_gui.cli.output import CommandError
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.texts import size_text
from vmsnap_gui.vmstate.incoming import PipeReader
from vmsnap_gui.vmstate.refusals import TransferError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmsnap_gui.vmstate.incoming import Source

NAME = "standard input"
"""What it is called where a file's path would stand."""

_PIECE = 64 << 10
_SPARED = 256 << 20
"""Bytes of the temporary file system that are left to others."""


@contextlib.contextmanager
def readable(path: Path) -> Iterator[Path]:
    """Give a path that can be opened: `path` itself, for "-" a temporary file with all of standard input.

    Raises:
        CommandError: standard input cannot be kept.
        ImageError: what was raised within, about standard input instead of the temporary file.
    """
    if str(path) != "-":
        yield path
        return
    import shutil  # needed for "-" only, and slow to import
    import tempfile

    with tempfile.TemporaryDirectory(prefix="vmsnap-") as folder:
        kept = Path(folder) / "standard-input"
        with os.fdopen(sys.stdin.fileno(), "rb", closefd=False) as source:
            keep(source, kept, shutil.disk_usage(folder).free - _SPARED)
        try:
            yield kept
        except ImageError as error:
            if error.path == kept:
                error.path = Path(NAME)
            raise


def keep(source: Source, target: Path, most: int) -> None:
    """Write what `source` gives to the new file `target`, which nobody else may read.

    Raises:
        CommandError: it is longer than `most` bytes, or cannot be read or written.
    """
    reader = PipeReader(source)
    try:
        target.touch(mode=0o600, exist_ok=False)
        with target.open("wb") as file:
            while data := reader.ahead(_PIECE):
                reader.skip(len(data))
                if reader.position > most:
                    raise CommandError(f"{NAME} is longer than the {size_text(max(most, 0))} there is room for")
                file.write(data)
    except TransferError as error:
        raise CommandError(f"{NAME}: {error.message}") from error
    except OSError as error:
        raise CommandError(f"{NAME} cannot be kept in a temporary file: {error.strerror}") from error
