"""Disk content, of the active layer and of snapshots, is what qemu-img converts it to."""

from __future__ import annotations

import random
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests import samples
from tests.image.tools import (
    GIB,
    KIB,
    L1_OFFSET_AT,
    MIB,
    content,
    converted,
    create,
    number,
    opened,
    patch,
    run,
    take,
    u64,
    write,
    write_noise,
)
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.extents import Kind

if TYPE_CHECKING:
    from vmsnap_gui.image.containers import Consent

pytestmark = pytest.mark.slow

SIZE = 4 * MIB


def assert_content(path: Path, consent: Consent | None = None) -> None:
    """Compare all content with what qemu-img reads."""
    image = opened(path, consent)
    assert content(image.disk(None)) == converted(path)
    for snapshot in image.snapshots:
        view = image.disk(snapshot)
        assert view.size == snapshot.disk_size
        assert content(view) == converted(path, snapshot.id)
    image.close()


def fill(path: Path) -> None:
    """Make an image with some of everything, and two snapshots in between."""
    write_noise(path, [(0, 4 * KIB), (100 * KIB, 70 * KIB), (2 * MIB, 512), (SIZE - 512, 512)])
    take(path, "one")
    write(path, "write -q -P 17 64k 200k", "write -q -z 1M 300k", "discard -q 100k 128k")
    take(path, "two")
    write(path, "write -q -z -u 0 128k", "write -q -P 0 2M 64k")
    write_noise(path, [(3 * MIB, 96 * KIB + 512)], seed=2)


@pytest.mark.parametrize("name", samples.QCOW2)
def test_samples(name: str) -> None:
    path = samples.sample(name)
    image = opened(path)
    run("qemu-img", "check", "-q", "-U", "-f", "qcow2", path)
    for snapshot in (None, *image.snapshots):
        target = path.parent / f"{path.name}.{random.getrandbits(60):x}"
        which = ["-l", f"snapshot.id={snapshot.id}"] if snapshot is not None else []
        try:
            run("qemu-img", "convert", "-U", "-f", "qcow2", "-O", "raw", *which, path, target)
            assert content(image.disk(snapshot)) == target.read_bytes()
        finally:
            target.unlink(missing_ok=True)


@pytest.mark.parametrize("compat", ["0.10", "1.1"])
@pytest.mark.parametrize("bits", [9, 10, 12, 16, 18, 21])
def test_each_cluster_size(tmp_path: Path, bits: int, compat: str) -> None:
    path = create(tmp_path / "i", SIZE, f"cluster_size={1 << bits}", f"compat={compat}")
    fill(path)
    assert_content(path)


@pytest.mark.parametrize("size", ["16k", "64k", "2M"])
def test_extended_l2(tmp_path: Path, size: str) -> None:
    path = create(tmp_path / "i", SIZE, "extended_l2=on", f"cluster_size={size}")
    fill(path)
    assert_content(path)


@pytest.mark.parametrize(
    "options",
    [
        (),
        ("cluster_size=512",),
        ("cluster_size=2M",),
        ("compat=0.10",),
        ("compression_type=zstd",),
        ("compression_type=zstd", "cluster_size=4k"),
        ("extended_l2=on", "cluster_size=16k"),
        ("extended_l2=on", "compression_type=zstd"),
    ],
)
def test_compressed(tmp_path: Path, options: tuple[str, ...]) -> None:
    text = random.Random(3).choices([b"the ", b"clusters ", b"pack ", b"well "], k=400_000)
    source = tmp_path / "source"
    source.write_bytes((b"".join(text) + bytes(SIZE))[: SIZE - 100 * KIB] + random.Random(4).randbytes(100 * KIB))
    path = tmp_path / "i"
    words = ["-o", ",".join(options)] if options else []
    run("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", *words, source, path)
    take(path, "packed")
    write(path, "write -q -P 9 70k 90k")
    compressed = opened(path).disk(None).extents(512 * KIB)[1]
    assert Kind.COMPRESSED in compressed.kinds
    assert_content(path)
    assert content(opened(path).disk(None), step=4096) == converted(path)  # several reads from one cluster


def test_zero_clusters_hide_the_backing_file(tmp_path: Path) -> None:
    base = tmp_path / "base"
    base.write_bytes(b"\x55" * SIZE)
    path = create(tmp_path / "i", SIZE, backing=("base", "raw"))
    write(path, "write -q -z 64k 64k", "write -q -z -u 256k 64k", "write -q -P 3 1M 64k")
    image = opened(path, lambda *_: True)
    view = image.disk(None)
    assert view.read(64 * KIB, 64 * KIB) == bytes(64 * KIB)
    assert view.read(0, 64 * KIB) == b"\x55" * (64 * KIB)
    assert_content(path, lambda *_: True)


