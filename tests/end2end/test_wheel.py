"""The wheel as it is built brings what the program needs besides code."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.verify
def test_the_wheel_brings_the_demo(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    installed = tmp_path / "installed"
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(installed)
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys; from vmsnap_gui.start import command; sys.exit(command())",
            "list",
            "--demo",
        ],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(installed), "XDG_CACHE_HOME": str(tmp_path / "cache")},
        capture_output=True,
        check=True,
        text=True,
    )
    assert "half-way" in done.stdout
    assert (installed / "vmsnap_gui" / "_resources" / "demo" / "demo.qcow2.xz").is_file()
    assert str(tmp_path / "cache") in done.stdout
