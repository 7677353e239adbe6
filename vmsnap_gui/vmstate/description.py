"""VMStateDescription and VMStateField: what a section holds, in savevm's own terms."""

from __future__ import annotations

import enum
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import TypeAlias

    Tree: TypeAlias = int | float | bytes | str | list["Tree"] | dict[str, "Tree"] | None
    Values = Mapping[str, int | bytes]
    Exists = Callable[[Values, int], bool]
    PreSave = Callable[[Mapping[str, Any]], dict[str, Any]]
    PostSave = Callable[[Mapping[str, Any]], None]
    Needed = Callable[[Mapping[str, Any]], bool]
    Count = int | str | Callable[[Values, int], int]
    LoadOld = Callable[[bytes, int], tuple["VMStateField", ...]]
    PreLoad = Callable[[dict[str, Any]], None]
    PostLoad = Callable[[Mapping[str, Any], int], None]

TEXT_LENGTHS = {"capability": 1, "str": 4}
"""Types of text, with the bytes of the length that stands before it."""

MARKED = "(list)"
"""The type of hand-written lists: slirp writes 42 before each connection, SCSI 1 or 2 before each request."""

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


class Pointers(enum.Enum):
    """What stands in the stream for pointers."""

    NONE = "none"  # what they point to
    NULLABLE = "nullable"  # the same, or ASCII 0 for NULL (arrays of pointers since QEMU 2.12)
    MARKED = "marked"  # ASCII 1 and the same, or ASCII 0 (pointers that loading allocates, since QEMU 11)


class Doubt(enum.Enum):
    """How sure the count (or size) of a field in a general description is."""

    NONE = "none"
    SLIGHT = "slight"  # it is nearly always right
    FULL = "full"  # anything may be


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

    The others are of general descriptions, which `resolving` makes concrete; there a struct or list has one `nested`,
    a gtree that of its values, or those of its keys and its values.

        version_id: The field is there when the stream's version is not lower, where `exists` is None.
        exists: savevm's field_exists: whether it is there, by the fields before it and the stream's version.
        count_from: The field, by name, that holds the count, or what computes it; `count` means nothing then.
        size_from: The same for the size of a buffer, which is multiplied by `multiply`.
        expected: The value that it must have (savevm's `*_equal`), or the highest (`*_le`), where that is known.
        pointers: What stands for pointers.
        struct_version: That of a vstruct's fields, which is not its description's; None for the description's.
        maybe: Whether it is there is not told (what savevm asks is code): `exists` and `version_id` are only likely.
        doubt: Whether `count` (or, where that has no sense, `size`) is only the likeliest: `fitting` finds what fits.
        sizes: Other sizes that are likely.
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
    expected: int | None = None
    pointers: Pointers = Pointers.NONE
    struct_version: int | None = None
    maybe: bool = False
    doubt: Doubt = Doubt.NONE
    sizes: tuple[int, ...] = ()

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
        load_old: savevm's load_state_old, which reads versions from `minimum_version_id_old` on that are older than
            that: from the bytes of the section and the version it makes the fields, concrete ones.
        minimum_version_id_old: The oldest version that `load_old` reads.
        pre_load: Called before loading with the values there are, where it may put values of its own: what fields
            that the stream has not take.
        post_load: Called after loading with the values and the version; raises StreamError to refuse them. Of a
            description inside another both have its own values.
        pre_save: Called before saving with the values; returns those that it computes from them (counts, flags).
        post_save: Called after saving with the values.
        needed: Whether to save a section, by its values, or a subsection, by those of what it belongs to; None: a
            section always, a subsection where they have it.
    """

    name: str
    version_id: int
    fields: tuple[VMStateField, ...] = ()
    subsections: tuple[VMStateDescription, ...] = ()
    minimum_version_id: int = 0
    load_old: LoadOld | None = None
    minimum_version_id_old: int = 0
    pre_load: PreLoad | None = None
    post_load: PostLoad | None = None
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


def field_names(fields: Iterable[VMStateField]) -> list[str]:
    """Return the names by which fields are told apart: those of one name are numbered, as vmfield_name_num does."""
    names = [field.name for field in fields]
    repeated = {name: 0 for name, times in Counter(names).items() if times > 1}
    for i, name in enumerate(names):
        if name in repeated:
            names[i] = f"{name}[{repeated[name]}]"
            repeated[name] += 1
    return names


Devices = dict[tuple[str, int], tuple[DeviceDescription, ...]]
"""The descriptions of a stream's sections by name and instance id, those of one key in stream order."""
