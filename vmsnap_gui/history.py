"""Qt-free: what a worker finds out of an image's tables: what its snapshots occupy, and which goes back to which.

What does it is imported in the worker: NumPy would double the time until the window is seen.
"""

from __future__ import annotations

from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.reading import Changed

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from vmsnap_gui.branches import Point, Row
    from vmsnap_gui.image.ancestry import Tree
    from vmsnap_gui.image.byteview import Stamp
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.image.qcow2 import Qcow2Image
    from vmsnap_gui.image.snapshot import Snapshot
    from vmsnap_gui.image.usage import Usage

_STEPS = 1000
"""Units of progress for each half of the work: counting, then comparing."""


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """The snapshots of an image: what each occupies, and its parent.

    Attributes:
        path: The image.
        stamp: The file's stamp when this was found out.
        snapshots: Those of the table, in its order.
        tree: Their parents; open where they cannot be told.
        rows: The tree as rows.
        by_date: The tree along the dates; seconds since 1970.
        by_clock: The tree along the VM clock, without snapshots that have no VM state; seconds.
        usage: What they occupy; None where that cannot be counted.
        why_not: Why not, a sentence; empty where it can.
        frees: For each snapshot the bytes of clusters that deleting it alone gives back; empty without `usage`.
        without: Bytes of clusters that would be in use without any snapshot; 0 without `usage`.
        at_least: Whether a running machine may hold changes of the tables back, so that deleting may free more: the
            session knows it.
    """

    path: Path
    stamp: Stamp
    snapshots: tuple[Snapshot, ...]
    tree: Tree
    rows: tuple[Row, ...]
    by_date: tuple[Point, ...]
    by_clock: tuple[Point, ...]
    usage: Usage | None
    why_not: str
    frees: tuple[int, ...]
    without: int
    at_least: bool = False

    def freed_by(self, positions: Iterable[int]) -> int:
        """Return how many bytes of clusters deleting these together gives back; slow where there are thousands.

        Raises:
            ImageError: they were not counted.
        """
        if self.usage is None:
            raise ImageError(self.why_not, path=self.path)
        return self.usage.freed_by(self.snapshots[position] for position in positions)


def look_into(path: Path, expected: Sequence[Snapshot], progress: Progress) -> History:
    """Count what an image's snapshots occupy, and find their parents; no data is read.

    Args:
        path: A qcow2 image.
        expected: The snapshots that its table holds.
        progress: Called with shares of the work; may raise Cancelled.

    Raises:
        ImageError: the file cannot be read, or is no qcow2 image.
        Changed: it holds other snapshots.
    """
    from vmsnap_gui.branches import points_of, rows_of
    from vmsnap_gui.control.lineage import records_of
    from vmsnap_gui.image.ancestry import ancestry_of
    from vmsnap_gui.image.qcow2 import Qcow2Image

    with closing(open_image(path)) as image:
        if not isinstance(image, Qcow2Image):
            raise ImageError("only qcow2 images hold more than one state", path=path)
        stamp, snapshots = image.handle.current_stamp(), image.snapshots
        if tuple(expected) != snapshots:
            raise Changed
        usage, why_not = _count(image, _part(progress, 0))
        tree = ancestry_of(image, records_of(path, snapshots), _part(progress, 1))
    dates = [None if one.date_sec is None else one.date_sec + one.date_nsec / 1e9 for one in snapshots]
    clocks = [one.vm_clock_ns / 1e9 if one.vm_state_size and one.vm_clock_ns is not None else None for one in snapshots]
    return History(
        path=path,
        stamp=stamp,
        snapshots=snapshots,
        tree=tree,
        rows=rows_of(tree),
        by_date=points_of(tree, dates),
        by_clock=points_of(tree, clocks),
        usage=usage,
        why_not=why_not,
        frees=tuple(usage.freed_by([one]) for one in snapshots) if usage is not None else (),
        without=usage.without_snapshots if usage is not None else 0,
    )


def _count(image: Qcow2Image, progress: Progress) -> tuple[Usage | None, str]:
    from vmsnap_gui.image.usage import usage_of

    try:
        return usage_of(image, progress), ""
    except ImageError as error:
        return None, error.message


def _part(progress: Progress, number: int) -> Progress:
    """Return a progress callback for one half of the work."""

    def report(done: int, total: int) -> None:
        share = min(done, total) * _STEPS // total if total else 0
        progress(number * _STEPS + share, 2 * _STEPS)

    return report
