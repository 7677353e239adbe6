"""Reports of a comparison as files: HTML, Markdown and JSON. What an image holds is hostile input; all is escaped."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from vmsnap_gui.compare.comparison import comparison_json
from vmsnap_gui.compare.errors import CompareError
from vmsnap_gui.compare.report_html import html_report
from vmsnap_gui.compare.report_markdown import markdown_report

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vmsnap_gui.compare.comparison import Comparison


def report_text(comparison: Comparison, form: str) -> str:
    """Return a report: `form` is "html", "md" or "json". Only JSON has everything, however much it is.

    Raises:
        CompareError: there is no such form.
        ImageError: an image cannot be read; the names of fields come from it.
    """
    makers: dict[str, Callable[[Comparison], str]] = {"html": html_report, "md": markdown_report, "json": _json}
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