@pytest.mark.parametrize("steps", [(6 * MIB, 2 * MIB), (2 * MIB, 6 * MIB)])
def test_resized_between_snapshots(tmp_path: Path, steps: tuple[int, int]) -> None:
    path = create(tmp_path / "i", SIZE)
    write_noise(path, [(MIB, 64 * KIB), (SIZE - 64 * KIB, 64 * KIB)])
    take(path, "one")
    for size in steps:
        run("qemu-img", "resize", "-q", "--shrink", "-f", "qcow2", path, size)
        write_noise(path, [(size - 64 * KIB, 64 * KIB)], seed=size)
        take(path, f"at {size}")
    image = opened(path)
    assert [one.disk_size for one in image.snapshots] == [SIZE, *steps]
    assert content(image.disk(None)) == converted(path)
    for snapshot in image.snapshots:  # `convert -l` takes the current size for all, so QEMU has to go back really
        copy = Path(shutil.copy(path, tmp_path / "copy"))
        run("qemu-img", "snapshot", "-a", snapshot.id, copy)
        assert content(image.disk(snapshot)) == converted(copy)


def test_preallocated(tmp_path: Path) -> None:
    path = create(tmp_path / "i", SIZE, "preallocation=metadata")
    write_noise(path, [(MIB, 64 * KIB)])
    assert_content(path)


def test_an_empty_disk(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 0, "size=0")
    image = opened(path)
    assert image.virtual_size == 0
    assert image.disk(None).size == 0
    assert image.disk(None).read(0, 0) == b""


def test_far_apart_clusters_of_a_large_disk(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 1 << 40)
    places = [(0, 512), (GIB - 512, 1024), (700 * GIB, 4096), ((1 << 40) - 512, 512)]
    write_noise(path, places)
    take(path, "one")
    image = opened(path)
    for snapshot in (None, image.snapshots[0]):
        view = image.disk(snapshot)
        noise = random.Random(1)
        for offset, length in places:
            assert view.read(offset, length) == noise.randbytes(length)
        cluster_map = image.cluster_map(snapshot)
        windows = list(cluster_map.used_windows())
        assert windows == [0, 1, 2, 1400, 2047]
        entries = [np.flatnonzero(cluster_map.window(index).entries).tolist() for index in windows]
        assert entries == [[0], [8191], [0], [0], [8191]]


