"""What all forms of a report say of the fields: rows of plain text, safe to show in one line, and not too many."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vmsnap_gui.compare.explain import bits_of, explain, labels
from vmsnap_gui.compare.status import Status
from vmsnap_gui.vmstate.fields import SHOWN_BYTES, Field, Kind, printable, show

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from vmsnap_gui.compare.comparison import Comparison
    from vmsnap_gui.compare.explain import Explanation
    from vmsnap_gui.compare.fields import FieldComparison
    from vmsnap_gui.compare.noise import NoiseRule
    from vmsnap_gui.compare.status import FieldChange, SectionChange
    from vmsnap_gui.compare.three import FieldOutcome
    from vmsnap_gui.guest.names import Label

MOST_ROWS = 1_000
"""The most fields of one device, and the most devices, that a report lists."""
MOST_IN_ALL = 10_000
"""The most fields that a report lists: some 300 printed pages, which a browser still opens at once."""
SHORT = 10
"""Rows of a table that is not broken over two printed pages."""

_RANGES = 4  # of a buffer's changed bytes, and so many bits of a number, are told
_LINE = 16  # bytes in a line of a hex view: what is shown of a buffer begins where one does
_LONGEST = 400  # letters of a value

WORDS = {
    Status.SAME: "same",
    Status.CHANGED: "changed",
    Status.ADDED: "only in B",
    Status.REMOVED: "only in A",
    Status.VERSION_CHANGED: "version changed",
    Status.SAME_WHEN_FILTERED: "same when filtered",
}

Marks = tuple[tuple[int, int], ...]
"""(first letter, letter behind the last) of each part of a text that differs from the other side's."""


@dataclass(frozen=True, slots=True)
class Row:
    """One changed field.

    Attributes:
        path: QEMU's path.
        name: What it is called beside it ("RAX"), or "".
        a, b: The values; "" where there is none. Of a long buffer the part where the first difference is.
        how: What changed in short: "+30", "+ZF -CF", "bytes 0, 12".
        bits: Which bits of a number flipped: "bits 0, 3", "17 bits"; "" where `how` names them, or there are none.
        noise: The noise rule that names it, or None.
        marks_a, marks_b: What differs in `a` and `b`, where that is a part of them.
        base: The value in the base, where there is one; see `outcome`.
        outcome: Where it changed since the base: "in A", "in B", "in both"; "" without a base.
    """

    path: str
    name: str
    a: str
    b: str
    how: str
    bits: str
    noise: NoiseRule | None
    marks_a: Marks = ()
    marks_b: Marks = ()
    base: str = ""
    outcome: str = ""

    @property
    def reason(self) -> str:
        """Name and reason of the noise rule, or ""."""
        return printable(f"{self.noise.name}: {self.noise.reason}") if self.noise is not None else ""


@dataclass(frozen=True, slots=True)
class DeviceRows:
    """The differences of one section.

    Attributes:
        section: The section.
        rows: Its changed fields, as many as a report lists.
        left: How many more there are.
    """

    section: SectionChange
    rows: list[Row]
    left: int


def device_rows(comparison: Comparison) -> tuple[list[DeviceRows], int]:
    """Return the sections with differences, those that count first, and how many more there are; raises ImageError."""
    if comparison.fields is None:
        return [], 0
    unlike = [one for one in comparison.fields.sections if one.fields or one.status.differs]
    unlike.sort(key=lambda one: not one.status.differs)
    outcomes = _outcomes(comparison)
    numbers = _numbers(comparison.fields.sections)
    found: list[DeviceRows] = []
    room = MOST_IN_ALL
    for section in unlike[:MOST_ROWS]:
        since = outcomes.get((section.name, section.instance_id, numbers[id(section)]), {})
        rows = changed_rows(comparison.fields, section, max(0, min(room, MOST_ROWS)), since)
        found.append(DeviceRows(section, rows, len(section.fields) - len(rows)))
        room -= len(rows)
    return found, len(unlike) - len(found)


def changed_rows(
    fields: FieldComparison,
    section: SectionChange,
    most: int = MOST_ROWS,
    since: Mapping[str, FieldOutcome] | None = None,
) -> list[Row]:
    """Return a section's first changed fields; raises ImageError.

    Args:
        fields: The comparison.
        section: One of its sections.
        most: How many are wanted.
        since: What became of them since a base, by path.
    """
    chosen = section.fields[:most]
    names = labels(fields, section) if chosen else {}
    rows = (row(change, names.get(change.path)) for change in chosen)
    if not since:
        return list(rows)
    return [_with_base(one, since.get(change.path)) for one, change in zip(rows, chosen, strict=True)]


def row(change: FieldChange, label: Label | None) -> Row:
    """Return how one change is told."""
    explained = explain(change, bits_of(label))
    a, b = _shown(change.a), _shown(change.b)
    marks_a: Marks = ()
    marks_b: Marks = ()
    if explained.ranges and change.a is not None and change.b is not None:
        (a, marks_a), (b, marks_b) = (_part(one, explained.ranges) for one in (change.a, change.b))
    name = label.name or "" if label is not None else ""
    how = printable(_how(change, explained))
    return Row(
        printable(change.path), printable(name), a, b, how, _bits(explained), change.rule, marks_a, marks_b
    )  # fmt: skip


