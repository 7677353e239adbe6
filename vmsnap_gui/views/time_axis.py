"""The axis of the timeline: dates as the tables show them, or a VM's clock. Imports pyqtgraph."""

from __future__ import annotations

import math

import pyqtgraph
from PySide6.QtCore import QDateTime
from PySide6.QtGui import QFontMetrics

from vmsnap_gui.models import numbers

_DAY = 86400
_STEPS = (0.001, 0.01, 0.1, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, *(n * 3600 for n in (1, 2, 3, 6, 12)))
"""Seconds between ticks."""
_DAYS = (1, 2, 7, 14, 30, 91, 182, 365)
_TICK = 1.7
"""Room for a tick, in widths of its text."""


class TimeAxis(pyqtgraph.AxisItem):  # type: ignore[misc]  # untyped
    """Seconds, with ticks at round times: dates in the time zone of this computer, or a VM's clock.

    One for both: one that is replaced would be left to Python's garbage collection, which may run in a worker.

    Attributes:
        vm_clock: Whether it shows seconds since a machine was started, not since 1970.
    """

    def __init__(self) -> None:
        super().__init__("bottom")
        self.vm_clock = False

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        """Override AxisItem.tickValues."""
        metrics = QFontMetrics(self.style["tickFont"] or self.font())
        wide = metrics.horizontalAdvance("00:00:00.000" if self.vm_clock else "0000-00-00") * _TICK
        wanted = max((high - low) * wide / max(1.0, size), _STEPS[0])
        steps = (*_STEPS, *(days * _DAY for days in _DAYS))
        year = _DAYS[-1] * _DAY
        step = next((one for one in steps if one >= wanted), math.ceil(wanted / year) * year)
        # How far the zone's midnight is from a multiple of a day.
        away = 0 if self.vm_clock else QDateTime.fromSecsSinceEpoch(int(low)).offsetFromUtc()
        first, last = math.ceil((low + away) / step), math.floor((high + away) / step)
        return [(step, [number * step - away for number in range(first, last + 1)])]

    def tickStrings(self, values: list[float], _scale: float, spacing: float) -> list[str]:
        """Override AxisItem.tickStrings."""
        return [_clock(value, spacing) if self.vm_clock else _date(value, spacing) for value in values]


def _clock(value: float, spacing: float) -> str:
    """Return h:m:s; before a machine's start there is no time."""
    text = numbers.clock(round(value * 1e9)) if value > -1e-6 else ""
    return text.removesuffix(".000") if spacing >= 1 else text


def _date(value: float, spacing: float) -> str:
    """Return the time of day, at midnight the date."""
    moment = QDateTime.fromMSecsSinceEpoch(round(value * 1000))
    if moment.time().msecsSinceStartOfDay() == 0 or spacing >= _DAY:
        return moment.toString("yyyy-MM-dd")
    return moment.toString("HH:mm" if spacing >= 60 else "HH:mm:ss" if spacing >= 1 else "ss.zzz")
