"""Opening by content: streams, save images, and everything that is no image."""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import struct
import sys
import time
from typing import TYPE_CHECKING

import pytest
import zstandard

from tests import samples
from tests.image.tools import MIB, content, create, run
from vmsnap_gui.image import unpacking
from vmsnap_gui.image.byteview import FileHandle
from vmsnap_gui.image.containers import Image, open_image, select_snapshot
from vmsnap_gui.image.errors import Cancelled, ImageError
from vmsnap_gui.image.unpacking import Packing, unpack
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.sections import Located

if TYPE_CHECKING:
    from pathlib import Path


def test_listing_needs_neither_numpy_nor_qt() -> None:
    """They would double the time until a list is shown."""
    program = (
        "import sys; from pathlib import Path; from vmsnap_gui.image.containers import open_image\n"
        "for path in sys.argv[1:]: open_image(Path(path)).close()\n"
        "print({name.split('.')[0] for name in sys.modules} & {'numpy', 'zstandard', 'PySide6', 'asyncio', 'lzma'})"
    )
    paths = [samples.sample(name) for name in (samples.QCOW2[0], samples.STREAMS[0], samples.SAVES[2])]
    assert run(sys.executable, "-c", program, *paths).strip() == "set()"


@pytest.mark.parametrize("name", samples.STREAMS)
def test_stream_samples(name: str) -> None:
    path = samples.sample(name)
    image = open_image(path)
    assert (image.format, image.virtual_size, image.cluster_size, image.problems) == ("vmstate", 0, None, ())
    (only,) = image.snapshots
    size = path.stat().st_size
    assert (only.id, only.tag, only.date_sec, only.disk_size, only.vm_state_size) == (None, None, None, None, size)
    view = image.vm_state(only)
    assert (view.size, view.base_offset) == (size, 0)
    assert view.read(0, 5) + view.read(size - 1, 1) == b"QEVM\0}"
    assert dict(image.facts)["Format"] == "VM state stream, version 3"
    assert dict(image.facts)["File size"].endswith(f"iB ({size} bytes)")
    assert not image.changed()
    with pytest.raises(ImageError, match="holds a VM state but no disk"):
        image.disk(None)
    with pytest.raises(ImageError, match="no snapshot is called 'x': this is one saved state"):
        select_snapshot(image, "x")
    image.close()
    with pytest.raises(ImageError, match="the image was closed"):
        view.read(0, 1)


def test_zeros_behind_a_stream_stay(tmp_path: Path) -> None:
    path = tmp_path / "vm-100-state-x.raw"
    path.write_bytes(b"QEVM\0\0\0\3rest" + bytes(1000))
    image = open_image(path)
    assert image.vm_state(image.snapshots[0]).size == 1012


def test_a_long_hole_behind_a_stream_is_left_out(tmp_path: Path) -> None:
    """A state volume has twice the size of the machine's memory; reading a tebibyte of hole would take minutes."""
    path = tmp_path / "vm-100-state-x.raw"
    data = samples.sample(samples.STREAMS[0]).read_bytes()
    path.write_bytes(data)
    os.truncate(path, 1 << 40)
    image = open_image(path)
    view = image.vm_state(image.snapshots[0])
    assert image.snapshots[0].vm_state_size == 1 << 40
    assert len(data) < view.size < len(data) + 32 * MIB
    assert view.read(0, len(data)) == data
    began = time.process_time()
    state = open_state(view)
    assert time.process_time() - began < 2
    assert (state.located, state.end, state.problems) == (Located.TAIL, len(data), ())


