"""What becomes of pages and clusters, and what happened since a base, in words: by the values of Change and Outcome."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

if TYPE_CHECKING:
    from collections.abc import Sequence

OUTCOME_SIGNS = ("=", "←", "→", "≡", "≠")
"""By the values of Outcome: none is told by its colour alone."""


def change_words() -> tuple[str, ...]:
    """Return a word for each kind of change."""
    return (
        _tr("same"),
        _tr("changed"),
        _tr("zero to data"),
        _tr("data to zero"),
        _tr("only in A"),
        _tr("only in B"),
        _tr("unreadable"),
    )


def outcome_words() -> tuple[str, ...]:
    """Return where something changed since the base, for each Outcome, behind its sign."""
    words = (_tr("same"), _tr("in A"), _tr("in B"), _tr("in both alike"), _tr("in both differently"))
    return tuple(f"{sign} {word}" for sign, word in zip(OUTCOME_SIGNS, words, strict=True))


def kind_words(*, since_base: bool) -> Sequence[str]:
    """Return a word for each kind of range: each Outcome where there is a base, else each Change."""
    return outcome_words() if since_base else change_words()


def _tr(text: str) -> str:
    return QCoreApplication.translate("change_words", text)
