"""What carries out a plan's steps is registered by this: one worker for each kind of step."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.control.fingerprint import Fingerprints
    from vmsnap_gui.control.journal_entry import Operation
    from vmsnap_gui.control.plan import Plan, Step


class Observer(Protocol):
    """Watches an operation. Called in the operation's own thread."""

    def step(self, step: Step, number: int, count: int) -> None:
        """Hear that step `number` of `count` begins; may raise `image.errors.Cancelled` before the first write only."""

    def written(self, done: int, expected: int | None) -> None:
        """Hear how many bytes the step has written, and how many it will write where that is known."""


class Quiet:
    """An observer that does nothing."""

    def step(self, step: Step, number: int, count: int) -> None:
        """See Observer."""

    def written(self, done: int, expected: int | None) -> None:
        """See Observer."""


@dataclass(slots=True, kw_only=True)
class Run:
    """An operation under way, as its workers see it.

    Attributes:
        plan: What is done.
        observer: Who watches.
        operation: The journal's entry. A worker that fails although the write ended in an orderly way (QEMU refused,
            and holds the image on) says `operation.done(paths)` before it raises; else the images are doubted.
        before: What was in the images before the first step.
        done: The writing steps that were done and verified.
        said: What tools and QEMU said, for the outcome's details.
        told: What a worker found out about an image, for its result: "2 errors were repaired".
        failed: The step that failed.
        onward: Whether what was done cannot be taken back, so that only doing the rest leads to an end.
        status: The running machine's state, for the outcome; None offline.
        address, pid: The machine that was started, for the outcome.
        resume: Whether the machine ran before a live restore.
        torn: Whether a live restore failed so late that disks and memory do not fit each other.
    """

    plan: Plan
    observer: Observer
    operation: Operation
    before: dict[Path, Fingerprints]
    done: list[Step] = field(default_factory=list)
    said: list[str] = field(default_factory=list)
    told: dict[Path, str] = field(default_factory=dict)
    failed: Step | None = None
    onward: bool = False
    status: str | None = None
    address: str | None = None
    pid: int | None = None
    resume: bool = False
    torn: bool = False


Work = Callable[["Step", Run], Awaitable[None]]
"""Does a step and verifies it by reading the images again; raises ControlError if it failed."""


@dataclass(frozen=True, slots=True)
class Worker:
    """How one kind of step is done.

    Attributes:
        do: Does it.
        undo: Takes it back, also where it was done only in part or not at all; only called for a step whose
            `undone_by` is set, and only on images that are not quarantined.
        writes: Whether it changes images.
    """

    do: Work
    undo: Work | None = None
    writes: bool = True
