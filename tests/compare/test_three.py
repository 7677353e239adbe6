from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from tests.compare.test_fields import state
from tests.image.tools import KIB, MIB, create, opened, take, write
from tests.vmstate.layouts import Body, body, scalar, scalars
from tests.vmstate.rams import index_of, stream
from tests.vmstate.streams import page, pattern
from vmsnap_gui.compare.disk import DiskSide, compare_disks
from vmsnap_gui.compare.fields import compare_fields
from vmsnap_gui.compare.outcomes import three_way_fields
from vmsnap_gui.compare.ram import compare_ram
from vmsnap_gui.compare.terms import Outcome
from vmsnap_gui.compare.three import three_way_disk, three_way_pages
from vmsnap_gui.vmstate.fields import to_json

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.vmstate.devices import VMState

TYPE = "uint8"


def told(base: VMState, a: VMState, b: VMState) -> dict[str, tuple[str, object, object, object]]:
    found = three_way_fields(compare_fields(base, a), compare_fields(base, b), compare_fields(a, b))
    return {
        f"{section.name}:{one.path}": (
            one.outcome.word, *(side and to_json(side) for side in (one.base, one.a, one.b)),
        )
        for section in found for one in section.fields
    }  # fmt: skip


def test_fields() -> None:
    def made(*values: int) -> VMState:
        return state(body(*(scalar(name, TYPE, value) for name, value in zip("vwxyz", values, strict=True))))

    assert told(made(1, 1, 1, 1, 1), made(2, 1, 3, 4, 1), made(1, 5, 3, 6, 1)) == {
        "dev:v": ("in_a", 1, 2, 1),
        "dev:w": ("in_b", 1, 1, 5),
        "dev:x": ("both_alike", 1, 3, 3),
        "dev:y": ("both_differently", 1, 4, 6),
    }


def test_what_one_side_lost_and_the_other_changed() -> None:
    def made(value: int | None, more: int = 1) -> VMState:
        sub = () if value is None else (body(scalar("n", TYPE, value), name="dev/s"),)
        return state(body(scalar("x", TYPE, more), subsections=sub))

    found = told(made(1), made(2), made(None))
    assert {path: words[0] for path, words in found.items()} == {
        "dev:dev/s.n": "both_differently", "dev:dev/s": "both_differently",
    }  # fmt: skip
    assert {path: words[0] for path, words in told(made(None), made(1), made(1)).items()} == {"dev:dev/s": "both_alike"}
    assert told(made(None), made(1), made(2))["dev:dev/s"][0] == "both_differently"


def test_sections_that_come_and_go() -> None:
    def dev(name: str) -> Body:
        return body(scalars("v", TYPE, [1, 2]), name=name)

    base, with_new = state(dev("one")), state(dev("one"), dev("new"))
    assert {path: words[0] for path, words in told(base, with_new, base).items()} == {"new:": "in_a"}
    assert {path: words[0] for path, words in told(base, with_new, with_new).items()} == {"new:": "both_alike"}
    assert {path: words[0] for path, words in told(with_new, base, with_new).items()} == {"new:": "in_a"}


def test_pages() -> None:
    def made(*numbers: int) -> bytes:
        records = (page(n * 4096, pattern(one), None if n else "pc.ram") for n, one in enumerate(numbers))
        return stream(b"".join(records))

    base, a, b = (index_of(made(*one)) for one in ((1, 1, 1, 1, 1), (2, 1, 3, 4, 1), (1, 5, 3, 6, 1)))
    found = three_way_pages(compare_ram(base, a), compare_ram(base, b), compare_ram(a, b))
    assert found["pc.ram"][:6].tolist() == [
        Outcome.IN_A, Outcome.IN_B, Outcome.ALIKE, Outcome.DIFFERENTLY, Outcome.NONE, Outcome.NONE,
    ]  # fmt: skip
    assert found["pc.ram"].dtype == np.uint8


def test_disk(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 4 * MIB)
    take(path, "base")
    write(path, "write -q -P 1 0 128k", "write -q -P 1 1M 64k")
    take(path, "a")
    write(path, "write -q -P 2 64k 64k", "write -q -P 3 2M 64k")
    take(path, "b")
    image = opened(path)
    base, a, b = (DiskSide(image, one) for one in image.snapshots)
    found = three_way_disk(compare_disks(base, a), compare_disks(base, b), compare_disks(a, b))
    assert list(zip(found.starts.tolist(), found.lengths.tolist(), found.kinds.tolist(), strict=True)) == [
        (0, 64 * KIB, Outcome.ALIKE),
        (64 * KIB, 64 * KIB, Outcome.DIFFERENTLY),
        (MIB, 64 * KIB, Outcome.ALIKE),
        (2 * MIB, 64 * KIB, Outcome.IN_B),
    ]
    assert not len(three_way_disk(*(compare_disks(a, a),) * 3).starts)
