"""Who saves and loads which section of a stream (savevm's SaveStateEntry), and loading by it.

Saving is in `sending`. The rules are those of QEMU's migration/savevm.c: vmstate_register_with_alias_id,
qemu_loadvm_state_main, qemu_loadvm_section_start_full, qemu_loadvm_section_part_end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.configuration import skip_configuration
from vmsnap_gui.vmstate.refusals import (
    UnknownSection,
    UnknownSectionId,
    UnknownSectionType,
    UnsupportedVersion,
    ValueMismatch,
    check_start,
)
from vmsnap_gui.vmstate.sections import NAMING, Header, SectionType
from vmsnap_gui.vmstate.sending import Saving, StreamForm
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import TypeVar

    from vmsnap_gui.vmstate.handlers import Handler
    from vmsnap_gui.vmstate.wire import Input
    from vmsnap_gui.vmstate.writer import Writer

    _T = TypeVar("_T")

_MAX_NAME = 255
_MAX_INSTANCE = (1 << 32) - 1
_LAST_COMMAND = 11  # MIG_CMD_SWITCHOVER_START, of QEMU 9.0
_EOF, _COMMAND, _CONFIGURATION, _FOOTER, _VMDESCRIPTION = (
    kind.value
    for kind in (
        SectionType.EOF, SectionType.COMMAND, SectionType.CONFIGURATION, SectionType.FOOTER, SectionType.VMDESCRIPTION,
    )
)  # fmt: skip


class RegistryError(ValueError):
    """Something cannot be registered: a mistake of the program, not of a stream."""


@dataclass(frozen=True, slots=True)
class SaveStateEntry:
    """Something registered.

    Attributes:
        name: The section's id string.
        instance_id: Tells sections of one name apart.
        version: That is written, and the newest that is loaded.
        section_id: Its number in the streams that are saved.
        handler: Saves and loads it.
        early: Saved before what is live is begun (savevm's early_setup).
    """

    name: str
    instance_id: int
    version: int
    section_id: int
    handler: Handler
    early: bool = False

    @property
    def key(self) -> str:
        """Its name for people, as `Section.key`."""
        return self.name if self.instance_id == 0 else f"{self.name}:{self.instance_id}"


class Registry:
    """Entries in the order of registering, which is the order of saving."""

    def __init__(self) -> None:
        self._entries: list[SaveStateEntry] = []
        self._ids: set[int] = set()
        self._instances: dict[str, int] = {}  # the next free one of each name
        self._next_id = 0

    @property
    def entries(self) -> tuple[SaveStateEntry, ...]:
        """What is registered."""
        return tuple(self._entries)

    def register(
        self,
        name: str,
        handler: Handler,
        *,
        version: int,
        instance_id: int | None = None,
        section_id: int | None = None,
        early: bool = False,
    ) -> SaveStateEntry:
        """Register a handler.

        Args:
            name: The id string, at most 255 bytes.
            handler: Saves and loads the section.
            version: That is written, and the newest that is loaded.
            instance_id: A fixed one, or the next free one of this name. Fixed ones may repeat, since QEMU's isapc has
                two "isa-ide" 0; the first loads the first section, and so on.
            section_id: A fixed one, as another stream has it, or the next in order.
            early: Save it before what is live is begun.

        Raises:
            RegistryError: the name is too long, the section id is taken, or there is no such instance id.
        """
        if not 0 < len(name.encode()) <= _MAX_NAME:
            raise RegistryError(f"{name!r} does not fit into the header of a section")
        free = self._instances.get(name, 0)
        if instance_id is None and free > _MAX_INSTANCE:
            raise RegistryError(f"{name!r} has no instance id left after {_MAX_INSTANCE}")
        instance_id = free if instance_id is None else instance_id
        if not 0 <= instance_id <= _MAX_INSTANCE:
            raise RegistryError(f"{instance_id} is no instance id, which has 32 bits")
        if section_id is None:
            section_id = self._next_id
        if section_id in self._ids:
            raise RegistryError(f"section id {section_id} is taken")
        self._ids.add(section_id)
        self._instances[name] = max(free, instance_id + 1)
        self._next_id = max(self._next_id, section_id + 1)
        entry = SaveStateEntry(name, instance_id, version, section_id, handler, early)
        self._entries.append(entry)
        return entry

    def unregister(self, name: str, instance_id: int | None = None) -> None:
        """Forget the instances of a name, or the one; harmless where there is none."""
        left = [
            e for e in self._entries if e.name != name or (instance_id is not None and e.instance_id != instance_id)
        ]
        self._entries = left
        self._ids = {e.section_id for e in left}
        self._instances[name] = max((e.instance_id + 1 for e in left if e.name == name), default=0)

    def save(
        self,
        out: Writer,
        form: StreamForm,
        params: Mapping[str, object] | None = None,
        between: Callable[[Saving], None] | None = None,
    ) -> None:
        """Save all, in as many rounds as the live handlers need.

        Args:
            out: Where to.
            form: What the stream has besides its sections.
            params: Given to each live handler.
            between: Called after the header, after what is begun, and after each round; may write commands.

        Raises:
            TransferError: it could not be written.
            StreamError: a handler's source cannot be read.
            SaveError: values do not fit their description.
        """
        saving = Saving(self.entries, out, form, params)

        def then(step: Callable[[], _T]) -> _T:
            done = step()
            if between is not None:
                between(saving)
            return done

        try:
            then(saving.header)
            then(saving.begin)
            while not then(saving.iterate):
                out.wait()
            saving.complete()
        finally:
            saving.cancel()

    def load(
        self,
        stream: Input,
        *,
        machine: str | None = None,
        description: bool = False,
        form: StreamForm | None = None,
        command: Callable[[int, bytes], None] | None = None,
    ) -> None:
        """Load a stream into the handlers, up to its end mark.

        Args:
            stream: It stands on the first byte.
            machine: The machine type that the stream must be of; None for any. Streams from before QEMU 2.4, which do
                not tell it, are loaded with a form that has no configuration, which comes before this.
            description: Whether a vmdesc follows the end mark, to read it, too (QEMU does not ask the stream).
            form: What the stream must have besides its sections; without it, footers are as at the first section.
            command: Called with the number and payload of each command.

        Raises:
            StreamError: one of `refusals`, or what a handler raises; what came before is loaded.
            ImageError: the file below cannot be read.
        """
        loading = _Loading(self.entries, stream, form, command)
        loading.run(machine)
        if form is not None and isinstance(form.description, bytes):
            written = bytes([_VMDESCRIPTION]) + len(form.description).to_bytes(4, "big") + form.description
            loading.same(written, "the description of the stream")
        elif description and stream.u8() == _VMDESCRIPTION:
            stream.skip(stream.u32())


class _Loading:
    def __init__(
        self,
        entries: tuple[SaveStateEntry, ...],
        stream: Input,
        form: StreamForm | None,
        command: Callable[[int, bytes], None] | None,
    ) -> None:
        self._waiting: dict[tuple[str, int], list[SaveStateEntry]] = {}
        for entry in entries:
            self._waiting.setdefault((entry.name, entry.instance_id), []).append(entry)
        self._stream = stream
        self._form = form
        self._footers = form.footers if form is not None else None
        self._on_command = command
        self._started: dict[int, tuple[SaveStateEntry, int]] = {}  # by the stream's section ids, with its version

    def run(self, machine: str | None) -> None:
        stream = self._stream
        check_start(stream.ahead(8)[:8])
        stream.skip(8)
        if self._form is not None:
            self.same(self._form.configuration, "the configuration")
        else:
            self._configuration(machine)
        while True:
            kind = stream.ahead(1)[:1]
            if kind == bytes([_EOF]):
                stream.skip(1)
                return
            if kind == bytes([_COMMAND]):
                self._command()
            else:
                self._section()

    def _configuration(self, machine: str | None) -> None:
        """Read the configuration, if there is one: there must be where it is to tell a machine type."""
        kind = self._stream.ahead(1)[:1]
        if machine is None and kind != bytes([_CONFIGURATION]):
            return
        if kind not in (b"", bytes([_CONFIGURATION])):
            raise ValueMismatch(f"the configuration is missing: it should be of machine {machine!r}", offset=8)
        found = skip_configuration(self._stream)
        if machine not in (None, found):
            raise ValueMismatch(f"the state is of a machine of type {found!r}, and this one is {machine!r}", offset=8)

    def same(self, expected: bytes, what: str) -> None:
        """Read what must stand here; raises ValueMismatch where something else does."""
        start = self._stream.position
        if self._stream.bytes(len(expected)) != expected:
            raise ValueMismatch(f"{what} is not as it must be", offset=start)

    def _command(self) -> None:
        """Read a command (loadvm_process_command); all that are known prepare what goes on after this stream."""
        stream, start = self._stream, self._stream.position
        stream.skip(1)
        number = stream.u16()
        payload = stream.bytes(stream.u16())
        if not 0 < number <= _LAST_COMMAND:
            raise UnknownSectionType(f"command {number:#x} is not known", offset=start)
        if self._on_command is not None:
            self._on_command(number, payload)

    def _section(self) -> None:
        stream, start = self._stream, self._stream.position
        header = Header.read(stream)
        if header.type in NAMING:
            waiting = self._waiting.get((header.name, header.instance_id))
            if waiting is None:
                message = f"nothing here loads section {header.name!r}, instance {header.instance_id}"
                raise UnknownSection(message, offset=start)
            entry = waiting.pop(0) if len(waiting) > 1 else waiting[0]
            if header.version > entry.version:
                message = f"section {entry.key!r} is of version {header.version}, and at most {entry.version} is known"
                raise UnsupportedVersion(message, offset=start)
            self._started[header.section_id] = entry, header.version
        elif header.section_id not in self._started:
            message = f"a section part is for section id {header.section_id}, which nothing started"
            raise UnknownSectionId(message, offset=start)
        entry, version = self._started[header.section_id]
        try:
            entry.handler.load(stream, version)
        except StreamError as error:
            error.message = f"section {entry.key!r}: {error.message}"
            raise
        self._footer(entry, header.section_id)

    def _footer(self, entry: SaveStateEntry, section_id: int) -> None:
        """Read the footer, if sections have one (check_section_footer)."""
        stream, start = self._stream, self._stream.position
        kind = stream.ahead(1)[:1]
        if self._footers is None and kind:
            self._footers = kind == bytes([_FOOTER])
        if not self._footers:
            return
        if kind and kind != bytes([_FOOTER]):
            raise ValueMismatch(f"section {entry.key!r} ends without its footer", offset=start)
        stream.skip(1)
        found = stream.u32()
        if found != section_id:
            message = f"section {entry.key!r} has number {section_id}, but its footer is that of {found}"
            raise ValueMismatch(message, offset=start)
