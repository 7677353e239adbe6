"""Finding a field by its path, without decoding what the path does not lead through."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.decoder import Elements
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
    """Return the places among their parents' children that lead from `root` to `path`; None if nothing does."""
    return _search(root, "", path, below) if path else []


def find_field(root: Field, path: str, below: Below = children) -> Field | None:
    """Return the field at a path below `root`, or None."""
    places, here = find_places(root, path, below), root
    for place in places or ():
        here = below(here)[place]
    return here if places else None


def _search(parent: Field, above: str, path: str, below: Below) -> list[int] | None:
    # Names may hold dots and brackets, so a path cannot just be split.
    for place, child in _candidates(parent, path[len(above) :], below):
        here = join_path(above, child.name)
        if here == path:
            return [place]
        if path.startswith(here) and path[len(here)] in ".[":
            found = _search(child, here, path, below)
            if found is not None:
                return [place, *found]
    return None


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
