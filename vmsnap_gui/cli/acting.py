"""vmsnap take, restore and delete: their arguments; the work is in operating.py, which takes longer to import."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

TARGET = "an image, qmp:PATH or HOST:PORT of a running QEMU, or profile:NAME"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the commands to the parser."""
    take = commands.add_parser("take", help="take a snapshot")
    add_target(take)
    take.add_argument("tag", metavar="TAG", help="what to call it")
    take.add_argument("--replace", action="store_true", help="delete the snapshot that has this tag now")
    add_leaving_out(take, "hold no snapshots")
    add_ways(take)
    take.set_defaults(run=_take)
    restore = commands.add_parser("restore", help="go back to a snapshot")
    add_target(restore)
    restore.add_argument("snapshot", metavar="SNAPSHOT", help="id:X, tag:X, or an unambiguous word")
    add_restoring(restore)
    restore.add_argument("--resize", action="store_true", help="give disks the size back that they had")
    add_ways(restore)
    restore.set_defaults(run=_restore)
    delete = commands.add_parser("delete", help="delete snapshots")
    add_target(delete)
    delete.add_argument("snapshots", metavar="SNAPSHOT", nargs="+", help="id:X, tag:X, or an unambiguous word")
    add_ways(delete)
    delete.set_defaults(run=_delete)


def add_target(parser: argparse.ArgumentParser) -> None:
    """Add TARGET and --disk."""
    parser.add_argument("target", metavar="TARGET", help=TARGET)
    parser.add_argument(
        "--disk",
        metavar="PATH",
        type=Path,
        nargs="+",
        action="extend",
        default=[],
        help="more disks of the same VM; at the end",
    )
    parser.set_defaults(parser=parser)


def add_restoring(parser: argparse.ArgumentParser) -> None:
    """Add what a person can choose about going back."""
    parser.add_argument("--no-safety", action="store_true", help="take no safety snapshot first: what is now is lost")
    add_leaving_out(parser, "lack the snapshot")


def add_leaving_out(parser: argparse.ArgumentParser, which: str) -> None:
    """Add the choice to leave disks as they are; `which` says which ones."""
    parser.add_argument("--leave-out", action="store_true", help=f"leave disks as they are that {which}")


def add_ways(parser: argparse.ArgumentParser) -> None:
    """Add how a command that changes something is run."""
    parser.add_argument("--dry-run", action="store_true", help="show the plan and do nothing")
    parser.add_argument("--yes", action="store_true", help="do it without asking")
    parser.add_argument("--json", action="store_true", help="print one JSON document: the outcome, or the plan")


def _take(options: argparse.Namespace) -> int:
    from vmsnap_gui.cli.operating import chosen, operate
    from vmsnap_gui.control.planning import plan_take

    return operate(options, lambda machine: plan_take(machine, options.tag, chosen(options)))


def _restore(options: argparse.Namespace) -> int:
    from vmsnap_gui.cli.operating import chosen, operate
    from vmsnap_gui.control.planning import plan_restore

    return operate(options, lambda machine: plan_restore(machine, options.snapshot, chosen(options)))


def _delete(options: argparse.Namespace) -> int:
    from vmsnap_gui.cli.operating import chosen, operate
    from vmsnap_gui.control.planning import plan_delete

    return operate(options, lambda machine: plan_delete(machine, options.snapshots, chosen(options)))
