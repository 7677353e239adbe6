"""The work of the commands that change something: plan, show, ask, carry out, tell. Imported only when one runs."""

from __future__ import annotations

import asyncio
import re
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from vmsnap_gui.cli.operation_line import OperationLine
from vmsnap_gui.cli.output import CommandError, complain, print_json
from vmsnap_gui.cli.plan_text import outcome_lines, plan_lines, refusal_lines
from vmsnap_gui.control.executing import execute
from vmsnap_gui.control.reviewing import review
from vmsnap_gui.control.terms import Choice, Ending, Options
from vmsnap_gui.image.errors import Cancelled

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Callable, Sequence

    from vmsnap_gui.control.machine import Machine
    from vmsnap_gui.control.plan import Blocker, Outcome, Plan

_ADDRESS = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9.-]+):[0-9]{1,5}")

INTERRUPTED = 130
"""The exit status of a command that Ctrl-C ended, as a shell has it."""


def operate(options: argparse.Namespace, planner: Callable[[Machine], Awaitable[Plan]]) -> int:
    """Plan what the options say for their target, show it, ask, and carry it out; returns the exit status.

    Raises:
        ControlError: it cannot be planned.
    """
    require_answer(options)

    async def planned() -> Plan:
        return await planner(await machine_at(options))

    return carry_out(options, asyncio.run(planned()))


def carry_out(
    options: argparse.Namespace,
    plan: Plan,
    *,
    first: Sequence[str] = (),
    agreed_to: Callable[[], None] | None = None,
) -> int:
    """Show a plan, ask, and carry it out; returns the exit status.

    Args:
        options: The command's.
        plan: The plan.
        first: Lines to show above it where a person is asked.
        agreed_to: Called when a person said yes.
    """
    asyncio.run(tell_interrupted(plan.machine, forget=not options.dry_run))
    if options.dry_run or plan.blockers:
        return _only_shown(options, plan)
    if not options.yes:
        show([*first, *plan_lines(plan)], to_stderr=options.json)
        if not agreed(f"{plan.verb.value.capitalize()} now?"):
            complain(CommandError("nothing was changed"))
            return 1
        if agreed_to is not None:
            agreed_to()
    try:
        outcome = execute_watched(plan, OperationLine())
    except Cancelled:
        complain(CommandError("cancelled before anything was changed"))
        return INTERRUPTED
    return _tell(options, outcome)


def _only_shown(options: argparse.Namespace, plan: Plan) -> int:
    """Show a plan that is not carried out, and what is in its way; once, since a terminal shows both streams."""
    if options.json:
        print_json(plan.as_json())
        if plan.blockers:
            complain(CommandError(_why_not(plan.blockers)))
    elif options.dry_run:
        show(plan_lines(plan, commands=True))
    else:
        show(refusal_lines(plan), to_stderr=True)
    return int(bool(plan.blockers))


def chosen(options: argparse.Namespace) -> Options:
    """Return what a person chose, from the command's options; those that it does not have count as not chosen."""
    asked = vars(options)
    choices = {one for one in Choice if asked.get(one.value.replace(" ", "_"))}
    return Options(
        safety=not asked.get("no_safety"),
        choices=frozenset(choices),
        keep_paused=bool(asked.get("keep_paused")),
    )


async def machine_at(options: argparse.Namespace) -> Machine:
    """Return the machine that TARGET and --disk name.

    Raises:
        ControlError: there is no such profile or image, or nobody answers there.
    """
    target: str = options.target
    address = address_of(target)
    if (address is not None or target.startswith("profile:")) and options.disk:
        options.parser.error("--disk goes with an image: other targets have their own disks")
    if address is not None:
        from vmsnap_gui.control.survey_live import survey_qmp

        return await survey_qmp(address)
    if target.startswith("profile:"):
        from vmsnap_gui.control.profile_disks import machine_of
        from vmsnap_gui.control.profile_store import ProfileStore

        return machine_of(ProfileStore().get(target.removeprefix("profile:")))
    from vmsnap_gui.control.survey import survey_files

    return survey_files([Path(target), *options.disk])


def address_of(target: str) -> str | None:
    """Return the monitor that a target names, as `Machine.address` has it; None for one that is something else."""
    if target.startswith("qmp:"):
        return target
    return f"qmp:{target}" if _ADDRESS.fullmatch(target) and not Path(target).exists() else None


def require_answer(options: argparse.Namespace, look: str = "see the plan with --dry-run") -> None:
    """End with a message about usage where nobody could be asked; `look` says how to look at it without an answer."""
    only_shown = vars(options).get("dry_run", False)
    if not (options.yes or only_shown or (sys.stdin.isatty() and sys.stderr.isatty())):
        options.parser.error(f"there is no terminal to ask on: say --yes, or {look}")


def agreed(question: str) -> bool:
    """Ask on the terminal; anything but yes is no."""
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def show(lines: Sequence[str], *, to_stderr: bool = False) -> None:
    """Print lines; to stderr where stdout belongs to a JSON document."""
    print(*lines, sep="\n", file=sys.stderr if to_stderr else sys.stdout, flush=True)


async def tell_interrupted(machine: Machine, *, forget: bool) -> None:
    """Say which operations on these images were interrupted in the past, and how the images are now.

    Args:
        machine: The images' machine.
        forget: Whether they need not be told again.

    Raises:
        ControlError: the journal cannot be written.
    """
    paths = [disk.path for disk in machine.disks if disk.path is not None]
    for one in await review():
        if any(one.operation.image(path) is not None for path in paths):
            when = datetime.fromtimestamp(one.operation.begun).isoformat(" ", "minutes")
            step = f" at the step {one.step!r}" if one.step else ""
            disks = "; ".join(f"{disk.path}: {disk.text}" for disk in one.disks)
            complain(CommandError(f"{one.what}, begun {when}, was interrupted{step}; now {disks}"))
            if forget:
                one.settle()


def execute_watched(plan: Plan, line: OperationLine) -> Outcome:
    """Carry out a plan with a line that moves, and Ctrl-C in its hands; see `execute`."""
    with asyncio.Runner() as runner:
        runner.get_loop().add_signal_handler(signal.SIGINT, line.interrupt)
        with line.shown(runner.get_loop()):
            return runner.run(execute(plan, line))


def _why_not(blockers: Sequence[Blocker]) -> str:
    first = blockers[0]
    text = first.text.removesuffix(".")
    more = f" (and {len(blockers) - 1} more in the way)" if len(blockers) > 1 else ""
    return f"{first.path}: {text}{more}" if first.path is not None else f"{text}{more}"


def _target_words(options: argparse.Namespace) -> list[str]:
    """Return the words that name the machine on the command line; for `start` there are none."""
    asked = vars(options)
    disks = asked.get("disk") or []
    return [asked.get("target", ""), *(["--disk", *map(str, disks)] if disks else [])]


def _tell(options: argparse.Namespace, outcome: Outcome) -> int:
    if options.json:
        print_json(outcome.as_json())
    else:
        show(outcome_lines(outcome, _target_words(options)))
    if outcome.ending is Ending.DONE:
        return int(any(disk.quarantined for disk in outcome.disks))  # that is no good end, whatever was done
    complain(CommandError(outcome.error or "it failed"))
    return 1
