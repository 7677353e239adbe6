"""Make the demo image with real QEMU: a guest of ours draws, counts and writes, and is saved at four moments.

Writes resources/demo/demo.qcow2.xz and demo.json (size and sha256 of the image, the machine it was made on).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import lzma
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from tests.machines import Machine  # noqa: E402 (found through the line above)
from tests.machines.guests import assemble, create_disk, disk_options  # noqa: E402

GUEST = Path(__file__).resolve().parent / "demo_guest"
FIRMWARE_SIZE = 256 << 10  # as QEMU's own, so that the snapshots load into a machine that has that
DISK_SIZE = 4 << 20
MACHINE = [
    "-M", "pc-i440fx-7.2", "-m", "16", "-smp", "2", "-nodefaults",
    "-device", "VGA,romfile=",
    "-device", "e1000,romfile=,mac=52:54:00:76:6d:73",
    "-device", "virtio-rng-pci",
    "-audiodev", "none,id=silence", "-device", "AC97,audiodev=silence",
    "-device", "piix3-usb-uhci,id=usb", "-device", "usb-tablet,bus=usb.0",
]  # fmt: skip
MOMENTS = ((b"B", "booted"), (b"D", "drawing"), (b"H", "half-way"), (b"F", "finished"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--output", type=Path, default=ROOT / "resources" / "demo", help="folder to write to")
    parser.add_argument("--screens", type=Path, help="folder for pictures of the guest's screen at each moment")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="vmsnap-demo-") as directory:
        image = make_image(Path(directory), arguments.screens)
        write_resource(image.read_bytes(), arguments.output)


def make_image(directory: Path, screens: Path | None) -> Path:
    """Run the guest and return the image with its snapshots."""
    firmware = directory / "firmware.bin"
    firmware.write_bytes(assemble(GUEST / "firmware.asm").rjust(FIRMWARE_SIZE, b"\0"))
    image = create_disk(directory / "demo.qcow2", assemble(GUEST / "guest.asm"), DISK_SIZE)
    disk = [*disk_options(image, "disk0"), "-device", "ide-hd,bus=ide.0,drive=disk0"]
    with Machine([*MACHINE, "-bios", str(firmware), *disk]) as machine:
        for mark, tag in MOMENTS:
            machine.wait_marks(mark)
            machine.stop()
            machine.snapshot_save(tag, vmstate="disk0", devices=["disk0"])
            if screens is not None:
                screens.mkdir(parents=True, exist_ok=True)
                machine.screendump(screens / f"{tag}.png")
            machine.resume()
    subprocess.run(["qemu-img", "check", "-q", "-f", "qcow2", str(image)], check=True)
    return image


def write_resource(data: bytes, folder: Path) -> None:
    """Write the image compressed, and what describes it."""
    packed = lzma.compress(data, preset=9 | lzma.PRESET_EXTREME)
    (folder / "demo.qcow2.xz").write_bytes(packed)
    facts = {
        "size": len(data),
        "sha256": hashlib.sha256(data).hexdigest(),
        "machine": ["qemu-system-x86_64", *MACHINE],
        "disk": "ide-hd,bus=ide.0",
        "tags": [tag for _, tag in MOMENTS],
    }
    (folder / "demo.json").write_text(json.dumps(facts, indent=1) + "\n", encoding="utf-8")
    print(f"{folder / 'demo.qcow2.xz'}: {len(packed):,} bytes for an image of {len(data):,}")


if __name__ == "__main__":
    main()
