"""vmsnap note: what a person writes about a snapshot."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from vmsnap_gui.cli.output import CommandError, add_paths, add_snapshot_option, only_snapshot, path_of, print_json
from vmsnap_gui.entries import normal
from vmsnap_gui.image.byteview import Stamp
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.snapshot import describe_briefly
from vmsnap_gui.note_store import Note, NotesError, NoteStore, notes_file
from vmsnap_gui.vmstate.fields import printable

if TYPE_CHECKING:
    import argparse
    from pathlib import Path

    from vmsnap_gui.image.snapshot import Snapshot


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("note", help="show labels and notes, or change those on a snapshot")
    add_paths(parser, "an image", many=False)
    add_snapshot_option(parser)
    parser.add_argument("--label", help="give it this label; an empty one takes it away")
    parser.add_argument("--text", help="give it this note; an empty one takes it away")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=_note)


def _note(options: argparse.Namespace) -> int:
    path = normal(path_of(options))
    changes = options.label is not None or options.text is not None
    with closing(open_image(path)) as image:
        several = not changes and options.snapshot is None and len(image.snapshots) > 1
        snapshots = list(image.snapshots) if several else [only_snapshot(image, options.snapshot)]
    stamp, store = Stamp.of(path.stat()), NoteStore(notes_file())
    try:
        notes = list(store.read().of(path, stamp, snapshots)) or [Note()] * len(snapshots)
        if changes:
            label = notes[0].label if options.label is None else options.label
            notes = [Note.of(label, notes[0].text if options.text is None else options.text)]
            store.write(path, stamp, snapshots[0], notes[0])
    except NotesError as error:
        raise CommandError(str(error)) from error
    if options.json:
        found = [_document(path, *pair) for pair in zip(snapshots, notes, strict=True)]
        print_json(found if several else found[0])
        return 0
    for snapshot, note in zip(snapshots, notes, strict=True):
        if not note:
            continue
        if several:
            print(f"{printable(describe_briefly(snapshot))}:")
        lines = [*([f"[{note.label}]"] if note.label else []), *note.text.splitlines()]
        print("\n".join(("  " if several else "") + printable(line) for line in lines))
    return 0


def _document(path: Path, snapshot: Snapshot, note: Note) -> dict[str, str | None]:
    return {"path": str(path), "id": snapshot.id, "tag": snapshot.tag, "label": note.label, "note": note.text}
