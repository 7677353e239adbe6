"""What is remembered between runs, and what a damaged settings file does: nothing."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QByteArray, Qt

from vmsnap_gui.settings import RECENT, Choice, Settings

if TYPE_CHECKING:
    from collections.abc import Callable

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui


def test_everything_comes_back(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "vmsnap.ini"
    odd = Path("/images/a,b; \udcff \n[x]%20é.qcow2")
    settings = Settings(file)
    settings.opened = [odd]
    settings.add_recent(odd)
    settings.choice = Choice(odd, "1", "tag \udcfe", 1_700_000_000)
    settings.scheme = Qt.ColorScheme.Dark
    settings.tab = "devices"
    settings.columns = [("cpu:1", "env.eip"), ("a,b", "x[0]\udcff")]
    settings.noise = False
    settings.set_arrangement("columns", QByteArray(b"\x00\xff,x"))
    settings.save()
    again = Settings(file)
    assert again.opened == again.recent == [odd]
    assert again.choice == Choice(odd, "1", "tag \udcfe", 1_700_000_000)
    assert again.scheme == Qt.ColorScheme.Dark
    assert again.tab == "devices"
    assert again.columns == [("cpu:1", "env.eip"), ("a,b", "x[0]\udcff")]
    assert not again.noise
    assert again.arrangement("columns") == QByteArray(b"\x00\xff,x")
    again.choice = None
    assert again.choice is None


def test_a_first_start(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "none.ini")
    assert settings.opened == settings.recent == []
    assert settings.choice is None
    assert settings.scheme == Qt.ColorScheme.Unknown
    assert settings.tab == ""
    assert settings.columns == []
    assert settings.noise
    assert settings.arrangement("columns").isEmpty()


@pytest.mark.parametrize(
    "text", ["", "null", "3", "[[", '{"path": 3}', '[1, null, "/a"]', "[" * 5000, '""', '[["a"], ["b", 3]]']
)
def test_a_damaged_file_reads_as_nothing(tmp_path: Path, text: str) -> None:
    settings = Settings(tmp_path / "vmsnap.ini")
    for key in ("recent", "opened", "choice", "scheme", "tab", "columns", "noise", "arrangement/columns"):
        settings._put(key, text)
    settings.save()
    again = Settings(tmp_path / "vmsnap.ini")
    assert again.recent in ([], [Path("/a")])
    assert again.choice is None
    assert again.columns == []
    assert again.noise
    assert again.scheme == Qt.ColorScheme.Unknown
    assert again.arrangement("columns").isEmpty()


def test_a_change_is_written_in_the_background_and_leaves_what_others_wrote(qtbot: QtBot, tmp_path: Path) -> None:
    file = tmp_path / "vmsnap.ini"
    settings, other, workers = Settings(file), Settings(file), ThreadPoolExecutor(1)
    settings.write_with(workers.submit)
    other.noise = False
    other.save()
    settings.tab = "memory"
    qtbot.waitUntil(lambda: Settings(file).tab == "memory")
    assert not Settings(file).noise
    workers.shutdown()


def test_what_no_worker_wrote_is_written_at_the_end(tmp_path: Path) -> None:
    file = tmp_path / "vmsnap.ini"
    settings = Settings(file)
    never: list[Callable[[], None]] = []
    settings.write_with(never.append)
    settings.tab = "memory"
    settings._write_soon()  # taken by nobody: its job is cancelled when the window closes
    settings.save()
    assert Settings(file).tab == "memory"
    assert len(never) == 1


def test_what_could_not_be_written_is_tried_again(tmp_path: Path) -> None:
    (tmp_path / "no folder").touch()
    file = tmp_path / "no folder" / "vmsnap.ini"
    settings = Settings(file)
    settings.tab = "memory"
    settings.save()
    (tmp_path / "no folder").unlink()
    settings.save()
    assert Settings(file).tab == "memory"


def test_recent_files_are_few_and_the_latest_is_first(tmp_path: Path) -> None:
    settings = Settings(tmp_path / "vmsnap.ini")
    for number in range(RECENT + 5):
        settings.add_recent(Path(f"/image{number}"))
    settings.add_recent(Path("/image10"))
    assert len(settings.recent) == RECENT
    assert settings.recent[:2] == [Path("/image10"), Path(f"/image{RECENT + 4}")]
    settings.forget_recent(Path("/image10"), Path("/unknown"))
    assert settings.recent[0] == Path(f"/image{RECENT + 4}")
    settings.forget_recent()
    assert settings.recent == []
