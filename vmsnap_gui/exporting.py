"""What exporting's workers do: a saved state as a stream in a file. Qt-free."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.saved_files import replacing
from vmsnap_gui.vmstate.exporting import write_stream
from vmsnap_gui.vmstate.refusals import TransferError
from vmsnap_gui.vmstate.writer import Writer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.vmstate.devices import VMState
    from vmsnap_gui.vmstate.editing import Edit


def export_stream(path: Path, state: VMState, edits: Sequence[Edit], image: Path, progress: Progress) -> int:
    """Write the stream of a state of `image` to a file; returns how many bytes.

    Raises:
        ImageError: the image cannot be read, or the file is an image, or it cannot be written; it is as it was.
        StreamError: the state is not a whole stream; the file is as it was.
        Cancelled: by `progress`; the file is as it was.
    """
    try:
        with replacing(path, image) as output:
            return write_stream(state, edits, Writer(output), progress)
    except TransferError as error:
        raise ImageError(str(error), path=path) from error
    except OSError as error:
        raise ImageError(f"it cannot be written: {error.strerror or error}", path=path) from error
