"""vmsnap tree: which snapshot each snapshot goes back to, and where the disk is now."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from vmsnap_gui.cli.output import (
    add_paths,
    path_of,
    print_in_use,
    print_json,
    print_problems,
    problems_json,
    qcow2_image,
)
from vmsnap_gui.cli.progress import ProgressLine
from vmsnap_gui.control.locks import in_use
from vmsnap_gui.image.snapshot import describe_briefly
from vmsnap_gui.image.texts import counted
from vmsnap_gui.vmstate.fields import printable

if TYPE_CHECKING:
    import argparse

    from vmsnap_gui.image.ancestry import Edge, Tree
    from vmsnap_gui.image.snapshot import Snapshot


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("tree", help="show which snapshot each one goes back to, as recorded or inferred")
    add_paths(parser, "a qcow2 image", many=False)
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=_tree)


def _tree(options: argparse.Namespace) -> int:
    from vmsnap_gui.control.lineage import records_of
    from vmsnap_gui.image.ancestry import ancestry_of

    path = path_of(options)
    used = in_use(path)
    with closing(qcow2_image(path)) as image, ProgressLine() as line:
        tree = ancestry_of(image, records_of(path, image.snapshots), line.step("Comparing snapshots"))
    if options.json:
        print_json({"path": str(path), "in_use": used, **_document(tree)})
        return 0
    if tree.edges:
        marks = "parents: - recorded, ~ inferred and perhaps wrong, ? open"
        print(f"{printable(path.name)}: {counted(len(tree.edges), 'snapshot')}; {marks}")
        _print(tree)
    else:
        print(f"{printable(path.name)}: no snapshots")
    print_in_use(used=used)
    print_problems(tree.problems)
    return 0


def _document(tree: Tree) -> dict[str, Any]:
    """Return the tree: edges where a parent is recorded or inferred, roots where none is left, else open."""
    rest = [edge for edge in tree.edges if edge.parent is None]
    return {
        "edges": [_edge_json(edge) for edge in tree.edges if edge.parent is not None],
        "roots": [_edge_json(edge) for edge in rest if edge.source.value != "open"],
        "open": [_edge_json(edge) for edge in rest if edge.source.value == "open"],
        "here": _edge_json(tree.here),
        "problems": problems_json(tree.problems),
    }


def _edge_json(edge: Edge) -> dict[str, Any]:
    found = {"parent": _name_json(edge.parent), "source": edge.source.value, "reason": edge.reason}
    return found if edge.child is None else {"child": _name_json(edge.child), **found}


def _name_json(snapshot: Snapshot | None) -> dict[str, Any] | None:
    if snapshot is None:
        return None
    return {"id": snapshot.id, "tag": snapshot.tag, "date_sec": snapshot.date_sec, "date_nsec": snapshot.date_nsec}


_MARKS = {"recorded": "-", "inferred": "~", "open": "?"}


def _print(tree: Tree) -> None:
    children: dict[Snapshot | None, list[Edge]] = {}
    for edge in (*tree.edges, tree.here):
        children.setdefault(edge.parent, []).append(edge)
    left = [(edge, 1) for edge in reversed(children.get(None, []))]
    while left:  # no recursion: a line of 1,000 snapshots is as deep
        edge, depth = left.pop()
        name = printable(describe_briefly(edge.child)) if edge.child is not None else "YOU ARE HERE"
        print(f"{'  ' * depth}{_MARKS[edge.source.value]} {name}  ({printable(edge.reason)})")
        if edge.child is not None:
            left += [(below, depth + 1) for below in reversed(children.get(edge.child, []))]
