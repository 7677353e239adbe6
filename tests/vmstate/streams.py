"""A small builder of savevm streams: the counterpart that QEMU is for the samples."""

from __future__ import annotations

import struct
import zlib
from typing import TYPE_CHECKING

from tests.vmstate.layouts import Body, Pairs, dump
from vmsnap_gui.image.byteview import ByteView

if TYPE_CHECKING:
    from collections.abc import Sequence

    from typing_extensions import Buffer

ZERO, MEM_SIZE, PAGE, EOS, CONTINUE, XBZRLE, HOOK, COMPRESSED, FLUSH = 2, 4, 8, 16, 32, 64, 128, 256, 512
END_MARK = struct.pack(">Q", EOS)
DIRECT = {"target-page-bits", "uuid", "capabilities"}


class Memory(ByteView):
    """Bytes in memory as a view.

    Attributes:
        data: The bytes.
        reads: Number of reads so far.
        read_bytes: Bytes that were read so far.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)
        self.reads = self.read_bytes = 0

    def readinto(self, offset: int, buffer: Buffer) -> None:
        """See ByteView."""
        target = memoryview(buffer).cast("B")
        self.check_range(offset, len(target))
        self.reads += 1
        self.read_bytes += len(target)
        target[:] = self.data[offset : offset + len(target)]

    def read(self, offset: int, length: int) -> bytes:
        """See ByteView; as a file is read: without a buffer in between, unless somebody watches what fills it."""
        if type(self).readinto is not Memory.readinto:
            return super().read(offset, length)
        self.check_range(offset, length)
        self.reads += 1
        self.read_bytes += length
        return self.data[offset : offset + length]


def u16(value: int) -> bytes:
    return struct.pack(">H", value)


def u32(value: int) -> bytes:
    return struct.pack(">I", value)


def u64(value: int) -> bytes:
    return struct.pack(">Q", value)


def counted(name: str | bytes) -> bytes:
    """A name behind its length in one byte."""
    data = name.encode() if isinstance(name, str) else name
    return bytes([len(data)]) + data


def header(kind: int, section_id: int, name: str = "", instance_id: int = 0, version: int = 0) -> bytes:
    """A section's header: 1 START, 2 PART, 3 END, 4 FULL."""
    head = bytes([kind]) + u32(section_id)
    return head if kind in (2, 3) else head + counted(name) + u32(instance_id) + u32(version)


def footer(section_id: int) -> bytes:
    return b"\x7e" + u32(section_id)


