"""The elements of a decoded array: made one by one, when they are asked for."""

from __future__ import annotations

import struct
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, overload

from vmsnap_gui.vmstate.fields import Field, Kind
from vmsnap_gui.vmstate.scalars import scalar_type

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmsnap_gui.vmstate.decoder import Decoder
    from vmsnap_gui.vmstate.description import VMStateField


@dataclass(frozen=True, slots=True)
class Run:
    """Consecutive elements of one array that share a description."""

    first: int
    field: VMStateField
    position: int


class Elements(Sequence[Field]):
    """The elements of an array, decoded when they are asked for."""

    def __init__(self, decoder: Decoder, runs: list[Run], count: int) -> None:
        self._decoder = decoder
        self._runs = runs
        self._firsts = [run.first for run in runs]
        self._count = count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Field: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Field]: ...
    def __getitem__(self, index: int | slice) -> Field | Sequence[Field]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._count))]
        if index < 0:
            index += self._count
        if not 0 <= index < self._count:
            raise IndexError(index)
        run = self._runs[bisect_right(self._firsts, index) - 1]
        position = run.position + (index - run.first) * run.field.size
        return self._decoder.element(run.field, f"[{index}]", position)

    def __iter__(self) -> Iterator[Field]:
        for i in range(self._count):
            yield self[i]

    def runs(self) -> list[tuple[int, int, VMStateField]]:
        """Return (first index, count, description) of each run of elements that are laid out alike."""
        ends = [*self._firsts[1:], self._count][: len(self._runs)]
        return [(run.first, end - run.first, run.field) for run, end in zip(self._runs, ends, strict=True)]

    def scalars(self) -> list[int | float | bool] | None:
        """Return the values of all elements at once, or None where they are no scalars of one type."""
        if len(self._runs) != 1:
            return None
        field, position = self._runs[0].field, self._runs[0].position
        scalar = scalar_type(field.type)
        if scalar is None or scalar.size != field.size or scalar.kind is Kind.FLOAT:
            return None
        values = struct.unpack_from(f">{self._count}{scalar.code}", self._decoder.data, position)
        return [bool(v) for v in values] if scalar.kind is Kind.BOOLEAN else list(values)
