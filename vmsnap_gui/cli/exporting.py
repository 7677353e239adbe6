"""vmsnap export: a saved state as a stream, perhaps with other values in some fields."""

from __future__ import annotations

import argparse
import sys
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmsnap_gui.cli.output import (
    CommandError,
    add_layouts_option,
    add_paths,
    add_snapshot_option,
    complain,
    layouts,
    only_state,
    open_output,
    path_of,
    print_json,
)
from vmsnap_gui.cli.progress import ProgressLine
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.vmstate.editing import Edit, EditError, edit_of
from vmsnap_gui.vmstate.ends import end, is_end
from vmsnap_gui.vmstate.exporting import write_stream
from vmsnap_gui.vmstate.refusals import TransferError
from vmsnap_gui.vmstate.sections import Located
from vmsnap_gui.vmstate.snapshots import open_snapshot
from vmsnap_gui.vmstate.wire import StreamError
from vmsnap_gui.vmstate.writer import INTERVAL, Writer

if TYPE_CHECKING:
    import contextlib

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.devices import VMState
    from vmsnap_gui.vmstate.writer import Sink


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("export", help="write a saved state as a stream that QEMU loads with -incoming")
    add_paths(parser, "an image or a VM-state file", many=False)
    add_snapshot_option(parser)
    add_layouts_option(parser)
    parser.add_argument("--to", choices=["stream"], default="stream", help="what to write (default: stream)")
    parser.add_argument(
        "-o", "--output", metavar="FILE", required=True,
        help="where to: a file, - for standard output, unix:PATH or tcp:HOST:PORT for a socket that listens, "
        "exec:COMMAND for the input of a command, fd:NUMBER for an open file",
    )  # fmt: skip
    parser.add_argument(
        "--set", metavar="FIELD=VALUE", action="append", default=[], dest="edits",
        help="give a field another value in what is written, as in cpu.env.eip=0x7c00 (may be repeated)",
    )  # fmt: skip
    parser.add_argument(
        "--rate", metavar="MIB", type=_rate, help="write at most so many MiB a second (default: no limit)",
    )  # fmt: skip
    parser.add_argument(
        "--check", action="store_true", help="load the file that was written again, and compare it with the state",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print what was written and edited")
    parser.set_defaults(run=_export)


def _export(options: argparse.Namespace) -> int:
    if options.json and options.output == "-":
        options.parser.error("--json and the stream cannot both go to standard output")
    if options.check and (options.output == "-" or is_end(options.output)):
        options.parser.error("--check reads again what was written, so it needs a file")
    path, sources = path_of(options), layouts(options)
    with closing(open_image(path)) as image, ProgressLine() as line:
        snapshot = only_state(image, options.snapshot)
        try:
            progress = line.step("Opening the state")
            state = open_snapshot(image, snapshot, layouts=sources, progress=progress)
            edits = [edit_of(state, wish) for wish in options.edits]
            _refuse_twice(edits)
        except StreamError as error:
            raise CommandError(f"{image.path}: {error}") from error
        except EditError as error:
            raise CommandError(str(error)) from error
        try:
            with _output(options.output, image.path) as file:
                out = Writer(file, options.rate)
                size = write_stream(state, edits, out, line.step("Writing the stream"))
        except TransferError as error:
            if isinstance(error.reason, BrokenPipeError) and options.output == "-":
                raise error.reason from error  # nobody reads standard output any more
            told = error.message if error.offset is None else str(error)
            raise CommandError(f"{options.output}: {told}") from error
        except BrokenPipeError:
            raise
        except OSError as error:  # closing a file tries once more to write what could not be written
            first = error.__context__
            told = str(first) if isinstance(first, TransferError) else f"it cannot be written: {error.strerror}"
            raise CommandError(f"{options.output}: {told}") from error
        if options.check:
            _check(Path(options.output), state, edits, line.step("Checking the stream"))
    problems = _problems(state)
    for problem in problems:
        complain(CommandError(f"{path}: written as it is, with a problem: {problem}"))
    if options.json:
        written = {"path": str(path), "output": options.output, "bytes": size, "checked": options.check}
        print_json(written | {"edits": [_json(edit) for edit in edits]})
    elif options.output != "-":
        for edit in edits:
            sys.stdout.write(f"{edit.section}.{edit.path}: {edit.before.hex(' ')} -> {edit.after.hex(' ')}\n")
        values = " with these values" if edits else ""
        checked = f"; checked: loaded again it is the state{values}" if options.check else ""
        how = "" if problems else "; QEMU loads them with -incoming"
        sys.stdout.write(f"{options.output}: {size} bytes{checked}{how}\n")
    return 0


def _problems(state: VMState) -> list[str]:
    """Return what is wrong with a state that was written: its notices do not matter, whatever its layouts are."""
    problems = [str(problem) for problem in state.problems if not problem.is_notice]
    ram = state.index_ram().problem  # writing followed the records, so that this costs nothing
    if ram is not None and state.located is Located.TAIL:  # else opening followed them, too
        problems.append(f"its RAM is not complete: {ram}")
    return problems


def _refuse_twice(edits: list[Edit]) -> None:
    """Raise CommandError where a field is given two values."""
    for number, edit in enumerate(edits):
        if any(edit.offset == other.offset for other in edits[:number]):
            raise CommandError(f"--set gives {edit.section}.{edit.path} two values; say which one")


def _rate(words: str) -> int:
    """Return the bytes for each interval of the wire that a number of MiB a second comes to."""
    try:
        rate = float(words)
    except ValueError:
        rate = 0.0
    if not 0 < rate < 1 << 20:
        raise argparse.ArgumentTypeError(f"{words!r} is no rate; write MiB a second, as in 100 or 0.5")
    return max(1, round(rate * (1 << 20) * INTERVAL))


def _output(where: str, image: Path) -> contextlib.AbstractContextManager[Sink]:
    """Open what is written to.

    Raises:
        CommandError: it cannot be written.
        TransferError: nobody listens.
    """
    return end(where) if is_end(where) else open_output(Path(where), image)


def _check(path: Path, state: VMState, edits: list[Edit], progress: Progress) -> None:
    """Load what was written; raises CommandError where it is not the state's stream."""
    from vmsnap_gui.vmstate.verifying import DamagedRam, verify_stream  # seldom needed

    try:
        with closing(open_image(path)) as written:
            verify_stream(written.vm_state(written.snapshots[0]), state, edits, progress)
    except StreamError as error:
        path.unlink()  # or the next try would be refused: it looks like a state
        what = "the state is damaged" if isinstance(error, DamagedRam) else "what was written is not the state"
        raise CommandError(f"{path}: removed again, since {what}: {error}") from error


def _json(edit: Edit) -> dict[str, Any]:
    return {
        "section": edit.section,
        "path": edit.path,
        "offset": edit.offset,
        "before": edit.before.hex(),
        "after": edit.after.hex(),
    }
