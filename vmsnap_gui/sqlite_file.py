"""A small SQLite file that several windows may use at once, opened for one piece of work. Qt-free, for workers."""

from __future__ import annotations

import contextlib
import sqlite3
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

PATIENCE = 2.0
"""Seconds for which another window's write is waited for."""

_PASSING = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_PERM,
    }
)
"""Results of SQLite (its documentation, "Result Codes") that say nothing against the file itself."""


@contextlib.contextmanager
def opened(file: Path, version: int, tables: str) -> Iterator[sqlite3.Connection]:
    """Open a file for one transaction, which is undone if the work raises; it is made if it is not there.

    Args:
        file: The file; its folder is made, too.
        version: Of its tables, kept as SQLite's user_version.
        tables: The statements that make them.

    Raises:
        sqlite3.Error: it cannot be used; `is_damage` tells whether that is for good.
        OSError: its folder cannot be made.
    """
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    store = sqlite3.connect(file, timeout=PATIENCE)
    try:
        store.execute("PRAGMA journal_mode = WAL")
        store.execute("PRAGMA synchronous = NORMAL")
        (found,) = store.execute("PRAGMA user_version").fetchone()
        if found not in (0, version):
            raise sqlite3.DatabaseError(f"it is of version {found}, not {version}")
        if not found:
            store.executescript(f"BEGIN IMMEDIATE; {tables} PRAGMA user_version = {version}; COMMIT;")
        with store:
            yield store
    finally:
        store.close()


def is_damage(error: Exception) -> bool:
    """Whether `opened`, or work on what it gives, failed since the file is damaged or of another version."""
    code = getattr(error, "sqlite_errorcode", None)  # None of an error that `opened` itself raises
    return isinstance(error, sqlite3.DatabaseError) and (code is None or code & 0xFF not in _PASSING)


def discard(file: Path) -> None:
    """Remove a file; another window that has it open goes on with its own until it opens it next."""
    for end in ("", "-wal", "-shm"):
        with contextlib.suppress(OSError):
            file.with_name(file.name + end).unlink(missing_ok=True)
