"""What is exported is loaded by the real QEMU, and it is the saved machine, but for what was edited."""

from __future__ import annotations

import re
import socket
import threading
from typing import TYPE_CHECKING

import pytest

from tests.end2end.matrix import MATRIX, SMALL, Model, running, waiting
from tests.end2end.states import by_key, show, stream_of, vmsnap
from tests.end2end.test_truth_machines import guest_memory

if TYPE_CHECKING:
    from pathlib import Path

    from tests.end2end.states import Document

TAG = "stopped"
EDITS = {"cpu.env.regs[3]": "0x123456789abcdef0", "i8259.imr": "0xa5"}


def loaded(model: Model, directory: Path, stream: Path) -> tuple[str, list[tuple[int, bytes]], Document]:
    """Have QEMU load a stream; returns its registers, its memory, and the state that it saves at once again."""
    again = directory / "again.vmstate"
    with waiting(model, directory) as machine:
        machine.migrate_from(stream)
        found = machine.registers(), guest_memory(machine)
        machine.migrate_to(again)
    return *found, show(again, None)


def changed(before: Document, after: Document) -> set[str]:
    """Return which top-level fields of which sections differ."""
    ours, theirs = by_key(before), by_key(after)
    assert list(ours) == list(theirs)
    return {
        f"{section['name']}:{section['instance_id']}.{name}"
        for key, section in ours.items()
        for name, value in section["fields"].items()
        if theirs[key]["fields"][name] != value
    }


def check(model: Model, directory: Path) -> None:
    """Export a snapshot as it is and with edits; QEMU loads both."""
    with running(model, directory) as machine:
        registers, memory = machine.registers(), guest_memory(machine)
        nodes = [node for node in ("disk0", "disk1", "stick") if (directory / f"{node}.qcow2").exists()]
        machine.snapshot_save(TAG, vmstate="disk0", devices=nodes)
    image, plain, edited = directory / "disk0.qcow2", directory / "plain.vmstate", directory / "edited.vmstate"
    told = vmsnap("export", image, "-s", TAG, "-o", plain)
    assert (told["bytes"], told["edits"]) == (plain.stat().st_size, [])
    assert plain.read_bytes() == stream_of(image, TAG).read(0, told["bytes"])
    assert not any(stream_of(image, TAG).read(told["bytes"], stream_of(image, TAG).size - told["bytes"]))
    as_it_was = loaded(model, directory, plain)
    assert as_it_was[:2] == (registers, memory)

    words = [word for name, value in EDITS.items() for word in ("--set", f"{name}={value}")]
    told = vmsnap("export", image, "-s", TAG, "-o", edited, *words)
    assert [f"{edit['section']}.{edit['path']}" for edit in told["edits"]] == list(EDITS)
    other = loaded(model, directory, edited)
    assert other[1] == memory
    assert other[0] == re.sub(r"RBX=[0-9a-f]{16}", f"RBX={EDITS['cpu.env.regs[3]'][2:]}", registers, count=1)
    assert changed(as_it_was[2], other[2]) == {"cpu:0.env.regs", "i8259:0.imr"}


@pytest.mark.qemu
def test_qemu_loads_what_is_exported(tmp_path: Path) -> None:
    check(SMALL, tmp_path)


@pytest.mark.qemu
@pytest.mark.verify
@pytest.mark.parametrize("model", MATRIX, ids=lambda model: model.name)
def test_qemu_loads_every_machine(model: Model, tmp_path: Path) -> None:
    check(model, tmp_path)


def test_to_a_socket(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # the names of sockets are short
    received = bytearray()
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("stream")
        server.listen()

        def receive() -> None:
            connection, _ = server.accept()
            with connection:
                while data := connection.recv(1 << 20):
                    received.extend(data)

        thread = threading.Thread(target=receive)
        thread.start()
        told = vmsnap("export", "--demo", "-s", "finished", "-o", "unix:stream")
        thread.join()
    vmsnap("export", "--demo", "-s", "finished", "-o", "file")
    assert len(received) == told["bytes"]
    assert bytes(received) == (tmp_path / "file").read_bytes()
