"""The text of a filter: words, quoted strings, operators and brackets, and the numbers among them."""

from __future__ import annotations

import enum
import operator
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONGEST_TEXT = 20_000
"""Characters that a filter may have: far more than anybody writes, few enough to read at once."""

OPERATORS = ("==", "!=", "<=", ">=", "!~", "<", ">", "~")
ORDERS: dict[str, Callable[[Any, Any], bool]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
"""What those operators mean that compare two numbers, or two texts by their order."""
JOINERS = frozenset({"and", "or", "not"})
_UNITS = {"kib": 10, "mib": 20, "gib": 30, "tib": 40}
_ESCAPES = {"\\": "\\", '"': '"', "n": "\n", "r": "\r", "t": "\t"}
_HEX_ESCAPES = {"x": 2, "u": 4, "U": 8}

# A word ends before white space, a quote, a bracket, and at anything that starts an operator.
_WORD = re.compile(r'[^\s"()=<>~!](?:[^\s"()=<>~!]|!(?![=~]))*')
_NUMBER = re.compile(
    r"[+-]?(?:0x[0-9a-f_]+|0o[0-7_]+|0b[01_]+|(?P<float>\d+\.\d+(?:e[+-]?\d+)?|\d+e[+-]?\d+)|\d[\d_]*)", re.I
)
_LONGEST_NUMBER = 400


class FilterError(Exception):
    """A filter's text cannot be understood: one sentence for people.

    Attributes:
        message: What is wrong and, where it is known, what to write instead.
        position: Index of the character in the text where it was noticed.
    """

    def __init__(self, message: str, position: int) -> None:
        super().__init__(message)
        self.message = message
        self.position = position

    def __str__(self) -> str:
        return f"{self.message.removesuffix('.')} (at character {self.position + 1})"


class TokenKind(enum.Enum):
    """What a piece of a filter's text is."""

    WORD = "word"
    STRING = "string"
    OPERATOR = "operator"
    OPEN = "("
    CLOSE = ")"
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """One piece of a filter's text.

    Attributes:
        kind: What it is.
        text: The word, the string without its quotes, the operator.
        position: Index of its first character.
    """

    kind: TokenKind
    text: str
    position: int

    def is_joiner(self, word: str) -> bool:
        """Whether this is the unquoted word `word` ("and", "or", "not"), in any case."""
        return self.kind is TokenKind.WORD and self.text.lower() == word


def tokens(text: str) -> list[Token]:
    """Cut a filter's text into tokens; the last one is END.

    Raises:
        FilterError: an open quote, an unknown operator, or a text of more than `LONGEST_TEXT` characters.
    """
    if len(text) > LONGEST_TEXT:
        raise FilterError(f"A filter can have at most {LONGEST_TEXT} characters.", LONGEST_TEXT)
    return [*_cut(text), Token(TokenKind.END, "", len(text))]


def _cut(text: str) -> Iterator[Token]:
    at = 0
    while at < len(text):
        char = text[at]
        if char.isspace():
            at += 1
        elif char in "()":
            yield Token(TokenKind(char), char, at)
            at += 1
        elif char == '"':
            string, end = _string(text, at)
            yield Token(TokenKind.STRING, string, at)
            at = end
        elif operator := next((o for o in OPERATORS if text.startswith(o, at)), None):
            yield Token(TokenKind.OPERATOR, operator, at)
            at += len(operator)
        elif char in "=!":
            hint = "Write == to compare." if char == "=" else "Write 'not' to turn a condition round."
            raise FilterError(f"'{char}' alone means nothing here. {hint}", at)
        else:
            word = _WORD.match(text, at)
            assert word is not None  # every other character starts a word
            _refuse_foreign_joiner(word.group(), at)
            yield Token(TokenKind.WORD, word.group(), at)
            at = word.end()


def _refuse_foreign_joiner(word: str, at: int) -> None:
    for foreign, ours in (("&&", "and"), ("||", "or")):
        if word == foreign:
            raise FilterError(f"Write '{ours}' instead of '{foreign}'.", at)


def _string(text: str, start: int) -> tuple[str, int]:
    """Return the string whose opening quote is at `start`, and the index after its closing quote."""
    parts: list[str] = []
    at = start + 1
    while at < len(text):
        char = text[at]
        if char == '"':
            return "".join(parts), at + 1
        if char == "\\" and at + 1 < len(text):
            part, at = _escape(text, at + 1)
            parts.append(part)
        else:
            parts.append(char)
            at += 1
    raise FilterError("The closing quote is missing.", start)


def _escape(text: str, at: int) -> tuple[str, int]:
    r"""Return what the escape with its letter at `at` stands for; one we do not know stays (`\d` in a pattern)."""
    letter = text[at]
    if letter in _ESCAPES:
        return _ESCAPES[letter], at + 1
    digits = text[at + 1 : at + 1 + _HEX_ESCAPES.get(letter, 0)]
    if digits and len(digits) == _HEX_ESCAPES[letter] and re.fullmatch("[0-9a-fA-F]+", digits):
        code = int(digits, 16)
        if code <= 0x10FFFF:
            return chr(code), at + 1 + len(digits)
    return "\\" + letter, at + 1


def quote(text: str) -> str:
    """Return `text` as a quoted string of the filter language, on one line and without control characters."""
    return '"' + "".join(_quoted(char) for char in text) + '"'


def _quoted(char: str) -> str:
    if char in '\\"':
        return "\\" + char
    if char.isprintable():
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def plain_word(text: str) -> bool:
    """Whether `text` can stand in a filter without quotes and still mean itself."""
    match = _WORD.fullmatch(text)
    return match is not None and text.isprintable() and text.lower() not in JOINERS and text not in ("&&", "||")


def number(text: str) -> int | float | None:
    """Return the number that `text` writes (decimal, 0x, 0o, 0b, with KiB, MiB, GiB or TiB), or None."""
    if len(text) > _LONGEST_NUMBER or not text.isascii():
        return None
    shift = _UNITS.get(text[-3:].lower(), 0)
    digits = text[:-3] if shift else text
    match = _NUMBER.fullmatch(digits)
    if match is None:
        return None
    try:
        if match.group("float"):
            return float(digits) * (1 << shift)
        return _integer(digits) << shift
    except (ValueError, OverflowError):
        return None


def _integer(digits: str) -> int:
    prefixed = digits.lstrip("+-")[:2].lower() in ("0x", "0o", "0b")
    return int(digits, 0) if prefixed else int(digits, 10)


def is_unit(text: str) -> bool:
    """Whether `text` is a unit that may follow a number after a space."""
    return text.lower() in _UNITS
