"""The report as one HTML page: no scripts, nothing loaded, light and dark, wide and narrow, and printable.

What an image holds is hostile input: every text goes through `escape`, and every list is bounded by what
report_rows.py and report_planes.py hand out.
"""

from __future__ import annotations

from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

import vmsnap_gui
from vmsnap_gui.compare.report_rows import OUTCOMES, SHORT, WORDS, device_rows, rules_applied
from vmsnap_gui.compare.report_since import left_out, outcome_counts, outcome_rows
from vmsnap_gui.compare.report_words import figures, heading
from vmsnap_gui.compare.terms import Status
from vmsnap_gui.image.texts import clock_text, counted, date_text
from vmsnap_gui.vmstate.fields import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from vmsnap_gui.compare.comparison import Comparison
    from vmsnap_gui.compare.report_rows import DeviceRows, Marks, Row

_STYLE = Path(__file__).with_name("report.css")
_POLICY = "default-src 'none'; style-src 'unsafe-inline'"
_MOST_NAMES = 200  # of devices that are the same, or that a rule applied to


def html_report(comparison: Comparison) -> str:
    """Return the page; raises ImageError where the names of fields cannot be read."""
    return "\n".join(part for part in _page(comparison) if part) + "\n"


def _page(comparison: Comparison) -> Iterator[str]:
    title = escape(heading(comparison))
    yield '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
    yield f'<meta name="generator" content="vmsnap {vmsnap_gui.__version__}">'
    yield f"<title>{title} – two saved states compared</title>"
    yield f"<style>\n{_STYLE.read_text('utf-8')}</style></head><body>"
    yield f'<header><p class="kicker">Two saved states compared</p><h1>{title}</h1></header><main>'
    yield from _summary(comparison)
    yield from _since(comparison)
    yield from _devices(comparison)
    if comparison.ram is not None or comparison.disk is not None:
        # Here, since it needs NumPy: only --ram and --disk wait for that.
        from vmsnap_gui.compare.report_html_planes import disk_part, memory_part

        yield from memory_part(comparison) if comparison.ram is not None else ()
        yield from disk_part(comparison.disk) if comparison.disk is not None else ()
    yield from _noise(comparison)
    yield f"</main><footer>Written by vmsnap {vmsnap_gui.__version__}.</footer></body></html>"


def _summary(comparison: Comparison) -> Iterator[str]:
    yield '<section aria-label="Summary"><dl class="figures">'
    for one in figures(comparison):
        yield f"<div><dt>{escape(one.what)}</dt><dd>{escape(one.number)}</dd><dd>{escape(one.more)}</dd></div>"
    yield "</dl>"
    if comparison.problems:
        items = "".join(f"<li>{escape(printable(problem))}</li>" for problem in comparison.problems)
        yield f'<div class="problems" role="note"><strong>Not the whole truth</strong><ul>{items}</ul></div>'
    sides = [("A", comparison.a), ("B", comparison.b)]
    if comparison.three is not None:
        sides.append(("Base", comparison.three.base))
    rows, noted = [], any(side.note for _, side in sides)
    for what, side in sides:
        texts = (
            printable(side.tag or side.id or "the one state"),
            printable(side.path),
            date_text(side.date_sec),
            clock_text(side.vm_clock_ns),
            printable(side.machine or "unknown"),
            *([printable(side.note)] if noted else []),
        )
        rows.append((what, *map(escape, texts)))
    heads = ("Side", "Snapshot", "File", "Taken (UTC)", "VM clock", "Machine", *(["Note"] if noted else []))
    yield _table(heads, rows, "stacked")
    yield _contents(comparison) + "</section>"


def _contents(comparison: Comparison) -> str:
    parts = [
        ("base", "Since the base", comparison.three is not None),
        ("devices", "Devices", comparison.fields is not None),
        ("memory", "Memory", comparison.ram is not None),
        ("disk", "Disk", comparison.disk is not None),
        ("noise", "Noise rules", comparison.fields is not None),
    ]
    links = "".join(f'<li><a href="#{name}">{text}</a></li>' for name, text, there in parts if there)
    return f'<nav aria-label="Contents"><ul>{links}</ul></nav>'


def _since(comparison: Comparison) -> Iterator[str]:
    counts = outcome_counts(comparison)
    if not counts:
        return
    yield '<section id="base"><h2>Since the base</h2>'
    yield "<p>What changed since the base in one side alone, and what in both; noise is left out.</p>"
    heads = ("What", *(word[0].upper() + word[1:] for word in OUTCOMES[1:]))
    yield _table(heads, [(what, *(f"{number:,}" for number in numbers)) for what, numbers in counts], "few")
    for section, rows in outcome_rows(comparison):
        count = "" if section.whole else counted(section.differences, "field")
        yield f'<h3>{escape(printable(section.key))} <span class="soft">{count}</span></h3>'
        yield from _fields(rows, based=True)
    left = left_out(comparison)
    yield f"<p>{counted(left, 'more field')} changed since the base: the JSON report has all.</p>" if left else ""
    yield "</section>"


