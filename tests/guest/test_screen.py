"""The guest's screen, rendered from a saved state, against QEMU's own screendump of the machine as it stood."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.guest.screen_script import CIRRUS, FAST, GRAPHIC_MODES, TEXT_80, TEXT_MODES, VBE, Mode
from tests.guest.screened import run
from vmsnap_gui.guest.screen.result import NoScreen, Screen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from vmsnap_gui.guest.screen.result import Doubt

_MOST_DOUBTFUL = 64 * 64


def same(result: Screen | NoScreen, picture: NDArray[np.uint8]) -> tuple[Doubt, ...]:
    """Assert that a result is a picture, pixel by pixel, but for the doubts that it names; returns these."""
    assert isinstance(result, Screen), result
    assert result.problem is None
    assert result.pixels.shape == picture.shape
    sure = np.ones(picture.shape[:2], bool)
    for doubt in result.doubts:
        sure[doubt.top : doubt.top + doubt.height, doubt.left : doubt.left + doubt.width] = False
    assert np.count_nonzero(~sure) <= _MOST_DOUBTFUL
    wrong = np.argwhere((result.pixels != picture).any(axis=2) & sure)
    assert not len(wrong), f"{result.mode}: {len(wrong)} pixels differ, the first at {wrong[0][::-1]}"
    return result.doubts


def _compare(modes: tuple[Mode, ...], *options: str) -> None:
    for shown in run(modes, *options):
        result = shown.results[0]
        assert len(np.unique(shown.picture.reshape(-1, 3), axis=0)) > 1, f"{shown.mode.name}: QEMU shows one colour"
        doubts = same(result, shown.picture)
        assert isinstance(result, Screen)
        assert result.mode == shown.mode.words, shown.mode.name
        if "hardware cursor" in "".join(doubt.why for doubt in doubts):  # the guest gave it the likeliest colours
            assert np.array_equal(result.pixels, shown.picture)
        assert bool(doubts) == shown.mode.cursor, (shown.mode.name, doubts)


@pytest.mark.qemu
def test_text_256_colours_and_true_colours() -> None:
    _compare(FAST, "-device", "VGA")


@pytest.mark.verify
@pytest.mark.parametrize("modes", [TEXT_MODES, GRAPHIC_MODES], ids=["text", "graphics"])
def test_modes_of_vga(modes: tuple[Mode, ...]) -> None:
    _compare(modes, "-device", "VGA")


@pytest.mark.verify
@pytest.mark.parametrize("device", ["VGA", "virtio-vga", "qxl-vga", "vmware-svga"])
def test_modes_of_the_bochs_interface(device: str) -> None:
    _compare((*FAST, *VBE), "-device", device)


@pytest.mark.verify
def test_modes_of_cirrus() -> None:
    _compare(CIRRUS, "-device", "cirrus-vga")


@pytest.mark.verify
@pytest.mark.parametrize("device", ["isa-vga", "isa-cirrus-vga"])
def test_registers_that_qemu_does_not_save(device: str) -> None:
    (shown,) = run((TEXT_80,), "-device", device)
    (result,) = shown.results
    assert isinstance(result, NoScreen)
    assert "does not save the registers" in result.reason
