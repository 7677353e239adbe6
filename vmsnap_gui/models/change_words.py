"""What becomes of pages and clusters, in words: by the values of Change."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication


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


def _tr(text: str) -> str:
    return QCoreApplication.translate("change_words", text)
