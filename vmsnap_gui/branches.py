"""Qt-free: the tree of an image's snapshots laid out for the eye: as rows with lanes, and along an axis of time.

A *node* is a position in the image's table; the last one, which is their number, is the disk as it is now. A parent
always has a smaller number than its child. Of the children of a node one is its *heir*, which goes on in its lane: the
one that leads to the disk as it is now, else to the latest snapshot.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.image.ancestry import Source
from vmsnap_gui.image.kinship import MOST

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmsnap_gui.image.ancestry import Edge, Tree

_GAP = 0.08
"""How far right of the last snapshot the disk as it is now stands; half of it keeps the lines of one lane apart."""


@dataclass(frozen=True, slots=True)
class Row:
    """A node's row, and the lines in it.

    Attributes:
        node: Which one.
        lane: Where it stands, from 0 at the left.
        source: How its parent is known.
        above: Whether a line comes from above: it is an heir.
        comes_from: The lane of its parent, if it branches off to the right.
        below: Whether the line to its heir is solid; None: it has none.
        through: Lanes with a line that passes by, and whether that is solid.
    """

    node: int
    lane: int
    source: Source
    above: bool
    comes_from: int | None
    below: bool | None
    through: tuple[tuple[int, bool], ...]

    @property
    def solid(self) -> bool:
        """Whether the line to its parent is solid: what is inferred is dashed."""
        return self.source is Source.RECORDED


@dataclass(frozen=True, slots=True)
class Point:
    """A node on an axis of time.

    Attributes:
        node: Which one.
        at: Seconds; for the disk as it is now a place behind all others.
        lane: Its lane, from 0.
        parent: The nearest ancestor that is on the axis, as a place in the list of points.
        solid: Whether the line to it is solid.
    """

    node: int
    at: float
    lane: int
    parent: int | None
    solid: bool


class Family:
    """Who is whose parent, by nodes.

    Attributes:
        edges: One for each node.
        parents: The parent of each node.
        children: The children of each, the heir last.
    """

    def __init__(self, tree: Tree) -> None:
        self.edges: tuple[Edge, ...] = (*tree.edges, tree.here)
        numbers = {edge.child: node for node, edge in enumerate(tree.edges)}
        self.parents = [None if edge.parent is None else numbers[edge.parent] for edge in self.edges]
        self.children: list[list[int]] = [[] for _ in self.edges]
        latest = list(range(len(self.edges)))
        for node in reversed(range(len(self.edges))):
            self.children[node].sort(key=lambda one: (latest[one] == latest[node], one))
            parent = self.parents[node]
            if parent is not None:
                latest[parent] = max(latest[parent], latest[node])
                self.children[parent].append(node)

    def heir(self, node: int) -> int | None:
        """Return the child that goes on in a node's lane."""
        return self.children[node][-1] if self.children[node] else None

    def is_solid(self, node: int) -> bool:
        """Whether a node's parent is recorded."""
        return self.edges[node].source is Source.RECORDED


def rows_of(tree: Tree) -> tuple[Row, ...]:
    """Return a row for each node, a parent above its children, what branches off before what goes on."""
    family = Family(tree)
    roots = [node for node, parent in enumerate(family.parents) if parent is None]
    left = [(node, 0) for node in reversed(roots)]
    rows: list[Row] = []
    passing: dict[int, bool] = {}  # the lanes with a line that is open, and whether it is solid
    while left:  # no recursion: a line of 1,000 snapshots is as deep
        node, lane = left.pop()
        passing.pop(lane, None)
        rows.append(_row(family, node, lane, passing))
        heir = family.heir(node)
        if heir is not None:
            passing[lane] = family.is_solid(heir)
            left.append((heir, lane))
            left += [(child, lane + 1) for child in reversed(family.children[node][:-1])]
    return tuple(rows)


def _row(family: Family, node: int, lane: int, passing: dict[int, bool]) -> Row:
    parent, heir = family.parents[node], family.heir(node)
    is_heir = parent is not None and family.heir(parent) == node
    return Row(
        node=node,
        lane=lane,
        source=family.edges[node].source,
        above=is_heir,
        comes_from=None if parent is None or is_heir else lane - 1,
        below=None if heir is None else family.is_solid(heir),
        through=tuple(sorted(passing.items())),
    )


def points_of(tree: Tree, times: Sequence[float | None]) -> tuple[Point, ...]:
    """Return the nodes along an axis, each line of heirs in a lane that is free there.

    Args:
        tree: The tree.
        times: Seconds for each snapshot; None: it is left out, and its children go back to the one before it.
    """
    family = Family(tree)
    known = [one for one in times if one is not None]
    if not known:
        return ()
    span = max(known) - min(known) or 1.0
    at = [*times, max(known) + _GAP * span]
    nodes = [node for node, time in enumerate(at) if time is not None]
    places = {node: place for place, node in enumerate(nodes)}
    # Of more snapshots than are compared no parent is known: one lane does for all.
    lanes = _lanes(family, at, _GAP / 2 * span) if len(tree.edges) <= MOST else [0] * len(at)
    points = []
    for node in nodes:
        parent, solid = family.parents[node], family.is_solid(node)
        while parent is not None and parent not in places:
            solid = solid and family.is_solid(parent)
            parent = family.parents[parent]
        place = places[parent] if parent is not None else None
        points.append(Point(node, at[node] or 0.0, lanes[node], place, solid))
    return tuple(points)


def _lanes(family: Family, at: Sequence[float | None], apart: float) -> list[int]:
    """Return a lane for each node; that of the disk as it is now is the first."""
    lanes = [0] * len(at)
    taken: list[list[tuple[float, float]]] = []
    lines = sorted(_lines(family), key=lambda line: (line[-1] != len(at) - 1, line[0]))
    for line in lines:
        start = family.parents[line[0]]
        times = [time for node in (*line, *([] if start is None else [start])) if (time := at[node]) is not None]
        if not times:
            continue
        low, high = min(times) - apart, max(times) + apart
        lane = next((n for n, used in enumerate(taken) if all(high <= a or low >= b for a, b in used)), len(taken))
        if lane == len(taken):
            taken.append([])
        taken[lane].append((low, high))
        for node in line:
            lanes[node] = lane
    return lanes


def _lines(family: Family) -> list[list[int]]:
    """Return the lines of heirs, each from the node that branches off, or has no parent."""
    lines = []
    for node, parent in enumerate(family.parents):
        if parent is None or family.heir(parent) != node:
            line, heir = [node], family.heir(node)
            while heir is not None:
                line.append(heir)
                heir = family.heir(heir)
            lines.append(line)
    return lines
