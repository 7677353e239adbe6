"""Numbers, sizes, dates and clocks as plain text, for the command line and for reports."""

from __future__ import annotations

import math
from datetime import UTC, datetime

_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB")


def counted(number: int, noun: str) -> str:
    """Return "1 page" or "1,000 pages"."""
    return f"{number:,} {plural(number, noun)}"


def plural(number: int, noun: str) -> str:
    """Return "page" for 1, else "pages"."""
    return noun if number == 1 else f"{noun}s"


def size_text(number: int) -> str:
    """Return a number of bytes in the largest unit that keeps it above 1, rounded half up as Qt does: "1.5 GiB"."""
    amount, unit = _scaled(number)
    return f"{amount:.0f} {unit}" if amount == int(amount) else f"{math.floor(amount * 10 + 0.5) / 10:.1f} {unit}"


def exact_size_text(number: int) -> str:
    """Return the same with the exact number: "1.5 GiB (1610612736 bytes)"; "12 bytes"."""
    amount, unit = _scaled(number)
    return f"{number} bytes" if unit == _UNITS[0] else f"{amount:.4g} {unit} ({number} bytes)"


def _scaled(number: int) -> tuple[float, str]:
    amount, place = float(number), 0
    while amount >= 1024 and place < len(_UNITS) - 1:
        amount /= 1024
        place += 1
    return amount, _UNITS[place]


def date_text(seconds: int | None) -> str:
    """Return a time in seconds since 1970, as qcow2 has it (32 bits), in UTC: "2026-11-24 00:54:05"; "-" for None."""
    return "-" if seconds is None else datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S")


def clock_text(nanoseconds: int | None) -> str:
    """Return a guest's clock in hours, minutes, seconds: "00:00:01.725"; "-" for None."""
    if nanoseconds is None:
        return "-"
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}.{rest // 1_000_000:03}"
