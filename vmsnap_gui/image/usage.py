"""What the snapshots of a qcow2 image occupy, what they share, and what deleting them gives back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.qcow2_snapshots import Qcow2Snapshot, table_size
from vmsnap_gui.image.snapshot import describe
from vmsnap_gui.image.usage_count import Counting
from vmsnap_gui.image.usage_groups import METADATA, OTHER, Part, owner_bits, uses

if TYPE_CHECKING:
    from collections.abc import Iterable

    from vmsnap_gui.image.errors import Problem, Progress
    from vmsnap_gui.image.qcow2 import Qcow2Image
    from vmsnap_gui.image.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes of whole clusters, by what they are used for.

    Attributes:
        disk: The disk's content.
        vm_state: The VM state.
        tables: The L1 and L2 tables that map these.
    """

    disk: int = 0
    vm_state: int = 0
    tables: int = 0

    @property
    def total(self) -> int:
        """All of it."""
        return self.disk + self.vm_state + self.tables

    def __add__(self, other: Sizes) -> Sizes:
        return Sizes(self.disk + other.disk, self.vm_state + other.vm_state, self.tables + other.tables)


@dataclass(frozen=True, slots=True)
class LayerUsage:
    """What a snapshot, or the disk as it is now, occupies.

    Attributes:
        snapshot: The snapshot; None: the active layer.
        exclusive: What nobody else uses: deleting it alone gives back this.
        shared: What others use, too.
        new: What the snapshot before (in the table, where QEMU puts a new one at the end) does not use.
    """

    snapshot: Qcow2Snapshot | None
    exclusive: Sizes
    shared: Sizes
    new: Sizes


@dataclass(frozen=True, slots=True, eq=False)
class Usage:
    """What all clusters of an image that have a refcount are used for.

    `active.exclusive`, all `snapshots[...].exclusive`, `shared`, `metadata` and `other` add up to `in_use`.

    Attributes:
        cluster_size: Bytes in a cluster.
        active: The disk as it is now, and what is left in its mapping of the VM state that was last loaded.
        snapshots: The snapshots in the order of the table.
        shared: What two or more of them use, each cluster once.
        metadata: Bytes of header, refcount table and blocks, snapshot table and bitmaps.
        other: Bytes in use that nothing leads to: leaked, or behind tables that cannot be read.
        in_use: Bytes of all clusters that have a refcount.
        problems: What is wrong with the tables; the numbers may then be wrong, too.
    """

    cluster_size: int
    active: LayerUsage
    snapshots: tuple[LayerUsage, ...]
    shared: Sizes
    metadata: int
    other: int
    in_use: int
    problems: tuple[Problem, ...]
    _groups: dict[int, int]
    _owners: dict[Qcow2Snapshot, int]
    _tables: tuple[int, int]

    def freed_by(self, snapshots: Iterable[Snapshot]) -> int:
        """Return how many bytes of clusters deleting these together gives back to the image.

        That is what only they use, and what the snapshot table, which QEMU writes anew, needs less.

        Raises:
            ImageError: one is not a snapshot of this image.
        """
        owners = 0
        gone: list[Qcow2Snapshot] = []
        for snapshot in set(snapshots):
            if not isinstance(snapshot, Qcow2Snapshot) or snapshot not in self._owners:
                raise ImageError(f"the snapshot with {describe(snapshot)} is not one of those that were counted")
            owners |= owner_bits(self._owners[snapshot])
            gone.append(snapshot)
        if not owners:
            return 0
        freed = sum(size for group, size in self._groups.items() if not group & ~owners)
        now, rewritten = self._tables
        then = rewritten - table_size(gone, rewritten=True)  # each entry has its own length, a multiple of 8
        return freed + (-(-now // self.cluster_size) - -(-then // self.cluster_size)) * self.cluster_size

    @property
    def without_snapshots(self) -> int:
        """Bytes that would be in use if all snapshots were deleted."""
        return self.in_use - self.freed_by(one.snapshot for one in self.snapshots if one.snapshot is not None)


def usage_of(image: Qcow2Image, progress: Progress | None = None) -> Usage:
    """Count what an image's clusters are used for; no data is read.

    Args:
        image: The image.
        progress: Called with bytes of tables; may raise Cancelled.

    Raises:
        ImageError: the file cannot be read, its refcount table cannot, its feature bits forbid it, or there are more
            than 4096 snapshots, or not all of them can be listed. Other damage is among the problems of the result.
    """
    counting = Counting(image)
    counting.run(progress)
    pairs = zip(counting.groups.sets, counting.counts.tolist(), strict=True)
    groups = {group: number * image.cluster_size for group, number in pairs if number}
    shares = _Shares(groups, len(image.snapshots) + 1)
    layers = [
        LayerUsage(snapshot, shares.exclusive[owner], shares.shared[owner], shares.new[owner])
        for owner, snapshot in enumerate((None, *image.snapshots))
    ]
    return Usage(
        cluster_size=image.cluster_size,
        active=layers[0],
        snapshots=tuple(layers[1:]),
        shared=shares.common,
        metadata=groups.get(METADATA, 0),
        other=shares.other,
        in_use=sum(groups.values()),
        problems=tuple(counting.problems),
        _groups=groups,
        _owners={snapshot: owner for owner, snapshot in enumerate(image.snapshots, 1)},
        _tables=(table_size(image.snapshots), table_size(image.snapshots, rewritten=True)),
    )


class _Shares:
    """Distributes sets of uses among the owners."""

    def __init__(self, groups: dict[int, int], owners: int) -> None:
        self.exclusive = [Sizes()] * owners
        self.shared = [Sizes()] * owners
        self.new = [Sizes()] * owners
        self.common = Sizes()
        self.other = 0
        for group, size in groups.items():
            self._add(group, size, owners)

    def _add(self, group: int, size: int, owners: int) -> None:
        parts: dict[int, Part] = {}
        for owner, part in uses(group):
            parts.setdefault(owner, part)
        alone = len(parts) == 1 and not group & (OTHER | METADATA)
        for owner, part in parts.items():
            amount = _sizes(part, size)
            which = self.exclusive if alone else self.shared
            which[owner] += amount
            before = owner - 1 if owner else owners - 1
            if before == 0 or before not in parts:  # the first snapshot has none before it; the active layer comes last
                self.new[owner] += amount
        if parts and not alone:
            self.common += _sizes(min(parts.values()), size)
        elif not parts and group != METADATA:
            self.other += size


def _sizes(part: Part, size: int) -> Sizes:
    return Sizes(*(size if part is one else 0 for one in Part))
