"""Two decoded trees side by side: which fields of one are which of the other, and what differs."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from vmsnap_gui.compare.status import FieldChange
from vmsnap_gui.compare.terms import Status
from vmsnap_gui.vmstate.elements import Elements
from vmsnap_gui.vmstate.fields import Field, Kind, join_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from vmsnap_gui.compare.noise import DeviceNoise

MOST_CHANGES = 250_000
"""The most changes that are listed one by one; an array with more is one change as a whole."""


class Walk:
    """One walk over the two trees of a section.

    Attributes:
        changes: What differs, in stream order.
        same: How many leaves do not differ.
    """

    def __init__(self, a: tuple[bytes, int], b: tuple[bytes, int], *, alike: bool, noise: DeviceNoise) -> None:
        """Prepare a walk.

        Args:
            a: A's bytes, and the stream offset of the first of them.
            b: The same for B.
            alike: Whether one description holds for both, so that equal bytes mean equal fields.
            noise: The noise rules for this section.
        """
        self.changes: list[FieldChange] = []
        self.same = 0
        self._a, self._base_a = a
        self._b, self._base_b = b
        self._alike = alike
        self._noise = noise

    def children(self, a: Field, b: Field, path: str = "") -> None:
        """Compare what is below two fields that are one another's."""
        waiting = {key: child for key, child in _numbered(b.children)}
        for key, child in _numbered(a.children):
            here = join_path(path, child.name)
            other = waiting.pop(key, None)
            if child.kind is Kind.FRAME:
                continue
            if other is None:
                self._note(here, Status.REMOVED, child, None)
            else:
                self.pair(child, other, here)
        for child in waiting.values():
            if child.kind is not Kind.FRAME:
                self._note(join_path(path, child.name), Status.ADDED, None, child)

    def pair(self, a: Field, b: Field, path: str) -> None:
        """Compare two fields that are one another's."""
        if self._alike and a.size == b.size and self._bytes(a) == self._bytes(b, of_b=True):
            self.same += leaves(a)
        elif a.kind is not b.kind or not a.kind.is_container:
            if a.kind is b.kind and self._equal(a, b):
                self.same += 1
            else:
                self._note(path, Status.CHANGED, a, b)
        elif isinstance(a.children, Elements) and isinstance(b.children, Elements):
            self._array(a, b, path)
        else:
            if a.kind is Kind.SUBSECTION and self._version(a) != self._version(b, of_b=True):
                self._note(path, Status.VERSION_CHANGED, a, b)
            self.children(a, b, path)

    def _array(self, a: Field, b: Field, path: str) -> None:
        """Compare the elements of two arrays by index; where too many differ, the arrays are one change."""
        ours, theirs = a.children, b.children
        before = len(self.changes), self.same
        common = min(len(ours), len(theirs))
        for index in self._differing(a, b, common):
            self.pair(ours[index], theirs[index], f"{path}[{index}]")
            if len(self.changes) > MOST_CHANGES:
                break
        for status, more in ((Status.REMOVED, ours), (Status.ADDED, theirs)):
            for index in range(common, len(more)):
                if len(self.changes) > MOST_CHANGES:
                    break
                one = more[index]
                sides = (one, None) if status is Status.REMOVED else (None, one)
                self._note(f"{path}[{index}]", status, *sides)
        if len(self.changes) > MOST_CHANGES and len(self.changes) - before[0] > 1:
            del self.changes[before[0] :]
            self.same = before[1]
            self._note(path, Status.CHANGED, a, b)

    def _differing(self, a: Field, b: Field, common: int) -> Iterator[int]:
        """Yield the indices of elements that may differ; those of the same layout and bytes are counted as same."""
        ours, theirs = a.children, b.children
        assert isinstance(ours, Elements)
        assert isinstance(theirs, Elements)
        runs = ours.runs()
        if runs != theirs.runs() or not all(field.size for _, _, field in runs):
            yield from range(common)
            return
        for first, count, field in runs:
            size, element = field.size, ours[first]
            at_a, at_b = element.offset - self._base_a, theirs[first].offset - self._base_b
            weight = leaves(element)
            stack = [(0, count)]
            while stack:
                low, high = stack.pop()
                span = slice(at_a + low * size, at_a + high * size), slice(at_b + low * size, at_b + high * size)
                if self._a[span[0]] == self._b[span[1]]:
                    self.same += weight * (high - low)
                elif high - low == 1:
                    yield first + low
                else:
                    middle = (low + high) // 2
                    stack += [(middle, high), (low, middle)]

    def _note(self, path: str, status: Status, a: Field | None, b: Field | None) -> None:
        change = FieldChange(path, status, a, b)
        rule = self._noise.rule(change)
        self.changes.append(change if rule is None else FieldChange(path, status, a, b, rule))

    def _equal(self, a: Field, b: Field) -> bool:
        """Whether two leaves of one kind say the same: floats by their bits, since NaN is not NaN."""
        if a.kind is Kind.FLOAT or (a.value is None and a.kind is not Kind.NULL):
            return self._bytes(a) == self._bytes(b, of_b=True)
        return a.value == b.value

    def _bytes(self, field: Field, *, of_b: bool = False) -> bytes:
        data, base = (self._b, self._base_b) if of_b else (self._a, self._base_a)
        return data[field.offset - base : field.offset - base + field.size]

    def _version(self, subsection: Field, *, of_b: bool = False) -> bytes:
        """Return the version in a subsection's header, its last four bytes."""
        return self._bytes(subsection.children[0], of_b=of_b)[-4:]


def _numbered(children: Sequence[Field]) -> Iterator[tuple[tuple[str, int], Field]]:
    """Yield each child with what it is matched by: its name, and how many of that name came before."""
    seen: Counter[str] = Counter()
    for child in children:
        yield (child.name, seen[child.name]), child
        seen[child.name] += 1


def leaves(field: Field) -> int:
    """Count the leaves of a field, savevm's own bytes left out; an array's elements are not decoded one by one."""
    if not field.kind.is_container:
        return field.kind is not Kind.FRAME
    children = field.children
    if isinstance(children, Elements):
        return sum(count * leaves(children[first]) for first, count, _ in children.runs())
    return sum(map(leaves, children))
