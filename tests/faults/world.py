"""Two disks with snapshots of known content, and the look at them afterwards that tells whether vmsnap is right.

What is true is found out by qemu-img alone: `check`, `info`, and `convert` of every snapshot.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import shutil
import subprocess
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tests.image.tools import MIB, create, run, take, write_noise
from vmsnap_gui.control.executing import execute
from vmsnap_gui.control.journal import interrupted, operations, settle
from vmsnap_gui.control.planning import plan_repair
from vmsnap_gui.control.quarantine import judge
from vmsnap_gui.control.reviewing import review
from vmsnap_gui.control.survey import survey_files
from vmsnap_gui.control.terms import Ending

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence
    from pathlib import Path

SIZE = 128 * MIB
SNAPSHOTS = ("base", "clean", "late")

_CLUSTERS = ("cluster_size=512", "cluster_size=1k")
"""Small clusters mean large tables: a tool writes long enough to be killed in the midst of it."""

_WRITTEN = 100 * MIB

_BLOCK = 64 << 10


@dataclass(slots=True)
class World:
    """The disks of one run.

    Attributes:
        disks: The images.
        digests: What was on each disk before: snapshot's tag, or "" for the disk itself, to digest of its content.
    """

    disks: list[Path]
    digests: dict[Path, dict[str, str]]


@dataclass(slots=True, kw_only=True)
class Row:
    """What came of one run.

    Attributes:
        way: How the machine was reached.
        verb, fault, moment: What was done, what befell it, and when.
        ended: How the operation ended, as far as it could say so.
        found: What qemu-img check says of each disk, and whether vmsnap has it in quarantine.
        repaired: What the repair said, "" where there was nothing to repair.
        wrong: What is not as it should be; none of it ever should be there.
    """

    way: str
    verb: str
    fault: str
    moment: str
    ended: str = ""
    found: list[str] = field(default_factory=list)
    repaired: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def template(folder: Path) -> World:
    """Make the disks that each run begins with: three snapshots each, which share a part of their clusters."""
    folder.mkdir(exist_ok=True)
    disks = []
    for number, option in enumerate(_CLUSTERS):
        path = create(folder / f"disk{number}.qcow2", SIZE, option)
        for step, tag in enumerate(SNAPSHOTS):
            write_noise(path, [(step * 8 * MIB, 16 * MIB)], seed=10 * number + step)
            take(path, tag)
        write_noise(path, [(20 * MIB, 8 * MIB)], seed=99)
        disks.append(path)
    return World(disks, {path: digests(path) for path in disks})


def copied(original: World, folder: Path) -> World:
    """Copy the disks for a run."""
    disks = [folder / path.name for path in original.disks]
    for source, path in zip(original.disks, disks, strict=True):
        shutil.copyfile(source, path)
    return World(disks, {path: original.digests[source] for source, path in zip(original.disks, disks, strict=True)})


def digests(path: Path, wanted: Sequence[str] | None = None) -> dict[str, str]:
    """Return the digests of the disk ("") and of its snapshots by tag, as qemu-img reads them."""
    listed = json.loads(run("qemu-img", "info", "--output=json", "-f", "qcow2", path)).get("snapshots", [])
    ids = {"": None, **{one["name"]: one["id"] for one in listed}}
    return {tag: _digest(path, id_) for tag, id_ in ids.items() if wanted is None or tag in wanted}


def _digest(path: Path, id_: str | None) -> str:
    target = path.with_suffix(".raw")
    which = ["-l", f"snapshot.id={id_}"] if id_ is not None else []
    run("qemu-img", "convert", "-f", "qcow2", "-O", "raw", *which, path, target)
    try:
        return _file_digest(target)
    finally:
        target.unlink()


def _file_digest(path: Path) -> str:
    """Digest a file's blocks that are not all zero, and where they are; holes are not read."""
    total = hashlib.blake2b()
    with path.open("rb", buffering=0) as file:
        at, size = 0, path.stat().st_size
        while at < size:
            try:
                at = os.lseek(file.fileno(), at, os.SEEK_DATA) // _BLOCK * _BLOCK
            except OSError:  # ENXIO: only a hole is left
                break
            block = os.pread(file.fileno(), _BLOCK, at)
            if block.strip(b"\0"):
                total.update(at.to_bytes(8, "big") + block)
            at += _BLOCK
    return f"{size} {total.hexdigest()}"