@pytest.mark.parametrize("extended", [False, True])
def test_reads_anywhere_agree(tmp_path: Path, extended: bool) -> None:
    path = create(tmp_path / "i", SIZE, "cluster_size=16k", *(["extended_l2=on"] if extended else []))
    fill(path)
    view, whole = opened(path).disk(None), converted(path)
    rng = random.Random(5)
    for _ in range(500):
        start = rng.randrange(SIZE)
        length = rng.randrange(min(SIZE - start, 1 << rng.randrange(1, 20)) + 1)
        assert view.read(start, length) == whole[start : start + length], (start, length)
    target = np.zeros(SIZE // 8, np.uint64)
    view.readinto(0, target.data)
    assert target.tobytes() == whole


def test_neighbours_are_merged(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 64 * MIB)
    write(path, "write -q -P 1 0 32M")
    start, extents = opened(path).disk(None).extents()
    assert start == 0
    assert extents.kinds.tolist() == [Kind.DATA, Kind.ZERO]
    assert extents.starts.tolist() == [0, 32 * MIB, 512 * MIB]


def test_a_range_outside_is_refused(tmp_path: Path) -> None:
    view = opened(create(tmp_path / "i", SIZE)).disk(None)
    for offset, length in ((SIZE, 1), (-1, 1), (0, SIZE + 1), (2**70, 1)):
        with pytest.raises(ImageError, match="wanted at"):
            view.read(offset, length)
    with pytest.raises(ImageError, match="wanted at"):
        view.readinto(SIZE - 1, bytearray(2))


class TestDamage:
    """One wrong table entry spoils the content that it maps, and nothing else."""

    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        path = create(tmp_path / "i", SIZE, "cluster_size=4k")
        write(path, "write -q -P 7 0 4M")
        return path

    @staticmethod
    def l2(path: Path, table: int = 0) -> int:
        return number(path, number(path, L1_OFFSET_AT, 8) + 8 * table, 8) & 0xFF_FFFF_FFFF_FE00

    def assert_spoiled(self, path: Path, start: int, end: int, message: str) -> None:
        view = opened(path).disk(None)
        for offset in (start, end - 1):
            with pytest.raises(ImageError, match=message) as raised:
                view.read(offset, 1)
            assert raised.value.path == path
        assert view.read(0, start) == b"\7" * start
        assert view.read(end, SIZE - end) == b"\7" * (SIZE - end)

    @pytest.mark.parametrize("entry", [1 << 50, (1 << 56) - 512, 0x1200])
    def test_a_cluster_outside_the_file(self, path: Path, entry: int) -> None:
        patch(path, self.l2(path) + 8 * 3, u64(entry))
        self.assert_spoiled(path, 12 * KIB, 16 * KIB, "a cluster of this content is said to lie outside")

    @pytest.mark.parametrize("entry", [1 << 50, (1 << 56) - 512, 0x1200])
    def test_an_l2_table_outside_the_file(self, path: Path, entry: int) -> None:
        patch(path, number(path, L1_OFFSET_AT, 8) + 8, u64(entry))
        self.assert_spoiled(path, 2 * MIB, 4 * MIB, "the table that maps this part")

    @pytest.mark.parametrize("entry", [1 << 62, (1 << 62) - 1 | 1 << 62, 1 << 62 | 0x1_0000])
    def test_a_damaged_compressed_cluster(self, path: Path, entry: int) -> None:
        patch(path, self.l2(path) + 8 * 3, u64(entry))
        self.assert_spoiled(path, 12 * KIB, 16 * KIB, "a compressed cluster is damaged")

    def test_an_l2_table_that_is_its_own_cluster(self, path: Path) -> None:
        table = self.l2(path)
        patch(path, table + 8, u64(table))
        assert opened(path).disk(None).read(4 * KIB + 8, 8) == u64(table)

    def test_a_zero_flag_in_version_2(self, tmp_path: Path) -> None:
        path = create(tmp_path / "v2", SIZE, "cluster_size=4k", "compat=0.10")
        write(path, "write -q -P 7 0 4M")
        patch(path, self.l2(path) + 8 * 3, u64(1))
        self.assert_spoiled(path, 12 * KIB, 16 * KIB, "has a table entry that makes no sense")

    @pytest.mark.parametrize("bitmap", [1 << 32 | 1, 2**64 - 1])
    def test_a_subcluster_with_two_minds(self, tmp_path: Path, bitmap: int) -> None:
        path = create(tmp_path / "e", SIZE, "extended_l2=on", "cluster_size=16k")
        write(path, "write -q -P 7 0 4M")
        patch(path, self.l2(path) + 16 * 3 + 8, u64(bitmap))
        self.assert_spoiled(path, 48 * KIB, 64 * KIB, "has a table entry that makes no sense")

    def test_a_compressed_cluster_that_unpacks_to_too_little_or_too_much(self, tmp_path: Path) -> None:
        import zlib

        path = create(tmp_path / "i", SIZE)
        write(path, "write -q -P 7 0 4M")
        where = path.stat().st_size
        for size, good in ((65535, False), (65536, True), (64 * MIB, True)):  # QEMU too stops when the cluster is full
            packer = zlib.compressobj(9, zlib.DEFLATED, -12)
            packed = packer.compress(bytes(size)) + packer.flush()
            path.write_bytes(path.read_bytes()[:where] + packed)
            patch(path, self.l2(path), u64(1 << 62 | (len(packed) // 512) << 54 | where))
            view = opened(path).disk(None)
            if good:
                assert view.read(0, 65536) == bytes(65536)
            else:
                with pytest.raises(ImageError, match="a compressed cluster is damaged"):
                    view.read(0, 1)

    def test_an_l1_table_larger_than_possible(self, path: Path) -> None:
        patch(path, 36, b"\xff\xff\xff\xff")
        with pytest.raises(ImageError, match="L1 table of 4294967295 entries"):
            opened(path).disk(None)

    def test_a_disk_that_is_longer_than_its_table_reads_as_zeros(self, path: Path) -> None:
        patch(path, 24, u64(2**62))
        view = opened(path).disk(None)
        assert view.size == 2**62
        assert view.read(2**62 - 4096, 4096) == bytes(4096)
        assert view.read(SIZE - 1, 2) == b"\7\0"

    def test_an_impossible_disk_size(self, path: Path) -> None:
        patch(path, 24, u64(2**64 - 1))
        with pytest.raises(ImageError, match="is not possible"):
            opened(path).disk(None)

    def test_the_last_cluster_may_be_short(self, path: Path) -> None:
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.truncate(size - 1000)
        view = opened(path).disk(None)
        assert view.read(SIZE - 1001, 1001) == b"\7" + bytes(1000)
        assert content(view) == converted(path)

    def test_lost_clusters_are_an_error_and_no_zeros(self, path: Path) -> None:
        size = path.stat().st_size
        with path.open("r+b") as file:
            file.truncate(size - 5000)
        view = opened(path).disk(None)
        assert view.read(SIZE - 8192, 4096 - 904) == b"\7" * 3192
        with pytest.raises(ImageError, match="a cluster of this content is said to lie outside the file"):
            view.read(SIZE - 1, 1)
