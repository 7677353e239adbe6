"""Images that are the backing files of others: what lies on them must not have its ground pulled away."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.control.doing import hindrances, layered, plan_delete, plan_restore, plan_take, succeed, wait_for
from tests.image.tools import MIB, converted, create
from tests.machines import Machine
from vmsnap_gui.control import planning
from vmsnap_gui.control.planning_start import plan_start
from vmsnap_gui.control.profile import LaunchProfile
from vmsnap_gui.control.survey import survey_files
from vmsnap_gui.control.terms import Hindrance, Verb
from vmsnap_gui.operating import Whom, Wish, make_plan

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.control.plan import Plan


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return layered(tmp_path / "base.qcow2", "one")


@pytest.fixture
def overlay(base: Path) -> Path:
    return create(base.with_name("overlay.qcow2"), 4 * MIB, backing=(base.name, "qcow2"))


def plan_with(base: Path, *others: Path) -> Plan:
    """Plan to return the base to its snapshot, where other images are known."""
    machine = replace(survey_files([base]), others=others)
    plan: Plan = wait_for(planning.plan_restore(machine, "one"))
    return plan


def test_a_known_overlay_stops_a_restore_of_what_it_lies_on(base: Path, overlay: Path) -> None:
    (blocker,) = plan_with(base, base, overlay.with_name("gone"), overlay).blockers
    assert (blocker.kind, blocker.path) == (Hindrance.BACKING, base)
    assert blocker.text == f"It is the backing file of {overlay}, whose content would change with it."
    assert hindrances(plan_restore(base, overlay, which="one")) == [Hindrance.MISSING, Hindrance.BACKING]
    wish = Wish(verb=Verb.RESTORE, whom=Whom(paths=(base,)), words=("one",), others=(base, overlay))
    assert hindrances(make_plan(wish, lambda _done, _total: None)) == [Hindrance.BACKING]
    words = ("qemu-system-x86_64", "-drive", "file=base.qcow2,format=qcow2")
    profile = LaunchProfile(name="lab", arguments=words, directory=base.parent).confirm()
    started: Plan = wait_for(plan_start(profile, "one", others=(overlay,)))
    assert Hindrance.BACKING in hindrances(started)
    other = layered(base.with_name("other.qcow2"), "one")
    succeed(plan_with(other, overlay, base))
    succeed(plan_with(base, other))


def test_a_take_and_a_delete_leave_what_an_overlay_reads(base: Path, overlay: Path) -> None:
    before = converted(overlay)
    note = f"base.qcow2 is the backing file of {overlay}, which reads as before: the content stays."
    plan = plan_take(base, overlay, tag="two")
    assert plan.notes == (note,)
    succeed(plan)
    plan = plan_delete(base, overlay, which=["one"])
    assert plan.notes == (note,)
    succeed(plan)
    assert converted(overlay) == before


@pytest.mark.qemu
@pytest.mark.parametrize("more", ["", ",file.locking=off,backing.file.locking=off"])
def test_a_running_overlay_keeps_all_from_what_it_lies_on(base: Path, overlay: Path, more: str) -> None:
    drive = f"file={overlay},format=qcow2,if=virtio{more}"
    with Machine(["-M", "pc", "-m", "8", "-nodefaults", "-S", "-drive", drive], marks=False):
        for plan in (plan_take(base, tag="two"), plan_restore(base, which="one"), plan_delete(base, which=["one"])):
            assert hindrances(plan) == [Hindrance.IN_USE]
            assert "in use by qemu-system-x86 (process" in plan.blockers[0].text
