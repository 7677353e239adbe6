"""A file system without room: a small one of its own, since others write to all that is shared."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.control.doing import hindrances, layered, plan_delete, plan_restore, plan_take, succeed, table
from tests.faults.files import mount
from tests.image.tools import MIB
from vmsnap_gui.control.terms import Hindrance

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.verify

_LITTLE = 256 << 10
"""Bytes: a snapshot of the image needs more, at worst."""


def left_in(folder: Path) -> int:
    found = os.statvfs(folder)
    return found.f_bavail * found.f_frsize


def fill(folder: Path) -> None:
    """Leave only a little room."""
    with (folder / "filler").open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, left_in(folder) - _LITTLE)


def see_the_blockers(folder: Path) -> None:
    """What the test below does where the file system is mounted."""
    mount(folder, 16 * MIB)
    path = layered(folder / "i.qcow2", "one", "two", size=2 * MIB)
    plan = plan_take(path, tag="x")
    assert (plan.blockers, plan.cost.free) == ((), left_in(folder))
    fill(folder)
    for plan in (plan_take(path, tag="x"), plan_restore(path, which="one")):
        assert hindrances(plan) == [Hindrance.SPACE]
        assert plan.blockers[0].path == path
        assert plan.blockers[0].text.startswith(f"Its file system has {_LITTLE} bytes left, and up to ")
    plan = plan_delete(path, which=["one"])
    assert plan.cost.free == _LITTLE
    succeed(plan)  # as the remedy says: it needs no room
    assert table(path) == [("2", "two", 2)]
    (folder / "filler").unlink()
    succeed(plan_take(path, tag="x"))


def test_no_room_for_a_snapshot(tmp_path: Path) -> None:
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    code = f"from pathlib import Path; from {__name__} import see_the_blockers as see; see(Path({str(tmp_path)!r}))"
    words = ["unshare", *user, "--mount", sys.executable, "-c", code]
    done = subprocess.run(words, check=False, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 0, done.stderr
