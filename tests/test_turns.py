"""Workers give way while the Qt thread has a turn, but never for ever."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from vmsnap_gui.turns import give_way, qt_turn


def test_work_waits_for_the_outer_turn_and_not_for_ever() -> None:
    with ThreadPoolExecutor(1) as pool:
        with qt_turn():
            with qt_turn():
                assert not pool.submit(give_way).result(10)
            assert not pool.submit(give_way).result(10)
        assert pool.submit(give_way).result(10)


def test_a_turn_ends_with_an_error_too() -> None:
    with pytest.raises(ValueError, match="broken"), qt_turn():
        raise ValueError("broken")
    assert give_way()
