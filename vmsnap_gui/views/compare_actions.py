"""The actions of comparing, with when each can be used, and why not where it cannot."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QSize, Qt
from PySide6.QtGui import QAction, QKeySequence
from PySide6.QtWidgets import QToolButton

from vmsnap_gui.models import words
from vmsnap_gui.sides import Side
from vmsnap_gui.views import theme
from vmsnap_gui.views.action_making import separator, window_action

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMainWindow, QMenu

    from vmsnap_gui.compare_session import CompareSession
    from vmsnap_gui.session import Session
    from vmsnap_gui.views.snapshot_table import SnapshotTable


class CompareActions(QObject):
    """What the Compare menu offers.

    Attributes:
        compare: Compare the two selected snapshots; of three the oldest is the base.
        mark: Remember the selected snapshot as side A.
        compare_marked: Compare the remembered one with the selected one, perhaps of another image.
        swap: Let A and B change places.
        set_base: Make the selected snapshot the base of the comparison.
        drop_base: Compare without a base.
        next, previous: Go through the differences; the window does it.
        report: Save a report; the window does it.
        rules: Show the noise rules; the window does it.
        show: Show the Compare tab; the window does it.
        close: End the comparison.
    """

    def __init__(self, window: QMainWindow, session: Session, comparison: CompareSession, table: SnapshotTable) -> None:
        super().__init__(window)
        self._session = session
        self._comparison = comparison
        self._table = table
        make = partial(window_action, window)
        self.compare = make("compare", self.tr("&Compare"), "compare", "Ctrl+D")
        self.mark = make("mark_side", self.tr("&Mark as side A"), shortcut="Ctrl+Shift+A")
        self.compare_marked = make("compare_marked", self.tr("Compare with the marked &one"), shortcut="Ctrl+Shift+D")
        self.swap = make("swap_sides", self.tr("&Swap the sides"), "swap")
        self.set_base = make("set_base", self.tr("Make the selected snapshot the &base"))
        self.drop_base = make("drop_base", self.tr("Compare &without a base"))
        self.next = make("next_difference", self.tr("&Next difference"), shortcut="F8")
        self.previous = make("previous_difference", self.tr("&Previous difference"), shortcut="F7")
        self.report = make("save_report", self.tr("Save &report…"), shortcut="Ctrl+S")
        self.rules = make("noise_rules_action", self.tr("Noise r&ules…"))
        self.show = make("show_compare", self.tr("&Go to the comparison"), shortcut="Alt+4")
        self.close = make("close_comparison", self.tr("C&lose the comparison"))
        self.compare.triggered.connect(self._compare)
        self.mark.triggered.connect(lambda: comparison.mark(self._selected()))
        self.compare_marked.triggered.connect(self._compare_marked)
        self.swap.triggered.connect(comparison.swap)
        self.set_base.triggered.connect(lambda: comparison.set_base(self._selected()))
        self.drop_base.triggered.connect(lambda: comparison.set_base(None))
        self.close.triggered.connect(comparison.close)
        comparison.changed.connect(self._enable)
        session.selection_changed.connect(self._enable)
        table.selection_changed.connect(self._enable)
        table.menu_wanted.connect(self._fill_menu)
        self._enable()

    def in_menu(self) -> list[QAction]:
        """Return the actions in the order of the Compare menu."""
        first = [self.compare, self.mark, self.compare_marked, separator(self)]
        middle = [self.previous, self.next, self.swap, self.set_base, self.drop_base, separator(self)]
        return [*first, *middle, self.report, self.rules, self.show, self.close]

    def close_button(self) -> QToolButton:
        """Make the button on the tab that closes the comparison."""
        button = QToolButton()
        button.setObjectName("close_compare_tab")
        button.setAccessibleName(self.close.iconText())
        button.setToolTip(self.close.iconText())
        button.setAutoRaise(True)
        button.setIconSize(QSize(12, 12))
        button.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        theme.set_icon(button, "close")
        button.clicked.connect(self.close.trigger)
        return button

    def _fill_menu(self, menu: QMenu) -> None:
        menu.addSeparator()
        menu.addActions([self.compare, self.mark, self.compare_marked])
        if self._comparison.sides is not None:
            menu.addAction(self.set_base)

    def _side(self, position: int | None) -> Side | None:
        entry = self._session.entry()
        if entry is None or entry.info is None or position is None or position >= len(entry.info.snapshots):
            return None
        return Side(entry.path, entry.info.snapshots[position])

    def _selected(self) -> Side | None:
        """Return the one selected snapshot."""
        positions = self._table.selected()
        return self._side(positions[0]) if len(positions) == 1 else None

    def _chosen(self) -> list[Side]:
        """Return the two or three selected snapshots, the earliest first; none where others are selected."""
        sides = [side for side in map(self._side, self._table.selected()) if side is not None]
        return sides if len(sides) in (2, 3) else []

    def _compare(self) -> None:
        *base, a, b = self._chosen()
        self._comparison.compare(a, b, base[0] if base else None)

    def _compare_marked(self) -> None:
        marked, selected = self._comparison.marked, self._selected()
        if marked is not None and selected is not None:
            self._comparison.compare(marked, selected)

    def _enable(self) -> None:
        """Enable what can be done now; what cannot says why in its tool tip."""
        comparison, marked = self._comparison, self._comparison.marked
        chosen, selected = self._chosen(), self._selected()
        two = self.tr(
            "Select two snapshots in the table to compare them (Ctrl and click, or Shift and the arrow keys); "
            "of three the oldest is the base"
        )
        how = self.tr("Compare the two selected snapshots")
        if len(chosen) == 3:
            how = self.tr("Compare the two later ones of the selected snapshots, with the oldest as their base")
        self._set(self.compare, bool(chosen), how, two)
        one = self.tr("Select one snapshot first")
        self._set(self.mark, selected is not None, self.tr("To compare it with one that you select later"), one)
        name = words.snapshot_name(marked.snapshot) if marked is not None else ""
        where = words.visible(self._session.library.entries.called_alone(marked.path)) if marked is not None else ""
        text = self.tr("Compare with %1 (%2)") if marked is not None else self.tr("Compare with the marked &one")
        self.compare_marked.setText(text.replace("%1", name.replace("&", "&&")).replace("%2", where.replace("&", "&&")))
        why = one if marked is not None else self.tr("Mark a snapshot as side A first")
        other = selected is not None and marked is not None and selected != marked
        if selected is not None and selected == marked:
            why = self.tr("This is the marked one; select another")
        self._set(self.compare_marked, other, self.tr("Compare the marked snapshot with the selected one"), why)
        open_ = comparison.sides is not None or comparison.compared is not None
        nothing = self.tr("Nothing is compared yet")
        sides, base = comparison.sides, comparison.base
        why = one if open_ else nothing
        if sides is not None and selected is not None and selected in (*sides, base):
            why = self.tr("This one is already a part of the comparison")
        usable = sides is not None and selected is not None and selected not in (*sides, base)
        self._set(self.set_base, usable, self.tr("Tell which side changed what since the selected snapshot"), why)
        self._set(self.drop_base, base is not None, self.drop_base.iconText(), self.tr("There is no base"))
        for action in (self.swap, self.next, self.previous, self.show, self.close):
            self._set(action, open_, action.iconText(), nothing)
        shown = comparison.compared is not None
        self._set(self.report, shown, self.tr("Save what differs as a web page, Markdown or JSON"), nothing)

    def _set(self, action: QAction, enabled: bool, tip: str, why_not: str) -> None:
        action.setEnabled(enabled)
        keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
        action.setToolTip((f"{tip} ({keys})" if keys else tip) if enabled else why_not)
