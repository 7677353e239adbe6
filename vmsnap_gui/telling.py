"""What went wrong, in words for people."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Report:
    """Something went wrong that a person must be told.

    Attributes:
        title: What happened, in a few words.
        text: What happened to which file, what state things are in now and what to do next.
        details: Everything a developer wants, shown on request and copied.
    """

    title: str
    text: str
    details: str = ""


def sentence(error: Exception) -> str:
    """Return what went wrong as a sentence for people, without the path that stands beside it anyway."""
    message = getattr(error, "message", None) or str(error) or type(error).__name__
    offset = getattr(error, "offset", None)
    remedy = getattr(error, "remedy", "")
    where = "" if offset is None else f" (at offset {offset:#x})"
    return f"{message}{where}{f'; {remedy}' if remedy else ''}"
