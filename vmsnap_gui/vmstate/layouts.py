"""Which registered layout describes a section that its stream does not describe: the one that fits to the byte."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.description import DeviceDescription
from vmsnap_gui.vmstate.resolving import ShortRead, resolve
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmsnap_gui.image.byteview import ByteView
    from vmsnap_gui.vmstate.description import VMStateDescription
    from vmsnap_gui.vmstate.sections import Header

_WINDOWS = tuple(1 << bits for bits in range(12, 23, 2))
"""Bytes to look at, step by step: most sections are short; the longest that is known (gus) has a MiB."""


class Layouts:
    """Finds layouts for the sections of one stream; what it reads for that is bounded."""

    def __init__(self, view: ByteView) -> None:
        self._view = view
        self._readable = 8 * view.size + (64 << 20)

    def fitting(self, header: Header, payload: int) -> Iterator[tuple[DeviceDescription, int]]:
        """Yield what can describe the section whose payload starts at `payload`, with where it would end."""
        # all of these take longer to import than to show a stream that describes itself
        from vmsnap_gui.vmstate.eras import candidates

        general = candidates(header.name)
        for window in _WINDOWS:
            available = min(window, self._view.size - payload)
            if not general or self._readable < available:
                return
            self._readable -= available
            data = self._view.read(payload, available)
            short: list[VMStateDescription] = []
            for description in general:
                try:
                    concrete, size = resolve(description, data, 0, available, header.version)
                except ShortRead:
                    short.append(description)
                except StreamError:
                    continue
                else:
                    yield DeviceDescription(header.name, header.instance_id, concrete), payload + size
            if available < window:
                return
            general = tuple(short)


def register_width(description: DeviceDescription) -> int | None:
    """Return the bytes of a register where `description` is that of an x86 processor, None for other devices."""
    if description.name != "cpu":
        return None
    return next((field.size for field in description.description.fields if field.name == "env.eip"), None)