@pytest.mark.parametrize("name", samples.SAVES)
def test_save_image_samples(name: str) -> None:
    path = samples.sample(name)
    image = open_image(path)
    assert (image.format, image.virtual_size, image.problems) == ("libvirt-save", 0, ())
    view = image.vm_state(image.snapshots[0])
    assert view.read(0, 8) == b"QEVM\0\0\0\3"
    assert view.read(view.size - 1, 1) == b"}"
    facts = dict(image.facts)
    assert facts["Domain"] == "lab3"
    assert facts["Packing"] == {"raw": "raw", "sparse": "sparse (mapped-ram)", "zstd": "zstd"}[name.split("-")[2][:-10]]
    if "zstd" in name:
        assert (view.size, view.base_offset) == (1730771, 0)
        assert image.snapshots[0].vm_state_size < 400_000  # as stored
    else:
        assert view.base.size == path.stat().st_size
        assert view.base.read(view.base_offset, 8) == view.read(0, 8)
        assert view.base_offset + view.size == view.base.size == view.base_offset + image.snapshots[0].vm_state_size
        assert f"{view.base_offset:#x}" == facts["VM state starts at"]
    if "sparse" in name:
        assert view.base_offset == 68080


STREAM = b"QEVM\0\0\0\3" + b"pages of text " * 200_000 + bytes(3 * MIB) + b"}"


def save_image(path: Path, packing: int, packed: bytes, order: str = "<", **changed: int) -> Path:
    """Write a save image as libvirt does."""
    xml = b"<domain type='kvm'>\n  <name>caf\xc3\xa9 &amp; co</name>\n</domain>\0"
    values = {"version": 2, "length": len(xml), "running": 1, "packing": packing, "cookie": 0} | changed
    path.write_bytes(b"LibvirtQemudSave" + struct.pack(f"{order}19I", *values.values(), *[0] * 14) + xml + packed)
    return path


def pack_zstd(data: bytes) -> bytes:
    """Pack as the zstd program does."""
    return zstandard.ZstdCompressor(write_checksum=True, write_content_size=False).compress(data)


PACKERS = {
    Packing.GZIP: gzip.compress,
    Packing.BZIP2: bz2.compress,
    Packing.XZ: lzma.compress,
    Packing.ZSTD: pack_zstd,
}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("packing", PACKERS)
def test_packed_save_images(tmp_path: Path, packing: Packing, order: str) -> None:
    path = save_image(tmp_path / "save", packing, PACKERS[packing](STREAM), order)
    image = open_image(path)
    steps: list[tuple[int, int]] = []
    view = image.vm_state(image.snapshots[0], lambda done, total: steps.append((done, total)))
    assert content(view) == STREAM
    assert view.base is view
    total = image.snapshots[0].vm_state_size
    assert steps == sorted(steps)
    assert steps[-1] == (total, total)
    assert dict(image.facts)["Domain"] == "café & co"
    assert dict(image.facts)["Was running"] == "yes"
    again = image.vm_state(image.snapshots[0])  # not unpacked again
    assert again.size == len(STREAM)
    image.close()
    with pytest.raises(ImageError, match="the image was closed"):
        again.read(0, 1)


@pytest.mark.parametrize("packing", PACKERS)
def test_several_packed_parts_in_a_row(tmp_path: Path, packing: Packing) -> None:
    pack = PACKERS[packing]
    path = save_image(tmp_path / "save", packing, pack(STREAM[:1000]) + pack(b"") + pack(STREAM[1000:]))
    image = open_image(path)
    assert content(image.vm_state(image.snapshots[0])) == STREAM


def test_lzma_alone(tmp_path: Path) -> None:
    path = save_image(tmp_path / "save", Packing.XZ, lzma.compress(STREAM, lzma.FORMAT_ALONE))
    image = open_image(path)
    assert content(image.vm_state(image.snapshots[0])) == STREAM


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "text"])
@pytest.mark.parametrize("packing", PACKERS)
def test_damaged_packed_streams(tmp_path: Path, packing: Packing, damage: str) -> None:
    packed = PACKERS[packing](os.urandom(100_000))
    wrong = {
        "cut": packed[:-20],
        "flip": packed[:20] + bytes([packed[20] ^ 255]) + packed[21:50000] + b"!!!!" + packed[50004:],
        "empty": b"\0",
        "text": b"this is no compressed data at all",
    }[damage]
    image = open_image(save_image(tmp_path / "save", packing, wrong))
    with pytest.raises(ImageError, match="the compressed stream is damaged"):
        image.vm_state(image.snapshots[0])


