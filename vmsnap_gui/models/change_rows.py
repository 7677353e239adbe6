"""Which changes a comparison shows: chosen and filtered in a worker, as plain lists. Qt-free."""

from __future__ import annotations

import enum
from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.collecting import paused_collection
from vmsnap_gui.compare.status import FieldChange, Status
from vmsnap_gui.models.field_filter import ShownRow
from vmsnap_gui.models.field_nodes import device_kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vmsnap_gui.compare.fields import FieldComparison
    from vmsnap_gui.compare.status import SectionChange
    from vmsnap_gui.comparing import Compared
    from vmsnap_gui.guest.filter import Filter
    from vmsnap_gui.guest.names import Label
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.fields import Field

_OFTEN = 4096  # rows between two looks at whether somebody cancelled
_FREED = 200  # rows that are freed before other threads get their turn


class Shown(enum.IntEnum):
    """How much of a comparison is shown."""

    CHANGED = 0
    FILTERED = 1
    """Also what is the same when filtered."""
    ALL = 2


@dataclass(frozen=True, slots=True)
class ShownSection:
    """A section with those of its fields that are shown.

    Attributes:
        change: The section.
        labels: Names for people by path.
        about: What kind of device it is, as far as a label says so.
        rows: The fields, in stream order.
        status: What became of the section.
        differences: How many of all its fields differ.
        stops: The places of those that differ, ascending: what F7 and F8 stop at.
    """

    change: SectionChange
    labels: dict[str, Label]
    about: str
    rows: list[FieldChange]
    status: Status
    differences: int
    stops: Sequence[int]

    def next_stop(self, after: int) -> int | None:
        """Return the first row that differs behind row `after`."""
        at = bisect_right(self.stops, after)
        return self.stops[at] if at < len(self.stops) else None

    def previous_stop(self, before: int) -> int | None:
        """Return the last row that differs before row `before`."""
        at = bisect_left(self.stops, before)
        return self.stops[at - 1] if at else None


@dataclass(frozen=True, slots=True, eq=False)
class ChangeRows:
    """All that is shown of a comparison's fields.

    Attributes:
        compared: The comparison.
        sections: Its sections that are shown, in order.
        fields: How many fields are shown.
        filtered: Whether a filter was applied.
    """

    compared: Compared
    sections: tuple[ShownSection, ...]
    fields: int
    filtered: bool


def choose_rows(compared: Compared, shown: Shown, wanted: Filter, progress: Progress) -> ChangeRows:
    """Choose what is shown of a comparison.

    Raises:
        ImageError: a section cannot be read.
        Cancelled: by `progress`.
    """
    with paused_collection():
        return _choose(compared, shown, wanted, progress)


def let_go(rows: ChangeRows) -> None:
    """Free what is not shown any more, in a worker: at once it would hold up all threads, 20 ms for 5,000 fields."""
    for section in rows.sections:
        while section.rows:
            del section.rows[-_FREED:]


def _choose(compared: Compared, shown: Shown, wanted: Filter, progress: Progress) -> ChangeRows:
    comparison = compared.fields
    sections: list[ShownSection] = []
    if comparison is None:
        return ChangeRows(compared, (), 0, filtered=False)
    for number, section in enumerate(comparison.sections):
        progress(number, len(comparison.sections))
        if not _is_shown(section, shown):
            continue
        labels = compared.labels[number]
        if shown is Shown.ALL and not labels:
            labels = _labels_of_same(comparison, section)
        rows = list(_rows(comparison, section, shown))
        if not wanted.is_empty:
            rows = _matching(section, labels, rows, wanted, progress)
            if not rows and not _section_matches(section, wanted):
                continue
        stops = array("L", (place for place, row in enumerate(rows) if row.status.differs))
        about, differences = device_kind(labels), section.differences
        sections.append(ShownSection(section, labels, about, rows, section.status, differences, stops))
    fields = sum(len(section.rows) for section in sections)
    return ChangeRows(compared, tuple(sections), fields, filtered=not wanted.is_empty)


def _is_shown(section: SectionChange, shown: Shown) -> bool:
    if shown is Shown.CHANGED:
        return section.status.differs
    return shown is Shown.ALL or section.change is not Status.SAME or bool(section.fields)


def _labels_of_same(comparison: FieldComparison, section: SectionChange) -> dict[str, Label]:
    from vmsnap_gui.compare.explain import labels

    return labels(comparison, section)


def _rows(comparison: FieldComparison, section: SectionChange, shown: Shown) -> Iterator[FieldChange]:
    if shown is Shown.CHANGED:
        return (row for row in section.fields if row.rule is None)
    if shown is Shown.FILTERED:
        return iter(section.fields)
    same = [FieldChange(path, Status.SAME, field, field) for path, field in comparison.unchanged(section)]
    return iter(sorted([*section.fields, *same], key=lambda row: row.field.offset))


def _matching(
    section: SectionChange, labels: dict[str, Label], rows: list[FieldChange], wanted: Filter, progress: Progress
) -> list[FieldChange]:
    """Return the rows that match with the value that they have on either side."""
    shown, kept = ShownRow(), []
    shown.device = section.key
    for number, row in enumerate(rows):
        if number % _OFTEN == 0:
            progress(number, len(rows))
        shown.changed = row.status.differs
        if any(_matches(shown, field, row.path, labels, wanted) for field in (row.b, row.a) if field is not None):
            kept.append(row)
    return kept


def _matches(shown: ShownRow, field: Field, path: str, labels: dict[str, Label], wanted: Filter) -> bool:
    shown.show(path, field, labels.get(path))
    return wanted.matches(shown)


def _section_matches(section: SectionChange, wanted: Filter) -> bool:
    """Whether a section without fields matches by itself."""
    row = ShownRow()
    row.device, row.changed, row.problem = section.key, section.status.differs, section.problem
    return not section.fields and wanted.matches(row)
