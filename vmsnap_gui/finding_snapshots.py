"""Searching the library's snapshots: the language of what is typed, and the lines that it is tried on. Qt-free.

Words are looked for in all that is known of a snapshot, and all of them must be there: `ubuntu 2026-11`. Conditions
name what they look at (`note ~ update`, `size > 1 GiB`, `date >= 2026-11-02`); `and`, `or`, `not` and brackets join
both. The pieces of the text, numbers and errors are those of the filter for fields (`guest.filter_text`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from vmsnap_gui.entries import way_below
from vmsnap_gui.guest.filter_text import ORDERS, FilterError, Token, TokenKind, is_unit, number, tokens
from vmsnap_gui.note_store import Note

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from vmsnap_gui.entries import Entry
    from vmsnap_gui.image.snapshot import Snapshot

    Test = Callable[["Line"], bool]

_NO_NOTE = Note()
DEEPEST = 40
"""Brackets in brackets that a search may have."""


@dataclass(frozen=True, slots=True)
class Line:
    """What a search is tried on: a snapshot, or an image without any.

    Attributes:
        path: The image.
        name: What it is called where its folder or machine does not stand above it.
        snapshot: The snapshot; None of an image without any, or that cannot be read.
        failed: Whether the image cannot be read.
        texts: By what they are called: image (its way below the folder it was found in, else its path), tag, id, note
            (with the label), machine, date (local time), problem (why the image cannot be read, and what else is wrong
            with it).
        numbers: The same: size (of the state), disk, file, in bytes.
        all: All texts in one, for words.
    """

    path: Path
    name: str
    snapshot: Snapshot | None
    failed: bool
    texts: dict[str, str]
    numbers: dict[str, int]
    all: str


def lines_of(entry: Entry, called: str, notes: Sequence[Note]) -> Iterator[Line]:
    """Yield the lines of an image or of what cannot be read; `notes` are those on its snapshots, or nothing."""
    info = entry.info
    name = (str(entry.path) if entry.parent is None else way_below(entry.path, entry.parent)).casefold()
    file = {"file": entry.stamp.size} if entry.stamp is not None else {}
    problem = _problems(entry).casefold()
    failed = entry.error is not None
    if info is None or not info.snapshots:
        yield Line(entry.path, called, None, failed, {"image": name, "problem": problem}, file, f"{name}\n{problem}")
        return
    machines = info.machines or ("",) * len(info.snapshots)
    for at, (one, machine) in enumerate(zip(info.snapshots, machines, strict=True)):
        note = notes[at] if at < len(notes) else _NO_NOTE
        texts = {
            "image": name,
            "tag": (one.tag or "").casefold(),
            "id": (one.id or "").casefold(),
            "machine": machine.casefold(),
            "note": f"{note.label}\n{note.text}".casefold() if note else "",
            "date": _local(one.date_sec),
            "problem": problem,
        }
        numbers = {**file, "size": one.vm_state_size, "disk": one.disk_size or 0}
        yield Line(entry.path, called, one, failed, texts, numbers, "\n".join(texts.values()))


def _problems(entry: Entry) -> str:
    """Return why an image cannot be read, and what is wrong with one that can."""
    failure = [str(getattr(entry.error, "message", entry.error))] if entry.error is not None else []
    return "; ".join([*failure, *(one.message for one in (entry.info.problems if entry.info is not None else ()))])


def _local(seconds: int | None) -> str:
    try:
        return "" if seconds is None else datetime.fromtimestamp(seconds).isoformat(" ")
    except (ValueError, OverflowError, OSError):
        return ""


_TEXTS = ("image", "tag", "id", "note", "machine", "date", "problem")
_NUMBERS = ("size", "disk", "file")


def compile_search(text: str) -> Test | None:
    """Return the test that a search's text means; None where nothing is typed.

    Raises:
        FilterError: it cannot be understood.
    """
    parser = _Parser(tokens(text))
    if parser.now().kind is TokenKind.END:
        return None
    test = parser.either(0)
    if parser.now().kind is not TokenKind.END:
        raise FilterError(f"'{parser.now().text}' is not expected here.", parser.now().position)
    return test


class _Parser:
    def __init__(self, pieces: list[Token]) -> None:
        self._pieces = pieces
        self._at = 0

    def now(self) -> Token:
        """Return the piece that comes next."""
        return self._pieces[self._at]

    def _next(self) -> Token:
        token = self.now()
        self._at += token.kind is not TokenKind.END
        return token

    def either(self, depth: int) -> Test:
        tests = [self._both(depth)]
        while self.now().is_joiner("or"):
            self._next()
            tests.append(self._both(depth))
        return tests[0] if len(tests) == 1 else lambda line: any(test(line) for test in tests)

    def _both(self, depth: int) -> Test:
        tests = [self._one(depth)]
        while self.now().kind not in (TokenKind.END, TokenKind.CLOSE) and not self.now().is_joiner("or"):
            if self.now().is_joiner("and"):
                self._next()
            tests.append(self._one(depth))
        return tests[0] if len(tests) == 1 else lambda line: all(test(line) for test in tests)

    def _one(self, depth: int) -> Test:
        if depth > DEEPEST:
            raise FilterError(f"More than {DEEPEST} brackets or 'not' within each other.", self.now().position)
        token = self._next()
        if token.is_joiner("not"):
            inner = self._one(depth + 1)
            return lambda line: not inner(line)
        if token.kind is TokenKind.OPEN:
            inner = self.either(depth + 1)
            if self._next().kind is not TokenKind.CLOSE:
                raise FilterError("A closing bracket is missing.", token.position)
            return inner
        if token.kind not in (TokenKind.WORD, TokenKind.STRING) or token.is_joiner("and") or token.is_joiner("or"):
            raise FilterError("A word or a condition is missing here.", token.position)
        if token.kind is TokenKind.WORD and self.now().kind is TokenKind.OPERATOR:
            return self._condition(token)
        wanted = token.text.casefold()
        return lambda line: wanted in line.all

    def _condition(self, what: Token) -> Test:
        name, sign, value = what.text.lower(), self._next(), self._next()
        if value.kind not in (TokenKind.WORD, TokenKind.STRING):
            raise FilterError(f"A value is missing after '{sign.text}'.", value.position)
        if name in _NUMBERS:
            return self._number(name, sign, value)
        if name not in _TEXTS:
            known = ", ".join((*_TEXTS, *_NUMBERS))
            raise FilterError(f"'{what.text}' is not known; there are: {known}.", what.position)
        if name == "date" and sign.text in ORDERS:
            return _date(sign, value)
        return _text(name, sign, value.text.casefold())

    def _number(self, name: str, sign: Token, value: Token) -> Test:
        written = value.text
        if self.now().kind is TokenKind.WORD and is_unit(self.now().text):
            written += self._next().text
        wanted, compare = number(written), ORDERS.get(sign.text)
        if wanted is None:
            raise FilterError(f"'{written}' is no number of bytes; write 1 GiB, for example.", value.position)
        if compare is None:
            raise FilterError(f"'{sign.text}' compares texts, and {name} is a number.", sign.position)
        return lambda line: name in line.numbers and compare(line.numbers[name], wanted)


def _text(name: str, sign: Token, wanted: str) -> Test:
    if sign.text in ("~", "!~"):
        return lambda line: (wanted in line.texts.get(name, "")) == (sign.text == "~")
    if sign.text in ("==", "!="):
        return lambda line: (line.texts.get(name, "").strip() == wanted) == (sign.text == "==")
    compare = ORDERS[sign.text]
    return lambda line: bool(line.texts.get(name)) and compare(line.texts[name], wanted)


_DATE = re.compile(r"\d{4}(-\d\d(-\d\d( \d\d(:\d\d(:\d\d)?)?)?)?)?", re.ASCII)
_FIRST = "0000-01-01 00:00:00"


def _date(sign: Token, value: Token) -> Test:
    """Return the test of a date, which is compared as far as it is written: a day equals all times in it."""
    wanted, compare = value.text, ORDERS[sign.text]
    try:
        if not _DATE.fullmatch(wanted):
            raise ValueError
        datetime.fromisoformat(wanted + _FIRST[len(wanted) :])
    except ValueError:
        raise FilterError(f"'{wanted}' is no date; write 2026-11-26, for example.", value.position) from None

    def test(line: Line) -> bool:
        date = line.texts.get("date", "")
        return compare(date[: len(wanted)], wanted) if date else sign.text == "!="

    return test
