"""Files and views: exact reads, clear errors, nothing that blocks, and no descriptor left behind."""

from __future__ import annotations

import gc
import os
import socket
import threading
from typing import TYPE_CHECKING

import numpy as np
import pytest

from vmsnap_gui.image.byteview import CHUNK, FileHandle, FileView, SubView
from vmsnap_gui.image.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

DATA = bytes(range(256)) * 64


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_bytes(DATA)
    return path


def open_descriptors() -> int:
    gc.collect()  # what earlier tests forgot must not be closed between two counts
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208


def test_where_data_ends(path: Path) -> None:
    """Found without reading, never before the last byte that was written."""
    handle = FileHandle.open(path)
    assert handle.data_end() == len(DATA)
    for written in (0, 5 << 20, (3 << 30) + 4096):
        with path.open("r+b") as file:
            file.truncate(written)
            file.seek(written)
            file.write(b"data")
            file.truncate(1 << 36)
        sparse = FileHandle.open(path)
        assert written + 4 <= sparse.data_end() <= written + (2 << 20)
        sparse.close()
        assert sparse.data_end() == 1 << 36  # nobody can tell


def test_reads_exactly(path: Path) -> None:
    view = FileView(FileHandle.open(path))
    assert view.size == len(DATA)
    assert view.read(0, len(DATA)) == DATA
    assert view.read(300, 10) == DATA[300:310]
    assert view.read(len(DATA), 0) == b""
    target = bytearray(20)
    view.readinto(100, memoryview(target)[5:15])
    assert target == bytes(5) + DATA[100:110] + bytes(5)


@pytest.mark.parametrize(("offset", "length"), [(-1, 1), (len(DATA), 1), (0, len(DATA) + 1), (0, -1), (2**64, 1)])
def test_a_range_outside(path: Path, offset: int, length: int) -> None:
    view = FileView(FileHandle.open(path))
    with pytest.raises(ImageError, match=f"{length} bytes wanted at") as raised:
        view.read(offset, length)
    assert raised.value.offset == offset


def test_parts(path: Path) -> None:
    handle = FileHandle.open(path)
    part = FileView(handle, 256, 512)
    assert (part.size, part.base, part.base_offset) == (512, part, 0)
    inner = SubView(SubView(FileView(handle), 1000, 5000), 24, 100)
    assert inner.base_offset == 1024
    assert inner.base.size == len(DATA)
    assert inner.read(3, 5) == DATA[1027:1032] == inner.base.read(inner.base_offset + 3, 5)
    for view in (part, inner):
        with pytest.raises(ImageError, match="wanted at"):
            view.read(view.size - 1, 2)
    with pytest.raises(ImageError, match="wanted at"):
        SubView(part, 500, 13)
    with pytest.raises(ImageError, match="the file has only"):
        FileView(handle, 1, len(DATA))


def test_a_file_that_shrinks(path: Path) -> None:
    handle = FileHandle.open(path)
    view = FileView(handle)
    os.truncate(path, 1000)
    message = "the file ended 24 bytes too early: it has shrunk while it was read"
    with pytest.raises(ImageError, match=message) as raised:
        view.read(0, 1024)
    assert (raised.value.path, raised.value.offset) == (path, 1000)
    assert handle.grown_size() == len(DATA)  # a view of it keeps its size, and fails
    assert handle.read_up_to(990, 100) == DATA[990:1000]
    assert handle.changed()


