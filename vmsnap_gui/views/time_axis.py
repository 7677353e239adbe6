"""The axes of the timeline: dates as the tables show them, and a VM's clock. Imports pyqtgraph."""

from __future__ import annotations

import math

import pyqtgraph
from PySide6.QtCore import QDateTime

from vmsnap_gui.models import numbers

_DAY = 86400
_STEPS = (0.001, 0.01, 0.1, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, *(n * 3600 for n in (1, 2, 3, 6, 12)))
"""Seconds between ticks."""
_DAYS = (1, 2, 7, 14, 30, 91, 182, 365)
_TICK = 1.7
"""Room for a tick, in widths of its text."""


class TimeAxis(pyqtgraph.AxisItem):  # type: ignore[misc]  # untyped
    """Seconds, with ticks at round times."""

    example = "0000-00-00"

    def offset(self, _at: float) -> int:
        """Return how far midnight is from a multiple of a day, in seconds."""
        return 0

    def tickValues(self, low: float, high: float, size: float) -> list[tuple[float, list[float]]]:
        """Override AxisItem.tickValues."""
        wide = self.fontMetrics().horizontalAdvance(self.example) * _TICK
        wanted = max((high - low) * wide / max(1.0, size), _STEPS[0])
        steps = (*_STEPS, *(days * _DAY for days in _DAYS))
        year = _DAYS[-1] * _DAY
        step = next((one for one in steps if one >= wanted), math.ceil(wanted / year) * year)
        away = self.offset(low)
        first = math.ceil((low + away) / step)
        last = math.floor((high + away) / step)
        return [(step, [number * step - away for number in range(first, last + 1)])]

    def fontMetrics(self) -> pyqtgraph.QtGui.QFontMetrics:
        """Return how wide texts are."""
        return pyqtgraph.QtGui.QFontMetrics(self.style["tickFont"] or self.font())


class DateAxis(TimeAxis):
    """Dates and times in the time zone of this computer."""

    def offset(self, at: float) -> int:
        """Override TimeAxis.offset."""
        return QDateTime.fromSecsSinceEpoch(int(at)).offsetFromUtc()

    def tickStrings(self, values: list[float], _scale: float, spacing: float) -> list[str]:
        """Override AxisItem.tickStrings: the time of day, at midnight the date."""
        return [self._text(value, spacing) for value in values]

    def _text(self, value: float, spacing: float) -> str:
        moment = QDateTime.fromMSecsSinceEpoch(round(value * 1000))
        if moment.time().msecsSinceStartOfDay() == 0 or spacing >= _DAY:
            return moment.toString("yyyy-MM-dd")
        return moment.toString("HH:mm" if spacing >= 60 else "HH:mm:ss" if spacing >= 1 else "ss.zzz")


class ClockAxis(TimeAxis):
    """Seconds since a machine was started, as h:m:s."""

    example = "00:00:00.000"

    def tickStrings(self, values: list[float], _scale: float, spacing: float) -> list[str]:
        """Override AxisItem.tickStrings; before the start there is no time."""
        texts = [numbers.clock(round(value * 1e9)) if value > -1e-6 else "" for value in values]
        return [text.removesuffix(".000") for text in texts] if spacing >= 1 else texts
