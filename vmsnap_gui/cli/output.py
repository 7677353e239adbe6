"""What all commands share: errors, output that is safe on a terminal, units, choosing a state."""

from __future__ import annotations

import contextlib
import json
import sys
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from vmsnap_gui.image.containers import open_image, select_snapshot
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.vmstate.fields import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence

    from vmsnap_gui.image.containers import Image, Snapshot
    from vmsnap_gui.image.errors import Problem
    from vmsnap_gui.image.qcow2 import Qcow2Image
    from vmsnap_gui.vmstate.layouts import LayoutSource


class CommandError(Exception):
    """A command cannot do what was asked: a sentence for stderr, exit status 1."""


def complain(error: Exception) -> None:
    """Print the one sentence of an error to stderr."""
    print(f"vmsnap: {printable(str(error))}", file=sys.stderr)


def complain_of_names() -> None:
    """Tell what is wrong with the person's own names of fields, where names were printed."""
    from vmsnap_gui.guest.names import default_rules  # takes longer to import than all that --json needs

    for problem in default_rules().problems:
        complain(CommandError(str(problem)))


def print_json(document: object) -> None:
    """Print one JSON document, in ASCII, which is safe on any terminal."""
    sys.stdout.write(json.dumps(document) + "\n")


def aligned(rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> list[str]:
    """Return rows of printable cells as lines: columns one below the other, those at `right` with their ends."""
    widths = [max(map(_width, column)) for column in zip(*rows, strict=True)]

    def filled(at: int, cell: str) -> str:
        gap = " " * (widths[at] - _width(cell))
        return gap + cell if at in right else cell + gap

    return ["  ".join(filled(at, cell) for at, cell in enumerate(row)).rstrip() for row in rows]


def _width(text: str) -> int:
    """Return how many cells of a terminal a text takes: two for a wide character (UAX #11), none for a mark on one."""
    if text.isascii():
        return len(text)
    from unicodedata import category, east_asian_width  # seldom needed

    return sum(0 if category(one) in ("Mn", "Me") else 2 if east_asian_width(one) in "WF" else 1 for one in text)


def problems_json(problems: tuple[Problem, ...]) -> list[dict[str, Any]]:
    """Return problems as JSON has them."""
    return [{"message": p.message, "offset": p.offset} for p in problems]


def add_paths(parser: argparse.ArgumentParser, what: str, *, many: bool = True) -> None:
    """Add the PATH arguments and --demo, which can stand instead of them or beside them; `paths_of` gives them all."""
    parser.add_argument("paths", nargs="*" if many else "?", metavar="PATH", type=Path, help=what)
    parser.add_argument("--demo", action="store_true", help="the demo image that comes with vmsnap")
    parser.set_defaults(parser=parser)


def paths_of(options: argparse.Namespace) -> list[Path]:
    """Return the images that were named; without any, end with a message about usage.

    Raises:
        ImageError: the demo image cannot be set up.
    """
    named: list[Path] | Path | None = options.paths
    paths = [named] if isinstance(named, Path) else list(named or ())
    if not paths and not options.demo:
        options.parser.error("name a PATH, or --demo")
    if options.demo:
        from vmsnap_gui.demo import demo_image

        paths.append(demo_image())
    return paths


def path_of(options: argparse.Namespace) -> Path:
    """Return the one image that was named, where PATH is not `many`; else end with a message about usage.

    Raises:
        ImageError: the demo image cannot be set up.
    """
    path, *more = paths_of(options)
    if more:
        options.parser.error("name a PATH or --demo, not both")
    return path


def qcow2_image(path: Path) -> Qcow2Image:
    """Open a qcow2 image.

    Raises:
        ImageError: it cannot be read.
        CommandError: it is something else.
    """
    from vmsnap_gui.image.qcow2 import Qcow2Image

    image = open_image(path)
    if isinstance(image, Qcow2Image):
        return image
    image.close()
    raise CommandError(f"{path} is no qcow2 image, so it has no clusters to look at")


def print_in_use(*, used: bool) -> None:
    """Print that what is told of an image's tables may lack what a running machine has not written yet."""
    if used:
        from vmsnap_gui.control.locks import WRITTEN_SO_FAR  # takes as long to import as all that --json needs of qcow2

        print(f"  ! {WRITTEN_SO_FAR}")


def print_problems(problems: tuple[Problem, ...]) -> None:
    """Print what is wrong, below what is told of an image."""
    for problem in problems:
        print(f"  ! {printable(str(problem))}")


def add_snapshot_option(parser: argparse.ArgumentParser) -> None:
    """Add -s, which `states` understands."""
    parser.add_argument("-s", "--snapshot", help="id:X, tag:X, or a word that is unambiguous among both")


def add_layouts_option(parser: argparse.ArgumentParser) -> None:
    """Add --layouts, which `layouts` reads."""
    parser.add_argument(
        "--layouts", metavar="FILE[@SNAPSHOT]", action="append", default=[],
        help="layouts for states without a description: a file of QEMU's -dump-vmstate, or an image or stream "
        "of the same machine type that describes itself (may be repeated; other snapshots of an image are used anyway)",
    )  # fmt: skip


def layouts(options: argparse.Namespace) -> list[LayoutSource]:
    """Return what --layouts names.

    Raises:
        CommandError: there are no layouts in one of them.
    """
    if not options.layouts:
        return []
    from vmsnap_gui.layout_files import read_layouts  # seldom needed

    try:
        return [read_layouts(named) for named in options.layouts]
    except ImageError as error:
        raise CommandError(f"--layouts: {error}") from error


def states(image: Image, selector: str | None) -> list[Snapshot]:
    """Return the snapshots with a VM state: all of them, or the one that `selector` names.

    Raises:
        ImageError: there is no such snapshot, or it is ambiguous.
        CommandError: it holds no VM state.
    """
    if selector is not None:
        snapshot = select_snapshot(image, selector)
        if not snapshot.vm_state_size:
            raise CommandError(f"snapshot {selector!r} holds no VM state, only the disk")
        return [snapshot]
    return [s for s in image.snapshots if s.vm_state_size]


def only_state(image: Image, selector: str | None) -> Snapshot:
    """Return the snapshot that `selector` names, or the only one that holds a VM state.

    Raises:
        ImageError: there is no such snapshot, or it is ambiguous.
        CommandError: it holds no VM state, or none does, or several do and none is named.
    """
    try:
        found = states(image, selector)
    except CommandError as error:
        raise CommandError(f"{image.path}: {error}") from error
    if not found:
        raise CommandError(f"{image.path}: no snapshot holds a VM state")
    if len(found) > 1:
        disk_only = [one for one in image.snapshots if not one.vm_state_size]
        others = f"; only the disk, no VM state, is in: {_names(disk_only)}" if disk_only else ""
        raise CommandError(f"{image.path}: choose a snapshot with -s: {_names(found)}{others}")
    return found[0]


def only_snapshot(image: Image, selector: str | None) -> Snapshot:
    """Return the snapshot that `selector` names, or the only one that there is, whatever it holds.

    Raises:
        ImageError: there is no such snapshot, or it is ambiguous.
        CommandError: there is none, or there are several and none is named.
    """
    if selector is not None:
        return select_snapshot(image, selector)
    if not image.snapshots:
        raise CommandError(f"{image.path}: there is no snapshot")
    if len(image.snapshots) > 1:
        raise CommandError(f"{image.path}: choose a snapshot with -s: {_names(image.snapshots)}")
    return image.snapshots[0]


def _names(snapshots: Sequence[Snapshot]) -> str:
    return ", ".join(f"id:{one.id} ({printable(one.tag or '')})" for one in snapshots)


def open_output(path: Path, *images: Path) -> contextlib.AbstractContextManager[IO[bytes]]:
    """Open what is written to ("-": standard output); a file is as it was until all is written.

    Raises:
        CommandError: it cannot be written.
        ImageError: it is an image or a saved state, whose content would be lost.
    """
    if str(path) == "-":
        return contextlib.nullcontext(sys.stdout.buffer)
    from vmsnap_gui.saved_files import refuse_image  # with tempfile it takes as long as all that --json needs of qcow2

    try:
        refuse_image(path, *images)
        if path.exists() and not path.is_file():  # a device or a pipe
            return path.open("wb")
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error
    return _whole(path, *images)


@contextlib.contextmanager
def _whole(path: Path, *images: Path) -> Iterator[IO[bytes]]:
    """Write a file beside `path` that takes its place when it is whole; raises like `open_output`."""
    from vmsnap_gui.saved_files import replacing

    try:
        stack = contextlib.ExitStack()
        file = stack.enter_context(replacing(path, *images))
    except OSError as error:
        raise CommandError(f"{path} cannot be written: {error.strerror}") from error
    with stack:
        yield file
