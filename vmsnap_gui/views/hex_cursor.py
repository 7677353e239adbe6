"""The cursor of a hex view: where keys move it, and what is selected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtGui import QKeySequence

if TYPE_CHECKING:
    from PySide6.QtGui import QKeyEvent

_Key = QKeySequence.StandardKey


@dataclass(frozen=True, slots=True)
class ByteSelection:
    """A cursor, and the other end of what it selects.

    Attributes:
        cursor: The byte with the cursor.
        anchor: The byte where the selection began.
    """

    cursor: int = 0
    anchor: int = 0

    def bytes(self, size: int) -> range:
        """Return the selected bytes in a source of `size` bytes."""
        first, last = sorted((self.cursor, self.anchor))
        return range(min(first, size), min(last + 1, size))

    def extended(self, cursor: int, *, keep_anchor: bool) -> ByteSelection:
        """Return the selection after the cursor moved."""
        return ByteSelection(cursor, self.anchor if keep_anchor else cursor)


def moved(event: QKeyEvent, cursor: int, size: int, columns: int, page: int) -> int | None:
    """Return where a key moves the cursor, None where it is no such key.

    Args:
        event: The key.
        cursor: Where the cursor is.
        size: Bytes in all.
        columns: Bytes in a row.
        page: Bytes on a page.
    """
    if not size:
        return None
    start = cursor - cursor % columns
    targets = (
        ((_Key.MoveToNextChar, _Key.SelectNextChar), cursor + 1),
        ((_Key.MoveToPreviousChar, _Key.SelectPreviousChar), cursor - 1),
        ((_Key.MoveToNextLine, _Key.SelectNextLine), cursor + columns if cursor + columns < size else cursor),
        ((_Key.MoveToPreviousLine, _Key.SelectPreviousLine), cursor - columns if cursor >= columns else cursor),
        ((_Key.MoveToNextPage, _Key.SelectNextPage), cursor + page),
        ((_Key.MoveToPreviousPage, _Key.SelectPreviousPage), cursor - page),
        ((_Key.MoveToStartOfLine, _Key.SelectStartOfLine), start),
        ((_Key.MoveToEndOfLine, _Key.SelectEndOfLine), start + columns - 1),
        ((_Key.MoveToStartOfDocument, _Key.SelectStartOfDocument), 0),
        ((_Key.MoveToEndOfDocument, _Key.SelectEndOfDocument), size - 1),
        ((_Key.MoveToNextWord, _Key.SelectNextWord), cursor - cursor % 8 + 8),
        ((_Key.MoveToPreviousWord, _Key.SelectPreviousWord), (cursor - 1) // 8 * 8),
    )
    for keys, target in targets:
        if any(event.matches(key) for key in keys):
            return max(0, min(size - 1, target))
    return None
