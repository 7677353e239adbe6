"""What a comparison's workers do: from two snapshots to what differs between them, ready to be shown. Qt-free."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmsnap_gui.collecting import paused_collection
from vmsnap_gui.compare.errors import CompareError
from vmsnap_gui.compare.terms import Status

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from vmsnap_gui.compare.disk import DiskComparison
    from vmsnap_gui.compare.fields import FieldComparison
    from vmsnap_gui.compare.outcomes import SectionOutcome
    from vmsnap_gui.compare.ram import RamComparison
    from vmsnap_gui.compare.ranges import Ranges
    from vmsnap_gui.guest.names import Label
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.sides import Sides
    from vmsnap_gui.vmstate.devices import VMState
    from vmsnap_gui.vmstate.ram import RamBlock, RamIndex


@dataclass(frozen=True, slots=True)
class Counts:
    """How many devices and fields became what: counted in the worker, since there may be many.

    Attributes:
        devices, fields: Those that differ.
        filtered: Fields that are the same when filtered.
        same: Devices in which nothing differs at all.
    """

    devices: int = 0
    fields: int = 0
    filtered: int = 0
    same: int = 0

    @classmethod
    def of(cls, found: FieldComparison) -> Counts:
        """Count."""
        same = sum(section.change is Status.SAME for section in found.sections)
        return cls(found.devices_changed, found.fields_changed, found.fields_filtered, same)


@dataclass(frozen=True, slots=True, eq=False)
class FieldsSince:
    """What happened to the fields since the base.

    Attributes:
        base: The base's state.
        sections: All sections.
        labels: Names for people by path, for each of the sections.
        counts: How many fields became what, by Outcome; those that noise rules name are left out.
    """

    base: VMState
    sections: tuple[SectionOutcome, ...]
    labels: tuple[dict[str, Label], ...] = ()
    counts: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """What became of the fields: all of it may be used on the Qt thread without reading a file.

    Attributes:
        sides: Where it comes from.
        fields: The comparison; None where a side holds no state of the machine, only a disk.
        labels: Names for people by path, for each of its sections.
        noise: Whether the noise rules were applied.
        counts: How much differs.
        since: What happened since the base; None without one.
    """

    sides: Sides
    fields: FieldComparison | None
    labels: tuple[dict[str, Label], ...] = ()
    noise: bool = True
    counts: Counts = field(default_factory=Counts)
    since: FieldsSince | None = None


def compare_sides(sides: Sides, noise: bool, progress: Progress) -> Compared:
    """Compare the fields of two snapshots, and with a base also those of the base with each.

    Raises:
        ImageError, StreamError: a side cannot be read.
        CompareError: a snapshot is not there any more.
        Cancelled: by `progress`.
    """
    from vmsnap_gui.compare.explain import labels
    from vmsnap_gui.compare.fields import compare_fields
    from vmsnap_gui.compare.noise_file import default_noise

    if not all(side.snapshot.vm_state_size for side in sides.all):
        for side in sides.all:
            sides.image(side)
        return Compared(sides, None, noise=noise)
    with paused_collection():
        states = [sides.state(side, progress) for side in sides.all]
        rules = default_noise() if noise else None
        found = [compare_fields(states[a], states[b], rules, progress) for a, b in sides.pairs]
        names = []
        for number, section in enumerate(found[0].sections):
            progress(number, len(found[0].sections))
            names.append(labels(found[0], section) if section.fields else {})
        since = _fields_since(found, progress) if sides.base is not None else None
    return Compared(sides, found[0], tuple(names), noise, Counts.of(found[0]), since)


def _fields_since(found: Sequence[FieldComparison], progress: Progress) -> FieldsSince:
    from vmsnap_gui.compare.explain import section_labels
    from vmsnap_gui.compare.outcomes import three_way_fields
    from vmsnap_gui.compare.terms import Outcome

    a_b, base_a, base_b = found
    states = base_a.a, a_b.a, a_b.b
    sections = three_way_fields(base_a, base_b, a_b)
    names = []
    for number, section in enumerate(sections):
        progress(number, len(sections))
        sides = zip(states, section.sections, strict=True)
        names.append(section_labels(sides) if section.fields else {})
    counts = tuple(map(sum, zip((0,) * len(Outcome), *(section.counts for section in sections), strict=True)))
    return FieldsSince(base_a.a, sections, tuple(names), counts)


@dataclass(frozen=True, slots=True, eq=False)
class MemorySince:
    """What happened to the memory since the base.

    Attributes:
        base: The base's memory; reading pages from it is for workers.
        pages: For each block, also those that only the base has, an Outcome for each page.
        counts: How many pages became what, by Outcome.
    """

    base: RamIndex
    pages: dict[str, NDArray[np.uint8]]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class MemoryCompared:
    """What became of the memory.

    Attributes:
        a, b: The memory of each side; reading pages from it is for workers.
        ram: The comparison of A with B.
        pages: How many pages differ: counted in the worker, since there may be millions.
        bytes: How many bytes differ in each block of `names`.
        since: What happened since the base; None without one.
    """

    a: RamIndex
    b: RamIndex
    ram: RamComparison
    pages: int
    bytes: tuple[int, ...]
    since: MemorySince | None = None

    @classmethod
    def of(cls, a: RamIndex, b: RamIndex, ram: RamComparison, since: MemorySince | None = None) -> MemoryCompared:
        """Count what differs."""
        counted = {one.name: int(one.bytes_changed.sum(dtype="int64")) for one in ram.blocks}
        names = since.pages if since is not None else counted
        return cls(a, b, ram, ram.pages_changed, tuple(counted.get(name, 0) for name in names), since)

    @property
    def names(self) -> tuple[str, ...]:
        """The blocks' names."""
        return tuple(one.name for one in self.ram.blocks) if self.since is None else tuple(self.since.pages)

    def blocks(self, number: int) -> tuple[RamBlock | None, RamBlock | None, RamBlock | None]:
        """Return the block of A, of B and of the base that has a name, by the name's place in `names`."""
        if self.since is None:
            return self.ram.blocks[number].a, self.ram.blocks[number].b, None
        name = self.names[number]
        found = next((one for one in self.ram.blocks if one.name == name), None)
        base = next((block for block in self.since.base.blocks if block.name == name), None)
        return (found.a, found.b, base) if found is not None else (None, None, base)

    @property
    def differs(self) -> bool:
        """Whether anything differs, also from the base."""
        return self.pages > 0 or (self.since is not None and sum(self.since.counts[1:]) > 0)

    @property
    def problems(self) -> tuple[str, ...]:
        """Why pages may be missing, as sentences."""
        base = self.since.base.problem if self.since is not None else None
        return (*self.ram.problems, *([f"the memory of the base is not complete: {base}"] if base is not None else []))


