"""The tree of snapshots: what is inferred is mostly true, never called a fact, and what is wrong stands in the docs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.image.histories import IN_MAKE_TEST, KINDS, History, make_history
from tests.image.tools import MIB, create, opened, run, take, write
from vmsnap_gui.image.ancestry import Records, Source, Tree, ancestry_of

if TYPE_CHECKING:
    from vmsnap_gui.image.snapshot import Snapshot


def tag(snapshot: Snapshot | None) -> str | None:
    return snapshot.tag if snapshot is not None else None


def parents(tree: Tree) -> dict[str | None, str | None]:
    return {tag(edge.child): tag(edge.parent) for edge in (*tree.edges, tree.here)}
