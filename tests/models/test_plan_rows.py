"""What a plan says in its dialog, from plans of real images."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt

from tests.image.tools import MIB, create, run, take, write
from vmsnap_gui.control.planning import plan_delete, plan_restore, plan_take
from vmsnap_gui.control.survey import survey_files
from vmsnap_gui.control.terms import Choice, Options
from vmsnap_gui.models.plan_rows import (
    MUTED_ROLE,
    Column,
    PlanModel,
    Tone,
    commands_of,
    job_name,
    notes_of,
    placed,
    reach_text,
    rows_of,
)
from vmsnap_gui.operating import Watch

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.modeltest import ModelTester

pytestmark = pytest.mark.gui


@pytest.fixture(autouse=True)
def _own_journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def disks(tmp_path: Path) -> list[Path]:
    """Two images with a snapshot of which the second lacks one, and a raw disk."""
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
    paths = [create(tmp_path / "one" / "web.qcow2", 4 * MIB), create(tmp_path / "two" / "web.qcow2", 4 * MIB)]
    for path in paths:
        write(path, "write -P 1 0 1M")
        take(path, "clean")
    take(paths[0], "alone")
    run("qemu-img", "create", "-q", "-f", "raw", tmp_path / "seed.iso", "1M")
    return [*paths, tmp_path / "seed.iso"]


def test_each_file_has_its_line(disks: list[Path], qtmodeltester: ModelTester) -> None:
    plan = asyncio.run(plan_take(survey_files(disks[:2], "web"), "new"))
    rows = rows_of(plan)
    assert [row.number for row in rows if "taken" in row.what] == ["3", "4"]
    assert {row.path for row in rows} == set(disks[:2])
    model = PlanModel("What happens")
    model.show(rows)
    qtmodeltester.check(model, force_py=True)
    names = {model.index(row, Column.FILE).data() for row in range(model.rowCount())}
    assert names == {str(path) for path in disks[:2]}  # alike names are told apart by their folders
    tip = model.index(2, Column.WHAT).data(Qt.ItemDataRole.ToolTipRole)
    assert "By hand: qemu-img snapshot -c new" in tip
    assert "If a later step fails" in tip
    assert commands_of(plan).count("snapshot -c new") == 2
    assert job_name(plan) == "Taking 'new' of web"
    assert reach_text(plan) == "Not running: QEMU's tools work on its files · 2 disks"


def test_what_is_in_the_way_comes_first(disks: list[Path]) -> None:
    plan = asyncio.run(plan_restore(survey_files(disks, "web"), "tag:alone"))
    notes = notes_of(plan)
    tones = [note.tone for note in notes]
    assert tones[0] is Tone.BLOCKER
    assert tones == sorted(tones, key=list(Tone).index)
    assert notes[0].text.startswith("web.qcow2: It has no snapshot with the tag 'alone'")
    assert notes[0].more.startswith("Leave this disk as it is")
    rows = rows_of(plan)
    assert all(row.muted for row in rows)
    assert any("raw" in row.what for row in rows)
    model = PlanModel("")
    model.show(rows)
    assert model.index(0, 0).data(MUTED_ROLE) is True


def test_what_is_lost_and_freed(disks: list[Path]) -> None:
    write(disks[0], "write -P 2 0 1M")
    plan = asyncio.run(plan_delete(survey_files(disks[:1]), ["tag:clean", "tag:alone"]))
    losses = [note.text for note in notes_of(plan) if note.tone is Tone.LOSS]
    assert losses[0].startswith("Lost: 'clean' (id 1)")
    cost = next(note.text for note in notes_of(plan) if note.tone is Tone.NOTE)
    assert cost.startswith("Frees 1.")
    choices = frozenset({Choice.REPLACE})
    plan = asyncio.run(plan_take(survey_files(disks[:1]), "clean", Options(choices=choices)))
    assert any(note.text.startswith("Lost: the old 'clean'") for note in notes_of(plan))


def test_words_in_their_places() -> None:
    assert placed("%2 of %1, 100 %", "%2", "%1") == "%1 of %2, 100 %"
    assert placed("%1", "a%") == "a%"
    assert placed("none") == "none"


def test_an_observer_adds_up_steps(disks: list[Path]) -> None:
    plan = asyncio.run(plan_take(survey_files(disks[:1]), "new"))
    watch, told = Watch(), []
    watch.follow(lambda done, total: told.append((done, total)))
    for number, step in enumerate(plan.steps, 1):
        watch.step(step, number, len(plan.steps))
        watch.written(10 * number, 100)
    assert told == [(10, 0), (30, 0), (60, 0)]  # of several steps nobody knows what they write together
    assert watch.text() == f"3/3: {plan.steps[-1].text}"
    watch = Watch()
    watch.follow(lambda done, total: told.append((done, total)))
    watch.step(plan.steps[1], 1, 1)
    watch.written(5, 50)
    assert (told[-1], watch.text()) == ((5, 50), plan.steps[1].text)
    assert json.dumps(plan.as_json())
