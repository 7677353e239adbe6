"""The machines of the device matrix: what QEMU is started with, and the guest in them."""

from __future__ import annotations

import contextlib
import re
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tests.machines import Machine
from tests.machines.guests import create_disk, disk_options, worker, worker_firmware

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MEMORY = 64 << 20
DISK_SIZE = 16 << 20
_FIRST_DESCRIBED = (2, 3)


@dataclass(frozen=True, slots=True)
class Model:
    """A machine of the matrix.

    Attributes:
        name: For the test's id.
        machine: Of `-M`; a `*` stands for the oldest version that QEMU offers and that writes a vmdesc.
        boot: The device of the first disk (node `disk0`).
        devices: Options; the node `disk1` is a second disk, `stick` a small one.
        sections: Parts of section names that such a machine saves: a check that the devices are really there.
        firmware: Whether our own firmware starts the guest.
        processors: Of `-smp`.
    """

    name: str
    machine: str
    boot: str
    devices: tuple[str, ...]
    sections: tuple[str, ...]
    firmware: bool = False
    processors: int = 2

    @property
    def ram_block(self) -> str:
        """The block that holds main memory."""
        return "microvm.ram" if self.machine == "microvm" else "pc.ram"


def _devices(*names: str) -> tuple[str, ...]:
    return tuple(word for name in names for word in ("-device", name))


_IDE = "ide-hd,bus=ide.0,drive=disk0"
_SILENCE = ("-audiodev", "none,id=silence")
_USB = (
    "usb-kbd,bus={0}.0", "usb-tablet,bus={0}.0", "usb-mouse,bus={0}.0", "usb-hub,bus={0}.0",
    "usb-storage,bus={0}.0,drive=stick",
)  # fmt: skip


def _usb(controller: str, *names: str) -> tuple[str, ...]:
    return _devices(f"{controller},id=usb", *(name.format("usb") for name in names))


def _virtio(suffix: str) -> tuple[str, ...]:
    backends = ("-netdev", "hubport,id=net,hubid=0", "-chardev", "null,id=nothing")
    return backends + _devices(
        f"virtio-net-{suffix},netdev=net", f"virtio-blk-{suffix},drive=disk1", f"virtio-scsi-{suffix},id=scsi",
        "scsi-hd,bus=scsi.0,drive=stick", f"virtio-gpu-{suffix}", f"virtio-rng-{suffix}", f"virtio-balloon-{suffix}",
        f"virtio-serial-{suffix},id=serial", "virtserialport,bus=serial.0,chardev=nothing,name=port",
        f"virtio-keyboard-{suffix}", f"virtio-tablet-{suffix}",
    )  # fmt: skip


_VIRTIO_SECTIONS = (
    "virtio-net", "virtio-blk", "virtio-scsi", "virtio-gpu", "virtio-rng", "virtio-balloon", "virtio-console",
    "virtio-input", "scsi-disk",
)  # fmt: skip

SMALL = Model(
    "pc with two disks", "pc", _IDE, _devices("virtio-blk-pci,drive=disk1", "e1000"),
    ("cpu", "i8254", "vga", "e1000", "ide", "virtio-blk"),
)  # fmt: skip

