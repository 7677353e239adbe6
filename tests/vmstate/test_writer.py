"""Writing and reading streams over files, descriptors, children and sockets: order, ends, errors that stick, rates."""

from __future__ import annotations

import io
import os
import socket
import subprocess
import threading
import time
from typing import TYPE_CHECKING

import pytest

from vmsnap_gui.vmstate.ends import end, is_end
from vmsnap_gui.vmstate.incoming import PipeReader
from vmsnap_gui.vmstate.refusals import TransferError
from vmsnap_gui.vmstate.wire import ShortRead
from vmsnap_gui.vmstate.writer import INTERVAL, Writer

if TYPE_CHECKING:
    from pathlib import Path

BIG = bytes(range(256)) * 1024  # more than is gathered, and than a pipe takes at once
WHOLE = b"\x01\x02\x03\x04\x05\x06\x07" + b"\x08" * 8 + b"\x03cpu" + BIG + b"end"


def write_all(out: Writer) -> None:
    """Write WHOLE in every way there is."""
    out.u8(1)
    out.u16(0x0203)
    out.u32(0x04050607)
    out.u64(0x0808080808080808)
    out.counted("cpu")
    assert out.tell() == 19
    out.put(memoryview(BIG))
    out.put(b"end")
    assert out.tell() == len(WHOLE)
    out.finish()


def read_all(reader: PipeReader) -> None:
    """Read WHOLE as it was written."""
    assert (reader.u8(), reader.u16(), reader.u32(), reader.u64()) == (1, 0x0203, 0x04050607, 0x0808080808080808)
    assert reader.counted() == "cpu"
    assert reader.ahead(4)[:4] == BIG[:4]
    assert reader.position == 19
    assert reader.bytes(70_000) == BIG[:70_000]
    reader.skip(len(BIG) - 70_000)
    assert reader.ahead(100) == b"end"
    assert reader.bytes(3) == b"end"
    assert reader.ahead(1) == b""
    with pytest.raises(ShortRead) as caught:
        reader.u16()
    assert caught.value.offset == reader.position == len(WHOLE)


def test_a_file(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        file.write(b"before")
        write_all(Writer(file))  # offsets count from where it stands
    assert (tmp_path / "file").read_bytes() == b"before" + WHOLE
    with (tmp_path / "file").open("rb") as file:
        file.seek(6)
        read_all(PipeReader(file))


def test_a_pipe_of_two_descriptors() -> None:
    reading, writing = os.pipe()

    def write() -> None:
        with end(f"fd:{writing}") as sink:
            write_all(Writer(sink))
        os.close(writing)  # an end keeps the caller's descriptor open

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reading, "rb") as source:
        read_all(PipeReader(source))
    thread.join()


def test_a_pipe_that_does_not_wait() -> None:
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    received = bytearray()

    def receive() -> None:
        with os.fdopen(reading, "rb") as source:
            received.extend(source.read())

    with os.fdopen(writing, "wb", buffering=0) as sink:
        writer = Writer(sink)
        thread = threading.Thread(target=receive)
        thread.start()
        writer.put(b"x" * (4 << 20))
        writer.finish()
    thread.join()
    assert received == b"x" * writer.tell()
    assert writer.tell() == 4 << 20


def test_a_child(tmp_path: Path) -> None:
    with end(f"exec:cat > {tmp_path / 'file'}") as sink:
        write_all(Writer(sink))
    with subprocess.Popen(["cat", str(tmp_path / "file")], stdout=subprocess.PIPE) as child:
        assert child.stdout is not None
        read_all(PipeReader(child.stdout))


