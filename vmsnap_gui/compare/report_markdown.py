"""The report as Markdown."""

from __future__ import annotations

import re
from html import escape
from typing import TYPE_CHECKING

from vmsnap_gui.compare.report_rows import WORDS, device_rows
from vmsnap_gui.compare.report_since import left_out, outcome_lines, outcome_rows
from vmsnap_gui.compare.report_words import heading
from vmsnap_gui.image.texts import clock_text, counted, date_text
from vmsnap_gui.vmstate.fields import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vmsnap_gui.compare.comparison import Comparison
    from vmsnap_gui.compare.report_planes import PlaneReport

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$@:])")
_HEADS = ("Field", "Name", "A", "B", "Change")
_SINCE_HEADS = ("Field", "Changed", "Base", "A", "B")


def markdown_report(comparison: Comparison) -> str:
    """Return the text; raises ImageError where the names of fields cannot be read."""
    return "\n".join(_lines(comparison)) + "\n"


def _lines(comparison: Comparison) -> Iterator[str]:
    yield from (f"# {_plain(heading(comparison))}", "", f"**{_plain(comparison.summary)}**", "")
    sides = [("A", comparison.a), ("B", comparison.b)]
    if comparison.three is not None:
        sides.append(("Base", comparison.three.base))
    for what, side in sides:
        facts = (side.name, printable(side.machine or "unknown machine"), f"taken {date_text(side.date_sec)} UTC")
        note = f"; note: {_plain(printable(side.note))}" if side.note else ""
        yield f"- {what}: {_plain(', '.join(facts))}, {_plain(f'VM clock {clock_text(side.vm_clock_ns)}')}{note}"
    yield from (f"- Problem: {_plain(printable(problem))}" for problem in comparison.problems)
    if comparison.three is not None:
        yield from _since(comparison)
    yield from _devices(comparison)
    if comparison.ram is not None or comparison.disk is not None:
        yield from _planes(comparison)


def _since(comparison: Comparison) -> Iterator[str]:
    yield from ("", "## Since the base", "", *(f"- {_plain(line)}" for line in outcome_lines(comparison)))
    found = outcome_rows(comparison)
    yield from ("", *_table(_SINCE_HEADS, ())) if found else ()
    for section, rows in found:
        key = printable(section.key)
        for row in rows:
            field = f"{key}.{row.path}" if row.path else key
            yield _line(map(_plain, (field, row.how, row.base, row.a, row.b)))
    left = left_out(comparison)
    yield from ("", f"{counted(left, 'more field')}: the JSON report has all.") if left else ()


def _devices(comparison: Comparison) -> Iterator[str]:
    if comparison.fields is None:
        return
    yield from ("", "## Devices")
    found, left = device_rows(comparison)
    for one in found:
        section = one.section
        yield from ("", f"### {_plain(printable(section.key))}", "")
        yield f"{WORDS[section.status]}; {section.same:,} the same"
        if one.rows:
            yield from ("", *_table(_HEADS, ()))
        for row in one.rows:
            how = ", ".join(text for text in (row.how, row.bits) if text)
            how += f" (noise: {row.reason})" if row.noise is not None else ""
            yield _line(map(_plain, (row.path, row.name, row.a, row.b, how)))
        if one.left:
            yield from ("", f"{counted(one.left, 'more field')}: the JSON report has all.")
    if left:
        yield from ("", f"{counted(left, 'more device')}: the JSON report has all.")


def _planes(comparison: Comparison) -> Iterator[str]:
    from vmsnap_gui.compare.report_planes import disk_facts, disk_plane, memory_planes, plane_line

    planes, left = memory_planes(comparison)
    for plane in planes:
        yield from ("", f"## {_plain(f'Memory: {plane.name}')}", "", f"{_plain(plane_line(plane))}", "")
        yield from _ranges(plane)
    if left:
        yield from ("", f"{counted(left, 'more block')} of memory: the JSON report has all.")
    if comparison.disk is not None:
        plane = disk_plane(comparison.disk)
        yield from ("", "## Disk", "", _plain(f"{plane_line(plane)}. {disk_facts(comparison.disk)}"), "")
        yield from _ranges(plane)


def _ranges(plane: PlaneReport) -> Iterator[str]:
    heads = ("First byte", "Bytes", f"{plane.noun.capitalize()}s", "Change")
    rows = [(f"{one.start:#x}", f"{one.length:,}", f"{one.units:,}", one.what) for one in plane.ranges]
    yield from _table(heads, rows) if rows else ()
    yield from ("", f"{counted(plane.left, 'more range')}: the JSON report has all.") if plane.left else ()


def _table(heads: Iterable[str], rows: Iterable[Iterable[str]]) -> Iterator[str]:
    heads = tuple(heads)
    yield _line(heads)
    yield f"|{' --- |' * len(heads)}"
    yield from map(_line, rows)


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Return a text as Markdown has it, so that nothing in it is markup."""
    return _SPECIAL.sub(r"\\\1", escape(text, quote=False))
