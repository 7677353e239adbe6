from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.compare.page import Page
from tests.image.tools import create, take, write
from tests.samples import sample
from vmsnap_gui.cli import main
from vmsnap_gui.cli.comparing import split_side
from vmsnap_gui.demo import demo_image

STREAM = "q35-default@10.0/s-plain.vmstate"


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    return Path(shutil.copy(demo_image(), tmp_path / "demo.qcow2"))


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main(["diff", *map(str, arguments)])
    out, err = capsys.readouterr()
    return status, out, err


def document(capsys: pytest.CaptureFixture[str], *arguments: object) -> dict[str, Any]:
    status, out, err = run(capsys, *arguments, "--json")
    assert (status, err) == (1, "")
    found: dict[str, Any] = json.loads(out)
    return found


def test_the_document_has_what_was_promised(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, f"{demo}@half-way", f"{demo}@id:4", "--ram", "--disk")
    assert found["a"] == {
        "path": str(demo), "snapshot": {"id": "3", "tag": "half-way"}, "machine": "pc-i440fx-7.2",
    }  # fmt: skip
    cpu = next(one for one in found["devices"] if one["name"] == "cpu_common")
    assert (cpu["instance_id"], cpu["status"]) == (0, "changed")
    assert cpu["fields"] == [{"path": "halted", "status": "changed", "a": 0, "b": 1}]
    statuses = {field["status"] for one in found["devices"] for field in one["fields"]}
    assert statuses == {"changed", "same_when_filtered"}
    block = next(one for one in found["ram"]["blocks"] if one["name"] == "pc.ram")
    counted = sum(block[kind] for kind in ("changed", "zero_to_data", "data_to_zero", "only_a", "only_b"))
    assert sum(count for _, count in block["ranges"]) == counted > 0
    assert block["pages"] == 4096
    assert found["disk"]["read_data"] is False
    assert sum(length for _, length in found["disk"]["ranges"]) == found["disk"]["bytes_changed"] > 0


def test_only_what_was_asked_for(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, f"{demo}@1", f"{demo}@2")
    assert (found["ram"], found["disk"]) == (None, None)
    assert "base" not in found


def test_all_lists_what_is_the_same(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, f"{demo}@1", f"{demo}@2", "--all")
    for one in found["devices"]:
        assert sum(field["status"] == "same" for field in one["fields"]) == one["same_fields"]
    _, out, _ = run(capsys, f"{demo}@1", f"{demo}@2", "--all")
    assert "\nport92  (same)\n  outport = 0\n" in out


def test_without_noise_rules(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, f"{demo}@1", f"{demo}@2", "--no-noise-rules")
    assert next(one["status"] for one in found["devices"] if one["name"] == "timer") == "changed"


def test_a_base(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, f"{demo}@2", f"{demo}@3", "--base", f"{demo}@1", "--ram", "--disk")
    since = found["since_base"]
    cpu = next(one for one in since["devices"] if one["name"] == "cpu")
    assert {field["outcome"] for field in cpu["fields"]} <= {"in_a", "in_b", "both_alike", "both_differently"}
    assert next(f for f in cpu["fields"] if f["path"] == "env.eip")["outcome"] == "both_differently"
    assert next(one for one in since["ram"] if one["name"] == "pc.ram")["both_differently"] > 0
    assert {kind for _, _, kind in since["disk"]} <= {"in_a", "in_b", "both_alike", "both_differently"}
    _, out, _ = run(capsys, f"{demo}@2", f"{demo}@3", "--base", f"{demo}@1")
    assert "since the base, fields: " in out


def test_people_read_a_summary_first(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, f"{demo}@half-way", f"{demo}@finished", "--ram", "--disk")
    lines = out.splitlines()
    assert lines[2] == "3 devices, 30 fields, 73 pages, 4 clusters changed; 5 more fields as noise rules say"
    assert "  env.eflags  RFLAGS: 647 (0x287) → 518 (0x206)  [-CF -SF]" in lines
    assert sum(line.startswith("RAM ") for line in lines) >= 1


