"""Every recorded state with a vmdesc against the truth that was taken while its machine stood still."""

from __future__ import annotations

import base64
import hashlib
import json
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.end2end.registers import assert_registers
from tests.end2end.script_fields import differences
from tests.end2end.states import (
    assert_all_bytes_covered,
    assert_same,
    assert_stream_covered,
    ram_of,
    show,
    stream_of,
    vmsnap,
)
from tests.samples import sample, sample_json
from tests.vmstate.checks import check_saved_again
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.exporting import write_stream
from vmsnap_gui.vmstate.writer import Writer

if TYPE_CHECKING:
    from pathlib import Path

    from tests.end2end.states import Document

TRUTH_PAGE = 4096


@dataclass(frozen=True, slots=True)
class Recorded:
    """A recorded state: its file, its tag in there, and the file with the truth."""

    file: str
    tag: str | None
    truth: str

    def __str__(self) -> str:
        return f"{self.file}:{self.tag}" if self.tag else self.file

    @property
    def path(self) -> Path:
        return sample(self.file)

    def show(self, *options: str) -> Document:
        return show(self.path, self.tag, *options)


SNAPSHOTS = tuple(
    Recorded(f"{folder}/disk0.qcow2", f"snap{i}", f"{folder}/snap{i}.truth.json")
    for folder in ("q35-default@10.0", "aarch64-virt-nofw@7.2", "ppc64-pseries@10.0", "riscv64-virt@10.0")
    for i in range(3)
)
STREAMS = tuple(
    Recorded(f"q35-default@10.0/s-{name}.vmstate", None, f"q35-default@10.0/s-{name}.vmstate.truth.json")
    for name in ("plain", "xbzrle-live", "dirty-bitmaps", "mapped-ram", "mapped-ram-multifd")
)
SAVES = tuple(
    Recorded(f"libvirt-11.3/{name}/lab3.save", None, f"libvirt-11.3/{name}/regs.txt")
    for name in ("save-raw", "save-zstd", "save-sparse")
)
SCRIPTED = tuple(r for r in SNAPSHOTS if "aarch64" not in r.file)
"""QEMU's script stops at the aarch64 board's configuration section."""


def each(recorded: tuple[Recorded, ...], *, slow: tuple[str, ...] = ("ppc64", "dirty-bitmaps")) -> pytest.MarkDecorator:
    """Parametrize with states: all of them in `make verify`; before that one snapshot of each machine, none `slow`.

    The two that are slow have 250,000 fields and 55,000 sections.
    """
    quick = [one for one in recorded if one.tag in ("snap1", None) and not any(word in one.file for word in slow)]
    return pytest.mark.parametrize(
        "recorded",
        [pytest.param(one, id=str(one), marks=() if one in quick else pytest.mark.verify) for one in recorded],
    )


@each(SNAPSHOTS + STREAMS, slow=())
def test_registers_are_what_info_registers_said(recorded: Recorded) -> None:
    truth = sample_json(recorded.truth)
    assert assert_registers(recorded.show(), truth["hmp"]["info registers -a"]) > 50


@pytest.mark.parametrize("recorded", SAVES, ids=str)
def test_registers_of_a_libvirt_save_are_what_info_registers_said(recorded: Recorded) -> None:
    assert assert_registers(recorded.show(), sample(recorded.truth).read_text(encoding="utf-8")) > 50


@each(SNAPSHOTS + STREAMS + SAVES)
def test_tail_and_forward_agree_and_cover_every_byte(recorded: Recorded) -> None:
    tail, forward = recorded.show("--spans"), recorded.show("--spans", "--forward")
    assert tail["problems"] == []
    assert_same(tail, forward)
    assert_all_bytes_covered(tail)
    assert_all_bytes_covered(forward)
    assert_stream_covered(recorded.path, recorded.tag)


@each(SNAPSHOTS + STREAMS)
def test_ram_is_what_was_dumped(recorded: Recorded) -> None:
    blocks = {block["name"]: block for block in sample_json(recorded.truth)["ramblocks"]}
    selector = ["-s", f"tag:{recorded.tag}"] if recorded.tag else []
    told = {block["name"]: block for block in vmsnap("ram", recorded.path, *selector)}
    assert {n: b["length"] for n, b in told.items()} == {n: b["used"] for n, b in blocks.items()}
    dumped = {name: block for name, block in blocks.items() if "sha256" in block}
    assert dumped
    index = ram_of(recorded.path, recorded.tag)
    for name, truth in dumped.items():
        assert told[name]["sha256"] == truth["sha256"], name
        assert _page_sums(index.read(index.block(name), 0, truth["used"])) == _recorded_sums(truth), name
        if told[name]["page_size"] == TRUTH_PAGE:
            data_pages = told[name]["pages"] - told[name]["zero_pages"] - told[name]["missing_pages"]
            assert data_pages == truth["nonzero_4k_pages"], name


