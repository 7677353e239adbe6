"""The filter box, the list of jobs, the status bar, dialogs and the theme."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QSize, Qt
from PySide6.QtGui import QAction, QColor, QGuiApplication, QPalette
from PySide6.QtWidgets import QApplication, QLabel, QMessageBox, QPushButton, QTabWidget, QWidget

import vmsnap_gui
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.jobs import Jobs, JobState
from vmsnap_gui.models.facts import Fact
from vmsnap_gui.resources import resource
from vmsnap_gui.telling import Report
from vmsnap_gui.views import dialogs, theme
from vmsnap_gui.views.facts_list import FactsList
from vmsnap_gui.views.filter_box import FilterBox
from vmsnap_gui.views.jobs_panel import JobsPanel
from vmsnap_gui.views.pages import MessagePage, Notice
from vmsnap_gui.views.status import JobStatus

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from vmsnap_gui.image.errors import Progress

pytestmark = pytest.mark.gui


@pytest.fixture
def window(qtbot: QtBot) -> QWidget:
    window = QWidget()
    qtbot.addWidget(window)
    window.resize(600, 300)
    window.show()
    return window


@pytest.fixture
def default_palette() -> Iterator[None]:
    yield
    theme.set_scheme(Qt.ColorScheme.Unknown)


def fail(_progress: Progress) -> None:
    raise ImageError("the header is cut short")


class TestFilterBox:
    def make(self, window: QWidget, applied: list[str]) -> FilterBox:
        def apply(text: str) -> str | None:
            applied.append(text)
            return "A value is missing." if text.endswith(">") else None

        box = FilterBox(apply, window)
        box.setParent(window)
        box.setGeometry(300, 10, 280, 26)
        box.show()
        return box

    def test_typing_filters_after_a_pause(self, qtbot: QtBot, window: QWidget) -> None:
        applied: list[str] = []
        box = self.make(window, applied)
        qtbot.keyClicks(box, "rip")
        assert applied == []
        qtbot.waitUntil(lambda: applied == ["rip"])
        qtbot.keyClick(box, Qt.Key.Key_Return)
        assert applied == ["rip", "rip"]

    def test_a_wrong_filter_is_red_and_says_why(self, qtbot: QtBot, window: QWidget) -> None:
        box = self.make(window, [])
        normal = box.palette().color(QPalette.ColorRole.Base)
        box.set_filter("value >")
        assert box.reason() == box.accessibleDescription() == "A value is missing."
        red = box.palette().color(QPalette.ColorRole.Base)
        assert red.red() > red.blue()
        assert red != normal
        reason = window.findChild(QWidget, "filter_reason")
        assert reason.isVisible()
        assert reason.geometry().top() >= box.geometry().bottom()
        window.resize(500, 300)
        box.set_filter("value > 1")
        assert box.reason() == ""
        assert not reason.isVisible()
        assert box.palette().color(QPalette.ColorRole.Base) == normal

    def test_escape_empties_it(self, qtbot: QtBot, window: QWidget) -> None:
        applied: list[str] = []
        box = self.make(window, applied)
        box.set_filter("rip")
        qtbot.keyClick(box, Qt.Key.Key_Escape)
        assert box.text() == ""
        assert applied[-1] == ""


class TestJobs:
    def test_a_running_job_is_seen_and_cancelled(self, qtbot: QtBot, window: QWidget, jobs: Jobs) -> None:
        status = JobStatus(jobs, QAction("Jobs", window), window)
        began, held = threading.Event(), threading.Event()

        def work(progress: Progress) -> None:
            began.set()
            while not held.wait(0.001):
                progress(1, 4)

        job = jobs.run("Indexing memory", work, lane="a", success=lambda _: None)
        status.show()
        assert began.wait(10)
        text = window.findChild(QWidget, "job_text")
        qtbot.waitUntil(lambda: text.text() == "Indexing memory  25%")
        assert status.all.text() == "1 job"
        status.adjustSize()  # as a status bar does
        qtbot.mouseClick(status.cancel, Qt.MouseButton.LeftButton)
        qtbot.waitUntil(lambda: job.state is JobState.CANCELLED)
        qtbot.waitUntil(lambda: not text.isVisible())

    def test_failures_are_counted_and_their_details_copied(self, qtbot: QtBot, window: QWidget, jobs: Jobs) -> None:
        status = JobStatus(jobs, QAction("Jobs", window), window)
        panel = JobsPanel(jobs, window)
        panel.show()
        jobs.run("Read it", fail, lane="a", success=lambda _: None, failure=lambda _: None)
        qtbot.waitUntil(lambda: status.all.text() == "1 failed")
        assert not panel.copy_details.isEnabled()
        assert panel.copy_details.toolTip()  # says why
        panel.table.setCurrentIndex(panel.model.index(0, 0))
        assert panel.copy_details.isEnabled()
        assert not panel.cancel.isEnabled()
        qtbot.mouseClick(panel.copy_details, Qt.MouseButton.LeftButton)
        copied = QGuiApplication.clipboard().text()
        assert "the header is cut short" in copied
        assert "Traceback" in copied
        qtbot.mouseClick(panel.clear, Qt.MouseButton.LeftButton)
        assert panel.model.rowCount() == 0
        qtbot.waitUntil(lambda: not status.all.isVisibleTo(window))

    def test_the_panel_cancels_the_selected_job(self, qtbot: QtBot, window: QWidget, jobs: Jobs) -> None:
        panel = JobsPanel(jobs, window)
        panel.show()
        held = threading.Event()

        def work(progress: Progress) -> None:
            while not held.wait(0.001):
                progress(0, 0)

        job = jobs.run("Work", work, lane="a", success=lambda _: None)
        panel.table.setCurrentIndex(panel.model.index(0, 0))
        qtbot.waitUntil(panel.cancel.isEnabled)
        qtbot.mouseClick(panel.cancel, Qt.MouseButton.LeftButton)
        assert not panel.cancel.isEnabled()
        qtbot.waitUntil(lambda: job.state is JobState.CANCELLED)


class TestDialogs:
    def button(self, box: QMessageBox, name: str) -> QPushButton:
        found = box.findChild(QPushButton, name)
        assert found is not None
        return found

    def test_a_report_is_copied_with_versions_and_stays_open(self, qtbot: QtBot, window: QWidget) -> None:
        box = dialogs.show_report(window, Report("It broke", "Nothing was changed.", "line 1\nline 2 \x07"))
        assert box.text() == "It broke"
        assert box.detailedText() == "line 1\nline 2 \\x07"
        qtbot.mouseClick(self.button(box, "report_copy"), Qt.MouseButton.LeftButton)
        copied = QGuiApplication.clipboard().text()
        assert "line 2" in copied
        assert f"vmsnap {vmsnap_gui.__version__}" in copied
        assert box.isVisible()
        box.close()

    def test_about(self, qtbot: QtBot, window: QWidget) -> None:
        box = dialogs.show_about(window)
        assert vmsnap_gui.__version__ in box.text()
        assert "MIT" in box.informativeText()
        qtbot.mouseClick(self.button(box, "about_copy"), Qt.MouseButton.LeftButton)
        assert QGuiApplication.clipboard().text() == dialogs.versions()
        box.close()

    def test_files_are_asked_for_without_stopping_the_loop(self, qtbot: QtBot, window: QWidget, tmp_path: Path) -> None:
        chosen: list[Path] = []
        images = dialogs.ask_images(window, tmp_path, chosen.extend)
        images.filesSelected.emit([str(tmp_path / "a"), str(tmp_path / "b")])
        images.close()
        folder = dialogs.ask_folder(window, None, chosen.extend)
        folder.filesSelected.emit([str(tmp_path)])
        folder.close()
        assert chosen == [tmp_path / "a", tmp_path / "b", tmp_path]


class TestTheme:
    def test_every_icon_follows_the_colours(self, qtbot: QtBot) -> None:
        for file in resource("icons").glob("*.svg"):
            if file.stem == "vmsnap":
                continue
            red = theme.tinted(file.stem, "#ff0000", 24).pixmap(QSize(24, 24)).toImage()
            pixels = [red.pixelColor(x, y) for x in range(red.width()) for y in range(red.height())]
            painted = [pixel for pixel in pixels if pixel.alpha() > 128]
            assert painted, f"{file.name} is empty"
            assert all(pixel.red() > 200 and pixel.blue() < 60 for pixel in painted), f"{file.name} has own colours"

    @pytest.mark.parametrize("scheme", [Qt.ColorScheme.Light, Qt.ColorScheme.Dark])
    def test_text_is_readable(self, qtbot: QtBot, scheme: Qt.ColorScheme, default_palette: None) -> None:
        theme.set_scheme(scheme)
        palette = QApplication.palette()
        assert theme.is_dark(palette) == (scheme == Qt.ColorScheme.Dark)
        base = palette.color(QPalette.ColorRole.Base)
        for text in (
            palette.color(QPalette.ColorRole.Text),
            theme.muted(palette),
            theme.warning(palette),
            theme.failure(palette),
        ):
            assert contrast(text, base) >= 4.5
        on_highlight = palette.color(QPalette.ColorRole.HighlightedText)
        assert contrast(on_highlight, palette.color(QPalette.ColorRole.Highlight)) >= 4.5

    def test_pages_take_up_a_new_palette(self, qtbot: QtBot, window: QWidget, default_palette: None) -> None:
        page, notice = MessagePage("page", window), Notice("notice", window)
        page.show_message("failed", "It broke", "Nothing was changed.")
        notice.show_message("in-use", "In use")
        before = notice.palette().color(QPalette.ColorRole.Window)
        theme.set_scheme(Qt.ColorScheme.Dark)
        QApplication.processEvents()
        assert notice.palette().color(QPalette.ColorRole.Window) != before
        assert notice.palette().color(QPalette.ColorRole.Window).lightness() < 128
        assert page.message() == ("It broke", "Nothing was changed.")
        assert page.accessibleDescription() == "Nothing was changed."


def contrast(one: QColor, other: QColor) -> float:
    """The contrast ratio of WCAG 2."""
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def _luminance(colour: QColor) -> float:
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4
        for c in (colour.redF(), colour.greenF(), colour.blueF())
    ]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_facts_that_come_while_another_tab_is_in_front_are_there_afterwards(qtbot: QtBot) -> None:
    tabs, facts = QTabWidget(), FactsList("facts")
    qtbot.addWidget(tabs)
    tabs.addTab(facts, "facts")
    tabs.addTab(QWidget(), "other")
    tabs.show()
    qtbot.waitUntil(lambda: len(facts.findChildren(QLabel)) >= 30)  # spare lines were made in sight
    tabs.setCurrentIndex(1)
    facts.show_groups([("Image", [Fact(f"label {number}", "value", "") for number in range(12)])])
    tabs.setCurrentIndex(0)
    shown = [label.text() for label in facts.findChildren(QLabel) if label.isVisible()]
    assert sorted(shown) == sorted(["Image", *(f"label {number}" for number in range(12)), *["value"] * 12])