def test_the_status_is_that_of_diff(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(capsys, f"{demo}@1", f"{demo}@1", "--ram", "--disk")[0] == 0
    assert run(capsys, f"{demo}@1", f"{demo}@2")[0] == 1
    for words, said in (
        ([f"{demo}@nope", f"{demo}@1"], "no snapshot is called"),
        ([f"{demo}", f"{demo}@1"], "id:4 (finished)"),
        ([f"{demo}.none", f"{demo}@1"], "there is no such file"),
        ([sample(STREAM), f"{demo}@1", "--disk"], "no disk to compare"),
        ([f"{demo}@1", f"{demo}@2", "--report", "x.txt"], "ends in .html"),
        ([f"{demo}@1", f"{demo}@2", "--report", f"{demo.parent}/none/x.md"], "cannot be written"),
    ):
        status, _, err = run(capsys, *words)
        assert (status, said in err, err.count("\n")) == (2, True, 1), err
    with pytest.raises(SystemExit) as ended:
        main(["diff", "a", "b", "--read-data"])
    assert ended.value.code == 2


def test_memory_that_one_side_lacks_is_told_in_words(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole, cut = sample("q35-default@10.0/s-plain.vmstate"), tmp_path / "cut.vmstate"
    cut.write_bytes(whole.read_bytes()[:1_000_000])
    for sides, name in (((whole, cut), "A"), ((cut, whole), "B")):
        status, out, err = run(capsys, *sides, "--ram")
        assert (status, "is not complete: the stream ends within a page" in err) == (2, True)
        assert f"\nRAM pc.bios: 43 only in {name}, of 64 pages\n" in out
        assert f"\nRAM /rom@etc/table-loader: 1 only in {name}, of 1 page\n" in out


def test_disks_without_a_vm_state(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = create(tmp_path / "data.qcow2")
    take(path, "one")
    write(path, "write -q -P 5 64k 64k")
    take(path, "two")
    found = document(capsys, f"{path}@one", f"{path}@two", "--disk", "--read-data")
    assert found["disk"] == {
        "size_a": 4 << 20, "size_b": 4 << 20, "ranges": [[65536, 65536]], "bytes_changed": 65536, "read_data": True,
    }  # fmt: skip
    assert run(capsys, f"{path}@one", f"{path}@two")[0] == 2
    assert run(capsys, f"{path}@one", f"{path}@two", "--disk", "--ram")[0] == 2


def test_a_side_is_split_at_the_first_at_behind_a_file(tmp_path: Path) -> None:
    for name in ("a", "a@b"):
        (tmp_path / name).write_text("")
    (tmp_path / "x@y").write_text("")
    (tmp_path / "folder").mkdir()
    assert split_side(f"{tmp_path}/a@b@c") == (tmp_path / "a", "b@c")
    assert split_side(f"{tmp_path}/x@y@z@") == (tmp_path / "x@y", "z@")
    assert split_side(f"{tmp_path}/x@y") == (tmp_path / "x@y", None)
    assert split_side(f"{tmp_path}/folder@b") == (tmp_path / "folder@b", None)
    assert split_side("no\0ne@b") == (Path("no\0ne@b"), None)


def test_reports_show_hostile_names_and_run_nothing(
    tmp_path: Path, demo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    evil = tmp_path / "<b>evil&amp;|.qcow2"
    shutil.copy(demo, evil)
    data = evil.read_bytes()
    evil.write_bytes(data.replace(b"half-way", b"<b>&|*`\n"))  # in the table of snapshots
    reports = {form: tmp_path / f"report.{form}" for form in ("html", "md", "json")}
    for path in reports.values():
        words = (f"{evil}@id:3", f"{evil}@id:4", "--base", f"{evil}@1", "--ram", "--disk", "--report", path)
        assert run(capsys, *words)[0] == 1
    html = reports["html"].read_text("utf-8")
    page = Page(html)
    assert "<b>&|*`\\n" in page.text
    assert "prefers-color-scheme: dark" in html
    assert "@media print" in html
    assert "http" not in html.replace("http-equiv", "")
    assert "env.<wbr>eip" in html.partition('<section id="base">')[2].partition("</section>")[0]
    markdown = reports["md"].read_text("utf-8")
    assert r"| cpu\.env\.eip | in A |" in markdown
    assert r"'&lt;b&gt;&amp;\|\*\`\\n'" in markdown
    assert "<" not in markdown
    found = json.loads(reports["json"].read_text("utf-8"))
    assert found["a"]["snapshot"]["tag"] == "<b>&|*`\n"


def test_a_report_overwrites_no_image(demo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    victim = demo.with_name("victim.md")
    shutil.copy(demo, victim)
    status, _, err = run(capsys, f"{demo}@1", f"{demo}@2", "--report", victim)
    assert (status, "never overwrites" in err) == (2, True)
    assert victim.read_bytes() == demo.read_bytes()
