"""Plans and outcomes as plain text for a terminal."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from vmsnap_gui.cli.output import aligned
from vmsnap_gui.control.plan import named
from vmsnap_gui.control.terms import Ending, Verb
from vmsnap_gui.image.texts import size_text
from vmsnap_gui.vmstate.fields import printable

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmsnap_gui.control.plan import Blocker, Cost, Outcome, Plan, Step

_INDENT = " " * 5

_ENDINGS = {
    Ending.DONE: "Done",
    Ending.ROLLED_BACK: "Failed, and all is as it was before",
    Ending.STUCK: "Failed half-way; see each disk",
    Ending.FAILED: "Failed before anything was changed",
}


def plan_lines(plan: Plan, *, commands: bool = False) -> list[str]:
    """Return a plan as lines; with the commands that would do the same by hand if `commands`."""
    name = named(plan.verb.value, plan.subject, plan.machine.name)
    lines = [printable(f"{name[0].upper()}{name[1:]}")]
    for number, step in enumerate(plan.steps, 1):
        lines += ["", *_step_lines(number, step, commands=commands)]
    told = (
        ("It costs", _cost_texts(plan.cost)),
        ("Will be lost", plan.losses),
        ("To know", (*plan.warnings, *plan.notes, *_room_texts(plan.cost))),
    )
    for title, texts in told if not plan.blockers else told[2:]:
        lines += ["", f"{title}:", *(f"  - {printable(text)}" for text in texts)] if texts else []
    if plan.blockers:
        lines += ["", "It cannot be done now:"]
        for one in plan.blockers:
            lines += _blocker_lines(one)
    return [*lines, ""]


def _step_lines(number: int, step: Step, *, commands: bool) -> list[str]:
    lines = [f"{number:>3}. {printable(step.text)}"]
    rows = []
    for target in step.targets:
        which = f"{target.tag!r}" + (f" (id {target.id})" if target.id is not None else "") if target.tag else ""
        rows.append((printable(str(target.path)), printable(which)))
    lines += [_INDENT + line for line in aligned(rows)]
    if commands:
        lines.append(f"{_INDENT}$ {command_text(step.command)}")
    if step.undone_by is not None:
        lines.append(f"{_INDENT}if a later step fails: {printable(step.undone_by)}")
    return lines


def _cost_texts(cost: Cost) -> list[str]:
    texts = []
    if cost.vm_state:
        texts.append(f"up to {size_text(cost.vm_state)} of VM state")
    if cost.pause is not None:
        texts.append(f"the guest stands still for about {cost.pause:.1f} s")
    if cost.frees is not None and cost.frees_at_least:
        size = size_text(cost.frees)
        texts.append(f"it frees at least {size} in the image, as far as the running machine has written its tables")
    elif cost.frees:
        texts.append(f"it frees {size_text(cost.frees)} in the image")
    return texts


def _room_texts(cost: Cost) -> list[str]:
    return [f"{size_text(cost.free)} are free on the file system."] if cost.free is not None else []


def refusal_lines(plan: Plan) -> list[str]:
    """Return why a plan cannot be carried out, and what to do about it, as lines for stderr."""
    return [line for one in plan.blockers for line in _blocker_lines(one, "vmsnap: ")]


def _blocker_lines(blocker: Blocker, mark: str = "  - ") -> list[str]:
    where = f"{blocker.path}: " if blocker.path is not None else ""
    lines = [f"{mark}{printable(where + blocker.text)}", f"    {printable(blocker.remedy)}"]
    if blocker.choice is not None:
        lines.append(f"    Say {blocker.choice.flag} to do it all the same.")
    return lines


def command_text(words: Sequence[str]) -> str:
    """Return a command as one would type it: in a shell, or, if it is one word, as a line of QMP."""
    return printable(words[0] if len(words) == 1 else shlex.join(words))


def outcome_lines(outcome: Outcome, target: Sequence[str]) -> list[str]:
    """Return what came of a plan as lines; `target` is how the machine was named on the command line."""
    lines = [f"{_ENDINGS[outcome.ending]}: {printable(f'{outcome.plan.verb.value} {outcome.plan.subject}')}"]
    rows = [(printable(str(disk.path)), printable(disk.text)) for disk in outcome.disks]
    for disk, line in zip(outcome.disks, aligned(rows), strict=True):
        lines.append(f"  {line}")
        if disk.finish:
            lines.append("    to finish by hand:")
            lines += [f"      $ {command_text(command)}" for command in disk.finish]
        lines += [f"    {printable(what)}: {command_text(command)}" for what, command in disk.rescue]
    if outcome.status is not None:
        where = f"; its monitor is {outcome.address}, its process {outcome.pid}" if outcome.address is not None else ""
        lines.append(f"  The machine is {outcome.status}{where}.")
    if outcome.ending is Ending.DONE and outcome.plan.verb is Verb.RESTORE and outcome.plan.safety is not None:
        flags = sorted(
            choice.flag for choice in outcome.plan.options.choices
        )  # what was in the way is so on the way back
        undo = shlex.join(["vmsnap", "restore", target[0], f"tag:{outcome.plan.safety}", *flags, *target[1:]])
        lines.append(f"  To undo it: {printable(undo)}")
    return lines
