"""Planning an operation: looks at images and machines, never writes, and returns the plan with all that blocks it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.control import planning_files, planning_live
from vmsnap_gui.control.plan import Blocker, Plan
from vmsnap_gui.control.terms import Hindrance, Options, Reach, Verb

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmsnap_gui.control.machine import Machine


async def plan_take(machine: Machine, tag: str, options: Options | None = None) -> Plan:
    """Plan to take a snapshot.

    Args:
        machine: Of what.
        tag: What to call it.
        options: What a person chose; the safety snapshot means nothing here.

    Raises:
        ControlError: an image is gone, or the machine does not answer.
    """
    options = options or Options()
    if machine.reach is Reach.FILES:
        return await planning_files.plan_take(machine, tag, options)
    if machine.reach is Reach.QMP:
        return await planning_live.plan_take(machine, tag, options)
    return _out_of_reach(Verb.TAKE, machine, repr(tag), options)


async def plan_restore(machine: Machine, selector: str, options: Options | None = None) -> Plan:
    """Plan to go back to a snapshot.

    Args:
        machine: Of what.
        selector: `id:X`, `tag:X`, or a word that is unambiguous among both.
        options: What a person chose.

    Raises:
        ControlError: an image is gone, or the machine does not answer.
    """
    options = options or Options()
    if machine.reach is Reach.FILES:
        return await planning_files.plan_restore(machine, selector, options)
    if machine.reach is Reach.QMP:
        return await planning_live.plan_restore(machine, selector, options)
    return _out_of_reach(Verb.RESTORE, machine, repr(selector), options)


async def plan_delete(machine: Machine, selectors: Sequence[str], options: Options | None = None) -> Plan:
    """Plan to delete snapshots; see plan_restore."""
    options = options or Options()
    if machine.reach is Reach.FILES:
        return await planning_files.plan_delete(machine, selectors, options)
    if machine.reach is Reach.QMP:
        return await planning_live.plan_delete(machine, selectors, options)
    return _out_of_reach(Verb.DELETE, machine, ", ".join(map(repr, selectors)), options)


async def plan_repair(machine: Machine, options: Options | None = None) -> Plan:
    """Plan to repair the images that are damaged or in quarantine: no steps and no blockers where nothing is wrong.

    Raises:
        ControlError: an image is gone, or cannot be checked.
    """
    if machine.reach is Reach.FILES:
        return await planning_files.plan_repair(machine, options or Options())
    blocker = Blocker(
        kind=Hindrance.IN_USE,
        text=f"{machine.name} is running, and writes to its images: nobody else may check or repair them.",
        remedy="Shut it down, then check and repair them.",
    )
    return Plan(
        verb=Verb.REPAIR, machine=machine, subject=machine.name, blockers=(blocker,), options=options or Options()
    )


def _out_of_reach(verb: Verb, machine: Machine, subject: str, options: Options) -> Plan:
    """Return the plan of what cannot be done, since the machine runs and nobody can talk to it."""
    blocker = Blocker(
        kind=Hindrance.MONITOR,
        text=f"{machine.name} is running, and cannot be talked to ({machine.reach.value}).",
        remedy="Shut it down first, or give it a QMP socket that is free.",
    )
    return Plan(verb=verb, machine=machine, subject=subject, blockers=(blocker,), options=options)
