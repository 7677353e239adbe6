"""What was read of images and is kept for the next start: real images, real SQLite files, damaged ones too."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.image.tools import create, take
from vmsnap_gui import image_cache, sqlite_file
from vmsnap_gui.image.qcow2_snapshots import Qcow2Snapshot
from vmsnap_gui.image_cache import ImageCache
from vmsnap_gui.machine_types import with_machines
from vmsnap_gui.reading import look_at

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.reading import Found

ODD = os.fsdecode(b"od\xffd\n")


@pytest.fixture
def cache(tmp_path: Path) -> ImageCache:
    return ImageCache(tmp_path / "cache" / "library.sqlite")


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    """A folder with an image whose names are no Unicode, one without snapshots, and one that cannot be read."""
    folder = tmp_path / "lab"
    folder.mkdir()
    take(create(folder / f"a-{ODD}.qcow2"), "clean", ODD)
    create(folder / "b.qcow2")
    (folder / "c.qcow2").write_bytes(b"QFI\xfb" + bytes(200))
    beside = tmp_path / "lab0"  # its name begins alike, and it is no part of the folder
    beside.mkdir()
    create(beside / "d.qcow2")
    return folder


def read(folder: Path) -> list[Found]:
    return [look_at(path) for path in sorted(folder.iterdir())]


def damage(file: Path, how: bytes, at: int) -> None:
    with file.open("r+b") as out:
        out.seek(at)
        out.write(how)


def test_it_comes_back_as_it_was_read(cache: ImageCache, lab: Path) -> None:
    found = read(lab)
    cache.keep([*found, *read(lab.with_name("lab0"))])
    back = cache.below(lab, 10)
    assert [(one.path, one.stamp, one.info) for one in back] == [(one.path, one.stamp, one.info) for one in found]
    assert [type(one.info.snapshots[0]) for one in back[:1] if one.info is not None] == [Qcow2Snapshot]
    assert str(back[2].error) == str(found[2].error)
    assert all(one.cached for one in back)
    pieces = [*cache.below(lab, 2), *cache.below(lab, 2, after=back[1].path)]
    assert [one.path for one in pieces] == [one.path for one in found]


def test_it_is_not_read_again_while_its_file_is_the_same(cache: ImageCache, lab: Path) -> None:
    path = lab / "b.qcow2"
    cache.keep([with_machines(look_at(path))])
    (known,) = cache.below(lab, 10)
    again = look_at(path, known)
    assert again.info is not None
    assert again.info.machines == ()  # only what was kept has it
    assert not again.cached
    take(path, "one")
    changed = look_at(path, known)
    assert changed.info is not None
    assert [one.tag for one in changed.info.snapshots] == ["one"]


def test_what_is_gone_goes(cache: ImageCache, lab: Path) -> None:
    found = read(lab)
    cache.keep([*found, *read(lab.with_name("lab0"))])
    cache.settle(lab, {found[1].path})
    assert [one.path for one in cache.below(lab, 10)] == [found[1].path]
    assert len(cache.below(lab.with_name("lab0"), 10)) == 1


def test_it_is_bounded(cache: ImageCache, lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache.keep(read(lab.with_name("lab0")))  # not seen for the longest time
    found = read(lab)
    cache.keep(found)
    monkeypatch.setattr(image_cache, "MOST_IMAGES", 3)
    cache.settle(lab, {one.path for one in found})
    assert len(cache.below(lab.parent, 10)) == 3
    assert cache.below(lab.with_name("lab0"), 10) == []


def test_an_image_with_very_many_snapshots_is_not_kept(
    cache: ImageCache, lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(image_cache, "MOST_SNAPSHOTS", 1)
    cache.keep(read(lab))
    assert [one.path.name for one in cache.below(lab, 10)] == ["b.qcow2", "c.qcow2"]


@pytest.mark.parametrize("damaged", ["no database", "cut off", "pages", "without tables", "another version"])
def test_a_damaged_file_is_made_anew(cache: ImageCache, lab: Path, damaged: str) -> None:
    cache.keep(read(lab))
    file = cache._file
    if damaged == "no database":
        file.write_bytes(b"what is this?" * 1000)
    elif damaged == "cut off":
        os.truncate(file, file.stat().st_size // 2)
    elif damaged == "pages":
        damage(file, b"\xff" * (file.stat().st_size - 100), 100)
    else:
        with closing(sqlite3.connect(file)) as store, store:
            store.execute("DROP TABLE images" if damaged == "without tables" else "PRAGMA user_version = 77")
    assert cache.below(lab, 10) == []
    cache.keep(read(lab))
    assert len(cache.below(lab, 10)) == 3


def test_a_damaged_line_is_passed_over(cache: ImageCache, lab: Path) -> None:
    cache.keep(read(lab))
    with closing(sqlite3.connect(cache._file)) as store, store:
        changed = store.execute("UPDATE images SET document = replace(document, 'clean', 'clear')").rowcount
        store.execute("UPDATE images SET document = x'00' WHERE path = ?", (os.fsencode(lab / "b.qcow2"),))
    assert changed == 3
    assert [one.path.name for one in cache.below(lab, 10)] == ["c.qcow2"]


def test_two_windows_use_it_at_once(cache: ImageCache, lab: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = read(lab)
    cache.keep(found[:1])
    monkeypatch.setattr(sqlite_file, "PATIENCE", 0.1)
    with closing(sqlite3.connect(cache._file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("DELETE FROM images")
        assert len(cache.below(lab, 10)) == 1  # what was committed
        cache.keep(found)  # waits, and gives up
        other.execute("ROLLBACK")
    assert len(cache.below(lab, 10)) == 1
    cache.keep(found)
    assert len(cache.below(lab, 10)) == 3


def test_where_it_cannot_be_there_is_none(tmp_path: Path, lab: Path) -> None:
    (tmp_path / "file").write_text("no folder")
    cache = ImageCache(tmp_path / "file" / "library.sqlite")
    cache.keep(read(lab))
    cache.settle(lab, ())
    assert cache.below(lab, 10) == []
