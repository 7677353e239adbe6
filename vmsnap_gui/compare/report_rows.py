"""What all forms of a report say of the fields: rows of plain text, safe to show in one line, and not too many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.compare.explain import bits_of, explain, labels
from vmsnap_gui.compare.terms import Status
from vmsnap_gui.vmstate.fields import SHOWN_BYTES, Field, Kind, printable, show

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmsnap_gui.compare.comparison import Comparison
    from vmsnap_gui.compare.explain import Explanation
    from vmsnap_gui.compare.fields import FieldComparison
    from vmsnap_gui.compare.noise import NoiseRule
    from vmsnap_gui.compare.outcomes import FieldOutcome
    from vmsnap_gui.compare.status import FieldChange, SectionChange
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

OUTCOMES = ("same", "in A", "in B", "in both alike", "in both differently")
"""Where something changed since the base, by the values of Outcome."""

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
        outcome: Where it changed since the base (see OUTCOMES); "" without a base.
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
    outcomes = _since_base(comparison)
    found: list[DeviceRows] = []
    room = MOST_IN_ALL
    for section in unlike[:MOST_ROWS]:
        most = max(0, min(room, MOST_ROWS))
        rows = changed_rows(comparison.fields, section, most, outcomes.get(id(section)))
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
    outcomes = since or {}
    return [row(change, names.get(change.path), outcomes.get(change.path)) for change in chosen]


def row(change: FieldChange, label: Label | None, since: FieldOutcome | None = None) -> Row:
    """Return how one change is told; `since` says what became of the field since a base."""
    explained = explain(change, bits_of(label))
    (a, marks_a), (b, marks_b) = (part(one, explained.ranges) for one in (change.a, change.b))
    base = part(since.base, explained.ranges)[0] if since is not None else ""
    name = label.name or "" if label is not None else ""
    how = printable(_how(change, explained))
    where = OUTCOMES[since.outcome] if since is not None else ""
    path, bits = printable(change.path), _bits(explained)
    return Row(path, printable(name), a, b, how, bits, change.rule, marks_a, marks_b, base, where)


def shown(field: Field | None) -> str:
    """Return a value as reports show it; "" where there is none."""
    if field is None:
        return ""
    text = printable(show(field)) or {Kind.SUBSECTION: "(subsection)", Kind.STRUCT: "(struct)"}.get(field.kind, "")
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def part(field: Field | None, ranges: tuple[tuple[int, int], ...]) -> tuple[str, Marks]:
    """Return the part of a buffer where the first difference is, and what of it differs; else the whole value."""
    value = field.value if field is not None else None
    if not ranges or not isinstance(value, bytes):
        return shown(field), ()
    start = ranges[0][0] // _LINE * _LINE if len(value) > SHOWN_BYTES else 0
    held = value[start : start + SHOWN_BYTES]
    if not held or (len(value) > SHOWN_BYTES and not any(value)):
        return shown(field), ()
    before = f"{start:#x}: " if start else ""
    marks = []
    for first, count in ranges[: SHOWN_BYTES + 1]:
        low, high = max(first - start, 0), min(first + count - start, len(held))
        if low < high:
            marks.append((len(before) + 3 * low, len(before) + 3 * high - 1))
    after = f" … ({len(value)} bytes)" if len(value) > SHOWN_BYTES else ""
    return f"{before}{held.hex(' ')}{after}", tuple(marks)


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


def _since_base(comparison: Comparison) -> dict[int, dict[str, FieldOutcome]]:
    """Return what happened since the base to the fields of each section, by the section's id() and by path."""
    sections = comparison.three.sections if comparison.three is not None else ()
    return {id(section.a_b): {one.path: one for one in section.fields} for section in sections}


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
