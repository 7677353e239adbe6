"""What the comparison's tree shows of a row where there is a base: its value in all three, and where it changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from vmsnap_gui.compare.explain import bits_of, explain
from vmsnap_gui.compare.status import FieldChange
from vmsnap_gui.compare.terms import Outcome, Status
from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.cells import compact
from vmsnap_gui.models.change_texts import (
    SIGNS,
    ChangeTexts,
    difference_text,
    label_text,
    status_text,
    told_lines,
    value_text,
)
from vmsnap_gui.models.change_words import OUTCOME_SIGNS, outcome_words
from vmsnap_gui.models.field_texts import short

if TYPE_CHECKING:
    from vmsnap_gui.compare.outcomes import FieldOutcome, SectionOutcome
    from vmsnap_gui.models.change_rows import ShownSection


def section_texts(section: ShownSection, change: SectionOutcome) -> ChangeTexts:
    """Return the texts of a section."""
    versions = [
        _tr("version %1").replace("%1", str(one.version)) if one is not None else numbers.NO_VALUE
        for one in change.sections
    ]
    if len(set(versions)) == 1:
        versions = ["", "", ""]
    status = outcome_status(change.whole, section.status) if change.whole else _counts(section)
    lines = [change.key, *told_lines(section.about), status]
    if change.problem:
        lines.append(words.sentence(change.problem))
    label = " · ".join(part for part in (section.about, change.problem or "") if part)
    return ChangeTexts((short(change.key), short(label), *versions, "", status), tuple(lines))


def field_texts(section: ShownSection, row: FieldOutcome) -> ChangeTexts:
    """Return the texts of a field."""
    found = section.labels.get(row.path)
    told = explain(_step(row), bits_of(found)) if row.outcome else None
    sides = (row.base, row.a, row.b)
    status = outcome_status(row.outcome, row.status)
    if row.rule is not None:
        status = f"{status}: {words.visible(row.rule.name)}"
    lines = [
        f"{section.change.key} {row.path}",
        *told_lines(label_text(found)),
        *(f"{name}  {value_text(one)}" for name, one in zip((_tr("base"), "A   ", "B   "), sides, strict=True)),
        *told_lines(f"{_from_to(row.outcome)}: {difference_text(told, is_short=False)}" if told is not None else ""),
        status,
        *([row.rule.reason] if row.rule is not None else []),
    ]
    difference = difference_text(told, is_short=True) if told is not None else ""
    values = (short(compact(value_text(one))) for one in sides)
    return ChangeTexts((short(row.path), short(label_text(found)), *values, short(difference), status), tuple(lines))


def outcome_status(outcome: Outcome, status: Status) -> str:
    """Return where something changed since the base, behind its sign; what a noise rule names is the same."""
    return outcome_words()[outcome] if status is Status.CHANGED else status_text(status)


def _step(row: FieldOutcome) -> FieldChange:
    """Return the change that is explained: from the base, but from A to B where both changed differently."""
    a, b = {
        Outcome.IN_A: (row.base, row.a),
        Outcome.DIFFERENTLY: (row.a, row.b),
    }.get(row.outcome, (row.base, row.b))
    return FieldChange(row.path, Status.CHANGED, a, b)


def _from_to(outcome: Outcome) -> str:
    names = {Outcome.IN_A: _tr("base to A"), Outcome.IN_B: _tr("base to B"), Outcome.ALIKE: _tr("base to both")}
    return names.get(outcome, _tr("A to B"))


def _counts(section: ShownSection) -> str:
    """Say how many fields of a section changed where, or that none did."""
    parts = [
        f"{OUTCOME_SIGNS[outcome]} {numbers.count(section.counts[outcome])}"
        for outcome in Outcome
        if outcome and section.counts[outcome]
    ]
    filtered = len(section.change.fields) - section.differences
    if filtered:
        parts.append(f"{SIGNS[Status.SAME_WHEN_FILTERED]} {numbers.count(filtered)}")
    return " · ".join(parts) or status_text(section.status)


def _tr(text: str) -> str:
    return QCoreApplication.translate("changes", text)
