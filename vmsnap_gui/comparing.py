"""What a comparison's workers do: from two snapshots to what differs between them, ready to be shown. Qt-free.

A comparison opens its files itself and keeps them open as long as it is shown: another image may be selected meanwhile.
"""

from __future__ import annotations

import tempfile
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from vmsnap_gui.collecting import paused_collection
from vmsnap_gui.compare.errors import CompareError
from vmsnap_gui.compare.status import Status
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import ImageError

if TYPE_CHECKING:
    from vmsnap_gui.compare.disk import DiskComparison
    from vmsnap_gui.compare.fields import FieldComparison
    from vmsnap_gui.compare.noise import NoiseRules
    from vmsnap_gui.compare.ram import RamComparison
    from vmsnap_gui.guest.names import Label
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.image.snapshot import Image, Snapshot
    from vmsnap_gui.vmstate.devices import VMState
    from vmsnap_gui.vmstate.ram import RamIndex


@dataclass(frozen=True, slots=True)
class Side:
    """One snapshot of one image.

    Attributes:
        path: The image.
        snapshot: The snapshot's entry.
    """

    path: Path
    snapshot: Snapshot


def only_side(path: Path) -> Side | None:
    """Return the one saved state of a file; None where it is none, or holds more or fewer."""
    try:
        image = open_image(path)
    except (ImageError, OSError):
        return None
    try:
        states = [one for one in image.snapshots if one.vm_state_size]
        return Side(path, states[0]) if len(states) == 1 else None
    finally:
        image.close()


class Sides:
    """Two snapshots whose files are open for one comparison; all but `close` is for workers.

    Attributes:
        a, b: The snapshots.
    """

    def __init__(self, a: Side, b: Side) -> None:
        self.a, self.b = a, b
        self._images: dict[Path, Image] = {}
        self._closed = False
        self._lock = threading.Lock()

    def image(self, side: Side) -> Image:
        """Return the image of a side, opened; both sides share it where it is one.

        Raises:
            ImageError: it cannot be opened, or this was closed.
            CompareError: the snapshot is not there any more.
        """
        with self._lock:
            if self._closed:
                raise ImageError("the comparison was closed", path=side.path)
            if side.path not in self._images:
                self._images[side.path] = open_image(side.path)
            image = self._images[side.path]
        if side.snapshot not in image.snapshots:
            raise CompareError("the snapshot is not there any more; reload the image", what=str(side.path))
        return image

    def state(self, side: Side, progress: Progress) -> VMState:
        """Open the state of a side; raises ImageError, StreamError or CompareError."""
        from vmsnap_gui.vmstate.devices import open_state

        return open_state(self.image(side).vm_state(side.snapshot, progress), progress=progress)

    def close(self) -> None:
        """Close the files; later reads raise ImageError."""
        with self._lock:
            self._closed = True
            for image in self._images.values():
                image.close()


@dataclass(frozen=True, slots=True)
class Counts:
    """How many devices and fields became what: counted in the worker, since there may be many.

    Attributes:
        devices, fields: Those that differ.
        filtered: Fields that are the same when filtered.
        same: Devices in which nothing differs at all.
    """

    devices: int = 0
    fields: int = 0
    filtered: int = 0
    same: int = 0

    @classmethod
    def of(cls, found: FieldComparison) -> Counts:
        """Count."""
        same = sum(section.change is Status.SAME for section in found.sections)
        return cls(found.devices_changed, found.fields_changed, found.fields_filtered, same)


@dataclass(frozen=True, slots=True, eq=False)
class Compared:
    """What became of the fields: all of it may be used on the Qt thread without reading a file.

    Attributes:
        sides: Where it comes from.
        fields: The comparison; None where a side holds no state of the machine, only a disk.
        labels: Names for people by path, for each of its sections.
        noise: Whether the noise rules were applied.
        counts: How much differs.
    """

    sides: Sides
    fields: FieldComparison | None
    labels: tuple[dict[str, Label], ...] = ()
    noise: bool = True
    counts: Counts = field(default_factory=Counts)


def compare_sides(sides: Sides, noise: bool, progress: Progress) -> Compared:
    """Compare the fields of two snapshots.

    Raises:
        ImageError, StreamError: a side cannot be read.
        CompareError: a snapshot is not there any more.
        Cancelled: by `progress`.
    """
    from vmsnap_gui.compare.explain import labels
    from vmsnap_gui.compare.fields import compare_fields
    from vmsnap_gui.compare.noise_file import default_noise

    if not (sides.a.snapshot.vm_state_size and sides.b.snapshot.vm_state_size):
        for side in (sides.a, sides.b):
            sides.image(side)
        return Compared(sides, None, noise=noise)
    with paused_collection():
        states = sides.state(sides.a, progress), sides.state(sides.b, progress)
        found = compare_fields(*states, default_noise() if noise else None, progress)
        names = []
        for number, section in enumerate(found.sections):
            progress(number, len(found.sections))
            names.append(labels(found, section) if section.fields else {})
    return Compared(sides, found, tuple(names), noise, Counts.of(found))


