"""Taking, restoring and deleting on files: the right snapshot each time, by what the disks hold."""

from __future__ import annotations

import json
import re
import subprocess
from typing import TYPE_CHECKING

import pytest

from tests.control.doing import (
    carry_out,
    contents,
    first_byte,
    hindrances,
    layered,
    plan_delete,
    plan_restore,
    plan_take,
    succeed,
    table,
)
from tests.image.tools import MIB, create, info, opened, put_table, run, table_entry, take, write
from vmsnap_gui.control.journal import operations
from vmsnap_gui.control.journal_place import folder
from vmsnap_gui.control.terms import Choice, Ending, Hindrance, StepKind

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.control.plan import Step


@pytest.fixture
def image(tmp_path: Path) -> Path:
    return layered(tmp_path / "a,b c.qcow2", "one", "two")


class Recorder:
    """Remembers what an operation tells of itself."""

    def __init__(self) -> None:
        self.steps: list[str] = []
        self.bytes: list[int] = []

    def step(self, step: Step, number: int, count: int) -> None:
        self.steps.append(f"{number}/{count} {step.text}")

    def written(self, done: int, expected: int | None) -> None:
        assert expected is None
        self.bytes.append(done)


def checked(path: Path) -> None:
    run("qemu-img", "check", "-q", path)


def test_the_plans_of_an_image_whose_table_is_cut_off_say_so_and_nothing_is_done(image: Path) -> None:
    at = int.from_bytes(image.read_bytes()[64:72], "big")
    with image.open("r+b") as file:
        file.truncate(at + 70)  # within the second entry
    before = image.read_bytes()
    plans = (plan_take(image, tag="three"), plan_restore(image, which="one"), plan_delete(image, which=["one"]))
    for plan in plans:
        assert "the snapshot table is cut off: 1 of 2 snapshots can be read" in plan.warnings[0]
        assert carry_out(plan).ending is Ending.FAILED
    (warning,) = plan_delete(image, which=["two"]).warnings
    assert "1 of 2 snapshots" in warning
    assert image.read_bytes() == before


def test_take(image: Path) -> None:
    seen = Recorder()
    outcome = succeed(plan_take(image, tag="three"), seen)
    assert table(image) == [("1", "one", 1), ("2", "two", 2), ("3", "three", 3)]
    assert [(disk.path, disk.text) for disk in outcome.disks] == [(image, "'three' (id 3) was taken")]
    name = image.name
    texts = [f"Check {name} for damage first", f"Take 'three' of {name}", f"Check {name} afterwards"]
    assert seen.steps == [f"{number}/3 {text}" for number, text in enumerate(texts, 1)]
    assert seen.bytes
    assert max(seen.bytes) > 0
    assert outcome.as_json()["ending"] == "done"
    assert operations() == ()
    assert list(folder().iterdir()) == []
    checked(image)


@pytest.mark.slow
def test_take_on_two_disks_and_the_plan_as_json(image: Path, tmp_path: Path) -> None:
    other = create(tmp_path / "other.qcow2")
    plan = plan_take(image, other, tag="both")
    succeed(plan)
    assert [row[1] for row in table(image)] == ["one", "two", "both"]
    assert [row[1] for row in table(other)] == ["both"]
    document = json.loads(json.dumps(plan.as_json()))
    assert document["ready"] is True
    assert [step["kind"] for step in document["steps"]] == ["check", "check", "take", "take", "check", "check"]
    command = document["steps"][2]["command"]
    assert command[:4] == ["qemu-img", "snapshot", "-c", "both"]
    assert json.loads(command[4].removeprefix("json:"))["file"]["filename"] == str(image)
    assert "no memory" in document["warnings"][0]
    assert document["cost"]["vm_state"] == 0
    assert document["cost"]["free"] > 0


@pytest.mark.slow
def test_the_plans_commands_do_the_same_by_hand(image: Path, tmp_path: Path) -> None:
    take(image, "one")  # a second one: only id and tag name it
    copy = tmp_path / "copy.qcow2"
    plans = (plan_take, {"tag": "new"}), (plan_restore, {"which": "id:1"}), (plan_delete, {"which": ["id:3"]})
    for make, arguments in plans:
        plan = make(image, **arguments)
        copy.write_bytes(image.read_bytes())
        for step in plan.steps:
            words = [word.replace(str(image), str(copy)) for word in step.command]
            subprocess.run(words, check=True, stdout=subprocess.DEVNULL)
        succeed(plan)
        assert contents(copy) == contents(image)
        assert table(copy) == table(image)


