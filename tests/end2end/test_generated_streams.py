"""The bench's streams: what the generator writes, real QEMU loads, and reads as we do."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.bench.streams import PAGE, Layout, SourceError, write_stream
from tests.end2end.states import assert_all_bytes_covered, assert_same, ram_of, show, stream_of
from tests.machines import Machine
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.exporting import write_stream as write_state
from vmsnap_gui.vmstate.ram import PageState
from vmsnap_gui.vmstate.ram_saving import RamHandler
from vmsnap_gui.vmstate.writer import Writer

if TYPE_CHECKING:
    from pathlib import Path

MEMORY = 64 << 20
MACHINE = ["-M", "pc", "-m", str(MEMORY >> 20), "-nodefaults", "-vga", "std", "-device", "e1000"]

pytestmark = pytest.mark.qemu


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stream that QEMU saved."""
    path = tmp_path_factory.mktemp("source") / "source.vmstate"
    with Machine([*MACHINE, "-S"]) as machine:
        machine.migrate_to(path)
    return path


@pytest.mark.parametrize("layout", ["data", "interleaved"])
def test_qemu_loads_a_generated_stream_and_reads_it_as_we_do(layout: Layout, source: Path, tmp_path: Path) -> None:
    stream = tmp_path / "stream.vmstate"
    write_stream(stream, source, MEMORY, layout=layout)
    index = ram_of(stream, None)
    block = index.block("pc.ram")
    with Machine([*MACHINE, "-S", "-incoming", "defer"]) as machine:
        machine.migrate_from(stream)
        for start, end in ((0, 640 << 10), (1 << 20, MEMORY)):
            assert machine.memory(start, end - start) == index.read(block, start, end - start)
    states = block.states()
    if layout == "data":
        assert (states == PageState.DATA).all()
    else:
        assert 0.7 < (states == PageState.DATA).mean() < 0.8
        assert (states != PageState.MISSING).all()


def test_qemu_loads_ram_that_is_written_anew(source: Path, tmp_path: Path) -> None:
    stream = tmp_path / "stream.vmstate"
    state = open_state(stream_of(source, None))
    index = state.index_ram()
    with stream.open("wb") as file:
        write_state(state, [], Writer(file), ram=RamHandler.of(index))
    assert_all_bytes_covered(show(stream, None, "--spans"))
    block = index.block("pc.ram")
    with Machine([*MACHINE, "-S", "-incoming", "defer"]) as machine:
        machine.migrate_from(stream)
        for start, end in ((0, 640 << 10), (1 << 20, MEMORY)):
            assert machine.memory(start, end - start) == index.read(block, start, end - start)


@pytest.mark.parametrize("layout", ["data", "interleaved"])
def test_a_larger_one_keeps_the_devices_and_numbers_its_pages(layout: Layout, source: Path, tmp_path: Path) -> None:
    stream = tmp_path / "stream.vmstate"
    write_stream(stream, source, 256 << 20, layout=layout)
    before, after = show(source, None), show(stream, None, "--spans")
    assert [s["fields"] for s in before["sections"]] == [s["fields"] for s in after["sections"]]
    assert_all_bytes_covered(after)
    assert_same(after, show(stream, None, "--spans", "--forward"))
    lengths = {block["name"]: block["length"] for block in after["ram"]}
    assert lengths == {block["name"]: block["length"] for block in before["ram"]} | {"pc.ram": 256 << 20}
    index = ram_of(stream, None)
    block = index.block("pc.ram")
    data = (block.states() == PageState.DATA).nonzero()[0]
    passes = set()
    for page in data[:: len(data) // 200].tolist():
        head = index.read(block, page * PAGE, 8)
        assert int.from_bytes(head[:4], "big") == page
        passes.add(head[4:])
    assert (len(passes) > 1) == (layout == "interleaved")


def test_what_is_no_plain_stream_is_refused(source: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    for content in (b"QEVM", b"nothing", b"QEVM\0\0\0\3" + bytes(100), source.read_bytes()[:100]):
        broken.write_bytes(content)
        with pytest.raises(SourceError):
            write_stream(tmp_path / "out", broken, MEMORY, layout="data")
    with pytest.raises(ValueError, match="whole pages"):
        write_stream(tmp_path / "out", source, MEMORY + 1, layout="data")
