"""The rows of the field tree as plain data: which field stands where, made when it is looked at. Qt-free.

A tree may have hundreds of thousands of fields, most of them elements of arrays that are decoded on demand. A row is
made when it comes into sight. Branches with many rows are divided into groups ("[0] … [999]"), so that no branch ever
has more rows than a view can lay out at once.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vmsnap_gui.models.field_parts import parts_of
from vmsnap_gui.vmstate.fields import Field, Kind, join_path
from vmsnap_gui.vmstate.paths import find_field, find_places
from vmsnap_gui.vmstate.sections import SectionType

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmsnap_gui.guest.names import Label
    from vmsnap_gui.reading import LoadedState
    from vmsnap_gui.vmstate.sections import Section

ROWS = 1000
"""The most rows of a branch; what is more is put into groups."""
ROWS_OF_CONTAINERS = 100
"""The same for arrays of structs, whose elements cost more to decode."""
_OVERLAPPING = 16  # PCI parts may stand one inside the other
Chain = tuple[int, ...]
"""Where a field is: the number of its root, its place among that one's children, and so on."""


@dataclass(slots=True)
class Kept:
    """What a filter leaves of a container.

    Attributes:
        places: The children that stay, as places in its children, ascending.
        below: For those of them that stay only in part: what stays of them.
    """

    places: Sequence[int]
    below: dict[int, Kept] = field(default_factory=dict)

    @property
    def first(self) -> Chain:
        """Where the first field is that the filter looked for, and not only what it lies in."""
        chain: list[int] = []
        kept: Kept | None = self
        while kept is not None and kept.places:
            chain.append(kept.places[0])
            kept = kept.below.get(kept.places[0])
        return tuple(chain)


@dataclass(frozen=True, slots=True)
class Root:
    """One section, or what else stands at the top of the tree.

    Attributes:
        key: What it is found by in another snapshot.
        field: Its tree.
        section: The section, if it is one.
        labels: Names for people, by path.
        about: What kind of device it is, as far as a label inside says so.
    """

    key: str
    field: Field
    section: Section | None
    labels: dict[str, Label]
    about: str = ""


class DeviceTree:
    """The tops of the tree, in stream order: sections, the configuration, and what the tail did not look at.

    Attributes:
        loaded: The state.
        roots: The tops.
        edited: Fields with the values that the person gave them, by section and path.
    """

    def __init__(self, loaded: LoadedState) -> None:
        self.loaded = loaded
        self.edited: dict[tuple[str, str], Field] = {}
        state = loaded.vmstate
        roots = [
            (Root(_key(section), tree, section, labels, device_kind(labels)), number)
            for number, (section, tree, labels) in enumerate(
                zip(state.sections, loaded.trees, loaded.labels, strict=True)
            )
        ]
        for extra in (state.configuration, _unwalked(state.unwalked)):
            if extra is not None:
                roots.append((Root(extra.name, extra, None, {}), -1))
        roots.sort(key=lambda pair: pair[0].field.offset)
        self.roots = tuple(root for root, _ in roots)
        self._places = {number: place for place, (_, number) in enumerate(roots) if number >= 0}
        self._problems = _problem_paths(loaded, self._places)

    def place(self, section: int) -> int:
        """Return which root is the section with this number in `LoadedState.trees`."""
        return self._places[section]

    def has_problem_inside(self, root: int, path: str) -> bool:
        """Whether something below the field `path` of a root is wrong."""
        paths = self._problems.get(root, [])
        if not path:
            return bool(paths)
        after = (bisect_left(paths, path + sign) for sign in ".[")
        return any(at < len(paths) and paths[at].startswith((f"{path}.", f"{path}[")) for at in after)

    def path(self, chain: Chain) -> str:
        """Return the path in its root of the field at `chain`, as `fields.walk` gives it."""
        path, here = "", self.roots[chain[0]].field
        for place in chain[1:]:
            here = children_of(here)[place]
            path = join_path(path, here.name)
        return path

    def field(self, chain: Chain) -> Field:
        """Return the field at `chain`."""
        here = self.roots[chain[0]].field
        for place in chain[1:]:
            here = children_of(here)[place]
        return here

    def at_offset(self, root: int, offset: int) -> Chain:
        """Return the innermost field of a root that holds the byte at `offset` in the stream."""
        chain = [root]
        here = self.roots[root].field
        while True:
            place = _covering(children_of(here), offset)
            if place is None:
                return tuple(chain)
            chain.append(place)
            here = children_of(here)[place]

    def find(self, root: int, path: str, hint: Chain = ()) -> Chain | None:
        """Return where the field `path` of a root is, the one at `hint` if it has that path; None if there is none."""
        if len(hint) > 1 and self._has_path((root, *hint[1:]), path):
            return (root, *hint[1:])
        places = find_places(self.roots[root].field, path, children_of)
        return None if places is None else (root, *places)

    def root_of_key(self, key: str) -> int | None:
        """Return the root with this key."""
        return next((place for place, root in enumerate(self.roots) if root.key == key), None)

    def _has_path(self, chain: Chain, path: str) -> bool:
        try:
            return self.path(chain) == path
        except IndexError:
            return False