@each(SNAPSHOTS + STREAMS + SAVES)
def test_what_is_decoded_is_saved_again_byte_by_byte(recorded: Recorded) -> None:
    assert check_saved_again(open_state(stream_of(recorded.path, recorded.tag))) > 5


@each(SNAPSHOTS + STREAMS + SAVES)
def test_what_is_exported_is_what_was_saved(recorded: Recorded, tmp_path: Path) -> None:
    state = open_state(stream_of(recorded.path, recorded.tag))
    exported = tmp_path / "stream.vmstate"
    with exported.open("wb") as file:
        size = write_stream(state, [], Writer(file))
    again = open_state(stream_of(exported, None))
    assert (again.end, again.problems) == (size, state.problems)
    if not state.is_mapped:
        assert exported.read_bytes() == state.view.read(0, state.end)
        return
    assert not again.is_mapped
    assert check_saved_again(again) > 5
    before, after = state.index_ram(), again.index_ram()
    for block in before.blocks:
        theirs = after.block(block.name)
        assert after.read(theirs, 0, theirs.length) == before.read(block, 0, block.length)
        assert (theirs.states() == block.states()).all()


def _page_sums(data: bytes) -> list[int]:
    return [zlib.crc32(data[at : at + TRUTH_PAGE]) for at in range(0, len(data), TRUTH_PAGE)]


def _recorded_sums(truth: dict[str, Any]) -> list[int]:
    packed = zlib.decompress(base64.b64decode(truth["page_crc32_le_zlib_b64"]))
    sums: list[int] = np.frombuffer(packed, "<u4").tolist()
    return sums


def test_ram_of_the_libvirt_saves_is_the_same_machine() -> None:
    """No dump was recorded with them; but one guest, started three times, has the same firmware and tables."""
    told = [{b["name"]: b for b in vmsnap("ram", recorded.path)} for recorded in SAVES]
    assert len(told[0]) == 9
    for name, block in told[0].items():
        others = [blocks[name] for blocks in told[1:]]
        if name in ("pc.ram", "0000:00:02.0/vga.vram"):
            assert [other["zero_pages"] for other in others] == [block["zero_pages"]] * 2
        else:
            assert others == [block] * 2, name


@each(SCRIPTED)
def test_fields_are_what_qemus_own_script_printed(recorded: Recorded) -> None:
    reference = sample_json(f"{recorded.file.removesuffix('.qcow2')}.{recorded.tag}.fields.json")
    document = recorded.show("--spans")
    assert differences(document, stream_of(recorded.path, recorded.tag), reference) == []


def test_the_comparison_with_the_script_sees_every_kind_of_difference() -> None:
    recorded = SCRIPTED[0]
    reference = sample_json(f"{recorded.file.removesuffix('.qcow2')}.{recorded.tag}.fields.json")
    document, stream = recorded.show("--spans"), stream_of(recorded.path, recorded.tag)

    def found(change: Any) -> int:  # noqa: ANN401
        changed = json.loads(json.dumps(reference))
        change(changed)
        return len(differences(document, stream, changed))

    assert found(lambda r: r["cpu (5)"].update({"env.eip": "0x0000000000007c5b"})) == 1
    assert found(lambda r: r["cpu (5)"].pop("env.eip")) == 1
    assert found(lambda r: r["cpu (5)"].update({"env.new": "0x00"})) == 1
    assert found(lambda r: r["cpu (5)"]["env.regs"].pop()) == 1
    assert found(lambda r: r["timer (0)"].update({"unused": "00 00 00 00 00 00 00 01"})) == 1
    assert found(lambda r: r["cpu (5)"].update({"env.fpregs": "00"})) == 1
    assert found(lambda r: r.pop("timer (0)")) == 1
    assert found(lambda _: None) == 0


def test_ram_written_to_a_file_is_the_dump(tmp_path: Path) -> None:
    from vmsnap_gui.cli import main

    recorded = STREAMS[1]
    output = tmp_path / "pc.ram"
    assert main(["ram", str(recorded.path), "--block", "pc.ram", "--output", str(output)]) == 0
    (truth,) = (b for b in sample_json(recorded.truth)["ramblocks"] if b["name"] == "pc.ram")
    assert hashlib.sha256(output.read_bytes()).hexdigest() == truth["sha256"]


@pytest.mark.parametrize("name", ["env.eip", "env.eflags", "env.mxcsr", "env.cr[3]", "env.efer", "env.fpuc"])
def test_the_comparison_of_registers_sees_a_changed_one(name: str) -> None:
    recorded = STREAMS[0]
    printed = sample_json(recorded.truth)["hmp"]["info registers -a"]
    document = recorded.show()
    (last,) = (s for s in document["sections"] if (s["name"], s["instance_id"]) == ("cpu", 1))
    last["fields"][name] ^= 1
    with pytest.raises(AssertionError, match="CPU 1"):
        assert_registers(document, printed)
