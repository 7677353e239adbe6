"""vmsnap start and vmsnap profile: their arguments; the work is in launching.py, which takes longer to import."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from vmsnap_gui.cli.acting import add_restoring, add_ways

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]


def add(commands: Commands) -> None:
    """Add the commands to the parser."""
    parser = commands.add_parser("start", help="start a machine by its launch profile, also straight from a snapshot")
    parser.add_argument("profile", metavar="PROFILE", help="its name; see vmsnap profile list")
    parser.add_argument("-s", "--snapshot", help="id:X, tag:X, or an unambiguous word; without it the guest boots")
    add_restoring(parser)
    parser.add_argument(
        "--keep-paused", action="store_true", help="leave the machine paused if the snapshot cannot be loaded"
    )
    add_ways(parser)
    parser.set_defaults(run=_start, parser=parser)
    profile = commands.add_parser("profile", help="keep command lines that start machines")
    _add_profile(profile.add_subparsers(title="commands", required=True, metavar="COMMAND", prog="vmsnap profile"))


def _add_profile(commands: Commands) -> None:
    add = commands.add_parser("add", help="keep a command line")
    add.add_argument("name", metavar="NAME", help="what to call it")
    source = add.add_mutually_exclusive_group(required=True)
    source.add_argument("--pid", type=int, help="take that of a running QEMU")
    source.add_argument("--script", metavar="FILE", type=Path, help="take that of a shell script, without running it")
    add.add_argument("--directory", metavar="PATH", type=Path, help="the working directory (default: this one)")
    add.add_argument("--env", metavar="NAME=VALUE", action="append", default=[], help="a variable to set")
    add.add_argument("--replace", action="store_true", help="replace the profile that has this name now")
    add.add_argument("--yes", action="store_true", help="confirm it without asking")
    source.add_argument(
        "--command", metavar="WORD", nargs=argparse.REMAINDER, help="QEMU and its arguments: all that follows"
    )
    add.set_defaults(run=_add, parser=add)
    demo = commands.add_parser("demo", help="keep that of the demo machine, with a copy of the demo image for it")
    demo.add_argument("--yes", action="store_true", help="confirm it without asking")
    demo.set_defaults(run=_demo)
    listing = commands.add_parser("list", help="list the profiles")
    listing.add_argument("--json", action="store_true", help="print one JSON document")
    listing.set_defaults(run=_list)
    show = commands.add_parser("show", help="show a profile, its disks, and what vmsnap changes to start it")
    show.add_argument("name", metavar="NAME")
    show.add_argument("--json", action="store_true", help="print one JSON document")
    show.set_defaults(run=_show)
    confirm = commands.add_parser("confirm", help="confirm a profile after a look at it, so that it may be started")
    confirm.add_argument("name", metavar="NAME")
    confirm.add_argument("--yes", action="store_true", help="confirm it without asking")
    confirm.set_defaults(run=_confirm, parser=confirm)
    remove = commands.add_parser("remove", help="forget a profile; no image is touched")
    remove.add_argument("name", metavar="NAME")
    remove.set_defaults(run=_remove)


def _start(options: argparse.Namespace) -> int:
    from vmsnap_gui.cli import launching

    return launching.start(options)


def _add(options: argparse.Namespace) -> int:
    from vmsnap_gui.cli import launching

    return launching.add(options)


def _demo(options: argparse.Namespace) -> int:
    from vmsnap_gui.cli import launching

    return launching.demo(options)


def _list(options: argparse.Namespace) -> int:
    from vmsnap_gui.cli import launching

    return launching.list_all(options)


def _show(options: argparse.Namespace) -> int:
    from vmsnap_gui.cli import launching

    return launching.show(options)


def _confirm(options: argparse.Namespace) -> int:
    from vmsnap_gui.cli import launching

    return launching.confirm(options)


def _remove(options: argparse.Namespace) -> int:
    from vmsnap_gui.cli import launching

    return launching.remove(options)
