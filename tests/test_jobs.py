"""Background work: where it runs, where it comes back, and that nothing is lost when it is cancelled or fails."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest

from vmsnap_gui.image.errors import Cancelled, ImageError
from vmsnap_gui.jobs import KEPT, SCAN, Job, Jobs, JobState, lane_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from pytestqt.qtbot import QtBot

    from vmsnap_gui.image.errors import Progress

pytestmark = pytest.mark.gui


class Gate:
    """Work that waits until it may go on, and hears a cancel while it waits."""

    def __init__(self) -> None:
        self.began = threading.Event()
        self.open = threading.Event()

    def __call__(self, progress: Progress) -> str:
        self.began.set()
        while not self.open.wait(0.001):
            progress(1, 2)
        return "through"


def settle(qtbot: QtBot, jobs: Jobs) -> None:
    qtbot.waitUntil(lambda: not jobs.unfinished())


def test_a_result_comes_back_on_the_qt_thread(qtbot: QtBot, jobs: Jobs) -> None:
    threads: list[str] = []
    results: list[str] = []

    def work(_progress: Progress) -> str:
        threads.append(threading.current_thread().name)
        return "done"

    def success(result: str) -> None:
        threads.append(threading.current_thread().name)
        results.append(result)

    job = jobs.run("Work", work, lane="a", success=success)
    settle(qtbot, jobs)
    assert results == ["done"]
    assert threads[0].startswith("vmsnap a")
    assert threads[1] == threading.main_thread().name
    assert job.state is JobState.DONE


def test_a_lane_keeps_its_order_and_others_do_not_wait_for_it(qtbot: QtBot, jobs: Jobs, tmp_path: Path) -> None:
    done: list[str] = []
    gate = Gate()
    main, side = lane_of(tmp_path), lane_of(tmp_path, "memory")
    jobs.run("First", gate, lane=main, success=done.append)
    jobs.run("Second", lambda _progress: "second", lane=main, success=done.append)
    jobs.run("Beside", lambda _progress: "beside", lane=side, success=done.append)
    qtbot.waitUntil(lambda: done == ["beside"])
    assert [job.name for job in jobs.unfinished(main)] == ["First", "Second"]
    gate.open.set()
    settle(qtbot, jobs)
    assert done == ["beside", "through", "second"]


def test_the_scan_lane_does_several_things_at_once(qtbot: QtBot, jobs: Jobs) -> None:
    gates = [Gate(), Gate()]
    for gate in gates:
        jobs.run("Look", gate, lane=SCAN, success=lambda _: None)
    for gate in gates:
        assert gate.began.wait(10)
        gate.open.set()
    settle(qtbot, jobs)


def test_progress_is_told_but_never_floods(qtbot: QtBot, jobs: Jobs) -> None:
    seen: list[tuple[int, int]] = []
    jobs.progressed.connect(lambda job: seen.append((job.done, job.total)))
    go_on = threading.Event()

    def work(progress: Progress) -> None:
        for done in range(20_000):
            progress(done, 20_000)
        go_on.wait(10)

    job = jobs.run("Count", work, lane="a", success=lambda _: None)
    qtbot.waitUntil(lambda: (19_999, 20_000) in seen)
    assert len(seen) < 1000
    assert job.state is JobState.RUNNING
    go_on.set()
    settle(qtbot, jobs)


def test_a_cancel_stops_the_work_and_nothing_is_called(qtbot: QtBot, jobs: Jobs) -> None:
    called: list[object] = []
    gate = Gate()
    states: list[JobState] = []
    jobs.changed.connect(lambda job: states.append(job.state))
    job = jobs.run("Work", gate, lane="a", success=called.append, failure=called.append)
    assert gate.began.wait(10)
    qtbot.waitUntil(lambda: job.state is JobState.RUNNING)
    job.cancel()
    settle(qtbot, jobs)
    assert not called
    assert states == [JobState.WAITING, JobState.RUNNING, JobState.CANCELLING, JobState.CANCELLED]
    job.cancel()  # harmless
    assert job.state is JobState.CANCELLED


def test_what_waits_in_a_lane_can_be_cancelled(qtbot: QtBot, jobs: Jobs) -> None:
    gate, ran = Gate(), []
    first = jobs.run("First", gate, lane="a", success=ran.append)
    second = jobs.run("Second", lambda _progress: ran.append("second"), lane="a", success=ran.append)
    second.cancel()
    qtbot.waitUntil(lambda: second.state is JobState.CANCELLED)
    assert first.state is JobState.RUNNING
    gate.open.set()
    settle(qtbot, jobs)
    assert ran == ["through"]


def test_a_cancel_after_the_end_of_the_work_still_counts(qtbot: QtBot, jobs: Jobs) -> None:
    called: list[object] = []
    ended = threading.Event()
    job = jobs.run("Work", lambda _progress: ended.set(), lane="a", success=called.append)
    assert ended.wait(10)
    job.cancel()  # the result is on its way
    settle(qtbot, jobs)
    assert not called
    assert job.state is JobState.CANCELLED


def test_a_failure_reaches_its_callback(qtbot: QtBot, jobs: Jobs, tmp_path: Path) -> None:
    failures: list[Exception] = []
    unhandled: list[Job] = []
    jobs.failed.connect(unhandled.append)

    def work(_progress: Progress) -> None:
        raise ImageError("it is damaged", path=tmp_path)

    job = jobs.run("Read", work, lane="a", success=lambda _: None, failure=failures.append)
    settle(qtbot, jobs)
    assert [str(one) for one in failures] == [f"{tmp_path}: it is damaged"]
    assert job.error is failures[0]
    assert job.error.__traceback__ is None  # it would keep what the work held
    assert "def work" not in job.details
    assert "raise ImageError" in job.details
    assert not unhandled


def test_a_failure_that_nobody_takes_is_told(qtbot: QtBot, jobs: Jobs) -> None:
    unhandled: list[Job] = []
    jobs.failed.connect(unhandled.append)
    job = jobs.run("Divide", lambda _progress: 1 // 0, lane="a", success=lambda _: None, quiet=True)
    settle(qtbot, jobs)
    assert unhandled == [job]
    assert isinstance(job.error, ZeroDivisionError)


def test_cancelled_from_inside_is_no_failure(qtbot: QtBot, jobs: Jobs) -> None:
    unhandled: list[Job] = []
    jobs.failed.connect(unhandled.append)

    def work(_progress: Progress) -> None:
        raise Cancelled

    job = jobs.run("Stop", work, lane="a", success=lambda _: None)
    settle(qtbot, jobs)
    assert job.state is JobState.CANCELLED
    assert not unhandled


def test_quiet_jobs_stay_out_of_the_list_and_old_ones_go(qtbot: QtBot, jobs: Jobs) -> None:
    jobs.run("Quiet", lambda _progress: None, lane="a", success=lambda _: None, quiet=True)
    settle(qtbot, jobs)
    assert not jobs.jobs
    for number in range(KEPT + 5):
        jobs.run(f"Job {number}", lambda _progress: None, lane="a", success=lambda _: None)
        settle(qtbot, jobs)
    assert len(jobs.jobs) == KEPT
    assert jobs.jobs[-1].name == f"Job {KEPT + 4}"
    jobs.forget_finished()
    assert not jobs.jobs


def test_a_released_lane_ends_before_what_follows(qtbot: QtBot, jobs: Jobs, tmp_path: Path) -> None:
    order: list[str] = []
    main, side = Gate(), Gate()
    jobs.run("Main", main, lane=lane_of(tmp_path), success=order.append)
    jobs.run("Side", side, lane=lane_of(tmp_path, "memory"), success=order.append)
    assert main.began.wait(10)
    assert side.began.wait(10)
    jobs.release(lane_of(tmp_path), lambda: order.append("closed"))
    jobs.run("Again", lambda _progress: "again", lane=lane_of(tmp_path), success=order.append)
    qtbot.waitUntil(lambda: set(order) == {"closed", "again"})
    assert [thread.name for thread in threading.enumerate() if "//memory" in thread.name] == []


def test_releasing_an_idle_lane_calls_at_once(jobs: Jobs, tmp_path: Path) -> None:
    order: list[str] = []
    jobs.release(lane_of(tmp_path), lambda: order.append("closed"))
    assert order == ["closed"]


def test_a_lane_does_not_take_its_neighbours_with_it(qtbot: QtBot, jobs: Jobs, tmp_path: Path) -> None:
    gate, done = Gate(), []
    jobs.run("Other", gate, lane=lane_of(tmp_path / "ab"), success=done.append)
    jobs.release(lane_of(tmp_path / "a"))
    gate.open.set()
    settle(qtbot, jobs)
    assert done == ["through"]


def test_shutdown_joins_everything(jobs: Jobs) -> None:
    called: list[object] = []
    gate = Gate()
    running = jobs.run("Runs", gate, lane="a", success=called.append)
    waiting = jobs.run("Waits", lambda _progress: None, lane="a", success=called.append)
    assert gate.began.wait(10)
    jobs.release("a", lambda: called.append("closed"))
    jobs.shutdown()
    assert called == ["closed"]  # files are closed even then
    assert running.state is waiting.state is JobState.CANCELLED
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("vmsnap")]
    late = jobs.run("Late", lambda _progress: None, lane="a", success=called.append)
    assert late.state is JobState.CANCELLED


def test_elapsed_stands_still_afterwards(qtbot: QtBot, jobs: Jobs) -> None:
    job = jobs.run("Work", lambda _progress: None, lane="a", success=lambda _: None)
    assert job.elapsed == 0
    settle(qtbot, jobs)
    assert job.elapsed > 0
    assert job.elapsed == job.elapsed


def test_modules_are_imported_in_a_worker(qtbot: QtBot, jobs: Jobs) -> None:
    modules: list[object] = []
    jobs.import_module("colorsys", modules.append)
    settle(qtbot, jobs)
    assert [getattr(module, "__name__", None) for module in modules] == ["colorsys"]


def test_jobs_come_back_in_the_applications_loop(
    run_async: Callable[[Coroutine[object, object, None]], None], jobs: Jobs
) -> None:
    results: list[str] = []

    async def drive() -> None:
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        jobs.run("Work", lambda _progress: "done", lane="a", success=ended.set_result)
        results.append(await ended)

    run_async(drive())
    assert results == ["done"]
