"""What the session's workers do: from a path to facts about an image, from a snapshot to a decoded state. Qt-free.

The decoders are imported where they are first needed, in a worker: NumPy alone would double the window's start.
"""

from __future__ import annotations

import contextlib
import stat
import threading
import time
from bisect import bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from vmsnap_gui.control.locks import in_use
from vmsnap_gui.image.byteview import Stamp, cannot_open
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import ImageError, Problem
from vmsnap_gui.vmstate.fields import Kind, join_path
from vmsnap_gui.vmstate.sections import SectionType

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from vmsnap_gui.guest.names import Label
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.image.snapshot import Image, Snapshot
    from vmsnap_gui.vmstate.devices import VMState
    from vmsnap_gui.vmstate.fields import Field
    from vmsnap_gui.vmstate.layouts import LayoutSource
    from vmsnap_gui.vmstate.sections import Section

COUNTED = 500_000
"""The most fields of one state that are walked to count them and to collect their problems."""


@dataclass(frozen=True, slots=True)
class StateKey:
    """Names one saved state of one reading of an image.

    Attributes:
        path: The image.
        index: Position of the snapshot in the image's table.
        id: The snapshot's id, if it has one.
        tag: The snapshot's tag, if it has one.
        reading: Grows with every reading: a key from before a reload equals none from after it.
    """

    path: Path
    index: int
    id: str | None
    tag: str | None
    reading: int

    @property
    def lane(self) -> str:
        """The lane for all work on this image (side lanes: `jobs.lane_of(key.path, "memory")`)."""
        return str(self.path)


@dataclass(frozen=True, slots=True)
class ImageInfo:
    """What the library and the snapshot table show of an image, read in one go.

    Attributes:
        path, format, virtual_size, cluster_size, snapshots, problems, facts: As in `image.snapshot.Image`.
        in_use: Whether a running VM holds it open for writing, so that it may be changing; asked for all formats.
        stamp: The file's stamp when it was read.
        machines: The machine type that each snapshot's state names, "" where it names none; None: not read yet.
    """

    path: Path
    format: str
    virtual_size: int
    cluster_size: int | None
    snapshots: tuple[Snapshot, ...]
    problems: tuple[Problem, ...]
    facts: tuple[tuple[str, str], ...]
    in_use: bool
    stamp: Stamp
    machines: tuple[str, ...] | None = None

    def holds_still(self, other: ImageInfo) -> bool:
        """Whether what was loaded from the snapshots in `other`, an earlier reading, still is what is there.

        A snapshot inside a qcow2 file never changes while its entry stays, even if the disk around it is written.
        """
        still = self.stamp.file == other.stamp.file if self.format == "qcow2" else self.stamp == other.stamp
        return still and self.snapshots == other.snapshots


@dataclass(frozen=True, slots=True)
class Found:
    """What there is at a path.

    Attributes:
        path: Where it is.
        stamp: The file's stamp; None where there is nothing.
        is_folder: Whether it is a folder.
        info: What was read, if it is an image.
        error: Why nothing could be read, if it is neither.
        began: When the reading began, in nanoseconds of a clock that never goes back.
        cached: Whether this is what was read in a former run, and nobody looked at the file since.
    """

    path: Path
    stamp: Stamp | None
    is_folder: bool = False
    info: ImageInfo | None = None
    error: ImageError | None = None
    began: int = 0
    cached: bool = False

    def still_holds(self, now: Stamp) -> bool:
        """Whether the file is as it was when this was read; its device's number may be another after a restart."""
        return self.stamp is not None and replace(self.stamp, device=now.device) == now


@dataclass(frozen=True, slots=True)
class StateProblem:
    """A problem of a loaded state, and where it is shown.

    Attributes:
        problem: What is wrong; the offset counts from the start of the stream.
        section: Index of the section in `LoadedState.trees`, None where it is about the stream.
        path: Path of the field ("" for the section itself).
    """

    problem: Problem
    section: int | None = None
    path: str = ""


