"""The report of docs: two of the demo's snapshots compared by `vmsnap diff --report`, and read in a real browser.

Writes docs/reports/demo.html and its picture for README; pictures of all of it, in both colour schemes, wide, narrow
and as printed, go to .cache/pictures. The browser is headless Chromium; what it complains of is an error.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
REPORT = ROOT / "docs" / "reports" / "demo.html"
SIDES = ("demo.qcow2@half-way", "demo.qcow2@finished")
WIDE, NARROW, SMALL = (1200, 4600), (420, 6000), (1000, 640)
DARK = "--blink-settings=preferredColorScheme=0"


def main() -> int:
    REPORT.parent.mkdir(parents=True, exist_ok=True)
    make_report(REPORT)
    pictures, kept = ROOT / ".cache" / "pictures", ROOT / "docs" / "pictures"
    pictures.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="vmsnap-report-") as profile:
        browser = Browser(Path(profile))
        for scheme, options in (("light", ()), ("dark", (DARK,))):
            browser.take(pictures / f"report-{scheme}.png", WIDE, *options)
            browser.take(pictures / f"report-narrow-{scheme}.png", NARROW, *options)
            browser.take(kept / f"report-{scheme}.png", SMALL, *options)
        browser.run(f"--print-to-pdf={pictures / 'report.pdf'}", "--no-pdf-header-footer")
    print(f"{REPORT}, pictures and pages in {pictures}, two of them in {kept}")
    return 0


def make_report(target: Path) -> None:
    """Write the report; nothing in it is of this machine, of today, or of this person's own rules and names."""
    with tempfile.TemporaryDirectory(prefix="vmsnap-report-") as name:
        home = Path(name)
        environment = {
            **os.environ,
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "PYTHONPATH": str(ROOT),
        }
        find = [sys.executable, "-c", "from vmsnap_gui.demo import demo_image; print(demo_image())"]
        asked = subprocess.run(find, env=environment, check=True, capture_output=True, text=True)
        folder = Path(asked.stdout.strip()).parent  # named from there, the file has no folder in the report
        vmsnap = [sys.executable, "-c", "import sys; from vmsnap_gui.start import command; sys.exit(command())"]
        options = ["--ram", "--disk", "--report", str(target.resolve())]
        done = subprocess.run(
            [*vmsnap, "diff", *SIDES, *options], env=environment, cwd=folder, stdout=subprocess.DEVNULL
        )
    if done.returncode != 1:  # as diff(1): different
        raise RuntimeError(f"vmsnap diff ended with {done.returncode}")


class Browser:
    """Headless Chromium with a profile of its own."""

    def __init__(self, profile: Path) -> None:
        found = shutil.which("chromium")
        if found is None:
            raise FileNotFoundError("there is no chromium here: sudo apt-get install chromium")
        self._command = [found, "--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run"]
        self._command += [f"--user-data-dir={profile}", "--enable-logging=stderr"]
        self._command += ["--no-sandbox"] if os.geteuid() == 0 else []  # its sandbox does not work for root

    def take(self, picture: Path, size: tuple[int, int], *options: str) -> None:
        """Take a picture of the top of the report."""
        self.run(f"--window-size={size[0]},{size[1]}", f"--screenshot={picture}", *options)

    def run(self, *options: str) -> None:
        """Open the report; RuntimeError where the page complains, of a blocked request for instance."""
        command = [*self._command, *options, REPORT.as_uri()]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        complaints = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
        if complaints:
            raise RuntimeError("\n".join(complaints))


if __name__ == "__main__":
    sys.exit(main())