@dataclass(frozen=True, slots=True, eq=False)
class MemoryCompared:
    """What became of the memory.

    Attributes:
        a, b: The memory of each side; reading pages from it is for workers.
        ram: The comparison.
        pages: How many pages differ: counted in the worker, since there may be millions.
        bytes: How many bytes differ in each block.
    """

    a: RamIndex
    b: RamIndex
    ram: RamComparison
    pages: int
    bytes: tuple[int, ...]

    @classmethod
    def of(cls, a: RamIndex, b: RamIndex, ram: RamComparison) -> MemoryCompared:
        """Count what differs."""
        return cls(a, b, ram, ram.pages_changed, tuple(int(one.bytes_changed.sum(dtype="int64")) for one in ram.blocks))


def compare_memory(fields: FieldComparison, progress: Progress) -> MemoryCompared:
    """Compare the memory of two states whose fields were compared.

    Raises:
        ImageError, StreamError: a side cannot be read.
        CompareError: the memories have pages of different sizes.
        Cancelled: by `progress`.
    """
    from vmsnap_gui.compare.ram import compare_ram

    a, b = fields.a.index_ram(progress), fields.b.index_ram(progress)
    return MemoryCompared.of(a, b, compare_ram(a, b, progress))


def compare_disk(sides: Sides, read_data: bool, progress: Progress) -> DiskComparison:
    """Compare the disks of two snapshots; `read_data`: also of one image by content.

    Raises:
        ImageError: a side cannot be read.
        CompareError: a side has no disk.
        Cancelled: by `progress`.
    """
    from vmsnap_gui.compare.disk import DiskSide, compare_disks

    a, b = (DiskSide(sides.image(side), side.snapshot) for side in (sides.a, sides.b))
    return compare_disks(a, b, read_data=read_data, progress=progress)


def write_report(path: Path, compared: Compared, memory: MemoryCompared | None, disk: DiskComparison | None) -> None:
    """Write a report of what was compared; its form is that of the file's name.

    Raises:
        CompareError: there is no such form, the file is a side's image, or it cannot be written; it is as it was.
        ImageError: an image cannot be read.
    """
    from vmsnap_gui.compare import comparison
    from vmsnap_gui.compare.report import form_of, report_text

    form = form_of(path)
    fields, sides = compared.fields, (compared.sides.a, compared.sides.b)
    states = (fields.a, fields.b) if fields is not None else (None, None)
    a, b = (
        comparison.Side.of(side.path, side.snapshot, state.machine if state else None)
        for side, state in zip(sides, states, strict=True)
    )
    ram = memory.ram if memory is not None else None
    problems = ram.problems if ram is not None else ()
    text = report_text(comparison.Comparison(a, b, fields, ram, disk, problems=problems), form)
    temporary = None
    try:
        if any(path.exists() and path.samefile(side.path) for side in sides):
            raise CompareError("this is one of the images that are compared", what=str(path))
        with tempfile.NamedTemporaryFile(
            "w", encoding="utf-8", errors="backslashreplace", dir=path.parent, delete=False
        ) as output:
            temporary = Path(output.name)
            output.write(text)
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        raise CompareError(f"it cannot be written: {error.strerror or error}", what=str(path)) from error


def _umask() -> int:
    """Return the process's file mode mask, as Linux tells it without changing it."""
    lines = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").splitlines()
    return next((int(line.split()[1], 8) for line in lines if line.startswith("Umask:")), 0o077)


def noise_rules() -> NoiseRules:
    """Read the noise rules anew: somebody may have changed the file."""
    from vmsnap_gui.compare.noise_file import default_noise

    default_noise.cache_clear()
    return default_noise()


def noise_file() -> Path:
    """Return where a person's own noise rules are."""
    from vmsnap_gui.compare.noise_file import user_file

    return user_file()


def save_noise(rules: NoiseRules, disabled: set[str]) -> None:
    """Write the person's own rules with the names of those that are switched off; raises CompareError."""
    from vmsnap_gui.compare.noise_file import default_noise, save_own

    save_own(noise_file(), [rule for rule in rules.rules if rule.own], disabled)
    default_noise.cache_clear()