@pytest.mark.parametrize("packing", [Packing.XZ, Packing.ZSTD])
def test_windows_out_of_proportion_to_the_file(tmp_path: Path, packing: Packing) -> None:
    """What a few bytes say must not make the unpacker hold 128 MiB, and it is no damage either."""
    parameters = zstandard.ZstdCompressionParameters(window_log=27, enable_ldm=True)
    packer = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    packed = {
        Packing.XZ: lzma.compress(STREAM, filters=[{"id": lzma.FILTER_LZMA2, "dict_size": 256 * MIB}]),
        Packing.ZSTD: packer.compress(STREAM) + packer.flush(),
    }[packing]
    image = open_image(save_image(tmp_path / "save", packing, packed))
    with pytest.raises(ImageError, match="takes more memory than is sensible for a file of this size"):
        image.vm_state(image.snapshots[0])


class TestUnpacking:
    @pytest.fixture(autouse=True)
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        folder = tmp_path / "temporary"
        folder.mkdir()
        monkeypatch.setenv("TMPDIR", str(folder))
        return folder

    def open(self, tmp_path: Path, packed: bytes = b"") -> Image:
        return open_image(save_image(tmp_path / "save", Packing.ZSTD, packed or zstandard.compress(STREAM)))

    def test_leaves_no_file_and_no_descriptor(self, tmp_path: Path, folder: Path) -> None:
        count = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        image = self.open(tmp_path)
        image.vm_state(image.snapshots[0])
        assert list(folder.iterdir()) == []
        image.close()
        assert len(os.listdir("/proc/self/fd")) == count  # noqa: PTH208

    def test_can_be_cancelled(self, tmp_path: Path) -> None:
        image = self.open(tmp_path)
        count = len(os.listdir("/proc/self/fd"))  # noqa: PTH208

        def cancel(done: int, total: int) -> None:
            raise Cancelled

        with pytest.raises(Cancelled):
            image.vm_state(image.snapshots[0], cancel)
        assert len(os.listdir("/proc/self/fd")) == count  # noqa: PTH208
        assert image.vm_state(image.snapshots[0]).size == len(STREAM)

    def test_a_bomb(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(unpacking, "_ALWAYS_ALLOWED", MIB)
        packer = zstandard.ZstdCompressor().compressobj()
        bomb = b"".join(packer.compress(bytes(8 * MIB)) for _ in range(32)) + packer.flush()
        assert len(bomb) < 32 * 1024
        handle = FileHandle.open(save_image(tmp_path / "save", Packing.ZSTD, bomb))
        limit = MIB + 1000 * len(bomb)
        with pytest.raises(ImageError, match=f"it unpacks to more than {limit} bytes, which no VM state does"):
            unpack(handle, handle.size - len(bomb), Packing.ZSTD)

    def test_no_room(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        image = self.open(tmp_path)
        monkeypatch.setattr(unpacking, "_KEEP_FREE", 1 << 60)
        with pytest.raises(ImageError, match="there is no room to unpack it"):
            image.vm_state(image.snapshots[0])

    def test_nowhere_to_put_it(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        image = self.open(tmp_path)
        monkeypatch.setenv("TMPDIR", str(tmp_path / "none"))
        with pytest.raises(ImageError, match="no temporary file can be made"):
            image.vm_state(image.snapshots[0])

    def test_zeros_become_holes(self, tmp_path: Path) -> None:
        packed = zstandard.compress(bytes(32 * MIB) + b"!")
        handle = FileHandle.open(save_image(tmp_path / "save", Packing.ZSTD, packed))
        unpacked = unpack(handle, handle.size - len(packed), Packing.ZSTD)
        assert unpacked.size == 32 * MIB + 1
        assert os.fstat(unpacked.fileno()).st_blocks * 512 < 3 * MIB


class TestOddSaveImages:
    def test_lzop(self, tmp_path: Path) -> None:
        image = open_image(save_image(tmp_path / "save", 4, b"x"))
        with pytest.raises(ImageError, match=r"packed with lzop, .* unpack it with 'tail -c \+\d+ FILE \| lzop -d"):
            image.vm_state(image.snapshots[0])

    def test_unknown_packing(self, tmp_path: Path) -> None:
        image = open_image(save_image(tmp_path / "save", 7, b"x"))
        assert dict(image.facts)["Packing"] == "unknown (7)"
        with pytest.raises(ImageError, match=r"packed in an unknown way \(number 7\)"):
            image.vm_state(image.snapshots[0])

    def test_unfinished(self, tmp_path: Path) -> None:
        path = save_image(tmp_path / "save", 0, STREAM)
        path.write_bytes(path.read_bytes().replace(b"LibvirtQemudSave", b"LibvirtQemudPart"))
        image = open_image(path)
        assert [problem.message for problem in image.problems] == [
            "the save image was never finished: its VM state may be cut off"
        ]
        assert image.vm_state(image.snapshots[0]).size == len(STREAM)

    @pytest.mark.parametrize("version", [0, 3, 2**32 - 1])
    def test_other_versions(self, tmp_path: Path, version: int) -> None:
        with pytest.raises(ImageError, match="this version of libvirt's save images is not known"):
            open_image(save_image(tmp_path / "save", 0, STREAM, version=version))

    @pytest.mark.parametrize("length", [len(STREAM) + 62, 2**32 - 1])
    def test_xml_longer_than_the_file(self, tmp_path: Path, length: int) -> None:
        with pytest.raises(ImageError, match="the save image ends before its VM state"):
            open_image(save_image(tmp_path / "save", 0, STREAM, length=length))

    def test_cut_off_at_every_byte_of_the_header(self, tmp_path: Path) -> None:
        path = save_image(tmp_path / "save", 0, STREAM)
        whole = path.read_bytes()
        for size in range(16, 92):
            path.write_bytes(whole[:size])
            with pytest.raises(ImageError, match="the header of the save image is cut off"):
                open_image(path)


class TestNoImage:
    @pytest.mark.parametrize(
        ("start", "message"),
        [
            (b"", "the file is empty"),
            (b"QFI\xfb\0\0\0\1" + bytes(100), "this is a qcow image of version 1, which has no snapshots"),
            (bytes(1000), "this is neither a qcow2 image nor a saved VM state"),
            (b"\x7fELF", "this is neither a qcow2 image nor a saved VM state"),
            (b"QEV", "this is neither a qcow2 image nor a saved VM state"),
            (b"QFI\xfb", "the qcow2 header is cut off"),
        ],
    )
    def test_files(self, tmp_path: Path, start: bytes, message: str) -> None:
        path = tmp_path / "file"
        path.write_bytes(start)
        count = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        with pytest.raises(ImageError, match=message) as raised:
            open_image(path)
        assert raised.value.path == path
        assert len(os.listdir("/proc/self/fd")) == count  # noqa: PTH208

    def test_a_real_qcow1(self, tmp_path: Path) -> None:
        run("qemu-img", "create", "-q", "-f", "qcow", tmp_path / "old", "1M")
        with pytest.raises(ImageError, match="qcow image of version 1"):
            open_image(tmp_path / "old")

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError, match="this is a folder"):
            open_image(tmp_path)


def test_closed_image(tmp_path: Path) -> None:
    image = open_image(create(tmp_path / "i", MIB))
    view = image.disk(None)
    image.close()
    image.close()
    with pytest.raises(ImageError, match="the image was closed"):
        view.read(0, 1)