def test_take_refuses_a_tag_that_exists_unless_it_replaces_it(image: Path) -> None:
    plan = plan_take(image, tag="one")
    assert hindrances(plan) == [Hindrance.EXISTS]
    assert plan.blockers[0].choice is Choice.REPLACE
    plan = plan_take(image, tag="one", choices={Choice.REPLACE})
    assert [step.kind for step in plan.steps] == [StepKind.CHECK, StepKind.TAKE, StepKind.DELETE, StepKind.CHECK]
    assert "'one'" in plan.losses[0]
    assert plan.cost.frees
    succeed(plan)
    assert table(image) == [("2", "two", 2), ("3", "one", 3)]
    checked(image)


@pytest.mark.parametrize("tag", ["", "1", "42", "-x", "--", "two\nlines", "nul\0", "\udcff", "ü" * 128])
def test_tags_that_are_refused(image: Path, tag: str) -> None:
    assert hindrances(plan_take(image, tag=tag)) == [Hindrance.TAG]


def test_a_tag_that_is_an_id_is_refused(tmp_path: Path) -> None:
    path = create(tmp_path / "i")
    put_table(path, [table_entry((b"base", b"x"), l1=(int(opened(path).header.l1_offset), 1))])
    assert hindrances(plan_take(path, tag="base")) == [Hindrance.TAG]


@pytest.mark.slow
@pytest.mark.parametrize("tag", ["a tag", "a/b", "ü" * 127, "x" * 255, "id:1", "snapshot.id=1", "%s,x=y"])
def test_odd_tags_that_are_taken_as_they_are(image: Path, tag: str) -> None:
    succeed(plan_take(image, tag=tag))
    assert table(image)[-1] == ("3", tag, 3)
    succeed(plan_restore(image, which=f"tag:{tag}"))
    succeed(plan_delete(image, which=[f"tag:{tag}"]))
    assert tag not in [row[1] for row in table(image)]


def test_restore_takes_a_safety_snapshot_that_undoes_it(image: Path) -> None:
    plan = plan_restore(image, which="one")
    assert plan.safety is not None
    assert plan.safety.startswith("before-restore-of-one-20")
    assert plan.losses == ()
    outcome = succeed(plan)
    assert first_byte(image) == 1
    assert table(image) == [("1", "one", 1), ("2", "two", 2), ("3", plan.safety, 3)]
    assert outcome.disks[0].text == f"{plan.safety!r} (id 3) was taken, the disk is as in 'one' (id 1)"
    succeed(plan_restore(image, which=f"tag:{plan.safety}", safety=False))
    assert first_byte(image) == 3
    checked(image)


def test_the_safety_snapshot_of_an_undo_has_a_tag_that_does_not_grow(image: Path) -> None:
    plan = plan_restore(image, which="one")
    for _ in range(3):
        succeed(plan)
        plan = plan_restore(image, which=f"tag:{plan.safety}")
        assert plan.safety is not None
        assert re.fullmatch(r"before-undo-of-one-\d{4}-\d\d-\d\d-\d{6}(-\d)?", plan.safety)


def test_restore_without_safety_says_what_is_lost(image: Path) -> None:
    plan = plan_restore(image, which="one", safety=False)
    assert plan.safety is None
    assert plan.losses == (f"What is on {image.name} now.",)
    succeed(plan)
    assert (first_byte(image), len(table(image))) == (1, 2)


@pytest.mark.slow
def test_a_safety_tag_that_fits_any_snapshot(tmp_path: Path) -> None:
    for tag in ("", "x" * 255, "a\nb", "-x", "7"):
        path = layered(tmp_path / "i", tag)
        plan = plan_restore(path, which="id:1")
        succeed(plan)
        assert plan.safety is not None
        assert plan.safety.startswith("before-restore-of-")
        assert len(plan.safety.encode()) <= 255
        assert (first_byte(path), table(path)[-1]) == (1, ("2", plan.safety, 2))


@pytest.mark.slow
def test_the_trap_of_numbers(tmp_path: Path) -> None:
    """`qemu-img snapshot -a 1` restores id 1 (tag 2), while `-d 1` deletes tag 1 (id 2)."""
    path = layered(tmp_path / "i", "2", "1", "keep")
    for word in ("1", "2"):
        for plan in (plan_restore(path, which=word), plan_delete(path, which=[word])):
            assert hindrances(plan) == [Hindrance.AMBIGUOUS]
            assert "id '1' tag '2'" in plan.blockers[0].text
            assert "id '2' tag '1'" in plan.blockers[0].text
    for which, byte in (("id:1", 1), ("tag:1", 2), ("id:2", 2), ("tag:2", 1)):
        succeed(plan_restore(path, which=which, safety=False))
        assert first_byte(path) == byte
    succeed(plan_delete(path, which=["tag:1"]))
    assert table(path) == [("1", "2", 1), ("3", "keep", 3)]
    succeed(plan_delete(path, which=["id:1"]))
    assert table(path) == [("3", "keep", 3)]
    checked(path)


