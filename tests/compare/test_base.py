"""What two branches of a real machine changed since their base is told apart, in fields, memory and disk."""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.compare.machines import (
    CLUSTER,
    PAGES_OF,
    REGISTERS,
    REGISTERS_OF,
    SECTORS,
    SECTORS_OF,
    branched,
    known_pages,
)
from vmsnap_gui.compare.terms import Outcome
from vmsnap_gui.comparing import compare_disk, compare_memory, compare_sides
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.sides import Side, Sides

if TYPE_CHECKING:
    from vmsnap_gui.compare.ranges import Ranges

pytestmark = pytest.mark.qemu

OF = {"a": Outcome.IN_A, "b": Outcome.IN_B, "both": Outcome.DIFFERENTLY}


def sides(a: str = "a", b: str = "b") -> Sides:
    image = open_image(branched())
    found = {one.tag: Side(branched(), one) for one in image.snapshots}
    image.close()
    return Sides(found[a], found[b], found["base"])


def quiet(*_: int) -> None:
    """Take progress."""


def test_fields() -> None:
    opened = sides()
    compared = compare_sides(opened, True, quiet)
    opened.close()
    assert compared.since is not None
    cpu = next(one for one in compared.since.sections if one.key == "cpu")
    expected = {path: Outcome.ALIKE for path in REGISTERS} | {REGISTERS_OF[which][1]: OF[which] for which in OF}
    assert {one.path: one.outcome for one in cpu.fields if one.rule is None} == expected
    values = {one.path: tuple(side.value for side in (one.a, one.b) if side is not None) for one in cpu.fields}
    assert values["env.regs[5]"] == (1, 2)
    assert [one.key for one in compared.since.sections if one.differences] == ["cpu"]
    assert compared.since.counts[1:] == (1, 1, len(REGISTERS), 1)


def test_memory() -> None:
    opened = sides()
    memory = compare_memory(compare_sides(opened, True, quiet), quiet)
    opened.close()
    assert memory.since is not None
    found = memory.since.pages["pc.ram"]
    expected = np.zeros(len(found), np.uint8)
    expected[list(chain.from_iterable(known_pages().values()))] = Outcome.ALIKE
    for which, page in PAGES_OF.items():
        expected[page] = OF[which]
    assert np.array_equal(found, expected)
    assert memory.since.counts[1:] == tuple(int((expected == one).sum()) for one in Outcome if one)


def test_disk_by_tables_and_by_content() -> None:
    opened = sides()
    by_tables, by_content = (compare_disk(opened, read_data, quiet) for read_data in (False, True))
    opened.close()
    own = {start: OF[which] for which, start in SECTORS_OF.items()}
    clusters = {sector * 512 // CLUSTER * CLUSTER for sector in SECTORS}
    assert _units(by_tables.since, CLUSTER) == own | dict.fromkeys(clusters, Outcome.DIFFERENTLY)
    found = _units(by_content.since, 512)
    assert {start for start, outcome in found.items() if outcome is Outcome.ALIKE} == {one * 512 for one in SECTORS}
    assert {start // CLUSTER * CLUSTER: one for start, one in found.items() if one is not Outcome.ALIKE} == own
    assert not by_tables.read_data
    assert by_content.read_data


def _units(ranges: Ranges | None, unit: int) -> dict[int, Outcome]:
    assert ranges is not None
    return {
        at: Outcome(kind)
        for start, length, kind in zip(
            ranges.starts.tolist(), ranges.lengths.tolist(), ranges.kinds.tolist(), strict=True
        )
        for at in range(start, start + length, unit)
    }


def test_swapped_sides_swap_the_outcomes() -> None:
    opened = sides("b", "a")
    compared = compare_sides(opened, True, quiet)
    opened.close()
    assert compared.since is not None
    cpu = next(one for one in compared.since.sections if one.key == "cpu")
    found = {one.path: one.outcome for one in cpu.fields}
    assert (found["env.regs[1]"], found["env.regs[2]"]) == (Outcome.IN_B, Outcome.IN_A)
