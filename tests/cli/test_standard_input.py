"""`vmsnap show -`: a state that comes through a pipe is shown like the file it came from."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.samples import sample
from vmsnap_gui.cli.output import CommandError
from vmsnap_gui.cli.standard_input import keep

if TYPE_CHECKING:
    from pathlib import Path

STREAM = "q35-default@10.0/s-plain.vmstate"


def show(*arguments: str, data: bytes | None = None) -> subprocess.CompletedProcess[bytes]:
    program = "import sys; from vmsnap_gui.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", program, "show", *arguments]
    return subprocess.run(command, input=data, capture_output=True, check=False)


def test_a_piped_stream_shows_the_fields_of_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    path = sample(STREAM)
    piped, named = show("--json", "-", data=path.read_bytes()), show("--json", str(path))
    assert (piped.returncode, piped.stderr) == (0, b"")
    (from_pipe,), (from_file,) = json.loads(piped.stdout), json.loads(named.stdout)
    assert from_pipe["sections"] == from_file["sections"]
    assert from_pipe["sections"]
    assert list(tmp_path.iterdir()) == []


def test_it_is_called_by_its_name() -> None:
    path = sample(STREAM)
    shown = show("-", data=path.read_bytes()).stdout
    assert shown.startswith(b"standard input: pc-q35-10.0, ")
    assert shown.partition(b":")[2] == show(str(path)).stdout.partition(b":")[2]
    assert json.loads(show("--json", "-", data=path.read_bytes()).stdout)[0]["path"] == "standard input"
    assert show("--device", "x", "-", data=path.read_bytes()).stderr.startswith(b"vmsnap: standard input: there is no")
    assert show("-", data=b"QEVM\0\0\0\2").stderr.startswith(b"vmsnap: standard input: ")


def test_nothing_on_standard_input_is_one_sentence() -> None:
    shown = show("-", data=b"")
    assert shown.returncode == 1
    assert shown.stderr.count(b"\n") == 1
    assert shown.stderr.startswith(b"vmsnap: standard input: ")
    assert b"empty" in shown.stderr


def test_what_there_is_no_room_for_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="longer than"):
        keep(io.BytesIO(bytes(11)), tmp_path / "kept", 10)
    keep(io.BytesIO(bytes(10)), tmp_path / "exact", 10)
    assert (tmp_path / "exact").read_bytes() == bytes(10)
    assert (tmp_path / "exact").stat().st_mode & 0o077 == 0
