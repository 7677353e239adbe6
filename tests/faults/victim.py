"""Carries out one operation on files, as `vmsnap` does, in a process that may be killed: VERB PATH..."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vmsnap_gui.control import planning
from vmsnap_gui.control.executing import execute
from vmsnap_gui.control.survey import survey_files
from vmsnap_gui.control.terms import Choice, Options

if TYPE_CHECKING:
    from vmsnap_gui.control.plan import Plan

VERBS = {
    "take": "new",
    "take, replacing": "clean",
    "restore": "clean",
    "restore without safety": "clean",
    "delete": "clean",
}
"""What is done, and the tag that it is done to."""


async def _plan(verb: str, paths: list[Path]) -> Plan:
    machine, tag = survey_files(paths), VERBS[verb]
    if verb.startswith("take"):
        return await planning.plan_take(machine, tag, Options(choices=frozenset({Choice.REPLACE})))
    if verb.startswith("restore"):
        return await planning.plan_restore(machine, tag, Options(safety=verb == "restore"))
    return await planning.plan_delete(machine, [tag])


async def _main(verb: str, paths: list[Path]) -> None:
    plan = await _plan(verb, paths)
    if plan.blockers:
        print(json.dumps({"ending": "blocked", "error": plan.blockers[0].text}))
        return
    outcome = await execute(plan)
    print(json.dumps({"ending": outcome.ending.value, "error": outcome.error}))


if __name__ == "__main__":
    asyncio.run(_main(sys.argv[1], [Path(word) for word in sys.argv[2:]]))