class Stream:
    """A stream in the making.

    Attributes:
        footers: Whether sections end with a footer (machine types since 2.4).
        out: The bytes so far.
        devices: The descriptions so far, as objects of the vmdesc's `devices`.
        sections: (offset, size, name) of each section so far.
    """

    def __init__(self, *, footers: bool = True) -> None:
        self.footers = footers
        self.out = bytearray(b"QEVM" + u32(3))
        self.devices: list[Pairs] = []
        self.sections: list[tuple[int, int, str]] = []
        self._next_id = 0

    def configuration(self, machine: str = "pc-q35-10.0", *subsections: tuple[str, bytes]) -> Stream:
        """Write the configuration section; each subsection is (name after "configuration/", payload)."""
        self.out += b"\x07" + u32(len(machine)) + machine.encode()
        for name, payload in subsections:
            self.out += b"\x05" + counted(f"configuration/{name}") + u32(1) + payload
        return self

    def section(
        self, kind: int, payload: bytes, *, section_id: int | None = None, name: str = "", instance: int = 0,
        version: int = 1,
    ) -> Stream:  # fmt: skip
        """Write any section with its footer."""
        if section_id is None:
            section_id = self._next_id
        self._next_id = max(self._next_id, section_id + 1)
        start = len(self.out)
        self.out += header(kind, section_id, name, instance, version) + payload
        if self.footers:
            self.out += footer(section_id)
        self.sections.append((start, len(self.out) - start, name))
        return self

    def full(
        self, body: Body, *, name: str | None = None, instance: int = 0, described: bool = True,
        section_id: int | None = None, pairs: Pairs | None = None, payload: bytes | None = None,
        version: int | None = None,
    ) -> Stream:  # fmt: skip
        """Write a device. `pairs` and `payload` let its description and its bytes differ from `body`."""
        name = body.name if name is None else name
        if described:
            head: Pairs = [("name", name), ("instance_id", instance)]
            self.devices.append(head + (body.pairs if pairs is None else pairs))
        data = body.data if payload is None else payload
        number = body.version if version is None else version
        return self.section(4, data, section_id=section_id, name=name, instance=instance, version=number)

    def ram(self, start: bytes, *parts: bytes, version: int = 4, section_id: int | None = None) -> Stream:
        """Write the RAM sections: START, PARTs, and the last of `parts` as END."""
        number = self._next_id if section_id is None else section_id
        self.section(1, start, section_id=number, name="ram", version=version)
        for i, part in enumerate(parts):
            self.section(3 if i == len(parts) - 1 else 2, part, section_id=number)
        return self

    def command(self, number: int, payload: bytes = b"") -> Stream:
        self.out += b"\x08" + u16(number) + u16(len(payload)) + payload
        return self

    def raw(self, data: bytes) -> Stream:
        """Write bytes that are none of these."""
        self.out += data
        return self

    def vmdesc(self, page_size: int | None = 4096, configuration: Body | None = None) -> bytes:
        """The description's JSON of what was written so far."""
        pairs: Pairs = [("page_size", page_size)] if page_size is not None else []
        if configuration is not None:
            pairs.append(("configuration", configuration.pairs))
        return dump([*pairs, ("devices", self.devices or [])]).encode()

    def finish(
        self, *, vmdesc: bytes | bool = True, padding: int = 0, page_size: int | None = 4096,
        configuration: Body | None = None,
    ) -> bytes:  # fmt: skip
        """Write the end mark and the description (or not, or another one), and return the stream."""
        text = self.vmdesc(page_size, configuration) if vmdesc is True else vmdesc
        tail = b"" if text is False else b"\x06" + u32(len(text)) + text
        return bytes(self.out) + b"\0" + tail + bytes(padding)


def table(*blocks: tuple[str, int], end: bool = True, extra: Sequence[bytes] = ()) -> bytes:
    """A RAM block table; `extra` is what follows each block's length."""
    data = u64(sum(length for _, length in blocks) | MEM_SIZE)
    more = list(extra) + [b""] * len(blocks)
    data += b"".join(counted(name) + u64(length) + more[i] for i, (name, length) in enumerate(blocks))
    return data + END_MARK if end else data


def record(offset: int, flags: int, block: str | None, payload: bytes) -> bytes:
    """Any record; without a block it continues the last one's."""
    if block is None:
        return u64(offset | flags | CONTINUE) + payload
    return u64(offset | flags) + counted(block) + payload


def page(offset: int, data: bytes, block: str | None = None) -> bytes:
    return record(offset, PAGE, block, data)


def zero(offset: int, fill: int = 0, block: str | None = None) -> bytes:
    return record(offset, ZERO, block, bytes([fill]))


def xbzrle(offset: int, delta: bytes, block: str | None = None) -> bytes:
    return record(offset, XBZRLE, block, b"\x01" + u16(len(delta)) + delta)


def compressed(offset: int, data: bytes, block: str | None = None) -> bytes:
    packed = zlib.compress(data)
    return record(offset, COMPRESSED, block, u32(len(packed)) + packed)


def delta(*runs: tuple[int, bytes]) -> bytes:
    """An XBZRLE delta of (unchanged bytes, changed bytes) pairs."""
    return b"".join(_uleb(unchanged) + _uleb(len(changed)) + changed for unchanged, changed in runs)


def _uleb(value: int) -> bytes:
    return bytes([value]) if value < 0x80 else bytes([value & 0x7F | 0x80, value >> 7])


_LETTERS = bytes(range(0x41, 0x5B)) * 2600


def pattern(number: int, size: int = 4096) -> bytes:
    """A page that looks like no other: its number, and bytes that are no record's start."""
    start = number * 7 % 26
    return u32(number) + _LETTERS[start : start + size - 4]
