"""What is known of the history of an image, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from vmsnap_gui.image.ancestry import Source
from vmsnap_gui.models import numbers, words

if TYPE_CHECKING:
    from vmsnap_gui.history import History
    from vmsnap_gui.image.ancestry import Edge
    from vmsnap_gui.image.usage import Sizes
    from vmsnap_gui.note_store import Note


def is_here(found: History, node: int) -> bool:
    """Whether a node is the disk as it is now."""
    return node == len(found.snapshots)


def edge_of(found: History, node: int) -> Edge:
    """Return what a node goes back to."""
    return found.tree.here if is_here(found, node) else found.tree.edges[node]


def node_name(found: History, node: int) -> str:
    """Name a node."""
    return _tr("You are here") if is_here(found, node) else words.snapshot_name(found.snapshots[node])


def source_text(source: Source) -> str:
    """Say in a word how a parent is known."""
    return {
        Source.RECORDED: _tr("recorded"),
        Source.INFERRED: _tr("inferred"),
        Source.OPEN: _tr("open"),
    }[source]


def reason_text(edge: Edge) -> str:
    """Say what a node goes back to, how that is known, and why."""
    if edge.parent is None:
        to = _tr("Goes back to no snapshot") if edge.source is not Source.OPEN else _tr("Goes back to: not known")
    else:
        to = _tr("Goes back to '%1'").replace("%1", words.snapshot_name(edge.parent))
    doubt = _tr("Inferred, and perhaps wrong") if edge.source is Source.INFERRED else source_text(edge.source)
    return "\n".join((to, words.sentence(f"{doubt}: {edge.reason}")))


def node_tip(found: History, node: int, note: Note) -> str:
    """Say what is known of a node, and noted on it, line by line."""
    lines = [node_name(found, node), *note.lines]
    if is_here(found, node):
        lines = [_tr("You are here: the disk as it is now")]
    else:
        snapshot = found.snapshots[node]
        lines.append(numbers.zoned_date(snapshot.date_sec))
        if snapshot.vm_state_size:
            lines.append(_tr("VM clock %1").replace("%1", numbers.clock(snapshot.vm_clock_ns)))
        else:
            lines.append(_tr("Disk only, no state of the machine"))
        if found.usage is not None:
            lines.append(freed_text(found, node))
    return words.plain_tip([*lines, *reason_text(edge_of(found, node)).split("\n")])


def here_text(found: History) -> str:
    """Say where the disk is now, briefly."""
    edge = found.tree.here
    if edge.parent is None:
        return _tr("You are here: after no known snapshot")
    text = _tr("You are here: after %1").replace("%1", words.snapshot_name(edge.parent))
    return text if edge.source is Source.RECORDED else _tr("%1 (inferred)").replace("%1", text)


def freed_text(found: History, position: int) -> str:
    """Say what deleting a snapshot frees, and of what that consists."""
    assert found.usage is not None
    layer = found.usage.snapshots[position]
    text = _tr("Deleting it frees at least %1") if found.at_least else _tr("Deleting it frees %1")
    lines = [text.replace("%1", numbers.exact_size(found.frees[position]))]
    lines[0] += f" ({sizes_text(layer.exclusive)})" if layer.exclusive.total else ""
    if layer.shared.total:
        text = _tr("It shares %1 with others, which stay")
        lines.append(text.replace("%1", numbers.size(layer.shared.total)))
    return "\n".join(lines)


def sizes_text(sizes: Sizes) -> str:
    """Return the parts of sizes that are not empty: "disk 2 MiB, VM state 300 KiB"."""
    parts = (
        (_tr("disk %1"), sizes.disk),
        (_tr("VM state %1"), sizes.vm_state),
        (_tr("tables %1"), sizes.tables),
    )
    return ", ".join(text.replace("%1", numbers.size(size)) for text, size in parts if size)


def _tr(text: str) -> str:
    return QCoreApplication.translate("history", text)
