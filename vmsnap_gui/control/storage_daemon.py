"""qemu-storage-daemon: deletes a snapshot by id and tag, which qemu-img cannot.

It reads its QMP commands from a pipe that holds them all, `quit` too, before it starts: it does its work and ends even
if we die meanwhile, and nobody waits for a socket.
"""

from __future__ import annotations

import json
import shlex
from typing import TYPE_CHECKING, Any

from vmsnap_gui.control import qemu_img
from vmsnap_gui.control.errors import ControlError

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.control.tools import Ended

PROGRAM = "qemu-storage-daemon"

_NODE = "disk"
_LONGEST_NAME = 255
"""QEMU compares only that many bytes of a tag that it is given (QEMUSnapshotInfo in include/block/snapshot.h)."""


def command(path: Path) -> tuple[str, ...]:
    """Return the command that opens an image and takes QMP commands."""
    disk = qemu_img.node(path, **{"node-name": _NODE})
    return (PROGRAM, "--blockdev", disk, "--chardev", "stdio,id=commands", "--monitor", "chardev=commands")


def conversation(id_: str, tag: str) -> bytes:
    """Return the QMP commands that delete one snapshot; a tag that QMP or QEMU cannot hold is left to the id."""
    name = {"name": tag} if fits(tag) else {}
    arguments = {"device": _NODE, "id": id_, **name}
    lines = (
        {"execute": "qmp_capabilities"},
        {"execute": "blockdev-snapshot-delete-internal-sync", "arguments": arguments},
        {"execute": "quit"},
    )
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


def fits(tag: str) -> bool:
    """Whether a tag can be told to QEMU over QMP: UTF-8 without NUL, and not too long to be compared."""
    try:
        return len(tag.encode()) <= _LONGEST_NAME and "\0" not in tag
    except UnicodeEncodeError:
        return False


def by_hand(path: Path, id_: str, tag: str) -> tuple[str, ...]:
    """Return a shell command that does the same."""
    words = " ".join(shlex.quote(line) for line in conversation(id_, tag).decode().splitlines())
    return ("sh", "-c", f"printf '%s\\n' {words} | {shlex.join(command(path))}")


def require_success(ended: Ended, path: Path) -> None:
    """Raise ControlError with QEMU's own words if the snapshot was not deleted."""
    if ended.code:
        raise ended.failure(path)
    answers = [_answer(line) for line in ended.out.splitlines()]
    for answer in answers:
        if "error" in answer:
            raise ControlError(
                f"{PROGRAM} failed: {answer['error'].get('desc')}", path=path, command=ended.command, details=ended.out
            )
    if sum("return" in answer for answer in answers) < 2:
        raise ControlError(f"{PROGRAM} ended before it was done", path=path, command=ended.command, details=ended.said)


def _answer(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
