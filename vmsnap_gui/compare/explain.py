"""What a changed field's change is: a difference of numbers, bits that flipped, ranges of bytes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.guest.names import Label, annotate, default_rules

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmsnap_gui.compare.fields import FieldComparison
    from vmsnap_gui.compare.status import FieldChange, SectionChange
    from vmsnap_gui.guest.rules import RuleSet
    from vmsnap_gui.guest.tables import BitField
    from vmsnap_gui.vmstate.devices import VMState
    from vmsnap_gui.vmstate.sections import Section

MOST_RANGES = 10_000
"""The most ranges of bytes that are told of one buffer."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """How a field's value in B comes from that in A; what does not apply is None or empty.

    Attributes:
        delta: B - A, for numbers.
        flipped: The bits that differ, as a number, for integers.
        flags: Those bits by name: "+ZF" set in B only, "-CF" in A only, "IOPL 0→3"; empty where nothing names them.
        ranges: (first byte, count) of what differs in buffers, the first MOST_RANGES; what one has past the other's
            end differs.
        bytes_changed: How many bytes of a buffer differ.
    """

    delta: int | float | None = None
    flipped: int | None = None
    flags: tuple[str, ...] = ()
    ranges: tuple[tuple[int, int], ...] = ()
    bytes_changed: int = 0


def explain(change: FieldChange, bits: Iterable[BitField] = ()) -> Explanation:
    """Say how a field changed; `bits` name the bits of its value."""
    a = change.a.value if change.a is not None else None
    b = change.b.value if change.b is not None else None
    if isinstance(a, bytes) and isinstance(b, bytes):
        ranges, count = changed_ranges(a, b)
        return Explanation(ranges=ranges, bytes_changed=count)
    if isinstance(a, bool) and isinstance(b, bool):
        return Explanation(flipped=int(a != b))
    if isinstance(a, int) and isinstance(b, int) and not isinstance(a, bool) and not isinstance(b, bool):
        mask = (1 << 8 * change.field.size) - 1
        return Explanation(b - a, (a ^ b) & mask, flipped_flags(a & mask, b & mask, bits))
    if isinstance(a, float) and isinstance(b, float):
        return Explanation(b - a)
    return Explanation()


def flipped_flags(a: int, b: int, bits: Iterable[BitField]) -> tuple[str, ...]:
    """Return the bits that differ between two unsigned numbers by their names."""
    words = []
    for field in bits:
        mask = (1 << field.width) - 1
        before, after = a >> field.low & mask, b >> field.low & mask
        if before == after:
            continue
        if not isinstance(field.part, str):
            words.append(f"{field.part.get(before, before) or before}→{field.part.get(after, after) or after}")
        elif field.part:
            one = f"{'+' if after else '-'}{field.part}"
            words.append(one if field.width == 1 else f"{field.part} {before}→{after}")
    return tuple(words)


def changed_ranges(a: bytes, b: bytes) -> tuple[tuple[tuple[int, int], ...], int]:
    """Return the first MOST_RANGES ranges (first byte, count) where two buffers differ, and the bytes in all."""
    import numpy as np  # not above: `vmsnap diff` without buffers would wait for it

    common, longest = min(len(a), len(b)), max(len(a), len(b))
    unlike = np.ones(longest + 2, np.bool_)
    unlike[0] = unlike[-1] = False
    np.not_equal(np.frombuffer(a, np.uint8, common), np.frombuffer(b, np.uint8, common), out=unlike[1 : common + 1])
    edges = np.flatnonzero(unlike[1:] != unlike[:-1])
    starts, ends = edges[::2], edges[1::2]
    told = zip(starts[:MOST_RANGES].tolist(), (ends - starts)[:MOST_RANGES].tolist(), strict=True)
    return tuple(told), int((ends - starts).sum())


def labels(comparison: FieldComparison, section: SectionChange, rules: RuleSet | None = None) -> dict[str, Label]:
    """Return the labels of a section's fields by path, B's where both have one; raises ImageError."""
    return section_labels(((comparison.a, section.a), (comparison.b, section.b)), rules)


def section_labels(sides: Iterable[tuple[VMState, Section | None]], rules: RuleSet | None = None) -> dict[str, Label]:
    """Return the labels of a section's fields by path, those of the last state that has one; raises ImageError."""
    found: dict[str, Label] = {}
    for state, section in sides:
        if section is not None:
            found |= annotate(section, state.decode(section), rules)
    return found


def bits_of(label: Label | None, rules: RuleSet | None = None) -> tuple[BitField, ...]:
    """Return the names of a field's bits by its label; none where nothing names them."""
    if label is None or label.bits is None:
        return ()
    return (default_rules() if rules is None else rules).tables.bits.get(label.bits, ())
