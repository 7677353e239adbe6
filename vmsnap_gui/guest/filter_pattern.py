"""What stands behind `~`: a text to be found, or a regular expression that cannot run for ever."""

from __future__ import annotations

import re
import warnings
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_SPECIAL = frozenset("\\.^$*+?{}[]|()")
_SEARCHED = 512  # characters of a text that a regular expression looks at
_MOST_LOOPS = 3
_MOST_BRANCHES = 8
_LONGEST_PATTERN = 300


class PatternError(Exception):
    """A pattern is no valid regular expression, or one that could take for ever; a sentence for people."""


def text_matcher(pattern: str) -> Callable[[str], bool]:
    """Return a test whether a text contains `pattern`, ignoring case, literally or as a regular expression.

    Both are tried, since "0000:00:1f.2" and "regs[0]" are names before they are expressions.

    Raises:
        PatternError: `pattern` looks like an expression but is not valid, or repeats in a way that may never end.
    """
    needle = pattern.casefold()
    if not _SPECIAL & set(pattern) or _is_broken_but_literal(pattern):
        return lambda text: needle in text.casefold()
    search = _expression(pattern).search

    def matches(text: str) -> bool:
        return needle in text.casefold() or search(text, 0, _SEARCHED) is not None

    return matches


def _is_broken_but_literal(pattern: str) -> bool:
    """Whether `pattern` is the start of a path such as "regs[": a text, though not a valid expression."""
    return re.fullmatch(r"[^\\^$*+?{}|()]*", pattern) is not None and isinstance(_compiled(pattern), str)


def _compiled(pattern: str) -> re.Pattern[str] | str:
    """Return the expression, or a sentence that says why it is none."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # "[--" may mean something else in a future Python; not our concern
            return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        return f"This is not a valid regular expression: {error.msg}."
    except (OverflowError, RecursionError):
        return "This regular expression is too large."


def _expression(pattern: str) -> re.Pattern[str]:
    if len(pattern) > _LONGEST_PATTERN:
        raise PatternError(f"A regular expression can have at most {_LONGEST_PATTERN} characters.")
    _refuse_endless(pattern)
    compiled = _compiled(pattern)
    if isinstance(compiled, str):
        raise PatternError(compiled)
    return compiled


_PIECE = re.compile(
    r"\\(?P<escaped>.)|\[\^?\]?(?:\\.|[^\]\\])*\]|(?P<open>\((?:\?:)?)|(?P<close>\))"
    r"|(?P<repeat>[*+?]|\{\d*,?\d*\})[?+]?|(?P<choice>\|)|.",
    re.DOTALL,
)


def _refuse_endless(pattern: str) -> None:
    """Refuse what makes a backtracking search explode: repeats of repeats or of choices, and back references."""
    loops = branches = 0
    groups: list[bool] = []  # for each open group: does it hold a repeat or a choice
    risky = False  # whether the piece before was a group that does
    for piece in _PIECE.finditer(pattern):
        repeat = piece["repeat"]
        if (piece["escaped"] or "").isdigit():
            raise PatternError("Back references are not supported.")
        if piece["open"] == "(" and pattern.startswith("(?", piece.start()):
            raise PatternError("Of the groups that start with (? only (?: is supported.")
        if repeat not in (None, "?"):
            if risky:
                raise PatternError("A group that is repeated cannot hold repeats or choices itself.")
            loops += 1
        branches += repeat == "?" or (piece["choice"] is not None and bool(groups))
        if repeat or piece["choice"]:
            groups = [True] * len(groups)
        risky = bool(groups.pop()) if piece["close"] and groups else False
        if piece["open"]:
            groups.append(False)
    if loops > _MOST_LOOPS or branches > _MOST_BRANCHES:
        raise PatternError(
            f"A regular expression can have at most {_MOST_LOOPS} repeats and {_MOST_BRANCHES} choices in groups."
        )
