"""Images that change while they are open: what is read is either right or an error, never a mix."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import pytest

from tests.image.tools import COUNT_AT, MIB, content, create, opened, patch, run, take, u32, write
from tests.machines.machine import Machine
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.qcow2_header import Header

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.image.byteview import FileHandle

SIZE = 2 * MIB


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = create(tmp_path / "i", SIZE)
    write(path, "write -q -P 1 0 2M")
    take(path, "one")
    write(path, "write -q -P 2 0 2M")
    take(path, "two")
    return path


def touch_later(path: Path) -> None:
    """Make sure that the next change has another time stamp, however coarse the clock is."""
    stamp = path.stat()
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns - 10**9))


def test_a_snapshot_that_stays_can_be_read_on(path: Path) -> None:
    image = opened(path)
    view = image.disk(image.snapshots[0])
    write(path, "write -q -P 3 0 2M")
    take(path, "three")  # moves the table
    run("qemu-img", "snapshot", "-d", "two", path)
    assert image.changed()
    assert content(view) == b"\1" * SIZE
    assert content(image.disk(image.snapshots[0])) == b"\1" * SIZE


def test_a_snapshot_that_is_gone_is_an_error(path: Path) -> None:
    image = opened(path)
    touch_later(path)
    view = image.disk(image.snapshots[0])
    assert view.read(0, 1) == b"\1"
    run("qemu-img", "snapshot", "-d", "one", path)
    write(path, "write -q -P 4 0 2M")  # may lie where the snapshot's clusters were
    with pytest.raises(ImageError, match="the snapshot with id '1' tag 'one' is gone; open the image again"):
        view.read(MIB, 1)
    with pytest.raises(ImageError, match="is gone"):
        image.disk(image.snapshots[0])
    assert content(image.disk(image.snapshots[1])) == b"\2" * SIZE


def test_a_snapshot_that_was_replaced_by_its_namesake_is_gone(path: Path) -> None:
    image = opened(path)
    view = image.disk(image.snapshots[1])
    touch_later(path)
    run("qemu-img", "snapshot", "-d", "two", path)
    take(path, "two")
    assert opened(path).snapshots[1].id == image.snapshots[1].id
    with pytest.raises(ImageError, match="is gone"):
        view.read(0, 1)


def test_the_active_layer_follows(path: Path) -> None:
    image = opened(path)
    view = image.disk(None)
    assert view.read(0, 1) == b"\2"
    touch_later(path)
    assert view.read(0, 1) == b"\2"
    write(path, "write -q -P 5 0 64k")
    assert view.read(65535, 2) == b"\5\2"
    run("qemu-img", "snapshot", "-a", "one", path)
    assert view.read(65535, 2) == b"\1\1"


def test_a_file_that_is_no_longer_this_image(path: Path, tmp_path: Path) -> None:
    image = opened(path)
    views = image.disk(None), image.disk(image.snapshots[0])
    other = create(tmp_path / "other", SIZE, "cluster_size=4k")
    path.write_bytes(other.read_bytes())
    with pytest.raises(ImageError, match="the image was replaced while it was open"):
        views[0].read(0, 1)
    with pytest.raises(ImageError, match=r"is gone|has shrunk"):
        views[1].read(0, 1)


def test_a_file_that_shrinks_to_nothing(path: Path) -> None:
    image = opened(path)
    view = image.disk(image.snapshots[0])
    os.truncate(path, 0)
    with pytest.raises(ImageError, match="has shrunk"):
        view.read(0, 1)


def test_a_table_that_changes_while_it_is_read_is_read_again(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parse = Header.parse.__func__  # type: ignore[attr-defined]
    count = 0

    def with_change(cls: type[Header], handle: FileHandle) -> Header:
        nonlocal count
        count += 1
        header: Header = parse(cls, handle)
        if count < 3:  # between header and table: a snapshot is deleted
            run("qemu-img", "snapshot", "-d", ("one", "two")[count - 1], path)
            os.utime(path, ns=(count, count))
        return header

    monkeypatch.setattr(Header, "parse", classmethod(with_change))
    image = opened(path)
    assert count == 3
    assert image.snapshots == ()
    assert image.problems == ()
    assert not image.changed()


def test_a_table_that_never_keeps_still(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parse = Header.parse.__func__  # type: ignore[attr-defined]
    count = 0

    def with_change(cls: type[Header], handle: FileHandle) -> Header:
        nonlocal count
        count += 1
        take(path, f"more {count}")
        header: Header = parse(cls, handle)
        return header

    monkeypatch.setattr(Header, "parse", classmethod(with_change))
    image = opened(path)
    assert [problem.message for problem in image.problems] == [
        "the image is in use, may be changing: it changed each time it was read"
    ]
    assert [one.tag for one in image.snapshots[:2]] == ["one", "two"]


def test_a_header_that_is_torn_for_a_moment(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    parse = Header.parse.__func__  # type: ignore[attr-defined]
    whole = path.read_bytes()
    patch(path, 4, u32(99))

    def mended(cls: type[Header], handle: FileHandle) -> Header:
        try:
            header: Header = parse(cls, handle)
        finally:
            path.write_bytes(whole)
            os.utime(path, ns=(1, 1))
        return header

    monkeypatch.setattr(Header, "parse", classmethod(mended))
    assert len(opened(path).snapshots) == 2


@pytest.mark.slow
def test_reading_while_another_writes(path: Path) -> None:
    """A snapshot reads right again and again while snapshots come and go and the disk is written."""
    image = opened(path)
    view = image.disk(image.snapshots[0])
    done = threading.Event()

    def change() -> None:
        try:
            for number in range(12):
                write(path, f"write -q -P {number + 10} 0 2M")
                take(path, f"more {number}")
                if number:
                    run("qemu-img", "snapshot", "-d", f"more {number - 1}", path)
        finally:
            done.set()

    thread = threading.Thread(target=change)
    thread.start()
    rounds = 0
    while not done.is_set():
        assert content(view) == b"\1" * SIZE
        assert any(one.tag == "one" for one in opened(path).snapshots)
        rounds += 1
    thread.join()
    assert rounds > 0


def test_a_snapshot_count_that_jumps(path: Path) -> None:
    image = opened(path)
    touch_later(path)
    view = image.disk(image.snapshots[1])
    patch(path, COUNT_AT, u32(1))
    with pytest.raises(ImageError, match="is gone"):
        view.read(0, 1)


@pytest.mark.qemu
def test_an_image_of_a_running_machine(path: Path) -> None:
    arguments = ["-M", "pc", "-m", "8", "-nodefaults", "-drive", f"file={path},format=qcow2,if=virtio,node-name=d"]
    with Machine(arguments, marks=False) as machine:
        image = opened(path)
        assert [one.tag for one in image.snapshots] == ["one", "two"]
        view = image.disk(image.snapshots[0])
        assert machine.hmp("savevm three") == ""
        assert image.changed()
        assert content(view) == b"\1" * SIZE
        now = opened(path)
        assert [one.tag for one in now.snapshots] == ["one", "two", "three"]
        assert now.vm_state(now.snapshots[2]).read(0, 4) == b"QEVM"
