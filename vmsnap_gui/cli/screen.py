"""vmsnap screen: what a guest showed when its state was saved, as a PNG file."""

from __future__ import annotations

import sys
from contextlib import closing
from dataclasses import asdict, dataclass
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
    states,
)
from vmsnap_gui.cli.progress import ProgressLine
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.snapshot import describe
from vmsnap_gui.screens import screen_file_name, screen_of
from vmsnap_gui.vmstate.fields import printable
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    import argparse

    from vmsnap_gui.guest.screen.result import Screen
    from vmsnap_gui.image.containers import Image, Snapshot
    from vmsnap_gui.vmstate.layouts import LayoutSource


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("screen", help="write what a guest showed as a PNG file; nothing is started")
    add_paths(parser, "an image or a VM-state file", many=False)
    add_snapshot_option(parser)
    add_layouts_option(parser)
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("-o", "--output", metavar="FILE", type=Path, help="the PNG file (-: standard output)")
    where.add_argument(
        "--all", metavar="DIR", type=Path, dest="folder", help="write a PNG file for each snapshot into this folder"
    )
    parser.add_argument("--json", action="store_true", help="print what was written, and which pixels may differ")
    parser.set_defaults(run=_screen)


@dataclass(frozen=True, slots=True)
class _Told:
    """What became of a snapshot: where its picture is and what it shows, or why there is none."""

    snapshot: Snapshot
    path: Path | None = None
    screen: Screen | None = None
    reason: str | None = None


def _screen(options: argparse.Namespace) -> int:
    to_output = options.output is not None and str(options.output) == "-"
    if options.json and to_output:
        options.parser.error("--json and the picture cannot both go to standard output")
    path, sources = path_of(options), layouts(options)
    with closing(open_image(path)) as image, ProgressLine() as line:
        if options.folder is None:
            told = [_one(image, only_state(image, options.snapshot), options.output, line, sources)]
        else:
            options.folder.mkdir(parents=True, exist_ok=True)
            found = states(image, options.snapshot) if options.snapshot is not None else image.snapshots
            told = [_one(image, one, options.folder / screen_file_name(one), line, sources) for one in found]
    if options.json:
        print_json([_json(one) for one in told])
    elif not to_output:
        sys.stdout.writelines(_line(one) + "\n" for one in told if one.screen is not None or options.folder is not None)
    if options.folder is None and told[0].reason is not None:
        complain(CommandError(f"{image.path}: {told[0].reason}"))
    return 0 if any(one.screen is not None for one in told) else 1


def _one(image: Image, snapshot: Snapshot, path: Path, line: ProgressLine, sources: list[LayoutSource]) -> _Told:
    """Write the picture of one snapshot."""
    from vmsnap_gui.guest.screen.png import png_bytes  # with NumPy, which `vmsnap --help` does not wait for
    from vmsnap_gui.guest.screen.result import NoScreen

    try:
        found = screen_of(image, snapshot, line.step("Rendering the screen"), sources)
    except (ImageError, StreamError) as error:
        return _Told(snapshot, reason=error.message)
    if isinstance(found, NoScreen):
        return _Told(snapshot, reason=f"no picture: {found.reason}")
    with open_output(path, image.path) as file:
        file.write(png_bytes(found.pixels))
    return _Told(snapshot, path, found)


def _line(told: _Told) -> str:
    found = told.screen
    if found is None:
        return f"{printable(describe(told.snapshot))}: {told.reason}"
    height, width = found.pixels.shape[:2]
    text = f"{told.path}: {found.mode}, {width} × {height} pixels, of {printable(found.section)}"
    doubts = [f"{d.width} × {d.height} pixels at {d.left}, {d.top} may differ: {d.why}" for d in found.doubts]
    return "; ".join([text, *doubts, *([found.problem] if found.problem else [])])


def _json(told: _Told) -> dict[str, Any]:
    named = {"id": told.snapshot.id, "tag": told.snapshot.tag}
    found = told.screen
    if found is None:
        return named | {"reason": told.reason}
    height, width = found.pixels.shape[:2]
    shown = {"section": found.section, "mode": found.mode, "width": width, "height": height, "problem": found.problem}
    return named | {"output": str(told.path)} | shown | {"may_differ": [asdict(doubt) for doubt in found.doubts]}
