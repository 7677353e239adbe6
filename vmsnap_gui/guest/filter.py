"""The filter language: one for the field tree, for comparisons and for lists of matches. See docs/filter.md.

A filter's text becomes closures once; each row is then tested without looking at the text again.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.guest import filter_conditions as conditions
from vmsnap_gui.guest.filter_conditions import FilterRow
from vmsnap_gui.guest.filter_pattern import PatternError, text_matcher
from vmsnap_gui.guest.filter_text import (
    ORDERS,
    FilterError,
    Token,
    TokenKind,
    is_unit,
    number,
    plain_word,
    quote,
    tokens,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmsnap_gui.guest.filter_conditions import Test, ValueTest
    from vmsnap_gui.vmstate.fields import Value

__all__ = ["Filter", "FilterError", "FilterRow", "compile_filter", "field_filter"]

DEEPEST = 40
"""Brackets in brackets that a filter may have."""

_NUMBERS: dict[str, Callable[[FilterRow], int]] = {
    "size": lambda row: row.size,
    "offset": lambda row: row.offset,
}
_TEXTS: dict[str, Callable[[FilterRow], str]] = {
    "device": lambda row: row.device,
    "name": lambda row: row.name,
    "path": lambda row: f"{row.device}.{row.path}",
    "type": lambda row: row.type,
    "label": lambda row: row.label or "",
    "problem": lambda row: row.problem or "",
}
_FLAGS: dict[str, Test] = {
    "changed": lambda row: row.changed,
    "problem": lambda row: bool(row.problem),
    "label": lambda row: bool(row.label),
}
_TRUTHS = {"true": True, "false": False}
_KEYWORDS = frozenset({"value", *_NUMBERS, *_TEXTS, *_FLAGS})
_LONGEST_BUFFER = 32  # bytes of a buffer, and
_LONGEST_TEXT = 200  # characters of a text, that `field_filter` writes out


@dataclass(frozen=True, slots=True)
class Filter:
    """A filter that was understood.

    Attributes:
        text: As it was written, without white space around it.
        matches: Tests one row. An empty filter matches every row.
    """

    text: str
    matches: Test

    @property
    def is_empty(self) -> bool:
        """Whether it asks nothing."""
        return not self.text


def compile_filter(text: str) -> Filter:
    """Understand a filter's text.

    Raises:
        FilterError: the text is not a filter; says why and where.
    """
    return Filter(text.strip(), _Parser(tokens(text)).filter())


def field_filter(path: str, value: Value) -> str:
    """Return the text that finds the field at `path` ("cpu.env.eip", with its device) with that value.

    A value that cannot be written short (a long buffer), or is none, is left out: then the path alone is asked for.
    """
    quoted = path if plain_word(path) and path not in _KEYWORDS and number(path) is None else quote(path)
    written = _written(value)
    return f"path == {quote(path)}" if written is None else f"{quoted} == {written}"


def _written(value: Value) -> str | None:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return hex(value) if value > 9 else str(value)
    if isinstance(value, float):
        return repr(value) if math.isfinite(value) else None
    if isinstance(value, str) and len(value) <= _LONGEST_TEXT:
        return quote(value)
    if isinstance(value, bytes) and 0 < len(value) <= _LONGEST_BUFFER:
        return quote(value.hex())
    return None


class _Parser:
    """A recursive descent over the tokens; its depth is bounded by `DEEPEST`."""

    def __init__(self, parts: list[Token]) -> None:
        self._parts = parts
        self._at = 0
        self._depth = 0

    def filter(self) -> Test:
        if self._here.kind is TokenKind.END:
            return lambda row: True
        test = self._any()
        if self._here.kind is TokenKind.CLOSE:
            raise FilterError("This closing bracket was never opened.", self._here.position)
        return test

    @property
    def _here(self) -> Token:
        return self._parts[self._at]

    def _next(self) -> Token:
        token = self._parts[self._at]
        self._at += 1
        return token

    def _any(self) -> Test:
        choices = [self._all()]
        while self._here.is_joiner("or"):
            self._next()
            choices.append(self._all())
        return conditions.any_of(tuple(choices))

    def _all(self) -> Test:
        parts = [self._one()]
        while not self._at_end_of_all():
            if self._here.is_joiner("and"):
                self._next()
            parts.append(self._one())
        return conditions.all_of(tuple(parts))

    def _at_end_of_all(self) -> bool:
        return self._here.kind in (TokenKind.END, TokenKind.CLOSE) or self._here.is_joiner("or")

    def _one(self) -> Test:
        turned = False
        while self._here.is_joiner("not"):
            self._next()
            turned = not turned
        test = self._condition()
        return (lambda row: not test(row)) if turned else test

    def _condition(self) -> Test:
        token = self._next()
        if token.kind is TokenKind.OPEN:
            return self._bracket(token)
        if token.kind not in (TokenKind.WORD, TokenKind.STRING) or any(map(token.is_joiner, ("and", "or"))):
            raise _missing(token)
        if not token.text:
            raise FilterError("There is nothing between these quotes.", token.position)
        if self._here.kind is TokenKind.OPERATOR:
            return self._comparison(token, self._next())
        if token.kind is TokenKind.WORD and token.text in _FLAGS:
            return _FLAGS[token.text]
        return conditions.word(token.text)

    def _bracket(self, opening: Token) -> Test:
        self._depth += 1
        if self._depth > DEEPEST:
            raise FilterError(f"Brackets can be at most {DEEPEST} deep.", opening.position)
        test = self._any()
        if self._here.kind is not TokenKind.CLOSE:
            raise FilterError("The closing bracket is missing.", opening.position)
        self._next()
        self._depth -= 1
        return test

    def _comparison(self, left: Token, operator: Token) -> Test:
        right = self._next()
        if right.kind not in (TokenKind.WORD, TokenKind.STRING):
            raise FilterError(f"A value is missing after {operator.text}.", right.position)
        if number(right.text) is not None and right.kind is TokenKind.WORD and is_unit(self._here.text):
            right = Token(right.kind, right.text + self._next().text, right.position)
        try:
            return _compare(left, operator.text, right)
        except PatternError as error:
            raise FilterError(str(error), right.position) from error


def _missing(token: Token) -> FilterError:
    if token.kind is TokenKind.CLOSE:
        return FilterError("A condition is missing before this bracket.", token.position)
    if token.kind is TokenKind.END:
        return FilterError("A condition is missing at the end.", token.position)
    return FilterError(f"A name is missing before '{token.text}'.", token.position)


def _compare(left: Token, op: str, right: Token) -> Test:
    keyword = left.text if left.kind is TokenKind.WORD and left.text in _KEYWORDS else None
    if keyword in _NUMBERS:
        return _compare_number(keyword, op, right)
    if keyword == "changed" and right.text.lower() in conditions.OUTCOMES and op in ("==", "!="):
        return _compare_outcome(op, right.text.lower())
    if keyword == "changed" or (keyword in _FLAGS and right.text.lower() in _TRUTHS):
        return _compare_flag(keyword, op, right)
    if keyword in _TEXTS:
        return _compare_text(keyword, op, right)
    if right.kind is TokenKind.WORD and right.text.lower() == "null" and op in ("==", "!="):
        null = conditions.null(op == "==")
        return null if keyword else _of_field(left.text, null)
    test = _value_test(op, right)
    if keyword:
        return lambda row: test(row.value)
    return _of_field(left.text, lambda row: test(row.value))


def _of_field(path: str, test: Test) -> Test:
    # The value first: it is cheaper to look at than the path, and seldom right.
    is_it = conditions.path_is(path)
    return lambda row: test(row) and is_it(row)


def _value_test(op: str, right: Token) -> ValueTest:
    if op in ("~", "!~"):
        return conditions.contains_value(right.text, op == "~")
    if right.kind is TokenKind.WORD:
        wanted = number(right.text)
        if wanted is not None:
            return conditions.number_value(op, wanted, right.text)
        if op in ("==", "!=") and right.text.lower() in _TRUTHS:
            return conditions.truth_value(_TRUTHS[right.text.lower()], op == "==")
    _refuse_order(op, right)
    return conditions.text_value(right.text, op == "==")


def _compare_number(keyword: str, op: str, right: Token) -> Test:
    wanted = number(right.text) if right.kind is TokenKind.WORD else None
    if wanted is None or op not in ORDERS:
        wrong = right.text if op in ORDERS else f"{op} {right.text}"
        raise FilterError(
            f"The {keyword} is a number: '{wrong}' does not fit, {keyword} >= 4 KiB does.", right.position
        )
    compare, get, number_wanted = ORDERS[op], _NUMBERS[keyword], wanted
    return lambda row: compare(get(row), number_wanted)


def _compare_flag(keyword: str, op: str, right: Token) -> Test:
    wanted = _TRUTHS.get(right.text.lower())
    if wanted is None or op not in ("==", "!="):
        base = f"; where there is a base also {keyword} == {', '.join(conditions.OUTCOMES)}"
        more = base if keyword == "changed" else ""
        raise FilterError(f"Write '{keyword}' or 'not {keyword}'{more}.", right.position)
    flag = _FLAGS[keyword]
    expected = wanted is (op == "==")
    return lambda row: flag(row) is expected


def _compare_outcome(op: str, wanted: str) -> Test:
    expected = op == "=="
    return lambda row: (row.outcome == wanted) is expected


def _compare_text(keyword: str, op: str, right: Token) -> Test:
    if op in ("~", "!~"):
        expected, get, matches = op == "~", _TEXTS[keyword], text_matcher(right.text)
        return lambda row: matches(get(row)) is expected
    _refuse_order(op, right)
    test = _same_text(keyword, right.text)
    return test if op == "==" else lambda row: not test(row)


def _same_text(keyword: str, wanted: str) -> Test:
    if keyword == "path":
        return conditions.path_is(wanted)
    if keyword == "device":
        return conditions.device_is(wanted)
    get, folded = _TEXTS[keyword], wanted.casefold()
    return lambda row: get(row).casefold() == folded


def _refuse_order(op: str, right: Token) -> None:
    if op not in ("==", "!="):
        raise FilterError(f"{op} compares numbers, and '{right.text}' is not one.", right.position)
