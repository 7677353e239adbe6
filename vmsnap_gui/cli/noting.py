"""vmsnap note: what a person writes about a snapshot."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from vmsnap_gui.cli.output import CommandError, add_paths, add_snapshot_option, only_snapshot, path_of, print_json
from vmsnap_gui.entries import normal
from vmsnap_gui.image.byteview import Stamp
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.note_store import Note, NotesError, NoteStore, notes_file
from vmsnap_gui.vmstate.fields import printable

if TYPE_CHECKING:
    import argparse


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("note", help="show or change the label and the note on a snapshot")
    add_paths(parser, "an image", many=False)
    add_snapshot_option(parser)
    parser.add_argument("--label", help="give it this label; an empty one takes it away")
    parser.add_argument("--text", help="give it this note; an empty one takes it away")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=_note)


def _note(options: argparse.Namespace) -> int:
    path = normal(path_of(options))
    with closing(open_image(path)) as image:
        snapshot = only_snapshot(image, options.snapshot)
    stamp, store = Stamp.of(path.stat()), NoteStore(notes_file())
    try:
        note = next(iter(store.read().of(path, stamp, [snapshot])), Note())
        if options.label is not None or options.text is not None:
            label = note.label if options.label is None else options.label
            note = Note.of(label, note.text if options.text is None else options.text)
            store.write(path, stamp, snapshot, note)
    except NotesError as error:
        raise CommandError(str(error)) from error
    if options.json:
        print_json({"path": str(path), "id": snapshot.id, "tag": snapshot.tag, "label": note.label, "note": note.text})
    elif note:
        lines = [f"[{note.label}]"] if note.label else []
        print("\n".join(printable(line) for line in [*lines, *note.text.splitlines()]))
    return 0
