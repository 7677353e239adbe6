"""The noise rules as a Qt table with a box to tick for each."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QObject, Qt

from vmsnap_gui.models import words
from vmsnap_gui.models.tables import FlatTable, Index

if TYPE_CHECKING:
    from vmsnap_gui.compare.noise import NoiseRule, NoiseRules


MUTED_ROLE = Qt.ItemDataRole.UserRole
"""True for a rule that is switched off."""


class Column(enum.IntEnum):
    """The table's columns."""

    NAME = 0
    REASON = 1
    APPLIES = 2


class NoiseRulesModel(FlatTable):
    """One row for each rule; the boxes are only kept here until somebody saves `disabled`."""

    columns = len(Column)

    def __init__(self, rules: NoiseRules, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._rules = rules.rules
        self._locked = bool(rules.problems)
        self.disabled = set(rules.disabled)
        """Names of the rules that are switched off."""

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's own signature)
        """Override QAbstractItemModel::rowCount."""
        return 0 if parent.isValid() else len(self._rules)

    def _titles(self) -> tuple[str, ...]:
        return (self.tr("Rule"), self.tr("Why a change says nothing"), self.tr("Fields"))

    def flags(self, index: Index) -> Qt.ItemFlag:
        """Override QAbstractItemModel::flags."""
        flags = super().flags(index)
        can_tick = index.isValid() and index.column() == Column.NAME and not self._locked
        return flags | Qt.ItemFlag.ItemIsUserCheckable if can_tick else flags

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Override QAbstractItemModel::data."""
        if not index.isValid():
            return None
        rule, column = self._rules[index.row()], Column(index.column())
        if role == Qt.ItemDataRole.DisplayRole:
            name = self.tr("%1 (off)").replace("%1", rule.name) if rule.name in self.disabled else rule.name
            return words.visible((name, rule.reason, _applies(rule))[column])
        if role == Qt.ItemDataRole.ToolTipRole:
            own = [self.tr("From your own file")] if rule.own else []
            return words.plain_tip([rule.name, rule.reason, _applies(rule), *own])
        if role == MUTED_ROLE:
            return rule.name in self.disabled
        if role == Qt.ItemDataRole.CheckStateRole and column is Column.NAME:
            return Qt.CheckState.Unchecked if rule.name in self.disabled else Qt.CheckState.Checked
        return None

    def setData(self, index: Index, value: object, role: int = Qt.ItemDataRole.EditRole) -> bool:
        """Override QAbstractItemModel::setData: tick a box."""
        if role != Qt.ItemDataRole.CheckStateRole or not self.flags(index) & Qt.ItemFlag.ItemIsUserCheckable:
            return False
        name = self._rules[index.row()].name
        if Qt.CheckState(value) is Qt.CheckState.Checked:
            self.disabled.discard(name)
        else:
            self.disabled.add(name)
        self.dataChanged.emit(index, self.index(index.row(), Column.APPLIES))
        return True


def _applies(rule: NoiseRule) -> str:
    """Say which fields a rule names: "timer: cpu_ticks_offset, …"."""
    fields = [*rule.paths, *(f"({name})" for name in sorted(rule.types))]
    devices = "" if rule.devices == ("*",) else f"{', '.join(rule.devices)}: "
    return devices + ", ".join(fields)
