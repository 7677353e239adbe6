"""An operation that ends as if vmsnap had been killed while qemu-img wrote: a real journal, and the usual damage."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

from tests.image.tools import L1_OFFSET_AT, number, patch, u64

if TYPE_CHECKING:
    from pathlib import Path

COPIED = 1 << 63

_CHILD = """
import asyncio, os, sys
from pathlib import Path
from vmsnap_gui.control.fingerprint import fingerprints
from vmsnap_gui.control.journal_entry import Operation
from vmsnap_gui.control.planning import plan_take
from vmsnap_gui.control.survey import survey_files
path = Path(sys.argv[1])
plan = asyncio.run(plan_take(survey_files([path]), "third"))
operation = Operation.begin(plan, {path: fingerprints(path)}, {path: {}})
operation.enter(2, plan.steps[1], writes=True)
os._exit(9)
"""


def interrupt(path: Path, *, damage: bool) -> None:
    """Leave an operation unfinished in the journal of XDG_STATE_HOME.

    Args:
        path: The image.
        damage: Also clear a COPIED flag, as killed qemu-img processes did.
    """
    done = subprocess.run([sys.executable, "-c", _CHILD, str(path)], check=False)
    assert done.returncode == 9
    if damage:
        at = number(path, L1_OFFSET_AT, 8)
        entry = number(path, at, 8)
        assert entry & COPIED
        patch(path, at, u64(entry & ~COPIED))
