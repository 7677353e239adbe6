"""Reports of a comparison as files: HTML, Markdown and JSON. What an image holds is hostile input; all is escaped."""

from __future__ import annotations

import json
import re
from html import escape
from typing import TYPE_CHECKING

from vmsnap_gui.compare.comparison import comparison_json
from vmsnap_gui.compare.errors import CompareError
from vmsnap_gui.compare.report_rows import (
    MOST_ROWS,
    WORDS,
    block_lines,
    changed_rows,
    disk_lines,
    outcome_counts,
    outcome_rows,
)
from vmsnap_gui.vmstate.fields import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from vmsnap_gui.compare.comparison import Comparison
    from vmsnap_gui.compare.report_rows import Row
    from vmsnap_gui.compare.status import SectionChange

_SPECIAL = re.compile(r"([\\`*_{}\[\]()#+\-.!|~$@:])")
_HEADS = ("Field", "Name", "A", "B", "Change")
_SINCE_HEADS = ("Field", "Changed", "Base", "A", "B")

_STYLE = """
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5c6670; --line: #d5dae0; --back: #ffffff; --mark: #b3541e; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e3e6ea; --soft: #9aa4ae; --line: #3a424b; --back: #16191d; --mark: #f0a070; }
}
body { font: 15px/1.45 system-ui, sans-serif; color: var(--ink); background: var(--back);
  max-width: 75rem; margin: 2rem auto; padding: 0 1.5rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2rem; } h3 { font-size: 1rem; margin: 1.4rem 0 .4rem; }
.summary { font-size: 1.1rem; font-weight: 600; } .soft { color: var(--soft); font-weight: normal; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1rem; }
dt { color: var(--soft); } dd { margin: 0; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; vertical-align: top; padding: .2rem .8rem .2rem 0; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 500; } td { font-family: ui-monospace, monospace; font-size: .85em;
  overflow-wrap: anywhere; } td.how { color: var(--mark); } tr.noise td { color: var(--soft); }
@media print { body { margin: 0; max-width: none; } h2, h3 { break-after: avoid; } tr { break-inside: avoid; } }
"""


def report_text(comparison: Comparison, form: str) -> str:
    """Return a report: `form` is "html", "md" or "json".

    Raises:
        CompareError: there is no such form.
        ImageError: an image cannot be read; the names of fields come from it.
    """
    makers: dict[str, Callable[[Comparison], str]] = {"html": _html, "md": _markdown, "json": _json}
    if form not in makers:
        raise CompareError(f"reports are html, md or json, not {form!r}")
    return makers[form](comparison)


def form_of(path: Path) -> str:
    """Return the form that a file's name asks for; CompareError names those there are."""
    form = path.suffix.lower().lstrip(".")
    form = {"htm": "html", "markdown": "md"}.get(form, form)
    if form not in ("html", "md", "json"):
        raise CompareError("a report's name ends in .html, .md or .json", what=str(path))
    return form


def _json(comparison: Comparison) -> str:
    return json.dumps(comparison_json(comparison), indent=1) + "\n"


def _changed(comparison: Comparison) -> Iterator[tuple[SectionChange, list[Row]]]:
    if comparison.fields is not None:
        for section in comparison.fields.sections:
            if section.fields or section.status.differs:
                yield section, changed_rows(comparison.fields, section)


def _more(section: SectionChange) -> str:
    left = len(section.fields) - MOST_ROWS
    return f"{left:,} more fields are only in the JSON report." if left > 0 else ""


def _facts(comparison: Comparison) -> list[tuple[str, str]]:
    sides = [("A", comparison.a), ("B", comparison.b)]
    if comparison.three is not None:
        sides.append(("Base", comparison.three.base))
    facts = [(what, f"{side.name}, {printable(side.machine or 'unknown machine')}") for what, side in sides]
    return facts + [("Problem", printable(problem)) for problem in comparison.problems]


def _parts(comparison: Comparison) -> Iterator[tuple[str, str, str, Sequence[tuple[int, int]], str]]:
    """Yield (heading, text, unit of the ranges, ranges, format) for memory and disk."""
    for name, what, pages in block_lines(comparison):
        yield f"Memory: {name}", what, "First page", pages, "Pages"
    if comparison.disk is not None:
        what, ranges = disk_lines(comparison)
        yield "Disk", what, "First byte", ranges, "Bytes"


