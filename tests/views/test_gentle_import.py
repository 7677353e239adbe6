"""Importing a package in slices: the result is that of an ordinary import."""

from __future__ import annotations

import sys
import threading
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QTimer

from vmsnap_gui.views.gentle_import import GentleImport

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui

_SOURCE = '''
"""A package."""
import threading
from .part import VALUE, hello

THREAD = threading.current_thread()

def twice():
    return [VALUE, VALUE]

if VALUE:
    CHOSEN = twice()
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    folder = tmp_path / "a_package_for_this_test"
    folder.mkdir()
    (folder / "__init__.py").write_text(_SOURCE)
    (folder / "part.py").write_text("VALUE = 7\n\ndef hello():\n    return __name__\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    yield folder
    for name in [name for name in sys.modules if name.startswith(folder.name)]:
        del sys.modules[name]


def test_the_package_is_there_afterwards_and_was_imported_on_this_thread(package: Path, qtbot: QtBot) -> None:
    work = GentleImport(package.name)
    with qtbot.waitSignal(work.finished):
        work.start()
    import a_package_for_this_test as made

    assert made is sys.modules[package.name]
    assert made.CHOSEN == [7, 7]
    assert made.hello() == "a_package_for_this_test.part"
    assert made.THREAD is threading.current_thread()
    assert made.__file__ == str(package / "__init__.py")


def test_the_event_loop_turns_in_between(package: Path, qtbot: QtBot) -> None:
    work = GentleImport(package.name, at_once=0)
    turns = []
    clock = QTimer(interval=0)
    clock.timeout.connect(lambda: turns.append(hasattr(sys.modules.get(package.name), "VALUE")))
    clock.start()
    with qtbot.waitSignal(work.finished):
        work.start()
    clock.stop()
    assert turns.count(False) > 100  # the Qt types
    assert turns.count(True) > 2  # the statements after the import of VALUE


def test_what_is_there_already_is_left_alone(package: Path, qtbot: QtBot) -> None:
    import a_package_for_this_test as before

    work = GentleImport(package.name)
    with qtbot.waitSignal(work.finished):
        work.start()
    assert sys.modules[package.name] is before


def test_a_package_that_fails_is_told_and_does_not_stay_half_imported(package: Path, qtbot: QtBot) -> None:
    (package / "part.py").write_text("VALUE = 1 / 0\n")
    work = GentleImport(package.name)
    with qtbot.waitSignal(work.failed) as failed:
        work.start()
    assert isinstance(failed.args[0], ZeroDivisionError)
    assert package.name not in sys.modules


def test_a_package_that_does_not_exist_is_told(qtbot: QtBot) -> None:
    work = GentleImport("no_such_package_anywhere")
    with qtbot.waitSignal(work.failed) as failed:
        work.start()
    assert isinstance(failed.args[0], ModuleNotFoundError)


def test_one_that_comes_while_another_is_gone_halfway_goes_on_with_it(package: Path, qtbot: QtBot) -> None:
    with (package / "__init__.py").open("a") as file:
        file.writelines(f"NUMBER_{number} = {number}\n" for number in range(20_000))
    first = GentleImport(package.name, at_once=0)
    first.start()
    qtbot.waitUntil(lambda: hasattr(sys.modules.get(package.name), "VALUE"), timeout=20_000)
    half = sys.modules[package.name]
    assert not hasattr(half, "NUMBER_19999")
    first.deleteLater()
    second, third = GentleImport(package.name), GentleImport(package.name)
    with qtbot.waitSignals([second.finished, third.finished]):
        second.start()
        third.start()
    assert sys.modules[package.name] is half
    assert half.NUMBER_19999 == 19999