@dataclass(frozen=True, slots=True)
class LoadedState:
    """A saved state, decoded in a worker: everything here may be used on the Qt thread without reading a file.

    (Reading through `vmstate` is for workers, in the key's lane or side lanes.)

    Attributes:
        key: What it is the state of.
        snapshot: The snapshot's entry in the image.
        vmstate: The opened state.
        trees: One decoded root for each of `vmstate.sections`, in stream order.
        labels: Names for people for each of the trees: field path (as `fields.walk` gives it) to label.
        devices: How many sections hold the state of a device (not RAM, nor another iterative part).
        fields: How many described leaves those have.
        device_bytes: Bytes of those sections.
        problems: Those of the files that the labels are from, of the stream, its sections and fields, in stream order.
        torn: The file changed while it was read, so the parts may not belong together.
    """

    key: StateKey
    snapshot: Snapshot
    vmstate: VMState
    trees: tuple[Field, ...]
    labels: tuple[dict[str, Label], ...]
    devices: int
    fields: int
    device_bytes: int
    problems: tuple[StateProblem, ...]
    torn: bool


class DiskOnly(ImageError):
    """A snapshot holds no state of the machine, only its disk: nothing is wrong, there is nothing to show."""


class Changed(Exception):
    """The image no longer holds the snapshot that was to be loaded: it must be read again."""


