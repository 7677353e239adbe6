"""The command line's answers about saved states, and what must hold for every one of them."""

from __future__ import annotations

import contextlib
import io
import json
from typing import TYPE_CHECKING, Any

from vmsnap_gui.cli import main
from vmsnap_gui.image.containers import open_image, select_snapshot
from vmsnap_gui.vmstate.devices import open_state

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.image.byteview import ByteView
    from vmsnap_gui.vmstate.ram import RamIndex

Document = dict[str, Any]
Key = tuple[str, int, str, int]


def vmsnap(*arguments: str | Path) -> Any:  # noqa: ANN401 (what JSON holds)
    """Run `vmsnap ... --json` in this process and return its document; it must succeed without a complaint."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([*map(str, arguments), "--json"])
    assert (status, err.getvalue()) == (0, "")
    return json.loads(out.getvalue())


def show(path: Path, tag: str | None, *options: str) -> Document:
    """Return `vmsnap show` of one state: of the snapshot `tag`, or the only one of a stream file."""
    selector = ["-s", f"tag:{tag}"] if tag is not None else []
    (document,) = vmsnap("show", path, *selector, *options)
    assert isinstance(document, dict)
    return document


def stream_of(path: Path, tag: str | None) -> ByteView:
    """Return the bytes of one state."""
    image = open_image(path)
    return image.vm_state(image.snapshots[0] if tag is None else select_snapshot(image, f"tag:{tag}"))


def ram_of(path: Path, tag: str | None) -> RamIndex:
    """Return the RAM of one state; every page must have been found."""
    index = open_state(stream_of(path, tag)).index_ram()
    assert index.problem is None
    return index


def by_key(document: Document) -> dict[Key, Document]:
    """Return a document's sections by type, id, name and instance; iterative parts, which repeat, are left out."""
    return {
        (s["type"], s["section_id"], s["name"], s["instance_id"]): s
        for s in document["sections"]
        if s["type"] in ("start", "full")
    }


def section(document: Document, name: str, instance: int = 0) -> Document:
    """Return the one FULL section with that name and instance."""
    (found,) = (s for s in document["sections"] if (s["name"], s["instance_id"]) == (name, instance))
    assert isinstance(found, dict)
    return found


def assert_all_bytes_covered(document: Document) -> None:
    """Check that the spans of each section tile it: no gap, no overlap, nothing outside. `show --spans` is needed."""
    assert document["sections"]
    for found in document["sections"]:
        position = found["offset"]
        for path, _, offset, size in found["spans"]:
            assert offset == position, f"{found['name']}: {path} should start at {position:#x}, not {offset:#x}"
            assert size >= 0
            position += size
        assert position == found["offset"] + found["size"], f"{found['name']} is not covered to its last byte"


def assert_stream_covered(path: Path, tag: str | None) -> None:
    """Check that the forward walk's pieces tile the stream from its first byte to the end of its vmdesc."""
    view = stream_of(path, tag)
    state = open_state(view, forward=True)
    pieces = [(found.offset, found.size) for found in (*state.sections, *state.commands)]
    if state.configuration is not None:
        pieces.append((state.configuration.offset, state.configuration.size))
    position = len(b"QEVM") + 4
    for offset, size in sorted(pieces):
        assert offset == position, f"nothing for {position:#x} to {offset:#x}"
        position += size
    assert view.read(position, 2) == b"\x00\x06"  # EOF, then the vmdesc with its length
    assert position + 6 + int.from_bytes(view.read(position + 2, 4), "big") == state.end
    assert not any(view.read(state.end, view.size - state.end))


def assert_same(tail: Document, forward: Document) -> None:
    """Check that a state found by the tail equals the same found by the forward walk, section by section."""
    assert (tail["located"], forward["located"]) == ("tail", "forward")
    for what in ("machine", "page_size", "configuration", "ram", "snapshot", "problems"):
        assert tail[what] == forward[what], what
    ours, theirs = by_key(tail), by_key(forward)
    assert list(ours) == list(theirs)
    for key, found in ours.items():
        assert found == theirs[key], key
