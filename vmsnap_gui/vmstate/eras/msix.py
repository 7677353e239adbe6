"""MSI-X tables as msix_save of QEMU's hw/msix.c writes them: without a length, which the PCI capabilities tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.eras.building import Fields, buffer

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.description import Exists, Values

_CAPABILITIES = 0x34
_STATUS = 0x06
_HAS_CAPABILITIES = 0x10
_MSIX = 0x11
_MAX_CAPABILITIES = 48
_ENTRY = 16


def vectors(config: bytes) -> int:
    """Return how many MSI-X vectors the device with this PCI configuration space has, 0 without the capability."""
    if not config[_STATUS] & _HAS_CAPABILITIES:
        return 0
    position = config[_CAPABILITIES] & 0xFC
    for _ in range(_MAX_CAPABILITIES):
        if position < 0x40 or position + 4 > len(config):
            return 0
        if config[position] == _MSIX:
            return (int.from_bytes(config[position + 2 : position + 4], "little") & 0x7FF) + 1
        position = config[position + 1] & 0xFC
    return 0


def has_msix(device: str = "parent_obj") -> Exists:
    """Tell that a field is there when the PCI device in the field `device` has MSI-X."""
    return lambda values, _: vectors(_config(values, device)) > 0


def msix(device: str = "parent_obj") -> Fields:
    """Return the table and the pending bits of the PCI device in the field `device`."""
    present = has_msix(device)
    return (
        *buffer("msix_table", lambda values, _: _ENTRY * vectors(_config(values, device)), when=present),
        *buffer("msix_pba", lambda values, _: (vectors(_config(values, device)) + 7) // 8, when=present),
    )


def _config(values: Values, device: str) -> bytes:
    config = values[f"{device}.config"]
    assert isinstance(config, bytes)
    return config