class Reader:
    """An image that is open in the views. `load` runs in the image's lane, `close` anywhere."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._image: Image | None = None
        self._closed = False
        self._lock = threading.Lock()

    def load(
        self, key: StateKey, expected: Snapshot, progress: Progress, layouts: Sequence[LayoutSource] = ()
    ) -> LoadedState:
        """Read and decode the state of one snapshot; where it does not describe itself, also by `layouts`.

        Raises:
            ImageError, StreamError: it cannot be read.
            Changed: there is another snapshot at this place than expected.
            Cancelled: by the progress callback.
        """
        before = _stamp(self.path)  # a qcow2 image stays open over changes: what counts is what happens from here on
        image = self._open()
        if key.index >= len(image.snapshots) or image.snapshots[key.index] != expected:
            raise Changed
        return _load(image, key, expected, layouts, progress, lambda: self._is_torn(before, expected))

    def close(self) -> None:
        """Close the image; later reads through what was loaded raise ImageError."""
        with self._lock:
            self._closed = True
            if self._image is not None:
                self._image.close()

    def _open(self) -> Image:
        with self._lock:
            if self._closed:
                raise ImageError("the image was closed", path=self.path)
            if self._image is None:
                self._image = open_image(self.path)
            return self._image

    def _is_torn(self, before: Stamp | None, snapshot: Snapshot) -> bool:
        """Whether the file changed since then in a way that what was read of a snapshot may not belong together."""
        after = _stamp(self.path)
        if after == before:
            return False
        if before is None or after is None or (before.device, before.inode) != (after.device, after.inode):
            return True
        try:
            with contextlib.closing(open_image(self.path)) as image:
                # Inside a qcow2 file nothing of a snapshot changes while its entry stays; see ImageInfo.holds_still.
                return image.format != "qcow2" or snapshot not in image.snapshots
        except ImageError:
            return True


def prepare() -> None:
    """Import the decoders and read the files of names, so that the first state that is opened need not wait for it."""
    from vmsnap_gui.guest.names import default_rules
    from vmsnap_gui.vmstate import devices  # noqa: F401

    default_rules()


def look_at(path: Path, known: Found | None = None) -> Found:
    """Find out what a path is and read what the library shows of it; what fails is in the result.

    Args:
        path: The file or folder.
        known: What was read of it before; where the file is still the same, it is not read again.
    """
    began, stamp = time.monotonic_ns(), None
    try:
        # Before the rest: if the file changes while it is read, its stamp differs later, and it is read again.
        found = path.stat()
        stamp = Stamp.of(found)
        if stat.S_ISDIR(found.st_mode):
            return Found(path, stamp, is_folder=True, began=began)
        if known is not None and known.info is not None and known.still_holds(stamp):
            info = replace(known.info, stamp=stamp, in_use=in_use(path))
            return Found(path, stamp, info=info, began=began)
        return Found(path, stamp, info=_read_info(path, stamp), began=began)
    except ImageError as error:
        return Found(path, stamp, error=error, began=began)
    except (OSError, ValueError) as error:
        return Found(path, stamp, error=cannot_open(path, error), began=began)


def _read_info(path: Path, stamp: Stamp) -> ImageInfo:
    image = open_image(path)
    try:
        return ImageInfo(
            path,
            image.format,
            image.virtual_size,
            image.cluster_size,
            image.snapshots,
            image.problems,
            image.facts,
            in_use(path),
            stamp,
        )
    finally:
        image.close()


def _stamp(path: Path) -> Stamp | None:
    try:
        return Stamp.of(path.stat())
    except OSError:
        return None


def _load(
    image: Image,
    key: StateKey,
    snapshot: Snapshot,
    layouts: Sequence[LayoutSource],
    progress: Progress,
    torn: Callable[[], bool],
) -> LoadedState:
    from vmsnap_gui.guest.names import annotate, default_rules
    from vmsnap_gui.vmstate.snapshots import open_snapshot

    state = open_snapshot(image, snapshot, layouts=layouts, progress=progress)
    trees, labels = [], []
    offsets = [section.offset for section in state.sections]
    problems = [_place(problem, state.sections, offsets) for problem in state.problems]
    devices = fields = device_bytes = 0
    for number, section in enumerate(state.sections):
        progress(section.offset, state.end)
        root = state.decode(section)
        trees.append(root)
        labels.append(annotate(section, root))
        leaves, found = _look_through(number, section, root, COUNTED - fields)
        problems += found
        if section.type is SectionType.FULL:
            devices, fields, device_bytes = devices + 1, fields + leaves, device_bytes + section.size
    problems += map(StateProblem, default_rules().problems)  # in a person's own file of names
    problems.sort(key=lambda one: one.problem.offset or 0)
    return LoadedState(
        key, snapshot, state, tuple(trees), tuple(labels), devices, fields, device_bytes, tuple(problems),
        torn(),
    )  # fmt: skip


def _place(problem: Problem, sections: tuple[Section, ...], offsets: list[int]) -> StateProblem:
    """Find the section that a problem of the whole stream lies in; `offsets` are those of the sections, ascending."""
    # By bisection: a damaged stream can have as many problems as sections, and tens of thousands of both.
    number = bisect_right(offsets, problem.offset) - 1 if problem.offset is not None else -1
    if problem.offset is not None and number >= 0 and problem.offset < sections[number].end:
        return StateProblem(problem, number)
    return StateProblem(problem)


def _look_through(number: int, section: Section, root: Field, most: int) -> tuple[int, list[StateProblem]]:
    """Count the described leaves of a section and collect their problems, looking at `most` nodes."""
    problems = []
    leaves = 0
    for looked, (path, field) in enumerate(_nodes(root)):
        if looked >= most:
            break
        if field.problem is not None:
            words = Problem(f"{section.key}: {path}: {field.problem}", field.offset)
            problems.append(StateProblem(words, number, path))
        if field.kind is Kind.ARRAY and not _has_containers(field):
            leaves += len(field.children)
        elif not field.kind.is_container and field.kind not in (Kind.FRAME, Kind.RAW, Kind.RECORDS):
            leaves += 1
    return leaves, problems


def _nodes(root: Field) -> Iterator[tuple[str, Field]]:
    """Walk like `fields.walk`, but not into arrays of plain values: they can be long, and hold no problems."""
    stack = [("", root)]
    while stack:
        parent, field = stack.pop()
        for child in field.children:
            path = join_path(parent, child.name)
            yield path, child
            if child.kind.is_container and _has_containers(child):
                stack.append((path, child))


def _has_containers(field: Field) -> bool:
    """Whether the children are more than the elements of an array of plain values."""
    if field.kind is not Kind.ARRAY or len(field.children) == 0:
        return True
    return any(field.children[i].kind.is_container for i in {0, len(field.children) - 1})
