"""Where things are in a hex view: offsets, hex digits and characters of a row, in logical pixels."""

from __future__ import annotations

from dataclasses import dataclass

GROUP = 8
"""Bytes that stand together, with a gap after them."""


@dataclass(frozen=True, slots=True)
class HexLayout:
    """The columns of a row, all of one fixed width of character.

    Attributes:
        columns: Bytes in a row.
        digits: Hex digits of an offset.
        char: Width of a character.
        row: Height of a row.
    """

    columns: int
    digits: int
    char: float
    row: int

    @property
    def offset_x(self) -> float:
        """Where the offsets start."""
        return self.char

    @property
    def hex_x(self) -> float:
        """Where the first byte starts."""
        return self.char * (self.digits + 3)

    @property
    def text_x(self) -> float:
        """Where the first character starts."""
        return self.hex_column(self.columns - 1) + self.char * 4

    @property
    def width(self) -> float:
        """Width of all."""
        return self.text_x + self.char * (self.columns + 1)

    def hex_column(self, column: int) -> float:
        """Where the digits of a byte start."""
        return self.hex_x + self.char * (3 * column + column // GROUP)

    def text_column(self, column: int) -> float:
        """Where the character of a byte starts."""
        return self.text_x + self.char * column

    def hex_span(self, first: int, last: int) -> tuple[float, float]:
        """Return x and width of the ground behind bytes `first` to `last`."""
        left = self.hex_column(first) - self.char / 2
        return left, self.hex_column(last) + self.char * 2.5 - left

    def text_span(self, first: int, last: int) -> tuple[float, float]:
        """Return x and width of the ground behind characters `first` to `last`."""
        return self.text_column(first), self.char * (last - first + 1)

    def column_at(self, x: float) -> int:
        """Return the byte column at `x`, the nearest one where there is none."""
        if x >= self.text_x - self.char:
            column = int((x - self.text_x) // self.char)
        else:
            # The middle of the gap belongs to neither side; counting in characters is near enough.
            chars = (x - self.hex_x + self.char / 2) / self.char
            group, rest = divmod(chars, 3 * GROUP + 1)
            column = int(group) * GROUP + min(GROUP - 1, int(rest // 3))
        return max(0, min(self.columns - 1, column))


def join_groups(cells: list[str]) -> str:
    """Return the cells of a row as one text, with a space between them and two between groups."""
    return "  ".join(" ".join(cells[i : i + GROUP]) for i in range(0, len(cells), GROUP))
