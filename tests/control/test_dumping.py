"""Asking a real QEMU for its layouts, and programs that are none."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from vmsnap_gui.control.dumping import dump_layouts
from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.image.errors import Cancelled

if TYPE_CHECKING:
    from collections.abc import Callable

QEMU = Path("/usr/bin/qemu-system-x86_64")
pytestmark = pytest.mark.qemu


def nothing(_done: int, _total: int) -> None:
    pass


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    def make(text: str) -> Path:
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{text}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    return make


@pytest.mark.parametrize(("machine", "name"), [("q35", "pc-q35-"), (None, "none"), ("no-such-machine", "none")])
def test_a_qemu_tells_its_layouts(machine: str | None, name: str) -> None:
    assert json.loads(dump_layouts(QEMU, machine, nothing))["vmschkmachine"]["Name"].startswith(name)


def test_a_machine_type_from_a_stream_is_no_option() -> None:
    document = json.loads(dump_layouts(QEMU, "pc,accel=no-such", nothing))
    assert document["vmschkmachine"]["Name"] == "none"


def test_another_program_is_refused_in_its_own_words(program: Callable[[str], Path]) -> None:
    with pytest.raises(ControlError, match="it did not tell its layouts: I am no QEMU") as error:
        dump_layouts(program("echo I am no QEMU >&2; exit 3"), "pc", nothing)
    assert "-dump-vmstate" in error.value.command


def test_what_is_no_program_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ControlError, match="cannot be run"):
        dump_layouts(tmp_path / "missing", None, nothing)


def test_a_program_that_does_not_end_is_ended(program: Callable[[str], Path], tmp_path: Path) -> None:
    told = tmp_path / "pid"
    endless = program(f"echo $$ > {told}; exec sleep 1000")
    with pytest.raises(ControlError, match="was not done after 1 seconds"):
        dump_layouts(endless, None, nothing, limit=1.0)
    assert not Path(f"/proc/{told.read_text().strip()}").exists()


def test_cancelling_ends_it(program: Callable[[str], Path], tmp_path: Path) -> None:
    told = tmp_path / "pid"

    def cancel(_done: int, _total: int) -> None:
        if told.exists() and told.read_text().strip():
            raise Cancelled

    with pytest.raises(Cancelled):
        dump_layouts(program(f"echo $$ > {told}; exec sleep 1000"), None, cancel)
    assert not Path(f"/proc/{told.read_text().strip()}").exists()
