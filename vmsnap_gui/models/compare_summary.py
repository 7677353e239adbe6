"""What a comparison found, in a sentence: what differs first, then what does not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from vmsnap_gui.models import numbers, words

if TYPE_CHECKING:
    from vmsnap_gui.compare.disk import DiskComparison
    from vmsnap_gui.comparing import Compared, Counts, MemoryCompared


@dataclass(frozen=True, slots=True)
class Summary:
    """What a comparison found.

    Attributes:
        loud: What differs; or that nothing does.
        quiet: What does not.
    """

    loud: str = ""
    quiet: str = ""


def summary(compared: Compared | None, memory: MemoryCompared | None, disk: DiskComparison | None = None) -> Summary:
    """Sum up what is known of a comparison."""
    if compared is None:
        return Summary()
    found = compared.fields
    differing, same = [], []
    if found is not None:
        differing += _devices(compared.counts)
        same += _same(compared.counts)
    if memory is not None:
        if memory.pages:
            text = _tr("%1 of memory (%2 changed)").replace("%1", words.pages(memory.pages))
            differing.append(text.replace("%2", numbers.size(sum(memory.bytes))))
        else:
            same.append(_tr("all memory"))
    if disk is not None:
        if disk.differs:
            differing.append(_disk(disk))
        else:
            same.append(_tr("the disk"))
    if differing:
        loud = _tr("%1 differ").replace("%1", ", ".join(differing))
        return Summary(loud, _tr("The same: %1").replace("%1", ", ".join(same)) if same else "")
    if found is None and memory is None and disk is None:
        return Summary(_tr("There is no state of the machine on both sides"))
    return Summary(_tr("No difference"), _tr("The same: %1").replace("%1", ", ".join(same)) if same else "")


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
