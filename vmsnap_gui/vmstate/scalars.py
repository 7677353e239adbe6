"""Field types of one number: how each stands in a stream (QEMU's migration/vmstate-types.c)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.fields import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

_INTEGERS = {
    **{f"{sign}int{bits}": code for sign, bits, code in (
        ("", 8, "b"), ("", 16, "h"), ("", 32, "i"), ("", 64, "q"),
        ("u", 8, "B"), ("u", 16, "H"), ("u", 32, "I"), ("u", 64, "Q"),
    )},
    "(uint8)": "B", "(uint16)": "H", "(uint32)": "I", "(uint64)": "Q",  # of a layout that tells sizes, but no types
    "timer": "q",  # nanoseconds of the VM clock; -1 = not armed
    "int64 equal": "Q",  # what QEMU calls vmstate_info_uint64_equal; there is no signed one
}  # fmt: skip
_FLOATS = {"float64": "d", "CPU_Double_U": "d"}


@dataclass(frozen=True, slots=True)
class Scalar:
    """How a field type of fixed size is read.

    Attributes:
        kind: What it is.
        code: Its letter in `struct`.
        unpack: Reads one at an offset.
        size: Bytes.
    """

    kind: Kind
    code: str
    unpack: Callable[[bytes, int], tuple[int | float, ...]]
    size: int

    @property
    def is_signed(self) -> bool:
        """Whether it can be below 0."""
        return self.code.islower()


def scalar_type(type_name: str) -> Scalar | None:
    """Return how the scalar type `type_name` is read, or None; " equal" and " le" only matter while loading."""
    known = _SCALARS.get(type_name)
    return known if known is not None else _SCALARS.get(type_name.removesuffix(" equal").removesuffix(" le"))


def _scalars() -> dict[str, Scalar]:
    table = {}
    for kind, codes in ((Kind.INTEGER, _INTEGERS), (Kind.FLOAT, _FLOATS), (Kind.BOOLEAN, {"bool": "B"})):
        for name, code in codes.items():
            packed = struct.Struct(f">{code}")
            table[name] = Scalar(kind, code, packed.unpack_from, packed.size)
    return table


_SCALARS = _scalars()
