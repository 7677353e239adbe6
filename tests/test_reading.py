"""What the session's workers find at a path, and what still holds after a file changed."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.image.tools import create, run, take
from tests.models.states import NO_DESCRIPTION, Q35, loaded
from tests.samples import sample
from tests.vmstate.streams import Stream
from vmsnap_gui.entries import normal
from vmsnap_gui.guest import names
from vmsnap_gui.guest.rules_file import BUILT_IN, load_rules
from vmsnap_gui.image.errors import Cancelled, ImageError
from vmsnap_gui.reading import Changed, Reader, StateKey, look_at

if TYPE_CHECKING:
    from vmsnap_gui.reading import ImageInfo


def info(path: Path) -> ImageInfo:
    found = look_at(path)
    assert found.info is not None, found.error
    return found.info


def test_an_image(tmp_path: Path) -> None:
    path = create(tmp_path / "a.qcow2")
    take(path, "one", "two")
    found = look_at(path)
    assert found.info is not None
    assert (found.info.format, found.info.virtual_size, found.info.in_use) == ("qcow2", 4 << 20, False)
    assert [one.tag for one in found.info.snapshots] == ["one", "two"]
    assert found.stamp == found.info.stamp
    assert dict(found.info.facts)["Format"] == "qcow2 version 3"


def test_what_is_no_image_says_why(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("hello, this is a text")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    reasons = {name: look_at(tmp_path / name) for name in ("text", "pipe", "none", "loop", "nul\0")}
    assert all(found.info is None for found in reasons.values())
    words = {name: str(found.error) for name, found in reasons.items()}
    assert "neither" in words["text"]
    assert "pipe" in words["pipe"]
    assert words["none"].endswith("none: there is no such file")
    assert reasons["none"].stamp is None
    assert words["loop"]
    assert words["nul\0"]


def test_a_folder(tmp_path: Path) -> None:
    found = look_at(tmp_path)
    assert found.is_folder
    assert found.info is found.error is None


def test_what_still_holds(tmp_path: Path) -> None:
    path = create(tmp_path / "a.qcow2")
    take(path, "one")
    before = info(path)
    run("qemu-io", "-f", "qcow2", "-c", "write -P 5 0 64k", path)
    assert info(path).stamp != before.stamp
    assert info(path).holds_still(before)
    copy = tmp_path / "copy"
    copy.write_bytes(path.read_bytes())
    copy.replace(path)
    assert not info(path).holds_still(before)  # another file, even if it says the same
    before = info(path)
    take(path, "two")
    assert not info(path).holds_still(before)


def test_a_stream_holds_only_untouched(tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_bytes(sample("q35-default@10.0/s-plain.vmstate").read_bytes())
    before = info(path)
    assert info(path).holds_still(before)
    os.utime(path, ns=(1, 1))
    assert not info(path).holds_still(before)


def test_a_state_is_complete() -> None:
    state = loaded(Q35)
    assert len(state.trees) == len(state.vmstate.sections)
    assert state.device_bytes == sum(s.size for s in state.vmstate.sections if s.type.name == "FULL")
    assert not state.problems
    assert any(labels for labels in state.labels)


def test_problems_say_where_they_are() -> None:
    state = loaded(NO_DESCRIPTION)
    assert state.problems
    offsets = [one.problem.offset or 0 for one in state.problems]
    assert offsets == sorted(offsets)
    for one in state.problems:
        if one.section is not None and one.problem.offset is not None:
            section = state.vmstate.sections[one.section]
            assert section.offset <= one.problem.offset < section.end


def test_mistakes_in_names_of_your_own_are_problems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = tmp_path / "names.toml"
    own.write_text("[[rule]]\ndevice = 5\n")
    rules = load_rules([own, BUILT_IN])
    monkeypatch.setattr(names, "default_rules", lambda: rules)
    (problem,) = loaded.__wrapped__(Q35).problems
    assert str(own) in problem.problem.message
    assert problem.section is None


def test_another_snapshot_in_its_place_is_noticed(tmp_path: Path) -> None:
    path = create(tmp_path / "a.qcow2")
    take(path, "one")
    snapshot = info(path).snapshots[0]
    run("qemu-img", "snapshot", "-d", "one", path)
    reader = Reader(path)
    with pytest.raises(Changed):
        reader.load(StateKey(path, 0, "1", "one", 1), snapshot, lambda _done, _total: None)
    reader.close()


def test_loading_can_be_cancelled_and_needs_an_open_image() -> None:
    path = sample(Q35)
    snapshot = info(path).snapshots[0]
    key = StateKey(path, 0, snapshot.id, snapshot.tag, 1)

    def progress(_done: int, _total: int) -> None:
        raise Cancelled

    reader = Reader(path)
    with pytest.raises(Cancelled):
        reader.load(key, snapshot, progress)
    reader.close()
    with pytest.raises(ImageError, match="closed"):
        reader.load(key, snapshot, lambda _done, _total: None)


def test_paths_are_made_absolute_but_keep_their_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    monkeypatch.chdir(tmp_path)
    assert normal(Path("link/../link/x")) == tmp_path / "link" / "x"
    assert str(normal(Path("//a//b"))) == "/a/b"


def test_mistakes_in_a_persons_names_are_problems_of_what_is_shown(own_names: Path) -> None:
    own_names.write_text("nonsense")
    path = sample(Q35)
    state = Reader(path).load(StateKey(path, 0, None, None, 1), info(path).snapshots[0], lambda _done, _total: None)
    assert [str(one.problem).startswith(f"The names in {own_names} are not used") for one in state.problems] == [True]
    assert any(state.labels)


@pytest.mark.slow
def test_as_many_problems_as_sections_take_no_longer_each(tmp_path: Path) -> None:
    stream = Stream()
    for number in range(12_000):
        stream.section(1, b"\xff" * 8, name="block", instance=number)
    path = tmp_path / "wrong.vmstate"
    path.write_bytes(stream.finish(vmdesc=False))
    found = info(path)
    began = time.process_time()
    state = Reader(path).load(StateKey(path, 0, None, None, 1), found.snapshots[0], lambda _done, _total: None)
    assert time.process_time() - began < 8  # looking through all sections for each problem took 20 s
    assert [one.section for one in state.problems] == list(range(12_000))


@pytest.mark.parametrize(
    ("change", "torn"),
    [
        (("qemu-io", "-f", "qcow2", "-c", "write 0 64k", "{path}"), False),  # as a guest writes to its disk
        (("cp", "--remove-destination", "{path}.other", "{path}"), True),
        (("rm", "{path}"), True),
    ],
    ids=["written", "another", "gone"],
)
def test_what_is_torn_by_a_change_while_it_is_read(tmp_path: Path, change: tuple[str, ...], torn: bool) -> None:
    path = Path(shutil.copy(sample(Q35), tmp_path / "web.qcow2"))
    shutil.copy(path, f"{path}.other")
    snapshot = info(path).snapshots[1]
    reader, commands = Reader(path), [[word.format(path=path) for word in change]]

    def progress(_done: int, _size: int) -> None:
        if commands:
            subprocess.run(commands.pop(), check=True, stdout=subprocess.DEVNULL)

    state = reader.load(StateKey(path, 1, snapshot.id, snapshot.tag, 1), snapshot, progress)
    reader.close()
    assert not commands
    assert state.torn == torn
