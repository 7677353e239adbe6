"""vmsnap diff: what differs between two saved states, with the exit status of diff(1)."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from vmsnap_gui.cli.output import add_layouts_option

if TYPE_CHECKING:
    import argparse

_SIDE = "PATH[@SNAPSHOT]"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("diff", help="compare two saved states")
    parser.add_argument("a", metavar="A", help=f"{_SIDE}: id:X, tag:X, or an unambiguous word")
    parser.add_argument("b", metavar="B", help=_SIDE)
    parser.add_argument("--base", metavar="C", help="the state that both come from")
    parser.add_argument("--ram", action="store_true", help="compare memory, too")
    parser.add_argument("--disk", action="store_true", help="compare the disks, too")
    parser.add_argument(
        "--read-data", action="store_true", help="with --disk: read clusters that lie at different places"
    )
    add_layouts_option(parser)
    parser.add_argument("--all", action="store_true", help="list the fields that are the same, too")
    parser.add_argument("--no-noise-rules", action="store_true", help="let clocks and timers count as differences")
    parser.add_argument("--report", metavar="FILE", type=Path, help="write a report: .html, .md or .json")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=_diff, parser=parser)


def _diff(options: argparse.Namespace) -> int:
    from vmsnap_gui.cli.comparing import run

    return run(options)
