"""What can be registered to save and load a section: plain, described and live handlers (savevm's SaveVMHandlers)."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.decoder import Decoder
from vmsnap_gui.vmstate.entering import Entrances
from vmsnap_gui.vmstate.loading import values_of
from vmsnap_gui.vmstate.resolving import resolve
from vmsnap_gui.vmstate.values import save_values
from vmsnap_gui.vmstate.wire import ShortRead, StreamError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmsnap_gui.vmstate.description import Tree, VMStateDescription
    from vmsnap_gui.vmstate.wire import Input
    from vmsnap_gui.vmstate.writer import Writer

_MAX_SECTION = 64 << 20
"""Bytes of a described section: above what any device saves, below what a wrong count may make a pipe wait for."""


class Handler(ABC):  # noqa: B024 (what it must be able to do is a plain one's or a live one's)
    """Saves and loads the payload of one section."""

    def load(self, stream: Input, version: int) -> None:
        """Load one section's payload, and read exactly that; of a live handler START, each PART and END.

        Raises:
            StreamError: it cannot be loaded, which is so for all that is there only to be saved.
        """
        raise StreamError(f"version {version} of it can be saved, but not loaded here", offset=stream.position)


class PlainHandler(Handler):
    """Saves by its own code, in one piece."""

    def is_needed(self) -> bool:
        """Tell whether its section is saved at all."""
        return True

    @abstractmethod
    def save(self, out: Writer) -> None:
        """Write the payload of the FULL section."""


class LiveHandler(Handler):
    """Saves what is too much for one piece, and perhaps changes meanwhile: in rounds."""

    def set_params(self, params: Mapping[str, object]) -> None:
        """Take the parameters of a saving before it begins (savevm's set_params: "blk", "shared"); none are known."""

    def is_active(self) -> bool:
        """Tell whether there is anything to save: asked before each step, and without it the step is skipped."""
        return True

    def is_active_iterate(self) -> bool:
        """Tell whether to iterate at all."""
        return True

    @abstractmethod
    def begin(self, out: Writer) -> None:
        """Write the payload of START."""

    @abstractmethod
    def iterate(self, out: Writer) -> bool:
        """Write the payload of a PART, until `out.limited`; tells whether only what `complete` writes is left."""

    @abstractmethod
    def complete(self, out: Writer) -> None:
        """Write the payload of END: all that is left."""

    def cancel(self) -> None:
        """Let go of what the saving needed, after it was done or given up."""


class Described(PlainHandler):
    """Saves and loads values by a description.

    Attributes:
        description: What the section holds, general or concrete.
        values: The values; loading changes those that the stream has.
        saved: The concrete description of what was saved or loaded last.
    """

    def __init__(self, description: VMStateDescription, values: dict[str, Tree]) -> None:
        self.description = description
        self.values = values
        self.saved: VMStateDescription | None = None

    def is_needed(self) -> bool:
        """See PlainHandler: as the description's `needed` says (vmstate_section_needed)."""
        return self.description.needed is None or self.description.needed(self.values)

    def save(self, out: Writer) -> None:
        """See PlainHandler; raises SaveError where the values are none of the description."""
        data = save_values(self.description, self.values)
        version = self.description.version_id
        self.saved, _ = resolve(self.description, data, 0, len(data), version, loading=False, present=self.values)
        out.put(data)

    def load(self, stream: Input, version: int) -> None:
        """See Handler."""
        base, entrances = stream.position, Entrances()
        try:
            concrete, data = self._fit(stream, version, entrances)
        except StreamError as error:
            if error.offset is not None:
                error.offset += base
            raise
        stream.skip(len(data))
        nodes, _ = Decoder(data, base).description(concrete, 0, len(data))
        self.values.update(values_of(nodes, self.description, entrances))
        self.saved = concrete

    def _fit(self, stream: Input, version: int, entrances: Entrances) -> tuple[VMStateDescription, bytes]:
        """Resolve the description against as much of the stream as it takes, and wait for no byte more."""
        data, more = stream.ahead(1), True
        while True:
            entrances.restart()
            try:
                concrete, size = resolve(
                    self.description,
                    data,
                    0,
                    len(data),
                    version,
                    more=more,
                    present=self.values,
                    entrances=entrances,
                )
            except ShortRead as error:
                if not more or error.needed is None:
                    raise
                if error.needed > _MAX_SECTION:
                    raise StreamError("it would be longer than any device's section", offset=error.offset) from error
                data = stream.ahead(error.needed)
                more = len(data) >= error.needed
            else:
                return concrete, data[:size]