@pytest.mark.slow
def test_repeated_empty_and_dashed_tags(tmp_path: Path) -> None:
    path = layered(tmp_path / "i", "same", "same", "", "-x", "same")
    assert hindrances(plan_restore(path, which="same")) == [Hindrance.AMBIGUOUS]
    assert hindrances(plan_delete(path, which=["tag:same"])) == [Hindrance.AMBIGUOUS]
    assert hindrances(plan_take(path, tag="same", choices={Choice.REPLACE})) == [Hindrance.AMBIGUOUS]
    for which, byte in (("id:2", 2), ("tag:", 3), ("tag:-x", 4), ("id:5", 5), ("-x", 4)):
        succeed(plan_restore(path, which=which, safety=False))
        assert first_byte(path) == byte
    succeed(plan_delete(path, which=["id:2"]))
    assert table(path) == [("1", "same", 1), ("3", "", 3), ("4", "-x", 4), ("5", "same", 5)]
    succeed(plan_delete(path, which=["-x", "tag:"]))
    assert table(path) == [("1", "same", 1), ("5", "same", 5)]
    checked(path)


@pytest.mark.slow
def test_tags_that_qemu_cannot_be_told(tmp_path: Path) -> None:
    path = layered(tmp_path / "i", "plain", "other")
    l1 = [(one.l1_offset, one.l1_size) for one in opened(path).snapshots]
    size = (4 * MIB).to_bytes(8, "big")
    tags = (b"\xff\xfe", b"y" * 300)
    rows = [table_entry((b"%d" % n, tag), l1=l1[n - 1], extra=bytes(8) + size) for n, tag in enumerate(tags, 1)]
    put_table(path, rows)
    run("qemu-img", "check", "-q", "-r", "all", path)
    assert [row[2] for row in table(path)] == [1, 2]
    succeed(plan_restore(path, which="id:2", safety=False))
    assert first_byte(path) == 2
    succeed(plan_delete(path, which=["id:2"]))
    assert table(path) == [("1", "\udcff\udcfe", 1)]
    succeed(plan_delete(path, which=["id:1"]))
    assert table(path) == []


def test_delete_says_what_it_frees_and_leaves_all_else(image: Path) -> None:
    before = contents(image)
    plan = plan_delete(image, which=["one"])
    assert plan.cost.frees == MIB + 2 * 65536  # its data, its L2 table, its L1 table
    outcome = succeed(plan)
    assert outcome.disks[0].text == "'one' (id 1) was deleted"
    del before["1"]
    assert contents(image) == before
    checked(image)


@pytest.mark.slow
def test_several_at_once_on_two_disks(tmp_path: Path) -> None:
    paths = layered(tmp_path / "a", "one", "two", "three"), layered(tmp_path / "b", "zero", "one", "two", "three")
    plan = plan_delete(*paths, which=["one", "id:3"])  # on the first disk, id 3 is "three"
    assert plan.subject == "'one' (id 1), 'three' (id 3)"
    succeed(plan)
    assert [row[1] for row in table(paths[0])] == ["two"]
    assert [row[1:] for row in table(paths[1])] == [("zero", 1), ("two", 3)]


@pytest.mark.slow
def test_a_snapshot_that_one_disk_lacks(tmp_path: Path) -> None:
    first, second = layered(tmp_path / "a", "one"), layered(tmp_path / "b", "other")
    plan = plan_restore(first, second, which="one")
    assert hindrances(plan) == [Hindrance.MISSING]
    assert (plan.blockers[0].path, plan.blockers[0].choice) == (second, Choice.LEAVE_OUT)
    plan = plan_restore(first, second, which="one", choices={Choice.LEAVE_OUT})
    assert "b stays as it is now: it lacks this snapshot." in plan.warnings
    before = second.read_bytes()
    succeed(plan)
    assert first_byte(first) == 1
    assert second.read_bytes() == before
    succeed(plan_delete(first, second, which=["one"]))
    assert second.read_bytes() == before


