"""What is shown as freed is what QEMU really frees, and the sum is all that is in use, over generated histories."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from tests.image.histories import HISTORIES, make_history
from tests.image.tools import clusters_in_use, create, opened, run
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
