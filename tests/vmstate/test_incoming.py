"""Loading from a pipe: in pieces, no byte further than the stream goes, and in time in proportion to it."""

from __future__ import annotations

import io
import os
import threading
from copy import deepcopy
from dataclasses import replace
from typing import Any

import pytest

from tests.vmstate.streams import header, u32
from tests.vmstate.test_registry import MACHINE, saved
from vmsnap_gui.vmstate.description import VMStateDescription, VMStateField
from vmsnap_gui.vmstate.handlers import Described
from vmsnap_gui.vmstate.incoming import PipeReader
from vmsnap_gui.vmstate.registry import Registry
from vmsnap_gui.vmstate.sending import StreamForm
from vmsnap_gui.vmstate.wire import StreamError


def test_a_pipe_brings_a_section_in_pieces() -> None:
    """Values come back, however few bytes arrive at once, and a subsection is waited for."""
    inner = VMStateDescription("d/sub", 1, (VMStateField("y", "buffer", 500),))
    description = VMStateDescription("d", 1, (VMStateField("x", "buffer", 70_000),), (inner,))
    source, target = Registry(), Registry()
    values: dict[str, Any] = {"x": bytes(range(250)) * 280, "d/sub": {"y": bytes(500)}}
    source.register("d", Described(description, values), version=1)
    loaded: dict[str, Any] = {}
    target.register("d", Described(description, loaded), version=1)
    reading, writing = os.pipe()
    data = saved(source)

    def write() -> None:
        with os.fdopen(writing, "wb", buffering=0) as sink:
            for start in range(0, len(data), 777):
                sink.write(data[start : start + 777])

    thread = threading.Thread(target=write)
    thread.start()
    with os.fdopen(reading, "rb") as pipe:
        target.load(PipeReader(pipe), description=True)
        assert pipe.read() == b""
    thread.join()
    assert loaded == values


def piped(data: bytes) -> tuple[io.BufferedReader, io.FileIO]:
    """Return a pipe's ends; `data` is written, and the end for writing is still open."""
    reading, writing = os.pipe()
    sink = io.FileIO(writing, "wb")
    sink.write(data)
    return os.fdopen(reading, "rb"), sink


def load_from_open(registry: Registry, data: bytes, step: int) -> None:
    """Load from a pipe that stays open, in pieces; fails where the loading waits for more than there is."""
    pipe, sink = piped(data[:step])
    with pipe, sink:
        thread = threading.Thread(target=lambda: registry.load(PipeReader(pipe)), daemon=True)
        thread.start()
        for start in range(step, len(data), step):
            sink.write(data[start : start + step])
        thread.join(20)
        is_waiting = thread.is_alive()
        sink.close()
        thread.join()
    assert not is_waiting


@pytest.mark.parametrize("footers", [True, False])
@pytest.mark.parametrize("step", [1, 3, 1000])
def test_no_byte_after_the_end_is_waited_for(footers: bool, step: int) -> None:
    """In the description are what a stream may go on with: subsections, of a struct within it too, a list, a text."""
    inner = VMStateDescription("d/sub", 1, (VMStateField("y", "buffer", 50),))
    nested = VMStateDescription("in", 1, (VMStateField("z", "uint8", 1),), (replace(inner, name="in/sub"),))
    description = VMStateDescription(
        "d",
        1,
        (
            VMStateField("s", "struct", 0, nested=(nested,)),
            VMStateField("five", "uint8", 1),
            VMStateField(
                "items", "qtailq", 0, nested=(VMStateDescription("item", 1, (VMStateField("i", "uint8", 1),)),)
            ),
            VMStateField("text", "str", 0),
            VMStateField("more", "uint16", 2, 30, is_array=True),
        ),
        (inner, replace(inner, name="d/other")),
    )
    values: dict[str, Any] = {
        "s": {"z": 5, "in/sub": {"y": bytes(50)}}, "five": 5, "items": [{"i": 1}, {"i": 2}], "text": "abc",
        "more": [5] * 30, "d/sub": {"y": bytes([5]) * 50},
    }  # fmt: skip
    without = {**values, "s": {"z": 5}}
    del without["d/sub"]
    for kept in (values, without):
        source, target = Registry(), Registry()
        loaded: dict[str, Any] = {}
        source.register("d", Described(description, deepcopy(kept)), version=1)
        target.register("d", Described(description, loaded), version=1)
        load_from_open(target, saved(source, StreamForm(MACHINE, footers=footers, description=False)), step)
        assert loaded == kept


LONG = VMStateDescription("long", 1, (VMStateField("n", "uint32", 4), VMStateField("b", "buffer", 0, size_from="n")))


def test_what_follows_a_long_section_is_left_in_the_pipe() -> None:
    """Bytes that are held are copied for each look ahead: a long section must leave few of them behind."""
    source, target, loaded = Registry(), Registry(), dict[str, Any]()
    values: dict[str, Any] = {"n": 4 << 20, "b": bytes(4 << 20)}
    source.register("long", Described(LONG, values), version=1)
    target.register("long", Described(LONG, loaded), version=1)
    data = saved(source, StreamForm(MACHINE, description=False))
    pipe = io.BytesIO(data + bytes(8 << 20))
    target.load(PipeReader(pipe))
    assert loaded == values
    assert pipe.tell() < len(data) + (100 << 10)


def test_what_is_held_is_not_all_copied() -> None:
    reader = PipeReader(io.BytesIO(bytes(range(256)) * 8192))
    assert len(reader.ahead(1 << 20)) >= 1 << 20
    assert 1 <= len(reader.ahead(1)) <= 4096
    assert reader.bytes(1 << 20) == bytes(range(256)) * 4096


def test_a_wrong_count_does_not_read_the_whole_pipe() -> None:
    target = Registry()
    target.register("long", Described(LONG, {}), version=1)
    begin = b"QEVM" + u32(3) + header(4, 0, "long", 0, 1) + u32(0xFFFFFFF0)
    source = io.BytesIO(begin + bytes(1 << 20))
    with pytest.raises(StreamError, match="section 'long': it would be longer than any device's section"):
        target.load(PipeReader(source))
    assert source.tell() < 200 << 10
