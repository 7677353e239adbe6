"""Fingerprints tell what reads differently, and nothing else; usage tells what a delete frees."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.control.doing import contents, layered
from tests.image.tools import (
    GIB,
    MIB,
    clusters_in_use,
    create,
    opened,
    patch,
    put_table,
    run,
    table_entry,
    take,
    write,
    write_noise,
)
from tests.machines.machine import Machine
from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.fingerprint import UNREADABLE, Fingerprints, fingerprints, id_of, key_of, name_of, tag_of
from vmsnap_gui.image.usage import usage_of

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = [(), ("compat=0.10",), ("cluster_size=512",), ("extended_l2=on",), ("refcount_bits=8",), ("cluster_size=2M",)]


def layers(path: Path, *options: str) -> Path:
    """Create an image with three snapshots that share some clusters and have some alone."""
    create(path, 16 * MIB, *options)
    write_noise(path, [(0, 3 * MIB)])
    take(path, "a")
    write(path, "write -q -P 5 1M 512k", "write -q -z 5M 1M")
    take(path, "b", "b")
    write_noise(path, [(8 * MIB, 2 * MIB)], seed=2)
    take(path, "c")
    write(path, "write -q -z 0 1M")
    return path


@pytest.mark.slow
@pytest.mark.parametrize("options", OPTIONS, ids=lambda options: ",".join(options) or "plain")
def test_equal_prints_are_equal_content_and_frees_are_exact(tmp_path: Path, options: tuple[str, ...]) -> None:
    path = layers(tmp_path / "i", *options)
    before, content = fingerprints(path), contents(path)
    disks = [one.disk for one in before.snapshots.values()]
    assert disks[1] == disks[2]
    assert len({*disks, before.active.disk}) == 4
    image = opened(path)
    wanted = list(image.snapshots)
    for gone in ([wanted[0]], [wanted[1]], wanted[1:3], wanted[:3]):
        copy = tmp_path / "copy"
        copy.write_bytes(path.read_bytes())
        freed = usage_of(opened(copy)).freed_by(gone)
        clusters = clusters_in_use(copy)
        for one in gone:
            run("qemu-img", "snapshot", "-d", one.tag, copy)
        assert freed == (clusters - clusters_in_use(copy)) * image.cluster_size
        now = fingerprints(copy)
        assert now.active == before.active
        assert all(before.snapshots[key] == found for key, found in now.snapshots.items())
        assert {one: content[one] for one in contents(copy)} == contents(copy)


def test_compressed_clusters_are_counted_where_they_lie(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 8 * MIB)
    write(path, *(f"write -q -c -P {number} {number * 64}k 64k" for number in range(1, 40)))
    write_noise(path, [(4 * MIB, MIB)])
    take(path, "packed")
    write(path, "write -q -P 3 0 4M", "write -q -P 3 4M 512k")
    take(path, "kept")
    snapshot = opened(path).snapshots[0]
    freed, clusters = usage_of(opened(path)).freed_by([snapshot]), clusters_in_use(path)
    run("qemu-img", "snapshot", "-d", "packed", path)
    assert freed == (clusters - clusters_in_use(path)) * 65536


def test_what_changes_a_print(tmp_path: Path) -> None:
    path = layered(tmp_path / "i", "one", "two")
    before = fingerprints(path)
    write(path, "write -q -P 9 2M 64k")
    now = fingerprints(path)
    assert now.active != before.active
    assert now.snapshots == before.snapshots
    run("qemu-img", "snapshot", "-a", "1", path)
    assert fingerprints(path).active.disk == next(iter(before.snapshots.values())).disk
    run("qemu-img", "resize", "-q", path, "8M")
    assert fingerprints(path).active.disk != next(iter(before.snapshots.values())).disk


def test_the_copied_flag_changes_nothing(tmp_path: Path) -> None:
    path = layered(tmp_path / "i", "one")
    before = fingerprints(path)
    table = int(opened(path).cluster_map(None).l1[0]) & ~(1 << 63)
    first = path.read_bytes()[table]
    patch(path, table, bytes((first ^ 0x80,)))
    assert fingerprints(path) == before
    patch(path, table + 6, b"\x42")
    assert fingerprints(path).active != before.active


def test_a_large_disk_costs_what_is_mapped(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 1024 * GIB)
    write(path, "write -q -P 1 1023G 64k")
    take(path, "a")
    write(path, "write -q -P 1 1G 64k")
    found = fingerprints(path)
    assert found.active.disk != found.snapshots[key_of(opened(path).snapshots[0])].disk


@pytest.mark.qemu
def test_a_vm_state_is_a_part_of_its_own(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 4 * MIB)
    drive = f"file={path},format=qcow2,if=virtio,id=disk"
    with Machine(["-M", "pc", "-m", "8", "-nodefaults", "-S", "-drive", drive], marks=False) as machine:
        machine.hmp("savevm first")
        machine.hmp("savevm second")
    first, second = fingerprints(path).snapshots.values()
    assert first.disk == second.disk == fingerprints(path).active.disk
    assert first.state != second.state
    run("qemu-img", "snapshot", "-a", "1", path)  # leaves the VM state's mapping in the active layer, too
    assert fingerprints(path).active.disk == first.disk
    image = opened(path)
    freed, clusters = usage_of(image).freed_by([image.snapshots[1]]), clusters_in_use(path)
    run("qemu-img", "snapshot", "-d", "second", path)
    assert freed == (clusters - clusters_in_use(path)) * 65536


def test_names_out_of_keys(tmp_path: Path) -> None:
    path = layered(tmp_path / "i", "tag: 'x'")
    (key,) = fingerprints(path).snapshots
    assert (id_of(key), tag_of(key), name_of(key)) == ("1", "tag: 'x'", "\"tag: 'x'\" (id 1)")


def test_damage(tmp_path: Path) -> None:
    path = create(tmp_path / "i")
    put_table(path, [table_entry((b"1", b"x"), l1=(1 << 40, 1)), table_entry((b"1", b"x"), l1=(1 << 40, 1))])
    found = fingerprints(path)
    assert isinstance(found, Fingerprints)
    assert [one.disk for one in found.snapshots.values()] == [UNREADABLE, UNREADABLE]
    problems = [problem.message for problem in usage_of(opened(path)).problems]
    assert [text for text in problems if "outside the file" in text and "'x' (id 1)" in text]
    for other in (tmp_path / "none", tmp_path):
        with pytest.raises(ControlError):
            fingerprints(other)
