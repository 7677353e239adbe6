"""The qcow2 header: what is refused, what is only warned of, and feature names."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import pytest

from tests.image.tools import (
    MIB,
    SECRET,
    clusters_in_use,
    create,
    create_encrypted,
    number,
    opened,
    patch,
    run,
    take,
    u32,
    u64,
)
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.usage import usage_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

INCOMPATIBLE_AT, COMPATIBLE_AT, AUTOCLEAR_AT = 72, 80, 88
FEATURE_NAMES, BACKING_FORMAT, DATA_FILE = 0x6803F857, 0xE2792ACA, 0x44415441


def put_extensions(path: Path, *extensions: tuple[int, bytes]) -> None:
    """Replace all header extensions of a version 3 image."""
    raw = b"".join(struct.pack(">II", kind, len(data)) + data + bytes(-len(data) % 8) for kind, data in extensions)
    patch(path, number(path, 100, 4), raw + bytes(8))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = create(tmp_path / "i.qcow2", 4 * MIB)
    take(path, "one")
    return path


def test_a_header_cut_off_at_every_byte(path: Path) -> None:
    whole = path.read_bytes()
    for length in range(16, 104):
        path.write_bytes(whole[:length])
        with pytest.raises(ImageError, match="the qcow2 header is cut off") as raised:
            open_image(path)
        assert raised.value.offset == length
        assert raised.value.path == path


@pytest.mark.parametrize("length", [104, 105, 200, 4096])
def test_a_file_that_ends_behind_the_header(path: Path, length: int) -> None:
    path.write_bytes(path.read_bytes()[:length])
    image = opened(path)
    assert image.virtual_size == 4 * MIB
    assert [problem.message.split(":")[0] for problem in image.problems][-1] == (
        "the disk's L1 table lies outside the file"
    )
    with pytest.raises(ImageError, match="the L1 table lies outside the file"):
        image.disk(None)


@pytest.mark.parametrize(
    ("offset", "data", "message"),
    [
        (4, u32(4), "qcow2 version 4 is not supported"),
        (4, u32(2**32 - 1), "qcow2 version 4294967295 is not supported"),
        (20, u32(8), r"a cluster size of 2\^8 is not possible"),
        (20, u32(22), r"a cluster size of 2\^22 is not possible"),
        (20, u32(2**31), r"a cluster size of 2\^2147483648 is not possible"),
        (96, u32(7), r"refcounts of 2\^7 bits are not possible"),
        (100, u32(103), "a qcow2 header of 103 bytes is not possible"),
        (100, u32(0), "a qcow2 header of 0 bytes is not possible"),
        (100, u32(65537), "a qcow2 header of 65537 bytes is not possible"),
        (4, u32(1), "this is a qcow image of version 1"),
    ],
)
def test_refused(path: Path, offset: int, data: bytes, message: str) -> None:
    patch(path, offset, data)
    with pytest.raises(ImageError, match=message):
        open_image(path)


def test_extended_l2_needs_large_clusters(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 4 * MIB, "cluster_size=8k")
    patch(path, INCOMPATIBLE_AT, u64(16))
    with pytest.raises(ImageError, match="extended L2 entries need clusters of at least 16 KiB"):
        open_image(path)


def test_features_are_named(path: Path) -> None:
    patch(path, INCOMPATIBLE_AT, u64(3) + u64(1 | 1 << 40) + u64(1 | 1 << 63))
    put_extensions(path, (FEATURE_NAMES, struct.pack(">BB46s", 2, 63, b"a new thing") + b"\1\50" + b"n" * 46 + b"rest"))
    image = opened(path)
    facts = dict(image.facts)
    assert facts["Incompatible features"] == "dirty bit, corrupt bit"
    assert facts["Compatible features"] == f"lazy refcounts, {'n' * 46}"
    assert facts["Autoclear features"] == "bitmaps, a new thing"
    assert [problem.message.split(":")[0] for problem in image.problems] == [
        "the image is marked corrupt",
        "the image is marked dirty",
    ]
    assert len(image.snapshots) == 1
    assert image.disk(None).size == 4 * MIB  # a warning, no refusal


@pytest.mark.parametrize(
    ("extensions", "name"),
    [
        ((), "unknown incompatible feature bit 5"),
        (((FEATURE_NAMES, struct.pack(">BB46s", 0, 5, b"quantum clusters")),), "quantum clusters"),
    ],
)
def test_an_unknown_feature_lists_but_refuses_content(
    path: Path, extensions: tuple[tuple[int, bytes], ...], name: str
) -> None:
    patch(path, INCOMPATIBLE_AT, u64(1 << 5))
    put_extensions(path, *extensions)
    image = opened(path)
    message = f"the content cannot be read: it needs features that are not supported: {name}"
    assert [problem.message for problem in image.problems] == [message]
    (snapshot,) = image.snapshots
    for read in (
        lambda: image.disk(None),
        lambda: image.disk(snapshot),
        lambda: image.vm_state(snapshot),
        lambda: image.cluster_map(None),
    ):
        with pytest.raises(ImageError) as raised:
            read()
        assert raised.value.message == message


@pytest.mark.parametrize(
    ("method", "name"), [(1, "AES"), (2, "LUKS"), (3, "unknown method 3"), (2**32 - 1, "unknown method 4294967295")]
)
def test_an_encrypted_image_lists_but_refuses_content(path: Path, method: int, name: str) -> None:
    patch(path, 32, u32(method))
    image = opened(path)
    message = f"the content is encrypted ({name}): only the snapshots can be listed"
    assert [problem.message for problem in image.problems] == [message]
    assert dict(image.facts)["Encryption"] == name
    reads: list[Callable[[], object]] = [lambda: image.disk(image.snapshots[0])]
    reads += [lambda: image.cluster_map(None), lambda: usage_of(image)] if method > 2 else []
    for read in reads:
        with pytest.raises(ImageError) as raised:
            read()
        assert raised.value.message == message
    if method <= 2:
        assert usage_of(image).other == 0


@pytest.mark.qemu
def test_real_luks(tmp_path: Path) -> None:
    path = create_encrypted(tmp_path / "luks")
    opts = f"driver=qcow2,file.driver=file,file.filename={path},encrypt.key-secret=s"
    run("qemu-img", "snapshot", *SECRET, "--image-opts", "-c", "kept", opts)
    image = opened(path)
    assert [one.tag for one in image.snapshots] == ["kept"]
    with pytest.raises(ImageError, match=r"encrypted \(LUKS\)"):
        image.disk(None)
    usage = usage_of(image)  # tables are not encrypted, and the LUKS header has its place
    assert (usage.other, usage.problems, usage.in_use) == (0, (), clusters_in_use(path) * image.cluster_size)
    before = clusters_in_use(path)
    run("qemu-img", "snapshot", *SECRET, "--image-opts", "-d", "kept", opts)
    assert usage.freed_by(image.snapshots) == (before - clusters_in_use(path)) * image.cluster_size


def test_a_damaged_extension_is_a_problem(path: Path) -> None:
    put_extensions(path, (BACKING_FORMAT, b"raw"), (0x12345678, b"unknown ones are fine"))
    assert opened(path).problems == ()
    assert opened(path).header.backing_format == "raw"
    length = number(path, 100, 4)
    patch(path, length + 4, u32(2**32 - 1))
    (problem,) = opened(path).problems
    assert problem.message == "header extension 0xe2792aca is cut off"
    assert problem.offset == length


@pytest.mark.parametrize(("offset", "size"), [(2**40, 5), (65530, 100), (1000, 1024), (2**64 - 1, 2**32 - 1)])
def test_a_backing_name_outside_the_header(path: Path, offset: int, size: int) -> None:
    patch(path, 8, u64(offset) + u32(size))
    image = opened(path)
    assert [problem.message for problem in image.problems] == ["the backing file's name lies outside the header"]
    assert dict(image.facts)["Backing file"] == "not readable"
    with pytest.raises(ImageError, match="has no usable name"):  # and not: zeros where the backing file's data belong
        image.disk(None)


def test_compression_type_against_its_bit(path: Path) -> None:
    patch(path, INCOMPATIBLE_AT, u64(8))
    assert "contradict" in opened(path).problems[0].message


def test_facts(tmp_path: Path) -> None:
    path = create(tmp_path / "i", 3 << 30, "compression_type=zstd", "extended_l2=on", backing=("base.img", "raw"))
    assert opened(path).facts[:8] == (
        ("Format", "qcow2 version 3"),
        ("Virtual size", "3 GiB (3221225472 bytes)"),
        ("File size", f"{path.stat().st_size / 1024:.4g} KiB ({path.stat().st_size} bytes)"),
        ("Cluster size", "64 KiB (65536 bytes)"),
        ("Snapshots", "0"),
        ("Refcount width", "16 bits"),
        ("Compression", "zstd"),
        ("Backing file", "base.img"),
    )
