"""The one window: library at the left, snapshots above, the inspector below, jobs on request."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QSize, Qt, QTimer, Signal
from PySide6.QtWidgets import QDockWidget, QMainWindow, QSplitter, QStackedWidget, QTabWidget, QWidget

from vmsnap_gui.entries import normal
from vmsnap_gui.history_session import HistorySession
from vmsnap_gui.jobs import SCAN
from vmsnap_gui.models import words
from vmsnap_gui.telling import Report
from vmsnap_gui.thumbnails import Thumbnails
from vmsnap_gui.views import arrangement, theme
from vmsnap_gui.views.acting_desk import ActingDesk
from vmsnap_gui.views.actions import Actions, RecentMenu
from vmsnap_gui.views.compare_tab import CompareTab
from vmsnap_gui.views.export_actions import ExportActions
from vmsnap_gui.views.field_columns import FieldColumns
from vmsnap_gui.views.filter_box import FilterBox
from vmsnap_gui.views.inspector import Inspector
from vmsnap_gui.views.layouts_job import LayoutsJob
from vmsnap_gui.views.leaving import Leaving
from vmsnap_gui.views.library_view import LibraryView
from vmsnap_gui.views.notifier import Notifier
from vmsnap_gui.views.pages import MessagePage
from vmsnap_gui.views.screen_actions import ScreenActions
from vmsnap_gui.views.snapshot_table import SnapshotTable
from vmsnap_gui.views.snapshot_views import SnapshotViews
from vmsnap_gui.views.status import JobStatus, StatusSummary
from vmsnap_gui.views.window_verbs import WindowVerbs

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent, QShowEvent

    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.session import Session
    from vmsnap_gui.settings import Settings
    from vmsnap_gui.views.devices_view import DevicesView
    from vmsnap_gui.views.disk_view import DiskView
    from vmsnap_gui.views.gallery_view import GalleryView
    from vmsnap_gui.views.history_view import HistoryView
    from vmsnap_gui.views.jobs_panel import JobsPanel
    from vmsnap_gui.views.memory_view import MemoryView
    from vmsnap_gui.views.overview import Overview

_MESSAGE_MS = 6000
_ICONS_MS = 150
"""When the icons of menus are drawn: after the first paint."""
_COMPLETE_MS = 700
"""When the rest of the window is made if no state is loaded before."""
_PUT_OFF, _PUT_OFF_LOOK = 30, 5
"""How often that, and looking for machines, is put off while a folder is scanned: its server may not answer."""


class MainWindow(QMainWindow):
    """The window of the application.

    Signals:
        closed: The person closed it; its layout is remembered.
    """

    closed = Signal()

    def __init__(self, session: Session, jobs: Jobs, settings: Settings) -> None:
        super().__init__()
        self.setObjectName("main_window")
        self.setAcceptDrops(True)
        self._session = session
        self._jobs = jobs
        self._settings = settings
        self._unfinished = True
        self.verbs = Actions(self)
        self.library = LibraryView(session)
        self.snapshots = SnapshotTable(session)
        self.thumbnails = Thumbnails(jobs, session, self)
        self.snapshots.model.show_pictures(self.thumbnails.get)
        self.thumbnails.changed.connect(self.snapshots.model.picture_changed)
        self.history = HistorySession(jobs, session, self)
        self.history.let_first(self.thumbnails.is_making_seen, self.thumbnails.seen_made)
        self.views = SnapshotViews(self, session, jobs, settings, self.snapshots, self.history)
        self.inspector = Inspector(session, jobs, self.history, self.snapshots)
        self._jobs_panel: JobsPanel | None = None
        self.tabs = _tabs()
        self.compare_tab = CompareTab(self, self.tabs, session, jobs, settings, self.snapshots)
        self.columns = FieldColumns(session, jobs, settings, self.snapshots)
        self.desk = ActingDesk(self, session, jobs, self.snapshots)
        self.exporting = ExportActions(self, session, jobs)
        self.saving = ScreenActions(self, session, jobs, self.snapshots)
        self.layouts = LayoutsJob(self, session, jobs)
        self.leaving = Leaving(self, jobs, self.exporting, Notifier(self, jobs, settings))
        self.filter_box = self._make_filter_box()
        self.welcome = self._make_welcome()
        self._arrange()
        self._doing = WindowVerbs(self, session, settings)
        self._fill_menus()
        self._connect()
        self._restore_layout()
        self._follow()

    @property
    def overview(self) -> Overview:
        """The Overview tab."""
        return self.inspector.overview

    @property
    def devices(self) -> DevicesView:
        """The Devices tab; made now if it is not there yet."""
        return self.inspector.devices

    @property
    def memory(self) -> MemoryView:
        """The Memory tab; made now if it is not there yet."""
        return self.inspector.memory

    @property
    def disk(self) -> DiskView:
        """The Disk tab; made now if it is not there yet."""
        return self.inspector.disk

    @property
    def jobs_panel(self) -> JobsPanel:
        """The list of jobs; made now if it is not there yet."""
        if self._jobs_panel is None:
            from vmsnap_gui.views.jobs_panel import JobsPanel

            self._jobs_panel = JobsPanel(self._jobs)
            self._jobs_dock.setWidget(self._jobs_panel)
            arrangement.put_parts_back(self._jobs_panel, self._settings)
        return self._jobs_panel

    # Building

    def _make_welcome(self) -> MessagePage:
        page = MessagePage("welcome")
        text = self.tr(
            "Open a QEMU disk image (qcow2) or a saved VM state: its snapshots are listed, and each shows the "
            "devices and the memory of the machine at that moment.\n\nFiles and folders can also be dropped here. "
            "Reading never changes an image."
        )
        page.show_message("image", self.tr("See what a snapshot holds"), text)
        page.add_button(self.verbs.open, default=True)
        page.add_button(self.verbs.open_folder)
        page.add_button(self.verbs.open_demo)
        page.add_button(self.verbs.demo_machine)
        return page

    def _make_filter_box(self) -> FilterBox:
        box = FilterBox(lambda text: self._doing.apply_filter(text), self)
        box.setAccessibleName(self.tr("Filter for fields"))
        box.setPlaceholderText(self.tr("Filter fields: rip, device ~ virtio, value > 10"))
        box.setMinimumWidth(box.fontMetrics().averageCharWidth() * 28)
        box.setMaximumWidth(box.fontMetrics().averageCharWidth() * 56)
        return box

    def _arrange(self) -> None:
        self._splitter = QSplitter(Qt.Orientation.Vertical)
        self._splitter.setObjectName("main_splitter")
        self._splitter.setChildrenCollapsible(False)
        self._splitter.addWidget(self.snapshots)
        self._splitter.addWidget(self.inspector)
        self._splitter.setStretchFactor(0, 1)
        self._splitter.setStretchFactor(1, 3)
        self._splitter.setSizes([280, 490])
        self.tabs.setAccessibleName(self.tr("Snapshots and comparison"))
        self.tabs.addTab(self._splitter, self.tr("Snapshots"))
        self._centre = QStackedWidget()
        self._centre.addWidget(self.welcome)
        self._centre.addWidget(self.tabs)
        self.setCentralWidget(self._centre)
        self._library_dock = self._dock("library_dock", self.tr("Library"), self.library)
        self._jobs_dock = self._dock("jobs_dock", self.tr("Jobs"), QWidget())
        self.addDockWidget(Qt.DockWidgetArea.LeftDockWidgetArea, self._library_dock)
        self.addDockWidget(Qt.DockWidgetArea.BottomDockWidgetArea, self._jobs_dock)
        self._jobs_dock.hide()
        wide = self.fontMetrics().averageCharWidth()
        self.resizeDocks([self._library_dock], [wide * 40], Qt.Orientation.Horizontal)
        self.resizeDocks([self._jobs_dock], [wide * 24], Qt.Orientation.Vertical)
        acting = self.desk.actions
        bar = self.verbs.make_tool_bar(
            [acting.take, acting.restore, acting.delete], self.compare_tab.actions.compare, self.filter_box
        )
        self.addToolBar(bar)
        status = self.statusBar()
        status.setObjectName("status_bar")
        status.addWidget(StatusSummary(self._session), 1)
        status.addPermanentWidget(JobStatus(self._jobs, self.verbs.show_jobs))

    def _dock(self, name: str, title: str, content: QWidget) -> QDockWidget:
        dock = QDockWidget(title, self)
        dock.setObjectName(name)
        dock.setWidget(content)
        features = QDockWidget.DockWidgetFeature
        dock.setFeatures(features.DockWidgetClosable | features.DockWidgetMovable)
        return dock

    def _fill_menus(self) -> None:
        recent = RecentMenu(self._settings, self.verbs.forget_recent, lambda path: self._session.open_paths([path]))
        recent.setParent(self, recent.windowFlags())
        for name, text in (
            ("overview", self.tr("&Overview")),
            ("devices", self.tr("De&vices")),
            ("memory", self.tr("&Memory")),
            ("screen", self.tr("&Screen")),
            ("disk", self.tr("Dis&k")),
        ):
            tab = self.verbs.add_tab(name, text)
            tab.triggered.connect(lambda _checked=False, name=name: self._doing.show_tab(name))
        docks = [self._library_dock.toggleViewAction()]
        snapshot = [
            *self.desk.actions.in_menu(),
            self.snapshots.edit_note,
            self.exporting.export,
            *self.saving.in_menu(),
        ]
        self.verbs.fill_menus(recent, self.views.actions, docks, snapshot, self.compare_tab.actions.in_menu())

    def _connect(self) -> None:
        session, compare = self._session, self.compare_tab
        self.verbs.show_jobs.toggled.connect(self._show_jobs)
        self._jobs_dock.toggleViewAction().toggled.connect(self.verbs.show_jobs.setChecked)
        self.views.made.connect(self._view_made)
        self.views.screen_wanted.connect(lambda: self._doing.show_tab("screen"))
        self.inspector.made.connect(lambda view: arrangement.put_parts_back(view, self._settings))
        self.inspector.completed.connect(compare.prepare)
        compare.made.connect(lambda view: arrangement.put_parts_back(view, self._settings))
        for signal in (
            session.selection_changed,
            session.library.entries_added,
            session.library.entry_removed,
        ):
            signal.connect(self._follow)
        session.library.entry_changed.connect(lambda path: self._follow() if path == session.image else None)
        session.state_loaded.connect(self.complete)
        session.state_failed.connect(self.complete)
        for message in (
            self.columns.message,
            compare.message,
            self.exporting.message,
            self.saving.message,
            self.layouts.message,
        ):
            message.connect(lambda text: self.statusBar().showMessage(text, _MESSAGE_MS))
        self.tabs.currentChanged.connect(lambda _index: self.statusBar().clearMessage())
        session.selection_changed.connect(self.statusBar().clearMessage)
        for part in (session, compare, self.desk, self.exporting, self.saving, self.layouts):
            part.problem.connect(self.show_report)
        self._jobs.failed.connect(self._job_failed)

    # What is told

    def show_report(self, report: Report) -> None:
        """Tell that something went wrong; while one report is shown, no other is put over it."""
        from vmsnap_gui.views import dialogs

        if self.findChild(QWidget, "report") is None:
            dialogs.show_report(self, report)

    def _view_made(self, view: HistoryView | GalleryView) -> None:
        """Let the key that deletes snapshots also work in another view of them; arrange it as it was."""
        view.addAction(self.desk.actions.delete)
        arrangement.put_parts_back(view, self._settings)

    def _show_jobs(self, shown: bool) -> None:
        if shown:
            self.jobs_panel.show()
        self._jobs_dock.setVisible(shown)

    def _follow(self, *_: object) -> None:
        """Show the welcome page while nothing is open; name what is selected in the title."""
        entry, snapshot = self._session.entry(), self._session.selected_snapshot()
        something = bool(self._session.library.entries.opened()) or entry is not None
        self._centre.setCurrentWidget(self.tabs if something else self.welcome)
        # What cannot be opened, and a folder, have nothing to inspect: their page gets the room.
        self.inspector.setVisible(entry is not None and entry.info is not None)
        self._doing.enable()
        parts = [words.snapshot_name(snapshot)] if snapshot is not None else []
        parts += [words.visible(self._session.library.entries.called_alone(entry.path))] if entry is not None else []
        # Doubled, what Qt takes for the place of a mark for unsaved changes stands for itself.
        self.setWindowTitle(" – ".join(parts).replace("[*]", "[*][*]") or "vmsnap")

    def _job_failed(self, job: Job) -> None:
        text = self.tr("%1: %2\nNothing was written. You can go on; if it happens again, please report it.")
        text = text.replace("%1", job.name).replace("%2", str(job.error) or type(job.error).__name__)
        self.show_report(Report(self.tr("Something unexpected happened"), text, job.details))

    # Qt's events

    def showEvent(self, event: QShowEvent) -> None:
        """Override QWidget::showEvent: the rest of the window is made soon after."""
        super().showEvent(event)
        if self._unfinished:
            QTimer.singleShot(_ICONS_MS, self, partial(theme.retint, self))
            QTimer.singleShot(_COMPLETE_MS, self, self.complete)

    def complete(self) -> None:
        """Make what the first paint can do without: once the first state is there, or soon if none comes.

        Not earlier: the import of that code and the reading of the state would only slow each other down, and so would
        the reading of a folder. Who wants a part of it before that gets it at once.
        """
        if self._unfinished:
            self._after_scan(self._make_rest, _PUT_OFF)

    def _make_rest(self) -> None:
        if self._unfinished:
            self._unfinished = False
            self.inspector.complete()
            self._forget_missing_recent()

    def look_around(self) -> None:
        """Look for running machines, and for operations that a former run did not bring to their end."""
        self._after_scan(self._look_around, _PUT_OFF_LOOK)

    def _look_around(self) -> None:
        if self.isVisible():
            self.desk.session.look_for_interrupted()
            self._session.machines.start()

    def _after_scan(self, work: Callable[[], None], tries: int) -> None:
        """Do this once no folder is being read; with no try left in any case."""
        if tries and self._session.library.is_scanning():
            QTimer.singleShot(_COMPLETE_MS, self, partial(self._after_scan, work, tries - 1))
        else:
            work()

    def sizeHint(self) -> QSize:
        """Override QWidget::sizeHint: what a first start shows."""
        return QSize(1280, 820)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Override QWidget::dragEnterEvent: files may be dropped anywhere."""
        if _dropped(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent) -> None:
        """Override QWidget::dropEvent: open what was dropped; two or three saved states are also compared."""
        paths = _dropped(event)
        if paths:
            event.acceptProposedAction()
            self._session.open_paths(paths)
            if len(paths) in (2, 3):
                self.compare_tab.compare_files([normal(path) for path in paths])

    def changeEvent(self, event: QEvent) -> None:
        """Override QWidget::changeEvent: draw the icons in a new palette's colours; look for changes on coming back."""
        super().changeEvent(event)
        if event.type() == QEvent.Type.PaletteChange:
            theme.retint(self)
        elif event.type() == QEvent.Type.ActivationChange and self.isActiveWindow():
            self._session.library.check()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Override QWidget::closeEvent: remember the layout and tell the application, if the window may be closed."""
        if not self.leaving.may_close():
            event.ignore()
            return
        self.save_layout()
        event.accept()
        self.closed.emit()

    # What is remembered

    def save_layout(self) -> None:
        """Remember geometry, docks, splitters, columns and the tab."""
        arrangement.remember(self, self._settings)
        self._settings.tab = self.inspector.current_tab()

    def _restore_layout(self) -> None:
        arrangement.put_back(self, self._settings)
        # The tab that was shown is made like the others, after the first paint, unless the person is quicker.
        blocked = self.inspector.blockSignals(True)
        self.inspector.show_tab(self._settings.tab)
        self.inspector.blockSignals(blocked)
        self.verbs.show_jobs.setChecked(not self._jobs_dock.isHidden())
        self.verbs.check_scheme(self._settings.scheme)
        self.views.show(self._settings.view or "table")

    def _forget_missing_recent(self) -> None:
        """Drop recent files that are gone, quietly; looked for in a worker."""
        recent = self._settings.recent
        self._jobs.run(
            self.tr("Looking for recent files"),
            lambda _progress: [path for path in recent if not path.exists()],
            lane=SCAN,
            success=lambda gone: self._settings.forget_recent(*gone) if gone else None,
            quiet=True,
        )


def _tabs() -> QTabWidget:
    """Make the tabs of the window; while there is only one, it needs no bar."""
    tabs = QTabWidget()
    tabs.setObjectName("main_tabs")
    tabs.setDocumentMode(True)
    tabs.setTabBarAutoHide(True)
    return tabs


def _dropped(event: QDropEvent) -> list[Path]:
    """Return the local files that a drag carries."""
    return [Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()]
