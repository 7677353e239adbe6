"""Streams with many GiB of RAM, enlarged from a real one: for the bench and for tests of big states.

The source is what QEMU itself saved (`migrate`, nothing but the default capabilities) from a small machine; 64 MiB do.
Everything outside the RAM section stays as QEMU wrote it, byte for byte: configuration, devices, EOF, vmdesc. In the
RAM section the largest block gets another length and new pages; the other blocks keep their records. So the result is
a stream that QEMU's own format rules describe, though no machine of that size ever ran: nothing in its devices knows
of the added RAM.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

Layout = Literal["data", "interleaved"]

PAGE = 4096
_ZERO, _MEM_SIZE, _PAGE, _EOS, _CONTINUE = 0x02, 0x04, 0x08, 0x10, 0x20
_START, _PART, _END, _CONFIGURATION, _FOOTER = 0x01, 0x02, 0x03, 0x07, 0x7E
_BATCH = 2000
"""Records made at once: about 8 MiB."""
_PART_RECORDS = 8 * _BATCH
"""Records in one section part: QEMU ends a part after about 50 ms, which is tens of MiB."""


class SourceError(ValueError):
    """The source is not a stream as this generator understands it."""


@dataclass(frozen=True, slots=True)
class _Source:
    """A real stream, taken apart.

    Attributes:
        head: From QEVM to the RAM section's first byte.
        start: Header of the START section.
        table: (name, length) of each RAM block.
        others: The records of all blocks but the largest, as they were.
        section_id: Of the RAM section.
        tail: From the first byte after the END section's footer on.
    """

    head: bytes
    start: bytes
    table: list[tuple[bytes, int]]
    others: bytes
    section_id: int
    tail: bytes


def write_stream(path: Path, source_stream: Path, ram_bytes: int, *, layout: Layout, seed: int = 1) -> None:
    """Write a stream whose largest RAM block has `ram_bytes` bytes, to `path`.

    Args:
        path: The new stream.
        source_stream: A stream file that QEMU saved.
        ram_bytes: A multiple of 4096.
        layout: "data": every page once, in order, all with data, as a stopped VM with full RAM is saved.
            "interleaved": as a live migration leaves it: zero and data pages alternate in short irregular runs, and
            then an eighth of the pages comes again in two further passes (the last one counts).
        seed: Of the page contents and the runs. A data page starts with its number and the number of its pass, each a
            big-endian u32, and goes on with noise that does not compress.

    Raises:
        SourceError: the source is no stream, or one with capabilities that change the RAM section.
    """
    if ram_bytes <= 0 or ram_bytes % PAGE:
        raise ValueError(f"{ram_bytes} bytes are no whole pages")
    try:
        source = _take_apart(source_stream.read_bytes())
    except IndexError:
        raise SourceError("the stream ends too early") from None
    largest = max(source.table, key=lambda block: block[1])
    table = [(name, ram_bytes if name == largest[0] else length) for name, length in source.table]
    with path.open("wb") as file:
        file.write(source.head + source.start + _table(table) + _closing(source.section_id))
        maker = _Maker(largest[0], seed)
        records = maker.all_once(ram_bytes // PAGE) if layout == "data" else maker.interleaved(ram_bytes // PAGE)
        _write_parts(file, source, records)
        file.write(bytes([_END]) + struct.pack(">I", source.section_id) + _closing(source.section_id))
        file.write(source.tail)


def _write_parts(file: BinaryIO, source: _Source, batches: Iterator[tuple[int, memoryview]]) -> None:
    """Write the batches of records as PART sections; the other blocks' records end the last part."""
    opening = bytes([_PART]) + struct.pack(">I", source.section_id)
    file.write(opening)
    count = 0
    for records, data in batches:
        if count >= _PART_RECORDS:
            file.write(_closing(source.section_id) + opening)
            count = 0
        file.write(data)
        count += records
    file.write(source.others + _closing(source.section_id))


def _closing(section_id: int) -> bytes:
    return struct.pack(">QBI", _EOS, _FOOTER, section_id)


def _table(table: list[tuple[bytes, int]]) -> bytes:
    blocks = b"".join(struct.pack(">B", len(name)) + name + struct.pack(">Q", length) for name, length in table)
    return struct.pack(">Q", sum(length for _, length in table) | _MEM_SIZE) + blocks


