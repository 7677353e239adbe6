"""What becomes of a snapshot's screen outside of its state: a small picture, a file. Qt-free, for workers."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.saved_files import replacing
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from vmsnap_gui.guest.screen.result import NoScreen, Screen
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.image.snapshot import Image, Snapshot
    from vmsnap_gui.vmstate.layouts import LayoutSource

SMALL = (384, 288)
"""The most pixels of a small picture: twice those that the gallery shows it with, for screens of scale 2."""

_UNSAFE = re.compile(r"[^\w.+-]+")
_MAX_NAME = 80


@dataclass(frozen=True, slots=True)
class SmallScreen:
    """What a snapshot's first display shows, in small, or why it shows nothing.

    Attributes:
        png: The picture as a PNG file; empty where there is none.
        mode: The mode in words.
        width, height: Pixels of the screen itself.
        reason: Why there is no picture; "" where there is one.
        is_sure: Whether it stays so: what cannot be read now may be readable later.
    """

    png: bytes = b""
    mode: str = ""
    width: int = 0
    height: int = 0
    reason: str = ""
    is_sure: bool = True


def screen_of(
    image: Image, snapshot: Snapshot, progress: Progress | None = None, layouts: Sequence[LayoutSource] = ()
) -> Screen | NoScreen:
    """Render what a snapshot's first display shows; where its state does not describe itself, by `layouts`, too.

    Raises:
        ImageError, StreamError: the state cannot be read.
        Cancelled: by `progress`.
    """
    from vmsnap_gui.guest.screen.display import screen  # with NumPy, which the window's start does not wait for
    from vmsnap_gui.guest.screen.result import NoScreen
    from vmsnap_gui.vmstate.snapshots import open_snapshot

    if not snapshot.vm_state_size:
        return NoScreen("this snapshot holds the disk only, no state of the machine")
    return screen(open_snapshot(image, snapshot, layouts=layouts, progress=progress), progress)


def small_screen(
    image: Image, snapshot: Snapshot, progress: Progress | None = None, layouts: Sequence[LayoutSource] = ()
) -> SmallScreen:
    """Render a snapshot's screen in small; where its state cannot be read, the result says so. Raises Cancelled."""
    from vmsnap_gui.guest.screen.png import png_bytes
    from vmsnap_gui.guest.screen.result import NoScreen
    from vmsnap_gui.guest.screen.thumbnail import shrunk

    try:
        found = screen_of(image, snapshot, progress, layouts)
    except (ImageError, StreamError) as error:
        return SmallScreen(reason=error.message, is_sure=False)
    if isinstance(found, NoScreen):
        return SmallScreen(reason=found.reason)
    height, width = found.pixels.shape[:2]
    return SmallScreen(png_bytes(shrunk(found.pixels, SMALL)), found.mode, width, height)


def write_picture(path: Path, pixels: NDArray[np.uint8], image: Path) -> None:
    """Write pixels of a state in `image` as a PNG file; whole or not at all.

    Raises:
        ImageError: `path` is an image or a saved state, which would be lost.
        OSError: it cannot be written.
    """
    from vmsnap_gui.guest.screen.png import png_bytes

    with replacing(path, image) as file:
        file.write(png_bytes(pixels))


def save_screen(path: Path, image: Path, snapshot: Snapshot, progress: Progress) -> None:
    """Write what a snapshot of an image showed as a PNG file.

    Raises:
        ImageError: there is no picture, for the reason that it gives, or `path` is an image.
        StreamError: the state cannot be read.
        OSError: the file cannot be written.
        Cancelled: by `progress`.
    """
    from vmsnap_gui.guest.screen.result import NoScreen

    with closing(open_image(image)) as opened:
        found = screen_of(opened, snapshot, progress)
    if isinstance(found, NoScreen):
        raise ImageError(f"there is no picture: {found.reason}", path=image)
    write_picture(path, found.pixels, image)


@dataclass(frozen=True, slots=True)
class SavedScreens:
    """What came of saving several screens.

    Attributes:
        folder: Where they are.
        paths: The files that were written.
        missing: Each snapshot without a picture, and why.
    """

    folder: Path
    paths: tuple[Path, ...]
    missing: tuple[tuple[Snapshot, str], ...]


def save_screens(folder: Path, image: Path, progress: Progress) -> SavedScreens:
    """Write what each snapshot of an image showed into a new folder below this one; raises like `save_screen`."""
    from vmsnap_gui.guest.screen.result import NoScreen

    paths: list[Path] = []
    missing: list[tuple[Snapshot, str]] = []
    target = _new_folder(folder, f"{image.stem}-screens")
    with closing(open_image(image)) as opened:
        for number, snapshot in enumerate(opened.snapshots):
            progress(number, len(opened.snapshots))
            try:
                found = screen_of(opened, snapshot)
            except (ImageError, StreamError) as error:
                missing.append((snapshot, error.message))
                continue
            if isinstance(found, NoScreen):
                missing.append((snapshot, found.reason))
                continue
            paths.append(target / screen_file_name(snapshot))
            write_picture(paths[-1], found.pixels, image)
    return SavedScreens(target, tuple(paths), tuple(missing))


def _new_folder(parent: Path, name: str) -> Path:
    """Make a folder that was not there, so that nothing in it is replaced."""
    for number in count(1):
        folder = parent / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise AssertionError("there is always another number")


def screen_file_name(snapshot: Snapshot) -> str:
    """Return a file name for a snapshot: its id, which is its own, and as much of its tag as any file system takes."""
    words = [_UNSAFE.sub("_", part)[:_MAX_NAME] for part in (snapshot.id, snapshot.tag) if part]
    return "-".join(words or ["state"]) + ".png"
