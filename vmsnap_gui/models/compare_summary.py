"""What a comparison found, in a sentence: what differs first, then what does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from vmsnap_gui.compare.terms import Outcome
from vmsnap_gui.models import numbers, words
from vmsnap_gui.models.change_words import OUTCOME_SIGNS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vmsnap_gui.compare.disk import DiskComparison
    from vmsnap_gui.comparing import Compared, Counts, DiskCompared, MemoryCompared


@dataclass(frozen=True, slots=True)
class Summary:
    """What a comparison found.

    Attributes:
        loud: What differs; or that nothing does.
        quiet: What does not.
        since: What happened since the base, by the signs of each; empty without one.
    """

    loud: str = ""
    quiet: str = ""
    since: str = ""


def summary(compared: Compared | None, memory: MemoryCompared | None, disk: DiskCompared | None = None) -> Summary:
    """Sum up what is known of a comparison."""
    if compared is None:
        return Summary()
    found = compared.fields
    differing, same = [], []
    if found is not None:
        differing += _devices(compared.counts)
        same += _same(compared.counts)
    if memory is not None:
        (differing if memory.pages else same).append(_memory(memory) if memory.pages else _tr("all memory"))
    if disk is not None:
        differs = disk.disk.differs
        (differing if differs else same).append(_disk(disk.disk) if differs else _tr("the disk"))
    quiet, since = _tr("The same: %1").replace("%1", ", ".join(same)) if same else "", _since(compared, memory, disk)
    if differing:
        return Summary(_tr("%1 differ").replace("%1", ", ".join(differing)), quiet, since)
    if found is None and memory is None and disk is None:
        return Summary(_tr("There is no state of the machine on both sides"))
    loud = _tr("No difference between A and B") if compared.sides.base is not None else _tr("No difference")
    return Summary(loud, quiet, since)


def _since(compared: Compared, memory: MemoryCompared | None, disk: DiskCompared | None) -> str:
    """Say what happened since the base: "Fields: ← 3, → 20, ≡ 7, ≠ 10 · Pages: …"."""
    parts = []
    if compared.since is not None:
        parts.append(_tr("Fields: %1").replace("%1", _by_outcome(compared.since.counts, numbers.count)))
    if memory is not None and memory.since is not None:
        parts.append(_tr("Pages: %1").replace("%1", _by_outcome(memory.since.counts, numbers.count)))
    if disk is not None and disk.since is not None:
        parts.append(_tr("Disk: %1").replace("%1", _by_outcome(disk.counts, numbers.size)))
    return " · ".join(parts)


def _by_outcome(counts: Sequence[int], text: Callable[[int], str]) -> str:
    return ", ".join(f"{OUTCOME_SIGNS[outcome]} {text(counts[outcome])}" for outcome in Outcome if outcome)


def _memory(memory: MemoryCompared) -> str:
    text = _tr("%1 of memory (%2 changed)").replace("%1", words.pages(memory.pages))
    return text.replace("%2", numbers.size(sum(memory.bytes)))


def _disk(disk: DiskComparison) -> str:
    units, size = disk.units_changed(), numbers.size(disk.bytes_changed)
    if disk.read_data:
        return _tr("%1 of the disk").replace("%1", size)
    return _tr("%1 of the disk (%2)").replace("%1", words.clusters(units)).replace("%2", size)


def _devices(counts: Counts) -> list[str]:
    parts = ((counts.devices, words.devices(counts.devices)), (counts.fields, words.fields(counts.fields)))
    return [text for number, text in parts if number]


def _same(counts: Counts) -> list[str]:
    parts = [words.devices(counts.same)] if counts.same else []
    if counts.filtered:
        parts.append(_tr("%1 when filtered").replace("%1", words.fields(counts.filtered)))
    return parts


def _tr(text: str) -> str:
    return QCoreApplication.translate("compare_summary", text)
