"""What is shown as freed is what QEMU really frees, and the sum is all that is in use, over generated histories."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.image.histories import HISTORIES, make_history
from tests.image.tools import MIB, clusters_in_use, create, number, opened, patch, run, take, write
from vmsnap_gui.image.ancestry import ancestry_of
from vmsnap_gui.image.errors import Cancelled, ImageError
from vmsnap_gui.image.usage import Sizes, Usage, usage_of

if TYPE_CHECKING:
    from pathlib import Path


def parts(usage: Usage) -> int:
    layers = (usage.active, *usage.snapshots)
    return sum(one.exclusive.total for one in layers) + usage.shared.total + usage.metadata + usage.other


@pytest.mark.parametrize("seed", HISTORIES)
def test_frees_are_what_qemu_frees_and_the_sum_is_all(tmp_path: Path, seed: int) -> None:
    history = make_history(tmp_path / "i", seed)
    path = history.path
    image = opened(path)
    usage, before = usage_of(image), clusters_in_use(path)
    assert usage.problems == ()
    assert usage.other == 0
    assert usage.in_use == before * image.cluster_size == parts(usage)
    tags = history.there
    assert [one.snapshot.tag for one in usage.snapshots if one.snapshot is not None] == tags
    for gone in ([tag] for tag in tags), pairwise(tags), [tags]:
        for some in gone:
            freed = usage.freed_by(one for one in image.snapshots if one.tag in some)
            copy = tmp_path / "copy"
            copy.write_bytes(path.read_bytes())
            for tag in some:
                run("qemu-img", "snapshot", "-d", tag, copy)
            assert freed == (before - clusters_in_use(copy)) * image.cluster_size, some
    assert usage.without_snapshots == clusters_in_use(tmp_path / "copy") * image.cluster_size
    for one, layer in zip(image.snapshots, usage.snapshots, strict=True):
        assert usage.freed_by([one]) - layer.exclusive.total in (0, image.cluster_size)  # of the snapshot table
        assert (layer.exclusive.vm_state > 0) == (one.vm_state_size > 0)
    image.close()


def test_an_image_without_snapshots(tmp_path: Path) -> None:
    path = create(tmp_path / "i")
    usage = usage_of(opened(path))
    assert usage.snapshots == ()
    assert usage.active.exclusive == Sizes(tables=65536)
    assert usage.in_use == usage.without_snapshots == parts(usage) == clusters_in_use(path) * 65536


def layered(path: Path, *options: str) -> Path:
    """Create an image: 'one' has 16 clusters, 'two' wrote 4 of them and 2 others anew; then one more was written."""
    create(path, 16 * MIB, *options)
    write(path, "write -q -P 1 0 1M")
    take(path, "one")
    write(path, "write -q -P 2 0 256k", "write -q -P 2 2M 128k")
    take(path, "two")
    write(path, "write -q -P 3 8M 64k")
    return path


def test_who_uses_what(tmp_path: Path) -> None:
    usage = usage_of(opened(layered(tmp_path / "i")))
    one, two = usage.snapshots
    cluster, two_tables = usage.cluster_size, Sizes(tables=2 * 65536)
    assert one.exclusive == Sizes(disk=4 * cluster) + two_tables
    assert two.exclusive == two_tables
    assert usage.active.exclusive == Sizes(disk=cluster) + two_tables
    assert (one.shared, two.shared) == (Sizes(disk=12 * cluster), Sizes(disk=18 * cluster))
    assert usage.shared == Sizes(disk=18 * cluster)
    assert one.new == Sizes(disk=16 * cluster) + two_tables
    assert two.new == Sizes(disk=6 * cluster) + two_tables
    assert usage.active.new == Sizes(disk=cluster) + two_tables
    assert usage.metadata == 4 * cluster  # header, refcount table, its block, snapshot table


@pytest.mark.parametrize("options", [(), ("cluster_size=512",)])
def test_a_file_of_many_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: tuple[str, ...]) -> None:
    image = opened(layered(tmp_path / "i", *options))
    whole = usage_of(image)
    for module in ("usage_count", "usage_groups"):
        monkeypatch.setattr(f"vmsnap_gui.image.{module}.WINDOW", 11)  # instead of a file of terabytes
    cut = usage_of(image)
    assert (cut.active, cut.snapshots, cut.shared) == (whole.active, whole.snapshots, whole.shared)
    assert (cut.metadata, cut.other, cut.in_use, cut.problems) == (whole.metadata, 0, whole.in_use, ())
    assert cut.freed_by(image.snapshots) == whole.freed_by(image.snapshots)


def test_wrong_refcounts(tmp_path: Path) -> None:
    path = layered(tmp_path / "i")
    image = opened(path)
    before = usage_of(image)
    block = number(path, number(path, 48, 8), 8)
    last = path.stat().st_size // 65536 - 1
    patch(path, block + 2 * (last + 1), b"\0\1")  # a cluster behind the end: not in the file, so not counted
    assert usage_of(image).in_use == before.in_use
    patch(path, path.stat().st_size, bytes(65536))
    leaked = usage_of(opened(path))
    assert (leaked.other, leaked.in_use) == (65536, before.in_use + 65536)
    assert leaked.problems == ()
    host = int(opened(path).cluster_map(opened(path).snapshots[0]).window(0).entries[0]) & (1 << 56) - 1
    patch(path, block + host // 65536 * 2, b"\0\2")  # of 'one', and of nobody: deleting does not free it
    more = usage_of(opened(path))
    first = opened(path).snapshots[0]
    assert more.freed_by([first]) == leaked.freed_by([first]) - 65536
    assert parts(more) == more.in_use == leaked.in_use
    patch(path, block + host // 65536 * 2, b"\0\0")
    assert [problem.message for problem in usage_of(opened(path)).problems] == ["clusters whose refcount is too low: 1"]


def test_it_can_be_cancelled(tmp_path: Path) -> None:
    path = layered(tmp_path / "i")
    seen: list[tuple[int, int]] = []

    def stop(done: int, total: int) -> None:
        seen.append((done, total))
        raise Cancelled

    for work in (usage_of, ancestry_of):
        with pytest.raises(Cancelled):
            work(opened(path), progress=stop)
    assert len(seen) == 2
    assert all(0 < done <= total for done, total in seen)


def test_snapshots_of_another_image(tmp_path: Path) -> None:
    ours, others = opened(layered(tmp_path / "i")), opened(layered(tmp_path / "j"))
    with pytest.raises(ImageError, match="is not one of those that were counted"):
        usage_of(ours).freed_by(others.snapshots)
    assert usage_of(ours).freed_by([]) == 0
