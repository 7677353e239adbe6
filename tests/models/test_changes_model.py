"""The rows of a comparison and their Qt model, over the demo's snapshots."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QModelIndex

from tests.models.compared import chosen, compared, demo_side
from vmsnap_gui.compare.fields import FieldComparison
from vmsnap_gui.compare.outcomes import FieldOutcome, SectionOutcome, three_way_fields
from vmsnap_gui.compare.status import FieldChange, SectionChange
from vmsnap_gui.compare.terms import Outcome, Status
from vmsnap_gui.comparing import Compared, Counts
from vmsnap_gui.guest.filter import compile_filter
from vmsnap_gui.guest.filter_conditions import OUTCOMES
from vmsnap_gui.image.errors import Cancelled
from vmsnap_gui.models.change_rows import Shown, choose_rows, let_go
from vmsnap_gui.models.change_texts import ChangeTexts
from vmsnap_gui.models.changes import STATUS_ROLE, ChangesModel, Column
from vmsnap_gui.models.compare_summary import summary
from vmsnap_gui.models.field_nodes import ROWS, find_shown
from vmsnap_gui.vmstate.fields import Field, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pytestqt.modeltest import ModelTester

pytestmark = pytest.mark.gui


@pytest.fixture(scope="module")
def found() -> Iterator[Compared]:
    made = compared("booted", "finished")
    yield made
    made.sides.close()


@pytest.fixture
def model(qapp: object) -> ChangesModel:
    return ChangesModel()


def _texts(model: ChangesModel, key: str, path: str) -> list[str]:
    assert model.rows is not None
    section = next(n for n, one in enumerate(model.rows.sections) if one.change.key == key)
    place = [row.path for row in model.rows.sections[section].rows].index(path)
    index = model.index_of(section, place)
    return [str(index.siblingAtColumn(column).data()) for column in Column]


def many(found: Compared, rows: int) -> Compared:
    """Return a comparison with so many changed fields in one section."""
    assert found.fields is not None
    fields = tuple(
        FieldChange(
            f"regs[{n}]",
            Status.CHANGED,
            Field(f"[{n}]", "uint32", Kind.INTEGER, 4 * n, 4, n),
            Field(f"[{n}]", "uint32", Kind.INTEGER, 4 * n, 4, n + 1),
        )
        for n in range(rows)
    )
    section = SectionChange("huge", 0, None, None, Status.CHANGED, fields)
    fields_of_it = FieldComparison(found.fields.a, found.fields.b, (section,))
    return Compared(found.sides, fields_of_it, ({},), counts=Counts.of(fields_of_it))


@pytest.mark.parametrize(
    ("shown", "text"),
    [(Shown.CHANGED, ""), (Shown.FILTERED, ""), (Shown.ALL, "cpu and not xmm"), (Shown.ALL, "nosuchfieldanywhere")],
)
def test_it_is_a_proper_model(
    model: ChangesModel, qtmodeltester: ModelTester, found: Compared, shown: Shown, text: str
) -> None:
    model.show(chosen(found, shown, text))
    qtmodeltester.check(model, force_py=True)


def test_a_row_tells_both_values_and_how_they_differ(model: ChangesModel, found: Compared) -> None:
    model.show(chosen(found))
    assert _texts(model, "cpu", "env.eflags") == [
        "env.eflags",
        "RFLAGS · PF IF",
        "",
        "514 (0x202)",
        "518 (0x206)",
        "+PF",
        "≠ changed",
    ]
    assert _texts(model, "cpu", "env.regs[0]")[Column.DIFFERENCE] == "+4 · bit 2"


def test_only_what_changed_is_shown_unless_more_is_wanted(found: Compared) -> None:
    assert found.fields is not None
    rows = chosen(found)
    assert rows.fields == found.fields.fields_changed
    assert len(rows.sections) == found.fields.devices_changed
    more = chosen(found, Shown.FILTERED)
    assert more.fields == rows.fields + found.fields.fields_filtered
    ruled = [row for section in more.sections for row in section.rows if row.rule is not None]
    assert ruled
    section = next(one for one in more.sections if ruled[0] in one.rows)
    texts = ChangeTexts.of(section, ruled[0])
    assert ruled[0].rule is not None
    assert texts.columns[Column.STATUS] == f"≈ same when filtered: {ruled[0].rule.name}"
    assert ruled[0].rule.reason in texts.lines
    everything = chosen(found, Shown.ALL)
    same = sum(section.same for section in found.fields.sections)
    assert everything.fields == more.fields + same
    offsets = [row.field.offset for row in everything.sections[3].rows]
    assert offsets == sorted(offsets)


def test_without_noise_rules_all_differences_count() -> None:
    made = compared("booted", "finished", noise=False)
    try:
        assert made.fields is not None
        assert made.fields.fields_filtered == 0
        assert any(row.path.startswith("cpu_") for one in chosen(made).sections for row in one.rows)
    finally:
        made.sides.close()


def test_the_filter_looks_at_both_values_and_knows_what_changed(found: Compared) -> None:
    assert [row.path for one in chosen(found, text="rax == 66").sections for row in one.rows] == ["env.regs[0]"]
    assert [row.path for one in chosen(found, text="rax == 70").sections for row in one.rows] == ["env.regs[0]"]
    everything = chosen(found, Shown.ALL, "changed")
    assert everything.fields == chosen(found).fields
    assert not any(row.status.differs for one in chosen(found, Shown.ALL, "not changed").sections for row in one.rows)


def test_steps_go_through_every_difference_and_back(model: ChangesModel, found: Compared) -> None:
    model.show(chosen(found, Shown.FILTERED))
    assert found.fields is not None
    seen, index = [], model.step(QModelIndex(), back=False)
    while index.isValid():
        seen.append(model.where(index))
        assert index.data(STATUS_ROLE).differs
        index = model.step(index, back=False)
    assert len(seen) == found.fields.fields_changed
    back, index = [], model.step(QModelIndex(), back=True)
    while index.isValid():
        back.append(model.where(index))
        index = model.step(index, back=True)
    assert back == seen[::-1]


def test_a_section_on_one_side_only_is_a_step_of_its_own(model: ChangesModel, found: Compared) -> None:
    assert found.fields is not None
    only = SectionChange("gone", 0, found.fields.sections[1].a, None, Status.REMOVED)
    made = Compared(found.sides, FieldComparison(found.fields.a, found.fields.b, (only,)), ({},))
    model.show(chosen(made))
    index = model.step(QModelIndex(), back=False)
    assert index.data() == "gone"
    assert index.siblingAtColumn(Column.STATUS).data() == "− only in A"
    assert not model.step(index, back=False).isValid()
    assert not model.step(index, back=True).isValid()
    assert model.step(QModelIndex(), back=True) == index


def test_very_many_changes_come_in_groups(model: ChangesModel, qtmodeltester: ModelTester, found: Compared) -> None:
    model.show(chosen(many(found, 100_000)))
    top = model.index(0, 0)
    assert model.rowCount(top) == 100_000 // ROWS
    group = model.index(3, 0, top)
    assert group.data() == "regs[3000] … regs[3999]"
    last = model.index_of(0, 99_999)
    assert last.siblingAtColumn(Column.A).data().startswith("99999")
    assert last.parent().row() == 99
    assert model.where(model.step(model.index_of(0, 4_999), back=False)) == (0, 5_000)
    assert model.where(model.step(group, back=False)) == (0, 3_000)
    assert not model.step(last, back=False).isValid()


def test_rows_that_are_let_go_leave_the_comparison_as_it_was(found: Compared) -> None:
    for shown in Shown:
        before = [len(section.rows) for section in chosen(found, shown).sections]
        rows = chosen(found, shown)
        let_go(rows)
        assert not any(section.rows for section in rows.sections)
        assert [len(section.rows) for section in chosen(found, shown).sections] == before


def test_choosing_can_be_cancelled(found: Compared) -> None:
    stop = threading.Event()

    def progress(done: int, _total: int) -> None:
        if done:
            stop.set()
            raise Cancelled

    with pytest.raises(Cancelled):
        choose_rows(found, Shown.CHANGED, compile_filter("cpu"), progress)
    assert stop.is_set()


def test_the_summary_tells_what_differs_first(qapp: object, found: Compared) -> None:
    assert found.fields is not None
    told = summary(found, None)
    assert told.loud == f"{found.fields.devices_changed} devices, {found.fields.fields_changed} fields differ"
    assert f"{found.fields.fields_filtered} fields when filtered" in told.quiet


def test_nothing_differs_between_a_snapshot_and_itself(qapp: object) -> None:
    made = compared("booted", "booted")
    try:
        assert chosen(made).sections == ()
        assert summary(made, None).loud == "No difference"
        assert demo_side("booted") == made.sides.a
    finally:
        made.sides.close()


# With a base


@pytest.fixture(scope="module")
def since() -> Iterator[Compared]:
    made = compared("half-way", "finished", "booted")
    yield made
    made.sides.close()


@pytest.mark.parametrize(
    ("shown", "text"), [(Shown.CHANGED, ""), (Shown.FILTERED, "changed == both_alike"), (Shown.ALL, "cpu and not xmm")]
)
def test_with_a_base_it_is_a_proper_model(
    model: ChangesModel, qtmodeltester: ModelTester, since: Compared, shown: Shown, text: str
) -> None:
    model.show(chosen(since, shown, text))
    assert model.has_base
    qtmodeltester.check(model, force_py=True)


def test_all_that_changed_since_the_base_is_told_and_counted(qapp: object, since: Compared) -> None:
    assert since.since is not None
    rows = chosen(since)
    outcomes = [row.outcome for one in rows.sections for row in one.rows if isinstance(row, FieldOutcome)]
    assert tuple(outcomes.count(outcome) for outcome in Outcome) == since.since.counts
    assert len(outcomes) == rows.fields > 0
    assert set(outcomes) == {Outcome.IN_A, Outcome.ALIKE, Outcome.DIFFERENTLY}
    for one in rows.sections:
        places = [row.place for row in one.rows if isinstance(row, FieldOutcome)]
        assert places == sorted(places)
    told = summary(since, None).since
    assert told.startswith(f"Fields: ← {since.since.counts[Outcome.IN_A]}, →")


def test_every_row_has_its_values_of_all_three(since: Compared) -> None:
    assert since.since is not None
    states = since.since.base, since.fields.a, since.fields.b if since.fields is not None else None
    for section in chosen(since, Shown.ALL, "device == cpu").sections:
        roots = [state.decode(one) for state, one in zip(states, section.change.sections, strict=True)]
        for row in section.rows[::7]:
            for root, field in zip(roots, (row.base, row.a, row.b), strict=True):
                there = find_shown(root, row.path)
                assert (there and there.value) == (field and field.value), row.path


def test_the_words_of_the_filter_are_those_of_the_outcomes(since: Compared) -> None:
    assert tuple(outcome.word for outcome in Outcome if outcome) == OUTCOMES
    assert since.since is not None
    for outcome in Outcome:
        if outcome:
            found = chosen(since, text=f"changed == {outcome.word}")
            assert {row.outcome for one in found.sections for row in one.rows} <= {outcome}
            assert found.fields == since.since.counts[outcome]


def test_what_is_not_wanted_is_left_out(since: Compared) -> None:
    rows = choose_rows(since, Shown.FILTERED, compile_filter(""), lambda *_: None, {Outcome.IN_A})
    assert {row.outcome for one in rows.sections for row in one.rows} == {Outcome.IN_A}
    assert choose_rows(since, Shown.CHANGED, compile_filter(""), lambda *_: None, ()).sections == ()


def test_a_section_that_only_the_base_has_is_told(model: ChangesModel, since: Compared) -> None:
    assert since.since is not None
    cpu = next(one for one in since.since.sections if one.key == "cpu")
    assert cpu.base_a is not None
    gone = SectionChange("gone", 0, cpu.base_a.a, None, Status.REMOVED)
    (whole,) = three_way_fields(*(replace(since.fields, sections=part) for part in ((gone,), (gone,), ())))
    assert (whole.whole, whole.status) == (Outcome.ALIKE, Status.CHANGED)
    made = replace(since, since=replace(since.since, sections=(whole,), labels=({},)))
    model.show(chosen(made))
    index = model.index(0, 0)
    texts = [index.siblingAtColumn(column).data() for column in (Column.BASE, Column.A, Column.B, Column.STATUS)]
    assert texts == ["version 12", "–", "–", "≡ in both alike"]
    assert model.step(QModelIndex(), back=False) == index
    assert choose_rows(made, Shown.ALL, compile_filter(""), lambda *_: None, {Outcome.IN_A}).sections == ()
    assert len(chosen(made, text="changed == both_alike").sections) == 1


def test_very_many_outcomes_come_in_groups(model: ChangesModel, qtmodeltester: ModelTester, since: Compared) -> None:
    assert since.since is not None

    def field(number: int, value: int) -> Field:
        return Field(f"[{number}]", "uint32", Kind.INTEGER, 4 * number, 4, value)

    fields = tuple(
        FieldOutcome(f"r[{n}]", Outcome(1 + n % 4), field(n, n), field(n, n + 1), field(n, n + 2), place=4 * n)
        for n in range(100_000)
    )
    great = SectionOutcome("great", 0, fields)
    made = replace(since, since=replace(since.since, sections=(great,), labels=({},)))
    model.show(chosen(made))
    assert model.index(0, 0).siblingAtColumn(Column.STATUS).data().startswith("← 25")
    last = model.index_of(0, 99_999)
    assert last.siblingAtColumn(Column.BASE).data().startswith("99999")
    assert last.siblingAtColumn(Column.STATUS).data() == "≠ in both differently"
    assert model.rowCount(model.index(0, 0)) == 100_000 // ROWS
