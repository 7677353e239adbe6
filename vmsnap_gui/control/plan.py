"""What an operation is going to do: made before any write, shown by the window and by --dry-run, and executed as it is.

A plan is data. `planning` makes it, by looking and never by writing; `executing` carries out its steps and nothing
else. Dialogs, --dry-run, --json and the journal all show this one object.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from vmsnap_gui.control.terms import Options, Verb

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.control.machine import Machine
    from vmsnap_gui.control.profile import LaunchProfile
    from vmsnap_gui.control.terms import Choice, Ending, Hindrance, StepKind


Command = tuple[str, ...]
"""What a person would type: an argument list, or one line of QMP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocker:
    """Something that stops the whole plan.

    Attributes:
        kind: What sort of thing it is.
        text: What is in the way, one sentence for people (QEMU's own reason where it gave one).
        remedy: What to do about it.
        path: The image it is about, if it is about one.
        choice: The choice that lifts it, if one does.
    """

    kind: Hindrance
    text: str
    remedy: str
    path: Path | None = None
    choice: Choice | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """One disk's part in a step.

    Attributes:
        path: The image.
        tag: The snapshot's tag.
        id: The snapshot's id on this disk; None for one that is still to be taken.
        node: The node name in a running QEMU, None offline.
    """

    path: Path
    tag: str
    id: str | None = None
    node: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One thing that will be done.

    Attributes:
        kind: What.
        targets: On which disks and snapshots, in order; a live take and restore has the VM state's disk first.
        text: For people: "Take 'clean' of web.qcow2".
        command: What does the same by hand.
        undone_by: What takes it back if a later step fails, for people; None where nothing does.
    """

    kind: StepKind
    targets: tuple[Target, ...]
    text: str
    command: Command
    undone_by: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What it takes; None where nobody can tell.

    Attributes:
        vm_state: Most bytes of VM state to be written (the RAM; pages without content take next to none).
        free: Bytes free on the file system that gets it.
        pause: Seconds that the guest stands still.
        frees: Bytes that a delete gives back to the image.
        frees_at_least: Whether a running machine holds changes of the tables back, so that it may give back more.
    """

    vm_state: int | None = None
    free: int | None = None
    pause: float | None = None
    frees: int | None = None
    frees_at_least: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """An image as the plan saw it: `executing` refuses to start when it is no longer so.

    Attributes:
        path: The image.
        stamp: Device, inode, size and modification time in ns.
        table: Digest of its snapshot table, so that a running QEMU's writing to the disk does not count.
    """

    path: Path
    stamp: tuple[int, int, int, int]
    table: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """An operation, before it happens.

    Attributes:
        verb: What was asked for.
        machine: On what, as it was seen.
        subject: The snapshot or the tag, for people.
        steps: What will be done, in order; nothing else is.
        blockers: Why it cannot be done now.
        warnings: What a person should know first; sentences.
        notes: What may be of use to them; sentences.
        losses: What will be gone afterwards; sentences.
        cost: What it takes.
        options: What was chosen.
        seen: The images that will be written to, as they were seen.
        safety: The tag of the safety snapshot that the steps take, if they take one.
        profile: What a machine is started by; None for all other verbs.
    """

    verb: Verb
    machine: Machine
    subject: str
    steps: tuple[Step, ...] = ()
    blockers: tuple[Blocker, ...] = ()
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    losses: tuple[str, ...] = ()
    cost: Cost = field(default_factory=Cost)
    options: Options = field(default_factory=Options)
    seen: tuple[Seen, ...] = ()
    safety: str | None = None
    profile: LaunchProfile | None = None

    @property
    def ready(self) -> bool:
        """Whether it can be carried out."""
        return bool(self.steps) and not self.blockers

    def as_json(self) -> dict[str, Any]:
        """Return it as --dry-run --json prints it."""
        return {
            "verb": self.verb.value,
            "machine": self.machine.name,
            "address": self.machine.address,
            "subject": self.subject,
            "ready": self.ready,
            "steps": [
                {
                    "kind": step.kind.value,
                    "text": step.text,
                    "command": list(step.command),
                    "disks": [{"path": str(t.path), "id": t.id, "tag": t.tag} for t in step.targets],
                }
                for step in self.steps
            ],
            "blockers": [
                {
                    "kind": one.kind.value,
                    "path": str(one.path) if one.path is not None else None,
                    "text": one.text,
                    "remedy": one.remedy,
                    "choice": one.choice.value if one.choice is not None else None,
                }
                for one in self.blockers
            ],
            "warnings": list(self.warnings),
            "notes": list(self.notes),
            "losses": list(self.losses),
            "cost": {
                "vm_state": self.cost.vm_state,
                "free": self.cost.free,
                "pause_seconds": self.cost.pause,
                "frees": self.cost.frees,
                "frees_at_least": self.cost.frees_at_least,
            },
            "safety": self.safety,
            "profile": self.profile.as_json() if self.profile is not None else None,
        }


def named(verb: str, subject: str, machine: str) -> str:
    """Name an operation for people, from what a plan's JSON holds: "take 'clean' of web", "start web from 'clean'"."""
    texts = {Verb.START: f"start {machine} {subject}", Verb.REPAIR: f"repair {subject}"}
    return texts.get(Verb(verb), f"{verb} {subject} of {machine}")


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskResult:
    """What the re-reading after an operation found on one disk.

    Attributes:
        path: The image.
        text: Its state in a sentence: "'clean' (id 3) was taken", "as before".
        quarantined: Whether it may only be checked and repaired now.
        finish: The commands that would finish this disk's part, in order; empty where there is nothing to finish.
        rescue: What can be done where a repair has failed: for what, in a few words, and the command that does it.
    """

    path: Path
    text: str
    quarantined: bool = False
    finish: tuple[Command, ...] = ()
    rescue: tuple[tuple[str, Command], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What came of a plan, by re-reading what it touched.

    Attributes:
        plan: What was to be done.
        ending: How it ended.
        disks: Each disk's state now.
        error: What went wrong, one sentence; None when nothing did.
        details: What tools and QEMU said about it.
        status: The running machine's state afterwards ("running", "paused"), None offline.
        address: The monitor of the machine that was started, None where none was.
        pid: The process of the machine that was started.
    """

    plan: Plan
    ending: Ending
    disks: tuple[DiskResult, ...]
    error: str | None = None
    details: str = ""
    status: str | None = None
    address: str | None = None
    pid: int | None = None

    def as_json(self) -> dict[str, Any]:
        """Return it as the commands print it with --json."""
        return {
            "plan": self.plan.as_json(),
            "ending": self.ending.value,
            "error": self.error,
            "details": self.details,
            "status": self.status,
            "address": self.address,
            "pid": self.pid,
            "disks": [
                {
                    "path": str(d.path),
                    "text": d.text,
                    "quarantined": d.quarantined,
                    "finish": [*map(list, d.finish)],
                    "rescue": [{"what": what, "command": list(command)} for what, command in d.rescue],
                }
                for d in self.disks
            ],
        }
