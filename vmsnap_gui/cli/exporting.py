"""vmsnap export: a saved state as a stream, perhaps with other values in some fields."""

from __future__ import annotations

import contextlib
import socket
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from vmsnap_gui.cli.output import (
    CommandError,
    add_paths,
    add_snapshot_option,
    complain,
    one_path_of,
    only_state,
    open_output,
    print_json,
)
from vmsnap_gui.cli.progress import ProgressLine
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.editing import Edit, EditError, edit_of
from vmsnap_gui.vmstate.exporting import write_stream
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("export", help="write a saved state as a stream that QEMU loads with -incoming")
    add_paths(parser, "an image or a VM-state file", many=False)
    add_snapshot_option(parser)
    parser.add_argument("--to", choices=["stream"], default="stream", help="what to write (default: stream)")
    parser.add_argument(
        "-o", "--output", metavar="FILE", required=True,
        help="where to: a file, - for standard output, unix:PATH or tcp:HOST:PORT for a socket that listens",
    )  # fmt: skip
    parser.add_argument(
        "--set", metavar="FIELD=VALUE", action="append", default=[], dest="edits",
        help="give a field another value in what is written, as in cpu.env.eip=0x7c00 (may be repeated)",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print what was written and edited")
    parser.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> int:
    if options.json and options.output == "-":
        options.parser.error("--json and the stream cannot both go to standard output")
    path = one_path_of(options)
    with closing(open_image(path)) as image, ProgressLine() as line:
        snapshot = only_state(image, options.snapshot)
        try:
            progress = line.step("Opening the state")
            state = open_state(image.vm_state(snapshot, progress), progress=progress)
            edits = [edit_of(state, wish) for wish in options.edits]
        except StreamError as error:
            raise CommandError(f"{image.path}: {error}") from error
        except EditError as error:
            raise CommandError(str(error)) from error
        with _output(options.output, image.path) as file:
            size = write_stream(state, edits, file.write, line.step("Writing the stream"))
    for problem in state.problems:
        complain(CommandError(f"{path}: written as it is, with a problem: {problem}"))
    if options.json:
        print_json({"path": str(path), "output": options.output, "bytes": size, "edits": [_json(e) for e in edits]})
    elif options.output != "-":
        for edit in edits:
            sys.stdout.write(f"{edit.section}.{edit.path}: {edit.before.hex(' ')} -> {edit.after.hex(' ')}\n")
        sys.stdout.write(f"{options.output}: {size} bytes; QEMU loads them with -incoming\n")
    return 0


def _output(where: str, image: Path) -> contextlib.AbstractContextManager[BinaryIO]:
    """Open what is written to.

    Raises:
        CommandError: it cannot be written, or nobody listens.
    """
    kind, _, place = where.partition(":")
    if kind not in ("unix", "tcp"):
        return open_output(Path(where), image)
    try:
        with contextlib.ExitStack() as opened:
            if kind == "unix":
                connection = opened.enter_context(socket.socket(socket.AF_UNIX))
                connection.connect(place)
            else:
                host, _, port = place.rpartition(":")
                connection = opened.enter_context(socket.create_connection((host.strip("[]"), int(port))))
            return connection.makefile("wb")  # it holds the socket open until it is closed itself
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise CommandError(f"nothing can be sent to {where}: {reason}") from error


def _json(edit: Edit) -> dict[str, Any]:
    return {
        "section": edit.section,
        "path": edit.path,
        "offset": edit.offset,
        "before": edit.before.hex(),
        "after": edit.after.hex(),
    }