def _html(comparison: Comparison) -> str:
    title = f"{comparison.a.name} and {comparison.b.name}"
    out = [
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">",
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head><body>",
        f'<h1>Two saved states</h1><p class="summary">{escape(comparison.summary)}</p><dl>',
    ]
    out += [f"<dt>{escape(what)}</dt><dd>{escape(text)}</dd>" for what, text in _facts(comparison)]
    out.append("</dl>")
    since = outcome_counts(comparison)
    if since:
        out.append("<h2>Since the base</h2><ul>" + "".join(f"<li>{escape(line)}</li>" for line in since) + "</ul>")
        out.append(_plain_table(_SINCE_HEADS, outcome_rows(comparison)))
    out.append("<h2>Devices</h2>" if comparison.fields is not None else "")
    for section, rows in _changed(comparison):
        word = f'<span class="soft">{escape(WORDS[section.status])}; {section.same:,} fields the same</span>'
        out.append(f"<h3>{escape(printable(section.key))} {word}</h3>")
        out.append(_table(_HEADS, rows) if rows else "")
        out.append(f"<p>{escape(_more(section))}</p>" if _more(section) else "")
    for heading, what, first, ranges, count in _parts(comparison):
        out.append(f"<h2>{escape(heading)}</h2><p>{escape(what)}</p>")
        cells = "".join(f"<tr><td>{start:,} ({start:#x})</td><td>{length:,}</td></tr>" for start, length in ranges)
        out.append(f"<table><tr><th>{first}</th><th>{count}</th></tr>{cells}</table>" if ranges else "")
    out.append("</body></html>\n")
    return "\n".join(part for part in out if part)


def _table(heads: Sequence[str], rows: Sequence[Row]) -> str:
    head = "".join(f"<th>{word}</th>" for word in heads)
    lines = []
    for one in rows:
        noise = f' class="noise" title="{escape(one.noise)}"' if one.noise else ""
        cells = "".join(f"<td>{escape(text)}</td>" for text in (one.path, one.name, one.a, one.b))
        how = f"{one.how} (noise: {one.noise})" if one.noise else one.how
        lines.append(f'<tr{noise}>{cells}<td class="how">{escape(how)}</td></tr>')
    return f"<table><tr>{head}</tr>{''.join(lines)}</table>"


def _plain_table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    lines = ["".join(f"<td>{escape(text)}</td>" for text in row) for row in rows]
    head = "".join(f"<th>{word}</th>" for word in heads)
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"


def _plain(text: str) -> str:
    """Return a text as Markdown has it, so that nothing in it is markup."""
    return _SPECIAL.sub(r"\\\1", escape(text, quote=False))


def _markdown(comparison: Comparison) -> str:
    out = ["# Two saved states", "", f"**{_plain(comparison.summary)}**", ""]
    out += [f"- {what}: {_plain(text)}" for what, text in _facts(comparison)]
    since = outcome_counts(comparison)
    out += ["", "## Since the base", "", *(f"- {_plain(line)}" for line in since)] if since else []
    fields = outcome_rows(comparison)
    out += ["", f"| {' | '.join(_SINCE_HEADS)} |", "|" + " --- |" * len(_SINCE_HEADS)] if fields else []
    out += [f"| {' | '.join(map(_plain, one))} |" for one in fields]
    out += ["", "## Devices"] if comparison.fields is not None else []
    for section, rows in _changed(comparison):
        out += ["", f"### {_plain(printable(section.key))}", "", f"{WORDS[section.status]}; {section.same:,} the same"]
        out += ["", f"| {' | '.join(_HEADS)} |", "|" + " --- |" * len(_HEADS)] if rows else []
        for one in rows:
            how = f"{one.how} (noise: {one.noise})" if one.noise else one.how
            out.append("| " + " | ".join(map(_plain, (one.path, one.name, one.a, one.b, how))) + " |")
        out += ["", _more(section)] if _more(section) else []
    for heading, what, first, ranges, count in _parts(comparison):
        out += ["", f"## {_plain(heading)}", "", _plain(what)]
        out += ["", f"| {first} | {count} |", "| --- | --- |"] if ranges else []
        out += [f"| {start:,} ({start:#x}) | {length:,} |" for start, length in ranges]
    return "\n".join(out) + "\n"
