"""The layouts of a state that describes itself, made general: for states of the same machine that do not.

What a vmdesc says is what that one state has: which fields and subsections were needed, which lists had elements, how
many elements an array had. Another state of the same machine can have others of these; what was seen in several places
(of one array, of several devices) tells which.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.texts import plural
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.layouts import LayoutSource
from vmsnap_gui.vmstate.merging import Occurrence, merged
from vmsnap_gui.vmstate.sections import Located, SectionType
from vmsnap_gui.vmstate.tail import find_tail
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.image.snapshot import Image, Snapshot
    from vmsnap_gui.vmstate.description import VMStateDescription
from vmsnap_gui.vmstate.devices import VMState

_MAX_SECTION = 4 << 20
_MOST = 8  # states whose layouts are taken: what these have not, is rare
_MOST_LOOKED_AT = 64  # snapshots of an image: where none of these describes itself, the others seldom do

_known: WeakKeyDictionary[Image, dict[str, LayoutSource | None]] = WeakKeyDictionary()


def layouts_beside(image: Image, machine: str, progress: Progress | None = None) -> LayoutSource | None:
    """Return the layouts that an image's snapshots of a machine type embed: sought once as long as it is open.

    Raises:
        Cancelled: by the progress callback.
    """
    known = _known.setdefault(image, {})
    if machine not in known:
        known[machine] = layouts_of(image, image.snapshots, machine, progress)
    return known[machine]


def layouts_of(
    image: Image, snapshots: Iterable[Snapshot], machine: str | None = None, progress: Progress | None = None
) -> LayoutSource | None:
    """Return the layouts that snapshots of an image embed; None where none does.

    Only the streams' ends are read.

    Args:
        image: The image.
        snapshots: Which of its snapshots to look at.
        machine: The machine type; None for that of the first that embeds any.
        progress: Called while padding is read over; may raise Cancelled.

    Raises:
        Cancelled: by the progress callback.
    """
    states: dict[Snapshot, VMState] = {}
    for snapshot in itertools.islice((one for one in snapshots if one.vm_state_size), _MOST_LOOKED_AT):
        state = _described(image, snapshot, progress)
        machine = machine if machine is not None or state is None else state.machine
        if state is not None and state.machine == machine:
            states[snapshot] = state
        if len(states) == _MOST:
            break
    return source_of(list(states.values()), _name(image, list(states))) if states else None


def _described(image: Image, snapshot: Snapshot, progress: Progress | None) -> VMState | None:
    """Open a state that describes itself, by its tail; None where it does not, or where it is damaged."""
    try:
        view = image.vm_state(snapshot, progress)
        if find_tail(view, progress) is None:
            return None
        state = open_state(view, progress=progress)
    except (StreamError, ImageError):
        return None
    return state if state.located is Located.TAIL else None


def _name(image: Image, snapshots: list[Snapshot]) -> str:
    names = [repr(one.tag or one.id) for one in snapshots if one.id is not None]
    if not names:
        return str(image.path)
    return f"{plural(len(names), 'snapshot')} {', '.join(names)} of {image.path}"


def source_of(states: Sequence[VMState], name: str) -> LayoutSource:
    """Return the layouts of the described devices of states of one machine type.

    Raises:
        ImageError: the file below cannot be read.
    """
    found: dict[str, list[Occurrence]] = {}
    for state in states:
        for section in state.sections:
            device = state.description(section)
            if device is None or section.type is not SectionType.FULL or section.problem or section.size > _MAX_SECTION:
                continue
            data = state.view.read(section.payload_offset, section.payload_size)
            occurrence = Occurrence(device.description, data)
            for key in dict.fromkeys((section.name, section.name.rpartition("/")[2])):
                found.setdefault(key, []).append(occurrence)
    layouts = {key: _alternatives(occurrences) for key, occurrences in found.items()}
    return LayoutSource(name, states[0].machine, layouts)


def _alternatives(occurrences: list[Occurrence]) -> tuple[VMStateDescription, ...]:
    """Return one general description for each version."""
    versions: dict[tuple[str, int], list[Occurrence]] = {}
    for one in occurrences:
        versions.setdefault((one.description.name, one.description.version_id), []).append(one)
    return tuple(merged(same) for same in versions.values())
