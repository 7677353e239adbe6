"""The one error type of everything that acts on images and machines."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class ControlError(Exception):
    """An operation on an image or a machine cannot be planned, or failed: one sentence for people.

    Attributes:
        message: What happened, without the file.
        path: The image it is about, if it is about one.
        command: The command that failed, as an argument list, if one did.
        details: What that command or QEMU said, for whoever wants to know more.
    """

    def __init__(
        self, message: str, *, path: Path | None = None, command: Sequence[str] = (), details: str = ""
    ) -> None:
        super().__init__(message)
        self.message = message
        self.path = path
        self.command = tuple(command)
        self.details = details

    def __str__(self) -> str:
        return f"{self.path}: {self.message}" if self.path is not None else self.message
