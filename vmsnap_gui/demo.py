"""The demo image: comes compressed with the program, is unpacked into the user's cache when it is first wanted."""

from __future__ import annotations

import contextlib
import hashlib
import json
import lzma
import os
import tempfile
from pathlib import Path

import platformdirs

from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.resources import resource


def demo_image() -> Path:
    """Return the path of the demo image, unpacked and untouched.

    A copy that does not have the right content any more (something wrote to it, or another version left it) is
    replaced, never changed in place.

    Raises:
        ImageError: this installation has no demo, what it has is damaged, or the cache cannot be written.
    """
    path = Path(platformdirs.user_cache_dir("vmsnap", appauthor=False)) / "demo" / "demo.qcow2"
    try:
        facts = json.loads(resource("demo/demo.json").read_text(encoding="utf-8"))
        size, digest = int(facts["size"]), str(facts["sha256"])
        if not _is_intact(path, size, digest):
            data = _unpack(resource("demo/demo.qcow2.xz"), size, digest)
            _write(path, data)
    except (OSError, ValueError, KeyError, lzma.LZMAError) as error:
        raise ImageError(f"the demo image cannot be set up: {error}", path=path) from error
    return path


def _is_intact(path: Path, size: int, digest: str) -> bool:
    try:
        return path.stat().st_size == size and hashlib.sha256(path.read_bytes()).hexdigest() == digest
    except FileNotFoundError:
        return False


def _unpack(path: Path, size: int, digest: str) -> bytes:
    """Decompress no more than `size` bytes; ValueError if they are not the right ones."""
    data = lzma.LZMADecompressor().decompress(path.read_bytes(), max_length=size)
    if len(data) != size or hashlib.sha256(data).hexdigest() != digest:
        raise ValueError(f"{path} is damaged")
    return data


def _write(path: Path, data: bytes) -> None:
    """Put `data` at `path` in one step, so that nobody ever sees a part of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".demo-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
