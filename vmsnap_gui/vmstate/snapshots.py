"""From a snapshot of an image to its state, with layouts for what the state does not describe."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from vmsnap_gui.image.stream_file import StreamFile
from vmsnap_gui.vmstate.devices import open_state

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.image.snapshot import Image, Snapshot
    from vmsnap_gui.vmstate.devices import VMState
    from vmsnap_gui.vmstate.layouts import LayoutSource


def open_snapshot(
    image: Image,
    snapshot: Snapshot,
    *,
    forward: bool = False,
    layouts: Sequence[LayoutSource] = (),
    others: Sequence[tuple[Image, Snapshot]] = (),
    progress: Progress | None = None,
) -> VMState:
    """Open the state of a snapshot.

    Where it does not describe itself, layouts are sought in `layouts`, in the other snapshots of the image and in
    `others` (what it is compared with): those of the same machine type that describe themselves. Those that tell types
    come before those that do not, and of these the ones of the same machine type, or of its other versions, first.

    Raises:
        StreamError, ImageError: like `open_state`; the snapshot may have no state.
        Cancelled: by the progress callback.
    """

    def sources(machine: str | None) -> Sequence[LayoutSource]:
        found = sorted(layouts, key=lambda source: _distance(source, machine))
        named = [_named(source, machine) for source in found]
        beside = [image] if len(image.snapshots) > 1 else []
        foreign = [(other, one) for other, one in others if other is not image]
        if machine is not None and (beside or foreign):
            from vmsnap_gui.vmstate.siblings import layouts_beside, layouts_of  # seldom needed

            own = [layouts_beside(one, machine, progress) for one in beside]
            own += [layouts_of(other, [one], machine, progress) for other, one in foreign]
            named += [source for source in own if source is not None]
        return sorted(named, key=lambda source: not source.has_types)

    view = image.vm_state(snapshot, progress)
    return open_state(view, forward=forward, joined=isinstance(image, StreamFile), layouts=sources, progress=progress)


def _distance(source: LayoutSource, machine: str | None) -> int:
    """Return how far a source's machine type is from another: 0 for the same, 1 for other versions of it, 2 else."""
    if machine is None or source.machine in (None, machine):
        return 0
    return 1 if source.machine.rpartition("-")[0] == machine.rpartition("-")[0] else 2


def _named(source: LayoutSource, machine: str | None) -> LayoutSource:
    """Return a source whose name says so where it is of another machine type: what fits may then be a chance."""
    if machine is None or source.machine in (None, machine):
        return source
    return replace(source, name=f"{source.name} (of machine type {source.machine}, and this is a {machine})")
