"""What this program did to an image's snapshots, so that their parents are known: a qcow2 image says nothing of them.

One small JSON file for each image, beside a person's other data and never in the image, and a second under its inode's
name: an image is known by its path, and, where it was moved, by its inode; a snapshot by its id, tag and moment. Where
others took snapshots of an image meanwhile, or put another file in its place, nobody knows what its disk goes back to,
until it is returned to a snapshot here, or one is taken.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from contextlib import closing
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import platformdirs

from vmsnap_gui.control.fingerprint import id_of, key_of, tag_of
from vmsnap_gui.control.journal_place import write_whole
from vmsnap_gui.control.terms import StepKind
from vmsnap_gui.image.ancestry import Records
from vmsnap_gui.image.containers import open_image

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping
    from pathlib import Path

    from vmsnap_gui.control.plan import Step, Target
    from vmsnap_gui.image.qcow2_snapshots import Qcow2Snapshot

_TAKES = (StepKind.TAKE, StepKind.LIVE_TAKE)
_RETURNS = (StepKind.RESTORE, StepKind.LIVE_RESTORE, StepKind.START)


@dataclass(slots=True)
class _Record:
    """What is known of one image.

    Attributes:
        parents: The parent of each snapshot that was taken here, by keys (see `key_of`); also of those deleted since,
            as long as others go back to them.
        known: The snapshots that were there after the last step.
        here: What the disk then was, with whatever was written since; None if unknown.
    """

    parents: dict[str, str | None] = field(default_factory=dict)
    known: list[str] = field(default_factory=list)
    here: str | None = None


def leave(step: Step) -> None:
    """Before a step returns disks to a snapshot: if it is interrupted, nobody knows what they go back to.

    Raises:
        OSError: it cannot be written.
    """
    for target in step.targets if step.kind in _RETURNS else ():
        found = _read(target.path)
        if target.id is not None and found.here is not None:
            found.here = None
            _write(target.path, found)


def follow(step: Step, before: Mapping[Path, Collection[str]]) -> None:
    """Keep what a step did, once it was done and verified.

    Args:
        step: It.
        before: The keys of the snapshots that were in the images before the whole operation.

    Raises:
        OSError: it cannot be written.
        ImageError: an image cannot be read.
    """
    for target in step.targets:
        if step.kind in _TAKES:
            _taken(target, before[target.path])
        elif step.kind in _RETURNS and target.id is not None:
            _returned(target.path, target.tag, target.id)


def taken_back(step: Step, safety: str | None) -> None:
    """Keep that a step was taken back: where it had returned disks, they are as in the safety snapshot of that tag.

    Raises:
        OSError: it cannot be written.
        ImageError: an image cannot be read.
    """
    if step.kind in _RETURNS and safety is not None:
        for target in step.targets:
            _returned(target.path, safety)


def _returned(path: Path, tag: str, id_: str | None = None) -> None:
    found, now = _read(path), _keys(path)
    found.here = next((one for one in now if tag_of(one) == tag and id_ in (None, id_of(one))), None)
    found.known = now
    _write(path, found)


def _taken(target: Target, before: Collection[str]) -> None:
    found, now = _read(target.path), _keys(target.path)
    key = next((one for one in reversed(now) if one not in before and tag_of(one) == target.tag), None)
    if key is None:  # somebody deleted it since it was verified
        return
    others = [one for one in now if one != key]
    _look_around(found, others)
    if found.here is not None or not others:  # without others it goes back to nothing
        found.parents[key] = found.here
    found.here, found.known = key, now
    _write(target.path, found)


def _look_around(found: _Record, there: Collection[str]) -> None:
    """Forget where the disk is if others took snapshots: they may have returned it to any."""
    if not set(there) <= set(found.known):
        found.here = None


def _keys(path: Path) -> list[str]:
    with closing(open_image(path)) as image:
        return [key_of(one) for one in image.snapshots]


def records_of(path: Path, snapshots: Iterable[Qcow2Snapshot]) -> Records:
    """Return what is known of an image that has these snapshots; deleted ones are passed over."""
    found = _read(path)
    there = {key_of(one): one for one in snapshots}

    def nearest(key: str | None) -> tuple[bool, str | None]:
        """Return whether it is known which of those that are there it comes to, and that one."""
        seen = set()
        while key is not None and key not in there:
            if key in seen or key not in found.parents:
                return False, None
            seen.add(key)
            key = found.parents[key]
        return True, key

    parents = {}
    for key, one in there.items():
        known, parent = nearest(found.parents[key]) if key in found.parents else (False, None)
        if known:
            parents[one] = there[parent] if parent is not None else None
    here = nearest(found.here)[1] if set(there) <= set(found.known) else None
    return Records(parents, there[here] if here is not None else None)


def _files(path: Path, inode: int | None) -> list[Path]:
    """Return where what is known of an image is written: by its path, and by its inode."""
    folder = platformdirs.user_data_path("vmsnap", appauthor=False) / "ancestry"
    name = hashlib.blake2b(str(path.resolve()).encode("utf-8", "surrogateescape"), digest_size=16).hexdigest()
    return [folder / f"{one}.json" for one in (name, f"inode-{inode}") if inode is not None or one == name]


def _inode(path: Path) -> int | None:
    with contextlib.suppress(OSError):
        return path.stat().st_ino
    return None


def _read(path: Path) -> _Record:
    """Return what is known; nothing where that cannot be read.

    A file of the same inode goes before one of the same path: another image may have come to where this one was. One of
    the path alone still knows the parents, since a copy in its place has the same snapshots, but not what its disk is.
    """
    inode = _inode(path)
    found = [one for file in _files(path, inode) if (one := _parsed(file)) is not None]
    same = [record for record, of in found if of in (inode, None)]
    if not same and found:
        return replace(found[0][0], here=None)
    return same[0] if same else _Record()


def _parsed(file: Path) -> tuple[_Record, int | None] | None:
    """Return a record and the inode that it was written of."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
        document: dict[str, Any] = json.loads(file.read_bytes())
        parents = {str(key): None if one is None else str(one) for key, one in document["parents"].items()}
        here, inode = document["here"], document.get("inode")
        known = [str(one) for one in document["known"]]
        return _Record(parents, known, None if here is None else str(here)), inode if isinstance(inode, int) else None
    return None


def _write(path: Path, found: _Record) -> None:
    """Write what is known, without deleted snapshots that nothing goes back to; raises OSError."""
    parents: dict[str, str | None] = {}
    for start in (*found.known, found.here):
        key: str | None = start
        while key is not None and key in found.parents and key not in parents:
            parents[key] = found.parents[key]
            key = found.parents[key]
    inode = _inode(path)
    document = {"version": 1, "path": str(path), "inode": inode, "parents": parents, "known": found.known}
    text = json.dumps({**document, "here": found.here}).encode()
    for file in _files(path, inode):
        write_whole(file, text)
