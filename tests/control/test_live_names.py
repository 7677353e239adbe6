"""Words that QEMU takes for another snapshot: the right one is restored or deleted, or none; shown by content."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.control.live_machines import live, live_again
from tests.image.tools import take
from vmsnap_gui.control.terms import Choice, Hindrance

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.qemu


def test_tags_that_are_ids_of_others(tmp_path: Path) -> None:
    with live(tmp_path, 2) as machine:
        nodes = list(machine.paths)
        first = machine.seen()
        machine.vm.snapshot_save("2", vmstate="disk0", devices=nodes)
        machine.change()
        second = machine.seen()
        machine.vm.snapshot_save("1", vmstate="disk0", devices=nodes)
        assert machine.snapshots()["disk1"] == [("1", "2"), ("2", "1")]
        for word in ("tag:1", "tag:2", "id:1", "id:2", "1"):
            blockers = machine.plan_restore(word).blockers
            assert {one.kind for one in blockers} == {Hindrance.AMBIGUOUS}, word
        text = "QEMU would take '2' for another snapshot (id '2' tag '1') on disk0.qcow2."
        assert machine.plan_restore("id:1").blockers[0].text == text
        assert {one.kind for one in machine.plan_take("3").blockers} == {Hindrance.TAG}
        machine.vm.snapshot_load("1", vmstate="disk0", devices=nodes)
        assert machine.seen() == first  # QEMU itself falls into the trap: that is the snapshot with the tag "2"

        before = {node: machine.everything(node) for node in nodes}
        machine.done(machine.plan_delete("id:1"))
        assert machine.snapshots() == {node: [("2", "1")] for node in nodes}
        for node in nodes:
            assert machine.everything(node)["2", "1"] == before[node]["2", "1"]
        machine.done(machine.plan_restore("tag:1"))
        assert machine.seen() == second


@pytest.mark.verify
def test_tags_that_are_there_twice_or_odd(tmp_path: Path) -> None:
    with live(tmp_path) as machine:
        first = machine.seen()
        for tag in ("", "-x", 'a b"c\\d'):
            machine.vm.snapshot_save(tag, vmstate="disk0", devices=["disk0"])
        machine.change()
        second = machine.seen()
        machine.vm.snapshot_save("later", vmstate="disk0", devices=["disk0"])
        for selector in ("tag:", "tag:-x", 'tag:a b"c\\d'):
            machine.done(machine.plan_restore("tag:later"))
            assert machine.seen() == second
            machine.done(machine.plan_restore(selector))
            assert machine.seen() == first, selector
        for tag in ("", "-x"):
            assert {one.kind for one in machine.plan_take(tag, Choice.REPLACE).blockers} == {Hindrance.TAG}
        before = machine.everything("disk0")
        machine.done(machine.plan_delete("tag:", "tag:-x"))
        del before["1", ""], before["2", "-x"]
        assert machine.everything("disk0") == before
        machine.vm.quit()
    take(machine.paths["disk0"], "later")
    with live_again(machine.paths["disk0"], tmp_path) as machine:
        assert machine.snapshots() == {"disk0": [("3", 'a b"c\\d'), ("4", "later"), ("5", "later")]}
        for word, kinds in {
            "id:4": {Hindrance.AMBIGUOUS},
            "id:5": {Hindrance.AMBIGUOUS, Hindrance.EMPTY_STATE},
            "tag:later": {Hindrance.AMBIGUOUS},
        }.items():
            assert {one.kind for one in machine.plan_restore(word).blockers} == kinds
        before = machine.everything("disk0")
        machine.done(machine.plan_delete("id:5"))
        del before["5", "later"]
        assert machine.everything("disk0") == before
        machine.done(machine.plan_restore("later"))
        assert machine.seen() == second
