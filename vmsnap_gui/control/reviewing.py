"""What became of operations that were interrupted: the machine went down, or vmsnap was killed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.control.finishing import repair_command
from vmsnap_gui.control.journal import forget_ended, interrupted, settle
from vmsnap_gui.control.journal_entry import Mark, Marked, Operation
from vmsnap_gui.control.plan import DiskResult
from vmsnap_gui.control.quarantine import judge

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """An interrupted operation, and how its images are now.

    Attributes:
        operation: Its entry; `journal.settle` closes it once a person has heard of it.
        what: What was under way: "take 'clean'".
        step: The step that was under way, for people; "" before the first.
        disks: How each image is now.
    """

    operation: Operation
    what: str
    step: str
    disks: tuple[DiskResult, ...]

    def settle(self) -> None:
        """Close the operation, now that a person has heard of it; raises ControlError."""
        settle(self.operation, {disk.path for disk in self.disks if disk.quarantined})


async def review() -> tuple[Review, ...]:
    """Look at all interrupted operations and their images; what proves to be whole is released."""
    forget_ended()
    found = []
    for operation in interrupted():
        disks = tuple([await _look(image) for image in operation.images])
        steps = operation.plan["steps"]
        step = steps[operation.step - 1]["text"] if 0 < operation.step <= len(steps) else ""
        what = f"{operation.plan['verb']} {operation.plan['subject']}"
        found.append(Review(operation=operation, what=what, step=step, disks=disks))
    return tuple(found)


async def _look(image: Marked) -> DiskResult:
    path: Path = image.path
    held = await judge(path)
    if held is not None:
        why = f"in quarantine: {held.why}"
        return DiskResult(path=path, text=why, quarantined=True, finish=(repair_command(path),))
    texts = {
        Mark.WAITING: "not touched",
        Mark.DONE: "its steps so far were done, or taken back",
        Mark.WRITING: "the step was interrupted, but it is whole: a check is clean, and all else reads as before",
    }
    return DiskResult(path=path, text=texts.get(image.mark, texts[Mark.WRITING]))