def checked(path: Path) -> str:
    """Return what qemu-img check finds: "clean", "leaks" or "errors"."""
    done = subprocess.run(["qemu-img", "check", "-f", "qcow2", path], capture_output=True, check=False)
    return {0: "clean", 3: "leaks", 2: "errors"}.get(done.returncode, f"status {done.returncode}")


def look(world: World, row: Row, named: str, random_: random.Random) -> None:
    """See what vmsnap makes of the disks, have it repair what it holds in quarantine, and see that it was right.

    Args:
        world: The disks, which no tool works on any more.
        row: Is told all of it.
        named: The tag that the operation was about, whose content may have changed.
        random_: Chooses where the guest writes.
    """
    asyncio.run(review())
    held = [path for path in world.disks if _judged(path, row)]
    if held:
        _repair(held, row)
    for operation in interrupted():
        settle(operation)
    if operations():
        row.wrong.append("the journal is not empty")
    for path in world.disks:
        _require_whole(world, path, named, row, before=True)
        at = random_.randrange(0, (SIZE - _WRITTEN) // MIB)
        run("qemu-io", "-f", "qcow2", "-c", f"write -q -P 85 {at}M 100M", path)
        _require_whole(world, path, named, row, before=False)


def _judged(path: Path, row: Row) -> bool:
    """Tell whether an image is in quarantine, and see that this is right."""
    quarantined = asyncio.run(judge(path)) is not None
    found = checked(path)
    row.found.append(f"{found}, in quarantine" if quarantined else found)
    if quarantined != (found != "clean"):
        row.wrong.append(f"{path.name} is {found}, and {'' if quarantined else 'not '}in quarantine")
    return quarantined


def _repair(paths: list[Path], row: Row) -> None:
    plan = asyncio.run(plan_repair(survey_files(paths)))
    if not plan.ready:
        row.wrong.append(f"the repair is blocked: {[one.text for one in plan.blockers]}")
        return
    outcome = asyncio.run(execute(plan))
    row.repaired += [disk.text for disk in outcome.disks]
    if outcome.ending is not Ending.DONE or any(disk.quarantined for disk in outcome.disks):
        row.wrong.append(f"the repair failed: {outcome.error}")


def _require_whole(world: World, path: Path, named: str, row: Row, *, before: bool) -> None:
    """See that a disk is clean, that what was not named is what it was, and that vmsnap lists what is there.

    When the guest has written, leaks are let pass: QEMU 7.2 leaks some clusters by itself when it writes to an image
    that once ran out of space, also when it was repaired and found clean, and no vmsnap was near it.
    """
    found = checked(path)
    if found != "clean" and (before or found != "leaks"):
        row.wrong.append(f"{path.name} is {found} {'before' if before else 'after'} the guest wrote")
    known = world.digests[path]
    kept = [tag for tag in SNAPSHOTS if tag != named]
    now = digests(path, [*kept, *([""] if before else [])])
    changed = [tag for tag in kept if now.get(tag) != known[tag]]
    if changed:
        row.wrong.append(f"{', '.join(changed)} of {path.name} changed{'' if before else ' when the guest wrote'}")
    may_be = (known[""], known[named]) if row.verb.startswith("restore") else (known[""],)
    if before and now[""] not in may_be:
        row.wrong.append(f"what is on {path.name} changed")
    listed = json.loads(run("qemu-img", "info", "--output=json", "-f", "qcow2", path)).get("snapshots", [])
    ours = [(one.id, one.tag) for one in survey_files([path]).disks[0].snapshots]
    if ours != [(one["id"], one["name"]) for one in listed]:
        row.wrong.append(f"vmsnap lists {ours}")
