"""Guest programs of our own, assembled when they are needed, and the disks that hold them."""

from __future__ import annotations

import functools
import subprocess
import tempfile
from pathlib import Path

_HERE = Path(__file__).resolve().parent
_FIRMWARE_SIZE = 64 << 10


@functools.cache
def assemble(source: Path) -> bytes:
    """Return the flat binary that nasm makes of `source`; its `%include`s are sought beside it."""
    with tempfile.TemporaryDirectory(prefix="vmsnap-asm-") as directory:
        output = Path(directory, "out.bin")
        command = ["nasm", "-Wall", "-Werror", "-f", "bin", f"-I{source.parent}/", "-o", str(output), str(source)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError(f"nasm cannot assemble {source}:\n{done.stderr}")
        return output.read_bytes()


def worker() -> bytes:
    """Return the boot disk of worker.asm, which fills the processors and RAM with telling values; see there."""
    return assemble(_HERE / "worker.asm")


def worker_firmware() -> bytes:
    """Return a firmware that runs worker.asm, for machines whose own boots no disk."""
    tail = assemble(_HERE / "rom.asm")
    return worker().ljust(_FIRMWARE_SIZE - len(tail), b"\0") + tail


def changer() -> bytes:
    """Return the boot disk of changer.asm, which changes known memory, registers and sectors on an NMI; see there."""
    return assemble(_HERE / "changer.asm")


def screens() -> bytes:
    """Return the boot sector of screens.asm, which follows a script of display modes; see there."""
    return assemble(_HERE / "screens.asm")


def create_disk(path: Path, content: bytes, size: int, *options: str) -> Path:
    """Make a qcow2 disk of `size` bytes that begins with `content`; `options` are qemu-img's `-o` pairs."""
    raw = path.with_suffix(".raw")
    raw.write_bytes(content)
    with raw.open("r+b") as file:
        file.truncate(size)
    pairs = [word for option in options for word in ("-o", option)]
    command = ["qemu-img", "convert", "-q", "-f", "raw", "-O", "qcow2", *pairs, str(raw), str(path)]
    subprocess.run(command, check=True)
    raw.unlink()
    return path


def disk_options(path: Path, node: str) -> list[str]:
    """Return the options that give QEMU the image `path` as the node `node`; the caller adds a device."""
    escaped = str(path).replace(",", ",,")
    return [
        "-blockdev", f"driver=file,node-name={node}-file,filename={escaped}",
        "-blockdev", f"driver=qcow2,node-name={node},file={node}-file",
    ]  # fmt: skip
