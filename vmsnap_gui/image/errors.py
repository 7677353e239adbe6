"""The image layer's one error type, and the problem record that every core layer reports with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


class ImageError(Exception):
    """An image cannot be read (as far as asked): one sentence for people, with the file and the offset.

    Attributes:
        message: What is wrong, without file and offset.
        path: The file it is about, if known.
        offset: Byte offset in that file, if known.
    """

    def __init__(self, message: str, *, path: Path | None = None, offset: int | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.offset = offset

    def __str__(self) -> str:
        where = f"{self.path}: " if self.path is not None else ""
        at = f" (at offset {self.offset:#x})" if self.offset is not None else ""
        return f"{where}{self.message}{at}"


class Cancelled(Exception):
    """Raised by a progress callback to stop the work that called it; the core lets it pass through."""


Progress = Callable[[int, int], None]
"""Called now and then with (bytes done, bytes in all) by long work; may raise Cancelled to stop it."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Something wrong that does not stop the reading: shown where it is, never hidden.

    Attributes:
        message: A sentence for people.
        offset: Byte offset in the file (image layer) or in the stream (vmstate layer), if known.
        is_notice: Whether nothing is wrong: it tells what was decided while reading.
    """

    message: str
    offset: int | None = None
    is_notice: bool = False

    def __str__(self) -> str:
        return self.message if self.offset is None else f"{self.message} (at offset {self.offset:#x})"
