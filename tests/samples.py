"""The recorded samples: real VM states with the truth about them, unpacked when a test wants them.

They are looked for where VMSNAP_SAMPLES says, by default beside the checkout. Without them the tests fail where
CI=true is set, and are skipped (one line in the summary) elsewhere.
"""

from __future__ import annotations

import json
import lzma
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest

_DEFAULT = Path(__file__).parents[2] / "shared" / "samples"

QCOW2 = (
    "aarch64-virt-nofw@7.2/disk0.qcow2",
    "pc-nodesc@10.0/disk0.qcow2",
    "ppc64-pseries@10.0/disk0.qcow2",
    "q35-default@10.0/disk0.qcow2",
    "q35-default@10.0/disk1.qcow2",
    "riscv64-virt@10.0/disk0.qcow2",
    "seed-era/v0.11.1-i386-pcmin.qcow2",
    "seed-era/v0.13.0-i386-pcdev.qcow2",
    "seed-era/v0.14.1-x64-pcmin.qcow2",
    "seed-era/v1.0.1-i386-pcdev2.qcow2",
    "seed-era/v2.2.0-i386-pcmin.qcow2",
)
STREAMS = tuple(
    f"q35-default@10.0/s-{name}.vmstate"
    for name in ("dirty-bitmaps", "mapped-ram", "mapped-ram-multifd", "plain", "xbzrle-live")
)
SAVES = tuple(f"libvirt-11.3/save-{name}/lab3.save" for name in ("raw", "sparse", "zstd"))


def samples_dir() -> Path:
    """Return the folder of the samples; fails or skips the test if there is none."""
    folder = Path(os.environ.get("VMSNAP_SAMPLES") or _DEFAULT)
    if not folder.is_dir():
        _missing(f"the samples are not there: set VMSNAP_SAMPLES (looked in {folder})")
    return folder


def sample(name: str) -> Path:
    """Unpack a sample, once for each version of it, and return the unpacked file, which nobody may change.

    Args:
        name: Path below the samples' folder, without `.xz`.
    """
    packed = samples_dir() / f"{name}.xz"
    if not packed.is_file():
        _missing(f"the sample {name} is not there")
    found = packed.stat()
    cache = Path(tempfile.gettempdir(), f"vmsnap-samples-{os.getuid()}")
    target = cache / f"{found.st_size:x}-{found.st_mtime_ns:x}" / name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=target.parent, delete=False) as file:
            with lzma.open(packed) as source:
                shutil.copyfileobj(source, file, 1 << 20)
            Path(file.name).replace(target)  # whole or not at all, also with several test runs at once
    return target


def sample_json(name: str) -> Any:  # noqa: ANN401
    """Return what a JSON sample holds."""
    return json.loads(sample(name).read_bytes())


def _missing(reason: str) -> None:
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
