"""qemu-img: what it is told for each thing that it does to an image, and what its checks say.

The image is named as `json:{...}`, with its format and without its backing file: nothing is guessed, and no file that
an image only names is opened. `snapshot` has no option for a format.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.tools import read_with

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.control.tools import Ended

PROGRAM = "qemu-img"

_NOT_CLEAN = {2, 3}
"""qemu-img(1): 2 is errors, 3 is leaks only; 0 is clean, 1 and 63 mean that it could not check."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What `qemu-img check` found.

    Attributes:
        errors: Corruptions that are left.
        leaks: Clusters that are lost to the image until it is repaired; no harm to data.
        errors_fixed, leaks_fixed: What a repair repaired.
        said: What it said about each.
    """

    errors: int = 0
    leaks: int = 0
    errors_fixed: int = 0
    leaks_fixed: int = 0
    said: str = ""

    @property
    def clean(self) -> bool:
        """Whether there is nothing to repair."""
        return not self.errors and not self.leaks

    def __str__(self) -> str:
        if self.clean:
            return "no errors"
        parts = [f"{count(self.errors, 'error')}"] if self.errors else []
        return " and ".join([*parts, *([count(self.leaks, "leaked cluster")] if self.leaks else [])])


def count(number: int, what: str) -> str:
    """Return a number of things in words: "1 error", "2 errors"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def node(path: Path, **more: str) -> str:
    """Return the JSON that has QEMU open an image: its format is said, its backing file stays closed."""
    file = {"driver": "file", "filename": str(path), "discard": "unmap"}
    return json.dumps(
        {"driver": "qcow2", **more, "backing": None, "discard": "unmap", "file": file}, ensure_ascii=False
    )


def take(path: Path, tag: str) -> tuple[str, ...]:
    """Return the command that takes a snapshot of the disk."""
    return (PROGRAM, "snapshot", "-c", tag, f"json:{node(path)}")


def restore(path: Path, id_: str) -> tuple[str, ...]:
    """Return the command that returns the disk to a snapshot: qemu-img looks for an id first."""
    return (PROGRAM, "snapshot", "-a", id_, f"json:{node(path)}")


def delete(path: Path, tag: str) -> tuple[str, ...]:
    """Return the command that deletes the first snapshot of a tag: qemu-img looks at tags only."""
    return (PROGRAM, "snapshot", "-d", tag, f"json:{node(path)}")


def check_command(path: Path) -> tuple[str, ...]:
    """Return the command that looks for damage, and writes nothing."""
    return (PROGRAM, "check", "--output=json", f"json:{node(path)}")


def repair_command(path: Path) -> tuple[str, ...]:
    """Return the command that repairs all damage that can be repaired."""
    return (PROGRAM, "check", "-r", "all", "--output=json", f"json:{node(path)}")


def rescue_command(path: Path, id_: str | None = None) -> tuple[str, ...]:
    """Return the command that copies what can be read of a snapshot's disk, or of the disk now, from a damaged image.

    Its backing file is opened, too: without it the copy would lack what is in there. What cannot be read becomes zeros
    (`--salvage`), each with a warning.
    """
    copy = path.with_name(f"{path.stem}-rescued{path.suffix}")
    which = ("-l", f"snapshot.id={id_}") if id_ is not None else ()
    return (PROGRAM, "convert", "--salvage", *which, "-f", "qcow2", "-O", "qcow2", str(path), str(copy))


async def check(path: Path) -> Check:
    """Look for damage.

    Raises:
        ControlError: the image cannot be checked: it is in use, or too damaged to be opened.
    """
    return report(await read_with(check_command(path)), path)


def report(ended: Ended, path: Path) -> Check:
    """Read what a check or a repair found; raises ControlError if it could not do its work."""
    if ended.code and ended.code not in _NOT_CLEAN:
        raise ended.failure(path)
    try:
        found = json.loads(ended.out[ended.out.index("{") :])
        numbers = [int(found.get(name, 0)) for name in ("corruptions", "leaks", "corruptions-fixed", "leaks-fixed")]
        unchecked = int(found.get("check-errors", 0))
    except (ValueError, TypeError) as error:
        raise ControlError(f"{PROGRAM} check says nothing that is understood", path=path, details=ended.out) from error
    if unchecked:
        raise ControlError("parts of it could not be checked", path=path, command=ended.command, details=ended.said)
    errors, leaks, errors_fixed, leaks_fixed = numbers
    return Check(errors=errors, leaks=leaks, errors_fixed=errors_fixed, leaks_fixed=leaks_fixed, said=ended.said)
