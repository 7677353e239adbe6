"""Applying a filter to all fields of a state, in a worker: what stays, and how much that is. Qt-free."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.models.field_nodes import Kept
from vmsnap_gui.vmstate.fields import Field, Kind, Value, join_path

if TYPE_CHECKING:
    from vmsnap_gui.guest.filter import Filter
    from vmsnap_gui.guest.names import Label
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.models.field_nodes import DeviceTree, Root

_OFTEN = 4096  # fields between two looks at whether somebody cancelled
_NOT_COUNTED = (Kind.FRAME, Kind.RAW, Kind.RECORDS)


@dataclass(frozen=True, slots=True)
class Filtered:
    """What a filter leaves of a tree.

    Attributes:
        kept: The roots that stay, and what stays of each; None where it left everything.
        fields: How many fields of devices match.
        of: How many of them there are, counted as in `LoadedState.fields`.
    """

    kept: Kept | None
    fields: int
    of: int


def apply_filter(tree: DeviceTree, wanted: Filter, progress: Progress) -> Filtered:
    """Look at every field of `tree` (FRAME fields only stay with what they are a part of).

    Raises:
        Cancelled: by `progress`.
    """
    work = _Filtering(wanted, progress, sum(root.field.size for root in tree.roots))
    places: array[int] = array("L")
    kept = Kept(places)
    whole = True
    for place, root in enumerate(tree.roots):
        below = work.root(root)
        if below is None:
            whole = False
            continue
        places.append(place)
        if below is not _WHOLE:
            kept.below[place] = below
            whole = False
    work.report(0)
    return Filtered(None if whole else kept, work.fields, work.of)


_WHOLE = Kept(array("L"))
"""Stands for a container of which everything stays."""


class ShownRow:
    """The one row that is shown to the filter, field by field: making one for each would double the time."""

    __slots__ = ("changed", "device", "label", "name", "offset", "outcome", "path", "problem", "size", "type", "value")

    def __init__(self) -> None:
        self.device = self.name = self.path = self.type = self.outcome = ""
        self.value: Value = None
        self.size = self.offset = 0
        self.label: str | None = None
        self.changed = False
        self.problem: str | None = None

    def show(self, path: str, field: Field, label: Label | None) -> None:
        """Show the filter this field."""
        self.path, self.name, self.type = path, field.name, field.type
        self.value, self.size, self.offset = field.value, field.size, field.offset
        self.label = label.name if label is not None else None
        self.problem = field.problem


class _Filtering:
    def __init__(self, wanted: Filter, progress: Progress, total: int) -> None:
        self.fields = self.of = 0
        self._matches = wanted.matches
        self._progress = progress
        self._total = total
        self._done = 0
        self._looked = 0
        self._counts = True
        self._row = ShownRow()
        self._labels: dict[str, Label] = {}

    def root(self, root: Root) -> Kept | None:
        """Return what stays of a root: None, everything (`_WHOLE`), or a part."""
        self._row.device = root.section.key if root.section is not None else root.key
        self._labels = root.labels
        self._counts = root.section is not None
        self._row.show("", root.field, None)
        match = self._matches(self._row)
        below = self._container(root.field, "")
        self._done += root.field.size
        if below is None and match:
            below = _WHOLE
        return below

    def report(self, more: int) -> None:
        """Say how far it is; this is where a cancel gets in."""
        self._progress(min(self._done + more, self._total), self._total)

    def _container(self, parent: Field, path: str) -> Kept | None:
        places: array[int] = array("L")
        below: dict[int, Kept] = {}
        whole = True
        for place, child in enumerate(parent.children):
            if child.kind is Kind.FRAME:
                continue
            here = join_path(path, child.name)
            stays = self._stays(child, here)
            if stays is None:
                whole = False
                continue
            places.append(place)
            if stays is not _WHOLE:
                below[place] = stays
                whole = False
        if not places:
            return None
        return _WHOLE if whole else Kept(places, below)

    def _stays(self, child: Field, path: str) -> Kept | None:
        self._looked += 1
        if self._looked % _OFTEN == 0:
            self.report(0)
        self._row.show(path, child, self._labels.get(path))
        match = self._matches(self._row)
        if child.kind.is_container:
            below = self._container(child, path)
            if below is None and match:
                self.fields += self._counts
                return _WHOLE
            return below
        counted = self._counts and child.kind not in _NOT_COUNTED
        self.of += counted
        self.fields += counted and match
        return _WHOLE if match else None
