"""Images that may only be checked and repaired: those on which a write was interrupted, or failed.

A killed qemu-img leaves wrong COPIED flags, and writing to such an image destroyed other snapshots in 10 of 10 tries;
`qemu-img check -r all` first kept everything. So such an image stays in quarantine until a check is clean and all
other snapshots read as before.

That they do is told by their mappings, so that a write in place is not seen: with wrong COPIED flags, whoever writes to
the disk meanwhile may write into snapshots. So each look at an image in doubt records its size and times, and one that
others have touched since is only released by a person's word. The first look comes after the damage: what was written
between the end of a tool that was killed and that look cannot be told. A QEMU that carried out a step and goes on knows
its image; as long as it, or anybody, has the image open, no look is recorded.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from vmsnap_gui.control import qemu_img
from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.fingerprint import fingerprints, id_of, name_of, tag_of
from vmsnap_gui.control.journal import operations
from vmsnap_gui.control.journal_entry import ACTIVE, Mark, Operation
from vmsnap_gui.control.locks import holders, use_of
from vmsnap_gui.control.qmp import QMP
from vmsnap_gui.control.terms import DELETES, TAKES, StepKind
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.qcow2 import Qcow2Image
from vmsnap_gui.image.qcow2_header import CORRUPT, DIRTY

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmsnap_gui.control.locks import Holder
    from vmsnap_gui.image.qcow2_header import Header


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarantine:
    """Why an image may only be checked and repaired.

    Attributes:
        path: The image.
        what: What was interrupted: "take 'clean'".
        since: When that began, in seconds since 1970.
        why: What keeps it in quarantine, one sentence.
        changed: Snapshots that no longer read as before, for people; "the disk" is what it holds now.
        whole: Whether it has no damage any more, so that a person may accept it as it is.
    """

    path: Path
    what: str
    since: float
    why: str
    changed: tuple[str, ...] = ()
    whole: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Examined:
    """What was found by looking for damage in an image.

    Attributes:
        path: The image.
        text: What is wrong with it, "" if nothing is.
        check: What `qemu-img check` found.
    """

    path: Path
    text: str
    check: qemu_img.Check


UNPROVED = (
    "it was written to (or renamed) by something else while it was damaged; its snapshots cannot be proved unchanged"
)
"""Why an image that others have touched is not released."""

_WRITES = "{} may still be writing to it"

_MARKS = ((CORRUPT, "it is marked corrupt: QEMU found damage in it"), (DIRTY, "it is marked dirty: it was not closed"))


def quarantine_of(path: Path) -> Quarantine | None:
    """Tell what the journal says about an image, without a look at it; None if it is free."""
    held = _holding(path)
    if not held:
        return None
    tool = still_writing(path)
    return _quarantine(path, held, _WRITES.format(tool) if tool else "a write to it was interrupted or failed")


async def judge(path: Path, address: str | None = None) -> Quarantine | None:
    """Look at an image that the journal holds in quarantine, and release it if nothing is wrong with it.

    Where the journal cannot be written, it stays in quarantine: nobody else would know that it was released.

    Args:
        path: The image.
        address: Where the QEMU that runs on it answers, if it is known; the journal knows where it did.
    """
    held = _holding(path)
    if not held:
        return None
    try:
        found = await _wrong(path, held, address)
    except (ControlError, ImageError) as error:
        return _quarantine(path, held, f"it cannot be checked: {error.message}")
    if found is not None:
        return found
    try:
        release(path)
    except ControlError as error:
        return _quarantine(path, held, f"nothing is wrong with it, but {error.message}")
    return None


def release(path: Path) -> None:
    """End an image's quarantine, whatever it holds; raises ControlError if the journal cannot be written."""
    for operation in _holding(path):
        operation.done([path])
        operation.tidy()


def still_writing(path: Path) -> Holder | None:
    """Return a tool of ours that goes on although what it works for was interrupted, if there is one."""
    return next((tool for operation in _holding(path) for tool in operation.tools()), None)


def touched(path: Path) -> bool:
    """Whether others have touched an image while it was in quarantine, as far as looks at it have told."""
    return any(image.touched for operation in _holding(path) if (image := operation.image(path)) is not None)


def expect_writing(path: Path) -> None:
    """Say that a repair is about to write to an image in quarantine; raises ControlError if that cannot be recorded."""
    for operation in _holding(path):
        operation.expect_writing(path)


def kept_by(path: Path) -> dict[str, str]:
    """Return what must read the same before an image is released: key of the snapshot, or ACTIVE, to digest."""
    kept: dict[str, str] = {}
    for operation in reversed(_holding(path)):  # the oldest saw it before any damage
        image = operation.image(path)
        kept |= image.kept if image is not None else {}
    return kept


