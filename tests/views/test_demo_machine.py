"""The demo machine in the window: set up, started with a real QEMU, and never set up over what is there."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt
from PySide6.QtWidgets import QCheckBox, QMessageBox

from tests.end2end.test_gui_walk import running
from tests.views.test_acting import act, blockers, choose, confirm, dialog, over, tags
from tests.views.test_machines import ended, line_of, vm_of
from vmsnap_gui.control.profile_store import ProfileStore
from vmsnap_gui.demo import demo_image
from vmsnap_gui.demo_machine import NAME
from vmsnap_gui.models.library import DETAIL_ROLE
from vmsnap_gui.views.start_dialog import StartDialog

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from vmsnap_gui.app import Parts
    from vmsnap_gui.control.plan import Outcome

pytestmark = [pytest.mark.gui, pytest.mark.qemu]

WAIT = 60_000
TAGS = ["booted", "drawing", "half-way", "finished"]


@pytest.fixture(autouse=True)
def _own_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STATE", "CONFIG", "DATA"):
        monkeypatch.setenv(f"XDG_{name}_HOME", str(tmp_path / name))
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def parts(qtbot: QtBot, tmp_path: Path) -> Iterator[Parts]:
    with running(qtbot, tmp_path / "config") as parts:
        yield parts


def set_up(qtbot: QtBot, parts: Parts) -> Path:
    """Choose the action, and return the image that is selected then."""
    parts.window.verbs.demo_machine.trigger()
    qtbot.waitUntil(lambda: parts.session.loaded is not None, timeout=WAIT)
    over(qtbot, parts)
    assert parts.session.image is not None
    return parts.session.image


def start(qtbot: QtBot, parts: Parts, *, first: bool) -> Outcome:
    """Carry the shown dialog out; the command line is agreed to where it is the first time."""
    shown = dialog(qtbot, parts, StartDialog)
    assert not blockers(shown)
    if first:
        shown.findChild(QCheckBox, "start_seen").click()
    outcomes: list[Outcome] = []
    parts.window.desk.session.ended.connect(outcomes.append)
    confirm(qtbot, parts, shown)
    (outcome,) = outcomes
    assert outcome.error is None
    return outcome


def test_it_is_set_up_and_starts_from_a_snapshot(qtbot: QtBot, parts: Parts, tmp_path: Path) -> None:
    parts.session.open_demo()  # something else is selected before
    qtbot.waitUntil(lambda: parts.session.loaded is not None, timeout=WAIT)
    parts.session.close_all()
    image = set_up(qtbot, parts)
    assert image.is_relative_to(tmp_path / "DATA")
    assert image.read_bytes() == demo_image().read_bytes()
    profile = ProfileStore().get(NAME)
    assert (profile.directory, profile.confirmed) == (image.parent, False)
    line = line_of(parts, f"profile {NAME}", "Launch profiles")
    assert (line.data(), line.data(DETAIL_ROLE)) == (NAME, "not running · 1 disk")
    assert parts.window.library.tree.currentIndex() == line
    assert tags(image) == TAGS

    choose(qtbot, parts, image, TAGS.index("half-way"))
    act(qtbot, parts.window.desk.actions.start)
    outcome = start(qtbot, parts, first=True)
    with ended(outcome.pid):
        assert outcome.status == "running"
        qtbot.waitUntil(lambda: vm_of(parts, outcome.pid) is not None, timeout=WAIT)
        assert tags(image)[:4] == TAGS
        number = image.stat().st_ino
        assert set_up(qtbot, parts) == image  # it runs: then it is shown where it is
        assert image.stat().st_ino == number
        assert ProfileStore().get(NAME).confirmed


def test_it_also_boots(qtbot: QtBot, parts: Parts) -> None:
    image = set_up(qtbot, parts)
    (vm,) = parts.session.machines.vms.stopped
    parts.window.desk.ask_start(vm.whom)
    outcome = start(qtbot, parts, first=True)
    with ended(outcome.pid):
        assert outcome.status == "running"
        before = image.read_bytes()
        # Its guest was loaded by its firmware: it counts, and writes that to its disk.
        qtbot.waitUntil(lambda: image.read_bytes() != before, timeout=WAIT)


def test_what_is_there_is_kept(qtbot: QtBot, parts: Parts) -> None:
    image = set_up(qtbot, parts)
    os.truncate(image, image.stat().st_size + 512)
    kept = image.read_bytes()
    ProfileStore().remove(NAME)
    assert set_up(qtbot, parts) == image
    assert image.read_bytes() == kept
    assert sorted(path.name for path in image.parent.iterdir()) == ["demo-firmware.bin", "demo-machine.qcow2"]
    assert ProfileStore().get(NAME).directory == image.parent


def test_without_qemu_it_says_what_to_install(
    qtbot: QtBot, parts: Parts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    qtbot.mouseClick(parts.window.welcome.findChild(object, "welcome_demo_machine"), Qt.MouseButton.LeftButton)
    qtbot.waitUntil(lambda: parts.window.findChild(QMessageBox, "report") is not None, timeout=WAIT)
    box = parts.window.findChild(QMessageBox, "report")
    assert "qemu-system-x86_64 is not installed" in box.informativeText()
    assert "qemu-system-x86;" in box.informativeText()
    box.close()
    assert not (tmp_path / "DATA").exists()
    assert ProfileStore().all() == ()
