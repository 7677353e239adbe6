"""The Qt model of the noise rules."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from PySide6.QtCore import Qt

from vmsnap_gui.models.noise_rules import MUTED_ROLE, Column, NoiseRulesModel
from vmsnap_gui.reporting import noise_rules

if TYPE_CHECKING:
    from pytestqt.modeltest import ModelTester

pytestmark = pytest.mark.gui

_Check = Qt.ItemDataRole.CheckStateRole


def test_rules_with_reasons_can_be_ticked(qapp: object, qtmodeltester: ModelTester) -> None:
    rules = noise_rules()
    model = NoiseRulesModel(rules)
    qtmodeltester.check(model, force_py=True)
    assert model.rowCount() == len(rules.rules) > 3
    index = model.index(0, 0)
    assert model.index(0, Column.REASON).data() == rules.rules[0].reason
    assert Qt.CheckState(model.data(index, _Check)) is Qt.CheckState.Checked
    assert model.setData(index, Qt.CheckState.Unchecked, _Check)
    assert model.disabled == {rules.rules[0].name}
    assert model.index(0, 0).data() == f"{rules.rules[0].name} (off)"
    assert model.index(0, 1).data(MUTED_ROLE)
    assert model.setData(index, Qt.CheckState.Checked, _Check)
    assert not model.disabled
    assert not model.setData(model.index(0, 1), Qt.CheckState.Checked, _Check)
