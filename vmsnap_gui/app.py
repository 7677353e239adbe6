"""Builds the application and runs it: the only module that knows the event loop (qasync)."""

from __future__ import annotations

import argparse
import faulthandler
import os
import signal
import sys
import traceback
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

# All that knows no Qt comes first: once PySide6 is there, it looks at every module that is imported.
import vmsnap_gui
import vmsnap_gui.compare.terms
import vmsnap_gui.finding_snapshots
import vmsnap_gui.history
import vmsnap_gui.image_cache
import vmsnap_gui.reading
import vmsnap_gui.vms
from vmsnap_gui.collecting import paused_collection
from vmsnap_gui.display import why_no_window

# isort: split
import vmsnap_gui.features

# isort: split
from PySide6.QtCore import (
    QCoreApplication,
    QEventLoop,
    QLocale,
    QMessageLogContext,
    QObject,
    QSocketNotifier,
    QTimer,
    QtMsgType,
    Signal,
    qFormatLogMessage,
    qInstallMessageHandler,
)
from PySide6.QtGui import QIcon
from PySide6.QtWidgets import QApplication

from vmsnap_gui.jobs import Jobs
from vmsnap_gui.reading import DiskOnly
from vmsnap_gui.resources import resource
from vmsnap_gui.session import Session
from vmsnap_gui.settings import Settings, settings_file
from vmsnap_gui.telling import Report
from vmsnap_gui.views import theme
from vmsnap_gui.views.main_window import MainWindow

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

APP_ID = "org.vmsnap.Vmsnap"
"""The name of the desktop entry, so that the window gets the launcher's icon."""
_SCREENSHOT_PATIENCE = 120  # seconds
_SWITCH_S = 0.0002
"""Python's own 5 ms add up for the Qt thread, which gives its turn away in each call of Qt while a worker decodes.

One paint makes a hundred such calls: with 1 ms, opening an image kept the window waiting for 107 ms, with this for 47.
"""
_LATER_MS = 1000
"""When machines and interrupted operations are looked for: the first paint and the first state go before."""
_CALM = 8  # looks in a row, 50 ms apart, that must find nothing going on before a picture is taken


@dataclass(frozen=True, slots=True)
class Parts:
    """What an application consists of."""

    settings: Settings
    jobs: Jobs
    session: Session
    window: MainWindow

    def shut_down(self) -> None:
        """Remember everything, end all work and threads, and let go of the window."""
        self.session.shutdown()
        self.window.compare_tab.session.close()
        self.jobs.shutdown()
        self.settings.save()
        self.window.hide()
        self.window.deleteLater()


class UnixSignals(QObject):
    """Turns SIGINT and SIGTERM into a Qt signal: Python runs no handlers while Qt waits."""

    received = Signal()

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._ends: tuple[int, ...] = os.pipe()
        ours, pythons = self._ends
        for end in self._ends:
            os.set_blocking(end, False)
        self._notifier = QSocketNotifier(ours, QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(partial(self._arrived, ours))
        signal.set_wakeup_fd(pythons, warn_on_full_buffer=False)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: None)

    def stop(self) -> None:
        """Give the signals their usual meaning back."""
        self._notifier.setEnabled(False)
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        for end in self._ends:
            os.close(end)
        self._ends = ()

    def _arrived(self, end: int, *_: object) -> None:
        os.read(end, 64)
        self.received.emit()


def main(argv: list[str] | None = None, *, shown: Callable[[Parts], object] | None = None) -> int:
    """Run the application and return its exit status.

    Args:
        argv: Arguments without the program's name; None takes those of the process.
        shown: Called once the window is shown, before the event loop starts (for measurements).
    """
    options = _parse(sys.argv[1:] if argv is None else argv)
    reason = why_no_window()
    if reason is not None:
        sys.stderr.write(f"vmsnap-gui: {reason}\n")
        return 1
    faulthandler.enable()
    sys.setswitchinterval(_SWITCH_S)
    with paused_collection():  # as in `start`: what is made here stays
        app = make_application()
        settings = Settings(settings_file())
        # Reading starts before the window is built, so that the first paint already shows the list.
        parts = build(settings, lambda session: _open_first(session, options))
        signals = UnixSignals(app)
        signals.received.connect(parts.window.leaving.leave)
        parts.window.show()
    QTimer.singleShot(_LATER_MS, parts.window, parts.window.look_around)
    if shown is not None:
        shown(parts)
    sys.excepthook = _reporter(parts)
    try:
        return _run(app, parts, options.screenshot)
    finally:
        signals.stop()
        sys.excepthook = sys.__excepthook__
        theme.forget_icons()


