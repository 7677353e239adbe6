"""Finding a field by its path, without decoding what the path does not lead through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.elements import Elements
from vmsnap_gui.vmstate.fields import join_path

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from vmsnap_gui.vmstate.fields import Field

    Below = Callable[[Field], Sequence[Field]]
    """What stands below a field."""


def children(parent: Field) -> Sequence[Field]:
    """Return what stands below a field in its section."""
    return parent.children


def find_places(root: Field, path: str, below: Below = children) -> list[int] | None:
    """Return the places among their parents' children that lead from `root` to `path`; None if nothing does.

    Of several fields of that path it is the first.
    """
    return next(_search(root, "", path, below), None) if path else []


def find_field(root: Field, path: str, below: Below = children) -> Field | None:
    """Return the (first) field at a path below `root`, or None."""
    return next(find_fields(root, path, below), None)


def find_fields(root: Field, path: str, below: Below = children) -> Iterator[Field]:
    """Yield the fields at a path below `root`: QEMU's i8254 has two `channels[0].next_transition_time`."""
    for places in _search(root, "", path, below):
        here = root
        for place in places:
            here = below(here)[place]
        yield here


def _search(parent: Field, above: str, path: str, below: Below) -> Iterator[list[int]]:
    # Names may hold dots and brackets, so a path cannot just be split.
    for place, child in _candidates(parent, path[len(above) :], below):
        here = join_path(above, child.name)
        if here == path:
            yield [place]
        elif path.startswith(here) and path[len(here)] in ".[":
            for found in _search(child, here, path, below):
                yield [place, *found]


def _candidates(parent: Field, rest: str, below: Below) -> Iterator[tuple[int, Field]]:
    """Yield the children that a path can lead to: in an array the named element, without decoding the others."""
    found = below(parent)
    number, _, _ = rest[1:].partition("]")
    if rest.startswith("[") and number.isdecimal() and len(number) < 12 and int(number) < len(found):
        child = found[int(number)]
        if child.name == f"[{number}]":
            yield int(number), child
            return
    if not isinstance(found, Elements):  # of those each is where its name says
        yield from enumerate(found)
