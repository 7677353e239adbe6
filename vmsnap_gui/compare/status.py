"""What became of a field and of a section from one state to the other."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.compare.terms import Status

if TYPE_CHECKING:
    from vmsnap_gui.compare.noise import NoiseRule
    from vmsnap_gui.vmstate.fields import Field
    from vmsnap_gui.vmstate.sections import Section


@dataclass(frozen=True, slots=True)
class FieldChange:
    """A field that is not the same in both states.

    Attributes:
        path: The field's path in its section, as `fields.walk` gives it.
        change: CHANGED, ADDED, REMOVED, or VERSION_CHANGED for a subsection: whatever the noise rules say. A
            container that is on one side only is one change.
        a: The field in A, None where it is not there.
        b: The field in B.
        rule: The noise rule that names it, or None.
    """

    path: str
    change: Status
    a: Field | None
    b: Field | None
    rule: NoiseRule | None = None

    @property
    def status(self) -> Status:
        """What became of it with the noise rules."""
        return self.change if self.rule is None else Status.SAME_WHEN_FILTERED

    @property
    def field(self) -> Field:
        """The field in B, or in A where B has none."""
        field = self.b if self.b is not None else self.a
        assert field is not None  # nothing changed where it is on neither side
        return field


@dataclass(frozen=True, slots=True)
class SectionChange:
    """A section of either state, or of both.

    Attributes:
        name: The section's id string, or "configuration" for what stands before all sections.
        instance_id: Unsigned.
        a: The section in A, None where it is not there (and for the configuration).
        b: The section in B.
        change: CHANGED, ADDED, REMOVED, VERSION_CHANGED or SAME, whatever the noise rules say.
        fields: What differs, in stream order; empty for a section on one side only.
        same: How many leaves are the same in both.
        problem: Why this is not the whole truth, or None.
    """

    name: str
    instance_id: int
    a: Section | None
    b: Section | None
    change: Status
    fields: tuple[FieldChange, ...] = ()
    same: int = 0
    problem: str | None = None

    @property
    def key(self) -> str:
        """The section's name for people: "cpu", or "cpu:1" where the instance id is not 0."""
        return self.name if self.instance_id == 0 else f"{self.name}:{self.instance_id}"

    @property
    def status(self) -> Status:
        """What became of it with the noise rules."""
        if self.change is Status.CHANGED and self.fields and all(one.rule is not None for one in self.fields):
            return Status.SAME_WHEN_FILTERED
        return self.change

    @property
    def differences(self) -> int:
        """How many fields differ with the noise rules."""
        return sum(one.rule is None for one in self.fields)
