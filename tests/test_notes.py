"""What people write about snapshots: kept among their data, found again, undone, listed and reported."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.image.tools import create, take
from tests.samples import sample
from vmsnap_gui import sqlite_file
from vmsnap_gui.cli import main
from vmsnap_gui.compare.comparison import Comparison, Side
from vmsnap_gui.compare.report import report_text
from vmsnap_gui.image.byteview import Stamp
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.note_store import (
    LONGEST_LABEL,
    LONGEST_TEXT,
    KnownNotes,
    Note,
    NotesError,
    NoteStore,
    note_on,
    notes_file,
)

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.image.snapshot import Snapshot

BEFORE = Note("before", "Two\nlines")


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> NoteStore:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return NoteStore(notes_file())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = create(tmp_path / "a.qcow2")
    take(path, "one", os.fsdecode(b"tw\xff"))
    return path


def snapshots(path: Path) -> tuple[Snapshot, ...]:
    with closing(open_image(path)) as image:
        return image.snapshots


def stamp(path: Path) -> Stamp:
    return Stamp.of(path.stat())


def test_it_is_found_again(store: NoteStore, path: Path) -> None:
    assert store.read() == KnownNotes()
    assert not store.file.exists()  # nothing is made by reading
    one, two = snapshots(path)
    store.write(path, stamp(path), two, BEFORE)
    store.write(path, stamp(path), one, Note("x"))
    store.write(path, stamp(path), one, Note("later"))
    assert store.read().of(path, stamp(path), [one, two]) == (Note("later"), BEFORE)
    assert note_on(path, two) == BEFORE
    store.write(path, stamp(path), one, Note())
    assert store.read().of(path, stamp(path), [one, two]) == (Note(), BEFORE)
    store.write(path, stamp(path), two, Note())
    assert store.read() == KnownNotes()


def test_a_moved_image_keeps_its_notes_and_a_copy_has_none(store: NoteStore, path: Path) -> None:
    one = snapshots(path)[0]
    store.write(path, stamp(path), one, BEFORE)
    moved = path.rename(path.with_name("moved.qcow2"))
    shutil.copyfile(moved, path.with_name("copy.qcow2"))
    assert note_on(moved, one) == BEFORE
    assert note_on(path.with_name("copy.qcow2"), one) == Note()
    store.write(moved, stamp(moved), one, Note("again"))
    with closing(sqlite3.connect(store.file)) as file:
        assert file.execute("SELECT path, label FROM notes").fetchall() == [(os.fsencode(moved), "again")]


def test_a_snapshot_that_is_taken_later_has_none(store: NoteStore, path: Path) -> None:
    store.write(path, stamp(path), snapshots(path)[0], BEFORE)
    path.unlink()
    take(create(path), "one", "two")
    assert store.read().of(path, stamp(path), snapshots(path)) == (Note(), Note())


def test_what_is_typed_is_made_fit() -> None:
    assert Note.of("  a\t b ", " x\n y \n") == Note("a b", "x\n y")
    assert Note.of("l" * 500, "t" * 50_000) == Note("l" * LONGEST_LABEL, "t" * LONGEST_TEXT)
    assert Note.of("a\0\udcff", "") == Note("a?", "")
    assert not Note.of(" ", "\n")
    assert BEFORE.line == "before – Two lines"


def test_a_damaged_file_is_put_aside(store: NoteStore, path: Path) -> None:
    store.write(path, stamp(path), snapshots(path)[0], BEFORE)
    store.file.write_bytes(b"what is this?" * 1000)
    with pytest.raises(NotesError, match=r"was damaged .* it is .*notes\.sqlite\.damaged-\d+ now"):
        store.read()
    (aside,) = store.file.parent.glob("notes.sqlite.damaged-*")
    assert aside.read_bytes().startswith(b"what is this?")
    store.write(path, stamp(path), snapshots(path)[0], BEFORE)
    assert note_on(path, snapshots(path)[0]) == BEFORE


def test_one_that_is_locked_is_left_alone(store: NoteStore, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.write(path, stamp(path), snapshots(path)[0], BEFORE)
    monkeypatch.setattr(sqlite_file, "PATIENCE", 0.1)
    with closing(sqlite3.connect(store.file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(NotesError, match="locked"):
            store.write(path, stamp(path), snapshots(path)[0], Note("lost"))
        other.execute("ROLLBACK")
    assert note_on(path, snapshots(path)[0]) == BEFORE


def test_the_list_has_it(store: NoteStore, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", str(path)]) == 0
    assert "NOTE" not in capsys.readouterr().out
    store.write(path, stamp(path), snapshots(path)[1], Note("x\x1b[31m", "y"))
    assert main(["list", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].endswith("  NOTE")
    assert lines[3].endswith("  x\\x1b[31m – y")
    assert main(["list", "--json", str(path)]) == 0
    listed = json.loads(capsys.readouterr().out)[0]["snapshots"]
    assert [(one["label"], one["note"]) for one in listed] == [("", ""), ("x\x1b[31m", "y")]


@pytest.mark.parametrize(
    ("form", "shown"),
    [
        ("html", '<td data-head="Note">a &lt;b&gt; – c*d</td>'),
        ("md", r"; note: a &lt;b&gt; – c\*d"),
        ("json", '"note": "a <b> \\u2013 c*d"'),
    ],
)
def test_a_report_has_it(form: str, shown: str, path: Path) -> None:
    one, two = snapshots(path)
    note = Note("a <b>", "c*d").line
    text = report_text(Comparison(Side.of(path, one, None, note), Side.of(path, two, None), None, None, None), form)
    assert shown in text
    without = report_text(Comparison(Side.of(path, one, None), Side.of(path, two, None), None, None, None), form)
    assert not any(word in without for word in ('data-head="Note"', "; note:", '"note":'))


def test_the_command_line_writes_it(store: NoteStore, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["note", str(path), "-s", "one"]) == 0
    assert capsys.readouterr().out == ""
    assert main(["note", str(path), "-s", "one", "--label", "before", "--text", "x\ny"]) == 0
    assert main(["note", str(path), "-s", "one", "--text", ""]) == 0
    assert capsys.readouterr().out == "[before]\nx\ny\n[before]\n"
    assert main(["note", str(path), "-s", "one", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown == {"path": str(path), "id": "1", "tag": "one", "label": "before", "note": ""}
    assert main(["note", str(path)]) == 0
    assert capsys.readouterr().out == "'one' (id 1):\n  [before]\n"
    assert main(["note", str(path), "--json"]) == 0
    both = json.loads(capsys.readouterr().out)
    assert (both[0], [one["label"] for one in both]) == (shown, ["before", ""])
    store.file.write_bytes(b"what is this?" * 1000)
    assert main(["note", str(path), "-s", "one"]) == 1
    assert "was damaged" in capsys.readouterr().err


def test_the_only_state_needs_no_name(store: NoteStore, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    stream = sample("q35-default@10.0/s-plain.vmstate")
    assert main(["note", str(stream), "--label", "booted"]) == 0
    assert main(["note", str(stream)]) == 0
    assert capsys.readouterr().out == "[booted]\n[booted]\n"
    assert note_on(stream, snapshots(stream)[0]) == Note("booted")
    assert main(["note", str(path), "--label", "which?"]) == 1
    assert capsys.readouterr().err == f"vmsnap: {path}: choose a snapshot with -s: id:1 (one), id:2 (tw\\udcff)\n"
    empty = create(path.with_name("empty.qcow2"))
    assert main(["note", str(empty)]) == 1
    assert capsys.readouterr().err == f"vmsnap: {empty}: there is no snapshot\n"
