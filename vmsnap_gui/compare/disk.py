"""The disks of two snapshots: which bytes differ.

Of one image the mapping tables alone tell it: clusters at the same place are equal, and no data is read. Clusters at
different places can still be equal; whether they are is told by reading them, when that is asked for. Disks of two
images are always compared by reading what either has allocated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.compare.change import Change
from vmsnap_gui.compare.disk_content import SECTOR, compare_content
from vmsnap_gui.compare.disk_map import DiskUse, mapping_changes, occupied
from vmsnap_gui.compare.errors import CompareError
from vmsnap_gui.compare.ranges import Ranges, union
from vmsnap_gui.image.qcow2 import Qcow2Image
from vmsnap_gui.image.qcow2_snapshots import Qcow2Snapshot

if TYPE_CHECKING:
    from vmsnap_gui.image.byteview import ByteView
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.image.snapshot import Image, Snapshot


@dataclass(frozen=True, slots=True)
class DiskSide:
    """One of the two disks.

    Attributes:
        image: The image.
        snapshot: Its snapshot; None: the disk as it is now.
    """

    image: Image
    snapshot: Snapshot | None

    @property
    def size(self) -> int:
        """Bytes of the disk."""
        return self.image.virtual_size if self.snapshot is None else self.snapshot.disk_size or 0


@dataclass(frozen=True, slots=True, eq=False)
class DiskComparison:
    """What differs between two disks.

    Attributes:
        size_a, size_b: Bytes of the disks.
        ranges: Where they differ, ascending; `kinds` are Change values.
        bytes_changed: How many bytes differ: counted where data was read, else all bytes of the ranges.
        read_data: Whether data was read; if not, what the ranges hold may still be equal.
        unit: What the ranges are rounded to: bytes in a cluster, in a subcluster, or in a sector where data was read.
        use_a, use_b: What the disks' bytes are stored as.
    """

    size_a: int
    size_b: int
    ranges: Ranges
    bytes_changed: int
    read_data: bool
    unit: int
    use_a: DiskUse
    use_b: DiskUse

    @property
    def differs(self) -> bool:
        """Whether anything differs."""
        return len(self.ranges.starts) > 0

    def units_changed(self) -> int:
        """Return how many clusters (subclusters, sectors) the ranges are."""
        return int((-(-self.ranges.lengths // self.unit)).sum())

    def bytes_of(self, change: Change) -> int:
        """Return how many bytes of the ranges this became of."""
        return int(self.ranges.lengths[self.ranges.kinds == change].sum())


def compare_disks(
    a: DiskSide, b: DiskSide, *, read_data: bool = False, progress: Progress | None = None
) -> DiskComparison:
    """Compare two disks.

    Args:
        a: One side.
        b: The other.
        read_data: Of one image, whether clusters at different places are read and compared; of two they always are.
        progress: Called now and then with bytes of disk; may raise Cancelled.

    Raises:
        CompareError: a side has no disk, or they differ in too many places.
        ImageError: a file cannot be read, or another one is needed for which no consent was given.
    """
    ours, theirs = _qcow2(a, "A"), _qcow2(b, "B")
    common = min(a.size, b.size)
    map_a, map_b = ours.cluster_map(a.snapshot), theirs.cluster_map(b.snapshot)
    if _one_file(ours, theirs):
        found, use_a, use_b = mapping_changes(map_a, map_b, a.size, b.size, None if read_data else progress)
        unit = map_a.unit
    else:
        read_data = True
        (held_a, use_a), (held_b, use_b) = occupied(map_a, a.size, progress), occupied(map_b, b.size, progress)
        found, unit = union(held_a, held_b).cut(common), SECTOR
    changed = int(found.lengths.sum())
    if read_data:
        unit = SECTOR
        found, changed = _read(ours.disk(a.snapshot), theirs.disk(b.snapshot), found, progress)
    if a.size != b.size:
        more = Change.ONLY_A if a.size > b.size else Change.ONLY_B
        rest = max(a.size, b.size) - common
        found = Ranges.joined([found, Ranges.one(common, rest, more)])
        changed += rest
    for image, side in ((ours, a), (theirs, b)):
        if isinstance(side.snapshot, Qcow2Snapshot):
            image.ensure_still_there(side.snapshot)
    return DiskComparison(a.size, b.size, found, changed, read_data, unit, use_a, use_b)


def _read(a: ByteView, b: ByteView, found: Ranges, progress: Progress | None) -> tuple[Ranges, int]:
    """Compare the content of what was found, but for what cannot be read; returns ranges and differing bytes."""
    damaged = found.of(found.kinds == Change.UNREADABLE)
    ranges, changed = compare_content(a, b, found.of(found.kinds != Change.UNREADABLE), progress)
    return Ranges.joined([ranges, damaged]), changed + int(damaged.lengths.sum())


def _qcow2(side: DiskSide, name: str) -> Qcow2Image:
    if not isinstance(side.image, Qcow2Image):
        raise CompareError(f"side {name} is no disk image, so there is no disk to compare", what=str(side.image.path))
    return side.image


def _one_file(a: Qcow2Image, b: Qcow2Image) -> bool:
    ours, theirs = a.handle.stamp, b.handle.stamp
    return (ours.device, ours.inode) == (theirs.device, theirs.inode)
