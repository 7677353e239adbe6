"""What becomes of a page of memory or of a range of a disk from one state to the other."""

from __future__ import annotations

import enum


class Change(enum.IntEnum):
    """Seen from A to B; by content, or for a disk by what its mapping says of the content."""

    SAME = 0
    CHANGED = 1
    ZERO_TO_DATA = 2
    """A reads as zeros there."""
    DATA_TO_ZERO = 3
    ONLY_A = 4
    """B's stream does not hold the page, or B's disk ends before."""
    ONLY_B = 5
    UNREADABLE = 6
    """A page that cannot be unpacked, or a damaged table or table entry."""

    @property
    def words(self) -> str:
        """The name as people read it."""
        words = self.name.lower().replace("_", " ")
        return {Change.ONLY_A: "only in A", Change.ONLY_B: "only in B"}.get(self, words)