class _Maker:
    """Makes page records in batches of about 8 MiB, in one buffer."""

    def __init__(self, block: bytes, seed: int) -> None:
        self._block = block
        self._random = np.random.default_rng(seed)
        size = _BATCH * (8 + PAGE) + 512
        self._noise = self._random.integers(1, 256, size + PAGE, np.uint8)
        self._buffer = np.empty(size, np.uint8)
        self._named = False

    def all_once(self, pages: int) -> Iterator[tuple[int, memoryview]]:
        """Make a data record for each page."""
        for first in range(0, pages, _BATCH):
            numbers = np.arange(first, min(first + _BATCH, pages))
            yield self._batch(numbers, np.ones(len(numbers), bool), 0)

    def interleaved(self, pages: int) -> Iterator[tuple[int, memoryview]]:
        """Make records in irregular runs, then some pages again."""
        for first in range(0, pages, _BATCH):
            numbers = np.arange(first, min(first + _BATCH, pages))
            yield self._batch(numbers, self._runs(len(numbers)), 0)
        for turn in (1, 2):
            chosen = np.flatnonzero(self._random.random(pages) < 1 / 16)
            for start in range(0, len(chosen), _BATCH):
                numbers = chosen[start : start + _BATCH]
                yield self._batch(numbers, self._runs(len(numbers)), turn)

    def _runs(self, count: int) -> NDArray[np.bool_]:
        """Return which of `count` pages hold data: runs of 1 to some dozens, three quarters data."""
        lengths = np.column_stack([self._random.geometric(1 / 6, count), self._random.geometric(1 / 2, count)]).ravel()
        kinds = np.tile([True, False], count)
        return np.repeat(kinds, lengths)[:count]

    def _batch(self, numbers: NDArray[np.int64], data: NDArray[np.bool_], turn: int) -> tuple[int, memoryview]:
        """Make one record for each of `numbers` (pages), with data or as a zero page."""
        name = b"" if self._named else bytes([len(self._block)]) + self._block
        sizes = np.where(data, 8 + PAGE, 9)
        sizes[0] += len(name)
        ends = np.cumsum(sizes)
        starts = ends - sizes
        size = int(ends[-1])
        shift = int(self._random.integers(PAGE))
        self._buffer[:size] = self._noise[shift : shift + size]
        headers = (numbers * PAGE) | np.where(data, _PAGE, _ZERO) | _CONTINUE
        if name:
            headers[0] &= ~_CONTINUE
        _put(self._buffer, starts, headers.astype(">u8"))
        bodies = starts + 8
        bodies[0] += len(name)
        self._buffer[8 : 8 + len(name)] = np.frombuffer(name, np.uint8)
        _put(self._buffer, bodies[data], (numbers[data] << 32 | turn).astype(">u8"))
        self._buffer[bodies[~data]] = 0
        self._named = True
        return len(numbers), self._buffer[:size].data


def _put(buffer: NDArray[np.uint8], places: NDArray[np.int64], words: NDArray[np.uint64]) -> None:
    """Write 8 bytes at each of `places`."""
    buffer[places[:, None] + np.arange(8)] = words.view(np.uint8).reshape(-1, 8)


def _take_apart(data: bytes) -> _Source:
    """Split a stream at its RAM section, which is the first one QEMU writes."""
    if data[:8] != b"QEVM\0\0\0\3":
        raise SourceError("this is no savevm stream of version 3")
    at = 8
    if data[at] == _CONFIGURATION:
        at += 5 + int.from_bytes(data[at + 1 : at + 5], "big")
    begin = at
    if data[at] != _START or data[at + 5 : at + 9] != b"\3ram":
        raise SourceError(f"the RAM section should start at {at:#x}")
    section_id = int.from_bytes(data[at + 1 : at + 5], "big")
    at += 17
    header = data[begin:at]
    table, at = _read_table(data, at)
    largest = max(table, key=lambda block: block[1])[0]
    others, at = _read_parts(data, at, section_id, largest)
    return _Source(data[:begin], header, table, others, section_id, data[at:])


def _read_table(data: bytes, at: int) -> tuple[list[tuple[bytes, int]], int]:
    left = int.from_bytes(data[at : at + 8], "big")
    if not left & _MEM_SIZE:
        raise SourceError(f"no block table at {at:#x}")
    left &= ~(PAGE - 1)
    at += 8
    table = []
    while left > 0:
        name = data[at + 1 : at + 1 + data[at]]
        at += 1 + len(name)
        length = int.from_bytes(data[at : at + 8], "big")
        at += 8
        table.append((name, length))
        left -= length
    return table, at


def _read_parts(data: bytes, at: int, section_id: int, largest: bytes) -> tuple[bytes, int]:
    """Follow the RAM section's parts to the END's footer; return the records of all blocks but `largest`."""
    kept: list[bytes] = []
    block, kind = b"", _START
    while True:
        begin = at
        word = int.from_bytes(data[at : at + 8], "big")
        at += 8
        flags = word & (PAGE - 1)
        if flags & ~_CONTINUE not in (_ZERO, _PAGE, _EOS):
            raise SourceError(f"a page record with flags {flags:#x} at {begin:#x}")
        if flags == _EOS:
            if data[at : at + 5] != bytes([_FOOTER]) + struct.pack(">I", section_id):
                raise SourceError(f"no footer at {at:#x}")
            at += 5
            if kind == _END:
                return b"".join(kept), at
            kind = data[at]
            if kind not in (_PART, _END) or data[at + 1 : at + 5] != struct.pack(">I", section_id):
                raise SourceError(f"another section than RAM at {at:#x}, between its parts")
            at += 5
            continue
        if not flags & _CONTINUE:
            block = data[at + 1 : at + 1 + data[at]]
            at += 1 + len(block)
        at += PAGE if flags & _PAGE else 1
        if block != largest:
            kept.append(data[begin:at])
