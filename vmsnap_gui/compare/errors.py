"""The comparison layer's one error type."""

from __future__ import annotations


class CompareError(Exception):
    """Two states cannot be compared (as far as asked): one sentence for people.

    Attributes:
        message: What is wrong.
        what: What it is about: a RAM block, a side, a file.
    """

    def __init__(self, message: str, *, what: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.what = what

    def __str__(self) -> str:
        return self.message if self.what is None else f"{self.what}: {self.message}"
