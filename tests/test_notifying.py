"""Notifications over a real session bus, to a real service on it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtWidgets import QWidget

from vmsnap_gui.jobs import Jobs
from vmsnap_gui.notifying import NoDesktop, notify
from vmsnap_gui.settings import Settings
from vmsnap_gui.views.notifier import Notifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

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
def asked(bus: str, tmp_path: Path) -> Iterator[Callable[[], list[list[object]]]]:
    """Returns what a notification service on the bus was asked to show: the arguments of each call."""
    file = tmp_path / "asked"
    file.touch()
    command = [sys.executable, str(Path(__file__).with_name("notification_service.py")), bus, str(file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as service:
        assert service.stdout is not None
        try:
            assert service.stdout.readline() == "ready\n"
            # the last line may be half written
            yield lambda: [json.loads(line) for line in file.read_text().splitlines(True) if line.endswith("\n")]
        finally:
            service.kill()


def in_worker(qtbot: QtBot, summary: str, body: str, *, lasting: bool = False) -> None:
    worker = threading.Thread(target=lambda: notify(summary, body, lasting=lasting))
    worker.start()
    qtbot.waitUntil(lambda: not worker.is_alive(), timeout=20_000)


def test_a_notification(qtbot: QtBot, asked: Callable[[], list[list[object]]]) -> None:
    in_worker(qtbot, "Snapshot taken", "'clean' of <b>web</b> & ümläut")
    in_worker(qtbot, "Failed", "", lasting=True)
    first, second = asked()
    assert first[:4] == ["vmsnap", 0, "org.vmsnap.Vmsnap", "Snapshot taken"]
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


def test_only_what_nobody_watched_is_told(
    qtbot: QtBot, asked: Callable[[], list[list[object]]], tmp_path: Path
) -> None:
    jobs, settings, window = Jobs(), Settings(tmp_path / "settings.ini"), QWidget()
    qtbot.addWidget(window)
    Notifier(window, jobs, settings)

    def over(name: str, **more: bool) -> None:
        jobs.run(name, lambda _progress: None, lane="a", success=lambda _none: None, **more)
        qtbot.waitUntil(lambda: not jobs.unfinished(), timeout=20_000)

    over("a short one")
    over("a write, after the window was closed", writes=True)
    qtbot.waitUntil(lambda: len(asked()) == 1, timeout=20_000)
    assert asked()[0][3] == "Done: a write, after the window was closed"
    settings.notify = False
    over("a write that nobody wants to hear of", writes=True)
    in_worker(qtbot, "the next one", "")
    assert asked()[1][3] == "the next one"
    jobs.shutdown()
    jobs.deleteLater()
