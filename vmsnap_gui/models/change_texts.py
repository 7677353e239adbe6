"""What the comparison's tree shows of a row: made once for each row that comes into sight."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from PySide6.QtCore import QCoreApplication

from vmsnap_gui.compare.explain import bits_of, explain
from vmsnap_gui.compare.status import SectionChange
from vmsnap_gui.compare.terms import Status
from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.cells import compact
from vmsnap_gui.models.field_texts import short
from vmsnap_gui.vmstate.fields import show

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmsnap_gui.compare.explain import Explanation
    from vmsnap_gui.compare.status import FieldChange
    from vmsnap_gui.guest.names import Label
    from vmsnap_gui.models.change_rows import Row, ShownSection
    from vmsnap_gui.vmstate.fields import Field

_MOST_BITS = 4
_MOST_RANGES = 4
_GREAT = 1 << 40
"""From here on a difference is an address or a bit pattern, and told in hexadecimal."""
SIGNS = {
    Status.SAME: "=",
    Status.CHANGED: "≠",
    Status.ADDED: "+",
    Status.REMOVED: "−",
    Status.VERSION_CHANGED: "↕",
    Status.SAME_WHEN_FILTERED: "≈",
}
"""A status is never told by its colour alone."""


@dataclass(frozen=True, slots=True)
class ChangeTexts:
    """The texts of one row.

    Attributes:
        columns: In the order of the model's columns.
        lines: All of it, line by line.
    """

    columns: tuple[str, ...] = ("",) * 7
    lines: tuple[str, ...] = ()

    EMPTY: ClassVar[ChangeTexts]

    @property
    def tip(self) -> str:
        """All of it, for a tool tip."""
        return words.plain_tip(self.lines, fixed=True)

    @property
    def spoken(self) -> str:
        """For a screen reader."""
        return ", ".join(text for text in self.columns if text)

    @classmethod
    def of_section(cls, section: ShownSection) -> ChangeTexts:
        """Make the texts of a section."""
        change = section.change
        assert isinstance(change, SectionChange)
        versions = [
            _tr("version %1").replace("%1", str(side.version)) if side is not None else numbers.NO_VALUE
            for side in (change.a, change.b)
        ]
        if change.change not in (Status.VERSION_CHANGED, Status.ADDED, Status.REMOVED):
            versions = ["", ""]
        counts = section_counts(section)
        status = status_text(section.status)
        lines = [change.key, *([section.about] if section.about else []), status, counts]
        if change.problem:
            lines.append(words.sentence(change.problem))
        label = " · ".join(part for part in (section.about, change.problem or "") if part)
        return cls((short(change.key), short(label), "", *versions, counts, status), tuple(lines))

    @classmethod
    def of_group(cls, first: Row, last: Row, count: int) -> ChangeTexts:
        """Make the texts of a group of rows."""
        name = f"{short(first.path)} … {short(last.path)}"
        return cls((name, "", "", "", "", words.fields(count), ""), (name, words.fields(count)))

    @classmethod
    def of(cls, section: ShownSection, row: FieldChange) -> ChangeTexts:
        """Make the texts of a field."""
        found = section.labels.get(row.path)
        label = label_text(found)
        told = explain(row, bits_of(found))
        values = short(compact(value_text(row.a))), short(compact(value_text(row.b)))
        difference = "" if row.status is Status.SAME else difference_text(told, is_short=True)
        status = status_text(row.status)
        if row.rule is not None:
            status = f"{status}: {words.visible(row.rule.name)}"
        lines = [
            f"{section.change.key} {row.path}",
            *([label] if label else []),
            f"A  {value_text(row.a)}",
            f"B  {value_text(row.b)}",
            *told_lines(difference_text(told, is_short=False)),
            status,
            *([row.rule.reason] if row.rule is not None else []),
        ]
        return cls((short(row.path), short(label), "", *values, short(difference), status), tuple(lines))


ChangeTexts.EMPTY = ChangeTexts()


def status_text(status: Status) -> str:
    """Return a status in words, behind its sign."""
    names = {
        Status.SAME: _tr("same"),
        Status.CHANGED: _tr("changed"),
        Status.ADDED: _tr("only in B"),
        Status.REMOVED: _tr("only in A"),
        Status.VERSION_CHANGED: _tr("other version"),
        Status.SAME_WHEN_FILTERED: _tr("same when filtered"),
    }
    return f"{SIGNS[status]} {names[status]}"


def section_counts(section: ShownSection) -> str:
    """Say how many fields of a section changed and how many did not."""
    change = section.change
    assert isinstance(change, SectionChange)
    if change.change in (Status.ADDED, Status.REMOVED):
        return ""
    filtered = len(change.fields) - section.differences
    parts = [
        (section.differences, _tr("%1 changed")),
        (filtered, _tr("%1 filtered")),
        (change.same, _tr("%1 same")),
    ]
    return " · ".join(text.replace("%1", numbers.count(number)) for number, text in parts if number)


def label_text(label: Label | None) -> str:
    """Return what people call a field, and what its value means."""
    return " · ".join(part for part in (label.name, label.detail) if part) if label is not None else ""


def value_text(field: Field | None) -> str:
    """Return the value of a field on one side."""
    if field is None:
        return numbers.NO_VALUE
    return show(field) or (f"({field.type.strip('()')})" if field.kind.is_container else "")


def difference_text(told: Explanation, *, is_short: bool) -> str:
    """Say how B comes from A: names of bits, a difference of numbers, ranges of bytes."""
    if told.ranges:
        return _ranges_text(told, _MOST_RANGES if is_short else 10 * _MOST_RANGES)
    parts = []
    if told.delta:
        parts.append(f"{'+' if told.delta > 0 else '−'}{_magnitude(told.delta)}")
    if told.flags:
        return " ".join(flag.replace("-", "−", 1) if flag.startswith("-") else flag for flag in told.flags)
    bits = _bits(told.flipped or 0)
    if bits and (not is_short or len(bits) <= _MOST_BITS):
        many = _tr("bits %1") if len(bits) > 1 else _tr("bit %1")
        parts.append(many.replace("%1", _listed(bits)))
    return " · ".join(parts)


def _magnitude(delta: float) -> str:
    if not isinstance(delta, int):
        return repr(abs(delta))
    return numbers.count(abs(delta)) if abs(delta) < _GREAT else f"{abs(delta):#x}"


def _bits(flipped: int) -> list[int]:
    return [bit for bit in range(flipped.bit_length()) if flipped >> bit & 1]


def _listed(bits: Iterable[int]) -> str:
    return ", ".join(map(str, bits))


def _ranges_text(told: Explanation, most: int) -> str:
    count = numbers.exact_size(told.bytes_changed)
    ranges = [f"{start:#x}" if size == 1 else f"{start:#x}–{start + size - 1:#x}" for start, size in told.ranges[:most]]
    return _tr("%1 at %2").replace("%1", count).replace("%2", ", ".join(ranges)) + (
        ", …" if len(told.ranges) > most else ""
    )


def told_lines(text: str) -> list[str]:
    """Return a line with a text, or none."""
    return [text] if text else []


def _tr(text: str) -> str:
    return QCoreApplication.translate("changes", text)
