"""The language in which the library is searched, on lines of real entries."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from tests.image.tools import KIB, create, take
from vmsnap_gui.entries import Entry
from vmsnap_gui.finding_snapshots import DEEPEST, compile_search, lines_of
from vmsnap_gui.guest.filter_text import FilterError
from vmsnap_gui.image.errors import ImageError, Problem
from vmsnap_gui.note_store import Note
from vmsnap_gui.reading import look_at

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.finding_snapshots import Line

DATES = {"clean": 1_700_000_000, "Infected": 1_700_100_000, "odd\udcff": None}  # 2023-11-14 and -16, in UTC


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory) -> list[Line]:
    folder = tmp_path_factory.mktemp("lab")
    take(create(folder / "web.qcow2"), "clean", "Infected", "odd")
    found = look_at(folder / "web.qcow2")
    assert found.info is not None
    shaped = tuple(
        replace(one, tag=tag, date_sec=date, vm_state_size=number * 512 * KIB)
        for number, (one, (tag, date)) in enumerate(zip(found.info.snapshots, DATES.items(), strict=True))
    )
    wrong = (Problem("the content is Encrypted (LUKS)", 0x20), Problem("the snapshot table is cut off"))
    info = replace(found.info, problems=wrong, snapshots=shaped, machines=("pc-q35-7.2", "", "pc-i440fx-10.0"))
    notes = (Note(), Note("before", "The Update\nto 12"), Note())
    web = Entry(found.path, parent=folder, info=info, stamp=found.stamp)
    bad = Entry(folder / "sub" / "bad.qcow2", parent=folder, error=ImageError("qcow2 version 0 is not supported"))
    bare = Entry(folder / "bare.qcow2", parent=folder, info=replace(info, snapshots=(), problems=wrong[:1]))
    return [*lines_of(web, "web.qcow2", notes), *lines_of(bad, "sub/bad.qcow2", ()), *lines_of(bare, "bare.qcow2", ())]


def found(lines: list[Line], text: str) -> list[str | None]:
    test = compile_search(text)
    assert test is not None
    return [one.snapshot.tag if one.snapshot is not None else None for one in lines if test(one)]


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("CLEAN", ["clean"]),
        ("web", list(DATES)),
        ("web clean", ["clean"]),
        ("clean or infected", ["clean", "Infected"]),
        ("web not (clean or infected)", ["odd\udcff"]),
        ('"the update"', ["Infected"]),
        ("before", ["Infected"]),
        ("note ~ 12", ["Infected"]),
        ("note !~ 12", ["clean", "odd\udcff", None, None]),
        ("machine ~ q35", ["clean"]),
        ("tag == infected", ["Infected"]),
        ("2023-11-14", ["clean"]),
        ("date >= 2023-11-15", ["Infected"]),
        ("date < 2023-11-15", ["clean"]),
        ("date == 2023-11-14", ["clean"]),
        ("date == 2023-11", ["clean", "Infected"]),
        ("date != 2023-11-14", ["Infected", "odd\udcff", None, None]),
        ("date > 2023-11-14", ["Infected"]),
        ("date <= 2023-11-14", ["clean"]),
        ('date >= "2023-11-15 12:00"', ["Infected"]),
        ("date ~ 11-14", ["clean"]),
        ("size > 0.75MiB", ["odd\udcff"]),
        ("size >= 512 KiB and size < 1 MiB", ["Infected"]),
        ("size == 0", ["clean"]),
        ("file > 1 KiB", list(DATES)),
        ("disk == 4MiB", list(DATES)),
        ("problem ~ version", [None]),
        ("problem ~ encrypted", [*DATES, None]),
        ("problem ~ cut", list(DATES)),
        ("sub/bad", [None]),
        ("nothing of the kind", []),
    ],
)
def test_what_is_found(lines: list[Line], text: str, tags: list[str | None], monkeypatch: pytest.MonkeyPatch) -> None:
    assert found(lines, text) == tags


@pytest.mark.parametrize("text", ["", "  \t"])
def test_nothing_typed_is_no_search(text: str) -> None:
    assert compile_search(text) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("size > much", "'much' is no number of bytes"),
        ("date > yesterday", "'yesterday' is no date; write 2026-11-26, for example"),
        ("date == 2023-11-1", "'2023-11-1' is no date"),
        ("date < 2023-13", "'2023-13' is no date"),
        ("size ~ 1", "size is a number"),
        ("colour == red", "'colour' is not known; there are: image, tag,"),
        ("tag ==", "A value is missing after '=='"),
        ("(clean", "A closing bracket is missing"),
        ("clean)", r"'\)' is not expected here"),
        ("clean or", "A word or a condition is missing"),
        ("or clean", "A word or a condition is missing"),
        ("== clean", "A word or a condition is missing"),
        ("not", "A word or a condition is missing"),
        ("(" * (DEEPEST + 2) + "a", "More than 40 brackets"),
        ("not " * (DEEPEST + 2) + "a", "More than 40 brackets"),
        ('"clean', "The closing quote is missing"),
    ],
)
def test_what_cannot_be_understood(text: str, why: str) -> None:
    with pytest.raises(FilterError, match=why):
        compile_search(text)


def test_an_image_without_snapshots_is_a_line(tmp_path: Path) -> None:
    seen = look_at(create(tmp_path / "empty.qcow2"))
    (line,) = lines_of(Entry(seen.path, info=seen.info, stamp=seen.stamp), seen.path.name, ())
    assert line.snapshot is None
    assert "empty.qcow2" in line.all
