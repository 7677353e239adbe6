"""The library at scale: a folder of 2,000 images with ten saved states each, in the real window."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from typing import TYPE_CHECKING

from tests.bench.registry import Result, case
from tests.image.tools import KIB, MIB, create

if TYPE_CHECKING:
    from pathlib import Path

_IMAGES, _SNAPSHOTS, _BASES = 2000, 10, 3
_SAMPLE = 100
"""Images that `qemu-img info` is run on: on all of them it would take minutes. Its time is scaled up."""


def folder_of_images(scratch: Path) -> Path:
    """Make the folder: copies of images of which QEMU saved ten states each (of a machine without memory)."""
    folder = scratch / "library"
    if folder.exists():
        return folder
    folder.mkdir()
    commands = "".join(f"savevm state-{number}\n" for number in range(_SNAPSHOTS)) + "quit\n"
    bases = [create(scratch / f"base-{number}.qcow2", MIB, f"cluster_size={4 * KIB}") for number in range(_BASES)]
    for base in bases:
        machine = ["qemu-system-x86_64", "-M", "none", "-nodefaults", "-display", "none", "-S", "-monitor", "stdio"]
        drive = ["-drive", f"if=none,format=qcow2,file={base}"]
        subprocess.run([*machine, *drive], input=commands, text=True, check=True, capture_output=True, timeout=60)
    for number in range(_IMAGES):
        below = folder / f"lab-{number % 20:02}"
        below.mkdir(exist_ok=True)
        shutil.copyfile(bases[number % _BASES], below / f"machine-{number:04}.qcow2")
    os.sync()
    return folder


def _child(scratch: Path, mode: str, folder: Path) -> dict[str, float]:
    """Run one measurement in a process of its own; returns what it prints: words with seconds."""
    own = {f"XDG_{name}_HOME": str(scratch / name.lower()) for name in ("CONFIG", "CACHE", "DATA", "STATE")}
    command = [sys.executable, "-m", "tests.bench.library_child", mode, str(folder), str(time.monotonic())]
    environment = os.environ | own | {"QT_QPA_PLATFORM": "offscreen"}
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True, timeout=300)
    words = done.stdout.split()
    return {word: float(value) for word, value in zip(words[::2], words[1::2], strict=True)}


def _info(folder: Path) -> float:
    """Return the seconds that `qemu-img info` needs for all images, one after the other, as far as a sample tells."""
    sample = sorted(folder.rglob("*.qcow2"))[:: _IMAGES // _SAMPLE]
    start = time.perf_counter()
    for path in sample:
        subprocess.run(["qemu-img", "info", "-f", "qcow2", path], check=True, capture_output=True)
    return (time.perf_counter() - start) * _IMAGES / len(sample)


@case("library")
def library(scratch: Path) -> list[Result]:
    """Measure the first listing of the folder, and the start after that."""
    folder = folder_of_images(scratch)
    first, info = _child(scratch, "first", folder), _info(folder)
    second = _child(scratch, "second", folder)
    ratio = first["listed"] / info
    size = (scratch / "cache" / "vmsnap" / "library.sqlite").stat().st_size
    return [
        Result(
            f"first listing of {_IMAGES:,} images with {_SNAPSHOTS} states each, in s from the process's start",
            f"first rows painted after {first['painted']:.2f} s, all listed after {first['listed']:.2f} s "
            f"({first['listed_cpu']:.1f} s of one core)",
            first["listed"],
            15,
        ),
        Result(
            "the same against 'qemu-img info' for each image",
            f"listed {first['listed']:.1f} s, qemu-img {info:.1f} s (of {_SAMPLE} images, scaled up)",
            ratio,
            1,
        ),
        Result(
            "second start: first rows painted, in s from the process's start",
            f"painted {second['painted']:.2f} s ({second['painted_cpu']:.2f} s of one core), all "
            f"{second['rows']:.0f} rows {second['shown']:.2f} s, verified {second['listed']:.2f} s; "
            f"cache of {size / MIB:.1f} MiB",
            second["painted"],
            1,
        ),
        Result(
            "longest stall of the Qt thread in ms, while the library is scrolled during both",
            f"first {first['stall'] * 1e3:.0f} ms, second {second['stall'] * 1e3:.0f} ms",
            max(first["stall"], second["stall"]) * 1e3,
            50,
        ),
        Result(
            "searching all snapshots as somebody types, in ms from the last letter to the painted list",
            f"{second['hits']:.0f} found after {second['searched'] * 1e3:.0f} ms",
            second["searched"] * 1e3,
            1000,
        ),
    ]