@pytest.mark.slow
def test_disks_with_repeated_tags_are_told_apart_by_the_moment(tmp_path: Path) -> None:
    paths = []
    for name, moments in (("a", (100, 200)), ("b", (200, 100))):
        path = layered(tmp_path / name, "x", "x")
        rows = [
            table_entry(
                (b"%d" % (index + 1), b"same"),
                l1=(one.l1_offset, one.l1_size),
                date=(moments[index], 7),
                extra=bytes(8) + (4 * MIB).to_bytes(8, "big"),
            )
            for index, one in enumerate(opened(path).snapshots)
        ]
        put_table(path, rows)
        run("qemu-img", "check", "-q", "-r", "all", path)
        paths.append(path)
    succeed(plan_restore(*paths, which="id:1", safety=False))
    assert [first_byte(path) for path in paths] == [1, 2]
    third = layered(tmp_path / "c", "same", "same")
    assert hindrances(plan_restore(*paths, third, which="id:1")) == [Hindrance.AMBIGUOUS]


def test_a_word_that_means_different_things_on_two_disks(tmp_path: Path) -> None:
    first, second = layered(tmp_path / "a", "clean"), layered(tmp_path / "b", "clean", "1")
    assert hindrances(plan_restore(first, second, which="1")) == [Hindrance.AMBIGUOUS]
    assert hindrances(plan_restore(first, second, which="none")) == [Hindrance.MISSING]
    succeed(plan_restore(first, second, which="id:1"))
    assert (first_byte(first), first_byte(second)) == (1, 1)


@pytest.mark.slow
def test_a_disk_that_was_resized_since(tmp_path: Path) -> None:
    path = layered(tmp_path / "i", "small")
    run("qemu-img", "resize", "-q", path, "8M")
    write(path, "write -q -P 9 6M 1M")
    plan = plan_restore(path, which="small")
    assert hindrances(plan) == [Hindrance.RESIZED]
    assert plan.blockers[0].choice is Choice.RESIZE
    plan = plan_restore(path, which="small", choices={Choice.RESIZE})
    assert any("from 8388608 to 4194304 bytes" in warning for warning in plan.warnings)
    succeed(plan)
    assert (first_byte(path), info(path)["virtual-size"]) == (1, 4 * MIB)
    succeed(plan_restore(path, which=f"tag:{plan.safety}", choices={Choice.RESIZE}))
    assert (first_byte(path), info(path)["virtual-size"]) == (2, 8 * MIB)
    checked(path)


@pytest.mark.slow
def test_bitmaps_stop_a_restore_and_nothing_else(image: Path) -> None:
    run("qemu-img", "bitmap", "--add", "-f", "qcow2", image, "backup")
    assert hindrances(plan_restore(image, which="one")) == [Hindrance.BITMAPS]
    succeed(plan_take(image, tag="three"))
    succeed(plan_delete(image, which=["one"]))
    assert [one["name"] for one in info(image)["format-specific"]["data"]["bitmaps"]] == ["backup"]
    run("qemu-img", "bitmap", "--remove", "-f", "qcow2", image, "backup")
    succeed(plan_restore(image, which="two"))
    assert first_byte(image) == 2


def test_an_overlay_is_worked_on_without_its_backing_file(tmp_path: Path) -> None:
    path = create(tmp_path / "overlay", 4 * MIB, backing=("gone.qcow2", "qcow2"))
    alone = json.dumps({"driver": "qcow2", "backing": None, "file": {"driver": "file", "filename": str(path)}})
    run("qemu-io", "-c", "write -q -P 1 0 1M", f"json:{alone}")
    succeed(plan_take(path, tag="one"))
    run("qemu-io", "-c", "write -q -P 2 0 1M", f"json:{alone}")
    succeed(plan_restore(path, which="one"))
    assert "read 512/512" in run("qemu-io", "-c", "read -P 1 0 512", f"json:{alone}")
    assert opened(path).header.backing_file == "gone.qcow2"


def test_a_failed_check_stops_everything_before_the_first_write(image: Path) -> None:
    before = image.read_bytes()
    entry = int(opened(image).cluster_map(opened(image).snapshots[0]).l1[0]) & ~(1 << 63)
    with image.open("r+b") as file:  # point the first snapshot's first cluster behind the end of the file
        file.seek(entry)
        file.write((1 << 40).to_bytes(8, "big"))
    damaged = image.read_bytes()
    assert damaged != before
    outcome = carry_out(plan_take(image, tag="three"))
    assert outcome.ending is Ending.FAILED
    assert "check and repair it first" in (outcome.error or "")
    assert image.read_bytes() == damaged
    assert operations() == ()
