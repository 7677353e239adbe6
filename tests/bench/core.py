"""Reading states: the device tree by the tail, the RAM index, and memory, on 4 GiB of data pages.

The streams are enlarged from one that a real 64 MiB machine saved (tests/bench/streams.py): the same devices, the
same vmdesc, more RAM.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
from typing import TYPE_CHECKING

from tests.bench.memory import peak_anonymous
from tests.bench.registry import Result, alternate, case
from tests.bench.streams import write_stream
from tests.machines import Machine
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.vmstate.devices import VMState, open_state
from vmsnap_gui.vmstate.fields import to_json

if TYPE_CHECKING:
    from pathlib import Path

MIB, GIB = 1 << 20, 1 << 30


@functools.cache
def streams(scratch: Path) -> tuple[Path, Path]:
    """Return the stream of a 64 MiB machine whose RAM is all data, and the same with 4 GiB."""
    source, small, big = scratch / "source.vmstate", scratch / "64M.vmstate", scratch / "4G.vmstate"
    with Machine(["-M", "q35", "-m", "64", "-smp", "2", "-device", "e1000e", "-S"]) as machine:
        machine.migrate_to(source)
    write_stream(small, source, 64 * MIB, layout="data")
    write_stream(big, source, 4 * GIB, layout="data")
    os.sync()  # or writing it back would slow down what is measured
    return small, big


def state_of(path: Path) -> VMState:
    image = open_image(path)
    return open_state(image.vm_state(image.snapshots[0]))


def _tree(path: Path) -> None:
    state = state_of(path)
    for section in state.sections:
        to_json(state.decode(section))


@case("device tree by the tail")
def tail(scratch: Path) -> list[Result]:
    """Compare opening 4 GiB with opening 64 MiB."""
    small, big = streams(scratch)
    of_big, of_small = alternate(lambda: _tree(big), lambda: _tree(small), 15)
    command, nothing = alternate(
        lambda: _run("show", big, "--json"), lambda: subprocess.run([sys.executable, "-c", "pass"], check=True)
    )
    figures = f"4 GiB {of_big * 1e3:.1f} ms, 64 MiB {of_small * 1e3:.1f} ms"
    whole = f"`vmsnap show --json` {command * 1e3:.0f} ms, `python -c pass` {nothing * 1e3:.0f} ms"
    return [
        Result("open, locate and decode every device: 4 GiB of RAM against 64 MiB", figures, of_big / of_small, 1.2),
        Result("milliseconds in a running process, 4 GiB", figures, of_big * 1e3, 150),
        Result(
            "milliseconds of the whole command without the interpreter's start", whole, (command - nothing) * 1e3, 150
        ),
    ]


@case("RAM index")
def index(scratch: Path) -> list[Result]:
    """Compare indexing with `cat` on a file in the page cache."""
    results = []
    irregular = scratch / "interleaved.vmstate"
    if not irregular.exists():
        write_stream(irregular, scratch / "source.vmstate", 2 * GIB, layout="interleaved")
    for path, what, limit in ((streams(scratch)[1], "4 GiB of data pages", 0.7), (irregular, "interleaved", 0.1)):
        ours, cat = alternate(lambda p=path: state_of(p).index_ram(), lambda p=path: _cat(p))  # type: ignore[misc]
        size = path.stat().st_size
        figures = f"index {ours:.3f} s ({size / ours / GIB:.1f} GiB/s), cat {cat:.3f} s ({size / cat / GIB:.1f} GiB/s)"
        results.append(Result(f"speed of the index against cat: {what}", figures, cat / ours, limit, at_least=True))
    return results


def _cat(path: Path) -> None:
    subprocess.run(["cat", str(path)], stdout=subprocess.DEVNULL, check=True)


@case("memory")
def memory(scratch: Path) -> list[Result]:
    """Compare the peak of anonymous memory between 4 GiB and 64 MiB."""
    small, big = streams(scratch)
    results = []
    for command in (("show", "--json"), ("ram", "--json")):
        of_small, of_big = (peak_anonymous(command_of(command[0], path, *command[1:]))[0] for path in (small, big))
        figures = f"4 GiB {of_big / MIB:.0f} MiB, 64 MiB {of_small / MIB:.0f} MiB of anonymous memory"
        results.append(Result(f"MiB above 64 MiB: vmsnap {' '.join(command)}", figures, (of_big - of_small) / MIB, 150))
    return results


def command_of(verb: str, path: Path, *options: str) -> list[str]:
    return [
        sys.executable,
        "-c",
        "import sys; from vmsnap_gui.start import command; sys.exit(command())",
        verb,
        str(path),
        *options,
    ]


def _run(verb: str, path: Path, *options: str) -> None:
    subprocess.run(command_of(verb, path, *options), stdout=subprocess.DEVNULL, check=True)
