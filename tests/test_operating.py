"""What acting's workers do beside the plans themselves."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.terms import Verb
from vmsnap_gui.image.errors import Cancelled
from vmsnap_gui.operating import Whom, Wish, make_plan
from vmsnap_gui.vms import read_profile, read_script

if TYPE_CHECKING:
    from pathlib import Path


def test_planning_ends_when_it_is_cancelled(tmp_path: Path) -> None:
    def cancel(_done: int, _total: int) -> None:
        raise Cancelled

    with socket.socket(socket.AF_UNIX) as silent:  # a monitor that takes its time to greet
        silent.bind(str(tmp_path / "qmp"))
        silent.listen()
        whom = Whom(paths=(), address=f"qmp:{tmp_path / 'qmp'}")
        with pytest.raises(Cancelled):
            make_plan(Wish(verb=Verb.TAKE, whom=whom, words=("a",)), cancel)


def test_planning_says_why_it_cannot(tmp_path: Path) -> None:
    wish = Wish(verb=Verb.TAKE, whom=Whom(paths=(tmp_path / "none",)), words=("a",))
    with pytest.raises(ControlError, match="cannot be found"):
        make_plan(wish, lambda _done, _total: None)


def test_a_script_becomes_a_profile(tmp_path: Path) -> None:
    script = tmp_path / "run.sh"
    script.write_text("#!/bin/sh\nqemu-system-x86_64 -name web -hda web.qcow2\n")
    drafted = read_script(script)
    assert (drafted.profile.name, drafted.profile.directory) == ("web", tmp_path)
    assert [disk.path for disk in drafted.machine.disks] == [tmp_path / "web.qcow2"]
    with pytest.raises(ControlError, match="cannot be read"):
        read_script(tmp_path / "none.sh")
    with pytest.raises(ControlError, match="'echo' is not QEMU"):
        read_profile("echo", "", tmp_path)
