"""Screens: the first thumbnail of a state with 4 GiB of RAM, all data; of it only the end is read."""

from __future__ import annotations

import functools
import os
import subprocess
from contextlib import closing
from typing import TYPE_CHECKING

from tests.bench.registry import Result, alternate, case
from tests.bench.streams import write_stream
from tests.guest.screen_script import Mode, bochs, disk
from tests.machines import Machine
from vmsnap_gui.guest.screen.thumbnail import thumbnail
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.vmstate.snapshots import open_snapshot

if TYPE_CHECKING:
    from pathlib import Path

_SIZE = (320, 200)
_MODE = Mode("vbe32", bochs(1024, 768, 32), "VBE 1024 × 768 × 32")


@functools.cache
def _stream(scratch: Path) -> Path:
    """Return the stream of a machine with 4 GiB that shows 1024 × 768 pixels of noise."""
    source, big, boot = scratch / "screen.vmstate", scratch / "screen-4G.vmstate", scratch / "boot.raw"
    boot.write_bytes(disk((_MODE,)))
    drive = f"if=ide,format=raw,file={boot}"
    with Machine(["-M", "pc", "-m", "64", "-nodefaults", "-device", "VGA", "-drive", drive]) as machine:
        machine.wait_marks(b"A")
        machine.stop()
        machine.migrate_to(source)
    write_stream(big, source, 4 << 30, layout="data")
    os.sync()
    return big


def _thumbnail(path: Path) -> None:
    with closing(open_image(path)) as image:
        found = thumbnail(open_snapshot(image, image.snapshots[0]), _SIZE)
    if not isinstance(found, bytes):
        raise RuntimeError(f"no thumbnail: {found}")


@case("first thumbnail")
def first(scratch: Path) -> list[Result]:
    """Compare a thumbnail, from opening the file on, with `cat` and with `qemu-img info` of it."""
    path = _stream(scratch)
    ours, cat = alternate(
        lambda: _thumbnail(path), lambda: subprocess.run(["cat", str(path)], stdout=subprocess.DEVNULL, check=True)
    )
    _, info = alternate(
        lambda: None,
        lambda: subprocess.run(["qemu-img", "info", "-f", "raw", str(path)], stdout=subprocess.DEVNULL, check=True),
    )
    figures = f"thumbnail {ours * 1e3:.0f} ms, cat {cat * 1e3:.0f} ms, qemu-img info {info * 1e3:.0f} ms"
    return [
        Result("milliseconds to the first thumbnail: 4 GiB of data pages", figures, ours * 1e3, 500),
        Result("time of it against cat", figures, ours / cat, 0.7),
        Result("time of it against qemu-img info", figures, ours / info, 20),
    ]
