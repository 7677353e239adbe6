"""A saved state as a stream that QEMU loads with -incoming: its bytes as they were saved, with what was edited."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.image.byteview import CHUNK

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.devices import VMState
    from vmsnap_gui.vmstate.editing import Edit


def write_stream(
    state: VMState, edits: Sequence[Edit], write: Callable[[memoryview], object], progress: Progress | None = None
) -> int:
    """Write the stream of a state, from its first byte to its last, without what an image has behind it.

    Args:
        state: The state.
        edits: New values; of two for the same field the later one holds.
        write: Takes the bytes, in order, at most 8 MiB at once; the buffer is used again afterwards.
        progress: Called with bytes done and bytes in all; may raise Cancelled.

    Returns:
        How many bytes were written.

    Raises:
        ImageError: the file below cannot be read.
    """
    buffer = bytearray(min(CHUNK, state.end))
    for start in range(0, state.end, CHUNK):
        if progress is not None:
            progress(start, state.end)
        part = memoryview(buffer)[: min(CHUNK, state.end - start)]
        state.view.readinto(start, part)
        for edit in edits:
            _put(part, start, edit)
        write(part)
    if progress is not None:
        progress(state.end, state.end)
    return state.end


def _put(part: memoryview, start: int, edit: Edit) -> None:
    """Put as much of an edit into the bytes from `start` on as lies there: it may go over the edge of a chunk."""
    first, last = max(edit.offset, start), min(edit.offset + len(edit.after), start + len(part))
    if first < last:
        part[first - start : last - start] = edit.after[first - edit.offset : last - edit.offset]
