"""The list of snapshots is what qemu-img says, for all samples and for every kind of image that qemu-img makes."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from tests import samples
from tests.image.tools import (
    ENTRY,
    MIB,
    create,
    info,
    number,
    opened,
    patch,
    put_table,
    run,
    table_entry,
    take,
    u32,
    u64,
    write,
)
from vmsnap_gui.image.containers import Image, select_snapshot
from vmsnap_gui.image.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def assert_like_qemu_img(path: Path) -> None:
    """Compare every value that qemu-img and we both give."""
    told = info(path)
    image = opened(path)
    assert image.format == told["format"]
    assert image.virtual_size == told["virtual-size"]
    assert image.cluster_size == told["cluster-size"]
    listed = [
        {
            "id": one.id,
            "name": one.tag,
            "date-sec": one.date_sec,
            "date-nsec": one.date_nsec,
            "vm-clock-sec": (one.vm_clock_ns or 0) // 10**9,
            "vm-clock-nsec": (one.vm_clock_ns or 0) % 10**9,
            "vm-state-size": one.vm_state_size,
            **({} if one.icount is None else {"icount": one.icount}),
        }
        for one in image.snapshots
    ]
    assert listed == told.get("snapshots", [])
    specific = told["format-specific"]["data"]
    header = image.header
    assert {2: "0.10", 3: "1.1"}[header.version] == specific["compat"]
    assert 1 << header.refcount_order == specific["refcount-bits"]
    assert ("zlib", "zstd")[header.compression] == specific["compression-type"]
    assert header.extended_l2 == specific.get("extended-l2", False)
    assert bool(header.compatible & 1) == specific.get("lazy-refcounts", False)
    assert header.backing_file == told.get("backing-filename")
    assert header.backing_format == told.get("backing-filename-format")
    assert header.data_file == specific.get("data-file")
    assert header.bitmaps == len(specific.get("bitmaps", ()))
    assert image.problems == ()
    image.close()


@pytest.mark.parametrize("name", samples.QCOW2)
def test_samples(name: str) -> None:
    assert_like_qemu_img(samples.sample(name))


@pytest.mark.parametrize("compat", ["0.10", "1.1"])
@pytest.mark.parametrize("bits", range(9, 22))
def test_each_cluster_size(tmp_path: Path, bits: int, compat: str) -> None:
    path = create(tmp_path / "i", 4 * MIB, f"cluster_size={1 << bits}", f"compat={compat}")
    take(path, "one")
    write(path, "write -q -P 7 0 64k")
    take(path, "two")
    assert_like_qemu_img(path)


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16, 32, 64])
def test_each_refcount_width(tmp_path: Path, bits: int) -> None:
    path = create(tmp_path / "i", 4 * MIB, f"refcount_bits={bits}")
    if bits > 1:  # one bit cannot count a snapshot
        take(path, "one")
    assert_like_qemu_img(path)


@pytest.mark.parametrize(
    "options",
    [
        ("compression_type=zstd",),
        ("extended_l2=on",),
        ("extended_l2=on", "cluster_size=16k"),
        ("lazy_refcounts=on",),
        ("preallocation=metadata",),
    ],
)
def test_each_feature(tmp_path: Path, options: tuple[str, ...]) -> None:
    path = create(tmp_path / "i", 4 * MIB, *options)
    take(path, "one", "two")
    assert_like_qemu_img(path)


def test_with_backing_file_data_file_and_bitmaps(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 4 * MIB, backing=("unter lage.raw", "raw"))
    (tmp_path / "unter lage.raw").write_bytes(bytes(MIB))
    take(path, "one")
    assert_like_qemu_img(path)
    with_data = create(tmp_path / "d", 4 * MIB, f"data_file={tmp_path / 'd.raw'}", "data_file_raw=on")
    assert_like_qemu_img(with_data)
    with_bitmaps = create(tmp_path / "b", 4 * MIB)
    run("qemu-img", "bitmap", "--add", with_bitmaps, "first")
    run("qemu-img", "bitmap", "--add", with_bitmaps, "second")
    assert_like_qemu_img(with_bitmaps)


def test_300_snapshots(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 4 * MIB)
    entries = [
        table_entry(
            (str(index + 1).encode(), f"state {index}".encode()),
            l1=(number(path, 40, 8), 1),
            date=(1_600_000_000 + index, index),
            extra=struct.pack(">QQQ", index * MIB, 4 * MIB, index),
        )
        for index in range(300)
    ]
    put_table(path, entries)
    assert len(opened(path).snapshots) == 300
    assert_like_qemu_img(path)


TAGS = ("", "1", "7", "same", "same", "-x", "--all", "a b/c\n\td", "日本語 é 🖥", "x" * 255, "id:1", "NUL after", " ")


def test_odd_tags(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 4 * MIB)
    take(path, *TAGS)
    assert [one.tag for one in opened(path).snapshots] == list(TAGS)
    assert_like_qemu_img(path)


def test_names_longer_than_qemu_shows_are_whole(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 4 * MIB)
    id_, tag = b"9" * 300, ("é" * 32767).encode() + b"!"
    put_table(path, [table_entry((id_, tag)), table_entry((b"2", b"after"))])
    first, second = opened(path).snapshots
    assert (first.id, first.tag) == (id_.decode(), tag.decode())
    assert len(tag) == 65535
    assert (second.id, second.tag) == ("2", "after")
    told = info(path)["snapshots"]
    assert tag.decode().startswith(told[0]["name"].rstrip("\ufffd"))


def test_names_that_are_no_utf8_survive(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 4 * MIB)
    put_table(path, [table_entry((b"\xff\xfe", b"caf\xe9\0x"))])
    (only,) = opened(path).snapshots
    assert only.tag is not None
    assert only.id is not None
    assert only.id.encode("utf-8", "surrogateescape") == b"\xff\xfe"
    assert only.tag.encode("utf-8", "surrogateescape") == b"caf\xe9\0x"


ALL_EXTRA = struct.pack(">QQQ", 5 << 32, 3 * MIB, 77)


@pytest.mark.parametrize("size", [*range(25), 32, 1000])
def test_extra_data_as_far_as_it_reaches(tmp_path: Path, size: int) -> None:
    path = create(tmp_path / "i", 4 * MIB)
    extra = (ALL_EXTRA + bytes(range(256)) * 4)[:size]
    put_table(path, [table_entry((b"1", b"x"), state_size=123, extra=extra), table_entry((b"2", b"y"))])
    first, second = opened(path).snapshots
    assert first.vm_state_size == (5 << 32 if size >= 8 else 123)
    assert first.disk_size == (3 * MIB if size >= 16 else 4 * MIB)
    assert first.icount == (77 if size >= 24 else None)
    assert (second.id, second.tag) == ("2", "y")
    assert_like_qemu_img(path)


def test_more_extra_data_than_qemu_takes(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 4 * MIB)
    put_table(path, [table_entry((b"1", b"x"), extra=ALL_EXTRA + bytes(5000)), table_entry((b"2", b"y"))])
    assert [(one.id, one.icount) for one in opened(path).snapshots] == [("1", 77), ("2", None)]


def test_no_icount_is_none(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 4 * MIB)
    put_table(path, [table_entry((b"1", b"x"), extra=struct.pack(">QQQ", 0, 0, 2**64 - 1))])
    assert opened(path).snapshots[0].icount is None
    assert_like_qemu_img(path)


def test_odd_virtual_size_counts_whole_sectors(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 4 * MIB)
    patch(path, 24, u64(3 * MIB + 777))
    assert_like_qemu_img(path)


def test_table_cut_off_at_every_byte(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 4 * MIB)
    entries = [
        table_entry((b"1", b"one"), extra=ALL_EXTRA),
        table_entry((b"22", b"two")),
        table_entry((b"3", b"three"), extra=b"12345678"),
    ]
    at = put_table(path, entries)
    whole = path.read_bytes()
    # where the bytes that matter of each entry end: padding may be missing
    ends = [sum(map(len, entries[:i])) + len(entries[i].rstrip(b"\0")) for i in range(3)]
    for length in range(len(whole) - at):
        path.write_bytes(whole[: at + length])
        image = opened(path)
        expected = sum(end <= length for end in ends)
        assert [one.id for one in image.snapshots] == ["1", "22", "3"][:expected], length
        texts = [problem.message for problem in image.problems]
        if expected < 3:
            assert texts == [f"the snapshot table is cut off: {expected} of 3 snapshots can be read"]
        else:
            assert texts == []
        image.close()


@pytest.mark.parametrize(("count", "listed"), [(5, 2), (2**32 - 1, 2)])
def test_a_count_that_is_not_true(tmp_path: Path, count: int, listed: int) -> None:
    path = create(tmp_path / "i", 4 * MIB)
    put_table(path, [table_entry((b"1", b"x")), table_entry((b"2", b"y"))], count)
    image = opened(path)
    assert len(image.snapshots) == listed
    assert [problem.message for problem in image.problems] == [
        f"the snapshot table is cut off: {listed} of {count} snapshots can be read"
    ]
    assert ("Snapshots", f"{listed} of {count} can be read") in image.facts


def test_more_snapshots_than_possible(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 4 * MIB)
    at = put_table(path, [table_entry((b"1", b"x"))], 70000)
    with path.open("r+b") as file:
        file.truncate(at + 70000 * ENTRY.size)
    image = opened(path)
    assert len(image.snapshots) == 65536
    assert "promises 70000" in image.problems[0].message


@pytest.mark.parametrize("at", [0, 2**63 - 8, 2**64 - 8, 2**64 - 1])
def test_a_table_nowhere(tmp_path: Path, at: int) -> None:
    path = create(tmp_path / "i", 4 * MIB)
    patch(path, 60, u32(3) + u64(at))
    image = opened(path)  # what stands in the header read as a table is nonsense, but no crash
    assert len(image.snapshots) <= 3
    if at:
        assert [problem.offset for problem in image.problems] == [-(-at // 8) * 8]


def test_an_l1_table_outside_the_file_is_told(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 4 * MIB)
    put_table(path, [table_entry((b"1", b"x"), l1=(1 << 40, 1)), table_entry((b"2", b"y"), l1=(0x30000, 2**32 - 1))])
    (problem,) = opened(path).problems
    assert problem.message == "the L1 tables of 2 snapshots lie outside the file: id '1' tag 'x', id '2' tag 'y'"


class TestSelect:
    @pytest.fixture
    def image(self, tmp_path: Path) -> Image:
        path = create(tmp_path / "i", 4 * MIB)
        put_table(
            path,
            [
                table_entry((b"1", b"clean")),
                table_entry((b"2", b"1")),
                table_entry((b"3", b"same")),
                table_entry((b"4", b"same")),
                table_entry((b"5", b"5")),
                table_entry((b"6", b"id:3")),
                table_entry((b"7", b"")),
            ],
        )
        return opened(path)

    @pytest.mark.parametrize(
        ("selector", "id_"),
        [
            ("clean", "1"),
            ("id:1", "1"),
            ("tag:1", "2"),
            ("2", "2"),
            ("5", "5"),
            ("id:3", "3"),
            ("tag:id:3", "6"),
            ("tag:", "7"),
            ("", "7"),
        ],
    )
    def test_finds(self, image: Image, selector: str, id_: str) -> None:
        assert select_snapshot(image, selector).id == id_

    @pytest.mark.parametrize(
        ("selector", "message"),
        [
            ("1", "'1' can mean more than one snapshot: id '1' tag 'clean', id '2' tag '1'"),
            ("same", "'same' can mean more than one snapshot: id '3' tag 'same', id '4' tag 'same'"),
            ("tag:same", "'tag:same' can mean more than one snapshot: id '3' tag 'same', id '4' tag 'same'"),
            ("id:clean", "no snapshot is called 'id:clean'; there are: id '1' tag 'clean', id '2' tag '1', "),
            ("nope", "no snapshot is called 'nope'; there are: id '1'"),
        ],
    )
    def test_lists_the_candidates(self, image: Image, selector: str, message: str) -> None:
        with pytest.raises(ImageError) as raised:
            select_snapshot(image, selector)
        assert raised.value.message.startswith(message)

    def test_an_image_without_snapshots(self, tmp_path: Path) -> None:
        with pytest.raises(ImageError, match="there are none in this image"):
            select_snapshot(opened(create(tmp_path / "e")), "x")
