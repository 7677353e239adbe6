"""The Qt model of devices and fields, over real states."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import QModelIndex, Qt

from tests.models.states import NO_DESCRIPTION, PPC, Q35, chain_of, loaded, many_sections
from vmsnap_gui.guest.filter import compile_filter
from vmsnap_gui.models import numbers
from vmsnap_gui.models.field_filter import apply_filter
from vmsnap_gui.models.field_nodes import ROWS, DeviceTree
from vmsnap_gui.models.field_texts import FieldTexts
from vmsnap_gui.models.fields import MUTED_ROLE, PROBLEM_ROLE, Column, FieldTreeModel
from vmsnap_gui.models.words import plain_tip
from vmsnap_gui.vmstate.fields import Field, Kind

if TYPE_CHECKING:
    from pathlib import Path

    from pytestqt.modeltest import ModelTester

pytestmark = pytest.mark.gui


@pytest.fixture
def model(qapp: object) -> FieldTreeModel:
    return FieldTreeModel()


def _show(model: FieldTreeModel, name: str, filter_text: str = "") -> DeviceTree:
    tree = DeviceTree(loaded(name))
    kept = apply_filter(tree, compile_filter(filter_text), lambda *_: None).kept if filter_text else None
    model.show(tree, kept)
    return tree


def _field(model: FieldTreeModel, key: str, path: str) -> QModelIndex:
    return model.index_of(chain_of(model.tree, key, path))


def _texts(model: FieldTreeModel, index: QModelIndex) -> list[str]:
    return [str(index.siblingAtColumn(column).data()) for column in Column]


@pytest.mark.parametrize("filter_text", ["", "cpu", "eip or eflags", "nosuchfieldanywhere"])
def test_it_is_a_proper_model(model: FieldTreeModel, qtmodeltester: ModelTester, filter_text: str) -> None:
    _show(model, "riscv64-virt@10.0/disk0.qcow2", filter_text)
    qtmodeltester.check(model, force_py=True)


def test_a_row_tells_all_about_its_field(model: FieldTreeModel) -> None:
    tree = _show(model, Q35)
    index = _field(model, "cpu", "env.eip")
    assert _texts(model, index)[:4] == ["env.eip", "RIP", "31834 (0x7c5a)", "uint64"]
    field = model.field(index)
    assert field is not None
    assert _texts(model, index)[4:] == [f"{field.offset:#x}", "8"]
    assert model.bytes_of(index) == range(field.offset, field.offset + 8)
    assert index.data(Qt.ItemDataRole.AccessibleTextRole) == "env.eip, RIP, 31834 (0x7c5a), uint64"
    assert model.chain(index) == tree.find(tree.root_of_key("cpu") or 0, "env.eip")
    assert _texts(model, index.parent())[:4] == ["cpu", "", "version 12", "cpu"]
    assert not index.data(MUTED_ROLE)
    assert index.data(PROBLEM_ROLE) is None


def test_savevms_own_bytes_are_muted(model: FieldTreeModel) -> None:
    _show(model, Q35)
    assert _field(model, "cpu", "(header)").data(MUTED_ROLE) is True


def test_what_nothing_describes_is_muted_and_marked_with_words(model: FieldTreeModel) -> None:
    _show(model, NO_DESCRIPTION)
    raw = _field(model, "cpu", "(raw)")
    assert raw.data(MUTED_ROLE) is True
    section = raw.parent()
    assert "nothing describes this section" in str(section.data(PROBLEM_ROLE))
    assert "nothing describes this section" in _texts(model, section)[Column.LABEL]


def test_a_huge_array_is_shown_in_groups(model: FieldTreeModel) -> None:
    tree = _show(model, PPC)
    root = next(
        place for place, one in enumerate(tree.roots) if any(len(c.children) == 262_144 for c in one.field.children)
    )
    chain = tree.find(root, "mig_table[200000]")
    assert chain is not None
    index = model.index_of(chain)
    assert str(index.data()) == "[200000]"
    group = index.parent()
    assert model.is_group(group)
    assert _texts(model, group)[0] == "[200000] … [200999]"
    assert model.field(group) is None
    assert len(model.bytes_of(group)) == 8000
    array = group.parent()
    assert str(array.data()) == "mig_table"
    assert model.rowCount(array) == 263
    assert all(model.rowCount(model.index(row, 0, array)) <= ROWS for row in range(263))


def test_very_many_sections_are_shown_in_groups(model: FieldTreeModel, tmp_path: Path) -> None:
    tree = DeviceTree(many_sections(tmp_path / "many.vmstate", 2500))
    model.show(tree)
    assert [_texts(model, model.index(row, 0))[0] for row in range(model.rowCount())] == [
        "part … part:999", "part:1000 … part:1999", "part:2000 … part:2499",
    ]  # fmt: skip
    second = model.index(1, 0)
    assert model.is_group(second)
    assert _texts(model, second)[Column.VALUE] == f"{numbers.count(1000)} sections"
    span = model.bytes_of(second)
    assert (span.start, span.stop) == (tree.roots[1000].field.offset, tree.roots[2000].field.offset)
    assert str(model.index(7, 0, second).data()) == "part:1007"
    assert model.index_of((1007,)) == model.index(7, 0, second)


def test_a_filter_hides_rows_and_leads_to_the_nearest_one_that_stayed(model: FieldTreeModel) -> None:
    tree = _show(model, Q35, "eip")
    assert [str(model.index(row, 0).data()) for row in range(model.rowCount())] == ["cpu", "cpu:1"]
    shown = _field(model, "cpu", "env.eip")
    assert str(shown.data()) == "env.eip"
    hidden = tree.find(tree.root_of_key("cpu") or 0, "env.eflags")
    assert hidden is not None
    assert str(model.index_of(hidden).data()) == "cpu"
    assert not model.index_of((tree.root_of_key("timer") or 0,)).isValid()


def test_texts_of_a_file_never_become_markup(qapp: object) -> None:
    assert plain_tip(["<img src='x'>", "a\nb"], fixed=True) == "<pre>&lt;img src='x'&gt;\na\\nb</pre>"
    tree = DeviceTree(loaded(Q35))
    field = Field("<b>x</b>\n" + "y" * 1000, "uint8", Kind.INTEGER, 0, 1, 7)
    texts = FieldTexts.of(tree, (0,), field)
    assert texts.columns[0].startswith("<b>x</b>\\n")
    assert len(texts.columns[0]) <= 201


def test_showing_another_tree_forgets_the_old_rows(model: FieldTreeModel) -> None:
    _show(model, Q35)
    before = model.rowCount()
    _show(model, NO_DESCRIPTION)
    assert model.rowCount() != before
    model.show(None)
    assert model.rowCount() == 0
    assert not model.index(0, 0).isValid()
