"""What all forms of a report say of what changed since the base: how much, and which fields, not too many."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from vmsnap_gui.compare.explain import changed_ranges, labels
from vmsnap_gui.compare.report_rows import MOST_ROWS, OUTCOMES, Row, part
from vmsnap_gui.compare.terms import Outcome
from vmsnap_gui.vmstate.fields import printable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmsnap_gui.compare.comparison import Comparison
    from vmsnap_gui.compare.outcomes import FieldOutcome, SectionOutcome
    from vmsnap_gui.guest.names import Label


def outcome_rows(comparison: Comparison) -> list[tuple[SectionOutcome, list[Row]]]:
    """Return the first MOST_ROWS fields that changed since the base, by section; raises ImageError.

    Those that noise rules name are left out.
    """
    found: list[tuple[SectionOutcome, list[Row]]] = []
    for section, outcome in islice(_outcomes(comparison), MOST_ROWS):
        if not found or found[-1][0] is not section:
            found.append((section, []))
            names = _names(comparison, section)
        label = names.get(outcome.path)
        found[-1][1].append(_row(outcome, label) if outcome.path else _whole(section))
    return found


def left_out(comparison: Comparison) -> int:
    """Return how many more fields changed since the base than `outcome_rows` has."""
    return max(0, sum(1 for _ in _outcomes(comparison)) - MOST_ROWS)


def _outcomes(comparison: Comparison) -> Iterator[tuple[SectionOutcome, FieldOutcome]]:
    for section in comparison.three.sections if comparison.three is not None else ():
        yield from ((section, one) for one in section.fields if one.rule is None)


def _names(comparison: Comparison, section: SectionOutcome) -> dict[str, Label]:
    if comparison.fields is None or section.a_b is None:
        return {}
    return labels(comparison.fields, section.a_b)


def _row(outcome: FieldOutcome, label: Label | None) -> Row:
    """Return how one field is told; of a long buffer the part where it first differs from the base."""
    base, other = outcome.base, outcome.a if outcome.outcome is Outcome.IN_A else outcome.b
    sides = [one.value if one is not None else None for one in (base, other)]
    ranges: tuple[tuple[int, int], ...] = ()
    if isinstance(sides[0], bytes) and isinstance(sides[1], bytes):
        ranges, _ = changed_ranges(sides[0], sides[1])
    texts = [part(one, ranges)[0] for one in (base, outcome.a, outcome.b)]
    name = printable(label.name or "") if label is not None else ""
    where = OUTCOMES[outcome.outcome]
    return Row(printable(outcome.path), name, texts[1], texts[2], where, "", None, base=texts[0])


def _whole(section: SectionOutcome) -> Row:
    """Return how a section is told that is not in all three, or of other versions."""
    base, a, b = (f"version {one.version}" if one is not None else "" for one in section.sections)
    return Row("", "", a, b, OUTCOMES[section.whole], "", None, base=base)


def outcome_counts(comparison: Comparison) -> list[tuple[str, list[int]]]:
    """Return what happened since the base: what is counted and how many, by OUTCOMES behind the first, for each part.

    Fields that noise rules name are left out.
    """
    three = comparison.three
    if three is None:
        return []
    outcomes = [one for one in Outcome if one is not Outcome.NONE]
    fields = [one.outcome for _, one in _outcomes(comparison)]
    parts = [("fields", [fields.count(one) for one in outcomes])]
    if three.pages is not None:
        parts.append(("pages", [sum(int((p == one).sum()) for p in three.pages.values()) for one in outcomes]))
    if three.disk is not None:
        lengths, kinds = three.disk.lengths, three.disk.kinds
        parts.append(("bytes of disk", [int(lengths[kinds == one].sum()) for one in outcomes]))
    return parts


def outcome_lines(comparison: Comparison) -> list[str]:
    """Return the same as lines of text."""
    return [
        f"{what}: " + ", ".join(f"{number:,} {word}" for number, word in zip(counts, OUTCOMES[1:], strict=True))
        for what, counts in outcome_counts(comparison)
    ]
