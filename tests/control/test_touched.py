"""Images in quarantine that something else writes to: nothing can prove then that their snapshots are unchanged."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.control.doing import carry_out, contents, hindrances, layered, plan_repair, plan_take, succeed, wait_for
from tests.control.test_executing import damage, dying, interrupt
from tests.control.test_locks import exported
from tests.image.tools import MIB, run, write
from vmsnap_gui.control.fingerprint import fingerprints
from vmsnap_gui.control.journal import operations
from vmsnap_gui.control.quarantine import UNPROVED, judge
from vmsnap_gui.control.reviewing import review
from vmsnap_gui.control.terms import Choice, Ending, Hindrance

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An image that is damaged, and was seen so: a killed qemu-img left a wrong COPIED flag."""
    path = layered(tmp_path / "image", "one", "two", size=32 * MIB)
    write(path, "write -q -P 77 8M 16M")
    interrupt(path)
    damage(path)
    assert why(path) == "qemu-img check finds 1 error"
    return path


def why(path: Path) -> str | None:
    held = wait_for(judge(path))
    return held.why if held is not None else None


def require_nothing_held() -> None:
    """See that the journal is empty once a person has heard of what was interrupted."""
    for one in wait_for(review()):
        one.settle()
    assert operations() == ()


def test_a_write_into_a_snapshot_that_no_mapping_tells(image: Path) -> None:
    before, prints = contents(image), fingerprints(image)
    write(image, "write -q -P 99 0 64k")
    now = contents(image)
    assert now["3"] != before["3"], "QEMU does not follow a wrong COPIED flag any more"
    assert fingerprints(image).snapshots == prints.snapshots  # so that nothing but the stamp tells
    plan = plan_repair(image)
    assert plan.warnings == (
        "image: in quarantine, since take 'three' did not come to its end: qemu-img check finds 1 error.",
    )
    outcome = carry_out(plan)
    assert outcome.ending is Ending.STUCK  # it did repair the image
    assert outcome.error == f"{image}: {UNPROVED}"
    run("qemu-img", "check", "-q", image)
    assert why(image) == UNPROVED
    assert hindrances(plan_take(image, tag="x")) == [Hindrance.QUARANTINED]
    (blocker,) = plan_repair(image).blockers
    assert (blocker.text, blocker.choice) == (f"It is whole again, but {UNPROVED}.", Choice.ACCEPT)
    plan = plan_repair(image, choices={Choice.ACCEPT})
    assert plan.losses == ("image: the proof that nothing was changed.",)
    succeed(plan)
    require_nothing_held()
    succeed(plan_take(image, tag="x"))


def test_a_repair_by_other_hands_is_no_proof(image: Path) -> None:
    run("qemu-img", "check", "-q", "-r", "all", image)
    for _ in range(2):
        assert why(image) == UNPROVED
    assert hindrances(plan_repair(image)) == [Hindrance.QUARANTINED]


def test_a_repair_of_ours_that_is_killed_is_explained(
    image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(image)
    killed = dying(tmp_path / "bin", monkeypatch, "qemu-img", with_="-r all")
    outcome = carry_out(plan_repair(image))
    assert killed.exists()
    assert (outcome.error or "").endswith("qemu-img failed: it was ended by SIGKILL")
    assert not outcome.disks[0].quarantined  # it had done its work, and nobody else was there
    assert contents(image) == before
    require_nothing_held()


def test_a_look_while_somebody_has_it_open_is_none(tmp_path: Path) -> None:
    path = layered(tmp_path / "image", "one")
    interrupt(path)
    with exported(path):
        assert "it is in use by qemu-nbd" in (why(path) or "")
        (operation,) = operations()
        assert [(one.stamp, one.touched) for one in operation.images] == [(None, False)]
    assert why(path) is None
