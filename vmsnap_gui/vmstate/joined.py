"""Streams that stand one after the other in one file: as `cat` makes it, and a QEMU that saves to `exec:cat >> FILE`.

Where they are of one kind of machine, nothing at either end of the file tells it: by its tail, the last one's devices
would be shown with the first one's memory.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.image.errors import Problem
from vmsnap_gui.image.texts import counted
from vmsnap_gui.vmstate.refusals import MAGIC, VERSION
from vmsnap_gui.vmstate.sections import SectionType

if TYPE_CHECKING:
    from vmsnap_gui.image.byteview import ByteView
    from vmsnap_gui.image.errors import Progress

_STEP = 1 << 20
_SEARCHED = 8 << 20  # read in 5 ms; a longer memory is found to end early when it is indexed
_DESC_HEAD = 5
_HEAD = MAGIC + VERSION.to_bytes(4, "big")
_BEFORE = b"\0}"  # what a stream's start can stand behind: an end mark or padding, a description
_NAMED = {  # where the length of the name is in the section that a stream begins with, and how many bytes it has
    SectionType.CONFIGURATION.value: (1, 4),
    SectionType.START.value: (5, 1),
    SectionType.FULL.value: (5, 1),
}
_LONGEST = 255
_START = len(_HEAD) + 6 + _LONGEST


def may_start_again(view: ByteView, low: int, high: int) -> bool:
    """Tell whether something like the start of a stream stands in the last part of a range; memory can look like it."""
    end = high
    while end > max(low, high - _SEARCHED):
        start = max(low, end - _STEP)
        if _starts_in(view.read(start, min(end + _START, high) - start)):
            return True
        end = start
    return False


def _starts_in(data: bytes) -> bool:
    at = data.find(_HEAD)  # many times as fast as a pattern
    while at >= 0:
        if at and data[at - 1] in _BEFORE and _begins(data[at + len(_HEAD) : at + _START]):
            return True
        at = data.find(_HEAD, at + 1)
    return False


def _begins(data: bytes) -> bool:
    """Tell whether a stream can begin with this section: a machine type, or the name of a section."""
    place, size = _NAMED.get(data[0], (0, 0)) if data else (0, 0)
    length = int.from_bytes(data[place : place + size], "big")
    name = data[place + size : place + size + length]
    return 0 < length <= _LONGEST and len(name) == length and name.isascii() and name.decode().isprintable()


def starts_at(view: ByteView, position: int) -> bool:
    """Tell whether a stream starts here."""
    return position + len(_HEAD) <= view.size and view.read(position, len(_HEAD)) == _HEAD


def behind(view: ByteView, end: int, progress: Progress | None = None) -> Problem | None:
    """Say what stands behind a stream that ends at `end`, None for nothing but padding.

    A description that cannot be read can be there, too; that is told where it is read.

    Raises:
        Cancelled: by `progress`, which is called while padding is read over.
    """
    kind = view.read(end, min(_DESC_HEAD, view.size - end))
    is_described = len(kind) == _DESC_HEAD and kind[0] == SectionType.VMDESCRIPTION.value
    position = end + (_DESC_HEAD + int.from_bytes(kind[1:], "big") if is_described else 0)
    while position < view.size:
        data = view.read(position, min(_STEP, view.size - position))
        padding = len(data) - len(data.lstrip(b"\0"))
        position += padding
        if padding < len(data):
            what = f"the stream has {counted(view.size - position, 'byte')} behind it"
            again = "; another saved state starts there, which is not shown" if starts_at(view, position) else ""
            return Problem(what + again, position)
        if progress is not None:
            progress(position, view.size)
    return None
