"""What is found out of the selected image: at once, again when it changed, and never twice for the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.image.tools import MIB, clusters_in_use, create, patch, run, take, u64, write
from tests.views.world import World, world
from vmsnap_gui.history_session import HistorySession
from vmsnap_gui.image.ancestry import Source

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytestqt.qtbot import QtBot

pytestmark = pytest.mark.gui


@pytest.fixture
def here(qtbot: QtBot, tmp_path: Path) -> Iterator[World]:
    with world(qtbot, tmp_path / "config") as made:
        yield made


@pytest.fixture
def history(here: World) -> HistorySession:
    return HistorySession(here.jobs, here.session, here.session)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = create(tmp_path / "web.qcow2", 16 * MIB)
    for number, tag in enumerate(("one", "two", "three"), 1):
        write(path, f"write -q -P {number} {number}M 1M")
        take(path, tag)
    write(path, "write -q -P 9 1M 3M")
    return path


def test_what_is_shown_is_what_deleting_frees(qtbot: QtBot, here: World, history: HistorySession, image: Path) -> None:
    here.session.open_paths([image])
    qtbot.waitUntil(lambda: history.history() is not None and not history.is_waiting())
    found = history.history()
    assert found is not None
    history.choose([0])
    assert history.freed == found.frees[0] >= 65536
    history.choose([0, 1])
    qtbot.waitUntil(lambda: not history.is_waiting())
    freed, before = history.freed, clusters_in_use(image)
    for tag in ("one", "two"):
        run("qemu-img", "snapshot", "-d", tag, image)
    assert freed == (before - clusters_in_use(image)) * 65536
    history.choose([])
    assert history.freed is None


def test_an_image_that_changes_is_looked_into_again(
    qtbot: QtBot, here: World, history: HistorySession, image: Path
) -> None:
    here.session.open_paths([image])
    qtbot.waitUntil(lambda: history.history() is not None)
    first = history.history()
    here.session.select_snapshot(image, 0)
    here.settle()
    assert history.history() is first  # another snapshot of the same image
    run("qemu-img", "snapshot", "-a", "one", image)
    take(image, "four")
    here.session.reload(image)
    qtbot.waitUntil(lambda: (found := history.history()) is not None and len(found.snapshots) == 4)
    found = history.history()
    assert found is not None
    assert not history.is_outdated()
    assert [edge.source for edge in found.tree.edges] == [Source.INFERRED] * 4
    assert found.tree.here.parent is not None
    assert found.tree.here.parent.tag == "four"


def test_another_image_and_back(
    qtbot: QtBot, here: World, history: HistorySession, image: Path, tmp_path: Path
) -> None:
    other = create(tmp_path / "other.qcow2", MIB)
    take(other, "only")
    here.session.open_paths([image, other])
    qtbot.waitUntil(lambda: history.history() is not None)
    first = history.history()
    here.session.select_image(other)
    assert history.history() is None
    qtbot.waitUntil(lambda: history.history() is not None)
    here.session.select_image(image)
    assert history.history() is first
    assert history.job() is None


def test_a_cancelled_look_waits_until_it_is_wanted(
    qtbot: QtBot, here: World, history: HistorySession, image: Path
) -> None:
    history.changed.connect(lambda: history.cancel() if history.job() is not None and not kept else None)
    kept: list[bool] = []
    here.session.open_paths([image])
    qtbot.waitUntil(lambda: here.session.failure is not None)
    here.settle()
    assert history.history() is None
    assert history.job() is None
    kept.append(True)
    history.start()
    qtbot.waitUntil(lambda: history.history() is not None)


def test_what_cannot_be_read_says_why(qtbot: QtBot, here: World, history: HistorySession, image: Path) -> None:
    here.session.open_paths([image])
    qtbot.waitUntil(lambda: history.history() is not None)
    patch(image, 48, u64(1 << 40))  # the refcount table is beyond the end of the file
    here.session.reload(image)
    qtbot.waitUntil(lambda: (found := history.history()) is not None and found.usage is None)
    found = history.history()
    assert found is not None
    assert found.why_not
    history.choose([0, 1])
    assert history.freed is None
    image.unlink()
    here.session.reload(image)
    qtbot.waitUntil(lambda: history.history() is None)