@pytest.mark.parametrize("family", [socket.AF_UNIX, socket.AF_INET])
def test_a_socket(family: socket.AddressFamily, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the names of sockets are short
    with socket.socket(family) as server:
        server.bind("socket" if family == socket.AF_UNIX else ("127.0.0.1", 0))
        server.listen()
        where = "unix:socket" if family == socket.AF_UNIX else f"tcp:127.0.0.1:{server.getsockname()[1]}"

        def write() -> None:
            with end(where) as sink:
                write_all(Writer(sink))

        thread = threading.Thread(target=write)
        thread.start()
        connection, _ = server.accept()
        with connection, connection.makefile("rb") as source:
            read_all(PipeReader(source))
        thread.join()


def test_seeking_where_it_is_possible(tmp_path: Path) -> None:
    with (tmp_path / "file").open("wb") as file:
        out = Writer(file)
        assert out.seekable
        out.put(b"0123456789")
        out.seek(4)
        out.put(b"ab")
        assert out.tell() == 6
        out.seek(10)
        out.put(b"end")
        out.finish()
    assert (tmp_path / "file").read_bytes() == b"0123ab6789end"


def test_seeking_in_a_pipe_is_an_error_that_sticks() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as source:
        with os.fdopen(writing, "wb", buffering=0) as sink:
            out = Writer(sink)
            assert not out.seekable
            out.put(b"before")
            out.seek(0)
            out.put(b"after")
            with pytest.raises(TransferError, match="it cannot be sought in"):
                out.finish()
        assert source.read() == b"before"


def test_the_first_error_sticks() -> None:
    with open("/dev/full", "wb", buffering=0) as full:  # noqa: PTH123 (as a person's redirection opens it)
        out = Writer(full)
        out.put(b"gathered, so far")
        assert out.error is None
        out.put(BIG)
        first = out.error
        assert first is not None
        assert (first.message, first.offset) == ("it cannot be written: No space left on device", 0)
        written = out.tell()
        out.put(b"more")
        out.seek(0)
        assert out.limited
        assert (out.error, out.tell()) == (first, written)
        for _ in range(2):
            with pytest.raises(TransferError) as caught:
                out.finish()
            assert caught.value is first


def test_a_reader_that_went_away() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb", buffering=0) as sink:
        out = Writer(sink)
        out.put(BIG)
        with pytest.raises(TransferError) as caught:
            out.finish()
    assert isinstance(caught.value.reason, BrokenPipeError)


def test_a_sink_that_was_closed() -> None:
    sink = io.BytesIO()
    out = Writer(sink)
    out.put(b"x")
    sink.close()
    with pytest.raises(TransferError, match="it cannot be written: it was closed"):
        out.finish()


def test_a_source_that_fails() -> None:
    with socket.socket() as alone, alone.makefile("rb") as source:  # connected to nobody
        reader = PipeReader(source)
        for read in (reader.u8, lambda: reader.ahead(1)):
            with pytest.raises(TransferError, match="it cannot be read: "):
                read()
    assert reader.error is not None


@pytest.mark.parametrize("length", [-1, 10, 1 << 40])
def test_reads_are_bounded(length: int) -> None:
    for read in (PipeReader.bytes, PipeReader.skip):
        with pytest.raises(ShortRead):
            read(PipeReader(io.BytesIO(b"abcde")), length)


def test_a_command_that_fails() -> None:
    with pytest.raises(TransferError, match="ended with status 3"), end("exec:cat > /dev/null; exit 3") as sink:
        Writer(sink).finish()


@pytest.mark.parametrize(
    "where", ["unix:/nowhere/at/all", "tcp:127.0.0.1:port", "fd:x", "fd:987654", "tcp:127.0.0.1:1"]
)
def test_an_end_that_is_none(where: str) -> None:
    assert is_end(where)
    with pytest.raises(TransferError, match=r"^nothing can be sent there: "), end(where):
        pytest.fail("it was opened")


@pytest.mark.parametrize("where", ["file", "./unix:x", "-", "/tmp/tcp:1"])
def test_files_are_no_ends(where: str) -> None:
    assert not is_end(where)


def test_a_rate_is_kept() -> None:
    sink = io.BytesIO()
    out = Writer(sink, rate=1000)
    start, rounds = time.monotonic(), 0
    while out.tell() < 5000:
        while not out.limited:
            out.put(bytes(500))
        out.wait()
        rounds += 1
    taken = time.monotonic() - start
    assert rounds >= 2
    assert out.tell() / taken <= 1500 / INTERVAL  # a piece may go over the edge, as in QEMU
    assert len(sink.getvalue()) == out.tell()


def waited(out: Writer, stop: threading.Event | None = None) -> float:
    """The shortest of a few waits in seconds: on a busy machine one of them can take long for other reasons."""
    taken = []
    for _ in range(5):
        out.put(b"xx")
        start = time.monotonic()
        out.wait(stop)
        taken.append(time.monotonic() - start)
    return min(taken)


def test_without_a_rate_nothing_waits() -> None:
    out = Writer(io.BytesIO())
    assert waited(out) < INTERVAL / 2
    assert not out.limited


def test_a_stop_ends_the_waiting() -> None:
    stop = threading.Event()
    stop.set()
    assert waited(Writer(io.BytesIO(), rate=1), stop) < INTERVAL / 2
