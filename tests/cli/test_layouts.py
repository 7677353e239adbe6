"""`vmsnap show --layouts`: states that do not describe themselves, by what does."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_standard_input import show
from tests.end2end.registers import assert_registers
from tests.samples import sample, sample_json
from tests.vmstate.test_siblings import undescribed
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.layout_files import read_layouts

if TYPE_CHECKING:
    from pathlib import Path

Q35 = "q35-default@10.0/disk0.qcow2"
NODESC = "pc-nodesc@10.0/disk0.qcow2"


def document(*arguments: str | Path) -> dict[str, Any]:
    shown = show(*map(str, arguments), "--json")
    assert (shown.returncode, shown.stderr) == (0, b"")
    (found,) = json.loads(shown.stdout)
    return dict(found)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """The stream of a recorded state without its description."""
    image = open_image(sample(Q35))
    path = tmp_path / "bare.vmstate"
    path.write_bytes(undescribed(image.vm_state(image.snapshots[0])).data)
    image.close()
    return path


@pytest.mark.slow
def test_a_stream_is_shown_by_the_layouts_of_an_image(bare: Path) -> None:
    path = sample(Q35)
    truth = document(path, "-s", "snap0")
    for named in (f"{path}@snap1", str(path)):
        found = document(bare, "--layouts", named)
        assert all(section["described"] for section in found["sections"] if section["type"] == "full")
        devices = {(s["name"], s["instance_id"]): s["fields"] for s in found["sections"] if s["type"] == "full"}
        assert devices == {(s["name"], s["instance_id"]): s["fields"] for s in truth["sections"] if s["type"] == "full"}
        assert "of " + str(path) in found["problems"][0]["message"]


@pytest.mark.slow
def test_a_machine_of_another_type_lends_what_it_has_in_common() -> None:
    found = document(sample(NODESC), "-s", "snap1", "--layouts", str(sample(Q35)))
    printed = sample_json("pc-nodesc@10.0/snap1.truth.json")["hmp"]["info registers -a"]
    assert assert_registers(found, printed) > 30
    assert not any(section["described"] for section in found["sections"] if section["name"].endswith("PIIX3"))


def test_a_file_without_layouts_is_one_sentence(tmp_path: Path, bare: Path) -> None:
    nothing = tmp_path / "nothing.json"
    nothing.write_text('{"a": 1}')
    for named, reason in (
        (nothing, b"no dump"),
        (bare, b"nothing in it describes itself"),
        (tmp_path / "x", b"no such file"),
    ):
        shown = show(str(bare), "--layouts", str(named))
        assert shown.returncode == 1
        assert reason in shown.stderr
        assert shown.stderr.count(b"\n") == 1


def test_a_snapshot_that_is_not_there_is_refused() -> None:
    with pytest.raises(ImageError, match="no-such"):
        read_layouts(f"{sample(Q35)}@no-such")


def test_what_only_layouts_need_is_not_imported_for_a_state_that_describes_itself() -> None:
    program = (
        "import sys; from vmsnap_gui.cli import main; main(['show', '--json', sys.argv[1]]); "
        "print([n for n in sys.modules if n.rpartition('.')[2] in "
        "('eras', 'fitting', 'merging', 'siblings', 'dumped', 'layout_files', 'dumping')], file=sys.stderr)"
    )
    command = [sys.executable, "-c", program, str(sample("q35-default@10.0/s-plain.vmstate"))]
    shown = subprocess.run(command, capture_output=True, check=True)
    assert shown.stderr == b"[]\n"
