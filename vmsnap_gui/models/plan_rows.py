"""A plan as people read it: each file with what happens to it, and what must be known before it is confirmed."""

from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication, QLocale, QModelIndex, QObject, Qt

from vmsnap_gui.control.terms import Reach, StepKind, Verb
from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.tables import FlatTable, Index

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vmsnap_gui.control.plan import Blocker, Cost, Plan, Step, Target

MUTED_ROLE = Qt.ItemDataRole.UserRole
"""True for a disk that stays as it is."""


class Column(enum.IntEnum):
    """The table's columns."""

    NUMBER = 0
    FILE = 1
    WHAT = 2


class Tone(enum.Enum):
    """What sort of thing a note is; the value is its icon's name."""

    BLOCKER = "failed"
    WARNING = "problem"
    LOSS = "loss"
    NOTE = "details"


@dataclass(frozen=True, slots=True)
class Note:
    """Something to know before the plan is confirmed.

    Attributes:
        tone: What sort of thing.
        text: What is so, a sentence.
        more: What to do about it; may be empty.
    """

    tone: Tone
    text: str
    more: str = ""


@dataclass(frozen=True, slots=True)
class Row:
    """One file and what happens to it.

    Attributes:
        number: Of the step; empty on the further files of one step, and for a file that stays as it is.
        path: The file, None for a disk without one.
        what: What happens to it.
        tip: Everything else, line by line.
        muted: Whether it stays as it is.
        name: What stands for the file where there is none, or are several.
    """

    number: str
    path: Path | None
    what: str
    tip: tuple[str, ...] = ()
    muted: bool = False
    name: str = ""


