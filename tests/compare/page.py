"""A strict reader of the HTML that reports are: what it does not expect is an AssertionError."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from itertools import pairwise

VOID = {"meta", "wbr"}
TAGS = VOID | {
    "html", "head", "title", "style", "body", "header", "main", "section", "nav", "footer", "h1", "h2", "h3", "p",
    "div", "span", "i", "b", "small", "strong", "code", "mark", "a", "ul", "li", "dl", "dt", "dd", "table", "caption",
    "thead", "tbody", "tr", "th", "td", "figure", "figcaption", "svg", "path",
}  # fmt: skip
ATTRIBUTES = {
    "lang", "charset", "name", "content", "http-equiv", "class", "id", "href", "scope", "role", "aria-label",
    "aria-hidden", "data-head", "style", "viewbox", "shape-rendering", "d",
}  # fmt: skip


class Page(HTMLParser):
    """Reads a page: every tag is known and closed in order, nothing is loaded, every link has its target.

    Attributes:
        text: All that is to be read.
        headings: (level, text).
        tables: How many rows each table has, its heads left out.
    """

    def __init__(self, html: str) -> None:
        super().__init__()
        self._texts: list[str] = []
        self.headings: list[tuple[int, str]] = []
        self.tables: list[int] = []
        self._open: list[str] = []
        self._ids: list[str] = []
        self._links: list[str] = []
        self._style = ""
        assert html.startswith("<!DOCTYPE html>\n")
        self.feed(html)
        self.close()
        self.text = "".join(self._texts)
        assert self._open == []
        assert len(set(self._ids)) == len(self._ids)
        assert set(self._links) <= set(self._ids)
        assert not re.search(r"url\(|@import|expression", self._style)
        levels = [level for level, _ in self.headings]
        assert levels[0] == 1
        assert levels.count(1) == 1
        assert all(after - before <= 1 for before, after in pairwise(levels))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        assert tag in TAGS
        assert found.keys() <= ATTRIBUTES, tag
        assert len(found) == len(attrs)
        if tag not in VOID:
            self._open.append(tag)
        if tag == "a":
            assert found["href"] is not None
            assert found["href"].startswith("#")
            self._links.append(found["href"][1:])
        self._ids += [value or "" for name, value in attrs if name == "id"]
        assert re.fullmatch(r"top:[0-9.]+%", found.get("style") or "top:0%")
        if tag == "html":
            assert found.get("lang") == "en"
        if tag == "th":
            assert found.get("scope") == ("col" if "thead" in self._open else "row")
        if tag == "svg":
            assert found.get("role") == "img" or found.get("aria-hidden") == "true"
            assert found.get("aria-label") or found.get("role") is None
        if tag == "table":
            self.tables.append(0)
        if tag == "tr" and "tbody" in self._open:
            self.tables[-1] += 1
        if re.fullmatch("h[123]", tag):
            self.headings.append((int(tag[1]), ""))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag == "path"
        self.handle_starttag(tag, attrs)
        self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" in self._open:
            self._style += data
            return
        self._texts.append(data)
        if self._open and re.fullmatch("h[123]", self._open[-1]):
            level, before = self.headings[-1]
            self.headings[-1] = level, before + data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def unknown_decl(self, data: str) -> None:
        raise AssertionError(f"a declaration: {data}")
