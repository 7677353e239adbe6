"""A machine whose processor stands still, driven from here over QEMU's qtest protocol: devices without a guest.

Protocol: QEMU's softmmu/qtest.c. One line for a command, one for its answer.
"""

from __future__ import annotations

import base64
import socket
import struct
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Self

from tests.machines.machine import PATIENCE, Machine

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import TracebackType

_ADDRESS, _DATA = 0xCF8, 0xCFC
_COMMAND, _BAR0 = 0x04, 0x10
_MEMORY_AND_MASTER = 6
_WINDOW = 0xE0000000
_BAR_SIZE = 0x4000000
_CHUNK = 64 << 10
_FW_SELECTOR, _FW_DMA, _FW_DIRECTORY, _FW_SELECT_AND_WRITE = 0x510, 0x514, 0x19, 0x18
_SCRATCH = 0x8000


class DrivenMachine:
    """A machine and the wires to its memory and ports, as a context manager.

    Attributes:
        machine: The machine, which was started with `-S`.
    """

    def __init__(self, arguments: Sequence[str]) -> None:
        with (
            tempfile.TemporaryDirectory(prefix="vmsnap-qtest-") as directory,
            socket.socket(socket.AF_UNIX) as listener,
        ):
            path = Path(directory, "qtest")
            listener.bind(str(path))
            listener.listen(1)
            listener.settimeout(PATIENCE)
            wires = ["-S", "-qtest", f"unix:{path}", "-qtest-log", "none"]
            self.machine = Machine([*arguments, *wires], marks=False)
            self._connection, _ = listener.accept()
        self._connection.settimeout(PATIENCE)
        self._answers = self._connection.makefile("rb")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.machine.__exit__(kind, error, trace)
        self._answers.close()
        self._connection.close()

    def read(self, size: int, address: int) -> int:
        """Read 1, 2 or 4 bytes at a guest-physical address."""
        return int(self._ask(f"read{'_bw_l'[size]} {address:#x}"), 16)

    def write(self, size: int, address: int, value: int) -> None:
        """Write 1, 2 or 4 bytes at a guest-physical address."""
        self._ask(f"write{'_bw_l'[size]} {address:#x} {value:#x}")

    def fill(self, address: int, data: bytes) -> None:
        """Write bytes at a guest-physical address."""
        for start in range(0, len(data), _CHUNK):
            part = data[start : start + _CHUNK]
            self._ask(f"b64write {address + start:#x} {len(part):#x} {base64.b64encode(part).decode()}")

    def configured(self, slot: int, offset: int) -> int:
        """Read four bytes of a PCI device's configuration space."""
        self._ask(f"outl {_ADDRESS:#x} {0x80000000 | slot << 11 | offset:#x}")
        return int(self._ask(f"inl {_DATA:#x}"), 16)

    def configure(self, slot: int, offset: int, value: int) -> None:
        """Write four bytes of a PCI device's configuration space."""
        self._ask(f"outl {_ADDRESS:#x} {0x80000000 | slot << 11 | offset:#x}")
        self._ask(f"outl {_DATA:#x} {value:#x}")

    def map_bars(self, slot: int) -> list[int]:
        """Give each memory BAR of a PCI device a place, and turn the device on; returns the places by BAR."""
        places = []
        for number in range(6):
            places.append(_WINDOW + number * _BAR_SIZE)
            before = self.configured(slot, _BAR0 + 4 * number)
            is_upper = number > 0 and self.configured(slot, _BAR0 + 4 * (number - 1)) & 7 == 4
            if not is_upper and not before & 1:
                self.configure(slot, _BAR0 + 4 * number, places[-1])
        self.configure(slot, _COMMAND, _MEMORY_AND_MASTER)
        return places

    def configure_firmware(self, name: str, data: bytes) -> None:
        """Write a file of fw_cfg that the guest may write (QEMU's docs/specs/fw_cfg)."""
        self._ask(f"outw {_FW_SELECTOR:#x} {_FW_DIRECTORY:#x}")
        number = int.from_bytes(self._firmware_bytes(4), "big")
        entries = [self._firmware_bytes(64) for _ in range(number)]
        key = next(entry[4:6] for entry in entries if entry[8:].rstrip(b"\0") == name.encode())
        control = int.from_bytes(key, "big") << 16 | _FW_SELECT_AND_WRITE
        self.fill(_SCRATCH + 16, data)
        self.fill(_SCRATCH, struct.pack(">IIQ", control, len(data), _SCRATCH + 16))
        self._ask(f"outl {_FW_DMA:#x} 0")
        self._ask(f"outl {_FW_DMA + 4:#x} {int.from_bytes(_SCRATCH.to_bytes(4, 'big'), 'little'):#x}")
        assert self.read(4, _SCRATCH) == 0

    def _firmware_bytes(self, count: int) -> bytes:
        return bytes(int(self._ask(f"inb {_FW_SELECTOR + 1:#x}"), 16) for _ in range(count))

    def _ask(self, command: str) -> str:
        self._connection.sendall(command.encode() + b"\n")
        word, _, answer = self._answers.readline().decode().strip().partition(" ")
        assert word == "OK", f"{command.split()[0]}: {word} {answer}"
        return answer
