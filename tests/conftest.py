"""For all tests: Qt draws offscreen, nobody's own settings are touched, and nothing is left behind."""

from __future__ import annotations

import gc
import os
import signal
import tempfile
import threading
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator
    from pathlib import Path

    from PySide6.QtWidgets import QApplication

    from vmsnap_gui.jobs import Jobs

# Before Qt or platformdirs are first asked; a person's own files must never matter to a test.
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
_home = tempfile.TemporaryDirectory(prefix="vmsnap-tests-")
for _name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME"):
    os.environ[_name] = _home.name
os.environ["DBUS_SESSION_BUS_ADDRESS"] = f"unix:path={_home.name}/no-bus"  # nor their desktop
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell that starts the tests in its background has Ctrl+C ignored, and all that they start inherits that.
    signal.signal(signal.SIGINT, signal.default_int_handler)


_SLOW = ("fuzz", "end2end", "compare")
"""Folders whose tests take long for what they are: 'make check' leaves them to 'make test'."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.relative_to(config.rootpath).parts[1] in _SLOW:
            item.add_marker(pytest.mark.slow)


@pytest.fixture(autouse=True)
def _nothing_left(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test of the window that leaves a worker thread, a running timer or a visible window behind."""
    if request.node.get_closest_marker("gui") is None:
        yield
        return
    from PySide6.QtCore import QEvent
    from PySide6.QtWidgets import QApplication

    request.getfixturevalue("qapp")
    yield
    QApplication.processEvents()
    # What the test closed is destroyed now and on this thread: a worker's garbage collection in the next test would
    # destroy it there, and its timers would go on firing here.
    QApplication.sendPostedEvents(None, QEvent.Type.DeferredDelete)
    gc.collect()
    threads = [thread.name for thread in threading.enumerate() if thread.name.startswith("vmsnap")]
    assert not threads, f"worker threads are left: {threads}"
    windows = [widget.objectName() or repr(widget) for widget in QApplication.topLevelWidgets() if widget.isVisible()]
    assert not windows, f"windows are left: {windows}"


@pytest.fixture
def own_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where a person's own names would be; read anew in this test."""
    from vmsnap_gui.guest.names import default_rules, user_file

    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "configuration"))
    user_file().parent.mkdir(parents=True)
    default_rules.cache_clear()
    yield user_file()
    default_rules.cache_clear()


@pytest.fixture
def run_async(qapp: QApplication) -> Callable[[Coroutine[object, object, None]], None]:
    """Run a coroutine in the application's own kind of event loop; never `qtbot.wait...` inside it: that hangs."""
    import asyncio

    import qasync

    def run(coroutine: Coroutine[object, object, None]) -> None:
        with asyncio.Runner(loop_factory=lambda: qasync.QEventLoop(qapp)) as runner:
            runner.run(asyncio.wait_for(coroutine, 30))

    return run


@pytest.fixture
def jobs(qapp: QApplication) -> Iterator[Jobs]:
    """The jobs of an application; their threads have ended afterwards."""
    from PySide6.QtCore import QEvent

    from vmsnap_gui.jobs import Jobs

    made = Jobs()
    yield made
    made.shutdown()
    # Now and here: left to Python's garbage collection, it could be destroyed in a worker thread of the next test.
    made.deleteLater()
    qapp.sendPostedEvents(made, QEvent.Type.DeferredDelete)
