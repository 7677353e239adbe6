"""The work of `vmsnap diff`: its arguments stand in diff.py, since this takes longer to import than others to run."""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from vmsnap_gui.cli.output import CommandError, complain, complain_of_names, layouts, open_output, print_json
from vmsnap_gui.cli.progress import ProgressLine
from vmsnap_gui.compare.comparison import Comparison, Side, ThreeWay, comparison_json
from vmsnap_gui.compare.errors import CompareError
from vmsnap_gui.compare.fields import compare_fields
from vmsnap_gui.compare.noise_file import default_noise
from vmsnap_gui.compare.outcomes import three_way_fields
from vmsnap_gui.image.containers import open_image, select_snapshot
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.snapshot import describe
from vmsnap_gui.image.texts import counted
from vmsnap_gui.note_store import note_on
from vmsnap_gui.vmstate.fields import Field, printable, show
from vmsnap_gui.vmstate.snapshots import open_snapshot
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from vmsnap_gui.compare.disk import DiskComparison
    from vmsnap_gui.compare.noise import NoiseRules
    from vmsnap_gui.compare.ram import RamComparison
    from vmsnap_gui.image.containers import Image, Snapshot
    from vmsnap_gui.vmstate.devices import VMState
    from vmsnap_gui.vmstate.layouts import LayoutSource

    _Found = tuple[Image, Snapshot]

_TROUBLE = 2


class _Opened:
    """One side, opened."""

    def __init__(
        self,
        found: _Found,
        all_found: Sequence[_Found],
        sources: Sequence[LayoutSource],
        line: ProgressLine,
        *,
        disk: bool,
    ) -> None:
        self.image, self.snapshot = image, snapshot = found
        self.state: VMState | None = None
        if snapshot.vm_state_size:
            others = [other for other in all_found if other is not found]
            try:
                progress = line.step("Opening the states")
                self.state = open_snapshot(image, snapshot, layouts=sources, others=others, progress=progress)
            except StreamError as error:
                raise CommandError(f"{image.path}: {error}") from error
        elif not disk:
            raise CommandError(f"{image.path}: the snapshot with {describe(snapshot)} holds no VM state, only the disk")
        machine = self.state.machine if self.state is not None else None
        self.side = Side.of(image.path, snapshot, machine, note_on(image.path, snapshot).line)


def run(options: argparse.Namespace) -> int:
    """Compare what the options name; returns the exit status."""
    if options.read_data and not options.disk:
        options.parser.error("--read-data needs --disk")
    try:
        if options.report is not None:
            from vmsnap_gui.compare.report import form_of

            form_of(options.report)  # before the work, not after it
        with ExitStack() as stack:
            return _compare(options, stack)
    except BrokenPipeError:
        raise
    except (CommandError, CompareError, ImageError, StreamError, OSError) as error:
        complain(error)
        return _TROUBLE


def _compare(options: argparse.Namespace, stack: ExitStack) -> int:
    images: dict[tuple[int, int], Image] = {}
    words = [options.a, options.b, *([options.base] if options.base is not None else [])]
    sources = layouts(options)
    found = [_find(word, images, stack, disk=options.disk) for word in words]
    with ProgressLine() as line:
        sides = [_Opened(one, found, sources, line, disk=options.disk) for one in found]
    rules = default_noise()
    for problem in rules.problems:
        complain(CommandError(str(problem)))
    with ProgressLine() as line:
        comparison = _comparison(sides, None if options.no_noise_rules else rules, options, line)
    if options.report is not None:
        _write_report(comparison, options.report, [side.image.path for side in sides])
    if options.json:
        print_json(comparison_json(comparison, unchanged=options.all))
    else:
        _print(comparison, options.all)
        complain_of_names()
    incomplete = comparison.ram.problems if comparison.ram is not None else ()
    for text in incomplete:
        complain(CommandError(text))
    if incomplete:
        return _TROUBLE
    return int(comparison.differs)


def split_side(word: str) -> tuple[Path, str | None]:
    """Return the path and the selector of a side: split at the first @ before which stands an existing file."""
    at = word.find("@")
    while at >= 0:
        if os.path.exists(word[:at]) and not os.path.isdir(word[:at]):  # noqa: PTH110, PTH112 (Path raises on NULs)
            return Path(word[:at]), word[at + 1 :]
        at = word.find("@", at + 1)
    return Path(word), None


def _find(word: str, images: dict[tuple[int, int], Image], stack: ExitStack, *, disk: bool) -> _Found:
    path, selector = split_side(word)
    image = open_image(path)
    stack.callback(image.close)
    found = path.stat()
    image = images.setdefault((found.st_dev, found.st_ino), image)
    if selector is not None:
        return image, select_snapshot(image, selector)
    candidates = [one for one in image.snapshots if one.vm_state_size]
    if not candidates and disk:
        candidates = list(image.snapshots)
    if len(candidates) == 1:
        return image, candidates[0]
    if not candidates:
        raise CommandError(f"{path}: no snapshot holds a VM state")
    names = ", ".join(f"{path}@id:{one.id} ({one.tag or ''})" for one in candidates)
    raise CommandError(f"{path} holds {len(candidates)} states; choose one: {names}")


