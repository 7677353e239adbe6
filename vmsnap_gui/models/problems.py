"""The problems of an image and of a saved state, each with where it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QModelIndex, QObject, Qt

from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.tables import FlatTable, Index

if TYPE_CHECKING:
    from vmsnap_gui.reading import ImageInfo, LoadedState

SHOWN = 2000
"""The most problems that are listed; a last line tells how many more there are."""


@dataclass(frozen=True, slots=True)
class Line:
    """One problem.

    Attributes:
        where: "image" or "state", for people.
        message: What is wrong.
        offset: Byte offset in the file or the stream, None where there is none.
        section: Section to jump to, as an index into `LoadedState.trees`.
        path: Field to jump to ("" for the section).
    """

    where: str
    message: str
    offset: int | None = None
    section: int | None = None
    path: str = ""


class ProblemsModel(FlatTable):
    """Columns: where, offset, message."""

    columns = 3

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lines: list[Line] = []

    def show(self, info: ImageInfo | None, loaded: LoadedState | None) -> None:
        """Show the problems of an image and of a state."""
        self.beginResetModel()
        self._lines = collect(info, loaded)
        self.endResetModel()

    def line(self, index: Index) -> Line | None:
        """Return the problem at an index."""
        return self._lines[index.row()] if index.isValid() else None

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's own signature)
        """Override QAbstractItemModel::rowCount."""
        return 0 if parent.isValid() else len(self._lines)

    def _titles(self) -> tuple[str, ...]:
        return (self.tr("Where"), self.tr("Offset"), self.tr("Message"))

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Override QAbstractItemModel::data."""
        line = self.line(index)
        if line is None:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            offset = numbers.NO_VALUE if line.offset is None else f"{line.offset:#x}"
            return (line.where, offset, line.message)[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            return words.plain_tip([line.message])
        return None


def how_many(info: ImageInfo | None, loaded: LoadedState | None) -> tuple[int, int]:
    """Return how many problems an image and a state have, and how many notices there are besides."""
    of_image = len(info.problems) if info is not None else 0
    if loaded is None:
        return of_image, 0
    notices = sum(one.is_notice for one in loaded.vmstate.problems)
    return of_image + len(loaded.problems) + loaded.torn - notices, notices


def collect(info: ImageInfo | None, loaded: LoadedState | None) -> list[Line]:
    """Return the problems of an image and of a state, at most `SHOWN` and a line that says how many more there are."""
    lines = []
    if info is not None:
        lines += [Line(_tr("image"), words.visible(one.message), one.offset) for one in info.problems]
    if loaded is not None:
        if loaded.torn:
            lines.append(Line(_tr("state"), _tr("the file changed while it was read: parts may not belong together")))
        for one in loaded.problems[:SHOWN]:
            message = words.visible(one.problem.message)
            lines.append(Line(_tr("state"), message, one.problem.offset, one.section, one.path))
    hidden = sum(how_many(info, loaded)) - SHOWN
    if hidden > 0:
        more = _tr("%1 more problems are not listed").replace("%1", numbers.count(hidden))
        lines = [*lines[:SHOWN], Line("", more)]
    return lines


def _tr(text: str) -> str:
    return QCoreApplication.translate("problems", text)
