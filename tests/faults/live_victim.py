"""Carries out one operation on a running machine, as `vmsnap` does, in a process that may be killed: VERB ADDRESS."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import TYPE_CHECKING

from tests.faults.victim import VERBS
from vmsnap_gui.control import planning, qmp
from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.executing import execute
from vmsnap_gui.control.survey_live import survey_qmp
from vmsnap_gui.control.terms import Choice, Options

if TYPE_CHECKING:
    from vmsnap_gui.control.plan import Plan

qmp.PATIENCE = 2.0  # a run must not take half a minute to find out that nobody answers
qmp.BEAT = 0.2


async def _plan(verb: str, address: str) -> Plan:
    machine, tag = await survey_qmp(address), VERBS[verb]
    if verb.startswith("take"):
        return await planning.plan_take(machine, tag, Options(choices=frozenset({Choice.REPLACE})))
    if verb.startswith("restore"):
        return await planning.plan_restore(machine, tag, Options(safety=verb == "restore"))
    return await planning.plan_delete(machine, [tag])


async def _main(verb: str, address: str) -> None:
    try:
        plan = await _plan(verb, address)
    except ControlError as error:  # the fault came before anything was done
        print(json.dumps({"ending": "no plan", "error": str(error)}))
        return
    if plan.blockers:
        print(json.dumps({"ending": "blocked", "error": plan.blockers[0].text}))
        return
    outcome = await execute(plan)
    print(json.dumps({"ending": outcome.ending.value, "error": outcome.error}))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], sys.argv[2]))