def compare_memory(compared: Compared, progress: Progress) -> MemoryCompared:
    """Compare the memory of states whose fields were compared.

    Raises:
        ImageError, StreamError: a side cannot be read.
        CompareError: the memories have pages of different sizes, or a side has none.
        Cancelled: by `progress`.
    """
    from vmsnap_gui.compare.ram import compare_ram

    fields, since = compared.fields, compared.since
    if fields is None:
        raise CompareError("a side holds no state of the machine")
    a, b = fields.a.index_ram(progress), fields.b.index_ram(progress)
    if since is None:
        return MemoryCompared.of(a, b, compare_ram(a, b, progress))
    base = since.base.index_ram(progress)
    pairs = (a, b), (base, a), (base, b)
    found = [compare_ram(*pair, _piece(progress, number, 3)) for number, pair in enumerate(pairs)]
    return MemoryCompared.of(a, b, found[0], _memory_since(base, found))


def _memory_since(base: RamIndex, found: Sequence[RamComparison]) -> MemorySince:
    import numpy as np

    from vmsnap_gui.compare.terms import Outcome
    from vmsnap_gui.compare.three import three_way_pages

    pages = three_way_pages(found[1], found[2], found[0])
    counts = sum((np.bincount(one, minlength=len(Outcome)) for one in pages.values()), np.zeros(len(Outcome), int))
    return MemorySince(base, pages, tuple(counts.tolist()))


@dataclass(frozen=True, slots=True, eq=False)
class DiskCompared:
    """What became of the disk.

    Attributes:
        disk: The comparison of A with B.
        size: Bytes of the largest of the disks.
        unit: What all ranges are multiples of, but for a disk's end.
        read_data: Whether data was read wherever content can be equal at different places.
        since: The ranges that changed since the base, their kinds Outcome values; None without a base.
        counts: How many bytes became what since the base, by Outcome.
        base_size: Bytes of the base's disk; 0 without one.
    """

    disk: DiskComparison
    size: int
    unit: int
    read_data: bool
    since: Ranges | None = None
    counts: tuple[int, ...] = ()
    base_size: int = 0

    @property
    def differs(self) -> bool:
        """Whether anything differs, also from the base."""
        return self.disk.differs or sum(self.counts) > 0


def compare_disk(sides: Sides, read_data: bool, progress: Progress) -> DiskCompared:
    """Compare the disks of two snapshots, and with a base also that of the base; `read_data`: also by content.

    Raises:
        ImageError: a side cannot be read.
        CompareError: a side has no disk.
        Cancelled: by `progress`.
    """
    from vmsnap_gui.compare.disk import DiskSide, compare_disks

    disks = [DiskSide(sides.image(side), side.snapshot) for side in sides.all]
    found = [
        compare_disks(disks[a], disks[b], read_data=read_data, progress=_piece(progress, number, len(sides.pairs)))
        for number, (a, b) in enumerate(sides.pairs)
    ]
    size, unit = max(one.size for one in disks), min(one.unit for one in found)
    by_content = all(one.read_data for one in found)
    if sides.base is None:
        return DiskCompared(found[0], size, unit, by_content)
    from vmsnap_gui.compare.terms import Outcome
    from vmsnap_gui.compare.three import three_way_disk

    since = three_way_disk(found[1], found[2], found[0])
    counts = tuple(int(since.lengths[since.kinds == outcome].sum()) for outcome in Outcome)
    return DiskCompared(found[0], size, unit, by_content, since, counts, disks[2].size)


def _piece(progress: Progress, number: int, of: int) -> Progress:
    """Return the progress of one of `of` pieces of work."""
    return lambda done, total: progress(number * total + done, of * total)
