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
    held = {disk.path: _held(disk.path) for disk in machine.disks if disk.path is not None and disk.fit}
    await tell_interrupted(machine, forget=False)
    documents = []
    for disk in machine.disks:
        if disk.path in held:
            documents.append(await _look_at(disk.path, held[disk.path]))
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


def _held(path: Path) -> str | None:
    """Say what an image is in quarantine for, and what that left on it, as long as it is; None if it is free."""
    from vmsnap_gui.control.errors import ControlError
    from vmsnap_gui.control.quarantine import left_behind, quarantine_of

    held = quarantine_of(path)
    if held is None:
        return None
    left: tuple[str, ...] = ()
    with contextlib.suppress(ControlError):  # the check says so
        left = left_behind(path)
    return held.what + (f", which left {', '.join(left)} on it" if left else "")


async def _look_at(path: Path, was_held: str | None) -> dict[str, Any]:
    """Return what is found on one image: numbers of errors and leaked clusters, and why it is in quarantine.

    Args:
        path: The image.
        was_held: What it was in quarantine for before it was looked at; None if it was not.
    """
    from vmsnap_gui.control import qemu_img
    from vmsnap_gui.control.errors import ControlError
    from vmsnap_gui.control.locks import use_of
    from vmsnap_gui.control.quarantine import judge
    from vmsnap_gui.image.errors import ImageError

    found: dict[str, Any] = {"path": str(path), "clean": False, "errors": None, "leaks": None, "problem": None}
    held = await judge(path)
    found["quarantine"] = f"{held.what}: {held.why}" if held is not None else None
    found["released"] = was_held if held is None else None
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
    if found["released"] is not None:
        text += f"; whole again, and released from the quarantine for {found['released']}"
    return text if found["quarantine"] is None else f"{text}; in quarantine: {found['quarantine']}"
