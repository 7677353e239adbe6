"""Descriptions as they are entered in loading: with their version, and the values before, as pre_load left them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from vmsnap_gui.vmstate.description import Tree, VMStateDescription


@dataclass(frozen=True, slots=True)
class Entered:
    """A description that was entered.

    Attributes:
        version: That of its bytes.
        values: The values before loading.
        is_old: Whether load_state_old reads it, for which no hook is called.
    """

    version: int
    values: dict[str, Tree]
    is_old: bool


class Entrances:
    """The descriptions of one loading, in the order of the stream; pre_load is called once for each.

    How many bytes a stream must have is found by resolving from the start again: that enters the same descriptions in
    the same order, without calling a hook again.
    """

    def __init__(self) -> None:
        self._entered: list[Entered] = []
        self._next = 0

    def restart(self) -> None:
        """Begin with the outermost description again."""
        self._next = 0

    def enter(self, general: VMStateDescription, version: int, present: Mapping[str, Tree]) -> dict[str, Tree]:
        """Enter a description with the values that there are; returns them, with what its pre_load put there."""
        if self._next == len(self._entered):
            entered = Entered(version, dict(present), version < general.minimum_version_id)
            if general.pre_load is not None and not entered.is_old:
                general.pre_load(entered.values)
            self._entered.append(entered)
        self._next += 1
        return self._entered[self._next - 1].values

    def __iter__(self) -> Iterator[Entered]:
        return iter(self._entered)