def _shown(field: Field | None) -> str:
    if field is None:
        return ""
    text = printable(show(field)) or {Kind.SUBSECTION: "(subsection)", Kind.STRUCT: "(struct)"}.get(field.kind, "")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _part(field: Field, ranges: tuple[tuple[int, int], ...]) -> tuple[str, Marks]:
    """Return the part of a buffer where the first difference is, and what of it differs."""
    value = field.value
    assert isinstance(value, bytes)
    start = ranges[0][0] // _LINE * _LINE if len(value) > SHOWN_BYTES else 0
    shown = value[start : start + SHOWN_BYTES]
    if not shown or (len(value) > SHOWN_BYTES and not any(value)):
        return _shown(field), ()
    before = f"{start:#x}: " if start else ""
    marks = []
    for first, count in ranges[: SHOWN_BYTES + 1]:
        low, high = max(first - start, 0), min(first + count - start, len(shown))
        if low < high:
            marks.append((len(before) + 3 * low, len(before) + 3 * high - 1))
    after = f" … ({len(value)} bytes)" if len(value) > SHOWN_BYTES else ""
    return f"{before}{shown.hex(' ')}{after}", tuple(marks)


def _how(change: FieldChange, explained: Explanation) -> str:
    if change.change is not Status.CHANGED:
        return WORDS[change.change]
    if explained.flags:
        return " ".join(explained.flags)
    if explained.ranges:
        told = [f"{first}" if count == 1 else f"{first}-{first + count - 1}" for first, count in explained.ranges]
        more = ", …" if len(told) > _RANGES else ""
        return f"bytes {', '.join(told[:_RANGES])}{more}"
    if explained.delta is not None and change.field.type != "timer":
        return f"{explained.delta:+}" if isinstance(explained.delta, int) else f"{explained.delta:+g}"
    return ""


def _bits(explained: Explanation) -> str:
    flipped = explained.flipped
    if explained.flags or explained.delta is None or not flipped:
        return ""
    count = flipped.bit_count()
    if count > _RANGES:
        return f"{count} bits"
    places = [str(place) for place in range(flipped.bit_length()) if flipped >> place & 1]
    return f"bit{'' if count == 1 else 's'} {', '.join(places)}"


_Key = tuple[str, int, int]


def _numbers(sections: Iterable[SectionChange]) -> dict[int, int]:
    """Return for each section, by its id(), how many of its name and instance id stand before it."""
    seen: dict[tuple[str, int], int] = {}
    numbers = {}
    for section in sections:
        key = section.name, section.instance_id
        numbers[id(section)] = seen[key] = seen.get(key, -1) + 1
    return numbers


def _outcomes(comparison: Comparison) -> dict[_Key, dict[str, FieldOutcome]]:
    """Return what happened since the base to the fields of each section, by path."""
    found: dict[_Key, dict[str, FieldOutcome]] = {}
    for section in comparison.three.sections if comparison.three is not None else ():
        found[section.name, section.instance_id, section.number] = {one.path: one for one in section.fields}
    return found


def _with_base(one: Row, outcome: FieldOutcome | None) -> Row:
    from vmsnap_gui.compare.three import Outcome

    if outcome is None:
        return one
    words = {Outcome.IN_A: "in A", Outcome.IN_B: "in B", Outcome.DIFFERENTLY: "in both"}
    return replace(one, base=_shown(outcome.base), outcome=words.get(outcome.outcome, ""))


OUTCOMES = ("in A", "in B", "in both alike", "in both differently")
"""What the counts of `outcome_counts` are of."""


def outcome_counts(comparison: Comparison) -> list[tuple[str, list[int]]]:
    """Return what happened since the base: what is counted and how many of it (see OUTCOMES), for each part."""
    three = comparison.three
    if three is None:
        return []
    from vmsnap_gui.compare.three import Outcome

    outcomes = [one for one in Outcome if one is not Outcome.NONE]
    fields = [one.outcome for section in three.sections for one in section.fields if one.rule is None]
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
        f"{what}: " + ", ".join(f"{number:,} {word}" for number, word in zip(counts, OUTCOMES, strict=True))
        for what, counts in outcome_counts(comparison)
    ]


def rules_applied(comparison: Comparison) -> list[tuple[NoiseRule, int, list[str]]]:
    """Return the noise rules that named a difference: the rule, how many fields, and the devices they are of."""
    found: dict[str, tuple[NoiseRule, int, list[str]]] = {}
    for section in comparison.fields.sections if comparison.fields is not None else ():
        for change in section.fields:
            if change.rule is not None:
                rule, count, devices = found.get(change.rule.name, (change.rule, 0, []))
                if section.key not in devices[-1:]:
                    devices.append(section.key)
                found[rule.name] = rule, count + 1, devices
    return list(found.values())
