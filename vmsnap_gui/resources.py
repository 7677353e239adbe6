"""Where the files that are no code lie: icons, the demo image, ... Qt-free."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def resource(path: str) -> Path:
    """Return the resource `path` ("demo/demo.qcow2.xz"): of the installed wheel, or of the source checkout.

    Raises:
        FileNotFoundError: this installation has no such resource.
    """
    for root in (_PACKAGE / "_resources", _PACKAGE.parent / "resources"):
        if (root / path).exists():
            return root / path
    raise FileNotFoundError(f"the resource {path} is missing from this installation of vmsnap")
