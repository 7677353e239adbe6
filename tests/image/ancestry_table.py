"""How well the tree is guessed in the generated histories: `python -m tests.image.ancestry_table` writes the docs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from tests.image.histories import KINDS, History, make_history
from tests.image.tools import opened
from vmsnap_gui.image.ancestry import Source, Tree, ancestry_of

if TYPE_CHECKING:
    from vmsnap_gui.image.snapshot import Snapshot

DOCS = Path(__file__).parents[2] / "docs" / "ancestry.md"

_HEAD = """# How well the tree of snapshots is guessed

A qcow2 image does not say which snapshot another one goes back to. What vmsnap did itself is recorded and sure; the
rest is inferred from shared clusters, and this page lists every parent that was guessed wrong or left open in the 20
generated histories of `tests/image/histories.py` (writes, snapshots, returns and deletes at random, by QEMU's own
tools). *Now* is the disk as it is. A parent is the nearest one that is still there; `-` stands for none.

How it is inferred (`vmsnap_gui/image/ancestry.py`):

1. QEMU adds snapshots at the end of the table, so only those above it can be a snapshot's parent.
2. What is written after a snapshot lies in fresh clusters. So a snapshot that has, somewhere, an older cluster than its
   supposed parent has there cannot go back to that one. If that rules out all, it goes back to none of them.
3. Of those left, the one from which the fewest clusters of the disk differ is chosen. Equal ones are told apart by
   leftovers of a VM state, then by the VM clock, else the latest is chosen.
4. Where the chosen one shares no cluster at all, only a date and a VM clock that ran on alike speak for a parent; else
   it is left open.

What nobody can tell from the image: whether a snapshot that wrote again all that another had changed goes back to that
one or to the one before; and what was shared with snapshots that are deleted.

| history | parents | right | wrong | open |
| --- | --- | --- | --- | --- |
"""


def tag(snapshot: Snapshot | None, none: str = "-") -> str:
    """Return a snapshot's tag, or what stands for none."""
    return none if snapshot is None else snapshot.tag or ""


def guessed(path: Path) -> Tree:
    """Return the tree of an image without any records."""
    image = opened(path)
    try:
        return ancestry_of(image)
    finally:
        image.close()


def misses(history: History, tree: Tree) -> list[str]:
    """Return a line for each parent that was guessed wrong or left open."""
    lines, truth = [], history.truth()
    for edge in (*tree.edges, tree.here):
        true = truth[edge.child.tag if edge.child is not None else None] or "-"
        if edge.source is Source.OPEN:
            lines.append(f"  - {tag(edge.child, 'now')}: left open, truly {true}: {edge.reason}.")
        elif tag(edge.parent) != true:
            lines.append(f"  - {tag(edge.child, 'now')}: guessed {tag(edge.parent)}, truly {true}: {edge.reason}.")
    return lines


def row(seed: int, history: History, lines: list[str]) -> str:
    """Return a history's row of the table."""
    number, opens = len(history.truth()), sum("left open" in line for line in lines)
    return f"| {KINDS[seed].name} | {number} | {number - len(lines)} | {len(lines) - opens} | {opens} |"


def part(seed: int, history: History, lines: list[str]) -> str:
    """Return what the page says of a history with misses."""
    return "\n".join((f"- **{KINDS[seed].name}** ({'; '.join(history.steps)})", *lines))


def main() -> None:
    """Make all histories and write the page."""
    rows, parts = [], []
    for seed in range(len(KINDS)):
        with tempfile.TemporaryDirectory() as folder:
            history = make_history(Path(folder) / "i", seed)
            lines = misses(history, guessed(history.path))
        rows.append(row(seed, history, lines))
        if lines:
            parts.append(part(seed, history, lines))
    DOCS.write_text(_HEAD + "\n".join(rows) + "\n\n## Wrong, or left open\n\n" + "\n".join(parts) + "\n", "utf-8")


if __name__ == "__main__":
    main()
