"""vmsnap ram: the memory of a saved state."""

from __future__ import annotations

import argparse
from contextlib import ExitStack, closing
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
from vmsnap_gui.image.byteview import CHUNK
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.vmstate.fields import printable
from vmsnap_gui.vmstate.snapshots import open_snapshot
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmsnap_gui.image.containers import Image, Snapshot
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.layouts import LayoutSource
    from vmsnap_gui.vmstate.ram import RamBlock, RamIndex

_UNITS = "KMGT"


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("ram", help="read the RAM of a saved state")
    add_paths(parser, "an image or a VM-state file", many=False)
    add_snapshot_option(parser)
    add_layouts_option(parser)
    parser.add_argument("--block", metavar="NAME", help="the RAM block (default: the largest)")
    parser.add_argument("--offset", metavar="N", type=_number, default=0, help="first byte: 4096, 0x1000, 4K")
    parser.add_argument("--length", metavar="N", type=_number, help="how many bytes (default: to the end)")
    parser.add_argument(
        "--output", metavar="FILE", type=Path, help="write the bytes there (-: standard output), not a hex dump"
    )
    parser.add_argument("--json", action="store_true", help="print what each block holds, with checksums")
    parser.set_defaults(run=_ram)


def _number(text: str) -> int:
    digits, unit = text, 1
    if text[-1:].upper() in _UNITS and not text.lower().startswith("0x"):
        digits, unit = text[:-1], 1024 ** (1 + _UNITS.index(text[-1].upper()))
    try:
        number = int(digits, 0) * unit
    except ValueError:
        number = -1
    if number < 0:
        raise argparse.ArgumentTypeError(f"{text!r} is no number; write 4096, 0x1000 or 4K")
    return number


def _ram(options: argparse.Namespace) -> int:
    if options.json and (options.output is not None or options.length is not None or options.offset):
        options.parser.error("--json describes whole blocks; leave --offset, --length and --output out")
    sources = layouts(options)
    with closing(open_image(path_of(options))) as image:
        snapshot = only_state(image, options.snapshot)
        try:
            with ProgressLine() as line:
                index = _index(image, snapshot, sources, line)
            unread = _write_ram(options, image, index)
        except StreamError as error:
            raise CommandError(f"{image.path}: {error}") from error
    for name, pages in unread.items():
        what = f"pages of block {name} that cannot be unpacked, and count as zeros"
        complain(CommandError(f"{image.path}: {what}: {len(pages)}, the first is page {min(pages)}"))
    return 0 if index.complete and not unread else 1


def _index(image: Image, snapshot: Snapshot, sources: list[LayoutSource], line: ProgressLine) -> RamIndex:
    progress = line.step("Opening the state")
    state = open_snapshot(image, snapshot, layouts=sources, progress=progress)
    return state.index_ram(line.step("Indexing memory"))


_Unread = dict[str, set[int]]
"""Pages that cannot be unpacked, by the name of their block."""


def _write_ram(options: argparse.Namespace, image: Image, index: RamIndex) -> _Unread:
    unread: _Unread = {}
    if not index.blocks:
        raise CommandError(f"{image.path}: the state holds no RAM" + (f": {index.problem}" if index.problem else ""))
    blocks = list(index.blocks) if options.block is None else [index.block(options.block)]
    if index.problem is not None:
        complain(CommandError(f"{image.path}: RAM is not complete: {index.problem}"))
    if options.json:
        with ProgressLine() as line:
            found = [
                _block_json(index, block, unread, line.step(f"Reading {printable(block.name)}")) for block in blocks
            ]
        print_json(found)
        return unread
    block = max(blocks, key=lambda b: b.length)
    left = block.length - options.offset
    if left < 0:
        raise CommandError(
            f"offset {options.offset:#x} is past the end of block {block.name} ({block.length:#x} bytes)"
        )
    length = left if options.length is None else options.length
    if length > left:
        raise CommandError(f"only {left:#x} bytes are left in block {block.name} from offset {options.offset:#x} on")
    with ExitStack() as stack:
        output = stack.enter_context(open_output(options.output, image.path)) if options.output is not None else None
        progress = stack.enter_context(ProgressLine()).step(f"Writing {printable(block.name)}")
        for offset, data in _chunks(index, block, options.offset, length, unread):
            if output is not None:
                output.write(data)
                progress(offset + len(data) - options.offset, length)
            else:
                _hex_dump(offset, data)
    return unread


def _chunks(
    index: RamIndex, block: RamBlock, start: int, length: int, unread: _Unread
) -> Iterator[tuple[int, memoryview]]:
    """Yield (offset, bytes) of a block in pieces, all in one buffer: each piece is gone when the next is asked for."""
    buffer = memoryview(bytearray(min(CHUNK, length)))
    for offset in range(start, start + length, CHUNK):
        piece = buffer[: min(CHUNK, start + length - offset)]
        try:
            index.readinto(block, offset, piece)
        except StreamError:  # one page that cannot be unpacked does not keep back the others
            piece[:], failed = index.read_leniently(block, offset, len(piece))
            unread.setdefault(block.name, set()).update(failed)
        yield offset, piece


def _hex_dump(offset: int, data: memoryview) -> None:
    for start in range(0, len(data), 16):
        row = data[start : start + 16]
        text = "".join(chr(b) if 0x20 <= b < 0x7F else "." for b in row)
        print(f"{offset + start:010x}  {row.hex(' '):<47}  {text}")


def _block_json(index: RamIndex, block: RamBlock, unread: _Unread, progress: Progress) -> dict[str, Any]:
    """Describe a block by its content: a page that is stored but holds only zeros counts as a zero page."""
    import hashlib  # neither above: `vmsnap show` and `vmsnap list` would wait for them, too

    import numpy as np

    digest = hashlib.sha256()
    zero = 0
    words = index.page_size // 8
    for offset, data in _chunks(index, block, 0, block.length, unread):
        progress(offset, block.length)
        digest.update(data)
        cut = len(data) // index.page_size * index.page_size
        pages = np.frombuffer(data[:cut], np.uint64).reshape(-1, words)
        zero += int((~pages.any(axis=1)).sum()) + (cut < len(data) and not any(data[cut:]))
    missing = int((block.locations == 0).sum())
    return {
        "name": block.name,
        "length": block.length,
        "page_size": index.page_size,
        "pages": block.pages,
        "zero_pages": zero - missing,
        "missing_pages": missing,
        "sha256": digest.hexdigest(),
    }
