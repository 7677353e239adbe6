"""Which changes a comparison shows: chosen and filtered in a worker, as plain lists. Qt-free."""

from __future__ import annotations

import enum
from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.collecting import paused_collection
from vmsnap_gui.compare.outcomes import FieldOutcome, SectionOutcome, is_within
from vmsnap_gui.compare.status import FieldChange, SectionChange
from vmsnap_gui.compare.terms import Outcome, Status
from vmsnap_gui.models.field_filter import ShownRow
from vmsnap_gui.models.field_nodes import device_kind

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Sequence

    from vmsnap_gui.compare.fields import FieldComparison
    from vmsnap_gui.comparing import Compared
    from vmsnap_gui.guest.filter import Filter
    from vmsnap_gui.guest.names import Label
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.fields import Field

_OFTEN = 4096  # rows between two looks at whether somebody cancelled
_FREED = 200  # rows that are freed before other threads get their turn

Row = FieldChange | FieldOutcome
Sections = SectionChange | SectionOutcome


class Shown(enum.IntEnum):
    """How much of a comparison is shown."""

    CHANGED = 0
    FILTERED = 1
    """Also what is the same when filtered."""
    ALL = 2


@dataclass(frozen=True, slots=True)
class ShownSection:
    """A section with those of its fields that are shown; with a base, what happened to them since.

    Attributes:
        change: The section.
        labels: Names for people by path.
        about: What kind of device it is, as far as a label says so.
        rows: The fields, in stream order.
        status: What became of the section.
        differences: How many of all its fields differ.
        stops: The places of those that differ, ascending: what F7 and F8 stop at.
        counts: With a base, how many of all its fields became what, by Outcome, noise rules aside.
    """

    change: Sections
    labels: dict[str, Label]
    about: str
    rows: list[Row]
    status: Status
    differences: int
    stops: Sequence[int]
    counts: Sequence[int] = ()

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


def choose_rows(
    compared: Compared,
    shown: Shown,
    wanted: Filter,
    progress: Progress,
    outcomes: Container[Outcome] = frozenset(Outcome),
) -> ChangeRows:
    """Choose what is shown of a comparison; with a base only what became one of `outcomes`, or nothing, since.

    Raises:
        ImageError: a section cannot be read.
        Cancelled: by `progress`.
    """
    with paused_collection():
        choose = _Chooser(compared, shown, wanted, progress, outcomes)
        sections = tuple(choose.sections())
    fields = sum(len(section.rows) for section in sections)
    filtered = compared.fields is not None and not wanted.is_empty
    return ChangeRows(compared, sections, fields, filtered)


def let_go(rows: ChangeRows) -> None:
    """Free what is not shown any more, in a worker: at once it would hold up all threads, 20 ms for 5,000 fields."""
    for section in rows.sections:
        while section.rows:
            del section.rows[-_FREED:]


