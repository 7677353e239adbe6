"""Dialogs. All are opened with `open()`, never `exec()`: a nested loop would stall whatever else is under way."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, Qt, qVersion
from PySide6.QtGui import QGuiApplication
from PySide6.QtWidgets import QFileDialog, QMessageBox

import vmsnap_gui
from vmsnap_gui.models import words

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from PySide6.QtWidgets import QAbstractButton, QWidget

    from vmsnap_gui.telling import Report


def ask_images(parent: QWidget, folder: Path | None, then: Callable[[list[Path]], object]) -> QFileDialog:
    """Ask for image files; `then` gets what was chosen."""
    dialog = QFileDialog(parent, _tr("Open images"))
    dialog.setFileMode(QFileDialog.FileMode.ExistingFiles)
    images = _tr("Images and saved states")
    dialog.setNameFilters([_tr("All files (*)"), f"{images} (*.qcow2 *.qcow *.img *.save *.vmstate *.mig)"])
    return _ask(dialog, folder, then)


def ask_folder(parent: QWidget, folder: Path | None, then: Callable[[list[Path]], object]) -> QFileDialog:
    """Ask for a folder of images; `then` gets what was chosen."""
    dialog = QFileDialog(parent, _tr("Open a folder of images"))
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    dialog.setOption(QFileDialog.Option.ShowDirsOnly, True)
    return _ask(dialog, folder, then)


def ask_layouts(parent: QWidget, folder: Path | None, then: Callable[[list[Path]], object]) -> QFileDialog:
    """Ask for what tells layouts; `then` gets what was chosen."""
    dialog = QFileDialog(parent, _tr("Use layouts from a QEMU binary, its dump, or an image"))
    dialog.setFileMode(QFileDialog.FileMode.ExistingFile)
    dialog.setNameFilters([_tr("All files (*)"), _tr("Dumps of -dump-vmstate (*.json)")])
    return _ask(dialog, folder, then)


def ask_report(parent: QWidget, folder: Path, name: str, then: Callable[[Path], object]) -> QFileDialog:
    """Ask where to save a report; `then` gets the file, with a suffix that says its form."""
    dialog = QFileDialog(parent, _tr("Save report"))
    dialog.setObjectName("report_dialog")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    forms = {_tr("Web page (*.html)"): "html", _tr("Markdown (*.md)"): "md", _tr("JSON (*.json)"): "json"}
    dialog.setNameFilters(list(forms))
    dialog.setDefaultSuffix("html")
    dialog.filterSelected.connect(lambda chosen: dialog.setDefaultSuffix(forms.get(chosen, "html")))
    dialog.setDirectory(str(folder))
    dialog.selectFile(f"{name}.html")
    dialog.filesSelected.connect(lambda names: then(Path(names[0])))
    dialog.open()
    return dialog


def ask_stream(parent: QWidget, folder: Path, name: str, then: Callable[[Path], object]) -> QFileDialog:
    """Ask where to write a saved state as a stream; `then` gets the file."""
    dialog = QFileDialog(parent, _tr("Export as a stream"))
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setNameFilters([_tr("Saved states (*.vmstate)"), _tr("All files (*)")])
    dialog.setDefaultSuffix("vmstate")
    dialog.selectFile(f"{name}.vmstate")
    return _ask_where(dialog, "stream_dialog", folder, then)


def ask_picture(parent: QWidget, folder: Path, name: str, then: Callable[[Path], object]) -> QFileDialog:
    """Ask where to write a picture; `then` gets the file."""
    dialog = QFileDialog(parent, _tr("Save the screen"))
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptSave)
    dialog.setNameFilters([_tr("PNG pictures (*.png)"), _tr("All files (*)")])
    dialog.setDefaultSuffix("png")
    dialog.selectFile(name)
    return _ask_where(dialog, "picture_dialog", folder, then)


def ask_target_folder(parent: QWidget, folder: Path, title: str, then: Callable[[Path], object]) -> QFileDialog:
    """Ask for a folder to write into; `then` gets it."""
    dialog = QFileDialog(parent, title)
    dialog.setFileMode(QFileDialog.FileMode.Directory)
    dialog.setOption(QFileDialog.Option.ShowDirsOnly)
    return _ask_where(dialog, "target_dialog", folder, then)


def _ask_where(dialog: QFileDialog, name: str, folder: Path, then: Callable[[Path], object]) -> QFileDialog:
    dialog.setObjectName(name)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    dialog.setDirectory(str(folder))
    dialog.filesSelected.connect(lambda names: then(Path(names[0])))
    dialog.open()
    return dialog


def _ask(dialog: QFileDialog, folder: Path | None, then: Callable[[list[Path]], object]) -> QFileDialog:
    dialog.setObjectName("open_dialog")
    dialog.setAcceptMode(QFileDialog.AcceptMode.AcceptOpen)
    dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    if folder is not None:
        dialog.setDirectory(str(folder))
    dialog.filesSelected.connect(lambda names: then([Path(name) for name in names]))
    dialog.open()
    return dialog


def show_report(parent: QWidget | None, report: Report) -> QMessageBox:
    """Tell what went wrong, with the details one click away and a button that copies them."""
    box = QMessageBox(QMessageBox.Icon.Warning, report.title, words.visible(report.title), parent=parent)
    box.setObjectName("report")
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setInformativeText(_lines(report.text))
    if report.details:
        box.setDetailedText(_lines(report.details))
        copy = box.addButton(_tr("Copy details"), QMessageBox.ButtonRole.ActionRole)
        copy.setObjectName("report_copy")
        _copies(copy, f"{report.title}\n{report.text}\n\n{report.details}\n\n{versions()}")
    box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Close))
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.open()
    return box


def ask_to_leave(parent: QWidget, writing: Sequence[str], then: Callable[[], object]) -> QMessageBox:
    """Ask whether the window is to be closed although images are being written; `then` is called if it is."""
    box = QMessageBox(QMessageBox.Icon.Question, _tr("An image is being written"), "", parent=parent)
    box.setObjectName("leave")
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText("\n".join(words.visible(name) for name in writing))
    box.setInformativeText(
        _tr(
            "This goes on, whatever you do with the window: a write that is stopped half-way damages an image. "
            "vmsnap can finish and check it without a window, and end then."
        )
    )
    close = box.addButton(_tr("Close and finish unseen"), QMessageBox.ButtonRole.AcceptRole)
    close.setObjectName("leave_close")
    stay = box.addButton(_tr("Keep the window"), QMessageBox.ButtonRole.RejectRole)
    box.setDefaultButton(stay)
    box.setEscapeButton(stay)
    close.clicked.connect(then)
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.open()
    return box


def ask_about_edits(
    parent: QWidget, edited: Sequence[str], export: Callable[[], object], discard: Callable[[], object]
) -> QMessageBox:
    """Ask what becomes of edits that would be lost with the window; each of `edited` tells of a state."""
    box = QMessageBox(QMessageBox.Icon.Question, _tr("Edits were not exported"), "", parent=parent)
    box.setObjectName("edits_left")
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText("\n".join(edited))
    box.setInformativeText(
        _tr(
            "They are kept nowhere but in this window. Exporting writes the saved state with them to a file of its own."
        )
    )
    chosen = box.addButton(_tr("&Export…"), QMessageBox.ButtonRole.AcceptRole)
    chosen.setObjectName("edits_export")
    chosen.clicked.connect(export)
    lost = box.addButton(_tr("&Discard"), QMessageBox.ButtonRole.DestructiveRole)
    lost.setObjectName("edits_discard")
    lost.clicked.connect(discard)
    box.setDefaultButton(chosen)
    box.setEscapeButton(box.addButton(QMessageBox.StandardButton.Cancel))
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.open()
    return box


def show_about(parent: QWidget) -> QMessageBox:
    """Tell what this program is."""
    box = QMessageBox(parent)
    box.setObjectName("about")
    box.setWindowTitle(_tr("About vmsnap"))
    icon = QGuiApplication.windowIcon()
    if not icon.isNull():
        box.setIconPixmap(icon.pixmap(64, 64))
    box.setTextFormat(Qt.TextFormat.PlainText)
    box.setText(_tr("vmsnap %1").replace("%1", vmsnap_gui.__version__))
    what = _tr("Shows, compares, takes and restores the saved states of QEMU virtual machines.")
    licence = _tr("Free software under the MIT licence.")
    box.setInformativeText(f"{what}\n\n{licence}\n\n{versions()}")
    copy = box.addButton(_tr("Copy versions"), QMessageBox.ButtonRole.ActionRole)
    copy.setObjectName("about_copy")
    _copies(copy, versions())
    box.setDefaultButton(box.addButton(QMessageBox.StandardButton.Close))
    box.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
    box.open()
    return box


def versions() -> str:
    """Return the versions that a bug report needs."""
    return "\n".join(
        (
            f"vmsnap {vmsnap_gui.__version__}",
            f"Qt {qVersion()}, {QGuiApplication.platformName()}",
            f"Python {platform.python_version()}, {platform.system()} {platform.machine()}",
        )
    )


def _copies(button: QAbstractButton, text: str) -> None:
    """Make a button of a message box copy a text instead of closing the box."""
    button.clicked.disconnect()
    button.clicked.connect(lambda: QGuiApplication.clipboard().setText(text))


def _lines(text: str) -> str:
    return "\n".join(words.visible(line) for line in text.splitlines())


def _tr(text: str) -> str:
    return QCoreApplication.translate("dialogs", text)
