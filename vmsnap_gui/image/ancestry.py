"""Which snapshot each snapshot of an image goes back to: as it was recorded, else inferred from shared clusters.

A qcow2 image says nothing of it. So an inferred parent is a guess with a reason, and must never be shown as a fact;
what nothing speaks for stays open. Deleted snapshots are left out: a parent is the nearest one that is still there.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmsnap_gui.image.errors import ImageError, Problem
from vmsnap_gui.image.kinship import MOST, Kinship, kinship_of
from vmsnap_gui.image.snapshot import describe_briefly

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.image.qcow2 import Qcow2Image
    from vmsnap_gui.image.qcow2_snapshots import Qcow2Snapshot


class Source(enum.Enum):
    """How a parent is known; the values are those of --json."""

    RECORDED = "recorded"
    """this program took the snapshot, or returned to it, and the mapping agrees"""
    INFERRED = "inferred"
    """a guess; without a parent: it seems to go back to none that is still there"""
    OPEN = "open"
    """nothing speaks for any"""


@dataclass(frozen=True, slots=True)
class Edge:
    """What a snapshot, or the disk as it is now, goes back to.

    Attributes:
        child: The snapshot; None: the disk as it is now.
        parent: The snapshot before it; None where there is none, or where it is open.
        source: How that is known.
        reason: Why, in a sentence without a full stop.
    """

    child: Qcow2Snapshot | None
    parent: Qcow2Snapshot | None
    source: Source
    reason: str


@dataclass(frozen=True, slots=True)
class Tree:
    """The snapshots of an image as a tree, or several.

    Attributes:
        edges: One for each snapshot, in the order of the table, in which they were taken.
        here: That of the disk as it is now.
        problems: What could not be read.
    """

    edges: tuple[Edge, ...]
    here: Edge
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class Records:
    """What was recorded of an image.

    Attributes:
        parents: Those snapshots whose parent is known; None: it goes back to none.
        here: What the disk was last returned to, or what was last taken of it; None if unknown.
    """

    parents: Mapping[Qcow2Snapshot, Qcow2Snapshot | None] = field(default_factory=dict)
    here: Qcow2Snapshot | None = None


_RECORDED = "vmsnap did it itself"
_LAG_NS = 200_000_000
"""How much longer than by the VM clock a short time may be by the date: a guest stands still while it is saved."""


def ancestry_of(image: Qcow2Image, records: Records | None = None, progress: Progress | None = None) -> Tree:
    """Find the parents of all snapshots.

    Args:
        image: The image.
        records: What was recorded; what the mapping contradicts is not believed.
        progress: Called with bytes of content; may raise Cancelled.

    Raises:
        ImageError: the file cannot be read, or not all snapshots can be listed.
    """
    image.require_all_snapshots()
    snapshots = image.snapshots
    stamp = image.handle.current_stamp()
    try:
        if len(snapshots) > MOST:
            raise ImageError(f"more than {MOST} snapshots are not compared with each other")
        kinship = kinship_of(image, progress)
    except ImageError as error:
        why = f"their mappings cannot be compared: {error.message}"
        edges = [Edge(child, None, Source.OPEN, why) for child in (*snapshots, None)]
        return Tree(tuple(edges[:-1]), edges[-1], (Problem(why, error.offset),))
    guess = _Guess(snapshots, kinship, records or Records())
    edges = [guess.edge(number) for number in range(len(snapshots) + 1)]
    problems = [
        Problem(f"tables of {_layer(child)} cannot be read, so it was compared without them")
        for child, count in zip((*snapshots, None), kinship.unreadable.tolist(), strict=True)
        if count
    ]
    if image.handle.current_stamp() != stamp:
        problems.append(Problem("the image was changed while its snapshots were compared"))
    return Tree(tuple(edges[:-1]), edges[-1], tuple(problems))


class _Guess:
    """Chooses parents. Snapshots are numbers here, in table order; the last number is the disk as it is now."""

    def __init__(self, snapshots: tuple[Qcow2Snapshot, ...], kinship: Kinship, records: Records) -> None:
        self._snapshots = snapshots
        self._kin = kinship
        self._records = records
        self._numbers = {one: number for number, one in enumerate(snapshots)}

    def edge(self, child: int) -> Edge:
        """Return what a snapshot goes back to."""
        snapshot = self._snapshots[child] if child < len(self._snapshots) else None
        recorded = self._recorded(child)
        if recorded is not None:
            return recorded
        parent, source, reason = self._inferred(child)
        return Edge(snapshot, self._snapshots[parent] if parent is not None else None, source, reason)

    def _recorded(self, child: int) -> Edge | None:
        """Return what was recorded, unless somebody else has returned the disk to another snapshot since."""
        snapshot = self._snapshots[child] if child < len(self._snapshots) else None
        if snapshot is None:
            parent = self._records.here
            known = parent is not None
        else:
            parent = self._records.parents.get(snapshot)
            known = snapshot in self._records.parents
        if not known:
            return None
        if parent is not None:
            number = self._numbers.get(parent, child)
            differ = self._kin.differ[child, :child]
            if number >= child or self._kin.older[child, number] or (differ[number] and not differ.all()):
                return None
        return Edge(snapshot, parent, Source.RECORDED, _RECORDED)

    def _inferred(self, child: int) -> tuple[int | None, Source, str]:
        if child == 0:
            there = "no snapshot that is still there was taken before it"
            return None, Source.INFERRED, there if self._snapshots else "there are no snapshots"
        fit = [one for one in range(child) if not self._kin.older[child, one]]
        if not fit:
            text = "each snapshot that was taken before it holds changes that this one has not, and not written again"
            return None, Source.INFERRED, f"{text}: it seems to go back to none of them"
        least = min(int(self._kin.differ[child, one]) for one in fit)
        equal = [one for one in fit if self._kin.differ[child, one] == least]
        chosen, why = self._broken_tie(child, equal)
        if not self._kin.shared[child, chosen] and self._kin.used[chosen]:
            return self._without_shares(child, fit)
        return chosen, Source.INFERRED, self._reason(child, chosen, least, len(fit), why)

    def _broken_tie(self, child: int, equal: list[int]) -> tuple[int, str]:
        """Choose among those that differ equally; returns the choice and what spoke for it."""
        if len(equal) == 1:
            return equal[0], ""
        most = max(int(self._kin.state[child, one]) for one in equal)
        left = [one for one in equal if self._kin.state[child, one] == most]
        if len(left) == 1:
            return left[0], "only it has parts of the same VM state"
        possible = [one for one in left if self._before(one, child)]
        if len(possible) == 1 < len(left):
            return possible[0], "only its VM clock is not later"
        return (possible or left)[-1], "it is the latest of them"

    def _without_shares(self, child: int, fit: list[int]) -> tuple[int | None, Source, str]:
        ran = [one for one in fit if self._ran_on(one, child)]
        if not ran:
            return None, Source.OPEN, "it shares no cluster with any snapshot that it could go back to"
        name = describe_briefly(self._snapshots[ran[-1]])
        return ran[-1], Source.INFERRED, f"it shares no cluster with {name}, but since then date and VM clock ran alike"

    def _ran_on(self, earlier: int, child: int) -> bool:
        """Whether date and VM clock went on alike, as for a machine that just ran on; who goes back has a gap."""
        if child == len(self._snapshots):
            return False
        a, b = self._snapshots[earlier], self._snapshots[child]
        if not a.vm_clock_ns or not b.vm_clock_ns or a.date_sec is None or b.date_sec is None:
            return False
        dates = (b.date_sec - a.date_sec) * 1_000_000_000 + b.date_nsec - a.date_nsec
        clocks = b.vm_clock_ns - a.vm_clock_ns
        return clocks > 0 and abs(dates - clocks) <= max(_LAG_NS, dates // 20)

    def _before(self, earlier: int, child: int) -> bool:
        """Whether the VM clocks let one come before another; those without VM state, and the disk now, have none."""
        if child == len(self._snapshots):
            return True
        a, b = self._snapshots[earlier], self._snapshots[child]
        if not a.vm_state_size or not b.vm_state_size or a.vm_clock_ns is None or b.vm_clock_ns is None:
            return True
        return a.vm_clock_ns <= b.vm_clock_ns

    def _reason(self, child: int, chosen: int, least: int, fit: int, why: str) -> str:
        name = describe_briefly(self._snapshots[chosen])
        differ = "no cluster" if not least else f"{least} cluster{'' if least == 1 else 's'}"
        text = f"{differ} of the disk {'differs' if least < 2 else 'differ'} from {name}"
        if why:
            return f"{text}, as from others, and {why}"
        if child == 1:
            return f"{text}, the only one that was taken before it"
        if fit == 1:
            return f"{text}, and all others hold changes that this one has not"
        return f"{text}, fewer than from any other"


def _layer(snapshot: Qcow2Snapshot | None) -> str:
    return f"the snapshot {describe_briefly(snapshot)}" if snapshot is not None else "the disk as it is now"
