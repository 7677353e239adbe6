"""What came of an operation, as people read it."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from vmsnap_gui.control.terms import Ending, Verb
from vmsnap_gui.models import words
from vmsnap_gui.models.plan_rows import Note, Row, Tone, ended, placed

if TYPE_CHECKING:
    from vmsnap_gui.control.plan import Outcome


def heading_of(outcome: Outcome) -> str:
    """Return what came of it, in a few words."""
    if outcome.ending is Ending.DONE:
        return done_text(outcome)
    texts = {
        Verb.TAKE: _tr("Snapshot %1 of %2 was not taken"),
        Verb.RESTORE: _tr("%1 of %2 was not restored"),
        Verb.DELETE: _tr("%1 of %2 was not deleted"),
        Verb.START: _tr("%2 was not started %1"),
        Verb.REPAIR: _tr("%2 was not repaired"),
    }
    return _named(texts[outcome.plan.verb], outcome)


def done_text(outcome: Outcome) -> str:
    """Return the sentence for an operation that was done as planned."""
    texts = {
        Verb.TAKE: _tr("Snapshot %1 of %2 was taken"),
        Verb.RESTORE: _tr("%2 is back at %1"),
        Verb.DELETE: _tr("%1 of %2 was deleted"),
        Verb.START: _tr("%2 was started %1"),
        Verb.REPAIR: _tr("%2 was checked"),
    }
    return _named(texts[outcome.plan.verb], outcome)


def kept_text(outcome: Outcome) -> str:
    """Return where the state before a restore is kept; empty where it is not."""
    if outcome.plan.safety is None:
        return ""
    return placed(_tr("The state before is kept as '%1'"), words.visible(outcome.plan.safety))


def notes_of(outcome: Outcome) -> list[Note]:
    """Return what went wrong, what state things are in, and what to do next."""
    notes = []
    if outcome.error is not None:
        notes.append(Note(Tone.BLOCKER, ended(outcome.error), _state(outcome.ending)))
    if outcome.status is not None:
        text = _tr("The machine is %1 now").replace("%1", words.visible(outcome.status))
        notes.append(Note(Tone.NOTE, words.sentence(text)))
    if any(disk.quarantined for disk in outcome.disks) and outcome.plan.verb is not Verb.REPAIR:
        text = _tr("A write was interrupted. Nothing else may write to these images until they are checked.")
        notes.append(Note(Tone.WARNING, text, _tr("Check and repair keeps all snapshots that were not touched.")))
    if any(disk.finish for disk in outcome.disks):
        notes.append(Note(Tone.WARNING, _tr("To finish by hand:"), finishing_lines(outcome)))
    for disk in outcome.disks:
        for what, command in disk.rescue:
            text = placed(_tr("%1: %2:"), words.name_text(disk.path), what)
            notes.append(Note(Tone.WARNING, text, words.visible(shlex.join(command))))
    return notes


def finishing_lines(outcome: Outcome) -> str:
    """Return the commands that finish a stuck operation, each once, in order, as one would type them."""
    commands = dict.fromkeys(command for disk in outcome.disks for command in disk.finish)
    return "\n".join(command[0] if len(command) == 1 else shlex.join(command) for command in commands)


def rows_of(outcome: Outcome) -> list[Row]:
    """Return the state of each file."""
    return [Row("", disk.path, words.visible(disk.text)) for disk in outcome.disks]


def text_of(outcome: Outcome) -> str:
    """Return all of it as plain text, to be copied."""
    lines = [heading_of(outcome), *(part for note in notes_of(outcome) for part in (note.text, note.more) if part)]
    lines += [f"{disk.path}: {disk.text}" for disk in outcome.disks]
    return "\n".join([*lines, "", outcome.details]).rstrip() + "\n"


def _state(ending: Ending) -> str:
    return {
        Ending.DONE: "",
        Ending.ROLLED_BACK: _tr("What was done before it failed was taken back: all disks are as they were."),
        Ending.STUCK: _tr("It could not be taken back. The list says in which state each disk is."),
        Ending.FAILED: _tr("Nothing was changed."),
    }[ending]


def _named(text: str, outcome: Outcome) -> str:
    return placed(text, words.visible(outcome.plan.subject), words.visible(outcome.plan.machine.name))


def _tr(text: str) -> str:
    return QCoreApplication.translate("outcome_rows", text)
