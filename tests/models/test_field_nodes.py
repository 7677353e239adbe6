"""Finding fields: by byte, by path, in another snapshot."""

from __future__ import annotations

import random
import time
from typing import TYPE_CHECKING

import pytest

from tests.models.states import NO_DESCRIPTION, PPC, Q35, load, loaded
from tests.vmstate.layouts import Body, scalars
from tests.vmstate.streams import Stream
from vmsnap_gui.models.field_nodes import DeviceTree, children_of, group_size
from vmsnap_gui.models.field_parts import PART_TYPE
from vmsnap_gui.vmstate.fields import Kind, walk

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def q35() -> DeviceTree:
    return DeviceTree(loaded(Q35))


def test_roots_stand_in_stream_order_and_none_is_missing(q35: DeviceTree) -> None:
    names = [root.field.name for root in q35.roots]
    offsets = [root.field.offset for root in q35.roots]
    assert offsets == sorted(offsets)
    assert names[:3] == ["configuration", "ram", "(memory)"]
    assert len(names) == len(q35.loaded.trees) + 2
    for number, tree in enumerate(q35.loaded.trees):
        assert q35.roots[q35.place(number)].field is tree


def test_every_byte_of_every_section_belongs_to_the_leaf_that_walk_gives(q35: DeviceTree) -> None:
    chosen = random.Random(1)
    for place, root in enumerate(q35.roots):
        if root.section is None or root.field.size > 200_000:
            continue
        leaves = [(path, leaf) for path, leaf in walk(root.field) if not leaf.kind.is_container and leaf.size]
        for path, leaf in chosen.sample(leaves, min(300, len(leaves))):
            for offset in (leaf.offset, leaf.offset + leaf.size - 1):
                chain = q35.at_offset(place, offset)
                found = q35.field(chain)
                if found.type == PART_TYPE:
                    chain = chain[:-1]
                    found = q35.field(chain)
                assert (found.offset, found.size, q35.path(chain)) == (leaf.offset, leaf.size, path)


def test_every_path_is_found_again(q35: DeviceTree) -> None:
    for place, root in enumerate(q35.roots):
        for count, (path, field) in enumerate(walk(root.field)):
            if count > 400:
                break
            chain = q35.find(place, path)
            assert chain is not None
            assert q35.path(chain) == path
            assert q35.field(chain).offset <= field.offset  # the first, where fields share a path


def test_an_element_that_is_not_there_is_not_sought_among_the_others(tmp_path: Path) -> None:
    path = tmp_path / "long.vmstate"
    path.write_bytes(Stream().full(Body("d", (scalars("table", "uint32", list(range(200_000))),))).finish())
    tree = DeviceTree(load(path))
    assert tree.find(0, "table[199999]") == (0, 1, 199_999)
    began = time.process_time()
    assert tree.find(0, "table[200000]") is None
    assert tree.find(0, "table.nothing") is None
    assert time.process_time() - began < 0.1  # decoding all of them took a second


def test_a_hint_tells_fields_with_the_same_path_apart(q35: DeviceTree) -> None:
    place = next(place for place, root in enumerate(q35.roots) if root.field.name == "i8254")
    fields = children_of(q35.roots[place].field)
    paths = [field.name for field in fields]
    assert "channels[0].irq_disabled" in paths
    assert "channels" in paths
    inner = q35.find(place, "channels[0].count")
    assert inner is not None
    assert len(inner) == 4
    assert q35.find(place, "channels[0].count", hint=(0, *inner[1:])) == inner
    assert q35.find(place, "channels[0].count", hint=(0, 999, 999)) == inner
    assert q35.find(place, "no such field") is None


def test_an_element_far_into_an_array_is_found_without_looking_at_the_others() -> None:
    tree = DeviceTree(loaded(PPC))
    place = next(
        place
        for place, root in enumerate(tree.roots)
        if any(len(child.children) == 262_144 for child in root.field.children)
    )
    chain = tree.find(place, "mig_table[200000]")
    assert chain is not None
    field = tree.field(chain)
    assert field.name == "[200000]"
    assert tree.at_offset(place, field.offset + 3) == chain


def test_the_parts_of_a_pci_configuration_space_lie_in_it(q35: DeviceTree) -> None:
    place = next(place for place, root in enumerate(q35.roots) if root.field.name == "0000:00:1f.2/ich9_ahci")
    chain = q35.find(place, "parent_obj.config[0]")
    assert chain is not None
    config = q35.field(chain)
    parts = children_of(config)
    assert [part.name for part in parts][:3] == ["Vendor", "Device", "Command"]
    assert all(
        config.offset <= part.offset and part.offset + part.size <= config.offset + config.size for part in parts
    )
    vendor = q35.field(q35.at_offset(place, config.offset + 1))
    assert (vendor.name, vendor.value) == ("Vendor", "8086 Intel")
    assert q35.roots[place].about.startswith("8086:2922 ")


def test_a_state_without_description_is_all_raw_bytes_and_says_so() -> None:
    tree = DeviceTree(loaded(NO_DESCRIPTION))
    place = next(place for place, root in enumerate(tree.roots) if root.field.name == "cpu")
    root = tree.roots[place].field
    assert root.problem is not None
    assert tree.field(tree.at_offset(place, root.offset + 100)).kind is Kind.RAW


@pytest.mark.parametrize(
    ("rows", "most", "size"),
    [(0, 1000, 0), (1000, 1000, 0), (1001, 1000, 1000), (262_144, 1000, 1000), (1_000_001, 1000, 1_000_000)],
)
def test_groups_are_few_enough(rows: int, most: int, size: int) -> None:
    assert group_size(rows, most) == size
    assert not size or -(-rows // size) <= most
