"""The words of acting on images: what is asked for, what a step does, what is in the way, how it ended.

Apart from the plan that is made of them, since the window needs these words before its first paint.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass


class Reach(enum.Enum):
    """How a machine is reached; the values are those of `vmsnap machines --json`."""

    FILES = "files"
    """No QEMU is known to run it: only its images can be worked on."""
    QMP = "qmp"
    """A running QEMU that answers us on a QMP socket."""
    BUSY = "monitor busy"
    """A running QEMU whose monitor serves another client: seen, but left alone."""
    LIBVIRT = "libvirt"
    """A running QEMU that belongs to libvirt: seen, but left alone."""
    UNREACHABLE = "no monitor"
    """A running QEMU without a QMP socket, or with one that refuses us."""


class Verb(enum.Enum):
    """What a person asks for; the values are the command line's."""

    TAKE = "take"
    RESTORE = "restore"
    DELETE = "delete"
    START = "start"
    REPAIR = "repair"


class StepKind(enum.Enum):
    """What one step does. Offline steps work on one disk each, live ones on all their disks at once."""

    TAKE = "take"
    """qemu-img snapshot -c"""
    RESTORE = "restore"
    """qemu-img snapshot -a ID"""
    DELETE = "delete"
    """by id and tag: qemu-storage-daemon, blockdev-snapshot-delete-internal-sync"""
    LIVE_TAKE = "live take"
    """QMP snapshot-save (HMP savevm before QEMU 6.0)"""
    LIVE_RESTORE = "live restore"
    """QMP snapshot-load (HMP loadvm before QEMU 6.0), then run on as before"""
    LIVE_DELETE = "live delete"
    """QMP blockdev-snapshot-delete-internal-sync by id and tag, on each disk"""
    START = "start"
    """start QEMU by a launch profile, paused, with a QMP socket of ours"""
    CHECK = "check"
    """qemu-img check: reads only"""
    REPAIR = "repair"
    """qemu-img check -r all"""
    RELEASE = "release"
    """end an image's quarantine: only the journal is written"""


TAKES = (StepKind.TAKE, StepKind.LIVE_TAKE)
DELETES = (StepKind.DELETE, StepKind.LIVE_DELETE)


class Choice(enum.Enum):
    """What a person must ask for by name, because something is lost by it; lifts the blockers that offer it."""

    REPLACE = "replace"
    """take: an existing snapshot of that tag is deleted"""
    LEAVE_OUT = "leave out"
    """restore: disks that lack the snapshot stay as they are; take: so do disks that can hold none"""
    RESIZE = "resize"
    """restore: the disk gets back the size that it had in the snapshot"""
    ACCEPT = "accept"
    """repair: an image is released from quarantine although not all in it reads as before"""

    @property
    def flag(self) -> str:
        """What says it on the command line: "--leave-out"."""
        return f"--{self.value.replace(' ', '-')}"


class Hindrance(enum.Enum):
    """Why a plan cannot be carried out; the values are those of --json."""

    IN_USE = "in use"
    TAG = "tag"
    EXISTS = "tag exists"
    MISSING = "snapshot missing"
    AMBIGUOUS = "ambiguous"
    NO_DISK = "no disk"
    UNFIT = "disk unfit"
    UNMIGRATABLE = "cannot be saved"
    SPACE = "no space"
    IMAGE = "image damaged"
    QUARANTINED = "quarantined"
    BITMAPS = "bitmaps"
    BACKING = "backing file"
    RESIZED = "resized"
    EMPTY_STATE = "no VM state"
    MONITOR = "monitor"
    PERMISSION = "permission"
    PROFILE = "launch profile"
    TOOL = "tool missing"


class Ending(enum.Enum):
    """How an operation ended; the values are those of --json."""

    DONE = "done"
    ROLLED_BACK = "rolled back"
    """it failed, and all disks are as they were before"""
    STUCK = "stuck"
    """it failed half-way and cannot be taken back: `Outcome.disks` tells each disk's state"""
    FAILED = "failed"
    """it failed before anything was changed"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What a person chose beside the verb and the snapshot.

    Attributes:
        safety: Take a safety snapshot before a restore.
        choices: What was asked for by name.
        keep_paused: Leave a started machine paused where its snapshot could not be loaded, to be looked at.
    """

    safety: bool = True
    choices: frozenset[Choice] = frozenset()
    keep_paused: bool = False
