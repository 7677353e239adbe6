"""How small pictures of screens are drawn: in a row of the snapshot table, and in the gallery."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QRect, QRectF, QSize, Qt
from PySide6.QtGui import QFont, QFontMetrics, QHelpEvent, QPainter, QPalette, QPen
from PySide6.QtWidgets import QApplication, QStyle, QStyledItemDelegate, QStyleOptionViewItem, QToolTip

from vmsnap_gui.models import words
from vmsnap_gui.models.snapshots import NOTE_ROLE, THUMBNAIL_ROLE, Column
from vmsnap_gui.thumbnails import Thumbnail
from vmsnap_gui.views import theme
from vmsnap_gui.views.delegates import RowDelegate

if TYPE_CHECKING:
    from PySide6.QtGui import QImage
    from PySide6.QtWidgets import QAbstractItemView

    from vmsnap_gui.views.delegates import Index

_ROW = QSize(48, 36)
_CELL = QSize(192, 144)
_MARGIN = 8
_GAP = 2  # above and below the picture in a row
_NONE = "–"


class ScreenDelegate(RowDelegate):
    """A picture in a row of a table, which it makes high enough; a dash where there is none."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Override QStyledItemDelegate::sizeHint."""
        return _ROW + QSize(2 * _MARGIN, 2 * _GAP)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Override QStyledItemDelegate::paint."""
        self.initStyleOption(option, index)
        thumbnail = index.data(THUMBNAIL_ROLE)
        picture = thumbnail.row if isinstance(thumbnail, Thumbnail) else None
        option.text = _NONE if thumbnail is not None and picture is None else ""
        option.displayAlignment = Qt.AlignmentFlag.AlignCenter
        style = option.widget.style() if option.widget is not None else QApplication.style()
        style.drawControl(QStyle.ControlElement.CE_ItemViewItem, option, painter, option.widget)
        if picture is not None:
            room = option.rect.adjusted(_MARGIN, _GAP, -_MARGIN, -_GAP)
            _draw(painter, picture, room, option.palette)


class GalleryDelegate(QStyledItemDelegate):
    """A picture with the snapshot's label and tag, date and VM clock below it."""

    def sizeHint(self, option: QStyleOptionViewItem, index: Index) -> QSize:
        """Override QStyledItemDelegate::sizeHint."""
        lines = 3 * QFontMetrics(option.font).lineSpacing()
        return _CELL + QSize(2 * _MARGIN, 2 * _MARGIN + _MARGIN // 2 + lines)

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Override QStyledItemDelegate::paint."""
        self.initStyleOption(option, index)
        style = option.widget.style() if option.widget is not None else QApplication.style()
        style.drawPrimitive(QStyle.PrimitiveElement.PE_PanelItemViewItem, option, painter, option.widget)
        room = QRect(option.rect.topLeft(), _CELL).translated(_MARGIN, _MARGIN)
        thumbnail = index.data(THUMBNAIL_ROLE)
        if isinstance(thumbnail, Thumbnail) and thumbnail.image is not None:
            _draw(painter, thumbnail.image, room, option.palette)
        else:
            self._paint_empty(painter, option, room, thumbnail.text if isinstance(thumbnail, Thumbnail) else "")
        self._paint_lines(painter, option, index, room.bottom() + 1 + _MARGIN // 2)

    def helpEvent(self, event: QHelpEvent, view: QAbstractItemView, option: QStyleOptionViewItem, index: Index) -> bool:
        """Override QStyledItemDelegate::helpEvent: tell the note, and what the screen shows or why it does not."""
        thumbnail = index.data(THUMBNAIL_ROLE)
        tip = list(index.data(NOTE_ROLE).lines)
        if isinstance(thumbnail, Thumbnail):
            tip.append(thumbnail.text)
        if event.type() == QEvent.Type.ToolTip and tip:
            QToolTip.showText(event.globalPos(), words.plain_tip(tip), view)
            return True
        return super().helpEvent(event, view, option, index)

    def _paint_empty(self, painter: QPainter, option: QStyleOptionViewItem, room: QRect, reason: str) -> None:
        """Paint an empty screen, with the reason why there is none if that is known already."""
        painter.save()
        painter.fillRect(room, option.palette.color(QPalette.ColorRole.AlternateBase))
        painter.setPen(_edge(option.palette))
        painter.drawRect(QRectF(room).adjusted(0, 0, -1, -1))
        painter.setPen(theme.muted(option.palette))
        painter.setFont(option.font)
        wrapped = Qt.AlignmentFlag.AlignCenter | Qt.TextFlag.TextWordWrap
        text = words.visible(reason)
        painter.drawText(room.adjusted(_MARGIN, _MARGIN, -_MARGIN, -_MARGIN), wrapped, text[:1].upper() + text[1:])
        painter.restore()

    def _paint_lines(self, painter: QPainter, option: QStyleOptionViewItem, index: Index, top: int) -> None:
        palette, metrics = option.palette, QFontMetrics(option.font)
        selected = bool(option.state & QStyle.StateFlag.State_Selected)
        strong = palette.color(QPalette.ColorRole.HighlightedText if selected else QPalette.ColorRole.Text)
        quiet = strong if selected else theme.muted(palette)
        heading = QFont(option.font)
        heading.setWeight(QFont.Weight.DemiBold)
        date, clock = (index.sibling(index.row(), column).data() for column in (Column.DATE, Column.CLOCK))
        painter.save()
        area = QRect(option.rect.left() + _MARGIN, top, _CELL.width(), metrics.lineSpacing())
        clock = self.tr("VM clock %1").replace("%1", clock)
        label = words.visible(index.data(NOTE_ROLE).label)
        if label:  # of a long one only the half, or nothing of the tag would be left
            label = QFontMetrics(heading).elidedText(label, Qt.TextElideMode.ElideRight, area.width() // 2) + " · "
        for text, font, colour in (
            (label + option.text, heading, strong),
            (date, option.font, quiet),
            (clock, option.font, quiet),
        ):
            painter.setFont(font)
            painter.setPen(colour)
            shown = QFontMetrics(font).elidedText(text, Qt.TextElideMode.ElideMiddle, area.width())
            painter.drawText(area, Qt.AlignmentFlag.AlignHCenter | Qt.TextFlag.TextSingleLine, shown)
            area.translate(0, metrics.lineSpacing())
        painter.restore()


def _edge(palette: QPalette) -> QPen:
    """Return the pen for what is around a screen: a black one has an edge on a dark ground, too."""
    return QPen(theme.blend(palette.color(QPalette.ColorRole.Base), palette.color(QPalette.ColorRole.Text), 0.25), 0)


def _draw(painter: QPainter, picture: QImage, room: QRect, palette: QPalette) -> None:
    """Draw a picture in the middle of its room, never larger than it is in pixels of the screen."""
    device = painter.device()
    ratio = device.devicePixelRatioF() if device is not None else 1.0
    scale = min(1 / ratio, room.width() / picture.width(), room.height() / picture.height())
    place = QRectF(0, 0, picture.width() * scale, picture.height() * scale)
    place.moveCenter(QRectF(room).center())
    place.moveTopLeft(place.topLeft().toPoint().toPointF())
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.SmoothPixmapTransform, scale * ratio < 1)
    painter.drawImage(place, picture)
    painter.setPen(_edge(palette))
    painter.drawRect(place.adjusted(-1, -1, 0, 0))
    painter.restore()