def _devices(comparison: Comparison) -> Iterator[str]:
    if comparison.fields is None:
        return
    found, left = device_rows(comparison)
    yield '<section id="devices"><h2>Devices</h2>'
    if not any(one.section.status.differs for one in found):
        yield "<p>No device differs.</p>"
    filtered = False
    for one in found:
        if one.section.status is Status.SAME_WHEN_FILTERED and not filtered:
            filtered = True
            yield '<h2>Devices that are the same when filtered</h2><p class="before">In these differ only fields that a'
            yield ' <a href="#noise">noise rule</a> names.</p>'
        yield from _device(one, based=comparison.three is not None)
    if left:
        yield f"<p>{counted(left, 'more device')}: the JSON report has all.</p>"
    same = [printable(one.key) for one in comparison.fields.sections if one.status is Status.SAME]
    if same:
        names = ", ".join(f"<code>{escape(name)}</code>" for name in same[:_MOST_NAMES])
        more = f", and {len(same) - _MOST_NAMES:,} more" if len(same) > _MOST_NAMES else ""
        yield f'<h3>The same in A and B <span class="soft">{counted(len(same), "device")}</span></h3>'
        yield f'<p class="soft">{names}{more}</p>'
    yield "</section>"


def _device(one: DeviceRows, *, based: bool) -> Iterator[str]:
    section = one.section
    words = WORDS[section.status]
    if section.fields:
        words = f"{counted(section.differences, 'field')} changed" if section.status is Status.CHANGED else words
        filtered = len(section.fields) - section.differences
        words += f", {filtered:,} as noise rules say" if filtered and section.status is Status.CHANGED else ""
        words += f", {section.same:,} the same"
    yield f'<h3>{escape(printable(section.key))} <span class="soft">{words}</span></h3>'
    if section.problem:
        yield f'<p class="problems">{escape(printable(section.problem))}</p>'
    if one.rows:
        yield from _fields(one.rows, based=based)
    if one.left:
        yield f"<p>{counted(one.left, 'more field')} of this device: the JSON report has all.</p>"


def _fields(rows: Sequence[Row], *, based: bool) -> Iterator[str]:
    """Yield fields as a table; with their values in the base where there is one."""
    heads = ("Field", *(("Base",) if based else ()), "A", "B", "Change")
    head = "".join(f'<th scope="col">{word}</th>' for word in heads)
    short = " short" if len(rows) <= SHORT else ""
    yield f'<table class="fields stacked{short}"><thead><tr>{head}</tr></thead><tbody>'
    for row in rows:
        yield _row(row, based=based)
    yield "</tbody></table>"


def _row(row: Row, *, based: bool) -> str:
    name = f"<b>{escape(row.name)}</b> " if row.name else ""
    values = [("Base", escape(row.base))] if based else []
    values += [("A", _marked(row.a, row.marks_a)), ("B", _marked(row.b, row.marks_b))]
    cells = "".join(f'<td data-head="{head}">{text}</td>' for head, text in values)
    notes = [f"{row.bits} flipped" if row.bits else "", f"changed {row.outcome}" if row.outcome else ""]
    how = escape(row.how) + "".join(f"<small>{escape(note)}</small>" for note in notes if note)
    if row.noise is not None:
        how += f"<small>noise: {escape(printable(row.noise.name))}</small>"
    kind = ' class="noise"' if row.noise is not None else ""
    path = f"<code>{_breakable(row.path)}</code>" if row.path else "The whole device"
    head = f'<th scope="row">{name}{path}</th>'
    return f'<tr{kind}>{head}{cells}<td class="how" data-head="Change">{how}</td></tr>'


def _breakable(path: str) -> str:
    """Return a path as HTML that may be broken where its parts begin."""
    return escape(path).replace(".", ".<wbr>").replace("[", "<wbr>[")


def _marked(text: str, marks: Marks) -> str:
    """Return a text as HTML with what differs marked."""
    parts, end = [], 0
    for first, last in marks:
        parts += [escape(text[end:first]), f"<mark>{escape(text[first:last])}</mark>"]
        end = last
    return "".join([*parts, escape(text[end:])])


def _noise(comparison: Comparison) -> Iterator[str]:
    if comparison.fields is None:
        return
    yield '<section id="noise"><h2>Noise rules that applied</h2>'
    rows = []
    for rule, count, devices in rules_applied(comparison):
        own = " (a rule of your own)" if rule.own else ""
        names = ", ".join(map(printable, devices[:_MOST_NAMES]))
        texts = (printable(rule.name), printable(rule.reason) + own, f"{count:,}", names)
        rows.append(tuple(map(escape, texts)))
    if rows:
        yield '<p class="before">Fields that change by themselves do not count as differences; the rules say which.</p>'
        yield _table(("Rule", "Why such a change says nothing", "Fields", "Devices"), rows, "prose stacked")
    else:
        yield "<p>None: every field that differs counts.</p>"
    yield "</section>"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], kind: str) -> str:
    """Return a table of HTML texts whose first column names the row."""
    head = "".join(f'<th scope="col">{word}</th>' for word in heads)
    lines = []
    for first, *others in rows:
        cells = "".join(f'<td data-head="{word}">{text}</td>' for word, text in zip(heads[1:], others, strict=True))
        lines.append(f'<tr><th scope="row">{first}</th>{cells}</tr>')
    return f'<table class="{kind}"><thead><tr>{head}</tr></thead><tbody>{"".join(lines)}</tbody></table>'
