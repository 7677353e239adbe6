"""make bench: runs the cases (or those named on the command line) and prints a table with ratios."""

from __future__ import annotations

import compileall
import os
import platform
import sys
import tempfile
from pathlib import Path

import vmsnap_gui
from tests.bench import compare, compare_window, core, gallery, library, live_window, saving, screen, window  # noqa: F401 (they register their cases)
from tests.bench.registry import CASES


def main() -> int:
    """Run the cases; the exit status is 1 where a limit is not kept."""
    chosen = sys.argv[1:] or list(CASES)
    print(f"Python {platform.python_version()}, {os.cpu_count()} cores; medians; the same run for both sides\n")
    kept = True
    # As an installed program has it, also where PYTHONDONTWRITEBYTECODE is set.
    compileall.compile_dir(Path(vmsnap_gui.__file__).parent, quiet=1)
    with tempfile.TemporaryDirectory(prefix="vmsnap-bench-") as scratch:
        for name in chosen:
            print(name, flush=True)
            for result in CASES[name](Path(scratch)):
                sign = "at least" if result.at_least else "at most"
                verdict = "ok" if result.good else "NOT KEPT"
                print(f"  {result.what}\n    {result.figures}")
                print(f"    {result.value:.3g} ({sign} {result.limit:g}): {verdict}", flush=True)
                kept = kept and result.good
    return 0 if kept else 1


if __name__ == "__main__":
    sys.exit(main())
