"""vmsnap screen: PNG files of single snapshots and of all, reasons where there is none, and no image overwritten."""

from __future__ import annotations

import json
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from tests.image.tools import take
from tests.samples import sample
from tests.vmstate.test_siblings import undescribed
from vmsnap_gui.cli import main
from vmsnap_gui.image.containers import open_image

if TYPE_CHECKING:
    from pathlib import Path

Q35 = "q35-default@10.0/disk0.qcow2"
OLD = "seed-era/v2.2.0-i386-pcmin.qcow2"
PNG = b"\x89PNG\r\n\x1a\n"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    status = main([str(one) for one in arguments])
    out, err = capsys.readouterr()
    return status, out, err


def test_one_snapshot(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "screen.png"
    status, out, err = run(capsys, "screen", sample(Q35), "-s", "snap1", "-o", path)
    assert (status, err) == (0, "")
    assert out.startswith(f"{path}: text 80 × 25, 720 × 400 pixels, of 0000:00:01.0/vga; 9 × 2 pixels at 0, 157 may")
    assert path.read_bytes()[:8] == PNG


def test_all_snapshots(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    status, out, err = run(capsys, "screen", sample(OLD), "--all", tmp_path / "new", "--json")
    assert (status, err) == (0, "")
    blank, *others = json.loads(out)
    assert blank["tag"] == "reset"
    assert blank["reason"] == "no picture: the screen is blank: the guest has turned the picture off"
    assert {path.name for path in (tmp_path / "new").iterdir()} == {"2-real.png", "3-prot.png"}
    assert [(one["mode"], one["width"], one["height"]) for one in others] == [("text 80 × 25", 720, 400)] * 2
    status, out, err = run(capsys, "screen", sample(OLD), "--all", tmp_path / "new")
    assert (status, err) == (0, "")
    assert out.splitlines()[0] == f"id '1' tag 'reset': {blank['reason']}"


def test_snapshots_of_the_disk_alone_are_told(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    image.write_bytes(sample(Q35).read_bytes())
    take(image, "bare")
    why = "no picture: this snapshot holds the disk only, no state of the machine"
    status, out, err = run(capsys, "screen", image, "--all", tmp_path / "new")
    assert (status, err) == (0, "")
    assert out.splitlines()[-1].endswith(f" tag 'bare': {why}")
    status, out, _ = run(capsys, "screen", image, "--all", tmp_path / "new", "--json")
    *others, bare = json.loads(out)
    assert (status, bare["tag"], bare["reason"]) == (0, "bare", why)
    assert len(others) == len(list((tmp_path / "new").iterdir())) > 1
    status, _, err = run(capsys, "screen", image, "-o", tmp_path / "screen.png")
    left_out = f"; only the disk, no VM state, is in: id:{bare['id']} (bare)"
    assert (status, err[err.index("choose") :].startswith("choose a snapshot with -s: id:1 (snap0), ")) == (1, True)
    assert err.endswith(f"{left_out}\n")


@pytest.mark.slow
def test_layouts_for_a_state_without_a_description(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    bare, picture = tmp_path / "bare.vmstate", tmp_path / "screen.png"
    with closing(open_image(sample(Q35))) as image:
        bare.write_bytes(undescribed(image.vm_state(image.snapshots[1])).data)
    status, _, err = run(capsys, "screen", bare, "-o", picture)
    assert (status, "nothing describes the section" in err) == (1, True)
    status, out, err = run(capsys, "screen", bare, "-o", picture, "--layouts", f"{sample(Q35)}@snap0")
    assert (status, err) == (0, "")
    assert out.startswith(f"{picture}: text 80 × 25, 720 × 400 pixels")


def test_no_picture_is_one_sentence(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "screen.png"
    status, out, err = run(capsys, "screen", sample(OLD), "-s", "reset", "-o", path)
    assert (status, out) == (1, "")
    assert err == f"vmsnap: {sample(OLD)}: no picture: the screen is blank: the guest has turned the picture off\n"
    assert not path.exists()


def test_an_image_is_not_overwritten(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    image = tmp_path / "image.qcow2"
    image.write_bytes(sample(Q35).read_bytes())
    status, out, err = run(capsys, "screen", image, "-s", "snap1", "-o", image)
    assert (status, out) == (1, "")
    assert "never overwrites" in err
    assert image.read_bytes() == sample(Q35).read_bytes()


def test_where_to_is_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["screen", "x"])
    assert ended.value.code == 2
    assert "-o" in capsys.readouterr().err
