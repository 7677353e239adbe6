"""vmsnap usage and vmsnap tree: what they print, and what they say of images that are none."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.acting import run
from tests.control.doing import layered, plan_delete
from tests.control.live_machines import live
from tests.image.tools import COUNT_AT, TABLE_AT, clusters_in_use, create, opened, patch, take, u32, u64, write
from tests.image.tools import run as tool
from vmsnap_gui.cli.plan_text import plan_lines
from vmsnap_gui.control.locks import WRITTEN_SO_FAR
from vmsnap_gui.image.texts import size_text
from vmsnap_gui.models.plan_rows import cost_text

if TYPE_CHECKING:
    from pathlib import Path

Capture = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _own_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = layered(tmp_path / "web.qcow2", "one", "two")
    write(path, "write -q -P 9 2M 64k")
    return path


def document(capsys: Capture, *words: object) -> dict[str, Any]:
    status, out, err = run(capsys, *words, "--json")
    assert (status, err) == (0, "")
    found: dict[str, Any] = json.loads(out)
    return found


def test_usage(capsys: Capture, image: Path) -> None:
    status, out, err = run(capsys, "usage", image)
    assert (status, err) == (0, "")
    lines = out.splitlines()
    assert lines[0] == "web.qcow2: 3.7 MiB in use; without snapshots 1.4 MiB"
    assert lines[1].split() == ["ID", "TAG", "NEW", "DISK", "VM", "STATE", "TABLES", "SHARED", "FREES"]
    assert " ".join(lines[2].split()) == "1 one 1.1 MiB 1 MiB 0 B 128 KiB 0 B 1.1 MiB [####### ]"
    found = document(capsys, "usage", image)
    layers = [found["active"], *found["snapshots"]]
    parts = sum(one["exclusive"]["total"] for one in layers) + found["shared"]["total"]
    assert parts + found["metadata"] + found["other"] == found["in_use"] == clusters_in_use(image) * 65536
    assert [(one["id"], one["tag"]) for one in found["snapshots"]] == [("1", "one"), ("2", "two")]
    assert (found["deleting"], found["problems"]) == (None, [])


def test_what_deleting_some_frees(capsys: Capture, image: Path) -> None:
    found = document(capsys, "usage", image, "-s", "one", "id:2")["deleting"]
    status, out, _ = run(capsys, "usage", image, "-s", "one", "-s", "tag:two")
    before = clusters_in_use(image)
    for name in ("one", "two"):
        tool("qemu-img", "snapshot", "-d", name, image)
    freed = (before - clusters_in_use(image)) * 65536
    assert found == {"snapshots": [{"id": "1", "tag": "one"}, {"id": "2", "tag": "two"}], "frees": freed}
    assert status == 0
    assert out == f"web.qcow2: deleting 'one' (id 1), 'two' (id 2) together frees 2.312 MiB ({freed} bytes)\n"


@pytest.mark.qemu
def test_an_image_in_use(capsys: Capture, tmp_path: Path) -> None:
    note = f"  ! {WRITTEN_SO_FAR}\n"
    with live(tmp_path) as machine:
        path = machine.paths["disk0"]
        machine.done(machine.plan_take("one"))
        plan = machine.plan_delete("one")
        assert (plan.cost.frees_at_least, plan.as_json()["cost"]["frees_at_least"]) == (True, True)
        least = f"it frees at least {size_text(plan.cost.frees or 0)} in the image, as far as the running machine has"
        assert any(least in line for line in plan_lines(plan))
        assert "Frees at least" in cost_text(plan.cost)
        for command in ("usage", "tree"):
            assert note in run(capsys, command, path)[1]
        whole = run(capsys, "usage", path)[1]
        assert "in use; without snapshots about " in whole
        assert [line.count("≥") for line in whole.splitlines()[1:4]] == [0, 1, 0]  # titles, the snapshot, now
        told = run(capsys, "usage", path, "-s", "one")[1]
        assert "frees at least " in told
        assert note in told
        found = document(capsys, "usage", path)
        assert (found["in_use_by_machine"], document(capsys, "tree", path)["in_use"]) == (True, True)
        blocked = plan_delete(path, which=["one"])
        assert (blocked.ready, blocked.cost.frees_at_least) == (False, True)
    after = document(capsys, "usage", path)
    assert (after["in_use_by_machine"], document(capsys, "tree", path)["in_use"]) == (False, False)
    assert after["snapshots"][0]["frees"] > 10 * found["snapshots"][0]["frees"]  # the state, which looked shared
    assert not plan_delete(path, which=["one"]).cost.frees_at_least
    for words in (("usage", path), ("usage", path, "-s", "one"), ("tree", path)):
        out = run(capsys, *words)[1]
        assert note not in out
        assert not [words for words in ("at least", "about", "≥") if words in out]


def test_tree(capsys: Capture, image: Path) -> None:
    tool("qemu-img", "snapshot", "-a", "one", image)
    write(image, "write -q -P 9 0 64k")
    take(image, "three")
    assert run(capsys, "take", image, "four", "--yes")[0] == 0
    status, out, _ = run(capsys, "tree", image)
    assert status == 0
    assert [line.split("  (")[0] for line in out.splitlines()] == [
        "web.qcow2: 4 snapshots; parents: - recorded, ~ inferred and perhaps wrong, ? open",
        "  ~ 'one' (id 1)",
        "    ~ 'three' (id 3)",
        "      ~ 'four' (id 4)",
        "        - YOU ARE HERE",
        "  ? 'two' (id 2)",
    ]
    found = document(capsys, "tree", image)
    edges = [(one["child"]["tag"], one["parent"]["tag"], one["source"]) for one in found["edges"]]
    assert edges == [("three", "one", "inferred"), ("four", "three", "inferred")]
    assert [one["child"]["tag"] for one in found["roots"]] == ["one"]
    assert [(one["child"]["tag"], one["parent"]) for one in found["open"]] == [("two", None)]
    assert (found["here"]["parent"]["tag"], found["here"]["source"]) == ("four", "recorded")


def test_what_is_no_qcow2_image(capsys: Capture, tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_bytes(b"QEVM\0\0\0\3" + bytes(100))
    for command in ("usage", "tree"):
        status, out, err = run(capsys, command, path)
        assert (status, out) == (1, "")
        assert err == f"vmsnap: {path} is no qcow2 image, so it has no clusters to look at\n"


def test_an_image_without_snapshots(capsys: Capture, tmp_path: Path) -> None:
    path = create(tmp_path / "i")
    assert run(capsys, "tree", path) == (0, "i: no snapshots\n", "")
    assert document(capsys, "tree", path)["here"]["reason"] == "there are no snapshots"


def test_a_cut_off_list_of_snapshots_has_no_numbers(capsys: Capture, image: Path) -> None:
    patch(image, COUNT_AT, u32(6))
    patch(image, TABLE_AT, u64(image.stat().st_size))
    why = f"vmsnap: {image}: the snapshot table is cut off: 0 of 6 snapshots can be read (at offset"
    for command in ("usage", "tree"):
        for more in ((), ("--json",)):
            status, out, err = run(capsys, command, image, *more)
            assert (status, out) == (1, "")
            assert err.startswith(why)


def test_damage_is_told(capsys: Capture, tmp_path: Path) -> None:
    path = create(tmp_path / "i")
    write(path, "write -q -P 1 0 64k")
    take(path, "one")
    patch(path, int(opened(path).header.l1_offset), u64(1 << 40))
    for command in ("usage", "tree"):
        status, out, _ = run(capsys, command, path)
        assert status == 0
        assert "  ! " in out
        assert document(capsys, command, path)["problems"]
    assert run(capsys, "usage", path, "-s", "none")[0] == 1
