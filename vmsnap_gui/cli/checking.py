"""vmsnap check: damage and quarantine of images, and their repair."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from vmsnap_gui.cli.acting import add_target, add_ways
from vmsnap_gui.cli.output import CommandError, complain, print_json
from vmsnap_gui.vmstate.fields import printable

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from vmsnap_gui.control.plan import Plan


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("check", help="look for damage, and repair it")
    add_target(parser)
    parser.add_argument("--repair", action="store_true", help="repair what is damaged, and end a quarantine")
    parser.add_argument("--accept", action="store_true", help="release an image in which not all reads as before")
    add_ways(parser)
    parser.set_defaults(run=_check)


def _check(options: argparse.Namespace) -> int:
    if options.repair:
        return _repair(options)
    if options.dry_run or options.yes or options.accept:
        options.parser.error("--dry-run, --yes and --accept go with --repair")
    return asyncio.run(_look(options))


def _repair(options: argparse.Namespace) -> int:
    from vmsnap_gui.cli.operating import carry_out, chosen, machine_at, require_answer
    from vmsnap_gui.control.planning import plan_repair

    require_answer(options)

    async def planned() -> Plan:
        return await plan_repair(await machine_at(options), chosen(options))

    plan = asyncio.run(planned())
    if plan.steps or plan.blockers:
        return carry_out(options, plan)
    if options.json:
        print_json(plan.as_json())
    else:
        print("Nothing is damaged, and nothing is in quarantine.")
    return 0


async def _look(options: argparse.Namespace) -> int:
    from vmsnap_gui.cli.operating import machine_at, tell_interrupted

    machine = await machine_at(options)
    await tell_interrupted(machine, forget=False)
    documents = []
    for disk in machine.disks:
        if disk.path is not None and disk.fit:
            documents.append(await _look_at(disk.path))
            if documents[-1]["problem"] is not None:
                complain(CommandError(_text(documents[-1])))
            elif not options.json:
                print(printable(_text(documents[-1])))
        elif not options.json:
            print(printable(f"{disk.path or disk.node or 'a disk'}: not checked: {disk.unfit}"))
    if options.json:
        print_json(documents)
    if not documents:
        complain(CommandError("no disk of this machine can be checked"))
    return int(not documents or not all(one["clean"] and one["quarantine"] is None for one in documents))


async def _look_at(path: Path) -> dict[str, Any]:
    """Return what is found on one image: numbers of errors and leaked clusters, and why it is in quarantine."""
    from vmsnap_gui.control import qemu_img
    from vmsnap_gui.control.errors import ControlError
    from vmsnap_gui.control.locks import use_of
    from vmsnap_gui.control.quarantine import judge
    from vmsnap_gui.image.errors import ImageError

    found: dict[str, Any] = {"path": str(path), "clean": False, "errors": None, "leaks": None, "problem": None}
    held = await judge(path)
    found["quarantine"] = f"{held.what}: {held.why}" if held is not None else None
    try:
        check = await qemu_img.check(path)
    except ControlError as error:
        use = None
        with contextlib.suppress(ImageError):  # nobody can tell
            use = use_of(path)  # where somebody has it open for writing, qemu-img only asks whether that is so
        return found | {"problem": use or error.message}
    return found | {"clean": check.clean, "errors": check.errors, "leaks": check.leaks}


def _text(found: dict[str, Any]) -> str:
    state = "clean" if found["clean"] else f"{found['errors']} errors, {found['leaks']} leaked clusters"
    if found["problem"] is not None:
        state = f"not checked: {found['problem']}"
    text = f"{found['path']}: {state}"
    return text if found["quarantine"] is None else f"{text}; in quarantine: {found['quarantine']}"