def make_application() -> QApplication:
    """Make the application object, with its names, icon and locale."""
    QApplication.setDesktopFileName(APP_ID)
    QApplication.setApplicationName("vmsnap")
    QApplication.setApplicationDisplayName("vmsnap")
    QApplication.setApplicationVersion(vmsnap_gui.__version__)
    if QLocale().language() == QLocale.Language.C:
        # A bare machine: its C locale would show numbers without group separators.
        QLocale.setDefault(QLocale(QLocale.Language.English))
    qInstallMessageHandler(_qt_message)
    app = QApplication(["vmsnap"])
    app.setQuitOnLastWindowClosed(False)  # closing ends `_main`, which ends the loop; not the other way round
    app.setWindowIcon(QIcon(str(resource("icons/vmsnap.svg"))))
    return app


def _qt_message(kind: QtMsgType, context: QMessageLogContext, text: str) -> None:
    """Write Qt's messages to stderr, but for what its offscreen platform says of every window."""
    if "propagateSizeHints" not in text:
        sys.stderr.write(f"{qFormatLogMessage(kind, context, text)}\n")


def _open_first(session: Session, options: argparse.Namespace) -> None:
    if options.screenshot is None or not (options.paths or options.demo):
        session.restore()
    if options.paths:
        session.open_paths(options.paths)
    if options.demo:
        session.open_demo()


def build(settings: Settings, start: Callable[[Session], object] | None = None) -> Parts:
    """Build an application that is not shown yet; `start` tells the session what to open first."""
    theme.set_scheme(settings.scheme)
    jobs = Jobs()
    settings.write_with(partial(_remember, jobs))
    session = Session(jobs, settings)
    if start is not None:
        start(session)
    window = MainWindow(session, jobs, settings)
    jobs.setParent(window)
    session.setParent(window)
    return Parts(settings, jobs, session, window)


def _remember(jobs: Jobs, write: Callable[[], None]) -> None:
    name = QCoreApplication.translate("app", "Remembering settings")
    jobs.run(name, lambda _progress: write(), lane="settings", success=lambda _none: None, quiet=True)


def _parse(argv: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser("vmsnap-gui", description="See what the saved states of QEMU machines hold.")
    parser.add_argument("paths", nargs="*", type=Path, metavar="PATH", help="an image, or a folder of images")
    parser.add_argument("--demo", action="store_true", help="open the image that comes with vmsnap")
    parser.add_argument("--screenshot", type=Path, metavar="FILE", help="write a picture of the window (PNG) and end")
    parser.add_argument("--version", action="version", version=f"vmsnap {vmsnap_gui.__version__}")
    return parser.parse_args(argv)


def _run(app: QApplication, parts: Parts, screenshot: Path | None) -> int:
    """Run the event loop until the window is closed (or its picture taken)."""
    # asyncio takes a while to load: that happens in a worker, beside a plain loop of Qt, after the first paint. No
    # coroutine runs yet, so this is no nested loop. qasync makes Qt classes, which only the Qt thread may do.
    app.processEvents()
    start = QEventLoop()
    parts.jobs.import_module("asyncio", lambda _module: start.quit())
    start.exec()
    import asyncio

    import qasync

    async def until_closed() -> int:
        # asyncio's default executor under qasync starts ten threads.
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1, thread_name_prefix="vmsnap asyncio"))
        closed = asyncio.Event()
        parts.window.closed.connect(closed.set)
        if parts.window.isHidden():  # it was closed before the loop began
            closed.set()
        try:
            if screenshot is not None:
                return await _take_picture(parts, screenshot)
            if parts.window.isVisible():  # else it was closed already, by the first paint's events
                await closed.wait()
            return 0
        finally:
            parts.shut_down()

    with asyncio.Runner(loop_factory=lambda: qasync.QEventLoop(app)) as runner:
        return runner.run(until_closed())


async def _take_picture(parts: Parts, file: Path) -> int:
    """Write a picture of the window once nothing goes on any more; 1 if it cannot be shown or written."""
    import asyncio

    calm = 0
    try:
        async with asyncio.timeout(_SCREENSHOT_PATIENCE):
            while calm < _CALM:
                await asyncio.sleep(0.05)
                calm = 0 if parts.jobs.unfinished() else calm + 1
    except TimeoutError:
        sys.stderr.write("vmsnap-gui: the image was not read in time\n")
        return 1
    if not parts.window.grab().save(str(file), "PNG"):
        sys.stderr.write(f"vmsnap-gui: {file} cannot be written\n")
        return 1
    entry, failure = parts.session.entry(), parts.session.failure
    error = entry.error if entry is not None and entry.error is not None else failure
    if error is None or isinstance(error, DiskOnly):
        return 0
    sys.stderr.write(f"vmsnap-gui: {error}\n")
    return 1


def _reporter(parts: Parts) -> Callable[[type[BaseException], BaseException, TracebackType | None], None]:
    """Return an exception hook that also tells the person."""

    def report(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.__excepthook__(kind, error, trace)
        if not issubclass(kind, Exception):
            return
        window = parts.window
        text = window.tr("Part of the window may not be up to date. No image was changed. You can go on, or restart.")
        details = "".join(traceback.format_exception(kind, error, trace))
        window.show_report(Report(window.tr("Something went wrong inside vmsnap"), text, details))

    return report


if __name__ == "__main__":
    sys.exit(main())
