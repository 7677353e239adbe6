"""Saving what is registered, in savevm's steps: header, begin, iterate, complete; or cancel.

The order and the framing are those of QEMU's migration/savevm.c: qemu_savevm_state_header, _setup, _iterate and
_complete_precopy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.description import DeviceDescription, VMStateDescription, VMStateField
from vmsnap_gui.vmstate.handlers import Described, LiveHandler, PlainHandler
from vmsnap_gui.vmstate.refusals import MAGIC, VERSION
from vmsnap_gui.vmstate.sections import SectionType, footer, header
from vmsnap_gui.vmstate.vmdesc_writing import write_vmdesc

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from vmsnap_gui.vmstate.registry import SaveStateEntry
    from vmsnap_gui.vmstate.writer import Writer


@dataclass(frozen=True, slots=True)
class StreamForm:
    """What a stream has besides its sections.

    Attributes:
        configuration: The configuration section's bytes; empty for streams without one (before 2.4).
        footers: Whether a footer ends each section (machine types since 2.4).
        page_size: The target's page size, for the vmdesc.
        description: The vmdesc: JSON of its own, or whether one of what is saved is written (since 2.3).
    """

    configuration: bytes = b""
    footers: bool = True
    page_size: int = 4096
    description: bytes | bool = True


class Saving:
    """One saving, from header to complete; `cancel` ends it in any case."""

    def __init__(
        self,
        entries: Iterable[SaveStateEntry],
        out: Writer,
        form: StreamForm,
        params: Mapping[str, object] | None = None,
    ) -> None:
        """Save `entries` to `out`; live handlers are given `params`."""
        self._out = out
        self._form = form
        self._params = params or {}
        self._devices: list[DeviceDescription] = []
        self._entries = tuple(entries)
        self._live = [(e, e.handler) for e in self._entries if isinstance(e.handler, LiveHandler)]

    def header(self) -> None:
        """Write what begins a stream."""
        self._out.put(MAGIC)
        self._out.u32(VERSION)
        self._out.put(self._form.configuration)

    def command(self, number: int, payload: bytes) -> None:
        """Write a command."""
        self._out.u8(SectionType.COMMAND.value)
        self._out.u16(number)
        self._out.u16(len(payload))
        self._out.put(payload)

    def begin(self) -> None:
        """Write START of each live section, and what is early, in the order of registering."""
        for entry in self._entries:
            if isinstance(entry.handler, LiveHandler):
                entry.handler.set_params(self._params)
                if entry.handler.is_active():
                    self._section(SectionType.START, entry, entry.handler.begin)
            elif entry.early and isinstance(entry.handler, PlainHandler):
                self._full(entry, entry.handler)

    def iterate(self) -> bool:
        """Write PART sections, up to the first live handler that has more; tells whether none has.

        It stops between two when the interval's bytes are used up, as qemu_savevm_state_iterate does.
        """
        for entry, live in self._live:
            if self._out.limited:
                return self._out.error is not None
            if live.is_active() and live.is_active_iterate() and not self._part(entry, live):
                return self._out.error is not None  # nothing comes of going on
        return True

    def complete(self) -> None:
        """Write END of each live section, the others, the end mark and the vmdesc.

        Raises:
            TransferError: something could not be written.
        """
        for entry, live in self._live:
            if live.is_active():
                self._section(SectionType.END, entry, live.complete)
        for entry in self._entries:
            if not entry.early and isinstance(entry.handler, PlainHandler):
                self._full(entry, entry.handler)
        self._out.u8(SectionType.EOF.value)
        description = self._form.description
        if description is not False:
            written = write_vmdesc(self._form.page_size, self._devices) if description is True else description
            self._out.u8(SectionType.VMDESCRIPTION.value)
            self._out.u32(len(written))
            self._out.put(written)
        self._out.finish()

    def cancel(self) -> None:
        """Let live handlers go, after the stream is complete or as it stands."""
        for _, live in self._live:
            live.cancel()

    def _part(self, entry: SaveStateEntry, live: LiveHandler) -> bool:
        done = False

        def write(out: Writer) -> None:
            nonlocal done
            done = live.iterate(out)

        self._section(SectionType.PART, entry, write)
        return done

    def _full(self, entry: SaveStateEntry, plain: PlainHandler) -> None:
        if not plain.is_needed():
            return
        size = self._section(SectionType.FULL, entry, plain.save)
        layout = plain.saved if isinstance(plain, Described) else None
        if layout is None:
            # What vmstate_save_old_style says of sections that are written by code.
            layout = VMStateDescription("", entry.version, (VMStateField("data", "buffer", size),))
        self._devices.append(DeviceDescription(entry.name, entry.instance_id, layout))

    def _section(self, kind: SectionType, entry: SaveStateEntry, write: Callable[[Writer], None]) -> int:
        """Write a section; returns the bytes of its payload."""
        out = self._out
        out.put(header(kind, entry.section_id, entry.name, entry.instance_id, entry.version))
        start = out.tell()
        write(out)
        size = out.tell() - start
        if self._form.footers:
            out.put(footer(entry.section_id))
        return size