def test_changed(path: Path) -> None:
    handle = FileHandle.open(path)
    assert not handle.changed()
    stamp = path.stat()
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns + 1))
    assert handle.changed()
    os.utime(path, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert not handle.changed()
    path.write_bytes(DATA + b"x")
    assert handle.changed()


def test_replaced_or_removed(path: Path) -> None:
    handle = FileHandle.open(path)
    other = path.with_name("other")
    other.write_bytes(DATA)
    stamp = path.stat()
    os.utime(other, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    other.replace(path)
    assert handle.changed()
    path.unlink()
    assert handle.changed()


def test_reading_changes_nothing(path: Path) -> None:
    before = path.stat()
    FileView(FileHandle.open(path)).read(0, 100)
    after = path.stat()
    assert (before.st_mtime_ns, before.st_ctime_ns) == (after.st_mtime_ns, after.st_ctime_ns)


def test_closed(path: Path) -> None:
    count = open_descriptors()
    handle = FileHandle.open(path)
    view = FileView(handle)
    handle.close()
    handle.close()
    assert open_descriptors() == count
    for read in (lambda: view.read(0, 1), handle.grown_size, handle.current_stamp):
        with pytest.raises(ImageError, match="the image was closed"):
            read()
    assert handle.changed()


def test_a_forgotten_file_is_closed(path: Path) -> None:
    count = open_descriptors()
    view = FileView(FileHandle.open(path))
    assert open_descriptors() == count + 1
    del view
    assert open_descriptors() == count


def test_closing_under_readers(path: Path) -> None:
    """Threads that read while the file is closed get the right bytes or the error, never another file's bytes."""
    for _ in range(20):
        handle = FileHandle.open(path)
        wrong: list[object] = []

        def read(handle: FileHandle = handle, wrong: list[object] = wrong) -> None:
            try:
                while True:
                    if handle.read(0, 4096) != DATA[:4096]:
                        wrong.append("other bytes")
            except ImageError as error:
                if error.message != "the image was closed":
                    wrong.append(error)

        threads = [threading.Thread(target=read) for _ in range(3)]
        for thread in threads:
            thread.start()
        handle.close()
        others = [FileHandle.open(path.parent / "file") for _ in range(3)]  # take the number again, if it is free
        for thread in threads:
            thread.join()
        for other in others:
            other.close()
        assert wrong == []


@pytest.mark.verify
def test_reads_larger_than_one_system_call_gives(tmp_path: Path) -> None:
    path = tmp_path / "large"
    size = (1 << 31) + 4096  # Linux reads at most 2 GiB - 4 KiB at once
    with path.open("wb") as file:
        file.truncate(size)
        file.seek(size - 1)
        file.write(b"!")
    handle = FileHandle.open(path)
    view = FileView(handle)
    assert view.read(size - CHUNK, CHUNK)[-2:] == b"\0!"
    target = np.empty(size, np.uint8)
    view.readinto(0, target.data)
    assert target[-1] == ord("!")
    assert not target[:-1].any()


class TestNoImage:
    def assert_refused(self, path: Path, message: str) -> None:
        count = open_descriptors()
        with pytest.raises(ImageError, match=message) as raised:
            FileHandle.open(path)
        assert raised.value.path == path
        assert open_descriptors() == count

    def test_gone(self, tmp_path: Path) -> None:
        self.assert_refused(tmp_path / "none", "there is no such file")

    def test_folder(self, tmp_path: Path) -> None:
        self.assert_refused(tmp_path, "this is a folder, not an image file")

    def test_pipe(self, tmp_path: Path) -> None:
        os.mkfifo(tmp_path / "pipe")  # a plain open would wait for a writer for ever
        self.assert_refused(tmp_path / "pipe", "this is a pipe")

    def test_socket(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)  # a socket's path must be short
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("s")
            self.assert_refused(tmp_path / "s", "this is a socket")

    @pytest.mark.parametrize("name", ["zero", "tty", "null"])
    def test_device(self, tmp_path: Path, name: str) -> None:
        self.assert_refused(type(tmp_path)("/dev", name), "this is a character device")

    def test_links_in_a_circle(self, tmp_path: Path) -> None:
        (tmp_path / "a").symlink_to("b")
        (tmp_path / "b").symlink_to("a")
        self.assert_refused(tmp_path / "a", "its symbolic links lead round in a circle")

    def test_impossible_name(self, tmp_path: Path) -> None:
        self.assert_refused(tmp_path / "a\0b", "this is no possible file name")

    def test_below_a_file(self, path: Path) -> None:
        self.assert_refused(path / "x", "cannot be opened: Not a directory")

    def test_no_permission(self, path: Path) -> None:
        path.chmod(0)
        if os.geteuid():
            self.assert_refused(path, "you have no permission to read it")
            return
        child = os.fork()  # root may read everything, so ask as somebody else
        if not child:
            status = 1
            try:
                for folder in path.parents:
                    if folder.stat().st_uid == 0 and str(folder).count("/") > 1:
                        folder.chmod(folder.stat().st_mode | 0o011)
                os.setuid(65534)
                self.assert_refused(path, "you have no permission to read it")
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
