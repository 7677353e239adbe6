"""What vmsnap takes and restores is remembered, and believed only as long as nobody else did anything."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from tests.control.doing import carry_out, layered, plan_delete, plan_restore, plan_take, succeed
from tests.control.live_machines import live
from tests.control.test_executing import At, add_bitmap
from tests.image.ancestry_table import tag
from tests.image.tools import create, opened, run, take, write
from vmsnap_gui.control.lineage import records_of
from vmsnap_gui.control.terms import Choice, Ending, StepKind
from vmsnap_gui.image.ancestry import ancestry_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data"


def tree(path: Path) -> dict[str, tuple[str, str]]:
    """Return the parent of each snapshot and of the disk as it is now, and how it is known."""
    image = opened(path)
    found = ancestry_of(image, records_of(path, image.snapshots))
    image.close()
    return {tag(edge.child, "now"): (tag(edge.parent), edge.source.value) for edge in (*found.edges, found.here)}


def records(path: Path) -> tuple[dict[str, str], str]:
    """Return the recorded parents, and where the disk is."""
    image = opened(path)
    found = records_of(path, image.snapshots)
    image.close()
    return {tag(child): tag(parent) for child, parent in found.parents.items()}, tag(found.here)


@pytest.mark.slow
def test_a_line_with_a_branch_and_a_delete(tmp_path: Path) -> None:
    path = create(tmp_path / "i")
    for number, name in enumerate(("one", "two", "three"), 1):
        write(path, f"write -q -P {number} 0 1M")  # all of it each time: nothing is shared
        succeed(plan_take(path, tag=name))
    succeed(plan_restore(path, which="one", safety=False))
    write(path, "write -q -P 9 0 1M")
    succeed(plan_take(path, tag="four"))
    wanted = {"one": "-", "two": "one", "three": "two", "four": "one", "now": "four"}
    assert tree(path) == {child: (parent, "recorded") for child, parent in wanted.items()}
    succeed(plan_delete(path, which=["two"]))
    assert records(path) == ({"one": "-", "three": "one", "four": "one"}, "four")
    succeed(plan_delete(path, which=["four"]))
    assert records(path) == ({"one": "-", "three": "one"}, "one")
    succeed(plan_take(path, tag="three", choices={Choice.REPLACE}))  # 'four' is gone, so it goes back to 'one'
    assert records(path) == ({"one": "-", "three": "one"}, "three")


@pytest.mark.slow
def test_an_image_that_was_moved_and_another_that_came_in_its_place(tmp_path: Path) -> None:
    path, moved = create(tmp_path / "i"), tmp_path / "moved"
    for name in ("one", "two"):
        succeed(plan_take(path, tag=name))
    path.rename(moved)
    create(path)
    assert records(path) == ({}, "-")
    assert records(moved) == ({"one": "-", "two": "one"}, "two")
    succeed(plan_take(path, tag="of another"))
    succeed(plan_take(moved, tag="three"))
    assert records(path) == ({"of another": "-"}, "of another")
    assert records(moved) == ({"one": "-", "two": "one", "three": "two"}, "three")
    path.unlink()
    moved.rename(path)
    assert records(path) == ({"one": "-", "two": "one", "three": "two"}, "three")


@pytest.mark.slow
def test_a_copy_has_no_history_but_the_parents_where_it_takes_the_place_of_its_model(tmp_path: Path) -> None:
    path = create(tmp_path / "i")
    for name in ("one", "two"):
        succeed(plan_take(path, tag=name))
    copy = tmp_path / "copy"
    shutil.copyfile(path, copy)
    assert records(copy) == ({}, "-")
    copy.replace(path)
    assert records(path) == ({"one": "-", "two": "one"}, "-")


@pytest.mark.slow
def test_a_restore_with_its_safety_snapshot_and_undo(tmp_path: Path) -> None:
    path = create(tmp_path / "i")
    write(path, "write -q -P 1 0 1M")
    succeed(plan_take(path, tag="one"))
    write(path, "write -q -P 2 0 1M")
    succeed(plan_take(path, tag="two"))
    plan = plan_restore(path, which="one")
    succeed(plan)
    assert records(path) == ({"one": "-", "two": "one", plan.safety: "two"}, "one")
    succeed(plan_restore(path, which=f"tag:{plan.safety}", safety=False))
    assert records(path)[1] == plan.safety


@pytest.mark.slow
def test_what_others_do_ends_what_is_known(tmp_path: Path) -> None:
    path = layered(tmp_path / "i", "old")
    succeed(plan_take(path, tag="one"))
    assert records(path) == ({}, "one")  # what 'one' goes back to is not known
    take(path, "alien")
    assert records(path) == ({}, "-")
    succeed(plan_take(path, tag="two"))
    assert records(path) == ({}, "two")
    succeed(plan_take(path, tag="three"))
    assert records(path) == ({"three": "two"}, "three")
    run("qemu-img", "snapshot", "-a", "old", path)
    assert tree(path)["now"] == ("old", "inferred")


@pytest.mark.slow
def test_a_restore_that_is_taken_back_or_gets_stuck(tmp_path: Path) -> None:
    paths = [create(tmp_path / name) for name in ("first", "second")]
    for number, name in enumerate(("one", "two"), 1):
        for path in paths:
            write(path, f"write -q -P {number} 0 1M")
        succeed(plan_take(*paths, tag=name))
    second = paths[1]
    refusing = At(StepKind.RESTORE, second, lambda: add_bitmap(second))
    assert carry_out(plan_restore(*paths, which="one"), refusing).ending is Ending.ROLLED_BACK
    assert [records(path) for path in paths] == [({"one": "-", "two": "one"}, "two")] * 2
    run("qemu-img", "bitmap", "--remove", "-f", "qcow2", second, "late")
    assert carry_out(plan_restore(*paths, which="one", safety=False), refusing).ending is Ending.STUCK
    assert [records(path)[1] for path in paths] == ["one", "-"]


@pytest.mark.slow
def test_an_operation_goes_on_where_nothing_can_be_recorded(tmp_path: Path, data: Path) -> None:
    path = layered(tmp_path / "i", "one")
    data.write_text("a file in the place of the folder")
    outcome = succeed(plan_take(path, tag="two"))
    assert "the tree of snapshots will not show it" in outcome.details
    data.unlink()
    succeed(plan_restore(path, which="one", safety=False))
    files = list((data / "vmsnap" / "ancestry").iterdir())
    assert len(files) == 2
    for damage in (b"", b"[]", b'{"parents": 1}', os.urandom(20)):
        for file in files:
            file.write_bytes(damage)
        assert records(path) == ({}, "-")


@pytest.mark.qemu
def test_on_a_running_machine(tmp_path: Path) -> None:
    with live(tmp_path) as machine:
        path = machine.paths["disk0"]
        machine.done(machine.plan_take("one"))
        machine.change()
        machine.done(machine.plan_take("two"))
        machine.done(machine.plan_restore("one"))
        machine.change()
        machine.done(machine.plan_take("three"))
        assert records(path) == ({"one": "-", "two": "one", "three": "one"}, "three")
        assert {source for _, source in tree(path).values()} == {"recorded"}
