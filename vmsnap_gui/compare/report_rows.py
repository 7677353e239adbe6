"""What all forms of a report say of a comparison: rows of plain text, safe to show in one line."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from vmsnap_gui.compare.explain import bits_of, explain, labels
from vmsnap_gui.compare.outcomes import Outcome
from vmsnap_gui.compare.status import Status
from vmsnap_gui.vmstate.fields import Field, Kind, printable, show

if TYPE_CHECKING:
    from vmsnap_gui.compare.comparison import Comparison
    from vmsnap_gui.compare.explain import Explanation
    from vmsnap_gui.compare.fields import FieldComparison
    from vmsnap_gui.compare.status import FieldChange, SectionChange
    from vmsnap_gui.guest.names import Label

MOST_ROWS = 5_000
"""The most fields of one device, or ranges of one block or disk, that a report lists."""

_RANGES = 4  # of a buffer's changed bytes are told

WORDS = {
    Status.SAME: "same",
    Status.CHANGED: "changed",
    Status.ADDED: "only in B",
    Status.REMOVED: "only in A",
    Status.VERSION_CHANGED: "version changed",
    Status.SAME_WHEN_FILTERED: "same when filtered",
}

OUTCOMES = ("same", "in A", "in B", "in both alike", "in both differently")
"""By the values of Outcome."""


@dataclass(frozen=True, slots=True)
class Row:
    """One changed field.

    Attributes:
        path: QEMU's path.
        name: What it is called beside it ("RAX"), or "".
        a, b: The values; "" where there is none.
        how: What changed in short: "+30", "+ZF -CF", "bytes 0, 12".
        noise: The reason of the noise rule that names it, or "".
    """

    path: str
    name: str
    a: str
    b: str
    how: str
    noise: str


def changed_rows(fields: FieldComparison, section: SectionChange) -> list[Row]:
    """Return a section's changed fields, at most MOST_ROWS; raises ImageError."""
    names = labels(fields, section) if section.fields else {}
    return [row(change, names.get(change.path)) for change in section.fields[:MOST_ROWS]]


def row(change: FieldChange, label: Label | None) -> Row:
    """Return how one change is told."""
    how = _how(change, explain(change, bits_of(label)))
    reason = f"{change.rule.name}: {change.rule.reason}" if change.rule is not None else ""
    name = label.name or "" if label is not None else ""
    return Row(
        printable(change.path), printable(name), _shown(change.a), _shown(change.b), printable(how), printable(reason)
    )


def _shown(field: Field | None) -> str:
    if field is None:
        return ""
    return printable(show(field)) or {Kind.SUBSECTION: "(subsection)", Kind.STRUCT: "(struct)"}.get(field.kind, "")


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


def block_lines(comparison: Comparison) -> list[tuple[str, str, list[tuple[int, int]]]]:
    """Return for each RAM block with differences its name, what changed, and the first ranges of pages."""
    if comparison.ram is None:
        return []
    from vmsnap_gui.compare.change import Change  # here, since it needs NumPy: only --ram waits for that

    found = []
    for block in comparison.ram.blocks:
        if not block.differing:
            continue
        counts = [(block.count(change), change.words) for change in Change if change]
        what = ", ".join(f"{count:,} {word}" for count, word in counts if count)
        size = int(block.bytes_changed.sum(dtype="int64"))
        ranges = [(first, count) for first, count in block.ranges()[:MOST_ROWS].tolist()]
        found.append((printable(block.name), f"{what} of {block.pages:,} pages; {size:,} bytes differ", ranges))
    return found


def disk_lines(comparison: Comparison) -> tuple[str, list[tuple[int, int]]]:
    """Return what changed on the disk, and the first ranges of bytes."""
    disk = comparison.disk
    assert disk is not None
    from vmsnap_gui.compare.change import Change

    counts = [(disk.bytes_of(change), change.words) for change in Change if change]
    what = ", ".join(f"{count:,} bytes {word}" for count, word in counts if count) or "nothing differs"
    how = "told by reading the data" if disk.read_data else "told by the mapping; no data was read"
    sizes = "" if disk.size_a == disk.size_b else f"; the disk had {disk.size_a:,} bytes in A and {disk.size_b:,} in B"
    ranges = [(start, length) for start, length in disk.ranges.merged()[:MOST_ROWS].tolist()]
    return f"{what} ({how}){sizes}", ranges


def outcome_rows(comparison: Comparison) -> list[tuple[str, ...]]:
    """Return the fields that changed since the base, at most MOST_ROWS: path, where it changed, base, A, B."""
    sections = comparison.three.sections if comparison.three is not None else ()
    rows = ((section.key, one) for section in sections for one in section.fields if one.rule is None)
    return [
        (
            printable(f"{key}.{one.path}" if one.path else key),
            OUTCOMES[one.outcome],
            *map(_shown, (one.base, one.a, one.b)),
        )
        for key, one in islice(rows, MOST_ROWS)
    ]


def outcome_counts(comparison: Comparison) -> list[str]:
    """Return what happened since the base, a line for each part that was looked at."""
    three = comparison.three
    if three is None:
        return []
    outcomes = [one for one in Outcome if one is not Outcome.NONE]
    fields = [one.outcome for section in three.sections for one in section.fields if one.rule is None]
    parts = [("fields", [fields.count(one) for one in outcomes])]
    if three.pages is not None:
        parts.append(("pages", [sum(int((p == one).sum()) for p in three.pages.values()) for one in outcomes]))
    if three.disk is not None:
        lengths, kinds = three.disk.lengths, three.disk.kinds
        parts.append(("bytes of disk", [int(lengths[kinds == one].sum()) for one in outcomes]))
    words = OUTCOMES[1:]
    return [f"{what}: " + ", ".join(f"{n:,} {w}" for n, w in zip(counts, words, strict=True)) for what, counts in parts]