class _Chooser:
    def __init__(
        self, compared: Compared, shown: Shown, wanted: Filter, progress: Progress, outcomes: Container[Outcome]
    ) -> None:
        self._compared = compared
        self._shown = shown
        self._filter = wanted
        self._progress = progress
        self._outcomes = outcomes

    def sections(self) -> Iterator[ShownSection]:
        comparison, since = self._compared.fields, self._compared.since
        if comparison is None:
            return
        everything: Sequence[Sections] = since.sections if since is not None else comparison.sections
        names = since.labels if since is not None else self._compared.labels
        for number, (section, labels) in enumerate(zip(everything, names, strict=True)):
            self._progress(number, len(everything))
            found = self._section(comparison, section, labels)
            if found is not None:
                yield found

    def _section(self, comparison: FieldComparison, section: Sections, labels: dict[str, Label]) -> ShownSection | None:
        if not self._is_shown(section):
            return None
        if self._shown is Shown.ALL and not labels:
            labels = _labels_of_same(comparison, section)
        rows: list[Row] = list(self._rows(comparison, section))
        if isinstance(section, SectionOutcome) and not rows and not self._stands_alone(section):
            return None
        if not self._filter.is_empty:
            rows = self._matching(section, labels, rows)
            if not rows and not self._section_matches(section):
                return None
        stops = array("L", (place for place, row in enumerate(rows) if row.status.differs))
        about, counts = device_kind(labels), section.counts if isinstance(section, SectionOutcome) else ()
        return ShownSection(section, labels, about, rows, section.status, section.differences, stops, counts)

    def _stands_alone(self, section: SectionOutcome) -> bool:
        """Whether a section is shown even if none of its fields is."""
        return section.whole in self._outcomes if _whole(section) else not section.fields

    def _is_shown(self, section: Sections) -> bool:
        if self._shown is Shown.CHANGED:
            return section.status.differs
        if self._shown is Shown.ALL or section.fields:
            return True
        return isinstance(section, SectionChange) and section.change is not Status.SAME

    def _rows(self, comparison: FieldComparison, section: Sections) -> Iterable[Row]:
        if isinstance(section, SectionOutcome):
            return self._outcome_rows(comparison, section)
        if self._shown is not Shown.ALL:
            return (row for row in section.fields if row.rule is None or self._shown is Shown.FILTERED)
        same = [FieldChange(path, Status.SAME, field, field) for path, field in comparison.unchanged(section)]
        return sorted([*section.fields, *same], key=lambda row: row.field.offset)

    def _outcome_rows(self, comparison: FieldComparison, section: SectionOutcome) -> Iterable[FieldOutcome]:
        rows = [one for one in section.fields if one.path and one.outcome in self._outcomes]
        if self._shown is not Shown.ALL:
            return (row for row in rows if row.rule is None or self._shown is Shown.FILTERED)
        changed = {one.path for one in section.fields}
        if section.a_b is not None and "" not in changed:
            start = section.a_b.b.offset if section.a_b.b is not None else 0
            rows += [
                FieldOutcome(path, Outcome.NONE, field, field, field, place=field.offset - start)
                for path, field in comparison.unchanged(section.a_b)
                if path not in changed and not is_within(path, changed)
            ]
        return sorted(rows, key=lambda row: row.place)

    def _matching(
        self,
        section: Sections,
        labels: dict[str, Label],
        rows: Sequence[Row],
    ) -> list[Row]:
        """Return the rows that match with the value that they have on any side."""
        shown = ShownRow()
        kept: list[Row] = []
        shown.device = section.key
        for number, row in enumerate(rows):
            if number % _OFTEN == 0:
                self._progress(number, len(rows))
            shown.changed = row.status.differs
            values = [row.b, row.a]
            if isinstance(row, FieldOutcome):
                values.append(row.base)
                shown.outcome = row.outcome.word
            if any(_matches(shown, field, row.path, labels, self._filter) for field in values if field is not None):
                kept.append(row)
        return kept

    def _section_matches(self, section: Sections) -> bool:
        """Whether a section without fields matches by itself."""
        row = ShownRow()
        row.device, row.changed, row.problem = section.key, section.status.differs, section.problem
        if isinstance(section, SectionOutcome):
            row.outcome = section.whole.word
        return (not section.fields or _whole(section)) and self._filter.matches(row)


def _whole(section: Sections) -> bool:
    return isinstance(section, SectionOutcome) and section.whole is not Outcome.NONE


def _labels_of_same(comparison: FieldComparison, section: Sections) -> dict[str, Label]:
    from vmsnap_gui.compare.explain import labels

    change = section.a_b if isinstance(section, SectionOutcome) else section
    return labels(comparison, change) if change is not None else {}


def _matches(shown: ShownRow, field: Field, path: str, labels: dict[str, Label], wanted: Filter) -> bool:
    shown.show(path, field, labels.get(path))
    return wanted.matches(shown)
