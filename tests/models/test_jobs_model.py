"""The list of jobs: what is shown of waiting, running, failed and forgotten ones."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt

from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.jobs import KEPT, Jobs, JobState
from vmsnap_gui.models.jobs import FRACTION_ROLE, Column, JobsModel, rate

if TYPE_CHECKING:
    from pytestqt.modeltest import ModelTester
    from pytestqt.qtbot import QtBot

    from vmsnap_gui.image.errors import Progress

pytestmark = pytest.mark.gui


def texts(model: JobsModel, column: Column) -> list[str]:
    return [model.index(row, column).data() for row in range(model.rowCount())]


def test_a_running_job(qtbot: QtBot, jobs: Jobs, qtmodeltester: ModelTester) -> None:
    model = JobsModel(jobs, jobs)
    qtmodeltester.check(model, force_py=True)
    go_on = threading.Event()

    def work(progress: Progress) -> None:
        progress(3 << 20, 12 << 20)
        go_on.wait(10)

    job = jobs.run("Index", work, lane="a", success=lambda _: None)
    jobs.run("Next", lambda _progress: None, lane="a", success=lambda _: None)
    jobs.run("Quiet", lambda _progress: None, lane="b", success=lambda _: None, quiet=True)
    qtbot.waitUntil(lambda: texts(model, Column.STATE) == ["waiting", "25%"])
    assert texts(model, Column.NAME) == ["Next", "Index"]  # the newest first
    assert texts(model, Column.DONE)[1] == "3.0 MiB"
    assert model.index(1, 0).data(FRACTION_ROLE) == 0.25
    assert model.job(model.index(1, 0)) is job
    qtbot.waitUntil(lambda: rate(job).endswith("/s"))
    model.refresh_running()
    go_on.set()
    qtbot.waitUntil(lambda: texts(model, Column.STATE) == ["done", "done"])


def test_only_bytes_are_shown_as_bytes(qtbot: QtBot, jobs: Jobs) -> None:
    model = JobsModel(jobs, jobs)
    go_on = threading.Event()

    def work(progress: Progress) -> None:
        progress(3 << 20, 12 << 20)
        go_on.wait(10)

    job = jobs.run("Compare", work, lane="a", success=lambda _: None, in_bytes=False)
    qtbot.waitUntil(lambda: texts(model, Column.STATE) == ["25%"])
    qtbot.waitUntil(lambda: job.elapsed > 0.2)  # from here on a rate would be shown
    assert texts(model, Column.DONE) + texts(model, Column.RATE) == ["", ""]
    go_on.set()
    qtbot.waitUntil(lambda: texts(model, Column.STATE) == ["done"])


def test_a_failure_is_told_in_full(qtbot: QtBot, jobs: Jobs) -> None:
    model = JobsModel(jobs, jobs)

    def work(_progress: Progress) -> None:
        raise ImageError("the table is\ndamaged", offset=16)

    jobs.run("Read", work, lane="a", success=lambda _: None, failure=lambda _: None)
    qtbot.waitUntil(lambda: texts(model, Column.STATE) == ["failed: the table is\\ndamaged (at offset 0x10)"])
    assert "0x10" in model.index(0, 0).data(Qt.ItemDataRole.ToolTipRole)


def test_forgotten_and_old_jobs_go(qtbot: QtBot, jobs: Jobs, qtmodeltester: ModelTester) -> None:
    jobs.run("Before", lambda _progress: None, lane="a", success=lambda _: None)
    qtbot.waitUntil(lambda: not jobs.unfinished())
    model = JobsModel(jobs, jobs)
    qtmodeltester.check(model, force_py=True)
    assert texts(model, Column.NAME) == ["Before"]
    for _ in range(KEPT + 1):
        jobs.run("More", lambda _progress: None, lane="a", success=lambda _: None)
        qtbot.waitUntil(lambda: not jobs.unfinished())
    assert model.rowCount() == KEPT
    jobs.forget_finished()
    assert model.rowCount() == 0


def test_a_cancelled_job(qtbot: QtBot, jobs: Jobs) -> None:
    model = JobsModel(jobs, jobs)
    job = jobs.run("Work", lambda _progress: None, lane="a", success=lambda _: None)
    job.cancel()
    qtbot.waitUntil(lambda: job.state is JobState.CANCELLED)
    assert texts(model, Column.STATE) == ["cancelled"]