def left_behind(path: Path) -> tuple[str, ...]:
    """Name for people the snapshots that operations which hold an image in quarantine took, and that are on it.

    Raises:
        ControlError: it is no qcow2 image, or cannot be read.
    """
    found = fingerprints(path).snapshots if (held := _holding(path)) else {}
    return tuple(name_of(key) for key in found if any(_took(operation, path, key) for operation in held))


def _took(operation: Operation, path: Path, key: str) -> bool:
    """Whether a snapshot has a tag that an operation was to take, and is none that was there before."""
    image = operation.image(path)
    targets = {
        (kind, target["id"] if kind in DELETES else target["tag"])
        for step in operation.plan["steps"]
        if (kind := StepKind(step["kind"])) in (*TAKES, *DELETES)
        for target in step["disks"]
        if image is not None and image.is_of(Path(target["path"]))
    }
    old = image is None or key in image.kept or any((kind, id_of(key)) in targets for kind in DELETES)
    return not old and any((kind, tag_of(key)) in targets for kind in TAKES)


def _holding(path: Path) -> list[Operation]:
    """Return the operations that hold an image in quarantine, the oldest first."""
    found = []
    for operation in operations():
        image = operation.image(path)
        if image is None:
            continue
        cut_off = operation.ended is None and not operation.alive()
        # A QEMU that went on after a step of ours may have been killed since, unseen.
        unseen = image.mark is Mark.DONE and operation.plan.get("address") is not None
        if image.mark is Mark.DOUBTFUL or (cut_off and (image.mark is Mark.WRITING or unseen)):
            found.append(operation)
    return found


def _quarantine(path: Path, held: list[Operation], why: str) -> Quarantine:
    first = held[0]
    what = f"{first.plan['verb']} {first.plan['subject']}"
    return Quarantine(path=path, what=what, since=first.begun, why=why)


async def _wrong(path: Path, held: list[Operation], address: str | None) -> Quarantine | None:
    """Say what is wrong with an image, None if nothing is."""
    tool = still_writing(path)
    if tool is not None:
        return _quarantine(path, held, _WRITES.format(tool))
    damage = use_of(path)
    if damage is None:
        for operation in held:
            operation.look(path)
        damage = (await examine(path)).text
    elif await _goes_on(path, held, address):
        damage = ""
    if damage:
        return _quarantine(path, held, damage)
    changed = changed_from(path, kept_by(path))
    why = f"{', '.join(changed)} no longer read as before" if changed else UNPROVED if touched(path) else ""
    return replace(_quarantine(path, held, why), changed=changed, whole=True) if why else None


async def _goes_on(path: Path, held: list[Operation], address: str | None) -> bool:
    """Whether the QEMU that was at work still runs and has done with it: it knows its image, so nothing is damaged."""
    users = {holder.pid for holder in holders(path) if holder.locking}
    for operation in held:
        where = address or operation.plan.get("address")
        if where is None or users != {operation.tool} or not operation.tool_is_old():
            return False
        try:
            async with await QMP.connect(where) as qmp:
                if await qmp.works_for_us():
                    return False
        except ControlError:
            return False
    return True


async def examine(path: Path) -> Examined:
    """Look for damage in an image; nothing is written.

    Raises:
        ControlError: it cannot be checked: it is in use, or too damaged to be opened.
    """
    marks = [text for bit, text in _MARKS if header_of(path).incompatible & bit]
    check = await qemu_img.check(path)
    finds = [] if check.clean else [f"qemu-img check finds {check}"]
    return Examined(path=path, text=", and ".join([*marks, *finds]), check=check)


def header_of(path: Path) -> Header:
    """Read a qcow2 header; raises ControlError if there is none, or it cannot be read."""
    try:
        image = open_image(path)
    except ImageError as error:
        raise ControlError(error.message, path=path) from error
    try:
        if not isinstance(image, Qcow2Image):
            raise ControlError("it is no qcow2 image", path=path)
        return image.header
    finally:
        image.close()


def changed_from(path: Path, kept: Mapping[str, str]) -> tuple[str, ...]:
    """Name for people what no longer reads as it was kept in a journal; raises ControlError."""
    now = fingerprints(path)
    found = {ACTIVE: str(now.active), **{key: str(one) for key, one in now.snapshots.items()}}
    names = [key for key, digest in kept.items() if found.get(key) != digest]
    return tuple("the disk" if key == ACTIVE else name_of(key) for key in names)
