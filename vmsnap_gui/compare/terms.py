"""The words of comparing: what became of something from A to B, and what happened to it since the base.

Apart from the results that use them, since the window needs these words before its first paint.
"""

from __future__ import annotations

import enum


class Status(enum.Enum):
    """What became of a field or a section, seen from A to B."""

    SAME = "same"
    CHANGED = "changed"
    ADDED = "added"
    REMOVED = "removed"
    VERSION_CHANGED = "version_changed"
    SAME_WHEN_FILTERED = "same_when_filtered"
    """A difference, but one that a noise rule names."""

    @property
    def differs(self) -> bool:
        """Whether this counts as a difference."""
        return self not in (Status.SAME, Status.SAME_WHEN_FILTERED)


class Outcome(enum.IntEnum):
    """What happened to a field, a page or a range since the base."""

    NONE = 0
    IN_A = 1
    IN_B = 2
    ALIKE = 3
    DIFFERENTLY = 4

    @property
    def word(self) -> str:
        """The name that JSON and reports use."""
        return ("same", "in_a", "in_b", "both_alike", "both_differently")[self]
