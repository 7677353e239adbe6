"""What stands above the columns of the comparison's tree."""

from __future__ import annotations

from PySide6.QtCore import QCoreApplication


def titles(*, has_base: bool) -> tuple[str, ...]:
    """Return the title of each column."""
    last = _tr("Since the base") if has_base else _tr("Status")
    return (_tr("Field"), _tr("Label"), _tr("Base"), _tr("A"), _tr("B"), _tr("Difference"), last)


def meanings(*, has_base: bool) -> tuple[str, ...]:
    """Return what each column has, for its tool tip."""
    difference, status = (
        _tr("B minus A, bits that flipped, or bytes that differ"),
        _tr("What became of it, and the noise rule that names it"),
    )
    if has_base:
        difference = _tr(
            "From the base to the side that changed it, from A to B where both did differently: what was added, bits "
            "that flipped, or bytes that changed"
        )
        status = _tr("Where it changed, or the noise rule that names it; of a device how many fields did")
    return (
        _tr("QEMU's own name"),
        _tr("What people call it, and what its value in B means"),
        _tr("Its value in the base"),
        _tr("Its value on side A"),
        _tr("Its value on side B"),
        difference,
        status,
    )


def _tr(text: str) -> str:
    return QCoreApplication.translate("ChangesModel", text)
