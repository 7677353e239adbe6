"""The demo image: what comes with the program, unpacked, read, and still alive in a real QEMU."""

from __future__ import annotations

import hashlib
import json
import lzma
from typing import TYPE_CHECKING, Any

import pytest

from tests.end2end.states import assert_all_bytes_covered, assert_same, ram_of, show, vmsnap
from tests.machines import Machine
from tests.machines.guests import disk_options
from vmsnap_gui import demo
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.resources import resource

if TYPE_CHECKING:
    from pathlib import Path

TAGS = ["booted", "drawing", "half-way", "finished"]
COUNTERS = 1 << 20
ROW, TICKS, WRITES, STATE = 48, 56, 60, 72


@pytest.fixture
def image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return demo.demo_image()


def facts() -> dict[str, Any]:
    found = json.loads(resource("demo/demo.json").read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def counter(image: Path, tag: str, offset: int) -> int:
    index = ram_of(image, tag)
    return int.from_bytes(index.read(index.block("pc.ram"), COUNTERS + offset, 4), "little")


def test_it_is_unpacked_into_the_users_cache(image: Path, tmp_path: Path) -> None:
    assert image.is_relative_to(tmp_path / "cache")
    assert image.stat().st_size == facts()["size"]
    assert hashlib.sha256(image.read_bytes()).hexdigest() == facts()["sha256"]
    assert [path.name for path in image.parent.iterdir()] == ["demo.qcow2"]
    assert resource("demo/demo.qcow2.xz").stat().st_size < 2 << 20


def test_an_intact_copy_is_used_again(image: Path) -> None:
    before = image.stat()
    assert demo.demo_image() == image
    after = image.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


@pytest.mark.parametrize("damage", [b"", b"x", b"same size"], ids=["empty", "cut", "changed"])
def test_a_copy_that_was_changed_is_replaced(image: Path, damage: bytes) -> None:
    whole = image.read_bytes()
    with image.open("rb") as held:
        image.unlink()
        image.write_bytes(damage + whole[len(damage) :] if damage == b"same size" else damage)
        assert demo.demo_image().read_bytes() == whole
        assert held.read() == whole


def test_a_cache_that_cannot_be_written_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.raises(ImageError, match="the demo image cannot be set up"):
        demo.demo_image()


@pytest.mark.parametrize("packed", [b"", b"no xz", lzma.compress(b"too short"), lzma.compress(bytes(8 << 20))])
def test_a_damaged_resource_is_told(packed: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "demo.json").write_bytes(resource("demo/demo.json").read_bytes())
    (tmp_path / "demo.qcow2.xz").write_bytes(packed)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(demo, "resource", lambda path: tmp_path / path.removeprefix("demo/"))
    with pytest.raises(ImageError, match="the demo image cannot be set up"):
        demo.demo_image()
    assert not list((tmp_path / "cache").rglob("*.qcow2"))


def test_its_snapshots_are_four_moments_of_one_guest(image: Path) -> None:
    (listed,) = vmsnap("list", image)
    assert listed["problems"] == []
    assert [snapshot["tag"] for snapshot in listed["snapshots"]] == TAGS == facts()["tags"]
    clocks = [snapshot["vm_clock_ns"] for snapshot in listed["snapshots"]]
    assert clocks == sorted(clocks)
    assert [counter(image, tag, STATE) for tag in TAGS] == [0, 1, 1, 2]
    rows = [counter(image, tag, ROW) for tag in TAGS]
    assert rows == sorted(rows)
    assert (rows[0], rows[-1]) == (0, 384)
    for offset in (TICKS, WRITES):
        values = [counter(image, tag, offset) for tag in TAGS]
        assert values == sorted(set(values))


@pytest.mark.parametrize("tag", TAGS)
def test_each_of_its_states_is_described_to_the_last_byte(image: Path, tag: str) -> None:
    tail, forward = show(image, tag, "--spans"), show(image, tag, "--spans", "--forward")
    assert tail["problems"] == []
    assert_same(tail, forward)
    assert_all_bytes_covered(tail)
    assert all(section["described"] for section in tail["sections"] if section["type"] == "full")


@pytest.mark.qemu
def test_its_guest_goes_on_from_a_snapshot(image: Path, tmp_path: Path) -> None:
    """In a QEMU with its own firmware and without ours: the state brings all it needs."""
    disk = [*disk_options(image, "disk0"), "-device", f"{facts()['disk']},drive=disk0"]
    with Machine([*facts()["machine"][1:], "-S", *disk]) as machine:
        machine.snapshot_load("half-way", vmstate="disk0", devices=["disk0"])
        row = int.from_bytes(machine.memory(COUNTERS + ROW, 4), "little")
        assert row == counter(image, "half-way", ROW)
        machine.resume()
        machine.wait_marks(b"F")
        machine.stop()
        assert int.from_bytes(machine.memory(COUNTERS + ROW, 4), "little") == 384
        machine.screendump(tmp_path / "screen.png")
    assert (tmp_path / "screen.png").read_bytes().startswith(b"\x89PNG")
