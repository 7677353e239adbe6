"""The entry of an operation in the journal: what is under way on which image, kept up to date before each write."""

from __future__ import annotations

import contextlib
import enum
import itertools
import json
import os
import time
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil

from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.fingerprint import UNREADABLE, Fingerprints, id_of
from vmsnap_gui.control.journal_place import folder, own, write_whole
from vmsnap_gui.control.locks import holders
from vmsnap_gui.control.terms import DELETES, StepKind
from vmsnap_gui.image.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from vmsnap_gui.control.locks import Holder
    from vmsnap_gui.control.plan import Plan, Step

ACTIVE = ""
"""The key of the disk as it is now, among those of snapshots."""

_KEEP_ACTIVE = {StepKind.TAKE, StepKind.DELETE, StepKind.CHECK, StepKind.REPAIR}
"""Steps after which the disk as it is now must read as before."""

_numbers = itertools.count()


class Mark(enum.Enum):
    """How far an operation is with an image."""

    WAITING = "waiting"
    """not touched yet"""
    WRITING = "writing"
    DONE = "done"
    """the last write ended as it should"""
    DOUBTFUL = "doubtful"
    """a write failed or was interrupted"""


@dataclass(slots=True)
class Marked:
    """An image in an operation.

    Attributes:
        path: Where it is, resolved.
        device, inode: What it is.
        mark: How far the operation is with it.
        kept: What must read the same afterwards: key of the snapshot, or ACTIVE, to digest.
        stamp: Size, and times of the last change of content and of inode in ns, at the last look at it in doubt.
        touched: Whether a look found another stamp than the one before, and no writing of ours explains it.
    """

    path: Path
    device: int
    inode: int
    mark: Mark
    kept: dict[str, str]
    stamp: tuple[int, int, int] | None = None
    touched: bool = False

    def is_of(self, path: Path) -> bool:
        """Whether this is the image at `path`: the same file, or the same place."""
        with contextlib.suppress(OSError):
            found = path.stat()
            if (found.st_dev, found.st_ino) == (self.device, self.inode):
                return True
        return path.resolve() == self.path

    def as_json(self) -> dict[str, Any]:
        """Return it as the entry has it."""
        return {
            "path": str(self.path),
            "device": self.device,
            "inode": self.inode,
            "mark": self.mark.value,
            "kept": self.kept,
            "stamp": self.stamp,
            "touched": self.touched,
        }

    @classmethod
    def from_json(cls, one: dict[str, Any]) -> Marked:
        """Return what `as_json` gave; raises KeyError, ValueError or TypeError where it is not that."""
        return cls(
            path=Path(one["path"]),
            device=one["device"],
            inode=one["inode"],
            mark=Mark(one["mark"]),
            kept=one["kept"],
            stamp=tuple(one["stamp"]) if one.get("stamp") is not None else None,
            touched=bool(one.get("touched")),
        )


