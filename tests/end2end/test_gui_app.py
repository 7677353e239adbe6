"""The application as a process: its command line, its picture, its end."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from PySide6.QtGui import QImage

from tests.image.tools import MIB, create, take
from vmsnap_gui.display import why_no_window
from vmsnap_gui.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = pytest.mark.gui

COMMAND = (sys.executable, "-W", "error", "-c", "import sys; from vmsnap_gui.start import main; sys.exit(main())")


@pytest.fixture
def home(tmp_path: Path) -> Mapping[str, str]:
    places = {name: str(tmp_path / name) for name in ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    return {**os.environ, **places, "QT_QPA_PLATFORM": "offscreen"}


def run(home: Mapping[str, str], *arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*COMMAND, *map(str, arguments)], env=home, capture_output=True, text=True, timeout=120, check=False
    )


def test_a_picture_of_the_demo(home: Mapping[str, str], tmp_path: Path) -> None:
    done = run(home, "--demo", "--screenshot", tmp_path / "demo.png")
    assert (done.returncode, done.stderr) == (0, "")
    picture = QImage(str(tmp_path / "demo.png"))
    assert picture.width() >= 1200
    colours = {picture.pixelColor(x, y).name() for x in range(0, 1200, 7) for y in range(0, 800, 7)}
    assert len(colours) > 20  # not an empty window


def test_a_picture_of_what_cannot_be_read_is_taken_but_fails(home: Mapping[str, str], tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("this is no image")
    done = run(home, text, "--screenshot", tmp_path / "text.png")
    assert done.returncode == 1
    assert not QImage(str(tmp_path / "text.png")).isNull()
    assert "Traceback" not in done.stderr


def test_a_picture_that_cannot_be_written(home: Mapping[str, str], tmp_path: Path) -> None:
    done = run(home, "--demo", "--screenshot", tmp_path / "none" / "demo.png")
    assert done.returncode == 1
    assert "cannot be written" in done.stderr


def test_without_a_display_it_says_so(home: Mapping[str, str], tmp_path: Path) -> None:
    places = ("QT_QPA_PLATFORM", "DISPLAY", "WAYLAND_DISPLAY")
    bare = {name: value for name, value in home.items() if name not in places}
    none = "there is no display to show a window on (neither DISPLAY nor WAYLAND_DISPLAY is set)"
    dead = {"WAYLAND_DISPLAY": "wayland-9", "DISPLAY": ":997", "XDG_RUNTIME_DIR": str(tmp_path)}
    for more, sentence in (
        ({}, none),
        ({"DISPLAY": ":997"}, "the display cannot be reached (DISPLAY=:997)"),
        (dead, "the display cannot be reached (WAYLAND_DISPLAY=wayland-9, DISPLAY=:997)"),
    ):
        done = run({**bare, **more}, "--demo")
        assert (done.returncode, done.stdout, done.stderr) == (1, "", f"vmsnap-gui: {sentence}\n")


def test_a_display_that_answers_is_left_to_qt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the names of sockets are short
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("wayland-9")
        server.listen()
        assert why_no_window({"WAYLAND_DISPLAY": "wayland-9", "XDG_RUNTIME_DIR": "."}) is None
    with socket.create_server(("127.0.0.1", 0)) as server:
        display = f"127.0.0.1:{server.getsockname()[1] - 6000}.0"
        assert why_no_window({"DISPLAY": display}) is None
    assert why_no_window({"DISPLAY": display}) is not None
    assert why_no_window({"DISPLAY": "of another form"}) is None
    assert why_no_window({"QT_QPA_PLATFORM": "offscreen"}) is None


def test_version_and_usage_need_no_window(home: Mapping[str, str]) -> None:
    nowhere = {**home, "QT_QPA_PLATFORM": "none"}
    assert run(nowhere, "--version").stdout.startswith("vmsnap ")
    wrong = run(nowhere, "--no-such-option")
    assert wrong.returncode == 2
    assert "usage:" in wrong.stderr


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_closes_it_properly(home: Mapping[str, str], tmp_path: Path, number: signal.Signals) -> None:
    path = create(tmp_path / "a.qcow2", MIB)
    take(path, "one")
    settings = tmp_path / "XDG_CONFIG_HOME" / "vmsnap" / "vmsnap.ini"
    shown = "lambda parts: parts.session.selection_changed.connect(lambda: print(parts.session.snapshot, flush=True))"
    program = f"import sys; from vmsnap_gui.app import main; sys.exit(main(shown={shown}))"
    command = [sys.executable, "-W", "error", "-c", program, str(path)]
    with subprocess.Popen(command, env=home, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "0\n"
        process.send_signal(number)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, "")
    again = Settings(settings)
    assert again.opened == [path]
    assert again.choice is not None
    assert again.choice.tag == "one"
    assert not again.arrangement("geometry").isEmpty()


def test_no_widget_toolkit_but_qt_is_needed_to_import_it() -> None:
    """The window's start must not load what only later work needs."""
    late = ("numpy", "pyqtgraph", "asyncio", "qasync", "hashlib", "socket", "sqlite3")
    code = f"import sys, vmsnap_gui.app; print(*sorted(set({late}) & set(sys.modules)))"
    assert _printed(code) == ""


def test_the_sources_of_what_is_loaded_are_not_read() -> None:
    """PySide6 reads those of every module that it is not told of."""
    code = (
        "import inspect, vmsnap_gui.collecting; read = []; source = inspect.getsource\n"
        "inspect.getsource = lambda one: read.append(one.__name__) or source(one)\n"
        "import vmsnap_gui.app; print(*[one for one in read if 'views' in one or 'models' in one])"
    )
    assert _printed(code) == ""


def _printed(code: str) -> str:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
