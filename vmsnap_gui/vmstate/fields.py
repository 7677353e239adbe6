"""Decoded fields: the typed tree that one section of a saved state becomes."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Value = int | bool | float | bytes | str | None
"""What a leaf holds: `bytes` for buffers and raw bytes, `str` for texts, None for NULL pointers and containers."""


class Kind(enum.Enum):
    """What a field is, and so how it is shown and written as JSON."""

    INTEGER = "integer"
    BOOLEAN = "boolean"
    FLOAT = "float"
    TEXT = "text"
    NULL = "null"
    BUFFER = "buffer"  # described, but only as bytes
    RAW = "raw"  # bytes that no description covers
    FRAME = "frame"  # header, footer, subsection header: savevm's own bytes, not the device's
    STRUCT = "struct"
    ARRAY = "array"
    SUBSECTION = "subsection"

    @property
    def is_container(self) -> bool:
        """Whether fields of this kind have children instead of a value."""
        return self in (Kind.STRUCT, Kind.ARRAY, Kind.SUBSECTION)


@dataclass(slots=True)
class Field:
    """One node of a decoded section.

    Attributes:
        name: QEMU's name ("env.eip"), "[3]" for the fourth element of an array, the name of a subsection.
        type: QEMU's type name as the description gives it ("uint64", "struct", "timer", ...); ours in round brackets
            where QEMU has none ("(raw)", "(header)", "(footer)", "(subsection)", "(array)").
        kind: How to show it.
        offset: First byte, counted from the start of the stream.
        size: Bytes.
        value: The value of a leaf.
        children: Nodes below, in stream order; made on demand for arrays, so do not take `list()` of them lightly.
        problem: What is wrong with this field, if anything.
    """

    name: str
    type: str
    kind: Kind
    offset: int
    size: int
    value: Value = None
    children: Sequence[Field] = ()
    problem: str | None = None


def join_path(parent: str, name: str) -> str:
    """Return the path of the field `name` below the path `parent`: "a.b", "a[3]", or `name` at the top."""
    if not parent or name.startswith("["):
        return parent + name
    return f"{parent}.{name}"


def walk(root: Field, path: str = "") -> Iterator[tuple[str, Field]]:
    """Yield (path, field) for every node below `root` in stream order, without `root`; paths start below `path`."""
    stack = [(path, iter(root.children))]
    while stack:
        parent, children = stack[-1]
        for child in children:
            here = join_path(parent, child.name)
            yield here, child
            if child.kind.is_container:
                stack.append((here, iter(child.children)))
                break
        else:
            stack.pop()
