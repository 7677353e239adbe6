"""Backing files and external data files: opened after consent only, and never round in a circle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.image.tools import (
    KIB,
    MIB,
    content,
    converted,
    create,
    opened,
    patch,
    put_table,
    run,
    table_entry,
    take,
    u64,
    write,
    write_noise,
)
from vmsnap_gui.image.containers import Reference
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.qcow2_chain import MAX_DEPTH, named_path

if TYPE_CHECKING:
    from pathlib import Path

SIZE = 2 * MIB


def yes(path: Path, kind: Reference) -> bool:
    del path, kind
    return True


class Asked:
    """A consent that remembers what it was asked, and refuses what ends with `refuse`."""

    def __init__(self, refuse: str | None = None) -> None:
        self.questions: list[tuple[Path, Reference]] = []
        self._refuse = refuse

    def __call__(self, path: Path, kind: Reference) -> bool:
        self.questions.append((path, kind))
        return self._refuse is None or path.name != self._refuse


@pytest.fixture
def chain(tmp_path: Path) -> Path:
    """Raw base, a smaller qcow2 on it, and a larger one on top with a snapshot."""
    base = tmp_path / "base.raw"
    base.write_bytes(bytes(range(256)) * (MIB // 256) + b"end of base, not a whole sector")
    middle = create(tmp_path / "middle.qcow2", SIZE, "cluster_size=4k", backing=("base.raw", "raw"))
    write_noise(middle, [(100 * KIB, 30 * KIB), (MIB + 64 * KIB, 4 * KIB)])
    top = create(tmp_path / "top.qcow2", 3 * MIB, "extended_l2=on", backing=("middle.qcow2", "qcow2"))
    write_noise(top, [(110 * KIB, 2 * KIB), (2 * MIB + 512, 3 * KIB)], seed=2)
    take(top, "one")
    write(top, "write -q -P 1 0 4k", "write -q -z 8k 64k")
    return top


def test_content_through_a_chain(chain: Path) -> None:
    asked = Asked()
    image = opened(chain, asked)
    assert asked.questions == []  # listing asks nothing
    assert content(image.disk(None)) == converted(chain)
    assert content(image.disk(image.snapshots[0])) == converted(chain, "1")
    folder = chain.parent
    assert asked.questions == [
        (folder / "middle.qcow2", Reference.BACKING),
        (folder / "base.raw", Reference.BACKING),
    ]


@pytest.mark.parametrize("refused", ["middle.qcow2", "base.raw"])
def test_without_consent(chain: Path, refused: str) -> None:
    image = opened(chain, Asked(refused))
    with pytest.raises(ImageError) as raised:
        image.disk(None)
    path = chain.parent / refused
    assert raised.value.message == f"this needs the backing file '{path}', which may not be opened unasked"


def test_nobody_to_ask(chain: Path) -> None:
    image = opened(chain)
    with pytest.raises(ImageError, match="may not be opened unasked"):
        image.disk(None)
    assert len(image.snapshots) == 1
    assert image.cluster_map(None).window(0).entries.any()  # metadata need nobody's consent


def test_changes_below_are_seen(chain: Path) -> None:
    image = opened(chain, yes)
    image.disk(None)
    assert not image.changed()
    base = chain.parent / "base.raw"
    base.write_bytes(base.read_bytes() + b"more")
    assert image.changed()


def test_a_circle(tmp_path: Path) -> None:
    path = create(tmp_path / "a", SIZE, backing=("b", "qcow2"))
    create(tmp_path / "b", SIZE, backing=("a", "qcow2"))
    with pytest.raises(ImageError, match=f"the backing file '{path}' leads back to itself"):
        opened(path, yes).disk(None)
    own = create(tmp_path / "own", SIZE, backing=("own", "qcow2"))
    with pytest.raises(ImageError, match="leads back to itself"):
        opened(own, yes).disk(None)


def test_a_long_chain(tmp_path: Path) -> None:
    base = tmp_path / "0"
    base.write_bytes(b"base".ljust(512, b"."))
    for number in range(1, MAX_DEPTH + 2):
        create(tmp_path / str(number), 512, backing=(str(number - 1), "raw" if number == 1 else "qcow2"))
    assert opened(tmp_path / str(MAX_DEPTH), yes).disk(None).read(0, 5) == b"base."
    with pytest.raises(ImageError, match=f"its chain of backing files is longer than {MAX_DEPTH}"):
        opened(tmp_path / str(MAX_DEPTH + 1), yes).disk(None)


@pytest.mark.parametrize(
    "name", ["json:{}", "nbd://localhost/x", "fuse:x", "http:x", "rbd:pool/x", "json:/etc/passwd", ":x", "file:nbd:x"]
)
def test_names_that_are_no_files(tmp_path: Path, name: str) -> None:
    asked = Asked()
    path = create(tmp_path / "i", SIZE, backing=(name, "raw"))
    with pytest.raises(ImageError, match="is no plain file; such names are not followed"):
        opened(path, asked).disk(None)
    assert asked.questions == []


def test_where_names_lead(tmp_path: Path) -> None:
    image = tmp_path / "folder" / "i"
    for name, expected in (
        ("base", tmp_path / "folder" / "base"),
        ("file:base", tmp_path / "folder" / "base"),
        ("sub/a:b", tmp_path / "folder" / "sub" / "a:b"),
        ("/abs", type(tmp_path)("/abs")),
    ):
        assert named_path(image, name, Reference.BACKING) == expected
    for name in ("", "file:", "a\0b"):
        with pytest.raises(ImageError, match="no usable name"):
            named_path(image, name, Reference.DATA)


def test_a_backing_file_that_is_no_file(tmp_path: Path) -> None:
    path = create(tmp_path / "i", SIZE, backing=("gone", "raw"))
    with pytest.raises(ImageError, match="there is no such file") as raised:
        opened(path, yes).disk(None)
    assert raised.value.path == tmp_path / "gone"
    path = create(tmp_path / "j", SIZE, backing=("/dev/zero", "raw"))
    with pytest.raises(ImageError, match="this is a character device"):
        opened(path, yes).disk(None)


def test_other_formats(tmp_path: Path) -> None:
    run("qemu-img", "create", "-q", "-f", "vmdk", tmp_path / "base.vmdk", "1M")
    path = create(tmp_path / "i", SIZE, backing=("base.vmdk", "vmdk"))
    with pytest.raises(ImageError, match="backing files of format 'vmdk' are not read"):
        opened(path, yes).disk(None)


def test_raw_means_raw(tmp_path: Path) -> None:
    """A guest that wrote a qcow2 header on its raw disk must not get other files read."""
    evil = create(tmp_path / "evil", SIZE, backing=("secret", "raw"))
    asked = Asked()
    view = opened(create(tmp_path / "i", SIZE, backing=("evil", "raw")), asked).disk(None)
    assert view.read(0, 4096) == evil.read_bytes()[:4096]
    assert asked.questions == [(evil, Reference.BACKING)]


@pytest.mark.parametrize("kind", ["qcow2", "raw"])
def test_no_format_given(tmp_path: Path, kind: str) -> None:
    base = tmp_path / "base"
    run("qemu-img", "create", "-q", "-f", kind, base, SIZE)
    run("qemu-io", "-f", kind, "-c", "write -q -P 5 0 1M", base)
    path = create(tmp_path / "i", SIZE, backing=("base", kind))
    whole = path.read_bytes()
    patch(path, whole.index(b"\xe2\x79\x2a\xca"), b"\x11\x22\x33\x44")  # an extension that means nothing
    image = opened(path, yes)
    assert image.header.backing_format is None
    assert image.disk(None).read(0, SIZE) == b"\5" * MIB + bytes(MIB)


class TestDataFile:
    @pytest.mark.parametrize("raw", ["on", "off"])
    def test_content(self, tmp_path: Path, raw: str) -> None:
        path = create(tmp_path / "i", SIZE, f"data_file={tmp_path / 'data'}", f"data_file_raw={raw}")
        write_noise(path, [(0, 64 * KIB), (MIB, 5 * KIB)])
        write(path, "write -q -z 64k 64k")
        asked = Asked()
        assert content(opened(path, asked).disk(None)) == converted(path)
        assert asked.questions == [(tmp_path / "data", Reference.DATA)]

    def test_without_consent(self, tmp_path: Path) -> None:
        path = create(tmp_path / "i", SIZE, f"data_file={tmp_path / 'data'}")
        image = opened(path)
        with pytest.raises(ImageError) as raised:
            image.disk(None)
        assert raised.value.message == (
            f"this needs the external data file '{tmp_path / 'data'}', which may not be opened unasked"
        )
        write(path, "write -q -P 1 0 64k")
        assert opened(path).cluster_map(None).window(0).entries[0] == 1 << 63  # host offset 0 is a real one

    def test_relative_name(self, tmp_path: Path) -> None:
        path = create(tmp_path / "i", SIZE, f"data_file={tmp_path / 'data'}")
        write(path, "write -q -P 1 0 64k")
        whole = path.read_bytes()
        name = str(tmp_path / "data").encode()
        at = whole.index(name)
        patch(path, at, b"./" * ((len(name) - 4) // 2) + b"/" * (len(name) % 2) + b"data")
        assert opened(path, yes).disk(None).read(0, 64 * KIB) == b"\1" * (64 * KIB)

    def test_a_compressed_cluster_is_impossible_there(self, tmp_path: Path) -> None:
        path = create(tmp_path / "i", SIZE, f"data_file={tmp_path / 'data'}")
        write(path, "write -q -P 1 0 64k")
        image = opened(path, yes)
        table = int(image.cluster_map(None).l1[0]) & (1 << 56) - 1
        patch(path, table, u64(1 << 62))
        with pytest.raises(ImageError, match="makes no sense"):
            opened(path, yes).disk(None).read(0, 1)

    def test_a_snapshot_in_such_an_image(self, tmp_path: Path) -> None:
        """QEMU makes none; one that somebody made is read through the data file, VM state and all."""
        path = create(tmp_path / "i", SIZE, f"data_file={tmp_path / 'data'}")
        write(path, "write -q -P 1 0 64k")
        image = opened(path)
        l1 = (image.header.l1_offset, image.header.l1_size)
        put_table(path, [table_entry((b"1", b"x"), l1=l1, state_size=5)])
        image = opened(path, yes)
        (snapshot,) = image.snapshots
        assert image.disk(snapshot).read(0, 4) == b"\1\1\1\1"
        with pytest.raises(ImageError, match="is not mapped"):
            image.vm_state(snapshot)

    def test_no_name(self, tmp_path: Path) -> None:
        path = create(tmp_path / "i", SIZE)
        patch(path, 72, u64(4))
        with pytest.raises(ImageError, match="its external data file is not named"):
            opened(path, yes).disk(None)
