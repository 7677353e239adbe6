"""The timeline without a window: marks of real histories, moving among them, labels that never overlap."""

from __future__ import annotations

import math
import random
from typing import TYPE_CHECKING

import pytest

from tests.control.doing import plan_take, succeed
from tests.image.tools import MIB, create, opened, run, write
from tests.test_branches import branched
from vmsnap_gui.history import History, look_into
from vmsnap_gui.models import history_texts
from vmsnap_gui.models.label_places import Spot, places_of
from vmsnap_gui.models.timeline import marks_of
from vmsnap_gui.note_store import Note

if TYPE_CHECKING:
    from pathlib import Path


def history_of(path: Path) -> History:
    image = opened(path)
    snapshots = image.snapshots
    image.close()
    steps: list[int] = []
    found = look_into(path, snapshots, lambda done, total: steps.append(done * 100 // total))
    assert steps == sorted(steps)
    assert steps[-1] == 100
    return found


@pytest.fixture
def found(tmp_path: Path) -> History:
    return history_of(branched(tmp_path / "web.qcow2"))


def test_areas_are_what_deleting_frees(found: History) -> None:
    marks = marks_of(found, vm_clock=False)
    assert [mark.name for mark in marks.all] == ["one", "two", "three", "four", "five", "You are here"]
    assert [mark.here for mark in marks.all] == [False] * 5 + [True]
    largest = max(found.frees)
    for mark in marks.all[:5]:
        assert mark.size == pytest.approx(max(9, 34 * math.sqrt(found.frees[mark.node] / largest)))
    assert (marks.lanes, marks.left_out) == (3, 0)
    assert marks.links == ((0, 1, False), (1, 2, False), (0, 3, False), (1, 4, False), (3, 5, False))


def test_what_was_recorded_is_solid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    path = create(tmp_path / "web.qcow2", 4 * MIB)
    for number, tag in enumerate(("one", "two")):
        write(path, f"write -q -P {number + 1} {number}M 1M")
        succeed(plan_take(path, tag=tag))
    found = history_of(path)
    assert marks_of(found, vm_clock=False).links == ((0, 1, True), (1, 2, True))
    assert [row.solid for row in found.rows] == [True, True, True]
    assert "(inferred)" not in history_texts.here_text(found)
    assert "vmsnap did it itself" in history_texts.node_tip(found, 1, Note())
    run("qemu-img", "snapshot", "-a", "one", path)  # by somebody else
    found = history_of(path)
    assert marks_of(found, vm_clock=False).links == ((0, 1, True), (0, 2, False))
    assert "(inferred)" in history_texts.here_text(found)


def test_disks_have_no_vm_clock(found: History) -> None:
    marks = marks_of(found, vm_clock=True)
    assert marks.all == ()
    assert marks.left_out == 5


def test_moving_along_and_across(found: History) -> None:
    marks = marks_of(found, vm_clock=False)
    assert marks.after(0, 1) == 1
    assert marks.after(4, 1) == 4
    assert marks.after(4, -100) == 0
    assert marks.after(None, 1) == 0
    lanes = {mark.name: mark.lane for mark in marks.all}
    assert lanes["one"] == lanes["four"] == lanes["You are here"] == 0
    assert marks.beside(2, -1) in (0, 1, 3, 4)
    assert marks.beside(0, -1) == 0
    below = marks.beside(0, 1)
    assert below is not None
    assert marks.all[below].lane == 1


@pytest.mark.parametrize("seed", range(5))
def test_labels_overlap_nothing(seed: int) -> None:
    rng = random.Random(seed)
    spots = [
        Spot(rng.uniform(0, 900), rng.uniform(0, 200), rng.uniform(4, 17), rng.uniform(20, 120), 15) for _ in range(150)
    ]
    places = places_of(spots, range(len(spots)), (900, 200), [(0, 100, 900, 0)])
    assert len(places) > 5
    boxes = [(x, y, spots[at].width, spots[at].height) for at, (x, y) in places.items()]
    for number, box in enumerate(boxes):
        assert 0 <= box[0] <= 900 - box[2]
        assert 0 <= box[1] <= 200 - box[3]
        assert not any(_meet(box, other) for other in boxes[:number])
        assert not any(_meet(box, (s.x - s.radius, s.y - s.radius, 2 * s.radius, 2 * s.radius)) for s in spots)


def _meet(a: tuple[float, float, float, float], b: tuple[float, float, float, float]) -> bool:
    return a[0] < b[0] + b[2] and b[0] < a[0] + a[2] and a[1] < b[1] + b[3] and b[1] < a[1] + a[3]


def test_a_label_covers_a_line_only_where_it_must() -> None:
    spot = Spot(100, 50, 5, 40, 15)
    below, above = (80, 61), (80, 24)
    assert places_of([spot], [0], (200, 100)) == {0: below}
    assert places_of([spot], [0], (200, 100), [(0, 70, 200, 0)]) == {0: above}
    everywhere = [(0.0, float(y), 200.0, 0.0) for y in range(0, 100, 5)]
    assert places_of([spot], [0], (200, 100), everywhere) == {0: below}
