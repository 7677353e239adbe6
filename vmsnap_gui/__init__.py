"""vmsnap: see, compare and go back to the saved states of QEMU virtual machines."""

from __future__ import annotations

__version__ = "0.1.0"
