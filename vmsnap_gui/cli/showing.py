"""vmsnap show: the devices of saved states."""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vmsnap_gui.cli.output import (
    CommandError,
    add_layouts_option,
    add_paths,
    add_snapshot_option,
    complain,
    complain_of_names,
    layouts,
    paths_of,
    print_json,
    problems_json,
    states,
)
from vmsnap_gui.cli.standard_input import NAME, readable
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.snapshot import describe
from vmsnap_gui.image.texts import counted, size_text
from vmsnap_gui.vmstate.elements import Elements
from vmsnap_gui.vmstate.fields import Kind, join_path, printable, show, to_json, walk
from vmsnap_gui.vmstate.snapshots import open_snapshot
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    import argparse

    from vmsnap_gui.guest.names import Label
    from vmsnap_gui.image.containers import Image, Snapshot
    from vmsnap_gui.vmstate.devices import VMState
    from vmsnap_gui.vmstate.fields import Field
    from vmsnap_gui.vmstate.layouts import LayoutSource
    from vmsnap_gui.vmstate.sections import Section

_LISTED = 64  # elements of an array that are printed line by line


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("show", help="show the devices of saved states")
    add_paths(parser, "an image or a VM-state file; - for standard input")
    add_snapshot_option(parser)
    parser.add_argument("--device", metavar="NAME[:INSTANCE]", help="only this section")
    parser.add_argument("--forward", action="store_true", help="walk forward, even where the tail would do")
    add_layouts_option(parser)
    parser.add_argument("--spans", action="store_true", help="with --json: add type, offset and size of every leaf")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=_show)


@dataclass(frozen=True, slots=True)
class _Work:
    """What is to be shown of one image, and where JSON goes.

    Attributes:
        options: The command's.
        sources: The layouts that the person named.
        documents: Get a document for each state.
        image: The image.
        name: What it is called.
    """

    options: argparse.Namespace
    sources: list[LayoutSource]
    documents: list[dict[str, Any]]
    image: Image
    name: str


def _show(options: argparse.Namespace) -> int:
    if options.spans and not options.json:
        options.parser.error("--spans needs --json")
    documents: list[dict[str, Any]] = []
    status = 0
    sources = layouts(options)
    for path in paths_of(options):
        name = NAME if str(path) == "-" else str(path)
        try:
            with readable(path) as file, closing(open_image(file)) as image:
                status |= _show_image(_Work(options, sources, documents, image, name))
        except (ImageError, CommandError) as error:
            complain(error if isinstance(error, ImageError) else CommandError(f"{name}: {error}"))
            status = 1
    if options.json:
        print_json(documents)
    else:
        complain_of_names()
    return status


def _show_image(work: _Work) -> int:
    """Show the states; one that cannot be shown is told of, and the others are shown all the same."""
    found = states(work.image, work.options.snapshot)
    if not found:
        _say_why_nothing(work)
        return 1
    failed: dict[str, list[str]] = {}
    for snapshot in found:
        try:
            _show_one(work, snapshot)
        except ImageError as error:
            failed.setdefault(str(ImageError(error.message, offset=error.offset)), []).append(describe(snapshot))
        except (StreamError, CommandError) as error:
            failed.setdefault(str(error), []).append(describe(snapshot))
    for message, which in failed.items():
        some = f"{', '.join(which)}: " if len(which) < len(found) else ""
        complain(CommandError(f"{work.name}: {some}{message}"))
    return 1 if failed else 0


def _show_one(work: _Work, snapshot: Snapshot) -> None:
    state = open_snapshot(work.image, snapshot, forward=work.options.forward, layouts=work.sources)
    sections = _sections(state, work.options.device)
    if work.options.json:
        work.documents.append(_state_json(work.name, snapshot, state, sections, work.options.spans))
    else:
        _print_state(work.name, snapshot, state, sections)


def _say_why_nothing(work: _Work) -> None:
    image = work.image
    for problem in image.problems:
        complain(CommandError(f"{work.name}: {problem}"))
    none = "no snapshots can be read" if image.problems else "there are no snapshots"
    what = "no snapshot holds a VM state" if image.snapshots else none
    complain(CommandError(f"{work.name}: {what}"))


