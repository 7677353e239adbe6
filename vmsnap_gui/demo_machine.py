"""The demo as a machine that can be started: a copy of the demo image, its firmware, and a launch profile for both."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.profile import LaunchProfile
from vmsnap_gui.control.profile_store import ProfileStore
from vmsnap_gui.demo import demo_image
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.resources import resource
from vmsnap_gui.vmstate.snapshots import open_snapshot

if TYPE_CHECKING:
    from collections.abc import Sequence

NAME = "vmsnap demo"
"""The name of its launch profile."""

_IMAGE = "demo-machine.qcow2"
_FIRMWARE = "demo-firmware.bin"
_ROM = "pc.bios"
"""The RAM block that holds the firmware of QEMU's pc machines (hw/i386/x86.c)."""


def demo_machine() -> LaunchProfile:
    """Put the demo machine into the user's data folder and keep a launch profile for it; return that.

    Nothing that is there already is changed: not the image, whatever was done to it, nor a profile of this name.

    Raises:
        ControlError: QEMU is not installed, or the files or the profile cannot be written.
        ImageError: there is no demo image.
    """
    facts = json.loads(resource("demo/demo.json").read_text(encoding="utf-8"))
    _require_installed(facts["machine"][0])
    folder = platformdirs.user_data_path("vmsnap", appauthor=False) / "demo"
    store = ProfileStore()
    profile = next((one for one in store.all() if one.name == NAME), None)
    if profile is None or not (folder / _IMAGE).exists():
        _put_files(folder)
    if profile is None:
        profile = LaunchProfile(name=NAME, arguments=_arguments(facts["machine"], facts["disk"]), directory=folder)
        store.put(profile)
    return profile


def _require_installed(program: str) -> None:
    if shutil.which(program) is None:
        raise ControlError(
            f"{program} is not installed, which runs the demo machine. Install it (Debian and Ubuntu: qemu-system-x86; "
            "Fedora: qemu-system-x86-core; Arch: qemu-system-x86) and choose this again"
        )


def _put_files(folder: Path) -> None:
    image = demo_image()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _put_new(folder / _FIRMWARE, _firmware(image))
        _put_new(folder / _IMAGE, image.read_bytes())
    except OSError as error:
        raise ControlError(f"the demo machine's files cannot be written: {error}", path=folder) from error


def _firmware(image: Path) -> bytes:
    """Return the firmware that the demo was made with, out of its memory: with it the machine also boots."""
    with contextlib.closing(open_image(image)) as opened:
        ram = open_snapshot(opened, opened.snapshots[0]).index_ram()
        block = ram.block(_ROM)
        return ram.read(block, 0, block.length)


def _put_new(path: Path, data: bytes) -> None:
    """Put `data` at `path` in one step; what is there already stays."""
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".demo-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        with contextlib.suppress(FileExistsError):
            os.link(name, path)
    finally:
        Path(name).unlink()


def _arguments(machine: Sequence[str], disk: str) -> tuple[str, ...]:
    """Return the command line: the machine that the demo's states need, with files named as in their folder."""
    program, *devices = machine
    shown = "DISPLAY" in os.environ or "WAYLAND_DISPLAY" in os.environ
    return (
        *(program, "-name", NAME, "-accel", "tcg"),
        *(() if shown else ("-display", "none")),
        *devices,
        *("-bios", _FIRMWARE, "-drive", f"file={_IMAGE},format=qcow2,if=none,id=disk0"),
        *("-device", f"{disk},drive=disk0"),
    )
