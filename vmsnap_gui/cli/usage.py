"""vmsnap usage: what the snapshots of an image occupy, and what deleting them frees."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

from vmsnap_gui.cli.output import (
    add_paths,
    aligned,
    path_of,
    print_in_use,
    print_json,
    print_problems,
    problems_json,
    qcow2_image,
)
from vmsnap_gui.cli.progress import ProgressLine
from vmsnap_gui.control.locks import in_use
from vmsnap_gui.image.snapshot import describe_briefly, select_snapshot
from vmsnap_gui.image.texts import exact_size_text, size_text
from vmsnap_gui.vmstate.fields import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Sequence

    from vmsnap_gui.image.snapshot import Snapshot
    from vmsnap_gui.image.usage import LayerUsage, Sizes, Usage

_BAR = 24
"""Letters that stand for all that is in use."""


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("usage", help="show what snapshots occupy, and what deleting them frees")
    add_paths(parser, "a qcow2 image", many=False)
    parser.add_argument(
        "-s", "--snapshot", nargs="+", action="extend", default=[], metavar="SNAPSHOT",
        help="say what deleting these together frees: each is id:X, tag:X, or a word that is unambiguous among both",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print one JSON document, in bytes")
    parser.set_defaults(run=_usage)


def _usage(options: argparse.Namespace) -> int:
    from vmsnap_gui.image.usage import usage_of

    path = path_of(options)
    used = in_use(path)
    with closing(qcow2_image(path)) as image:
        chosen = [select_snapshot(image, word) for word in options.snapshot]
        with ProgressLine() as line:
            usage = usage_of(image, line.step("Reading tables"))
    freed = usage.freed_by(chosen) if chosen else None
    if options.json:
        document = {"path": str(path), "in_use_by_machine": used, **_document(usage)}
        print_json({**document, "deleting": _deleting_json(chosen, freed)})
        return 0
    if freed is None:
        _print(path.name, usage, used=used)
    else:
        names = ", ".join(printable(describe_briefly(one)) for one in chosen)
        together = " together" if len(chosen) > 1 else ""
        least = "at least " if used else ""
        print(f"{printable(path.name)}: deleting {names}{together} frees {least}{exact_size_text(freed)}")
    print_in_use(used=used)
    print_problems(usage.problems)
    return 0


def _deleting_json(chosen: Sequence[Snapshot], freed: int | None) -> dict[str, Any] | None:
    if freed is None:
        return None
    return {"snapshots": [{"id": one.id, "tag": one.tag} for one in chosen], "frees": freed}


def _document(usage: Usage) -> dict[str, Any]:
    snapshots = []
    for one in usage.snapshots:
        if one.snapshot is not None:
            names = {"id": one.snapshot.id, "tag": one.snapshot.tag}
            snapshots.append({**names, **_layer_json(one), "frees": usage.freed_by([one.snapshot])})
    return {
        "cluster_size": usage.cluster_size,
        "in_use": usage.in_use,
        "without_snapshots": usage.without_snapshots,
        "active": _layer_json(usage.active),
        "snapshots": snapshots,
        "shared": _sizes_json(usage.shared),
        "metadata": usage.metadata,
        "other": usage.other,
        "problems": problems_json(usage.problems),
    }


def _layer_json(one: LayerUsage) -> dict[str, Any]:
    return {"exclusive": _sizes_json(one.exclusive), "shared": _sizes_json(one.shared), "new": _sizes_json(one.new)}


def _sizes_json(one: Sizes) -> dict[str, int]:
    return {"disk": one.disk, "vm_state": one.vm_state, "tables": one.tables, "total": one.total}


def _print(name: str, usage: Usage, *, used: bool) -> None:
    """Print the table; a running machine (`used`) may hold changes back, so that deleting may free more."""
    without = ("about " if used else "") + size_text(usage.without_snapshots)
    least = "≥ " if used else ""
    print(f"{printable(name)}: {size_text(usage.in_use)} in use; without snapshots {without}")
    rows: list[tuple[str, ...]] = [("ID", "TAG", "NEW", "DISK", "VM STATE", "TABLES", "SHARED", "FREES", "")]
    for one in (*usage.snapshots, usage.active):
        snapshot = one.snapshot
        names = ("", "(now)") if snapshot is None else (printable(snapshot.id or "-"), printable(snapshot.tag or '""'))
        frees = "" if snapshot is None else least + size_text(usage.freed_by([snapshot]))
        sizes = (one.new.total, one.exclusive.disk, one.exclusive.vm_state, one.exclusive.tables, one.shared.total)
        bar = _bar(usage, one.exclusive.total, one.shared.total)
        rows.append((*names, *(size_text(size) for size in sizes), frees, bar))
    for line in aligned(rows, right=range(2, 8)):
        print(f"  {line}")
    for text, size in _rest(usage):
        print(f"  {text}: {size_text(size)}")


def _rest(usage: Usage) -> list[tuple[str, int]]:
    found = [("Shared by two or more", usage.shared.total), ("Header, refcounts, lists", usage.metadata)]
    return [*found, ("Leaked, or nothing leads to it", usage.other)] if usage.other else found


def _bar(usage: Usage, alone: int, shared: int) -> str:
    """Return a bar of what is in use: `#` for what only this one uses, `-` for what others use, too."""
    full = max(usage.in_use, 1)
    first = round(_BAR * alone / full)
    return f"[{'#' * first}{'-' * (round(_BAR * (alone + shared) / full) - first)}".ljust(_BAR + 1) + "]"