def _sections(state: VMState, device: str | None) -> list[Section]:
    if device is None:
        return list(state.sections)
    found = [s for s in state.sections if s.name == device]
    if not found:
        name, _, instance = device.rpartition(":")
        found = [s for s in state.sections if s.name == name and str(s.instance_id) == instance]
    if not found:
        there = f"there are: {', '.join(s.key for s in state.sections)}" if state.sections else "there is none at all"
        wrong = "; ".join(str(problem) for problem in state.problems if not problem.is_notice)
        raise CommandError(f"there is no section {device!r}; {there}{f'; {wrong}' if wrong else ''}")
    return found


def _state_json(path: str, snapshot: Snapshot, state: VMState, sections: list[Section], spans: bool) -> dict[str, Any]:
    return {
        "path": path,
        "snapshot": {"id": snapshot.id, "tag": snapshot.tag},
        "machine": state.machine,
        "page_size": state.page_size,
        "configuration": to_json(state.configuration) if state.configuration is not None else None,
        "located": state.located.value,
        "sections": [_section_json(state, s, spans) for s in sections],
        "ram": [{"name": block.name, "length": block.length} for block in state.ram_blocks],
        "problems": problems_json(state.problems),
    }


def _section_json(state: VMState, section: Section, spans: bool) -> dict[str, Any]:
    root = state.decode(section)
    document: dict[str, Any] = {
        "type": section.type.name.lower(),
        "section_id": section.section_id,
        "name": section.name,
        "instance_id": section.instance_id,
        "version": section.version,
        "offset": section.offset,
        "size": section.size,
        "described": state.is_described(section),
        "fields": to_json(root),
    }
    if spans:
        document["spans"] = [[p, f.type, f.offset, f.size] for p, f in walk(root) if not f.kind.is_container]
    return document


def _print_state(path: str, snapshot: Snapshot, state: VMState, sections: list[Section]) -> None:
    from vmsnap_gui.guest.names import annotate  # takes longer to import than all that --json needs

    name = f" {printable(snapshot.tag or snapshot.id or '')!r}" if snapshot.id is not None else ""
    machine = state.machine or "unknown machine"
    print(f"{printable(path)}{name}: {machine}, {counted(len(state.sections), 'section')}")
    for problem in state.problems:
        print(f"  ! {printable(str(problem))}")
    for block in state.ram_blocks:
        print(f"  RAM {printable(block.name)}: {size_text(block.length)}")
    if state.unwalked is not None:
        offset, size = state.unwalked
        print(f"  not read: {size_text(size)} of memory at {offset:#x}, whose sections --forward lists, too")
    for section in sections:
        root = state.decode(section)
        kind = section.type.name.lower()
        what = f"{kind}, version {section.version}, {section.size} bytes at {section.offset:#x}"
        partly = state.description(section) is not None and not state.is_described(section)
        print(f"\n{printable(section.key)}  ({what}{', described in part' if partly else ''})")
        if root.problem:
            print(f"  ! {printable(root.problem)}")
        _print_fields(root, annotate(section, root))


def _print_fields(parent: Field, labels: dict[str, Label], path: str = "", indent: int = 1) -> None:
    for child in parent.children:
        if child.kind is Kind.FRAME:
            continue
        here = join_path(path, child.name)
        label = labels.get(here)
        name = f"{child.name}  {label.name}" if label is not None and label.name else child.name
        problem = f"  ! {child.problem}" if child.problem else ""
        elements = child.children.scalars() if isinstance(child.children, Elements) else None
        if elements is not None and len(elements) > _LISTED:
            print(f"{'  ' * indent}{printable(f'{name} = {_summary(elements)}{problem}')}")
        elif child.kind.is_container:
            print(f"{'  ' * indent}{printable(name + problem)}")
            _print_fields(child, labels, here, indent + 1)
        else:
            detail = f"  ({label.detail})" if label is not None and label.detail else ""
            value = counted(child.size, "byte") if child.kind is Kind.RECORDS else show(child)
            print(f"{'  ' * indent}{printable(f'{name} = {value}{detail}{problem}')}")


def _summary(elements: list[int | float | bool]) -> str:
    if not any(elements):
        return f"{len(elements)} elements, all 0"
    first = ", ".join(str(one) for one in elements[:8])
    return f"{first}, … ({len(elements)} elements; --json has all)"
