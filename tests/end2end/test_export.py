"""What is exported is loaded by the real QEMU, and it is the saved machine, but for what was edited."""

from __future__ import annotations

import contextlib
import gzip
import io
import re
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from tests.end2end.matrix import MATRIX, SMALL, Model, running, waiting
from tests.end2end.states import by_key, show, stream_of, vmsnap
from tests.end2end.test_truth_machines import guest_memory
from vmsnap_gui.cli import main

if TYPE_CHECKING:
    from pathlib import Path

    from tests.end2end.states import Document

TAG = "stopped"
NOT_LOADED = ("isapc",)
"""QEMU 7.2 aborts on its own stream of these (an assertion in memory_region_set_alias_offset): only compared."""
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
    if model.machine in NOT_LOADED:
        return
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


def refused(*arguments: str) -> str:
    """Export the demo's state, which must fail with a sentence and nothing else; return the sentence."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main(["export", "--demo", "-s", "finished", *arguments]) == 1
    assert out.getvalue() == ""
    return err.getvalue()


def test_to_a_command_and_to_an_open_file(tmp_path: Path) -> None:
    vmsnap("export", "--demo", "-s", "finished", "-o", tmp_path / "file")
    vmsnap("export", "--demo", "-s", "finished", "-o", f"exec:gzip -c > {tmp_path / 'packed'}")
    assert gzip.decompress((tmp_path / "packed").read_bytes()) == (tmp_path / "file").read_bytes()
    with (tmp_path / "open").open("wb") as file:
        vmsnap("export", "--demo", "-s", "finished", "-o", f"fd:{file.fileno()}")
    assert (tmp_path / "open").read_bytes() == (tmp_path / "file").read_bytes()


def test_what_was_written_is_checked(tmp_path: Path) -> None:
    told = vmsnap("export", "--demo", "-s", "finished", "-o", tmp_path / "file", "--check", "--set", "i8259.imr=0xa5")
    assert (told["bytes"], told["checked"]) == ((tmp_path / "file").stat().st_size, True)
    assert not vmsnap("export", "--demo", "-s", "finished", "-o", tmp_path / "other")["checked"]
    edit = ("--set", "i8259.imr=0xa5")
    for name, edits, what in (("plain", (), "is the state"), ("edited", edit, "is the state with these values")):
        arguments = ["export", "--demo", "-s", "finished", "-o", str(tmp_path / name), "--check", *edits]
        with contextlib.redirect_stdout(io.StringIO()) as out:
            assert main(arguments) == 0
        assert out.getvalue().endswith(f" bytes; checked: loaded again it {what}; QEMU loads them with -incoming\n")
    with pytest.raises(SystemExit), contextlib.redirect_stderr(io.StringIO()) as err:
        main(["export", "--demo", "-s", "finished", "-o", "exec:cat", "--check"])
    assert err.getvalue().endswith("--check reads again what was written, so it needs a file\n")


def test_a_state_whose_memory_is_damaged_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, damaged, out = tmp_path / "whole", tmp_path / "damaged", tmp_path / "out"
    vmsnap("export", "--demo", "-s", "finished", "-o", whole)
    data = whole.read_bytes()
    at = data.index(b"\x08\x06pc.ram") if b"\x08\x06pc.ram" in data else data.index(b"\x02\x06pc.ram")
    damaged.write_bytes(data[:at] + b"\x18" + data[at + 1 :])
    assert main(["export", str(damaged), "-o", str(out), "--check"]) == 1
    assert not out.exists()
    assert "removed again, since the state is damaged: its RAM cannot be loaded: " in capsys.readouterr().err
    assert main(["export", str(damaged), "-o", str(out)]) == 0
    told = capsys.readouterr()
    assert "written as it is, with a problem: its RAM is not complete: " in told.err
    assert told.out == f"{out}: {len(data)} bytes\n"
    assert out.read_bytes() == damaged.read_bytes()


def test_a_rate_is_kept(tmp_path: Path) -> None:
    start = time.monotonic()
    told = vmsnap("export", "--demo", "-s", "finished", "-o", tmp_path / "file", "--rate", "2")
    assert told["bytes"] / (time.monotonic() - start) < 4 << 20
    for rate in ("0", "-1", "fast", "nan"):
        with pytest.raises(SystemExit), contextlib.redirect_stderr(io.StringIO()) as err:
            main(["export", "--demo", "-s", "finished", "-o", "-", "--rate", rate])
        assert err.getvalue().endswith(f"--rate: {rate!r} is no rate; write MiB a second, as in 100 or 0.5\n")


def test_what_cannot_be_written_is_told() -> None:
    told = refused("-o", "/dev/full")
    assert told.startswith("vmsnap: /dev/full: it cannot be written: No space left on device (at stream offset 0x")
    assert told.endswith("); try again when that is mended\n")
    early = "before it had read all of the stream\n"
    assert refused("-o", "exec:exec 0<&-").endswith(f"the command 'exec 0<&-' ended with status 0 {early}")
    assert refused("-o", "exec:false").endswith(f"exec:false: the command 'false' ended with status 1 {early}")
    assert refused("-o", "exec:kill -9 $$").endswith(f"the command 'kill -9 $$' was ended by signal 9 {early}")
    assert refused("-o", "exec:cat > /dev/null; exit 7").endswith("exit 7' ended with status 7\n")
    for number in ("abc", "-1", "", "99999999999"):
        sentence = f"nothing can be sent there: {number!r} is no number of an open file, as fd:3 has it\n"
        assert refused("-o", f"fd:{number}") == f"vmsnap: fd:{number}: {sentence}"
    for port in ("x", "70000"):
        assert refused("-o", f"tcp:localhost:{port}").endswith(
            f"{port!r} is no number of a port, as tcp:HOST:PORT has it\n"
        )
    assert refused("-o", "tcp:a..b:1").endswith("nothing can be sent there: 'a..b' is no name of a host\n")
    assert refused("-o", "unix:/nowhere/at/all").endswith("nothing can be sent there: No such file or directory\n")


def test_what_is_refused_leaves_the_file_as_it_was(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, out = tmp_path / "whole", tmp_path / "out"
    vmsnap("export", "--demo", "-s", "finished", "-o", whole)
    cut = tmp_path / "cut"
    cut.write_bytes(whole.read_bytes()[:300_000])
    out.write_text("precious")
    assert main(["export", str(cut), "-o", str(out)]) == 1
    assert out.read_text() == "precious"
    twice = ["--set", "cpu.env.eip=1", "--set", "cpu.env.eip=2"]
    assert main(["export", str(whole), "-o", str(out), *twice]) == 1
    assert "--set gives cpu.env.eip two values" in capsys.readouterr().err
    assert out.read_text() == "precious"
    assert sorted(tmp_path.iterdir()) == [cut, out, whole]
