"""The work of `vmsnap start` and `vmsnap profile`; imported only when one of them runs."""

from __future__ import annotations

import asyncio
import dataclasses
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vmsnap_gui.cli.output import CommandError, aligned, print_json
from vmsnap_gui.control.profile import LaunchProfile, checked_name, from_process, launch_of
from vmsnap_gui.control.profile_disks import machine_of
from vmsnap_gui.control.profile_script import from_script
from vmsnap_gui.control.profile_store import ProfileStore
from vmsnap_gui.image.texts import counted
from vmsnap_gui.vmstate.fields import printable

if TYPE_CHECKING:
    import argparse


def start(options: argparse.Namespace) -> int:
    """Start a machine; returns the exit status."""
    from vmsnap_gui.cli.operating import carry_out, chosen, require_answer
    from vmsnap_gui.control.planning_start import plan_start

    require_answer(options)
    store = ProfileStore()
    profile = store.get(options.profile)
    if options.yes and not profile.confirmed:
        raise CommandError(_unconfirmed(profile))
    plan = asyncio.run(plan_start(profile, options.snapshot, chosen(options)))
    if profile.confirmed:
        return carry_out(options, plan)

    def confirm() -> None:
        store.put(profile.confirm())

    if options.dry_run:
        told = f"T{_unconfirmed(profile)[1:]}."
        return carry_out(options, dataclasses.replace(plan, warnings=(told, *plan.warnings)))
    plan = dataclasses.replace(plan, profile=profile.confirm())
    return carry_out(options, plan, first=_first_lines(profile), agreed_to=confirm)


def _unconfirmed(profile: LaunchProfile) -> str:
    name = shlex.quote(profile.name)
    return (
        f"the profile {profile.name!r} has not been confirmed since it was changed: "
        f"look at it and confirm it with vmsnap profile confirm {name}"
    )


def _first_lines(profile: LaunchProfile) -> list[str]:
    return ["This command line was not started by vmsnap before. See that it is what you mean:", "", *_lines(profile)]


def add(options: argparse.Namespace) -> int:
    """Keep a new profile, and show it; returns the exit status."""
    store = ProfileStore()
    profile = _new(options)
    if not options.replace and any(one.name == profile.name for one in store.all()):
        raise CommandError(f"there is a profile {profile.name!r} already; replace it with --replace")
    store.put(profile)
    return _show_and_confirm(store, profile, ask=not options.yes)


def _new(options: argparse.Namespace) -> LaunchProfile:
    if options.command == []:
        options.parser.error("--command needs a program")
    name = checked_name(options.name)
    directory = (options.directory or Path()).absolute()
    if options.pid is not None:
        profile = from_process(options.pid, name)
    elif options.script is not None:
        try:
            text = options.script.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError as error:
            raise CommandError(f"{options.script} cannot be read: {error.strerror}") from error
        # A script is mostly run where it lies.
        folder = directory if options.directory is not None else options.script.absolute().parent
        profile = from_script(text, options.script, name=name, directory=folder)
    else:
        profile = LaunchProfile(name=name, arguments=tuple(options.command), directory=directory)
    if options.directory is not None and options.script is None:
        profile = dataclasses.replace(profile, directory=directory)
    return dataclasses.replace(profile, environment=(*profile.environment, *_variables(options)))


def _variables(options: argparse.Namespace) -> list[tuple[str, str]]:
    pairs = [text.partition("=") for text in options.env]
    if not all(name and equals for name, equals, _ in pairs):
        options.parser.error("--env takes NAME=VALUE")
    return [(name, value) for name, _, value in pairs]


def confirm(options: argparse.Namespace) -> int:
    """Show a profile, and confirm it if a person agrees; returns the exit status."""
    from vmsnap_gui.cli.operating import require_answer

    require_answer(options, f"look at it with vmsnap profile show {shlex.quote(options.name)}")
    store = ProfileStore()
    return _show_and_confirm(store, store.get(options.name), ask=not options.yes)


def _show_and_confirm(store: ProfileStore, profile: LaunchProfile, *, ask: bool) -> int:
    from vmsnap_gui.cli.operating import agreed

    print(*_lines(profile), "", sep="\n", flush=True)
    terminal = sys.stdin.isatty() and sys.stderr.isatty()
    if not ask or (terminal and agreed("May vmsnap start it like this?")):
        store.put(profile.confirm())
        print("It is kept and confirmed.")
    else:
        print("It is kept, and must be confirmed before it is started.")
    return 0


def demo(options: argparse.Namespace) -> int:
    """Keep the demo machine's profile, unless it is there already, and show it; returns the exit status."""
    from vmsnap_gui.demo_machine import demo_machine

    profile = demo_machine()
    return _show_and_confirm(ProfileStore(), profile, ask=not (options.yes or profile.confirmed))


def list_all(options: argparse.Namespace) -> int:
    """List the profiles; returns the exit status."""
    profiles = ProfileStore().all()
    if options.json:
        print_json([_json(one) for one in profiles])
        return 0
    notes = ["" if one.confirmed else "  (not confirmed yet)" for one in profiles]
    cells = [(one.name, shlex.join(one.arguments) + note) for one, note in zip(profiles, notes, strict=True)]
    for line in aligned([(printable(name), printable(command)) for name, command in cells]):
        print(line)
    if not profiles:
        print("There are no launch profiles yet: see vmsnap profile add.")
    return 0


def show(options: argparse.Namespace) -> int:
    """Show a profile; returns the exit status."""
    profile = ProfileStore().get(options.name)
    if options.json:
        print_json(_json(profile))
    else:
        print(*_lines(profile), sep="\n")
    return 0


def remove(options: argparse.Namespace) -> int:
    """Forget a profile; returns the exit status."""
    ProfileStore().remove(options.name)
    print(printable(f"The profile {options.name!r} is forgotten; its images stay as they are."))
    return 0


def _json(profile: LaunchProfile) -> dict[str, object]:
    launch = launch_of(profile)
    document = {key: value for key, value in profile.as_json().items() if key != "confirmed_as"}
    return document | {
        "confirmed": profile.confirmed,
        "notes": list(launch.notes),
        "obstacles": list(launch.obstacles),
        "disks": [
            {"path": str(disk.path) if disk.path is not None else None, "format": disk.format, "unfit": disk.unfit}
            for disk in machine_of(profile).disks
        ],
    }


def _lines(profile: LaunchProfile) -> list[str]:
    launch = launch_of(profile)
    lines = [f"{profile.name}{'' if profile.confirmed else '  (not confirmed yet)'}"]
    lines += [f"  in {profile.directory}", *(f"  with {name}={value}" for name, value in profile.environment)]
    lines += [f"  {line}" for line in _command_lines(profile.arguments)]
    for disk in machine_of(profile).disks:
        what = disk.unfit or counted(len(disk.snapshots), "snapshot")
        lines.append(f"  disk {disk.path or 'without a file'}: {what}")
    lines += [f"  ! {text}" for text in (*launch.obstacles, *launch.notes)]
    return [printable(line) for line in lines]


def _command_lines(arguments: tuple[str, ...]) -> list[str]:
    """Return a command line as a person would write it: an option with its value on each line."""
    lines = [[arguments[0]]]
    for word in arguments[1:]:
        if word.startswith("-") or len(lines[-1]) > 1 or len(lines) == 1:
            lines.append([word])
        else:
            lines[-1].append(word)
    texts = [("    " if number else "") + shlex.join(words) for number, words in enumerate(lines)]
    return [f"{text} \\" for text in texts[:-1]] + texts[-1:]
