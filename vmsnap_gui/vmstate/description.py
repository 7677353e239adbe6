"""VMStateDescription and VMStateField: what a section holds, in savevm's own terms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    Values = Mapping[str, int | bytes]
    Exists = Callable[[Values, int], bool]
    PreSave = Callable[[Mapping[str, Any]], dict[str, Any]]
    PostSave = Callable[[Mapping[str, Any]], None]
    Needed = Callable[[Mapping[str, Any]], bool]
    Count = int | str | Callable[[Values, int], int]

PAGE_SIZES = frozenset(1 << bits for bits in range(8, 21))
"""Page sizes that a target can have: 256 (avr) is the smallest seen, 65536 the largest."""


@dataclass(frozen=True, slots=True)
class Weight:
    """The cost of decoding a description, told from it alone.

    Attributes:
        fields: Fields that it becomes, array elements counted one by one.
        excess: Those that its bytes cannot account for; without a bound on these, a few lines of JSON (arrays of
            empty structs in arrays of empty structs) would become more fields than any memory holds.
    """

    fields: int
    excess: int


def _sum(parts: Iterable[Weight]) -> Weight:
    fields = excess = 0
    for part in parts:
        fields += part.fields
        excess += part.excess
    return Weight(fields, excess)


@dataclass(frozen=True, slots=True)
class VMStateField:
    """One field of a description.

    Attributes:
        name: QEMU's name of the field.
        type: QEMU's type name: "uint32", "struct", "timer", "buffer", ...
        size: Bytes that each element takes in the stream.
        count: Elements (1 where it is not an array).
        is_array: Whether this is (a part of) an array; parts of one array follow each other under one name.
        nested: The descriptions written inside the field: one for a struct, vstruct or tmp, one for each element of a
            qtailq or qlist, one or two (key, value) for each node of a gtree.

    The others are of general descriptions, which `resolving` makes concrete; there a struct or list has one `nested`.

        version_id: The field is there when the stream's version is not lower, where `exists` is None.
        exists: savevm's field_exists: whether it is there, by the fields before it and the stream's version.
        count_from: The field, by name, that holds the count, or what computes it; `count` means nothing then.
        size_from: The same for the size of a buffer, which is multiplied by `multiply`.
    """

    name: str
    type: str
    size: int
    count: int = 1
    is_array: bool = False
    nested: tuple[VMStateDescription, ...] = ()
    version_id: int = 0
    exists: Exists | None = None
    count_from: Count | None = None
    size_from: Count | None = None
    multiply: int = 1

    @property
    def total(self) -> int:
        """Bytes of all elements."""
        return self.size * self.count

    @property
    def weight(self) -> Weight:
        """How many fields this one becomes when it is decoded."""
        inner = _sum(description.weight for description in self.nested)
        excess = max(0, 1 + inner.fields - 2 * self.size)
        return Weight(self.count * (1 + inner.fields), self.count * (excess + inner.excess))


@dataclass(frozen=True, slots=True)
class VMStateDescription:
    """A device's (or struct's, or subsection's) layout.

    Attributes:
        name: The vmsd_name ("" for hand-written code).
        version_id: The version that was written.
        fields: In stream order.
        subsections: In stream order, after the fields; of a general description those that may be there.
        minimum_version_id: The oldest version that a general description can read.
        pre_save: Called before saving with the values; returns those that it computes from them (counts, flags).
        post_save: Called after saving with the values.
        needed: Of a subsection: whether to save it, by the values of what it belongs to; None: where they have it.
    """

    name: str
    version_id: int
    fields: tuple[VMStateField, ...] = ()
    subsections: tuple[VMStateDescription, ...] = ()
    minimum_version_id: int = 0
    pre_save: PreSave | None = None
    post_save: PostSave | None = None
    needed: Needed | None = None

    @property
    def payload_size(self) -> int:
        """Bytes that fields and subsections take; a subsection's header is 6 bytes and its name."""
        own = sum(f.total for f in self.fields)
        return own + sum(s.framed_size for s in self.subsections)

    @property
    def framed_size(self) -> int:
        """Bytes of this description as a subsection: 0x05, length and name, u32 version, payload."""
        return 6 + len(self.name.encode()) + self.payload_size

    @property
    def weight(self) -> Weight:
        """How many fields this becomes when it is decoded."""
        parts = (*(f.weight for f in self.fields), *(s.weight for s in self.subsections))
        return _sum(parts)


@dataclass(frozen=True, slots=True)
class DeviceDescription:
    """An entry of the vmdesc's `devices`: which section it is about, and its layout.

    Attributes:
        name: The section's id string.
        instance_id: Unsigned.
        description: What the section holds.
    """

    name: str
    instance_id: int
    description: VMStateDescription

    @property
    def payload_size(self) -> int:
        """Bytes of the section without header and footer."""
        return self.description.payload_size


Devices = dict[tuple[str, int], tuple[DeviceDescription, ...]]
"""The descriptions of a stream's sections by name and instance id, those of one key in stream order."""
