"""Texts and numbers as people read them, also where files hold nonsense."""

from __future__ import annotations

from pathlib import Path

import pytest
from PySide6.QtCore import QLocale

from vmsnap_gui.image.snapshot import Snapshot
from vmsnap_gui.image.texts import size_text
from vmsnap_gui.models import numbers, words

pytestmark = pytest.mark.gui


@pytest.fixture(autouse=True)
def english() -> object:
    before = QLocale()
    QLocale.setDefault(QLocale(QLocale.Language.English))
    yield
    QLocale.setDefault(before)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("clean", "clean"),
        ("größer 雪", "größer 雪"),
        ("a\nb\x00c\x1b[1m", "a\\nb\\x00c\\x1b[1m"),
        ("\udcff\udc80", "\\xff\\x80"),
        ("\u202egnp", "\\u202egnp"),  # it would turn the text round
        ("x" * 5000, "x" * 4096 + "…"),
        ("", ""),
    ],
)
def test_visible(text: str, shown: str) -> None:
    assert words.visible(text) == shown
    words.visible(text).encode()


def test_paths_that_are_no_unicode() -> None:
    assert words.path_text(Path("/a/\udcff.img")) == "/a/\\xff.img"
    assert words.name_text(Path("/")) == "/"


def test_sentences() -> None:
    assert words.sentence("the file is cut short") == "The file is cut short."
    assert words.sentence("really?") == "Really?"
    assert words.sentence("") == ""


def test_plurals() -> None:
    assert [words.snapshots(n) for n in (0, 1, 12345)] == ["no snapshots", "1 snapshot", "12,345 snapshots"]
    assert words.devices(38) == "38 devices"
    assert words.problems(1) == "1 problem"
    assert words.problems(2, 1) == "2 problems, 1 notice"
    assert words.problems(0, 2) == "2 notices"


def test_snapshots_are_named() -> None:
    assert words.snapshot_name(Snapshot(id="1", tag="clean", vm_state_size=0)) == "clean"
    assert words.snapshot_name(Snapshot(id="1", tag="", vm_state_size=0)) == "snapshot 1"
    assert words.snapshot_name(Snapshot(id=None, tag=None, vm_state_size=0)) == "saved state"


@pytest.mark.parametrize(
    ("value", "short", "exact"),
    [
        (0, "0 bytes", "0 bytes"),
        (1, "1 byte", "1 byte"),
        (1023, "1,023 bytes", "1,023 bytes"),
        (1024, "1.0 KiB", "1,024 bytes"),
        (6_422_560, "6.1 MiB", "6,422,560 bytes"),
        (1 << 40, "1.0 TiB", "1,099,511,627,776 bytes"),
        ((1 << 64) - 1, f"{(1 << 64) - 1} bytes", f"{(1 << 64) - 1} bytes"),
        (None, "–", "–"),
    ],
)
def test_sizes(value: int | None, short: str, exact: str) -> None:
    assert numbers.size(value) == short
    assert numbers.exact_size(value) == exact


@pytest.mark.parametrize("unit", [1 << 10, 1 << 20, 1 << 30])
@pytest.mark.parametrize("quarters", [5, 7, 13, 4 * 1023 + 1])  # 1.25 is as near to 1.2 as to 1.3
def test_the_window_and_the_command_line_round_alike(unit: int, quarters: int) -> None:
    for more in (-1, 0, 1):
        size = quarters * unit // 4 + more
        assert size_text(size) == numbers.size(size).replace(",", "")


def test_clocks_and_durations() -> None:
    assert numbers.clock(None) == "–"
    assert numbers.clock(3_723_004_999_999) == "01:02:03.004"
    assert numbers.clock((1 << 64) - 1).startswith("5124095:")
    assert [numbers.elapsed(s) for s in (0.04, 12.9, 185)] == ["0.0 s", "12 s", "3:05"]


def test_dates() -> None:
    assert numbers.iso_date(1_700_000_000, 5) == "2023-11-14T22:13:20.000000005Z"
    assert numbers.iso_date(None) == numbers.date(None) == "–"
    assert numbers.iso_date(10**18) == str(10**18)  # no year that anybody could write
    assert len(numbers.date(1_700_000_000)) == len("2023-11-14 22:13:20")
