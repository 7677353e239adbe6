"""The VM state of qcow2 snapshots: of the samples, in each kind of image, and with damaged tables."""

from __future__ import annotations

import json
import random
import struct
from typing import TYPE_CHECKING

import pytest

from tests import samples
from tests.image.tools import (
    KIB,
    L1_OFFSET_AT,
    L1_SIZE_AT,
    MIB,
    content,
    create,
    extra_at,
    number,
    opened,
    patch,
    put_table,
    run,
    table_entry,
    take,
    u64,
    write,
    write_noise,
)  # fmt: skip
from tests.machines.machine import Machine
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path


def with_state(path: Path, state: bytes, disk_size: int, *options: str, version: str = "1.1") -> Path:
    """Make an image whose one snapshot has `state` as VM state: written as disk content first, then the disk is cut."""
    extended = "extended_l2=on" in options
    bits = next((int(o.split("=")[1]).bit_length() - 1 for o in options if o.startswith("cluster_size")), 16)
    per_l1 = 1 << bits + bits - (4 if extended else 3)
    start = -(-disk_size // per_l1) * per_l1
    create(path, start + per_l1 + -(-len(state) // per_l1) * per_l1, *options, f"compat={version}")
    source = path.with_suffix(".state")
    source.write_bytes(state + bytes(-len(state) % 512))
    write(path, f"write -q -s {source} {start} {source.stat().st_size}")
    take(path, "one")
    patch(path, extra_at(path), u64(len(state)) + u64(disk_size))
    return path


@pytest.mark.parametrize("name", samples.QCOW2)
def test_samples_hold_streams(name: str) -> None:
    image = opened(samples.sample(name))
    for snapshot in image.snapshots:
        if not snapshot.vm_state_size:
            with pytest.raises(ImageError, match="holds no VM state, only the disk"):
                image.vm_state(snapshot)
            continue
        view = image.vm_state(snapshot)
        assert view.size == snapshot.vm_state_size
        assert view.base is view
        assert view.base_offset == 0
        assert view.read(0, 8) == b"QEVM\0\0\0\3"
        if "seed-era" not in name and "nodesc" not in name:
            assert view.read(view.size - 1, 1) == b"}"  # of the vmdesc


STATE = b"QEVM" + random.Random(6).randbytes(600 * KIB + 77)


@pytest.mark.parametrize("disk_size", [0, 512, 3 * MIB + 512])
@pytest.mark.parametrize("bits", [9, 12, 16, 21])
def test_each_cluster_size(tmp_path: Path, bits: int, disk_size: int) -> None:
    path = with_state(tmp_path / "i", STATE, disk_size, f"cluster_size={1 << bits}")
    image = opened(path)
    assert image.snapshots[0].disk_size == disk_size
    assert content(image.vm_state(image.snapshots[0]), step=100_000) == STATE


@pytest.mark.parametrize(
    "options", [("extended_l2=on",), ("extended_l2=on", "cluster_size=16384"), ("compression_type=zstd",)]
)
def test_each_feature(tmp_path: Path, options: tuple[str, ...]) -> None:
    path = with_state(tmp_path / "i", STATE, 4 * MIB, *options)
    image = opened(path)
    assert content(image.vm_state(image.snapshots[0])) == STATE


def test_compressed_clusters(tmp_path: Path) -> None:
    """No QEMU compresses VM states, but a converted image could hold one."""
    state = (b"QEVM" + b"text that packs well " * 40_000)[: 700 * KIB]
    plain = with_state(tmp_path / "plain", state, 0)
    path = tmp_path / "i"
    run("qemu-img", "convert", "-c", "-f", "qcow2", "-O", "qcow2", plain, path)
    take(path, "one")
    patch(path, extra_at(path), u64(len(state)) + u64(0))
    image = opened(path)
    assert content(image.vm_state(image.snapshots[0]), step=10_000) == state


def test_not_from_the_backing_file(tmp_path: Path) -> None:
    (tmp_path / "base").write_bytes(b"\x55" * 2 * MIB)
    path = create(tmp_path / "i", 2 * MIB, "cluster_size=512", backing=("base", "raw"))
    write_noise(path, [(MIB, 512)])
    take(path, "one")
    patch(path, extra_at(path), u64(4096) + u64(MIB))
    image = opened(path)  # nobody is asked: no other file is needed
    view = image.vm_state(image.snapshots[0])
    assert view.read(0, 1024) == random.Random(1).randbytes(512) + bytes(512)


@pytest.mark.parametrize(("extra", "size"), [(0, 5 << 32 | 4000), (4, 5 << 32 | 4000), (8, 4000), (24, 4000)])
def test_a_size_of_which_only_the_low_half_is_stored(tmp_path: Path, extra: int, size: int) -> None:
    path = create(tmp_path / "i", 32 << 30, "cluster_size=2M")
    write(path, "write -q -P 1 0 64k", f"write -q -P 2 {5 << 30} 64k", f"write -q -P 3 {20 << 30} 2M")
    l1 = number(path, L1_OFFSET_AT, 8), number(path, L1_SIZE_AT, 4)
    known = struct.pack(">QQQ", 4000, 0, 0)[:extra]
    put_table(path, [table_entry((b"1", b"x"), l1=l1, state_size=4000, extra=known)])
    patch(path, 24, u64(0))  # the disk size counts where the table has none
    image = opened(path)
    (snapshot,) = image.snapshots
    assert snapshot.vm_state_size == 4000
    view = image.vm_state(snapshot)
    assert view.size == size  # mapped are 20 GiB + 2 MiB: with these low bits the size is at most 5 times 4 GiB more
    assert view.read(0, 1) == b"\1"
    if size > 4000:
        assert view.read(5 << 30, 1) == b"\2"


def test_the_last_of_many_small_tables_counts_to_its_last_cluster(tmp_path: Path) -> None:
    """With clusters of 4 KiB a window of the mapping has 16 tables, and the last one need not be its first."""
    size = (4 << 30) + 2 * MIB + 4000
    path = create(tmp_path / "i", 5 << 30, "cluster_size=4k")
    write(path, "write -q -P 1 0 64k", f"write -q -P 2 {size & ~0xFFF} 4k")
    l1 = number(path, L1_OFFSET_AT, 8), number(path, L1_SIZE_AT, 4)
    put_table(path, [table_entry((b"1", b"x"), l1=l1, state_size=size & 0xFFFFFFFF)])
    patch(path, 24, u64(0))
    image = opened(path)
    view = image.vm_state(image.snapshots[0])
    assert view.size == size
    assert view.read(size - 1, 1) == b"\2"


def test_a_small_state_with_leftovers_keeps_its_size(tmp_path: Path) -> None:
    """Old QEMU left clusters of an earlier, larger state in the mapping; below 4 GiB the size is exact all the same."""
    path = create(tmp_path / "i", 8 * MIB, "compat=0.10")
    write(path, "write -q -P 1 0 8M")
    l1 = number(path, L1_OFFSET_AT, 8), number(path, L1_SIZE_AT, 4)
    put_table(path, [table_entry((b"1", b"x"), l1=l1, state_size=4000)])
    patch(path, 24, u64(0))
    image = opened(path)
    assert image.vm_state(image.snapshots[0]).size == 4000


def test_a_size_beyond_the_mapping_is_cut(tmp_path: Path) -> None:
    path = with_state(tmp_path / "i", STATE, 0, "cluster_size=4096")
    patch(path, extra_at(path), u64(2**64 - 1))
    image = opened(path)
    (snapshot,) = image.snapshots
    assert snapshot.vm_state_size == 2**64 - 1
    view = image.vm_state(snapshot)
    assert view.size == number(path, L1_SIZE_AT, 4) * 2 * MIB
    assert view.read(0, len(STATE)) == STATE
    assert view.read(view.size - 4096, 4096) == bytes(4096)


@pytest.mark.parametrize("disk_size", [1 << 40, 2**63, 2**64 - 1])
def test_a_state_behind_the_table(tmp_path: Path, disk_size: int) -> None:
    path = with_state(tmp_path / "i", STATE, 0)
    patch(path, extra_at(path), u64(100) + u64(disk_size))
    image = opened(path)
    with pytest.raises(ImageError, match="is not mapped"):
        image.vm_state(image.snapshots[0])


def test_a_snapshot_of_another_image(tmp_path: Path) -> None:
    one = opened(with_state(tmp_path / "a", STATE, 0))
    other = opened(with_state(tmp_path / "b", STATE[:1000], 0))
    with pytest.raises(ImageError, match="is not one of this image"):
        one.vm_state(other.snapshots[0])
    stream = tmp_path / "s"
    stream.write_bytes(STATE)
    with pytest.raises(ImageError, match="is not one of this image"):
        one.disk(open_image(stream).snapshots[0])


def test_large_reads_are_few(tmp_path: Path) -> None:
    """A state that lies in one piece is one extent, so reading it is one system call for each chunk."""
    path = with_state(tmp_path / "i", bytes(16) + b"\1" * (64 * MIB), 0)
    image = opened(path)
    start, extents = image.vm_state(image.snapshots[0]).extents()  # type: ignore[attr-defined]
    assert start == 0
    assert len(extents.kinds) <= 8  # a refcount block or an L2 table may lie in between


@pytest.mark.qemu
@pytest.mark.parametrize("options", [("cluster_size=4k",), ("extended_l2=on",), ("cluster_size=2M",), ("compat=0.10",)])
def test_saved_by_real_qemu(tmp_path: Path, options: tuple[str, ...]) -> None:
    path = create(tmp_path / "i", 3 * MIB, *options)
    arguments = ["-M", "pc", "-m", "8", "-nodefaults", "-S", "-drive", f"file={path},format=qcow2,if=virtio"]
    with Machine(arguments, marks=False) as machine:
        assert machine.hmp("savevm first") == ""
        assert machine.hmp("savevm second") == ""
    image = opened(path)
    assert [one.tag for one in image.snapshots] == ["first", "second"]
    for snapshot in image.snapshots:
        state = content(image.vm_state(snapshot))
        assert state.startswith(b"QEVM\0\0\0\3")
        at = len(state) - 5  # the description ends exactly where the state ends, so nothing is missing or moved
        while not state[at:].startswith(b"\6" + struct.pack(">I", len(state) - at - 5)):
            at = state.rindex(b"\6", 0, at)
        assert len(json.loads(state[at + 5 :])["devices"]) > 10
