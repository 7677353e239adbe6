"""How rows are drawn: fixed heights, muted text, two-line library rows, bars."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QModelIndex, QPersistentModelIndex, QRect, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QPalette
from PySide6.QtWidgets import QApplication, QStyle, QStyledItemDelegate, QStyleOptionViewItem

from vmsnap_gui.models.library import ASIDE_ROLE, DETAIL_ROLE, LOOK_ROLE, Look
from vmsnap_gui.views import theme
from vmsnap_gui.views.page_colours import outcome_colours

if TYPE_CHECKING:
    from PySide6.QtCore import QObject
    from PySide6.QtGui import QPainter

Index = QModelIndex | QPersistentModelIndex


class RowDelegate(QStyledItemDelegate):
    """Rows of 1.4 times the font's height."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Override QStyledItemDelegate::sizeHint."""
        return QSize(super().sizeHint(option, index).width() + 12, theme.row_height(option.font))


class MutedDelegate(RowDelegate):
    """Cells for which the model's `muted_role` is true are drawn quietly."""

    def __init__(self, muted_role: int, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._muted_role = muted_role

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        """Override QStyledItemDelegate::initStyleOption."""
        super().initStyleOption(option, index)
        if option.features & QStyleOptionViewItem.ViewItemFeature.HasCheckIndicator:
            theme.outline_boxes(option.palette)
        if index.data(self._muted_role):
            option.font.setItalic(True)
            option.palette.setColor(QPalette.ColorRole.Text, theme.muted(option.palette))


class MarkDelegate(RowDelegate):
    """Cells for which the model's `mark_role` is true have a warning sign beside their text."""

    def __init__(self, mark_role: int, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._mark_role = mark_role

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        """Override QStyledItemDelegate::initStyleOption."""
        super().initStyleOption(option, index)
        if index.data(self._mark_role):
            selected = bool(option.state & QStyle.StateFlag.State_Selected)
            option.features |= QStyleOptionViewItem.ViewItemFeature.HasDecoration
            option.icon = theme.icon("problem", selected=selected)
            option.decorationSize = QSize(16, 16)
            option.decorationAlignment = Qt.AlignmentFlag.AlignCenter


class LibraryDelegate(QStyledItemDelegate):
    """Two lines: the name, and below it what it holds or why it cannot be shown; an icon at the left. Groups: one."""

    _MARGIN = 4
    _ICON = 24

    def __init__(self, parent: QObject, *, has_groups: bool) -> None:
        super().__init__(parent)
        self._has_groups = has_groups

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Override QStyledItemDelegate::sizeHint."""
        # Asked for each of thousands of rows. Groups are all that stands above the others in a tree.
        if self._has_groups and not index.parent().isValid():
            return QSize(60, theme.row_height(option.font))
        return QSize(60, 2 * option.fontMetrics.lineSpacing() + 2 * self._MARGIN)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Override QStyledItemDelegate::paint."""
        option.text = index.data()  # not by initStyleOption, which asks for seven more things that no line has
        style = option.widget.style() if option.widget is not None else QApplication.style()
        style.drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, option.widget)
        look = index.data(LOOK_ROLE)
        if look is Look.GROUP:
            self._paint_group(painter, option)
            return
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        area = option.rect.adjusted(self._MARGIN, self._MARGIN, -self._MARGIN, -self._MARGIN)
        picture = QRect(area.left(), area.top() + (area.height() - self._ICON) // 2, self._ICON, self._ICON)
        theme.icon(look.value, selected=selected).paint(painter, picture)
        area.setLeft(picture.right() + 2 * self._MARGIN)
        aside = "" if self._has_groups else index.data(ASIDE_ROLE) or ""
        self._paint_lines(painter, option, area, index.data(DETAIL_ROLE), aside, look, selected=selected)

    def _paint_group(self, painter: QPainter, option: QStyleOptionViewItem) -> None:
        painter.save()
        font = QFont(option.font)
        font.setWeight(QFont.Weight.DemiBold)
        painter.setFont(font)
        painter.setPen(theme.muted(option.palette))
        area = option.rect.adjusted(self._MARGIN, 0, -self._MARGIN, 0)
        painter.drawText(area, Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine, option.text)
        painter.restore()

    def _paint_lines(
        self,
        painter: QPainter,
        option: QStyleOptionViewItem,
        area: QRect,
        detail: str,
        aside: str,
        look: Look,
        *,
        selected: bool,
    ) -> None:
        palette = option.palette
        metrics = QFontMetrics(option.font)
        strong = palette.color(QPalette.ColorRole.HighlightedText if selected else QPalette.ColorRole.Text)
        quiet = strong if selected else theme.failure(palette) if look is Look.FAILED else theme.muted(palette)
        shown = metrics.elidedText(detail, Qt.TextElideMode.ElideRight, area.width())
        room = metrics.horizontalAdvance(aside) + 3 * self._MARGIN if aside else 0
        lines = (
            (elided_path(option.text, metrics, area.width() - room), strong, 0, Qt.AlignmentFlag.AlignLeft),
            (aside, quiet, 0, Qt.AlignmentFlag.AlignRight),
            (shown, quiet, metrics.lineSpacing(), Qt.AlignmentFlag.AlignLeft),
        )
        painter.save()
        painter.setFont(option.font)
        for text, colour, down, side in lines:
            painter.setPen(colour)
            place = QRect(area.left(), area.top() + down, area.width(), metrics.lineSpacing())
            painter.drawText(place, side | Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextSingleLine, text)
        painter.restore()


class OutcomeDelegate(RowDelegate):
    """A cell in the colour of the Outcome whose number the model's `outcome_role` gives; 0: as any other."""

    def __init__(self, outcome_role: int, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._outcome_role = outcome_role

    def initStyleOption(self, option: QStyleOptionViewItem, index: Index) -> None:
        """Override QStyledItemDelegate::initStyleOption."""
        super().initStyleOption(option, index)
        outcome = index.data(self._outcome_role)
        if outcome:
            option.palette.setColor(QPalette.ColorRole.Text, outcome_colours(option.palette)[outcome])


def elided_path(text: str, metrics: QFontMetrics, width: int) -> str:
    """Return a path that fits: its folders give way from the left, so that the file's name stays whole if it can.

    Of a name that is too long itself, beginning and end stay: images of one kind often differ only in a last number.
    """
    if metrics.horizontalAdvance(text) <= width:
        return text
    name = text.rpartition("/")[2]
    if metrics.horizontalAdvance(f"…/{name}") <= width:
        return metrics.elidedText(text, Qt.TextElideMode.ElideLeft, width)
    return metrics.elidedText(name, Qt.TextElideMode.ElideMiddle, width)


class BarDelegate(RowDelegate):
    """A cell with a horizontal bar as long as the share (0 to 1) that the model's `share_role` gives."""

    def __init__(self, share_role: int, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._share_role = share_role

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Override QStyledItemDelegate::paint."""
        self.initStyleOption(option, index)
        text, option.text = option.text, ""
        style = option.widget.style() if option.widget is not None else QApplication.style()
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, option.widget)
        share = index.data(self._share_role)
        if isinstance(share, float):
            self._paint_bar(painter, option, share)
        option.text = text

    def _paint_bar(self, painter: QPainter, option: QStyleOptionViewItem, share: float) -> None:
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        palette = option.palette
        thick = max(4, option.rect.height() // 2)
        bar = QRect(option.rect.left() + 4, 0, max(2, round((option.rect.width() - 8) * share)), thick)
        bar.moveTop(option.rect.center().y() - thick // 2)
        colour = palette.color(QPalette.ColorRole.HighlightedText) if selected else theme.accent(palette)
        painter.fillRect(bar, colour)
