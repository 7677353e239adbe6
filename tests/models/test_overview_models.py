"""Sizes, parts, facts and problems of real states, as the Overview shows them."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest

from tests.models.states import NO_DESCRIPTION, Q35, loaded
from tests.samples import sample
from vmsnap_gui.image.errors import Problem
from vmsnap_gui.models import facts
from vmsnap_gui.models.problems import SHOWN, ProblemsModel, how_many
from vmsnap_gui.models.sizes import BAR, MOST, NAME, SHARE_ROLE, SIZE, SizesModel
from vmsnap_gui.reading import StateProblem, look_at
from vmsnap_gui.vmstate.sections import SectionType

if TYPE_CHECKING:
    from pytestqt.modeltest import ModelTester

pytestmark = pytest.mark.gui


def test_devices_by_size(qtmodeltester: ModelTester) -> None:
    model = SizesModel()
    state = loaded(Q35)
    model.show(state)
    qtmodeltester.check(model, force_py=True)
    assert model.rowCount() == state.devices
    shares = [model.index(row, BAR).data(SHARE_ROLE) for row in range(model.rowCount())]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == 1
    assert shares[-1] > 0
    for row in range(model.rowCount()):
        section = model.section(model.index(row, NAME))
        assert section is not None
        assert model.index(row, NAME).data() == state.vmstate.sections[section].key
    assert model.index(0, SIZE).data()
    model.show(None)
    assert model.rowCount() == 0


def test_of_very_many_devices_the_largest_and_how_many_more(qtmodeltester: ModelTester) -> None:
    model = SizesModel()
    state = loaded(Q35)
    full = [one for one in state.vmstate.sections if one.type is SectionType.FULL]
    many = tuple(replace(full[number % len(full)], size=number + 1) for number in range(MOST + 300))
    model.show(replace(state, vmstate=SimpleNamespace(sections=many)))
    qtmodeltester.check(model, force_py=True)
    assert model.rowCount() == MOST + 1
    assert [model.section(model.index(row, NAME)) for row in (0, MOST - 1, MOST)] == [MOST + 299, 300, None]
    assert [model.index(MOST, column).data() for column in (NAME, SIZE)] == ["and 300 more", "44.1 KiB"]


@pytest.mark.parametrize("name", [Q35, NO_DESCRIPTION])
def test_the_parts_are_the_whole(name: str) -> None:
    state = loaded(name).vmstate
    parts = facts.state_parts(state)
    assert sum(part.size for part in parts) == state.end
    assert [part.name for part in parts][:2] == ["Memory", "Devices"]


def test_facts_of_a_state() -> None:
    told = {fact.label: fact.value for fact in facts.state_facts(loaded(Q35))}
    assert told["Machine type"].startswith("pc-q35-")
    assert told["Found by"] == "the description at its end"
    assert told["Page size"] == "4.0 KiB"
    old = {fact.label: fact.value for fact in facts.state_facts(loaded(NO_DESCRIPTION))}
    assert old["Found by"] == "reading it from the start"


def test_facts_of_an_image_and_a_snapshot() -> None:
    info = look_at(sample(Q35)).info
    assert info is not None
    told = {fact.label: fact.value for fact in facts.image_facts(info)}
    assert told["File"] == str(info.path)
    assert told["Format"] == "qcow2 version 3"
    about = {fact.label: fact.value for fact in facts.snapshot_facts(info.snapshots[1])}
    assert about["Tag"] == "snap1"
    assert about["ID"] == "2"


def test_problems_of_image_and_state(qtmodeltester: ModelTester) -> None:
    model = ProblemsModel()
    info = look_at(sample(Q35)).info
    assert info is not None
    state = loaded(NO_DESCRIPTION)
    damaged = replace(info, problems=(Problem("the table is\ndamaged", 64),))
    model.show(damaged, replace(state, torn=True))
    qtmodeltester.check(model, force_py=True)
    assert [model.index(0, column).data() for column in range(3)] == ["image", "0x40", "the table is\\ndamaged"]
    assert "changed while" in model.index(1, 2).data()
    assert model.rowCount() == 2 + len(state.problems)
    model.show(None, None)
    assert model.rowCount() == 0


def test_notices_are_counted_apart() -> None:
    """Of an old state it is told by which layouts it is shown; nothing is wrong with it."""
    state = loaded("seed-era/v0.14.1-x64-pcmin.qcow2")
    told = [one.problem.is_notice for one in state.problems]
    assert told
    assert how_many(None, state) == (told.count(False), told.count(True))
    assert how_many(None, state)[1] > 0


def test_too_many_problems_are_counted_not_listed() -> None:
    model = ProblemsModel()
    many = tuple(StateProblem(Problem(f"problem {n}", n), n) for n in range(SHOWN + 7))
    model.show(None, replace(loaded(Q35), problems=many))
    assert model.rowCount() == SHOWN + 1
    assert model.index(SHOWN, 2).data() == "7 more problems are not listed"
    assert how_many(None, replace(loaded(Q35), problems=many, torn=True)) == (SHOWN + 8, 0)
    line = model.line(model.index(3, 0))
    assert line is not None
    assert line.section == 3
