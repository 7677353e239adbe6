"""Regions in which screens differ: against pixels changed at random, and with the demo's screens."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from vmsnap_gui.compare.screens import Region, compare_screens
from vmsnap_gui.demo import demo_image
from vmsnap_gui.guest.screen.result import Screen
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.screens import screen_of


def _screen(width: int, height: int) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def test_the_same_is_the_same() -> None:
    found = compare_screens(_screen(20, 10), _screen(20, 10))
    assert (found.regions, found.changed, found.pixels, found.is_same) == ((), 0, 200, True)


def test_screens_of_other_sizes_are_not_compared() -> None:
    found = compare_screens(_screen(20, 10), _screen(10, 20))
    assert (found.regions, found.is_same_size, found.is_same) == ((), False, False)


def test_what_is_close_is_one_region_and_what_is_far_is_another() -> None:
    a, b = _screen(640, 480), _screen(640, 480)
    b[100:116, 50:60] = 7
    b[110, 66] = 1
    b[470, 639, 2] = 1
    found = compare_screens(a, b)
    assert found.regions == (Region(50, 100, 17, 16), Region(639, 470, 1, 1))
    assert found.changed == 162


def test_a_screen_of_single_changes_has_few_regions() -> None:
    a, b = _screen(1024, 1024), _screen(1024, 1024)
    b[8::24, 8::24] = 1
    found = compare_screens(a, b)
    assert 0 < len(found.regions) <= 200


@given(st.lists(st.tuples(st.integers(0, 99), st.integers(0, 69)), min_size=1, max_size=40))
def test_each_change_is_in_one_region_whose_border_it_needs(places: list[tuple[int, int]]) -> None:
    a, b = _screen(100, 70), _screen(100, 70)
    for x, y in places:
        b[y, x] = 255
    found = compare_screens(a, b)
    assert found.changed == len(set(places))
    count = np.zeros((70, 100), int)
    for one in found.regions:
        part = b[one.top : one.top + one.height, one.left : one.left + one.width, 0]
        assert part[0].any()
        assert part[-1].any()
        assert part[:, 0].any()
        assert part[:, -1].any()
        count[one.top : one.top + one.height, one.left : one.left + one.width] += 1
    assert all(count[y, x] == 1 for x, y in places)
    assert count.max() == 1


def test_what_the_demo_drew_is_found() -> None:
    image = open_image(demo_image())
    drawing, half_way = (screen_of(image, snapshot) for snapshot in image.snapshots[1:3])
    image.close()
    assert isinstance(drawing, Screen)
    assert isinstance(half_way, Screen)
    found = compare_screens(drawing.pixels, half_way.pixels)
    mask = (drawing.pixels != half_way.pixels).any(axis=2)
    assert found.changed == mask.sum() > 10_000
    for one in found.regions:
        mask[one.top : one.top + one.height, one.left : one.left + one.width] = False
    assert not mask.any()
