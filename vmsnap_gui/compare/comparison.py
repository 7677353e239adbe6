"""A whole comparison: its sides, what differs in each part, and how JSON has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from vmsnap_gui.compare.terms import Outcome
from vmsnap_gui.image.texts import counted
from vmsnap_gui.vmstate.fields import printable, to_json

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from vmsnap_gui.compare.disk import DiskComparison
    from vmsnap_gui.compare.fields import FieldComparison
    from vmsnap_gui.compare.outcomes import SectionOutcome
    from vmsnap_gui.compare.ram import RamComparison
    from vmsnap_gui.compare.ranges import Ranges
    from vmsnap_gui.compare.status import SectionChange
    from vmsnap_gui.image.snapshot import Snapshot
    from vmsnap_gui.vmstate.fields import Field


@dataclass(frozen=True, slots=True)
class Side:
    """What is compared.

    Attributes:
        path: The file.
        id, tag: Of the snapshot; None for the one state of a stream file. They may hold anything: `name` is safe.
        machine: The machine type, if the state tells it.
        date_sec: When it was taken, in seconds since 1970, if that is known.
        vm_clock_ns: The guest's clock, in ns since the machine was started, if that is known.
        note: What the person wrote about it, in one line.
    """

    path: str
    id: str | None
    tag: str | None
    machine: str | None = None
    date_sec: int | None = None
    vm_clock_ns: int | None = None
    note: str = ""

    @classmethod
    def of(cls, path: Path, snapshot: Snapshot, machine: str | None, note: str = "") -> Side:
        """Return what is compared as it is told to people."""
        return cls(str(path), snapshot.id, snapshot.tag, machine, snapshot.date_sec, snapshot.vm_clock_ns, note)

    @property
    def name(self) -> str:
        """What it is called, in one line of letters that show."""
        if self.id is None and self.tag is None:
            return printable(self.path)
        return f"{printable(self.path)} '{printable(self.tag or self.id or '')}'"


@dataclass(frozen=True, slots=True)
class ThreeWay:
    """What happened since the base; parts that were not asked for are None.

    Attributes:
        base: What both come from.
        sections: All sections, with the fields that changed.
        pages: For each RAM block an Outcome for each page.
        disk: Ranges with Outcome values as kinds.
    """

    base: Side
    sections: tuple[SectionOutcome, ...]
    pages: dict[str, NDArray[np.uint8]] | None = None
    disk: Ranges | None = None


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two states compared; parts that were not asked for are None.

    Attributes:
        a, b: The sides.
        fields: Devices and their fields; None also where the sides are disks only.
        ram: Memory.
        disk: The disk.
        three: What happened since a base.
        problems: What is wrong with a side, as sentences.
    """

    a: Side
    b: Side
    fields: FieldComparison | None = None
    ram: RamComparison | None = None
    disk: DiskComparison | None = None
    three: ThreeWay | None = None
    problems: tuple[str, ...] = ()

    @property
    def differs(self) -> bool:
        """Whether A and B differ in anything that was looked at, with the noise rules."""
        return (
            (self.fields is not None and self.fields.differs)
            or (self.ram is not None and self.ram.pages_changed > 0)
            or (self.disk is not None and self.disk.differs)
        )

    @property
    def summary(self) -> str:
        """One line: "6 devices, 40 fields, 3 pages, 2 clusters changed; 3 more fields as noise rules say"."""
        parts = []
        if self.fields is not None:
            parts += [counted(self.fields.devices_changed, "device"), counted(self.fields.fields_changed, "field")]
        if self.ram is not None:
            parts.append(counted(self.ram.pages_changed, "page"))
        if self.disk is not None:
            parts.append(counted(self.disk.units_changed(), "sector" if self.disk.read_data else "cluster"))
        filtered = self.fields.fields_filtered if self.fields is not None else 0
        more = f"; {counted(filtered, 'more field')} as noise rules say" if filtered else ""
        return f"{', '.join(parts)} changed{more}"


def comparison_json(comparison: Comparison, *, unchanged: bool = False) -> dict[str, Any]:
    """Return a comparison as JSON has it; with the unchanged fields, too, where `unchanged` says so."""
    fields, three = comparison.fields, comparison.three
    document: dict[str, Any] = {
        "a": _side(comparison.a),
        "b": _side(comparison.b),
        "devices": [_section(fields, one, unchanged) for one in fields.sections] if fields is not None else [],
        "ram": _ram(comparison.ram) if comparison.ram is not None else None,
        "disk": _disk(comparison.disk) if comparison.disk is not None else None,
        "problems": list(comparison.problems),
    }
    if three is not None:
        document["base"] = _side(three.base)
        document["since_base"] = _three(three)
    return document


def _side(side: Side) -> dict[str, Any]:
    named = {"path": side.path, "snapshot": {"id": side.id, "tag": side.tag}, "machine": side.machine}
    return named | ({"note": side.note} if side.note else {})


def _value(field: Field | None) -> object:
    return to_json(field) if field is not None else None


def _section(fields: FieldComparison, section: SectionChange, unchanged: bool) -> dict[str, Any]:
    changes: list[dict[str, Any]] = [
        {"path": c.path, "status": c.status.value, "a": _value(c.a), "b": _value(c.b)}
        | ({"rule": c.rule.name} if c.rule is not None else {})
        for c in section.fields
    ]
    if unchanged:
        for path, field in fields.unchanged(section):
            changes.append({"path": path, "status": "same", "a": _value(field), "b": _value(field)})
    return {
        "name": section.name,
        "instance_id": section.instance_id,
        "status": section.status.value,
        "fields": changes,
        "same_fields": section.same,
    }


def _ram(ram: RamComparison) -> dict[str, Any]:
    from vmsnap_gui.compare.change import Change  # here, since it needs NumPy: only --ram waits for that

    return {
        "page_size": ram.page_size,
        "bytes_changed": ram.bytes_changed,
        "blocks": [
            {"name": block.name, "pages": block.pages}
            | {change.name.lower(): block.count(change) for change in Change if change is not Change.SAME}
            | {"ranges": block.ranges().tolist()}
            for block in ram.blocks
        ],
    }


def _disk(disk: DiskComparison) -> dict[str, Any]:
    return {
        "size_a": disk.size_a,
        "size_b": disk.size_b,
        "ranges": disk.ranges.merged().tolist(),
        "bytes_changed": disk.bytes_changed,
        "read_data": disk.read_data,
    }


def _three(three: ThreeWay) -> dict[str, Any]:
    return {
        "devices": [
            {
                "name": section.name,
                "instance_id": section.instance_id,
                "fields": [
                    {"path": one.path, "outcome": one.outcome.word}
                    | {"base": _value(one.base), "a": _value(one.a), "b": _value(one.b)}
                    | ({"rule": one.rule.name} if one.rule is not None else {})
                    for one in section.fields
                ],
            }
            for section in three.sections
            if section.fields
        ],
        "ram": None if three.pages is None else [
            {"name": name} | {one.word: int((pages == one).sum()) for one in Outcome if one is not Outcome.NONE}
            for name, pages in three.pages.items()
        ],
        "disk": None if three.disk is None else [
            [start, length, Outcome(kind).word]
            for start, length, kind in zip(
                three.disk.starts.tolist(), three.disk.lengths.tolist(), three.disk.kinds.tolist(), strict=True
            )
        ],
    }  # fmt: skip
