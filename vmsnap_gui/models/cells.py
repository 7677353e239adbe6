"""A field as a column of the snapshot table: which it is, and its value in one snapshot. Qt-free."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PADDING = re.compile(r"\(0x0+(?=[0-9a-f])")


@dataclass(frozen=True, slots=True)
class FieldColumn:
    """Which field a column shows.

    Attributes:
        device: The section's key: "cpu", "cpu:1".
        path: The field's path in it.
    """

    device: str
    path: str

    @property
    def title(self) -> str:
        """What stands at the top of the column."""
        return f"{self.device}.{self.path}"


@dataclass(frozen=True, slots=True)
class Cell:
    """The value in one snapshot.

    Attributes:
        text: As it is shown; empty where it is not known, or where there is no such field.
        number: What to sort by, for numbers.
    """

    text: str = ""
    number: float | None = None


def compact(text: str) -> str:
    """Return a value without the zeros before its hexadecimal form: columns of them leave no room."""
    return _PADDING.sub("(0x", text)
