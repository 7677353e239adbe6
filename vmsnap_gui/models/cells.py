"""The value of a field in one snapshot, as the snapshot table shows it. Qt-free."""

from __future__ import annotations

import re
from dataclasses import dataclass

_PADDING = re.compile(r"\(0x0+(?=[0-9a-f])")


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
