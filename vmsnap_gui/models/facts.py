"""What the Overview tells of an image and of a saved state, as labelled texts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from vmsnap_gui.models import numbers, words
from vmsnap_gui.vmstate.sections import Located, SectionType

if TYPE_CHECKING:
    from vmsnap_gui.image.snapshot import Snapshot
    from vmsnap_gui.note_store import Note
    from vmsnap_gui.reading import ImageInfo, LoadedState
    from vmsnap_gui.vmstate.devices import VMState


@dataclass(frozen=True, slots=True)
class Fact:
    """One line: a label, its value, and a tooltip with what is more exact."""

    label: str
    value: str
    tip: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a saved state, for the bar of its sizes."""

    name: str
    size: int
    tip: str


def image_facts(info: ImageInfo) -> list[Fact]:
    """Return the facts about an image."""
    facts = [Fact(_tr("File"), words.path_text(info.path))]
    facts += [Fact(label, words.visible(text)) for label, text in info.facts]
    return facts


def snapshot_facts(snapshot: Snapshot) -> list[Fact]:
    """Return the facts about a snapshot that its image's table tells."""
    facts = []
    if snapshot.tag is not None:
        facts.append(Fact(_tr("Tag"), words.visible(snapshot.tag) or _tr("(empty)")))
    if snapshot.id is not None:
        facts.append(Fact(_tr("ID"), words.visible(snapshot.id)))
    if snapshot.date_sec is not None:
        exact = numbers.iso_date(snapshot.date_sec, snapshot.date_nsec)
        facts.append(Fact(_tr("Taken"), numbers.zoned_date(snapshot.date_sec), exact))
    if snapshot.vm_clock_ns is not None:
        facts.append(Fact(_tr("VM clock"), numbers.clock(snapshot.vm_clock_ns)))
    return facts


def note_facts(note: Note) -> list[Fact]:
    """Return what the person wrote about a snapshot."""
    facts = [Fact(_tr("Label"), words.visible(note.label))] if note.label else []
    text = "\n".join(words.visible(line) for line in note.text.splitlines())
    return [*facts, Fact(_tr("Note"), text)] if text else facts


def state_facts(loaded: LoadedState) -> list[Fact]:
    """Return the facts about a decoded state."""
    state = loaded.vmstate
    ram = sum(block.length for block in state.ram_blocks)
    blocks = "\n".join(f"{words.visible(one.name)}: {numbers.exact_size(one.length)}" for one in state.ram_blocks)
    count = len(state.ram_blocks)
    in_blocks = (_tr("in 1 block") if count == 1 else _tr("in %1 blocks")).replace("%1", numbers.count(count))
    return [
        Fact(_tr("Machine type"), words.visible(state.machine) if state.machine else _tr("not recorded")),
        Fact(_tr("Memory"), f"{numbers.size(ram)} {in_blocks}", blocks),
        Fact(_tr("Page size"), numbers.size(state.page_size), numbers.exact_size(state.page_size)),
        Fact(_tr("Devices"), numbers.count(loaded.devices)),
        Fact(_tr("Fields"), numbers.count(loaded.fields)),
        Fact(_tr("Device state"), numbers.size(loaded.device_bytes), numbers.exact_size(loaded.device_bytes)),
        Fact(_tr("Stream"), numbers.size(state.end), numbers.exact_size(state.end)),
        _located(state.located),
    ]


def _located(located: Located) -> Fact:
    if located is Located.TAIL:
        tip = _tr("The description at the stream's end tells where each device is; memory was not read for this.")
        return Fact(_tr("Found by"), _tr("the description at its end"), tip)
    return Fact(_tr("Found by"), _tr("reading it from the start"), _tr("The stream was followed section by section."))


def state_parts(state: VMState) -> list[Part]:
    """Return what a stream consists of: memory, devices, the rest; empty parts are left out."""
    devices = sum(section.size for section in state.sections if section.type is SectionType.FULL)
    live = sum(section.size for section in state.sections if section.type is not SectionType.FULL)
    live += state.unwalked[1] if state.unwalked is not None else 0
    rest = max(0, state.end - devices - live)
    parts = (
        (_tr("Memory"), live, _tr("Memory pages and other parts that are saved while the machine runs")),
        (_tr("Devices"), devices, _tr("The state of all devices")),
        (_tr("Description"), rest, _tr("Header, configuration, and the description of the devices"))
        if state.located is Located.TAIL
        else (_tr("Header"), rest, _tr("Header and configuration")),
    )
    return [Part(name, size, f"{tip}: {numbers.exact_size(size)}") for name, size, tip in parts if size]


def _tr(text: str) -> str:
    return QCoreApplication.translate("facts", text)
