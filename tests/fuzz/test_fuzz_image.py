"""Damaged and hostile images: nothing but ImageError, no long time, no memory out of proportion.

Small real images are mutated where their structure lies (header, tables), or cut off, and then opened, listed, mapped
and read.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import random
import resource
import struct
import tempfile
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import zstandard

from tests.image.tools import KIB, MIB, create, extra_at, opened, patch, put_table, run, table_entry, take, u64, write
from vmsnap_gui.image.ancestry import ancestry_of
from vmsnap_gui.image.containers import Image, Reference, open_image, select_snapshot
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.qcow2 import Qcow2Image
from vmsnap_gui.image.qcow2_header import Header
from vmsnap_gui.image.usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from vmsnap_gui.image.byteview import ByteView

SECONDS = 2.0
"""No input may take longer: processor time, so that a busy machine fails nothing."""

MEMORY = 64 * MIB
"""What an input may take besides 4 times its size."""

_IN_MEMORY = Path("/dev/shm")


@dataclass(frozen=True, slots=True)
class Seed:
    """A real image, and where its structure lies as (start, end) ranges."""

    name: str
    data: bytes
    structure: tuple[tuple[int, int], ...]


@dataclass(slots=True)
class FuzzReport:
    """What came out of a run.

    Attributes:
        inputs: How many images were tried.
        refused: How many could not be opened at all.
        errors: How many reads and look-ups ended in ImageError.
        seconds: All in all.
        slowest: Seconds of processor time for the slowest input.
        peak: The most bytes that Python held for one input, where tracemalloc ran.
    """

    inputs: int = 0
    refused: int = 0
    errors: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    peak: int = 0


def seeds(folder: Path) -> list[Seed]:
    """Make the images that are mutated."""
    (folder / "base").write_bytes(b"base" * 16 * KIB)
    kinds: dict[str, tuple[int, tuple[str, ...]]] = {  # with what one L1 entry maps: the VM state follows behind that
        "v2": (32 * KIB, ("compat=0.10", "cluster_size=512")),
        "v3": (128 * KIB, ("cluster_size=1k", "lazy_refcounts=on")),
        "extended": (16 * MIB, ("extended_l2=on", "cluster_size=16k")),
        "default": (512 * MIB, ()),
    }
    found = [_qcow2(create(folder / name, 2 * part, *options), part) for name, (part, options) in kinds.items()]
    backed = create(folder / "backed", 4 * MIB, "cluster_size=4k", backing=("base", "raw"))
    found.append(_qcow2(backed, 2 * MIB))
    for name, packing in (("packed", "zlib"), ("packed-zstd", "zstd")):
        source = folder / "source"
        source.write_bytes((b"text to pack " * 10_000).ljust(2 * MIB, b"\0") + b"state to pack" * 500)
        path = folder / name
        options = f"cluster_size=4k,compression_type={packing}"
        run("qemu-img", "convert", "-c", "-f", "raw", "-O", "qcow2", "-o", options, source, path)
        found.append(_qcow2(path, 2 * MIB))
    path = create(folder / "data", 128 * KIB, "cluster_size=4k", f"data_file={folder / 'data.raw'}")
    write(path, "write -q -P 1 0 64k")
    found.append(Seed("data", path.read_bytes(), _places(path)))
    found.append(Seed("stream", b"QEVM\0\0\0\3" + bytes(100), ((0, 16),)))
    packers: list[tuple[int, Callable[[bytes], bytes]]] = [
        (0, bytes), (1, gzip.compress), (2, bz2.compress), (3, lzma.compress), (5, zstandard.compress), (6, bytes),
    ]  # fmt: skip
    for packing, packer in packers:
        header = b"LibvirtQemudSave" + struct.pack("<19I", 2, 30, 1, packing, 0, *[0] * 14)
        data = header + b"<name>x</name>".ljust(30) + packer(b"QEVM\0\0\0\3" + b"state " * 1000)
        found.append(Seed(f"save-{packing}", data, ((0, 36), (92, len(data)))))
    return found


def _qcow2(path: Path, part: int) -> Seed:
    """Give an image snapshots with and without VM state, and note where its structure lies."""
    write(path, "write -q -P 1 0 24k", f"write -q -P 2 {part} 5k")
    take(path, "one", "1")
    write(path, "write -q -P 3 16k 8k")
    patch(path, extra_at(path), u64(5000) + u64(512))
    return Seed(path.name, path.read_bytes(), _places(path))


def _places(path: Path) -> tuple[tuple[int, int], ...]:
    """Return where header, tables and L2 tables lie."""
    image = opened(path)
    header = image.header
    places = [(0, 112), (104, min(600, header.cluster_size)), (header.snapshots_offset, header.snapshots_offset + 200)]
    for snapshot in (None, *image.snapshots):
        table = image.cluster_map(snapshot)
        at = header.l1_offset if snapshot is None else getattr(snapshot, "l1_offset")  # noqa: B009
        places.append((at, at + len(table.l1) * 8))
        for entry in table.l1[:4].tolist():
            if l2 := entry & (1 << 56) - 1:
                places.append((l2, l2 + min(128, header.cluster_size)))
    size = path.stat().st_size
    return tuple((start, min(end, size)) for start, end in places if start < size)


class Mutator:
    """Damages images at random, the same way for the same seed."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def __call__(self, seed: Seed) -> bytes:
        """Return a damaged copy."""
        rng = self._rng
        data = bytearray(seed.data)
        for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
            start, end = rng.choice(seed.structure)
            rng.choice((self._flip, self._field, self._field, self._copy))(data, start, end)
        if rng.random() < 0.1:
            del data[rng.randrange(len(data) + 1) :]
        return bytes(data)

    def _flip(self, data: bytearray, start: int, end: int) -> None:
        for _ in range(self._rng.choice((1, 1, 2, 10))):
            data[self._rng.randrange(start, end)] ^= 1 << self._rng.randrange(8)

    def _field(self, data: bytearray, start: int, end: int) -> None:
        rng = self._rng
        size = rng.choice((1, 2, 4, 4, 8, 8, 8))
        at = start + rng.randrange(max(1, (end - start) // size)) * size
        bits = 8 * size
        value = rng.choice(
            (
                0, 1, 2, -1, 1 << bits - 1, (1 << bits - 1) - 1, 1 << bits // 2, len(data), len(data) - 1, -len(data),
                start, start + 1, at & ~511, rng.getrandbits(bits), 1 << rng.randrange(bits), (1 << bits) - 512,
                1 << 62 | rng.getrandbits(20), 1 << 63 | start, rng.randrange(64) << 9, rng.randrange(300),
            )
        )  # fmt: skip
        data[at : at + size] = (value & (1 << bits) - 1).to_bytes(size, "big")[: len(data) - at]

    def _copy(self, data: bytearray, start: int, end: int) -> None:
        length = min(end - start, self._rng.randrange(1, 64))
        source = self._rng.randrange(len(data))
        piece = data[source : source + length]
        data[start : start + len(piece)] = piece


class Driver:
    """Opens an image and does everything with it that a reader would; counts the errors."""

    def __init__(self, rng: random.Random, folder: Path, report: FuzzReport, *, count_all: bool = True) -> None:
        self._rng = rng
        self._count_all = count_all
        self._folder = folder
        self._report = report

    def __call__(self, path: Path) -> None:
        """Read all of an image that there is to read, in samples."""
        try:
            image = open_image(path, consent=self._consent)
        except ImageError:
            self._report.refused += 1
            return
        try:
            self._drive(image)
        finally:
            image.close()

    def _consent(self, path: Path, kind: Reference) -> bool:
        del kind
        return path.parent == self._folder

    def _drive(self, image: Image) -> None:
        assert all(isinstance(text, str) for fact in image.facts for text in fact)
        assert all(str(problem) for problem in image.problems)
        for snapshot in image.snapshots[:3]:
            self._try(lambda snapshot=snapshot: select_snapshot(image, snapshot.tag or ""))
            self._try(lambda snapshot=snapshot: self._read(image.vm_state(snapshot)))
            self._try(lambda snapshot=snapshot: self._read(image.disk(snapshot)))
            self._try(lambda snapshot=snapshot: self._map(image, snapshot))
        self._try(lambda: self._read(image.disk(None)))
        if isinstance(image, Qcow2Image) and (
            self._count_all or self._rng.random() < 0.2
        ):  # it takes as long as all else
            self._try(lambda: self._count(image))
        image.changed()

    def _try(self, work: Callable[[], object]) -> None:
        try:
            work()
        except ImageError:
            self._report.errors += 1

    def _read(self, view: ByteView) -> None:
        length = min(view.size, 64 * KIB)
        for offset in (0, view.size - length, self._rng.randrange(view.size - length + 1)):
            self._try(lambda offset=offset: view.read(offset, length))

    def _map(self, image: Image, snapshot: object) -> None:
        if isinstance(image, Qcow2Image):
            table = image.cluster_map(snapshot)  # type: ignore[arg-type]
            for _, index in zip(range(3), table.used_windows(), strict=False):
                assert table.extents(index).starts[-1] == table.window_size

    def _count(self, image: Qcow2Image) -> None:
        """Count clusters and guess the tree: whatever is damaged, the parts are the whole, and each has its edge."""
        tree = ancestry_of(image)
        assert [edge.child for edge in (*tree.edges, tree.here)] == [*image.snapshots, None]
        usage = usage_of(image)
        parts = sum(one.exclusive.total for one in (usage.active, *usage.snapshots))
        assert parts + usage.shared.total + usage.metadata + usage.other == usage.in_use
        assert usage.problems or usage.freed_by(image.snapshots) <= usage.in_use


def fuzz_image(seed: int, count: int, folder: Path, *, memory: bool = False) -> FuzzReport:
    """Try `count` damaged images.

    Args:
        seed: The same seed tries the same inputs.
        count: How many.
        folder: An empty folder for them, best in memory.
        memory: Watch each input's memory (slower).
    """
    report = FuzzReport()
    rng = random.Random(seed)
    originals = seeds(folder)
    mutate, drive = Mutator(rng), Driver(rng, folder, report, count_all=False)
    path = folder / "input"
    begin = time.perf_counter()
    if memory:
        tracemalloc.start()
    try:
        for number in range(count):
            original = rng.choice(originals)
            data = mutate(original)
            path.write_bytes(data)
            if memory:
                tracemalloc.reset_peak()
            held = tracemalloc.get_traced_memory()[0] if memory else 0
            start = time.process_time()
            try:
                drive(path)
            except Exception as error:
                error.add_note(f"input {number} of seed {seed}, made from {original.name}")
                raise
            took = time.process_time() - start
            assert took < SECONDS, f"input {number} of seed {seed}, made from {original.name}: {took:.1f} s"
            if memory:
                peak = tracemalloc.get_traced_memory()[1] - held
                assert peak < MEMORY + 4 * len(data), f"input {number} of seed {seed}: {peak} bytes"
                report.peak = max(report.peak, peak)
            report.slowest = max(report.slowest, took)
            report.inputs += 1
    finally:
        tracemalloc.stop()
    report.seconds = time.perf_counter() - begin
    return report


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: on a disk, ext4 waits for it each time that a file is written anew."""
    if not os.access(_IN_MEMORY, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="vmsnap-fuzz-", dir=_IN_MEMORY) as directory:
        yield Path(directory)


@pytest.mark.qemu  # for its time: in `make test`, not in `make check`
def test_some(folder: Path) -> None:
    report = fuzz_image(1, 2000, folder, memory=True)
    print(report)  # noqa: T201
    assert report.inputs == 2000
    assert 0 < report.refused < report.inputs * 0.7  # most inputs must get past the door
    assert report.errors > report.inputs


def test_the_originals_are_sound(folder: Path) -> None:
    """Else the fuzzing would only try what is refused at the door."""
    report = FuzzReport()
    for seed in seeds(folder):
        path = folder / "input"
        path.write_bytes(seed.data)
        image = open_image(path, consent=lambda *_: True)
        assert [problem.message for problem in image.problems] == []
        assert (image.disk(None) if seed.name == "data" else image.vm_state(image.snapshots[0])).size
        Driver(random.Random(1), folder, report)(path)
    assert report.refused == 0


@pytest.mark.verify
@pytest.mark.parametrize("seed", range(2, 12))
def test_many(folder: Path, seed: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    report = fuzz_image(seed, 15_000, folder)
    print(report, f"{report.inputs / report.seconds:.0f} inputs per second")  # noqa: T201
    assert report.inputs == 15_000
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * KIB
    assert grown < MEMORY + 4 * MIB


@pytest.mark.qemu
class TestHostile:
    """What chance would not find."""

    def drive(self, path: Path) -> FuzzReport:
        report = FuzzReport()
        start = time.process_time()
        Driver(random.Random(1), path.parent, FuzzReport())(path)
        assert time.process_time() - start < SECONDS
        tracemalloc.start()
        try:
            Driver(random.Random(1), path.parent, report)(path)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak < MEMORY + 4 * path.stat().st_size
        return report

    def sparse(self, path: Path, size: int) -> None:
        with path.open("r+b") as file:
            file.truncate(size)

    def test_a_table_of_65536_snapshots(self, folder: Path) -> None:
        path = create(folder / "i", MIB)
        at = put_table(path, [table_entry((b"", b""))], 2**32 - 1)
        self.sparse(path, at + 64 * MIB)
        image = opened(path)
        assert len(image.snapshots) == 65536
        self.drive(path)

    def test_long_names(self, folder: Path) -> None:
        path = create(folder / "i", MIB)
        put_table(path, [table_entry((b"\xff" * 65535, b"\xfe" * 65535))] * 200)
        assert len(opened(path).snapshots) == 200
        self.drive(path)

    @pytest.mark.parametrize("bits", [9, 16, 21])
    def test_an_l1_table_of_32_mib_that_leads_to_itself(self, folder: Path, bits: int) -> None:
        path = create(folder / "i", MIB, f"cluster_size={1 << bits}")
        at = 4 * MIB
        patch(path, at, u64(at) * (4 << 20))
        patch(path, 36, struct.pack(">IQ", 4 << 20, at))
        patch(path, 24, u64(1 << 62))
        put_table(path, [table_entry((b"1", b"x"), l1=(at, 4 << 20), state_size=2**32 - 1)])
        image = opened(path)
        assert image.disk(None).read(0, 8) == u64(at)  # the table is its own L2 table and its own content
        report = self.drive(path)
        assert report.refused == 0

    def test_l1_sizes_that_no_file_holds(self, folder: Path) -> None:
        path = create(folder / "i", MIB)
        put_table(path, [table_entry((b"1", b"x"), l1=(0, 2**32 - 1), state_size=5)])
        assert self.drive(path).errors >= 3

    def test_subclusters_of_2_mib_clusters(self, folder: Path) -> None:
        path = create(folder / "i", 1 << 40, "extended_l2=on", "cluster_size=2M")
        write(path, "write -q -P 1 0 64k")
        table = int(opened(path).cluster_map(None).l1[0]) & (1 << 56) - 1
        data = struct.pack(">QQ", 1 << 63 | 0, 0x5555_5555_0000_0000) * (1 << 17)
        patch(path, table, data)
        view = opened(path).disk(None)
        assert view.read(0, 8 * MIB) == bytes(8 * MIB)
        self.drive(path)

    def test_compressed_clusters_that_are_all_one_bomb(self, folder: Path) -> None:
        import zlib

        path = create(folder / "i", 512 * MIB, "cluster_size=2M")
        write(path, "write -q -P 1 0 64k")
        packer = zlib.compressobj(9, zlib.DEFLATED, -12)
        bomb = packer.compress(bytes(1 << 26)) + packer.flush()
        at = path.stat().st_size
        patch(path, at, bomb)
        table = int(opened(path).cluster_map(None).l1[0]) & (1 << 56) - 1
        patch(path, table, u64(1 << 62 | 8191 << 49 | at) * 256)
        assert opened(path).disk(None).read(100 * MIB, 8 * MIB) == bytes(8 * MIB)
        self.drive(path)

    def test_feature_names_and_extensions_without_end(self, folder: Path) -> None:
        path = create(folder / "i", MIB, "cluster_size=2M")
        length = 104
        patch(path, 100, struct.pack(">I", length))
        patch(path, length, struct.pack(">II", 1, 0) * ((2 * MIB - length) // 8))
        assert [problem.message for problem in opened(path).problems] == ["there are more than 1000 header extensions"]
        self.drive(path)
        patch(path, 72, u64(2**64 - 32) + u64(2**64 - 1) * 2)
        names = b"".join(struct.pack(">BB46s", kind % 3, bit, b"n" * 46) for kind in range(600) for bit in range(64))
        patch(path, length, struct.pack(">II", 0x6803F857, len(names)) + names)
        assert "n" * 46 in opened(path).problems[-1].message
        self.drive(path)

    @pytest.mark.parametrize("packing", [1, 2, 3, 5])
    def test_save_images_that_are_bombs(self, folder: Path, packing: int) -> None:
        packers = {1: gzip.compress, 2: bz2.compress, 3: lzma.compress, 5: zstandard.compress}
        packed = packers[packing](bytes(64 * MIB))
        path = folder / "save"
        path.write_bytes(b"LibvirtQemudSave" + struct.pack("<19I", 2, 0, 1, packing, 0, *[0] * 14) + packed)
        self.drive(path)


def test_header_parse_is_what_is_fuzzed(folder: Path) -> None:
    """Random headers with the right magic and version, so that each field is tried far from its usual values."""
    rng = random.Random(3)
    path = folder / "i"
    handled = 0
    for _ in range(600):
        fields = [rng.getrandbits(32 if rng.random() < 0.5 else 4) for _ in range(24)]
        raw = b"QFI\xfb" + struct.pack(">I", rng.choice((2, 3))) + struct.pack(">24I", *fields) + rng.randbytes(400)
        data = bytearray(raw)
        data[20:24] = struct.pack(">I", rng.randrange(9, 22))
        data[96:104] = struct.pack(">II", rng.randrange(7), rng.choice((104, 112)))
        path.write_bytes(bytes(data))
        try:
            image = opened(path)
        except ImageError:
            continue
        handled += 1
        assert isinstance(image.header, Header)
        image.close()
    assert handled > 200
