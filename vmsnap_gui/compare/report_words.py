"""What a report says first: what was compared, and how much of it differs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

from vmsnap_gui.image.texts import size_text
from vmsnap_gui.vmstate.fields import printable

if TYPE_CHECKING:
    from vmsnap_gui.compare.comparison import Comparison, Side

_LONGEST = 80  # letters of a name in a heading; the table of sides has all of them


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of the summary.

    Attributes:
        what: What is counted.
        number: How many differ; "–" where that was not looked at.
        more: Of how many, and what else is to be said.
    """

    what: str
    number: str
    more: str


def side_name(side: Side, *, alone: bool = True) -> str:
    """Return what a side is called in a heading: its tag, with its file where the other side is of another one."""
    file = printable(PurePath(side.path).name)
    tag = printable(side.tag or side.id or "")
    text = file if not tag else tag if alone else f"{tag} ({file})"
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def heading(comparison: Comparison) -> str:
    """Return what the report is of: "From half-way to finished"."""
    a, b = comparison.a, comparison.b
    return f"From {side_name(a, alone=a.path == b.path)} to {side_name(b, alone=a.path == b.path)}"


def figures(comparison: Comparison) -> list[Figure]:
    """Return how much differs, part by part."""
    return [*_fields(comparison), _memory(comparison), _disk(comparison)]


def _fields(comparison: Comparison) -> list[Figure]:
    fields = comparison.fields
    if fields is None:
        return [Figure("Devices", "–", "no state of the machine on both sides")]
    filtered = fields.fields_filtered
    noise = f"and {filtered:,} as noise rules say" if filtered else "none as noise rules say"
    return [
        Figure("Devices differ", f"{fields.devices_changed:,}", f"of {len(fields.sections):,}"),
        Figure("Fields differ", f"{fields.fields_changed:,}", noise),
    ]


def _memory(comparison: Comparison) -> Figure:
    ram = comparison.ram
    if ram is None:
        return Figure("Memory", "–", "not compared")
    pages = sum(block.pages for block in ram.blocks)
    noun = "Page of memory differs" if ram.pages_changed == 1 else "Pages of memory differ"
    return Figure(noun, f"{ram.pages_changed:,}", f"of {pages:,}{_inside(ram.bytes_changed)}")


def _disk(comparison: Comparison) -> Figure:
    disk = comparison.disk
    if disk is None:
        return Figure("Disk", "–", "not compared")
    units, noun = disk.units_changed(), "sector" if disk.read_data else "cluster"
    whole = size_text(max(disk.size_a, disk.size_b))
    changed = f"{size_text(disk.bytes_changed)} of {whole} {'differ' if disk.read_data else 'may differ'}"
    what = f"{noun.capitalize()} of the disk differs" if units == 1 else f"{noun.capitalize()}s of the disk differ"
    return Figure(what, f"{units:,}", changed if disk.differs else f"of {whole}")


def _inside(size: int) -> str:
    return f"; {size_text(size)} in them differ" if size else ""