def _comparison(
    sides: Sequence[_Opened], rules: NoiseRules | None, options: argparse.Namespace, line: ProgressLine
) -> Comparison:
    """Compare A with B; with a base also that with each of them."""
    pairs = [(sides[0], sides[1])]
    if len(sides) == 3:
        pairs += [(sides[2], sides[0]), (sides[2], sides[1])]
    states = [side.state for side in sides if side.state is not None]
    if states and len(states) < len(sides):
        raise CommandError("one side holds no VM state, only the disk; compare it with another such snapshot")
    progress = line.step("Comparing fields")
    fields = [compare_fields(a.state, b.state, rules, progress) for a, b in pairs if a.state and b.state]
    ram = [_ram(a, b, line) for a, b in pairs] if options.ram else []
    disk = [_disk(a, b, options.read_data, line) for a, b in pairs] if options.disk else []
    three = None
    if len(sides) == 3:
        from vmsnap_gui.compare.three import three_way_disk, three_way_pages

        three = ThreeWay(
            sides[2].side,
            three_way_fields(fields[1], fields[2], fields[0]) if fields else (),
            three_way_pages(ram[1], ram[2], ram[0]) if ram else None,
            three_way_disk(disk[1], disk[2], disk[0]) if disk else None,
        )
    problems = [f"{name}: {p}" for name, s in zip(("A", "B", "base"), states, strict=False) for p in s.problems]
    return Comparison(
        sides[0].side,
        sides[1].side,
        fields[0] if fields else None,
        ram[0] if ram else None,
        disk[0] if disk else None,
        three,
        tuple(problems),
    )


def _ram(a: _Opened, b: _Opened, line: ProgressLine) -> RamComparison:
    if a.state is None or b.state is None:
        raise CommandError("the snapshots hold no VM state, so there is no memory to compare")
    from vmsnap_gui.compare.ram import compare_ram

    indexing = line.step("Indexing memory")
    return compare_ram(a.state.index_ram(indexing), b.state.index_ram(indexing), line.step("Comparing memory"))


def _disk(a: _Opened, b: _Opened, read_data: bool, line: ProgressLine) -> DiskComparison:
    from vmsnap_gui.compare.disk import DiskSide, compare_disks

    sides = DiskSide(a.image, a.snapshot), DiskSide(b.image, b.snapshot)
    return compare_disks(*sides, read_data=read_data, progress=line.step("Comparing disks"))


def _write_report(comparison: Comparison, path: Path, images: list[Path]) -> None:
    from vmsnap_gui.compare.report import form_of, report_text

    text = report_text(comparison, form_of(path))
    with open_output(path, *images) as output:
        output.write(text.encode("utf-8"))


def _print(comparison: Comparison, unchanged: bool) -> None:
    from vmsnap_gui.compare.report_rows import MOST_ROWS, WORDS, changed_rows
    from vmsnap_gui.compare.report_since import outcome_lines

    sides = [("A", comparison.a), ("B", comparison.b)]
    for what, side in sides + ([("base", comparison.three.base)] if comparison.three is not None else []):
        print(f"{what}: {side.name}")
    for problem in comparison.problems:
        print(f"  ! {printable(problem)}")
    print(comparison.summary)
    for line in outcome_lines(comparison):
        print(f"  since the base, {line}")
    for section in comparison.fields.sections if comparison.fields is not None else ():
        if not (section.fields or section.status.differs or unchanged):
            continue
        print(f"\n{printable(section.key)}  ({WORDS[section.status]})")
        if section.problem:
            print(f"  ! {printable(section.problem)}")
        assert comparison.fields is not None
        for row in changed_rows(comparison.fields, section):
            name = f"{row.path}  {row.name}" if row.name else row.path
            how = f"  [{row.how}]" if row.how else ""
            noise = "  (noise)" if row.noise else ""
            print(f"  {name}: {row.a or '-'} → {row.b or '-'}{how}{noise}")
        if len(section.fields) > MOST_ROWS:
            print(f"  and {len(section.fields) - MOST_ROWS:,} more; --json has all of them")
        for path, field in comparison.fields.unchanged(section) if unchanged else ():
            print(f"  {printable(path)} = {_shown(field)}")
    if comparison.ram is not None or comparison.disk is not None:
        _print_planes(comparison)


def _print_planes(comparison: Comparison) -> None:
    from vmsnap_gui.compare.report_planes import disk_facts, disk_plane, memory_planes, plane_line

    blocks, left = memory_planes(comparison)
    for block in blocks:
        print(f"\nRAM {block.name}: {plane_line(block)}")
    if left:
        print(f"\nand {counted(left, 'more block')} of RAM; --json has all of them")
    if comparison.disk is not None:
        print(f"\nDisk: {plane_line(disk_plane(comparison.disk))}\n{disk_facts(comparison.disk)}")


def _shown(field: Field) -> str:
    return printable(show(field))
