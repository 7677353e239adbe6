"""Notifications over a real session bus, to a real service on it."""

from __future__ import annotations

import shutil
import subprocess
import threading
from typing import TYPE_CHECKING

import pytest
from PySide6.QtWidgets import QWidget

from vmsnap_gui.jobs import Jobs
from vmsnap_gui.notifying import NoDesktop, notify
from vmsnap_gui.settings import Settings
from vmsnap_gui.views.notifier import Notifier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui

_CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig><type>session</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy>
</busconfig>"""


@pytest.fixture
def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A session bus; its address is in the environment, too."""
    program = shutil.which("dbus-daemon")
    assert program is not None, "dbus-daemon is not installed"
    config = tmp_path / "bus.conf"
    config.write_text(_CONFIG.format(path=tmp_path / "bus"))
    command = [program, "--config-file", str(config), "--nofork", "--print-address"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as daemon:
        assert daemon.stdout is not None
        address = daemon.stdout.readline().strip()
        monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
        yield address
        daemon.kill()


@pytest.fixture
def service(bus: str, qapp: object) -> Iterator[list[tuple[object, ...]]]:
    """A notification service; what it was asked to show is in the list."""
    from PySide6.QtCore import ClassInfo, QObject, Slot
    from PySide6.QtDBus import QDBusConnection

    asked: list[tuple[object, ...]] = []

    @ClassInfo({"D-Bus Interface": "org.freedesktop.Notifications"})
    class Service(QObject):
        @Slot(str, "uint", str, str, str, "QStringList", "QVariantMap", int, result="uint")
        def Notify(self, *arguments: object) -> int:
            asked.append(arguments)
            return 7

    made = Service()
    connection = QDBusConnection.connectToBus(bus, "tests")
    assert connection.registerService("org.freedesktop.Notifications")
    slots = QDBusConnection.RegisterOption.ExportAllSlots
    assert connection.registerObject("/org/freedesktop/Notifications", made, slots)
    yield asked
    # First: Qt's own D-Bus thread looks at the object, which is partly Python's, for as long as it is registered.
    connection.unregisterObject("/org/freedesktop/Notifications")
    connection.unregisterService("org.freedesktop.Notifications")
    QDBusConnection.disconnectFromBus("tests")
    made.deleteLater()


def in_worker(qtbot: QtBot, summary: str, body: str, *, lasting: bool = False) -> None:
    worker = threading.Thread(target=lambda: notify(summary, body, lasting=lasting))
    worker.start()
    qtbot.waitUntil(lambda: not worker.is_alive(), timeout=20_000)


def test_a_notification(qtbot: QtBot, service: list[tuple[object, ...]]) -> None:
    in_worker(qtbot, "Snapshot taken", "'clean' of <b>web</b> & ümläut")
    in_worker(qtbot, "Failed", "", lasting=True)
    first, second = service
    assert first[:4] == ("vmsnap", 0, "org.vmsnap.Vmsnap", "Snapshot taken")
    assert first[4] == "'clean' of &lt;b&gt;web&lt;/b&gt; &amp; ümläut"
    assert (first[6], first[7]) == ({"desktop-entry": "org.vmsnap.Vmsnap"}, -1)
    assert (second[3], second[4], second[7]) == ("Failed", "", 0)


def test_a_bus_without_a_service(bus: str) -> None:
    with pytest.raises(NoDesktop, match="does not answer"):
        notify("a", "b")


@pytest.mark.parametrize("address", ["unix:path=/nowhere", "tcp:host=localhost,port=1", "unix:abstract=", "x"])
def test_no_bus(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DBUS_SESSION_BUS_ADDRESS", address)
    with pytest.raises(NoDesktop):
        notify("a", "b")


def test_only_what_nobody_watched_is_told(qtbot: QtBot, service: list[tuple[object, ...]], tmp_path: Path) -> None:
    jobs, settings, window = Jobs(), Settings(tmp_path / "settings.ini"), QWidget()
    qtbot.addWidget(window)
    Notifier(window, jobs, settings)

    def over(name: str, **more: bool) -> None:
        jobs.run(name, lambda _progress: None, lane="a", success=lambda _none: None, **more)
        qtbot.waitUntil(lambda: not jobs.unfinished(), timeout=20_000)

    over("a short one")
    over("a write, after the window was closed", writes=True)
    qtbot.waitUntil(lambda: len(service) == 1, timeout=20_000)
    assert service[0][3] == "Done: a write, after the window was closed"
    settings.notify = False
    over("a write that nobody wants to hear of", writes=True)
    assert len(service) == 1
    jobs.shutdown()
    jobs.deleteLater()
