"""Saved states of the samples, loaded as the window loads them."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from tests.samples import sample
from tests.vmstate.layouts import Body, scalar
from tests.vmstate.streams import Stream
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.reading import LoadedState, Reader, StateKey

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.models.field_nodes import Chain, DeviceTree
    from vmsnap_gui.vmstate.fields import Field

Q35 = "q35-default@10.0/disk0.qcow2"
PPC = "ppc64-pseries@10.0/disk0.qcow2"
NO_DESCRIPTION = "pc-nodesc@10.0/disk0.qcow2"


@lru_cache(maxsize=4)
def loaded(name: str, index: int = 0) -> LoadedState:
    """Load the state of a sample's snapshot; nobody may change it."""
    return load(sample(name), index)


def load(path: Path, index: int = 0) -> LoadedState:
    """Load a state of any image."""
    image = open_image(path)
    snapshot = image.snapshots[index]
    image.close()
    key = StateKey(path, index, snapshot.id, snapshot.tag, 1)
    return Reader(path).load(key, snapshot, lambda _done, _total: None)


def chain_of(tree: DeviceTree | None, key: str, path: str) -> Chain:
    """Return where a field is in a tree, by its section's key and its path."""
    assert tree is not None
    root = tree.root_of_key(key)
    assert root is not None
    chain = tree.find(root, path)
    assert chain is not None
    return chain


def many_sections(path: Path, count: int) -> LoadedState:
    """Write a state with `count` sections "part" to `path`, and load it; a long live save can have as many."""
    stream = Stream()
    for number in range(count):
        stream.full(Body("part", (scalar("number", "uint32", number),)), instance=number)
    path.write_bytes(stream.finish())
    return load(path)


def tree_of(state: LoadedState, key: str) -> Field:
    """Return the tree of the first section with this key."""
    return next(tree for section, tree in zip(state.vmstate.sections, state.trees, strict=True) if section.key == key)
