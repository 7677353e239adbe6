"""The value of a field in one snapshot, as the snapshot table shows it. Qt-free."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Cell:
    """The value in one snapshot.

    Attributes:
        text: As it is shown; empty where it is not known, or where there is no such field.
        number: What to sort by, for numbers.
    """

    text: str = ""
    number: float | None = None
