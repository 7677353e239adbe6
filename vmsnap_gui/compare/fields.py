"""The fields of two states, matched, and what became of each.

Sections match by name and instance id (of several alike the n-th is the n-th), fields by name in their struct, array
elements by index, subsections by name. What has the same layout and the same bytes is skipped as a whole, so that huge
arrays cost what their changes cost.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.compare.noise import NoiseRules
from vmsnap_gui.compare.pairing import Walk, leaves
from vmsnap_gui.compare.status import FieldChange, SectionChange
from vmsnap_gui.compare.terms import Status
from vmsnap_gui.image.byteview import CHUNK
from vmsnap_gui.vmstate.fields import Field, Kind, walk
from vmsnap_gui.vmstate.sections import Section, SectionType

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.devices import VMState

CONFIGURATION = "configuration"
"""What the comparison of the configuration section, which has no name in the stream, goes by."""


@dataclass(frozen=True, slots=True)
class FieldComparison:
    """All sections of two states.

    Attributes:
        a, b: The states.
        sections: In A's order; those of B alone at the end.
    """

    a: VMState
    b: VMState
    sections: tuple[SectionChange, ...]

    @property
    def devices_changed(self) -> int:
        """How many sections differ with the noise rules."""
        return sum(section.status.differs for section in self.sections)

    @property
    def fields_changed(self) -> int:
        """How many fields differ with the noise rules; a section on one side only counts as none."""
        return sum(section.differences for section in self.sections)

    @property
    def fields_filtered(self) -> int:
        """How many fields differ, but as a noise rule says."""
        return sum(len(section.fields) - section.differences for section in self.sections)

    @property
    def differs(self) -> bool:
        """Whether anything differs with the noise rules."""
        return any(section.status.differs for section in self.sections)

    def unchanged(self, section: SectionChange) -> Iterator[tuple[str, Field]]:
        """Yield (path, field in B) for each leaf of a section that is the same in both; raises ImageError."""
        root = self.b.configuration if section.name == CONFIGURATION and section.b is None else None
        if section.b is not None and section.a is not None:
            root = self.b.decode(section.b)
        if root is None or not section.same:
            return
        changed = {change.path for change in section.fields if change.change is not Status.VERSION_CHANGED}
        for path, field in walk(root):
            if not field.kind.is_container and field.kind is not Kind.FRAME and not _within(path, changed):
                yield path, field


def compare_fields(
    a: VMState, b: VMState, rules: NoiseRules | None = None, progress: Progress | None = None
) -> FieldComparison:
    """Compare all device sections of two states, and their configurations; RAM pages are not looked at.

    Args:
        a: One state.
        b: The other.
        rules: What counts as noise; None: nothing does.
        progress: Called after each section with bytes; may raise Cancelled.

    Raises:
        ImageError: a file cannot be read.
    """
    rules = rules if rules is not None else NoiseRules()
    pairs = _pairs(a, b)
    total, done = sum(_size(pair) for pair in pairs), 0
    changes = []
    configuration = _configuration(a, b, rules)
    if configuration is not None:
        changes.append(configuration)
    for pair in pairs:
        changes.append(_section(a, b, *pair, rules))
        done += _size(pair)
        if progress is not None:
            progress(done, total)
    return FieldComparison(a, b, tuple(changes))


Pair = tuple[Section | None, Section | None]


def _pairs(a: VMState, b: VMState) -> list[Pair]:
    theirs = _by_key(b)
    pairs: list[Pair] = [(section, theirs.pop(key, None)) for key, section in _by_key(a).items()]
    return pairs + [(None, section) for section in theirs.values()]


def _by_key(state: VMState) -> dict[tuple[str, int, int], Section]:
    """Return the sections that stand for a device; the further parts of iterative ones do not."""
    seen: Counter[tuple[str, int]] = Counter()
    found = {}
    for section in state.sections:
        if section.type in (SectionType.START, SectionType.FULL):
            key = section.name, section.instance_id
            found[*key, seen[key]] = section
            seen[key] += 1
    return found


def _size(pair: Pair) -> int:
    return max(section.size for section in pair if section is not None)


def _section(a: VMState, b: VMState, ours: Section | None, theirs: Section | None, rules: NoiseRules) -> SectionChange:
    section = ours or theirs
    assert section is not None
    name, instance = section.name, section.instance_id
    if ours is None or theirs is None:
        return SectionChange(name, instance, ours, theirs, Status.ADDED if ours is None else Status.REMOVED)
    if SectionType.START in (ours.type, theirs.type):
        problem = None if name == "ram" else "what this section holds comes in parts, which are not compared"
        return SectionChange(name, instance, ours, theirs, _changed(ours, theirs, ()), problem=problem)
    first, second = a.decode(ours), b.decode(theirs)
    if any(child.kind is Kind.RECORDS for root in (first, second) for child in root.children):
        return _unheld(a, b, ours, theirs, (first, second))
    sides = (a.view.read(ours.offset, ours.size), ours.offset), (b.view.read(theirs.offset, theirs.size), theirs.offset)
    alike = _layout(a, ours) == _layout(b, theirs)
    pairing = Walk(*sides, alike=alike, noise=rules.for_device(name))
    if alike and _payload(sides[0][0], ours) == _payload(sides[1][0], theirs):
        pairing.same = leaves(first)
    else:
        pairing.children(first, second)
    fields = tuple(pairing.changes)
    problem = first.problem or second.problem
    return SectionChange(name, instance, ours, theirs, _changed(ours, theirs, fields), fields, pairing.same, problem)


def _layout(state: VMState, section: Section) -> object:
    device = state.description(section)
    return device.description if device is not None else None


def _payload(data: bytes, section: Section) -> bytes:
    start = section.payload_offset - section.offset
    return data[start : start + section.payload_size]


def _changed(ours: Section, theirs: Section, fields: tuple[FieldChange, ...]) -> Status:
    if ours.version != theirs.version:
        return Status.VERSION_CHANGED
    return Status.CHANGED if fields else Status.SAME


def _unheld(a: VMState, b: VMState, ours: Section, theirs: Section, roots: tuple[Field, Field]) -> SectionChange:
    """Compare sections too large to be held: whether their bytes differ, and no more."""
    same = ours.payload_size == theirs.payload_size and all(
        a.view.read(ours.payload_offset + at, min(CHUNK, ours.payload_size - at))
        == b.view.read(theirs.payload_offset + at, min(CHUNK, ours.payload_size - at))
        for at in range(0, ours.payload_size, CHUNK)
    )
    first, second = roots[0].children[1], roots[1].children[1]
    fields = () if same else (FieldChange(first.name, Status.CHANGED, first, second),)
    change = _changed(ours, theirs, fields)
    return SectionChange(ours.name, ours.instance_id, ours, theirs, change, fields, int(same))


def _configuration(a: VMState, b: VMState, rules: NoiseRules) -> SectionChange | None:
    """Compare the configurations; None where neither state has one."""
    ours, theirs = a.configuration, b.configuration
    if ours is None or theirs is None:
        if ours is theirs:
            return None
        return SectionChange(CONFIGURATION, 0, None, None, Status.ADDED if ours is None else Status.REMOVED)
    sides = (a.view.read(ours.offset, ours.size), ours.offset), (b.view.read(theirs.offset, theirs.size), theirs.offset)
    pairing = Walk(*sides, alike=False, noise=rules.for_device(CONFIGURATION))
    pairing.children(ours, theirs)
    fields = tuple(pairing.changes)
    return SectionChange(CONFIGURATION, 0, None, None, Status.CHANGED if fields else Status.SAME, fields, pairing.same)


def _within(path: str, changed: set[str]) -> bool:
    """Whether `path` or a container above it is in `changed`."""
    while path not in changed:
        cut = max(path.rfind("."), path.rfind("["))
        if cut < 0:
            return False
        path = path[:cut]
    return True
