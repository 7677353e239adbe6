"""`python -m tests.faults`: runs of all kinds, and the table of them that docs/faults.md holds."""

from __future__ import annotations

import argparse
import os
import random
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from tests.faults import files, live
from tests.faults.victim import VERBS
from tests.faults.world import Row, template
from tests.image.tools import run

_INSIDE = "VMSNAP_FAULTS_INSIDE"

_WAYS = {
    "files": (template, files.FAULTS, files.experiment),
    "qmp": (live.live_template, live.LIVE_FAULTS, live.live_experiment),
}
"""How the machine is reached: what makes its disks, what befalls it, and one run."""


def main() -> int:
    """Make the runs; the exit status is 1 if one of them showed something wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("--runs", type=int, default=100, help="how many, beside one of each that is undisturbed")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--table", type=Path, help="where the table goes, in Markdown")
    parser.add_argument("--way", choices=_WAYS, help="only this one")
    parser.add_argument("--fault", choices=[*files.FAULTS, *live.LIVE_FAULTS], help="only this one")
    options = parser.parse_args()
    if not os.environ.get(_INSIDE):
        return _in_a_mount_namespace()
    ways = [options.way] if options.way is not None else list(_WAYS)
    rows = [row for way in ways for row in _runs(way, options.runs // len(ways), options.seed, options.fault)]
    if options.table is not None:
        options.table.write_text(markdown(rows, options.seed))
    wrong = [row for row in rows if row.wrong]
    print(f"{len(rows)} runs, {len(wrong)} of them wrong")
    return 1 if wrong else 0


def _in_a_mount_namespace() -> int:
    """Run again where file systems can be mounted that nobody else sees, as root or not."""
    user = [] if os.geteuid() == 0 else ["--user", "--map-root-user"]
    words = ["unshare", *user, "--mount", sys.executable, "-m", "tests.faults", *sys.argv[1:]]
    return subprocess.run(words, check=False, env={**os.environ, _INSIDE: "yes"}).returncode


def _runs(way: str, count: int, seed: int, fault: str | None) -> list[Row]:
    rows = []
    make, faults, experiment = _WAYS[way]
    usual = [fault] if fault is not None else [name for name in faults if name != "none"]
    chosen = [(verb, "none") for verb in VERBS]
    chosen += [(list(VERBS)[number % len(VERBS)], usual[number // len(VERBS) % len(usual)]) for number in range(count)]
    with tempfile.TemporaryDirectory(prefix="vmsnap-faults-") as folder:
        scratch = Path(folder)
        files.mount(scratch / "original", 2 << 30)
        original = make(scratch / "original")
        for number, (verb, what) in enumerate(chosen):
            row = experiment(verb, what, original, scratch, random.Random(f"{seed} {number}"))
            print(f"{number}: {row.verb}; {row.fault}; {row.moment}; {row.ended}; {row.found}; {row.wrong}", flush=True)
            rows.append(row)
        subprocess.run(["umount", scratch / "original"], check=True)
    return rows


def markdown(rows: list[Row], seed: int) -> str:
    """Return the page with the table: rows of one kind are one line."""
    version = run("qemu-img", "--version").split("\n")[0]
    lines = [_HEAD.format(runs=len(rows), seed=seed, version=version)]
    lines += ["| way | operation | fault | runs | ended | images clean / leaking / damaged | in quarantine | wrong |"]
    lines += ["| --- | --- | --- | ---: | --- | --- | ---: | ---: |"]
    for key in dict.fromkeys((row.way, row.verb, row.fault) for row in rows):
        same = [row for row in rows if (row.way, row.verb, row.fault) == key]
        ends = ", ".join(f"{count} {end}" for end, count in Counter(row.ended for row in same).items())
        found = [one for row in same for one in row.found]
        states = [sum(one.startswith(word) for one in found) for word in ("clean", "leaks", "errors")]
        held = sum(one.endswith("in quarantine") for one in found)
        wrong = sum(bool(row.wrong) for row in same)
        numbers = " / ".join(str(number) for number in states)
        lines.append(f"| {' | '.join(key)} | {len(same)} | {ends} | {numbers} | {held} | {wrong} |")
    return "\n".join(lines) + "\n"


_HEAD = """# Fault runs

Operations on a machine with two disks (three snapshots each) are hit by a fault at a random moment. Afterwards
qemu-img alone tells what is true, and vmsnap must agree with it:

- it holds exactly those images in quarantine on which `qemu-img check` is not clean;
- after its *Check and repair*, `qemu-img check` is clean on all of them;
- every snapshot that the operation did not name is byte-identical, also after 100 MiB more were written to the disk;
- neither then nor afterwards does `qemu-img check` find errors; it may find leaks after the guest wrote: QEMU 7.2 leaks
  some clusters by itself when it writes to an image that once ran out of space, also after a repair by hand;
- what is on the disk is what was there, or, for a restore, what was to be there;
- its list of snapshots is that of `qemu-img info`.

A run of which one of these is not true counts as *wrong*. Made by `python -m tests.faults --table docs/faults.md`:
{runs} runs, seed {seed}, {version}.
"""


if __name__ == "__main__":
    sys.exit(main())
