"""Machines whose displays were brought into modes: what QEMU shows of each, beside the state that was saved of it."""

from __future__ import annotations

import tempfile
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from tests.guest.screen_script import Mode, disk
from tests.machines import Machine
from vmsnap_gui.guest.screen.display import screens
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.vmstate.devices import open_state

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from vmsnap_gui.guest.screen.result import NoScreen, Screen


@dataclass(frozen=True, slots=True)
class Shown:
    """A mode, QEMU's own picture of it, and what was rendered of the state."""

    mode: Mode
    picture: NDArray[np.uint8]
    results: tuple[Screen | NoScreen, ...]


def run(modes: tuple[Mode, ...], *options: str, name: str | None = None) -> Iterator[Shown]:
    """Start a machine with the display that `options` give, and take each mode's picture and state while it stands.

    `name` is the id of the display whose picture is meant, where there are several.
    """
    with tempfile.TemporaryDirectory(prefix="vmsnap-screens-") as directory:
        folder = Path(directory)
        boot = folder / "boot.raw"
        boot.write_bytes(disk(modes))
        arguments = ["-M", "pc", "-m", "16", "-nodefaults", *options]
        arguments += ["-drive", f"if=ide,format=raw,read-only=off,file={boot}"]
        with Machine(arguments) as machine:
            for number, mode in enumerate(modes):
                machine.wait_marks(bytes([65 + number]))
                machine.stop()
                yield Shown(mode, picture(machine, folder, name), rendered(machine, folder))
                machine.resume()
                machine.qmp("send-key", keys=[{"type": "qcode", "data": "spc"}])


def picture(machine: Machine, folder: Path, name: str | None = None) -> NDArray[np.uint8]:
    """Return the display's picture as QEMU dumps it."""
    path = folder / "screen.ppm"
    machine.qmp("screendump", filename=str(path), **({"device": name} if name else {}))
    kind, size, levels, data = path.read_bytes().split(b"\n", 3)  # one line each, as QEMU writes them
    assert (kind, levels) == (b"P6", b"255")
    width, height = map(int, size.split())
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)


def rendered(machine: Machine, folder: Path) -> tuple[Screen | NoScreen, ...]:
    """Return what is rendered of the state that the machine saves now."""
    path = folder / "state.vmstate"
    machine.migrate_to(path)
    with closing(open_image(path)) as image:
        return screens(open_state(image.vm_state(image.snapshots[0])))
