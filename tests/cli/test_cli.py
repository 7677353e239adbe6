"""The command line's contract: exit statuses, one sentence for an error, one JSON document, and no image harmed."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.image.tools import create, take
from tests.samples import sample
from tests.vmstate.rams import with_broken_page
from tests.vmstate.streams import pattern
from vmsnap_gui.cli import main

if TYPE_CHECKING:
    from pathlib import Path

Q35 = "q35-default@10.0/disk0.qcow2"
DISK_ONLY = "q35-default@10.0/disk1.qcow2"
STREAM = "q35-default@10.0/s-plain.vmstate"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main([str(one) for one in arguments])
    out, err = capsys.readouterr()
    return status, out, err


def test_list_of_a_folder_is_one_document(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    for name in ("b.qcow2", "a.qcow2"):
        shutil.copyfile(sample(Q35), tmp_path / name)
    (tmp_path / "notes.txt").write_text("no image")
    status, out, err = run(capsys, "list", "--json", tmp_path)
    assert (status, err) == (0, "")
    listed = json.loads(out)
    assert [one["path"] for one in listed] == [str(tmp_path / "a.qcow2"), str(tmp_path / "b.qcow2")]
    assert [one["tag"] for one in listed[0]["snapshots"]] == ["snap0", "snap1", "snap2"]
    assert listed[0]["in_use"] is False


def test_list_of_a_folder_tells_what_its_images_cannot_be_read_for(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    shutil.copyfile(sample(Q35), tmp_path / "good.qcow2")
    (tmp_path / "raw.img").write_bytes(bytes(512))
    (tmp_path / "empty.qcow2").touch()
    (tmp_path / "junk.qcow2").write_text("no image")
    (tmp_path / "link.qcow2").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe.qcow2")
    status, out, err = run(capsys, "list", "--json", tmp_path)
    assert (status, [one["path"] for one in json.loads(out)]) == (1, [str(tmp_path / "good.qcow2")])
    assert [line.removeprefix(f"vmsnap: {tmp_path}/")[:50] for line in err.splitlines()] == [
        "empty.qcow2: the file is empty",
        "junk.qcow2: this is neither a qcow2 image nor a saved VM state"[:50],
        "link.qcow2: there is no such file",
        "pipe.qcow2: this is a pipe, not an image file",
    ]


def test_what_cannot_be_read_is_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    raw = tmp_path / "raw.img"
    raw.write_bytes(bytes(512))
    status, out, err = run(capsys, "list", "--json", raw, sample(Q35))
    assert status == 1
    assert [one["format"] for one in json.loads(out)] == ["qcow2"]
    assert err.count("\n") == 1
    assert str(raw) in err


def test_wrong_use_is_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = (["list"], ["show"], ["show", "x", "--spans"], ["ram", "x", "--offset", "zz"], ["nonsense"])
    for arguments in wrong:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
    err = capsys.readouterr().err
    assert "--spans needs --json" in err
    assert "'zz' is no number" in err


def test_a_pipe_that_nobody_reads_says_nothing_about_the_states() -> None:
    state = f"{sample(Q35)}@snap0"
    command = [sys.executable, "-c", "from vmsnap_gui.start import command; raise SystemExit(command())"]
    with subprocess.Popen(
        [*command, "diff", "--all", state, state], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
        assert process.wait() == 141  # 1 would be: they differ


def test_the_demo_stands_for_a_path(capsys: pytest.CaptureFixture[str]) -> None:
    for command in (("list",), ("show", "-s", "half-way", "--device", "port92")):
        status, out, err = run(capsys, *command, "--json", "--demo")
        assert (status, err) == (0, "")
        (document,) = json.loads(out)
        assert document["path"].endswith("demo.qcow2")
        status, out, _ = run(capsys, *command[:1], "--json", sample(STREAM), "--demo")
        assert [one["path"] for one in json.loads(out)[:2]] == [str(sample(STREAM)), document["path"]]
    status, out, err = run(capsys, "ram", "--demo", "-s", "half-way", "--offset", "0x101730", "--length", "16")
    assert (status, err) == (0, "")
    assert "row 192" in out


def test_a_path_or_the_demo_is_needed_and_ram_reads_one_only(capsys: pytest.CaptureFixture[str]) -> None:
    for arguments in (["list"], ["show"], ["ram"], ["ram", str(sample(STREAM)), "--demo"]):
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        assert ended.value.code == 2
        out, err = capsys.readouterr()
        assert out == ""
        assert "PATH" in err.splitlines()[-1]


def test_show_names_what_there_is(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, "show", sample(Q35), "-s", "nope")
    assert status == 1
    assert "snap0" in err
    assert "snap2" in err
    status, _, err = run(capsys, "show", sample(Q35), "-s", "snap1", "--device", "nope")
    assert status == 1
    assert "mc146818rtc" in err


def test_one_broken_state_hides_no_other(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "broken.qcow2"
    data = sample(Q35).read_bytes()
    at = data.index(b"QEVM\0\0\0\3")
    path.write_bytes(data[:at] + b"XXXX" + data[at + 4 :])
    status, out, err = run(capsys, "show", "--json", path)
    shown = {one["snapshot"]["tag"] for one in json.loads(out)}
    (broken,) = {"snap0", "snap1", "snap2"} - shown
    assert (status, len(shown), err.count("\n")) == (1, 2, 1)
    assert err.startswith(f"vmsnap: {path}: id ")
    assert f"tag '{broken}': this is no VM state" in err
    status, out, _ = run(capsys, "show", path)
    assert status == 1
    assert all(f"'{tag}'" in out for tag in shown)


def test_a_device_that_no_state_has_is_one_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "show", "--json", sample(Q35), "--device", "nope")
    assert (status, json.loads(out), err.count("\n")) == (1, [], 1)
    assert err.startswith(f"vmsnap: {sample(Q35)}: there is no section 'nope'")


def test_mistakes_in_a_persons_names_are_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, own_names: Path
) -> None:
    own_names.write_text('[[rule]]\ndevice = "port92"\nfields = [{ path = "outport", bits = "none" }]\n')
    status, out, err = run(capsys, "show", sample(Q35), "-s", "snap0", "--device", "port92")
    assert status == 0
    assert "outport = " in out
    assert err == f"vmsnap: In {own_names}: rule 1, field 1: bits = 'none' is not known.\n"
    assert run(capsys, "show", "--json", sample(Q35), "-s", "snap0", "--device", "port92")[2] == ""
    state = f"{sample(Q35)}@snap0"
    assert run(capsys, "diff", state, state)[2] == err


def test_show_of_a_disk_only_image_is_empty_and_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, err = run(capsys, "show", "--json", sample(DISK_ONLY))
    assert (status, json.loads(out)) == (1, [])
    assert err == f"vmsnap: {sample(DISK_ONLY)}: no snapshot holds a VM state\n"
    assert run(capsys, "show", sample(DISK_ONLY)) == (1, "", err)
    status, _, err = run(capsys, "show", sample(DISK_ONLY), "-s", "snap0")
    assert status == 1
    assert err.count(str(sample(DISK_ONLY))) == 1


def test_a_damaged_table_of_snapshots_is_not_called_empty(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    short = tmp_path / "short.qcow2"
    short.write_bytes(sample(Q35).read_bytes()[:100_000])
    _, _, err = run(capsys, "show", short)
    assert "0 of 3 snapshots can be read" in err
    assert err.endswith("no snapshots can be read\n")


def test_show_tells_that_memory_was_not_read(capsys: pytest.CaptureFixture[str]) -> None:
    unread = "of memory at 0x11d, whose sections --forward lists, too\n"
    status, out, _ = run(capsys, "show", sample(STREAM), "--device", "port92")
    assert (status, f"  not read: 1.4 MiB {unread}" in out) == (0, True)
    status, out, _ = run(capsys, "show", sample(STREAM), "--device", "port92", "--forward")
    assert (status, unread in out) == (0, False)


def test_one_device_of_several(capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "show", "--json", sample(Q35), "-s", "id:2", "--device", "cpu:1")
    (state,) = json.loads(out)
    assert [(one["name"], one["instance_id"]) for one in state["sections"]] == [("cpu", 1)]
    assert state["snapshot"] == {"id": "2", "tag": "snap1"}


def test_a_stream_file_is_one_state(capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "show", "--json", sample(STREAM))
    (state,) = json.loads(out)
    assert (status, state["snapshot"], state["located"]) == (0, {"id": None, "tag": None}, "tail")


def test_bytes_of_a_block(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    target = tmp_path / "boot"
    target.write_bytes(b"old content of an ordinary file")
    options = ("-s", "snap1", "--offset", "0x7c00", "--length", "16")
    assert run(capsys, "ram", sample(Q35), *options, "--output", target) == (0, "", "")
    assert target.read_bytes() == bytes.fromhex("fa31c08ed88ed0bc007cfbbe5c7cac84")
    _, out, _ = run(capsys, "ram", sample(Q35), *options)
    assert out == "0000007c00  fa 31 c0 8e d8 8e d0 bc 00 7c fb be 5c 7c ac 84  .1.......|..\\|..\n"


def test_one_page_that_cannot_be_unpacked_keeps_back_no_other(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    path, target = tmp_path / "broken.vmstate", tmp_path / "ram"
    path.write_bytes(with_broken_page(20))
    status, _, err = run(capsys, "ram", path, "--output", target)
    memory = b"".join(bytes(4096) if i == 20 else pattern(i) for i in range(64))
    said = "pages of block pc.ram that cannot be unpacked, and count as zeros: 1, the first is page 20"
    assert (status, err) == (1, f"vmsnap: {path}: {said}\n")
    assert target.read_bytes() == memory
    status, out, err = run(capsys, "ram", path, "--json")
    assert (status, err) == (1, f"vmsnap: {path}: {said}\n")
    assert json.loads(out)[0]["sha256"] == hashlib.sha256(memory).hexdigest()
    assert run(capsys, "ram", path, "--offset", 21 * 4096, "--length", "16")[0] == 0


@pytest.mark.parametrize("name", [Q35, STREAM])
def test_no_image_is_ever_overwritten(capsys: pytest.CaptureFixture[str], tmp_path: Path, name: str) -> None:
    victim = tmp_path / "victim"
    shutil.copyfile(sample(name), victim)
    (tmp_path / "link").symlink_to(victim)
    before = victim.read_bytes()
    for target in (victim, tmp_path / "link"):
        status, _, err = run(capsys, "ram", sample(Q35), "-s", "snap1", "--length", "16", "--output", target)
        assert status == 1
        assert "never overwrites" in err
    assert victim.read_bytes() == before


def test_ranges_outside_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    status, _, err = run(capsys, "ram", sample(Q35), "-s", "snap1", "--offset", "1G")
    assert status == 1
    assert "past the end of block pc.ram" in err
    _, _, err = run(capsys, "ram", sample(Q35), "-s", "snap1", "--offset", "0x3fffff0", "--length", "17")
    assert "only 0x10 bytes are left" in err


def test_letters_that_the_terminal_lacks(tmp_path: Path) -> None:
    image = tmp_path / "i.qcow2"
    subprocess.run(["qemu-img", "create", "-q", "-f", "qcow2", image, "1M"], check=True)
    subprocess.run(["qemu-img", "snapshot", "-c", "ünï日本", image], check=True)
    command = [
        sys.executable,
        "-c",
        "import sys; from vmsnap_gui.start import command; sys.exit(command())",
        "list",
        str(image),
    ]
    done = subprocess.run(command, capture_output=True, env={"PYTHONIOENCODING": "ascii"}, check=False)
    assert done.returncode == 0, done.stderr
    assert b"\\u65e5" in done.stdout


def test_columns_stand_below_each_other_in_any_letters(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = create(tmp_path / "a.qcow2")
    for tag in ("x", "日本語", "e\u0301tat", "ที่"):
        take(path, tag)
    status, out, err = run(capsys, "list", path)
    assert (status, err) == (0, "")
    _, head, *rows = out.splitlines()
    # Six cells of tag, then two spaces: 日本語 takes them with three letters, état with five and a mark, ที่ is one wide.
    assert head.index("DATE") == rows[0].index("20") == rows[1].index("20") + 3 == rows[2].index("20") - 1
    assert rows[3].index("20") == rows[0].index("20") + 2