@dataclass(slots=True)
class Operation:
    """An operation's entry: made and kept up to date by `executing`, read by who wants to know what was under way.

    Attributes:
        file: Where it is kept; the tools' output lies beside it.
        plan: The plan as `Plan.as_json` gives it.
        pid, started: The process that carries it out, and when that began (seconds since 1970).
        begun: When the operation began, in seconds since 1970.
        step: The number of the step under way, from 1; 0 before the first.
        undoing: Whether that step is being taken back.
        tool: The process that writes, once it is known.
        images: What is touched.
        ended: How it ended (an Ending's value), None until then.
        abandoned: Whether our process gave it up without an end.
    """

    file: Path
    plan: dict[str, Any]
    pid: int
    started: float
    begun: float
    images: list[Marked]
    step: int = 0
    undoing: bool = False
    tool: int | None = None
    ended: str | None = None
    abandoned: bool = False
    _outputs: int = field(default=0, repr=False)

    @classmethod
    def begin(
        cls, plan: Plan, before: Mapping[Path, Fingerprints], kept: Mapping[Path, Mapping[str, str]]
    ) -> Operation:
        """Make the entry of an operation that is about to write.

        Args:
            plan: What will be done.
            before: What is in the images now.
            kept: What must read the same for an earlier operation's sake; it knew the image before any damage.

        Raises:
            ControlError: the journal cannot be written, so nothing else should be.
        """
        images = []
        for path, prints in before.items():
            found = path.stat()
            keep = {**_kept(plan, path, prints), **kept.get(path, {})}
            images.append(Marked(path.resolve(), found.st_dev, found.st_ino, Mark.WAITING, keep))
        name = f"{time.time_ns()}-{os.getpid()}-{next(_numbers)}.json"
        mine = psutil.Process().create_time()
        made = cls(folder() / name, plan.as_json(), os.getpid(), mine, time.time(), images)
        made.save()
        own[made.file] = made
        return made

    @classmethod
    def read(cls, file: Path) -> Operation:
        """Read an entry; raises OSError, or KeyError, ValueError or TypeError where it is none."""
        document = json.loads(file.read_bytes())
        images = [Marked.from_json(one) for one in document["images"]]
        names = ("plan", "pid", "started", "begun", "step", "undoing", "tool", "ended", "abandoned")
        return cls(file, images=images, **{name: document[name] for name in names})

    def enter(self, number: int, step: Step, *, writes: bool, undoing: bool = False) -> None:
        """Record that a step begins, before it does; raises ControlError if it cannot be written: it must not then."""
        self.step, self.undoing, self.tool = number, undoing, None
        with self._as_before_unless_saved():
            if writes:
                self._mark([target.path for target in step.targets], Mark.WRITING)

    def tool_started(self, pid: int) -> None:
        """Record the process that writes; raises ControlError if that cannot be written."""
        self.tool = pid
        self.save()

    def done(self, paths: Iterable[Path]) -> None:
        """Record that the writing of these images ended in an orderly way.

        Raises:
            ControlError: it cannot be written. Their marks stay as they were: the journal says so, too.
        """
        with self._as_before_unless_saved():
            self._mark(paths, Mark.DONE)

    def doubt(self, paths: Iterable[Path]) -> None:
        """Record that these images may be damaged; raises ControlError, and they are doubted here even so."""
        self._mark(paths, Mark.DOUBTFUL)
        self.save()

    def writing(self) -> list[Path]:
        """Return the images whose writing has not ended in an orderly way."""
        return [one.path for one in self.images if one.mark is Mark.WRITING]

    def look(self, path: Path) -> bool:
        """Compare an image in doubt, that nobody has open, with the last look at it; tell whether it was touched since.

        Raises:
            ControlError: the image is gone, or what was seen cannot be written.
        """
        image = self.image(path)
        if image is None or (self.alive() and self.pid != os.getpid()):  # its own process looks at it
            return image is not None and image.touched
        now = _stamp_of(path)
        if now != image.stamp:
            image.touched = image.touched or image.stamp is not None
            image.stamp = now
            self.save()
        return image.touched

    def expect_writing(self, path: Path) -> None:
        """Look once more, and take the stamp anew at the next look: a repair of ours is about to write; see `look`."""
        self.look(path)
        image = self.image(path)
        if image is not None:
            image.stamp = None
            self.save()

    def end(self, ending: str) -> None:
        """Record the end; the entry is forgotten unless an image is doubtful."""
        self.ended = ending
        self.save()
        self.tidy()

    def abandon(self) -> None:
        """Record that our process goes on without this operation: as if it had been killed."""
        self.abandoned = True
        self.save()

    def tidy(self) -> None:
        """Remove the entry if it ended, and no image is left that it keeps in quarantine."""
        if self.ended is not None and all(one.mark in (Mark.WAITING, Mark.DONE) for one in self.images):
            for file in self.file.parent.glob(f"{self.file.stem}*"):
                file.unlink(missing_ok=True)

    def output(self) -> Path:
        """Return a new file's path for what a tool says; it lies beside the entry and goes with it."""
        self._outputs += 1
        return self.file.with_name(f"{self.file.stem}.{os.getpid()}.{self._outputs}.out")

    def alive(self) -> bool:
        """Whether our process that carries it out is still at it."""
        if self.abandoned or self.ended is not None:
            return False
        try:
            begun: float = psutil.Process(self.pid).create_time()
        except psutil.Error:
            return False
        return abs(begun - self.started) < 1

    def tool_is_old(self) -> bool:
        """Whether the process that writes ran before the operation began: a machine's QEMU, and no reused pid."""
        try:
            return self.tool is not None and psutil.Process(self.tool).create_time() < self.begun
        except psutil.Error:
            return False

    def tools(self) -> tuple[Holder, ...]:
        """Return the tools that still run for it: they hold their output open from their first moment."""
        found: dict[int, Holder] = {}
        for file in self.file.parent.glob(f"{self.file.stem}*.out"):
            with contextlib.suppress(ImageError):
                found |= {one.pid: one for one in holders(file) if one.pid != self.pid}
        return tuple(found.values())

    def image(self, path: Path) -> Marked | None:
        """Return the image at `path` if this operation touches it."""
        return next((one for one in self.images if one.is_of(path)), None)

    def save(self) -> None:
        """Write the entry, so that it is there after a crash; raises ControlError."""
        document = {
            "version": 1,
            "plan": self.plan,
            "pid": self.pid,
            "started": self.started,
            "begun": self.begun,
            "step": self.step,
            "undoing": self.undoing,
            "tool": self.tool,
            "ended": self.ended,
            "abandoned": self.abandoned,
            "images": [one.as_json() for one in self.images],
        }
        try:
            write_whole(self.file, json.dumps(document).encode())
        except OSError as error:
            raise ControlError(f"the journal {self.file} cannot be written: {error.strerror}") from error
        if self.ended is not None or self.abandoned:
            own.pop(self.file, None)

    @contextlib.contextmanager
    def _as_before_unless_saved(self) -> Iterator[None]:
        """Save what is done to the marks within, or undo it; raises ControlError."""
        before = [replace(one) for one in self.images]
        yield
        try:
            self.save()
        except ControlError:
            self.images = before
            raise

    def _mark(self, paths: Iterable[Path], mark: Mark) -> None:
        for path in paths:
            found = self.image(path)
            if found is None:
                raise ControlError("the plan says nothing of this image", path=path)
            if found.mark is not mark:  # and what was seen of an earlier doubt counts no more
                found.mark, found.stamp, found.touched = mark, None, False


def _stamp_of(path: Path) -> tuple[int, int, int]:
    try:
        found = path.stat()
    except OSError as error:
        raise ControlError(f"it cannot be found: {error.strerror}", path=path) from error
    return found.st_size, found.st_mtime_ns, found.st_ctime_ns


def _kept(plan: Plan, path: Path, prints: Fingerprints) -> dict[str, str]:
    """Return what must read the same after a plan, as far as it can be read now."""
    gone = {target.id for step in plan.steps if step.kind in DELETES for target in step.targets if target.path == path}
    kept = {key: str(found) for key, found in prints.snapshots.items() if id_of(key) not in gone}
    if all(step.kind in _KEEP_ACTIVE for step in plan.steps):
        kept[ACTIVE] = str(prints.active)
    return {key: found for key, found in kept.items() if UNREADABLE not in found}
