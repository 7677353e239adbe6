"""What is open and what is selected: the one place that decides, and that tells the views what changed.

Views call the session's methods and listen to its signals; they never open a file. Everything that reads runs in the
session's jobs, and what a view needs is made ready there (`LoadedState`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal

from vmsnap_gui.jobs import lane_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from vmsnap_gui.guest.names import Label
    from vmsnap_gui.image.containers import Snapshot
    from vmsnap_gui.jobs import Jobs
    from vmsnap_gui.vmstate.devices import VMState
    from vmsnap_gui.vmstate.fields import Field


@dataclass(frozen=True, slots=True)
class StateKey:
    """Names one saved state of one reading of an image.

    Attributes:
        path: The image.
        index: Position of the snapshot in the image's table.
        id: The snapshot's id, if it has one.
        tag: The snapshot's tag, if it has one.
        reading: Grows with every reading: a key from before a reload equals none from after it.
    """

    path: Path
    index: int
    id: str | None
    tag: str | None
    reading: int

    @property
    def lane(self) -> str:
        """The lane for all work on this image (side lanes: `jobs.lane_of(key.path, "memory")`)."""
        return lane_of(self.path)


@dataclass(frozen=True, slots=True)
class LoadedState:
    """A saved state, decoded in a worker: everything here may be used on the Qt thread without reading a file.

    (Reading through `vmstate` is for workers, in the key's lane or side lanes.)

    Attributes:
        key: What it is the state of.
        snapshot: The snapshot's entry in the image.
        vmstate: The opened state.
        trees: One decoded root for each of `vmstate.sections`, in stream order.
        labels: Names for people for each of the trees: field path (as `fields.walk` gives it) to label.
        devices: How many sections are devices.
        fields: How many leaves the described devices have.
        device_bytes: Bytes of all device sections.
    """

    key: StateKey
    snapshot: Snapshot
    vmstate: VMState
    trees: tuple[Field, ...]
    labels: tuple[dict[str, Label], ...]
    devices: int
    fields: int
    device_bytes: int


class Session(QObject):
    """What is open and selected.

    Signals:
        images_changed: The library's entries changed.
        selection_changed: Another image or snapshot is selected (or none).
        state_loading: (StateKey) A saved state is being read.
        state_loaded: (LoadedState) It is ready: `loaded` holds it.
        state_failed: (StateKey, str) It cannot be read; the sentence says why.
        state_cleared: No saved state is shown any more (also before another one is loaded).
        ram_indexed: (StateKey, RamIndex) The memory of the loaded state is indexed.
        field_wanted: (int, str) Show the field: index into `LoadedState.trees`, field path ("" for the section).
    """

    images_changed = Signal()
    selection_changed = Signal()
    state_loading = Signal(object)
    state_loaded = Signal(object)
    state_failed = Signal(object, str)
    state_cleared = Signal()
    ram_indexed = Signal(object, object)
    field_wanted = Signal(int, str)

    def __init__(self, jobs: Jobs, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.loaded: LoadedState | None = None
        """The state that is shown, if one is."""

    def open_paths(self, paths: Iterable[Path]) -> None:
        """Open images and folders and select the first of them."""

    def open_demo(self) -> None:
        """Open the demo image."""

    def close_image(self, path: Path) -> None:
        """Take an image or a folder out of the library."""

    def reload(self, path: Path) -> None:
        """Read an image again, keeping the selection."""

    def select_snapshot(self, path: Path, index: int | None) -> None:
        """Select a snapshot by its position in its image's table (None: only the image)."""

    def index_ram(self) -> None:
        """Index the memory of the loaded state, unless that is done or under way; `ram_indexed` follows."""

    def show_field(self, section: int, path: str) -> None:
        """Have the Devices tab show a field."""
        self.field_wanted.emit(section, path)