def children_of(parent: Field) -> Sequence[Field]:
    """Return what stands below a field: its children, or the parts of a PCI configuration space."""
    if parent.kind is not Kind.BUFFER:
        return parent.children
    return parts_of(parent)


def find_shown(root: Field, path: str) -> Field | None:
    """Return the field at a path below `root`, parts of PCI configuration spaces included, or None."""
    return find_field(root, path, children_of)


def holds_containers(parent: Field) -> bool:
    """Whether the elements of an array are containers (by its ends: looking at all would decode all)."""
    children = parent.children
    return any(children[place].kind.is_container for place in {0, len(children) - 1} if len(children))


def group_size(rows: int, most: int) -> int:
    """Return how many rows a group of a branch has; 0 where `rows` need no groups. Groups may be grouped again."""
    if rows <= most:
        return 0
    size = most
    while -(-rows // size) > most:
        size *= most
    return size


_PCI_DEVICE = re.compile(r"[0-9a-f]{4}:[0-9a-f]{4} .")


def device_kind(labels: dict[str, Label]) -> str:
    """Return what a PCI device is ("8086:2922 SATA controller"): the detail that its configuration space is given."""
    details = (label.detail for label in labels.values() if label.detail)
    return next((detail for detail in details if _PCI_DEVICE.match(detail)), "")


def _key(section: Section) -> str:
    return section.key if section.type is SectionType.FULL else f"{section.key} ({section.type.name.lower()})"


def _problem_paths(loaded: LoadedState, places: dict[int, int]) -> dict[int, list[str]]:
    """Return the paths of fields with problems, in order, for each root that has some."""
    paths: dict[int, list[str]] = {}
    for one in loaded.problems:
        if one.section is not None and one.path:
            paths.setdefault(places[one.section], []).append(one.path)
    return {root: sorted(found) for root, found in paths.items()}


def _unwalked(where: tuple[int, int] | None) -> Field | None:
    return None if where is None else Field("(memory)", "(records)", Kind.RECORDS, where[0], where[1])


def _covering(children: Sequence[Field], offset: int) -> int | None:
    """Return the place of the child that holds the byte at `offset`. Children of a field stand in stream order."""
    place = bisect_right(children, offset, key=lambda child: child.offset) - 1
    for back in range(min(place + 1, _OVERLAPPING)):
        child = children[place - back]
        if child.offset <= offset < child.offset + child.size:
            return place - back
    return None


def row_of(places: Sequence[int] | None, place: int) -> int | None:
    """Return the row at which the child `place` is shown, given what a filter left (None: everything)."""
    if places is None:
        return place
    row = bisect_left(places, place)
    return row if row < len(places) and places[row] == place else None
