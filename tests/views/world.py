"""A session with its jobs, as the application has them, for tests of single views, and what is done in views."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QEvent, QEventLoop, QTimer

from tests.models.states import chain_of
from vmsnap_gui.jobs import Jobs
from vmsnap_gui.session import Session
from vmsnap_gui.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from PySide6.QtCore import QModelIndex
    from pytestqt.qtbot import QtBot

    from vmsnap_gui.views.devices_view import DevicesView


class World:
    """What is behind the views.

    Attributes:
        jobs: The jobs.
        session: The session.
        settings: The settings.
    """

    def __init__(self, qtbot: QtBot, folder: Path) -> None:
        self.jobs = Jobs()
        self.settings = Settings(folder / "settings.ini")
        self.session = Session(self.jobs, self.settings)
        self._qtbot = qtbot

    def open(self, path: Path, index: int | None = None) -> None:
        """Open an image, select one of its snapshots (by default the newest) and wait for its state."""
        self.session.open_paths([path])
        self._qtbot.waitUntil(lambda: self.session.snapshot is not None, timeout=20_000)
        if index is not None:
            self.session.select_snapshot(self.session.image or path, index)
        self._qtbot.waitUntil(lambda: self.session.loaded is not None, timeout=20_000)
        turns()

    def settle(self) -> None:
        """Wait until all jobs are over."""
        self._qtbot.waitUntil(lambda: not self.jobs.unfinished(), timeout=20_000)
        turns()


def turns() -> None:
    """Let views follow what was just told: each does so in a turn of the event loop of its own, by a timer of 0 ms."""
    for _ in range(2):
        loop = QEventLoop()
        timer = QTimer(interval=0)
        timer.timeout.connect(loop.quit)
        timer.start()
        loop.exec()


@contextmanager
def world(qtbot: QtBot, folder: Path) -> Iterator[World]:
    """Give a world; its threads have ended afterwards."""
    made = World(qtbot, folder)
    try:
        yield made
    finally:
        made.session.shutdown()
        made.jobs.shutdown()
        made.settings.save()
        # Now and here: left to Python, the garbage collection of a worker of the next test could end them.
        for one in (made.session, made.jobs):
            one.deleteLater()
            QCoreApplication.sendPostedEvents(one, QEvent.Type.DeferredDelete)


def select_field(view: DevicesView, key: str, path: str) -> QModelIndex:
    """Select a field in the Devices tab, by its section's key and its path, and return its index."""
    assert view.tree.select_chain(chain_of(view.tree.fields.tree, key, path))
    return view.tree.currentIndex()
