"""The command line: what the window shows, for scripts and for terminals. No Qt here."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
from typing import TYPE_CHECKING, Any, NoReturn

from vmsnap_gui import __version__
from vmsnap_gui.cli.output import CommandError, complain
from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from collections.abc import Sequence


_MODULES = {
    "list": "listing",
    "show": "showing",
    "ram": "ram",
    "screen": "screen",
    "diff": "diff",
    "usage": "usage",
    "tree": "tree",
    "export": "exporting",
    "take": "acting",
    "restore": "acting",
    "delete": "acting",
    "check": "checking",
    "machines": "machines",
    "start": "starting",
    "profile": "starting",
}
"""Which module of this package has a command."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status: 0 done, 1 bad input or a failed operation, 2 usage.

    `diff` has that of diff(1): 0 same, 1 different, 2 trouble. Any command that nobody reads to the end has that which
    a shell gives for SIGPIPE, 141: it is none of those, since 1 would say that two states differ.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a tag may hold letters that the terminal does not have
    words = sys.argv[1:] if arguments is None else arguments
    options = _parser(words[0] if words else None).parse_args(words)
    try:
        status: int = options.run(options)
        sys.stdout.flush()
    except (CommandError, ControlError, ImageError, StreamError) as error:
        complain(error)
        return 1
    except BrokenPipeError:
        # The reader went away ("| head"): not an error, but Python must not complain while it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except OSError as error:
        complain(error)
        return 1
    except KeyboardInterrupt:
        return 130
    return status


class _Parser(argparse.ArgumentParser):
    """An argument parser that says why an argument is missing where `--disk` took it for a disk."""

    _words: Sequence[str] = ()

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # noqa: ANN401 (argparse's own)
        """Override ArgumentParser: remember the words."""
        self._words = args or ()
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """Override ArgumentParser."""
        if "--disk" in self._words and "arguments are required" in message:
            message += "; --disk takes all words that follow it up to the next option: put it at the end"
        super().error(message)


def _parser(first: str | None) -> argparse.ArgumentParser:
    """Return the parser; where the first word is a command, only with that one: the rest takes longer than some run."""
    parser = _Parser(
        prog="vmsnap", description="See what the saved states of QEMU VMs hold; take, restore and delete them."
    )
    parser.add_argument("--version", action="version", version=f"vmsnap {__version__}")
    # prog is named, or argparse would format a usage message now to learn it, for which it imports shutil
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND", prog="vmsnap")
    for name in [_MODULES[first]] if first in _MODULES else dict.fromkeys(_MODULES.values()):
        importlib.import_module(f"{__name__}.{name}").add(commands)
    return parser
