"""The cache of small pictures: what it gives back, what it refuses, and what it lets go of."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

from vmsnap_gui.demo import demo_image
from vmsnap_gui.image.byteview import Stamp
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.picture_cache import PictureCache, picture_key
from vmsnap_gui.screens import SmallScreen

if TYPE_CHECKING:
    from pathlib import Path

_SHOWN = SmallScreen(b"\x89PNG\r\n\n" + bytes(500), "text 80 × 25", 720, 400)


def test_what_is_kept_is_there_for_another_cache_of_the_folder(tmp_path: Path) -> None:
    blank = SmallScreen(reason="the display is blanked – by the guest\udcff")
    PictureCache(tmp_path / "new").put("shown", _SHOWN)
    PictureCache(tmp_path / "new").put("blank", blank)
    again = PictureCache(tmp_path / "new")
    assert (again.get("shown"), again.get("blank"), again.get("other")) == (_SHOWN, blank, None)


def test_what_may_be_otherwise_next_time_is_not_kept(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path)
    cache.put("torn", SmallScreen(reason="the file is cut off", is_sure=False))
    assert not list(tmp_path.iterdir())


def test_a_damaged_file_counts_as_none(tmp_path: Path) -> None:
    cache = PictureCache(tmp_path)
    cache.put("one", _SHOWN)
    whole = (tmp_path / "one").read_bytes()
    for damaged in (b"", whole[:10], whole[:-1], whole[:40] + b"?" + whole[41:], whole + b"\0"):
        (tmp_path / "one").write_bytes(damaged)
        assert cache.get("one") is None


def test_a_folder_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    cache = PictureCache(tmp_path / "file" / "below")
    cache.put("one", _SHOWN)
    assert cache.get("one") is None


def _kept(folder: Path, most_bytes: int, most_pictures: int) -> list[str]:
    """Keep eight pictures, look at the first again, and return what stays when another is kept."""
    cache = PictureCache(folder)
    for number in range(8):
        cache.put(f"{number}", _SHOWN)
        os.utime(folder / f"{number}", (number, number))
    cache.get("0")
    PictureCache(folder, most_bytes, most_pictures).put("last", _SHOWN)
    return sorted(path.name for path in folder.iterdir())


def test_of_too_many_those_go_that_were_not_looked_at_for_the_longest_time(tmp_path: Path) -> None:
    assert _kept(tmp_path / "a", 1 << 20, 3) == ["0", "7", "last"]
    size = (tmp_path / "a" / "0").stat().st_size
    assert _kept(tmp_path / "b", 4 * size, 100) == ["0", "6", "7", "last"]


def test_each_part_of_a_key_counts(tmp_path: Path) -> None:
    image = open_image(demo_image())
    one = image.snapshots[0]
    image.close()
    others = [
        replace(one, id="9"),
        replace(one, tag="another"),
        replace(one, date_sec=1),
        replace(one, date_nsec=1),
        replace(one, vm_state_size=1),
    ]
    keys = {picture_key(image.path, None, each) for each in (one, *others)}
    keys |= {picture_key(tmp_path / "x", None, one), picture_key(image.path, Stamp(1, 2, 3, 4), one)}
    assert len(keys) == 8
    (tmp_path / "link").symlink_to(image.path)
    assert picture_key(tmp_path / "link", None, one) == picture_key(image.path, None, one)
