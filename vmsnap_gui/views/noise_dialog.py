"""The dialog with the noise rules: what each names, why, and a box to switch it off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QDialog, QDialogButtonBox, QLabel, QVBoxLayout, QWidget

from vmsnap_gui.models import words
from vmsnap_gui.models.noise_rules import MUTED_ROLE, NoiseRulesModel
from vmsnap_gui.views.delegates import MutedDelegate
from vmsnap_gui.views.memory_tables import plain_table
from vmsnap_gui.views.pages import Notice

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from vmsnap_gui.compare.noise import NoiseRules


class NoiseDialog(QDialog):
    """Shows the rules; *Use these rules* gives the names of those that are switched off to `then`."""

    def __init__(self, rules: NoiseRules, file: Path, then: Callable[[set[str]], object], parent: QWidget) -> None:
        """Show `rules`, of which those of the person are in `file`."""
        super().__init__(parent)
        self.setObjectName("noise_dialog")
        self.setWindowTitle(self.tr("Noise rules"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self.model = NoiseRulesModel(rules, self)
        self.table = plain_table("noise_rules", self.tr("Noise rules"), self.model, self)
        self.table.setItemDelegate(MutedDelegate(MUTED_ROLE, self.table))
        about = QLabel(self.tr("Fields that change by themselves while a machine runs. Where a rule names a field, "
                               "a change of it counts as the same."), wordWrap=True)  # fmt: skip
        where = QLabel(self.tr("Rules of your own: %1").replace("%1", words.path_text(file)), wordWrap=True)
        for label in (about, where):
            label.setTextFormat(Qt.TextFormat.PlainText)
        where.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        notice = Notice("noise_notice", self)
        if rules.problems:
            broken = " ".join(words.sentence(str(problem)) for problem in rules.problems)
            notice.show_message("problem", self.tr("%1 Repair that first to change rules here.").replace("%1", broken))
        buttons = QDialogButtonBox()
        use = buttons.addButton(self.tr("Use these rules"), QDialogButtonBox.ButtonRole.AcceptRole)
        use.setObjectName("use_rules")
        use.setEnabled(not rules.problems)
        buttons.addButton(QDialogButtonBox.StandardButton.Cancel)
        buttons.accepted.connect(self.accept)
        buttons.rejected.connect(self.reject)
        self.accepted.connect(lambda: then(self.model.disabled))
        layout = QVBoxLayout(self)
        for widget, stretch in ((about, 0), (notice, 0), (self.table, 1), (where, 0), (buttons, 0)):
            layout.addWidget(widget, stretch)
        wide = self.fontMetrics().averageCharWidth()
        for column, characters in enumerate((26, 84)):
            self.table.header().resizeSection(column, wide * characters)
        self.table.header().setStretchLastSection(True)
        self.resize(wide * 168, self.fontMetrics().height() * 28)
