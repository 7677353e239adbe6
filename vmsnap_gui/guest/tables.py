"""Tables of names for bits, values and names, and how they are applied."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class BitField:
    """One bit, or several that make a number.

    Attributes:
        low: The lowest bit.
        width: How many bits.
        part: What they are called, or what each of their values is called; an empty text says nothing worth showing.
    """

    low: int
    width: int
    part: str | dict[int, str]


@dataclass(slots=True)
class Tables:
    """Named tables.

    Attributes:
        bits: Names of bits.
        values: Names of values.
        aliases: Better names for names.
    """

    bits: dict[str, tuple[BitField, ...]] = field(default_factory=dict)
    values: dict[str, dict[int, str]] = field(default_factory=dict)
    aliases: dict[str, dict[str, str]] = field(default_factory=dict)

    def flags(self, table: str, value: int) -> str:
        """Return the names of the bits that are set in `value` by the table of bits `table`."""
        return flags(value, self.bits.get(table, ()))

    def value(self, table: str, value: int) -> str | None:
        """Return what `value` is called in the table of values `table`."""
        return self.values.get(table, {}).get(value)


def flags(value: int, table: Iterable[BitField]) -> str:
    """Return the names of the bits that are set in `value`, the lowest first, and what has no name as a number."""
    words: list[str] = []
    rest = value
    for bits in table:
        mask = ((1 << bits.width) - 1) << bits.low
        part = (value & mask) >> bits.low
        if isinstance(bits.part, str):
            rest &= ~mask
            if part and bits.part:
                words.append(bits.part if bits.width == 1 else f"{bits.part}={_short(part)}")
        elif part in bits.part:
            rest &= ~mask
            words.append(bits.part[part])
    if rest:
        words.append(f"+{rest:#x}")
    shown = [word for word in words if word]
    return (", " if any(" " in word for word in shown) else " ").join(shown)


def _short(number: int) -> str:
    return str(number) if number < 10 else hex(number)


def numbers(value: int, word: str, first: int) -> str:
    """Return the numbers of the bits that are set, the lowest bit counting as `first`: "IRQ 0 2 8-11"."""
    runs: list[list[int]] = []
    for bit in range(value.bit_length()):
        if value >> bit & 1:
            if runs and runs[-1][1] == first + bit - 1:
                runs[-1][1] = first + bit
            else:
                runs.append([first + bit, first + bit])
    shown = [str(low) if low == high else f"{low}-{high}" for low, high in runs]
    return " ".join([word, *shown]) if shown else ""
