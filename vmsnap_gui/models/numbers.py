"""Numbers as people read them: sizes, counts, dates and clocks in the user's locale, exact values for tooltips."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from PySide6.QtCore import QCoreApplication, QDateTime, QLocale, QTimeZone

NO_VALUE = "–"
"""Shown where there is no value."""
_IEC = QLocale.DataSizeFormat.DataSizeIecFormat


def count(value: int) -> str:
    """Return an integer with the locale's group separators."""
    return QLocale().toString(value) if -(1 << 63) <= value < 1 << 63 else str(value)


def size(value: int | None) -> str:
    """Return a number of bytes in KiB, MiB, ...; `NO_VALUE` for None."""
    if value is None:
        return NO_VALUE
    if not 0 <= value < 1 << 63 or value == 1:
        return exact_size(value)
    return QLocale().formattedDataSize(value, 0 if value < 1024 else 1, _IEC)


def freed(value: int, *, at_least: bool) -> str:
    """Return what deleting frees as `size` does; "≥ 3.0 MiB" where it may free more."""
    return f"≥ {size(value)}" if at_least else size(value)


def exact_size(value: int | None) -> str:
    """Return a number of bytes, to the byte; `NO_VALUE` for None."""
    if value is None:
        return NO_VALUE
    words = (
        QCoreApplication.translate("numbers", "%1 bytes")
        if value != 1
        else QCoreApplication.translate("numbers", "%1 byte")
    )
    return words.replace("%1", count(value))


def clock(nanoseconds: int | None) -> str:
    """Return a VM clock as hh:mm:ss.mmm; hours grow past two digits."""
    if nanoseconds is None:
        return NO_VALUE
    seconds, milliseconds = divmod(nanoseconds // 1_000_000, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}"


def elapsed(seconds: float) -> str:
    """Return a duration of work: "0.4 s", "12 s", "3:05"."""
    if seconds < 10:
        return f"{QLocale().toString(seconds, 'f', 1)} s"
    if seconds < 60:
        return f"{int(seconds)} s"
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes}:{rest:02}"


def date(seconds: int | None) -> str:
    """Return a date in local time, sortable by eye (2026-11-02 10:01:07), as the tables show it."""
    if seconds is None:
        return NO_VALUE
    return QDateTime.fromSecsSinceEpoch(seconds).toString("yyyy-MM-dd HH:mm:ss")


def zoned_date(seconds: int | None) -> str:
    """Return a date in local time with the offset that held then: "2026-11-02 11:01:07 UTC+01:00"."""
    if seconds is None:
        return NO_VALUE
    away = QDateTime.fromSecsSinceEpoch(seconds).offsetFromUtc() // 60
    offset = f"{'+' if away > 0 else '-'}{abs(away) // 60:02}:{abs(away) % 60:02}" if away else ""
    return f"{date(seconds)} UTC{offset}"


def time_zone() -> str | None:
    """Return the name of the time zone in which dates are shown ("Europe/Berlin"); None where that is UTC."""
    if not time.timezone and not time.daylight:  # a QTimeZone would be made anew for each title that is painted
        return None
    return bytes(QTimeZone.systemTimeZoneId().data()).decode("ascii", "replace")


def iso_date(seconds: int | None, nanoseconds: int = 0) -> str:
    """Return a date as ISO 8601 in UTC with all of its nanoseconds."""
    if seconds is None:
        return NO_VALUE
    try:
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    except (ValueError, OverflowError, OSError):
        return str(seconds)
    return f"{text}.{nanoseconds:09}Z"