class PlanModel(FlatTable):
    """Files, each with a sentence: the steps of a plan and the disks that stay as they are, or what came of it."""

    columns = len(Column)

    def __init__(self, what: str, parent: QObject | None = None) -> None:
        """Show nothing yet; `what` is the title of the last column."""
        super().__init__(parent)
        self._what = what
        self._rows: list[Row] = []
        self._names: dict[Path | None, str] = {}

    def show(self, rows: Sequence[Row]) -> None:
        """Show these rows."""
        if list(rows) == self._rows:
            return
        self.beginResetModel()
        self._rows = list(rows)
        self._names = _names([row.path for row in rows])
        self.endResetModel()

    def rowCount(self, parent: Index = QModelIndex()) -> int:  # noqa: B008 (Qt's own signature)
        """Override QAbstractItemModel::rowCount."""
        return 0 if parent.isValid() else len(self._rows)

    def _titles(self) -> tuple[str, ...]:
        return (self.tr("Step"), self.tr("File"), self._what)

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> object:
        """Override QAbstractItemModel::data."""
        if not index.isValid():
            return None
        row = self._rows[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return (row.number, row.name or self._names[row.path], row.what)[index.column()]
        if role == Qt.ItemDataRole.ToolTipRole:
            path = [] if row.path is None else [str(row.path)]
            return words.plain_tip([*path, row.what, *row.tip])
        if role == MUTED_ROLE:
            return row.muted
        return None


def rows_of(plan: Plan) -> list[Row]:
    """Return what happens to each file, in order, and then the disks that nothing happens to."""
    rows = []
    for number, step in enumerate(plan.steps, 1):
        alike = step.kind is StepKind.CHECK  # nothing is written: one row tells enough
        rows += [_row(step, at, number) for at in range(1 if alike else max(1, len(step.targets)))]
    touched = {target.path for step in plan.steps for target in step.targets}
    for disk in plan.machine.filled_disks:
        if disk.path is None or disk.path not in touched:
            why = _tr("Stays as it is: %1") if disk.unfit else _tr("Stays as it is")
            text = why.replace("%1", words.visible(disk.unfit or ""))
            rows.append(Row("", disk.path, text, muted=True, name="" if disk.path else words.visible(disk.node or "")))
    return rows


def notes_of(plan: Plan) -> list[Note]:
    """Return what must be known: what is in the way, warnings, what is lost, what may be of use, and what it costs."""
    notes = [Note(Tone.BLOCKER, _about(one), ended(one.remedy)) for one in plan.blockers]
    notes += [Note(Tone.WARNING, ended(text)) for text in plan.warnings]
    notes += [Note(Tone.LOSS, _tr("Lost: %1").replace("%1", _lower(ended(text)))) for text in plan.losses]
    notes += [Note(Tone.NOTE, text) for text in (cost_text(plan.cost), *map(ended, plan.notes)) if text]
    return notes


def cost_text(cost: Cost) -> str:
    """Return what a plan takes in a line; empty where nothing is known of it."""
    parts = []
    if cost.vm_state:
        parts.append(_tr("Up to %1 of VM state is written").replace("%1", numbers.size(cost.vm_state)))
    if cost.frees is not None and cost.frees_at_least:
        text = _tr("Frees at least %1 inside the image, as far as the running machine has written its tables")
        parts.append(text.replace("%1", numbers.size(cost.frees)))
    elif cost.frees:
        parts.append(_tr("Frees %1 inside the image").replace("%1", numbers.size(cost.frees)))
    if cost.free is not None:
        parts.append(_tr("%1 are free on the file system").replace("%1", numbers.size(cost.free)))
    if cost.pause is not None:
        parts.append(_tr("the guest stands still for about %1").replace("%1", _seconds(cost.pause)))
    return words.sentence("; ".join(parts)) if parts else ""


def commands_of(plan: Plan) -> str:
    """Return what a person would type to do the same by hand, a line for each step."""
    import shlex

    return "\n".join(
        shlex.join(step.command) if len(step.command) > 1 else "".join(step.command) for step in plan.steps
    )


def job_name(plan: Plan) -> str:
    """Name a plan while it is carried out: "Restoring 'clean' of web"."""
    texts = {
        Verb.TAKE: _tr("Taking %1 of %2"),
        Verb.RESTORE: _tr("Restoring %1 of %2"),
        Verb.DELETE: _tr("Deleting %1 of %2"),
        Verb.START: _tr("Starting %2 %1"),
        Verb.REPAIR: _tr("Checking and repairing %2"),
    }
    return placed(texts[plan.verb], words.visible(plan.subject), words.visible(plan.machine.name))


def placed(text: str, *parts: str) -> str:
    """Put parts into the places %1, %2, ... of a text; what is in a part is never taken for a place."""
    pieces = text.split("%")
    return pieces[0] + "".join(
        parts[int(piece[0]) - 1] + piece[1:] if piece[:1].isdigit() and int(piece[0]) <= len(parts) else f"%{piece}"
        for piece in pieces[1:]
    )


def reach_text(plan: Plan) -> str:
    """Return how a plan's machine is reached, and what it consists of: "Not running: ... · 2 disks"."""
    machine = plan.machine
    texts = {
        Reach.FILES: _tr("Not running")
        if plan.verb is Verb.START
        else _tr("Not running: QEMU's tools work on its files"),
        Reach.QMP: _tr("QEMU does it, asked over QMP"),
        Reach.BUSY: _tr("Running; its monitor is busy with another client"),
        Reach.LIBVIRT: _tr("Running under libvirt, and left alone"),
        Reach.UNREACHABLE: _tr("Running, without a monitor that answers"),
    }
    parts = [texts[machine.reach]]
    if machine.reach is Reach.QMP and machine.status:
        parts[0] = _tr("QEMU does it, asked over QMP; the machine is %1").replace("%1", words.visible(machine.status))
    if machine.reach is Reach.FILES and machine.holders:
        parts[0] = _tr("In use by %1").replace("%1", words.visible(", ".join(map(str, machine.holders))))
    number = len(machine.filled_disks)
    if number != 1:
        parts.append(words.disks(number))
    return " · ".join(parts)


def ended(text: str) -> str:
    """Return a sentence that may begin with a file's name, with its full stop."""
    shown = words.visible(text.strip())
    return shown if not shown or shown[-1] in ".!?…" else f"{shown}."


def _about(blocker: Blocker) -> str:
    """Return what is in the way, with the file that it is about."""
    text = ended(blocker.text)
    return f"{words.name_text(blocker.path)}: {text}" if blocker.path is not None else text


def _row(step: Step, at: int, number: int) -> Row:
    by_hand = " ".join(step.command)
    tip = [_tr("By hand: %1").replace("%1", by_hand)] if by_hand else []
    tip += [_tr("If a later step fails: %1").replace("%1", step.undone_by)] if step.undone_by else []
    if not step.targets:
        return Row(str(number), None, words.visible(step.text), tuple(tip))
    target = step.targets[at]
    if step.kind is StepKind.CHECK and len(step.targets) > 1:
        paths = [str(one.path) for one in step.targets]
        name = words.disks(len(step.targets))
        return Row(str(number), None, _what(step, target, first=True), (*paths, *tip), name=name)
    return Row(str(number) if at == 0 else "", target.path, _what(step, target, first=at == 0), tuple(tip))


def _what(step: Step, target: Target, *, first: bool) -> str:
    """Return what a step does to one disk."""
    texts = {
        StepKind.TAKE: _tr("Snapshot '%1' is taken: the disk only"),
        StepKind.RESTORE: _tr("The disk goes back to '%1' (id %2)"),
        StepKind.DELETE: _tr("Snapshot '%1' (id %2) is deleted"),
        StepKind.LIVE_TAKE: _tr("Snapshot '%1' is taken: disk, memory and devices")
        if first
        else _tr("Snapshot '%1' is taken"),
        StepKind.LIVE_RESTORE: _tr("Disk, memory and devices go back to '%1'")
        if first
        else _tr("The disk goes back to '%1'"),
        StepKind.LIVE_DELETE: _tr("Snapshot '%1' (id %2) is deleted"),
        StepKind.START: _tr("The machine is started from '%1'")
        if target.id is not None
        else _tr("The machine is started"),
        StepKind.CHECK: _tr("Is checked; nothing is written"),
        StepKind.REPAIR: _tr("Is repaired where the check found it damaged"),
        StepKind.RELEASE: _tr("Comes out of quarantine as it is"),
    }
    return placed(texts[step.kind], words.visible(target.tag), words.visible(target.id or "–"))


def _names(paths: Sequence[Path | None]) -> dict[Path | None, str]:
    """Return how each file is called: by its name alone where that is clear."""
    there = {path for path in paths if path is not None}
    names = [path.name for path in there]
    named: dict[Path | None, str] = {
        path: words.name_text(path) if names.count(path.name) == 1 else words.path_text(path) for path in there
    }
    named[None] = _tr("(no file)")
    return named


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _seconds(value: float) -> str:
    if value < 10:
        return _tr("%1 s").replace("%1", QLocale().toString(value, "f", 1))
    return numbers.elapsed(value)


def _tr(text: str) -> str:
    return QCoreApplication.translate("plan_rows", text)