MATRIX = (
    Model("pc virtio", "pc", _IDE, _virtio("pci"), _VIRTIO_SECTIONS),
    Model("q35 virtio", "q35", _IDE, _virtio("pci"), (*_VIRTIO_SECTIONS, "ich9_ahci")),
    Model(
        "microvm", "microvm", "virtio-blk-device,drive=disk0",
        _virtio("device"), tuple(s for s in _VIRTIO_SECTIONS if s != "virtio-balloon"), firmware=True,
    ),
    Model(
        "pc classic", "pc,hpet=on", _IDE,
        (
            *_SILENCE, *_devices("e1000", "rtl8139", "pcnet", "ne2k_pci"),
            *_devices("ahci,id=ahci", "ide-hd,bus=ahci.0,drive=disk1"),
            *_devices("AC97,audiodev=silence", "ES1370,audiodev=silence", "sb16,audiodev=silence", "cirrus-vga"),
            *_usb("piix3-usb-uhci", "usb-tablet,bus={0}.0", "usb-kbd,bus={0}.0"), "-vga", "none",
        ),
        ("e1000", "rtl8139", "pcnet", "ne2000", "ahci", "ac97", "es1370", "sb16", "cirrus", "hpet", "uhci", "usb-ptr"),
    ),
    Model(
        "q35 xhci", "q35", _IDE,
        (
            *_SILENCE, *_usb("qemu-xhci", *_USB), *_devices("e1000e", "vmxnet3", "pcie-root-port,id=root,chassis=1"),
            *_devices("intel-hda", "hda-duplex,audiodev=silence", "ide-hd,bus=ide.1,drive=disk1"),
        ),
        ("xhci", "usb-kbd", "usb-ptr", "usb-hub", "usb-storage", "e1000e", "vmxnet3", "intel-hda", "hda-audio"),
    ),
    Model(
        "pc ehci", "pc", _IDE,
        (
            *_usb("usb-ehci", "usb-tablet,bus={0}.0", "usb-storage,bus={0}.0,drive=stick"), *_devices("piix4-usb-uhci"),
            *_devices("lsi53c895a,id=lsi", "scsi-hd,bus=lsi.0,drive=disk1", "megasas", "pvpanic", "i6300esb"),
        ),
        ("ehci", "usb-storage", "usb-ptr", "lsiscsi", "scsi-disk", "i6300esb"),
    ),
    Model(
        "isapc", "isapc", _IDE, ("-cpu", "qemu64", *_devices("ne2k_isa")), ("vga", "ne2000", "isa-ide"), processors=1,
    ),
    Model("oldest pc", "pc-i440fx-*", _IDE, _devices("rtl8139"), ("rtl8139", "piix4_pm")),
    Model("oldest q35", "pc-q35-*", _IDE, _devices("e1000"), ("e1000", "ICH9LPC", "ich9_ahci")),
)  # fmt: skip


def _resolved(machine: str) -> str:
    prefix, star, _ = machine.partition("*")
    if not star:
        return machine
    offered = subprocess.run(["qemu-system-x86_64", "-M", "help"], capture_output=True, check=True, text=True).stdout
    found = re.findall(rf"(?m)^{re.escape(prefix)}(\d+)\.(\d+) ", offered)
    major, minor = min(version for version in ((int(a), int(b)) for a, b in found) if version >= _FIRST_DESCRIBED)
    return f"{prefix}{major}.{minor}"


def _machine(model: Model, directory: Path) -> list[str]:
    """Return what QEMU is started with; its disks are in `directory`, made now if they are not there."""
    options = ["-M", _resolved(model.machine), "-m", str(MEMORY >> 20), "-smp", str(model.processors)]
    options += ["-rtc", "clock=vm"]  # or it goes on by the host's clock while the machine stands still
    if model.firmware:
        (directory / "firmware.bin").write_bytes(worker_firmware())
        options += ["-bios", str(directory / "firmware.bin")]
    options += disk_options(_disk(directory / "disk0.qcow2", worker(), DISK_SIZE), "disk0")
    for node in ("disk1", "stick"):
        if any(f"drive={node}" in word for word in model.devices):
            options += disk_options(_disk(directory / f"{node}.qcow2", node.encode(), 1 << 20), node)
    return [*options, "-device", model.boot, *model.devices]


def _disk(path: Path, content: bytes, size: int) -> Path:
    return path if path.exists() else create_disk(path, content, size)


@contextlib.contextmanager
def running(model: Model, directory: Path) -> Iterator[Machine]:
    """Start the machine and its guest, wait until that has set up its processors, and stop it."""
    with Machine(_machine(model, directory)) as machine:
        machine.wait_marks(b"RA" if model.processors > 1 else b"R")
        machine.stop()
        yield machine


@contextlib.contextmanager
def waiting(model: Model, directory: Path) -> Iterator[Machine]:
    """Start the machine so that it waits for a state to be loaded, and stands still then."""
    with Machine([*_machine(model, directory), "-S", "-incoming", "defer"]) as machine:
        yield machine
