"""Reading TOML files that a person may have written: bounded, and what is broken becomes a problem."""

from __future__ import annotations

import tomllib
from reprlib import repr
from typing import TYPE_CHECKING

from vmsnap_gui.image.errors import Problem

if TYPE_CHECKING:
    from pathlib import Path

LARGEST_FILE = 4 << 20
"""Bytes that a file of rules may have."""


class BrokenError(Exception):
    """A part of a file is not as documented; a sentence."""


def read_document(file: Path, what: str, problems: list[Problem]) -> dict[str, object]:
    """Return what a file holds; one that does not exist holds nothing, one that is broken nothing but a problem.

    Args:
        file: The file.
        what: What its problems call what it holds: "names".
        problems: Where the problem goes.
    """
    try:
        with file.open("rb") as stream:
            data = stream.read(LARGEST_FILE + 1)
        if len(data) > LARGEST_FILE:
            raise ValueError(f"it has more than {LARGEST_FILE >> 20} MiB")
        return tomllib.loads(data.decode("utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        problems.append(Problem(f"The {what} in {file} cannot be read: {error.strerror}."))
    except (ValueError, RecursionError) as error:
        problems.append(Problem(f"The {what} in {file} are not used: {error}."))
    return {}


def only(table: dict[str, object], known: set[str]) -> None:
    """Raise BrokenError where a table has a key that is not in `known`."""
    unknown = sorted(table.keys() - known)
    if unknown:
        raise BrokenError(f"'{unknown[0]}' is not known here")


def text(value: object) -> str:
    """Return a value that should be a text, or raise BrokenError."""
    if not isinstance(value, str):
        raise BrokenError(f"{repr(value)} should be a text")
    return value


def texts(value: object) -> tuple[str, ...]:
    """Return a value that should be a text or a list of texts, or raise BrokenError."""
    return tuple(text(item) for item in value) if isinstance(value, list) else (text(value),)
