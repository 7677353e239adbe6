"""Saving: a state with 4 GiB of RAM against `cp`; and decoding the biggest state of the seed era."""

from __future__ import annotations

import functools
import statistics
import subprocess
import time
from typing import TYPE_CHECKING

from tests.bench.core import GIB, state_of, streams
from tests.bench.registry import Result, alternate, case
from tests.samples import QCOW2, sample
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.exporting import write_stream
from vmsnap_gui.vmstate.fields import to_json
from vmsnap_gui.vmstate.ram_saving import RamHandler
from vmsnap_gui.vmstate.writer import Writer

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.image.byteview import ByteView

_ROUNDS = 3  # of 4 GiB each: more would fill the disk's queue rather than the table


def _save(path: Path, target: Path, *, anew: bool) -> None:
    """Save a state: its sections copied, or its RAM written anew from the index of its pages."""
    state = state_of(path)
    ram = RamHandler.of(state.index_ram()) if anew else None
    with target.open("wb") as file:
        write_stream(state, [], Writer(file), ram=ram)
    target.unlink()  # what is not on the disk yet need not get there


def _copy(path: Path, target: Path) -> None:
    subprocess.run(["cp", "--reflink=never", "--sparse=never", str(path), str(target)], check=True)
    target.unlink()


@case("saving")
def saving(scratch: Path) -> list[Result]:
    """Compare saving 4 GiB with `cp`, and hold the biggest old state against the clock."""
    big = streams(scratch)[1]
    size = big.stat().st_size / GIB
    results = []
    for what, anew in (("copied", False), ("its RAM written anew", True)):
        save = functools.partial(_save, big, scratch / "saved", anew=anew)
        ours, cp = alternate(save, lambda: _copy(big, scratch / "copied"), _ROUNDS)
        figures = f"saving {ours:.2f} s ({size / ours:.2f} GiB/s), cp {cp:.2f} s ({size / cp:.2f} GiB/s)"
        results.append(Result(f"speed of saving 4 GiB against cp: {what}", figures, cp / ours, 0.5, at_least=True))
    return [*results, _oldest()]


def _oldest() -> Result:
    images = [open_image(sample(name)) for name in QCOW2 if name.startswith("seed-era")]
    views = [image.vm_state(snapshot) for image in images for snapshot in image.snapshots]
    biggest = max(views, key=lambda view: view.size)
    _decode(biggest)
    taken = []
    for _ in range(15):
        start = time.perf_counter()
        _decode(biggest)
        taken.append(time.perf_counter() - start)
    milliseconds = statistics.median(taken) * 1e3
    figures = f"{biggest.size} bytes in {milliseconds:.1f} ms"
    return Result("milliseconds to decode the biggest state of the seed era", figures, milliseconds, 100)


def _decode(view: ByteView) -> None:
    state = open_state(view)
    for section in state.sections:
        to_json(state.decode(section))
