"""Real images from the real qemu-img, and patches where QEMU's tools would not go."""

from __future__ import annotations

import json
import random
import struct
import subprocess
from array import array
from typing import TYPE_CHECKING, Any

from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.qcow2 import Qcow2Image

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.image.byteview import ByteView
    from vmsnap_gui.image.containers import Consent

KIB, MIB, GIB = 1 << 10, 1 << 20, 1 << 30

L1_OFFSET_AT, L1_SIZE_AT, COUNT_AT, TABLE_AT = 40, 36, 60, 64
ENTRY = struct.Struct(">QIHHIIQII")
"""The fixed part of an entry of the snapshot table."""


def run(*words: object) -> str:
    """Run a program and return what it says; a failure fails the test with its words."""
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stderr}{done.stdout}"
    return done.stdout


def create(path: Path, size: int = 4 * MIB, *options: str, backing: tuple[str, str] | None = None) -> Path:
    """Create a qcow2 image with the given `-o` options; backing is (name, format)."""
    words = ["qemu-img", "create", "-q", "-f", "qcow2"]
    words += ["-o", ",".join(options)] if options else []
    words += ["-b", backing[0], "-F", backing[1], "-u"] if backing else []
    run(*words, path, *([size] if size else []))
    return path


SECRET = ("--object", "secret,id=s,data=abc")
"""Options of QEMU's tools for the key of `create_encrypted`, whose id is s."""


def create_encrypted(path: Path, size: int = MIB) -> Path:
    """Create a qcow2 image whose content is encrypted (LUKS)."""
    options = "encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10"
    words = ["qemu-img", "create", "-q", *SECRET, "-f", "qcow2", "-o", options, str(path), str(size)]
    for _ in range(100):  # QEMU gives up where its trial of the key derivation fits between two clock ticks
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if "accurate CPU usage" not in done.stderr:
            break
    assert done.returncode == 0, done.stderr
    return path


def write(path: Path, *commands: str) -> None:
    """Run qemu-io commands on a qcow2 image (`write -P 17 0 64k`)."""
    words = [word for command in commands for word in ("-c", command)]
    done = run("qemu-io", "-f", "qcow2", *words, path)
    assert "error" not in done.lower(), done


def write_noise(path: Path, places: list[tuple[int, int]], seed: int = 1) -> None:
    """Write random bytes at (offset, length) places, 512-byte aligned."""
    noise = random.Random(seed)
    source = path.with_suffix(".noise")
    for offset, length in places:
        source.write_bytes(noise.randbytes(length))
        write(path, f"write -q -s {source} {offset} {length}")
    source.unlink()


def take(path: Path, *tags: str) -> None:
    """Take snapshots of the disk, one for each tag."""
    for tag in tags:
        run("qemu-img", "snapshot", "-c", tag, path)


def info(path: Path) -> dict[str, Any]:
    """Return what qemu-img says about an image."""
    found: dict[str, Any] = json.loads(run("qemu-img", "info", "-U", "--output=json", "-f", "qcow2", path))
    return found


def converted(path: Path, snapshot_id: str | None = None) -> bytes:
    """Return the disk's content as qemu-img reads it."""
    target = path.with_suffix(".raw-copy")
    which = ["-l", f"snapshot.id={snapshot_id}"] if snapshot_id is not None else []
    run("qemu-img", "convert", "-U", "-f", "qcow2", "-O", "raw", *which, path, target)
    content = target.read_bytes()
    target.unlink()
    return content


def opened(path: Path, consent: Consent | None = None) -> Qcow2Image:
    """Open a qcow2 image."""
    image = open_image(path, consent=consent)
    assert isinstance(image, Qcow2Image)
    return image


def content(view: ByteView, step: int = 1 * MIB) -> bytes:
    """Read all of a view, in steps."""
    return b"".join(view.read(at, min(step, view.size - at)) for at in range(0, view.size, step))


def clusters_in_use(path: Path) -> int:
    """Return how many clusters have a refcount, by a reader that shares nothing with the package."""
    data = path.read_bytes()
    (version,) = struct.unpack_from(">I", data, 4)
    (bits,) = struct.unpack_from(">I", data, 20)
    table_at, table_clusters = struct.unpack_from(">QI", data, 48)
    width = 1 << struct.unpack_from(">I", data, 96)[0] if version > 2 else 16
    blocks = struct.unpack_from(f">{table_clusters << bits >> 3}Q", data, table_at)
    found = 0
    for block in (data[at : at + (1 << bits)] for at in blocks if at):
        if width < 8:
            found += sum(bool(byte >> low & (1 << width) - 1) for byte in block for low in range(0, 8, width))
        else:
            counts = array({8: "B", 16: "H", 32: "I", 64: "Q"}[width], block)
            found += len(counts) - counts.count(0)
    return found


def patch(path: Path, offset: int, data: bytes) -> None:
    """Overwrite bytes of a file, as no tool would."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(data)


def u32(value: int) -> bytes:
    return struct.pack(">I", value)


def u64(value: int) -> bytes:
    return struct.pack(">Q", value)


def number(path: Path, offset: int, size: int) -> int:
    """Read a big-endian number out of a file."""
    with path.open("rb") as file:
        file.seek(offset)
        return int.from_bytes(file.read(size), "big")


def table_entry(
    name: tuple[bytes, bytes],
    *,
    l1: tuple[int, int] = (0, 0),
    date: tuple[int, int] = (1_700_000_000, 5),
    clock: int = 12_345_678_901,
    state_size: int = 0,
    extra: bytes = b"",
) -> bytes:
    """Return an entry of a snapshot table; name is (id, tag)."""
    id_, tag = name
    fixed = ENTRY.pack(*l1, len(id_), len(tag), *date, clock, state_size, len(extra))
    entry = fixed + extra + id_ + tag
    return entry + bytes(-len(entry) % 8)


def put_table(path: Path, entries: list[bytes], count: int | None = None) -> int:
    """Write a snapshot table behind the end of an image and make the header point to it; return its offset."""
    at = -(-path.stat().st_size // MIB) * MIB  # aligned for all cluster sizes up to 1 MiB
    patch(path, at, b"".join(entries))
    patch(path, COUNT_AT, u32(len(entries) if count is None else count) + u64(at))
    return at


def extra_at(path: Path, index: int = 0) -> int:
    """Return the offset of the extra data of a snapshot's entry."""
    at = number(path, TABLE_AT, 8)
    for _ in range(index):
        entry = ENTRY.unpack((path.read_bytes())[at : at + ENTRY.size])
        at += ENTRY.size + entry[8] + entry[2] + entry[3]
        at += -at % 8
    return at + ENTRY.size
