"""vmsnap list: the snapshots of images."""

from __future__ import annotations

import contextlib
import os
import shlex
from contextlib import closing
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from vmsnap_gui.cli.output import (
    CommandError,
    add_paths,
    aligned,
    complain,
    paths_of,
    print_json,
    print_problems,
    problems_json,
)
from vmsnap_gui.control import journal_place
from vmsnap_gui.control.locks import in_use
from vmsnap_gui.entries import normal
from vmsnap_gui.image.byteview import Stamp
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.image.finding import find_images
from vmsnap_gui.image.texts import clock_text, counted, date_text, size_text
from vmsnap_gui.note_store import KnownNotes, Note, NotesError, NoteStore, notes_file
from vmsnap_gui.vmstate.fields import printable

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from vmsnap_gui.image.containers import Image, Snapshot


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("list", help="list the snapshots of images")
    add_paths(parser, "an image, or a folder of images")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=_list)


def _list(options: argparse.Namespace) -> int:
    paths = paths_of(options)
    failed: list[ImageError] = []
    documents = []
    known = known_notes()
    for path in _images(paths, failed):
        try:
            with closing(open_image(path)) as image:
                documents.append(_image_json(image, known))
                if not options.json:
                    _print_image(image, known)
        except ImageError as error:
            failed.append(error)
    if not documents and not failed:
        complain(CommandError(f"no images below {', '.join(map(str, paths))}"))
    for one in failed:
        complain(one)
    if options.json:
        print_json(documents)
    return 1 if failed else 0


def _images(paths: list[Path], failed: list[ImageError]) -> Iterator[Path]:
    """Yield the paths, and instead of folders the images below them; what cannot be searched goes into `failed`."""
    for path in paths:
        if not os.path.isdir(path):  # noqa: PTH112 (unlike Path.is_dir it never raises)
            yield path
            continue
        try:
            yield from find_images(path, skipped=failed.append)
        except ImageError as error:
            failed.append(error)


def _image_json(image: Image, known: KnownNotes) -> dict[str, Any]:
    return {
        "path": str(image.path),
        "format": image.format,
        "virtual_size": image.virtual_size,
        "cluster_size": image.cluster_size,
        "in_use": in_use(image.path),
        "quarantine": _quarantine(image.path),
        "problems": problems_json(image.problems),
        "snapshots": snapshots_json(image.path, image.snapshots, known),
    }


def _quarantine(path: Path) -> str | None:
    """Return what was interrupted on an image that may only be checked and repaired, None for any other."""
    if journal_place.is_empty():
        return None
    from vmsnap_gui.control.quarantine import quarantine_of

    held = quarantine_of(path)
    return f"{held.what}: {held.why}" if held is not None else None


def _date(snapshot: Snapshot) -> datetime | None:
    if snapshot.date_sec is None:
        return None
    return datetime.fromtimestamp(snapshot.date_sec, UTC).replace(microsecond=snapshot.date_nsec // 1000 % 1_000_000)


def _notes_on(path: Path, snapshots: Sequence[Snapshot], known: KnownNotes) -> tuple[Note, ...]:
    """Return the note on each of an image's snapshots."""
    return known.of(normal(path), Stamp.of(path.stat()), snapshots) or (Note(),) * len(snapshots)


def known_notes() -> KnownNotes:
    """Return all notes; none, with a sentence on stderr, where they cannot be read."""
    try:
        return NoteStore(notes_file()).read()
    except NotesError as error:
        complain(error)
        return KnownNotes()


def snapshots_json(path: Path | None, snapshots: Sequence[Snapshot], known: KnownNotes) -> list[dict[str, Any]]:
    """Return an image's snapshots with the notes on them as JSON has them; without a file there are no notes."""
    notes = (Note(),) * len(snapshots)
    if path is not None:
        with contextlib.suppress(OSError):  # QEMU may see a file that is not to be seen from here
            notes = _notes_on(path, snapshots, known)
    return [
        _snapshot_json(one) | {"label": note.label, "note": note.text}
        for one, note in zip(snapshots, notes, strict=True)
    ]


def _snapshot_json(snapshot: Snapshot) -> dict[str, Any]:
    """Return a snapshot as JSON has it."""
    date = _date(snapshot)
    return {
        "id": snapshot.id,
        "tag": snapshot.tag,
        "date": date.isoformat().replace("+00:00", "Z") if date is not None else None,
        "date_sec": snapshot.date_sec,
        "date_nsec": snapshot.date_nsec,
        "vm_clock_ns": snapshot.vm_clock_ns,
        "icount": snapshot.icount,
        "vm_state_size": snapshot.vm_state_size,
        "disk_size": snapshot.disk_size,
    }


def _print_image(image: Image, known: KnownNotes) -> None:
    used = ", in use, may be changing" if in_use(image.path) else ""
    disk = f", {size_text(image.virtual_size)} disk" if image.virtual_size else ""
    what = counted(len(image.snapshots), "snapshot")
    print(f"{printable(str(image.path))}: {image.format}{disk}, {what}{used}")
    print_problems(image.problems)
    held = _quarantine(image.path)
    if held is not None:
        command = shlex.join(["vmsnap", "check", str(image.path), "--repair"])
        print(f"  ! {printable(f'in quarantine: {held}; see {command}')}")
    notes = _notes_on(image.path, image.snapshots, known)
    rows = [("ID", "TAG", "DATE (UTC)", "VM CLOCK", "VM STATE", "DISK", "NOTE" if any(notes) else "")]
    for s, note in zip(image.snapshots, notes, strict=True):
        rows.append(
            (
                printable(s.id or "-"),
                "(one state)" if s.tag is None else printable(s.tag) or '""',
                date_text(s.date_sec),
                clock_text(s.vm_clock_ns),
                size_text(s.vm_state_size) if s.vm_state_size else "-",
                size_text(s.disk_size) if s.disk_size is not None else "-",
                printable(note.line),
            )
        )
    if image.snapshots:
        for line in aligned(rows, right=(3, 4, 5)):
            print(f"  {line}")
