"""Images are found below a folder by what they hold, in order, whatever else lies there."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

import pytest

from vmsnap_gui.image import finding
from vmsnap_gui.image.containers import find_images
from vmsnap_gui.image.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

QCOW2 = b"QFI\xfb\0\0\0\3" + bytes(100)
STREAM = b"QEVM\0\0\0\3" + bytes(100)


def fill(folder: Path) -> list[Path]:
    """Put images and other things into a folder; return the images in order."""
    images = {
        "a/b/deep.img": QCOW2,
        "a/no-suffix": STREAM,
        "a.qcow2": QCOW2,
        "saved": b"LibvirtQemudSave" + bytes(100),
        "unfinished": b"LibvirtQemudPart" + bytes(100),
        "é \n": QCOW2,
    }
    others = {"raw.img": b"x" * 100, "a.vmdk": b"KDMV" + bytes(100), "empty": b"", "short": b"QFI\xfb"}
    others["old"] = b"QFI\xfb\0\0\0\1" + bytes(100)
    for name, data in (images | others).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return sorted(folder / name for name in images)


def test_finds_by_content_in_order(tmp_path: Path) -> None:
    assert list(find_images(tmp_path)) == []
    expected = fill(tmp_path)
    skipped: list[ImageError] = []
    assert list(find_images(tmp_path, skipped=skipped.append)) == expected
    assert skipped == []


def test_what_is_named_like_an_image_is_found_whatever_it_is(tmp_path: Path) -> None:
    expected = fill(tmp_path)
    (tmp_path / "text.QCOW2").write_text("x" * 100)
    (tmp_path / "empty.qcow2").touch()
    (tmp_path / "short.vmstate").write_bytes(b"QEVM")
    (tmp_path / "first.qcow").write_bytes(b"QFI\xfb\0\0\0\1" + bytes(100))
    (tmp_path / "gone.qcow2").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.qcow2")
    (tmp_path / "folder.qcow2").mkdir()
    skipped: list[ImageError] = []
    found = list(find_images(tmp_path, skipped=skipped.append))
    odd = {"text.QCOW2", "empty.qcow2", "short.vmstate", "first.qcow", "gone.qcow2", "pipe.qcow2"}
    assert found == sorted([*expected, *(tmp_path / name for name in odd)])
    assert skipped == []


def test_special_files_do_not_block(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = fill(tmp_path)
    os.mkfifo(tmp_path / "a" / "pipe")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("s")
        (tmp_path / "zero").symlink_to("/dev/zero")
        (tmp_path / "kernel").symlink_to("/proc")
        assert list(find_images(tmp_path)) == expected


def test_links(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "image").write_bytes(QCOW2)
    (tmp_path / "above").write_bytes(QCOW2)
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "up").symlink_to("..")
    (folder / "self").symlink_to("self")
    (folder / "nowhere").symlink_to("gone")
    (folder / "file").symlink_to("../outside/image")
    (folder / "sub").symlink_to("../outside")
    (folder / "again").symlink_to("../outside")
    assert list(find_images(folder)) == [folder / "again" / "image", folder / "file"]


def test_a_folder_that_cannot_be_read_at_all(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="there is no such file"):
        find_images(tmp_path / "none")
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(ImageError, match="Not a directory"):
        find_images(tmp_path / "file")


def test_what_cannot_be_looked_into_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = fill(tmp_path)
    scandir = os.scandir

    def forbidden(folder: Path) -> object:  # as for anybody but root with mode 0
        if folder.name == "b":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(finding.os, "scandir", forbidden)
    skipped: list[ImageError] = []
    assert list(find_images(tmp_path, skipped=skipped.append)) == expected[1:]
    assert [(error.path, error.message) for error in skipped] == [
        (tmp_path / "a" / "b", "you have no permission to read it")
    ]


def test_depth_and_number_are_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finding, "MAX_DEPTH", 3)
    monkeypatch.setattr(finding, "MAX_FILES", 10)
    folder = tmp_path
    for level in range(6):
        (folder / "image").write_bytes(QCOW2)
        folder = folder / f"level {level}"
        folder.mkdir()
    skipped: list[ImageError] = []
    assert len(list(find_images(tmp_path, skipped=skipped.append))) == 4
    assert [error.message for error in skipped] == ["more than 3 folders within each other are not searched"]
    for number in range(20):
        (tmp_path / f"{number:02}").write_bytes(QCOW2)
    skipped.clear()
    assert len(list(find_images(tmp_path, skipped=skipped.append))) == 10
    assert [error.message for error in skipped] == ["the search ends here, after 10 files"]
