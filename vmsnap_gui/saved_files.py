"""Files that are written when a person asks for them: whole or not at all, and never over an image. Qt-free."""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from vmsnap_gui.control.locks import in_use
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.magic import MAGIC_SIZE, holds_states

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def replacing(path: Path, *images: Path) -> Iterator[IO[bytes]]:
    """Write a file beside `path`, and put it there once it is whole; what was there stays until then.

    Raises:
        ImageError: `path` is one of `images`, or another image or saved state, whose content would be lost.
        OSError: it cannot be written.
    """
    refuse_image(path, *images)
    with tempfile.NamedTemporaryFile("wb", dir=path.parent, delete=False) as output:
        temporary = Path(output.name)
        try:
            yield output.file
            output.flush()
            temporary.chmod(0o666 & ~_umask())
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise


def refuse_image(path: Path, *images: Path) -> None:
    """Raise ImageError where `path` is one of `images`, or an image or a saved state; OSError if nobody can tell."""
    if path.is_file() and (any(path.samefile(image) for image in images) or _is_image(path)):
        raise ImageError(
            "this is an image or a saved VM state, which vmsnap never overwrites; name another file", path=path
        )


def _is_image(path: Path) -> bool:
    with path.open("rb") as file:
        return holds_states(file.read(MAGIC_SIZE)) or in_use(path)


def _umask() -> int:
    """Return the process's file mode mask, as Linux tells it without changing it."""
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next((int(line.split()[1], 8) for line in lines if line.startswith("Umask:")), 0o077)
