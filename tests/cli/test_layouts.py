"""`vmsnap show --layouts`: states that do not describe themselves, by what does."""

from __future__ import annotations

import contextlib
import io
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.cli.test_standard_input import show
from tests.end2end.registers import assert_registers
from tests.samples import sample, sample_json
from tests.vmstate.layouts import body
from tests.vmstate.streams import Stream
from tests.vmstate.test_dumped import described, field
from tests.vmstate.test_siblings import undescribed
from vmsnap_gui.cli import main
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


def vmsnap(*arguments: str) -> tuple[int, str, str]:
    """Run a command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(arguments)
    return status, out.getvalue(), err.getvalue()


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


def test_the_layouts_of_the_right_machine_type_come_first(tmp_path: Path) -> None:
    state = tmp_path / "state"
    stream = Stream().configuration("pc-q35-10.0").full(body(), name="dev", payload=b"\7", described=False)
    state.write_bytes(stream.finish(vmdesc=False))
    files = [tmp_path / f"{machine}.json" for machine in ("pc-i440fx-10.0", "pc-q35-7.2", "pc-q35-10.0")]
    for number, file in enumerate(files):
        file.write_bytes(described(field(f"of_{number}", 1)).replace(b"pc-i440fx-10.0", file.stem.encode()))
    for given, first in ((files, 2), (files[:2], 1), (files[:1], 0)):
        found = document(state, *(word for file in given for word in ("--layouts", file)))
        assert found["sections"][0]["fields"] == {f"of_{first}": 7}


def test_a_file_without_layouts_is_one_sentence(tmp_path: Path, bare: Path) -> None:
    nothing, program = tmp_path / "nothing.json", tmp_path / "qemu-system-x86_64"
    nothing.write_text('{"a": 1}')
    program.write_bytes(b"\x7fELF" + bytes(60))
    for named, reason in (
        (nothing, "this is no dump of QEMU's -dump-vmstate"),
        (bare, "nothing in it describes itself, so there are no layouts to use"),
        (tmp_path / "x", "there is no such file"),
        (program, "this is a program; if it is a QEMU, name the file that it writes for -M TYPE -dump-vmstate FILE"),
    ):
        for command in (["show"], ["ram", "--json"], ["export", "-o", str(tmp_path / "out")], ["diff", str(bare)]):
            ran = vmsnap(*command, str(bare), "--layouts", str(named))
            assert ran == (2 if command[0] == "diff" else 1, "", f"vmsnap: --layouts: {named}: {reason}\n")


@pytest.mark.slow
def test_every_command_takes_layouts(bare: Path, tmp_path: Path) -> None:
    named = ("--layouts", f"{sample(Q35)}@snap1")
    assert "no field" in vmsnap("export", str(bare), "-o", str(tmp_path / "out"), "--set", "i8259.imr=1")[2]
    status, out, err = vmsnap("export", str(bare), "-o", str(tmp_path / "out"), "--set", "i8259.imr=1", *named)
    assert (status, out.splitlines()[0].split()[0], err) == (0, "i8259.imr:", "")  # layouts are no problem
    status, out, _ = vmsnap("diff", str(bare), str(tmp_path / "out"), "--json", *named)
    (changed,) = [one for one in json.loads(out)["devices"] if one["fields"]]
    assert (status, changed["name"], [field["path"] for field in changed["fields"]]) == (1, "i8259", ["imr"])
    status, out, _ = vmsnap("ram", str(bare), "--json", *named)
    assert (status, bool(json.loads(out))) == (0, True)


@pytest.mark.slow
def test_a_side_that_describes_itself_lends_its_layouts_to_the_other(bare: Path) -> None:
    for sides in ((str(bare), f"{sample(Q35)}@snap0"), (f"{sample(Q35)}@snap0", str(bare))):
        status, out, _ = vmsnap("diff", *sides, "--json")
        assert (status, [one for one in json.loads(out)["devices"] if one["fields"]]) == (0, [])
    out = vmsnap("diff", f"{sample(Q35)}@snap1", str(bare))[1]
    assert "B: what the stream does not describe itself: " in out
    assert "env.regs[" in out


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
