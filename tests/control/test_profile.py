"""Launch profiles: what they hold, where they are kept, which disks they mean, what vmsnap makes of them."""

from __future__ import annotations

import dataclasses
import json
import os
import shlex
import subprocess
from pathlib import Path

import pytest

from tests.image.tools import MIB, create, take
from tests.machines.machine import Machine
from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.machine import Disk
from vmsnap_gui.control.profile import LaunchProfile, from_process, launch_of
from vmsnap_gui.control.profile_disks import machine_of
from vmsnap_gui.control.profile_store import ProfileStore, profiles_file


def profile_of(line: str, directory: Path = Path("/"), name: str = "web") -> LaunchProfile:
    return LaunchProfile(name=name, arguments=("qemu-system-x86_64", *shlex.split(line)), directory=directory)


def test_it_must_be_confirmed_again_when_it_changed() -> None:
    profile = profile_of("-m 512")
    assert not profile.confirmed
    confirmed = profile.confirm()
    assert confirmed.confirmed
    assert not dataclasses.replace(confirmed, arguments=("sh",)).confirmed
    assert not dataclasses.replace(confirmed, directory=Path("/tmp")).confirmed
    assert not dataclasses.replace(confirmed, environment=(("LD_PRELOAD", "x"),)).confirmed
    assert dataclasses.replace(confirmed, name="other").confirmed


def test_the_store(tmp_path: Path) -> None:
    file = tmp_path / "new" / "profiles.json"
    store = ProfileStore(file)
    assert store.all() == ()
    odd = LaunchProfile(
        name="b",
        arguments=("qemu-system-x86_64", os.fsdecode(b"-name=\xff"), "ü"),
        directory=tmp_path,
        environment=(("A", "1"),),
    ).confirm()
    store.put(odd)
    store.put(profile_of("-m 1", name="a"))
    assert [one.name for one in ProfileStore(file).all()] == ["a", "b"]
    assert store.get("b") == odd
    assert store.get("b").confirmed
    store.put(profile_of("-m 2", name="a"))
    assert store.get("a").arguments[-1] == "2"
    store.remove("a")
    assert store.all() == (odd,)
    assert sorted(one.name for one in file.parent.iterdir()) == ["profiles.json", "profiles.lock"]
    for missing in (lambda: store.get("a"), lambda: store.remove("a")):
        with pytest.raises(ControlError, match="no launch profile is called 'a'; there are: b"):
            missing()
    for name in ("", " a", "a\n", "\x1b[2J"):
        with pytest.raises(ControlError, match="cannot be a profile's name"):
            store.put(dataclasses.replace(odd, name=name))


def test_what_is_no_store_is_never_overwritten(tmp_path: Path) -> None:
    file = tmp_path / "profiles.json"
    for text in ("", "[]", '{"profiles": [{"name": "x"}]}', '{"profiles": [{"name": 1}]}', "\x00"):
        file.write_text(text)
        with pytest.raises(ControlError, match=r"profiles\.json: the launch profiles cannot be read"):
            ProfileStore(file).put(profile_of("-m 1"))
        assert file.read_text() == text


def test_it_is_the_users_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert profiles_file() == tmp_path / "vmsnap" / "profiles.json"


def test_what_must_go_or_change() -> None:
    launch = launch_of(
        profile_of(
            "-daemonize -S --incoming tcp:0:44 -loadvm x -name -S -qmp unix:/q,server -serial tcp::4,server=on,wait=on "
            "-monitor telnet::5,server,nowait -chardev socket,id=c,path=/c,server=yes,wait=no -chardev stdio,id=d -s "
            "x.img"
        )
    )
    assert shlex.join(launch.arguments[1:]) == (
        "-name -S -qmp unix:/q,server,wait=off -serial tcp::4,server=on,wait=on,wait=off "
        "-monitor telnet::5,server,nowait -chardev socket,id=c,path=/c,server=yes,wait=no -chardev stdio,id=d -s "
        "x.img"
    )
    assert [note.split(" is left out")[0] for note in launch.notes[:4]] == [
        "-daemonize",
        "-S",
        "--incoming tcp:0:44",
        "-loadvm x",
    ]
    assert [note.split(" does not wait")[0] for note in launch.notes[4:]] == [
        "-qmp unix:/q,server",
        "-serial tcp::4,server=on,wait=on",
    ]
    assert not launch.obstacles
    assert not launch.temporary


def test_files_that_another_program_opened() -> None:
    launch = launch_of(profile_of("-netdev tap,id=n,fd=3 -add-fd fd=4,set=1 -append fd=5,fd=6 -device x,vhostfd=7"))
    assert [one.split(" needs")[0] for one in launch.obstacles] == [
        "-netdev tap,id=n,fd=3",
        "-add-fd fd=4,set=1",
        "-device x,vhostfd=7",
    ]


def test_what_is_told_of() -> None:
    launch = launch_of(profile_of("-snapshot -readconfig vm.cfg"))
    assert launch.temporary
    assert launch.notes == (
        "-snapshot: nothing that the guest writes is kept when it ends",
        "-readconfig vm.cfg may name disks, which vmsnap sees only once QEMU runs",
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("disks")
    for name in ("a,b.qcow2", "b.qcow2", "c.qcow2", "d:1.qcow2"):
        create(made / name, MIB)
    take(made / "b.qcow2", "clean")
    (made / "raw.img").write_bytes(bytes(MIB))
    return made


RAW = "it is raw, and raw disks hold no snapshots"

DISKS = [
    ("-hda a,b.qcow2", [("a,b.qcow2", None)]),
    ("b.qcow2 -hdb c.qcow2", [("b.qcow2", None), ("c.qcow2", None)]),
    ("-cdrom b.qcow2", [("b.qcow2", "it is read-only")]),
    ("-cdrom raw.img", [("raw.img", RAW)]),
    ("-pflash raw.img", [("raw.img", RAW)]),
    ("-drive file=a,,b.qcow2,if=none,id=x", [("a,b.qcow2", None)]),
    ("-drive if=virtio,format=qcow2,file=./b.qcow2,readonly=on", [("b.qcow2", "it is read-only")]),
    ("-drive if=virtio,format=raw,file=b.qcow2", [("b.qcow2", "it is raw")]),
    ("-drive file=b.qcow2,snapshot=on", [("b.qcow2", "what is written to it goes to a temporary file (-snapshot)")]),
    ("-snapshot -hda b.qcow2", [("b.qcow2", "what is written to it goes to a temporary file (-snapshot)")]),
    ("-drive if=none,id=cd,media=cdrom", [(None, "it is removable and empty")]),
    ("-drive file=nbd://host/x,format=qcow2", [(None, "it is no file of this machine")]),
    ("-drive driver=qcow2,file.driver=file,file.filename=b.qcow2", [("b.qcow2", None)]),
    ("-drive file.filename=b.qcow2,format=qcow2", [("b.qcow2", None)]),
    ("""-drive 'file=json:{"driver":"qcow2",,"file":{"driver":"file",,"filename":"b.qcow2"}}'""", [("b.qcow2", None)]),
    ("-drive file=file:d:1.qcow2", [("d:1.qcow2", None)]),
    ("-blockdev driver=file,node-name=f,filename=b.qcow2 -blockdev qcow2,file=f,node-name=q", [("b.qcow2", None)]),
    ("-blockdev driver=file,node-name=f,filename=b.qcow2", [("b.qcow2", "it is raw")]),
    (
        "-blockdev driver=file,node-name=f,filename=b.qcow2 -blockdev driver=qcow2,file=f,node-name=q",
        [("b.qcow2", None)],
    ),
    (
        """-blockdev '{"driver":"file","node-name":"f","filename":"d:1.qcow2"}' """
        """-blockdev '{"driver":"qcow2","node-name":"q","file":"f","read-only":true}'""",
        [("d:1.qcow2", "it is read-only")],
    ),
    (
        """-blockdev '{"driver":"throttle","node-name":"t","throttle-group":"g","file":{"driver":"qcow2","""
        """"file":{"driver":"file","filename":"b.qcow2"}}}'""",
        [("b.qcow2", None)],
    ),
    (
        "-blockdev driver=qcow2,node-name=base,file.driver=file,file.filename=b.qcow2,read-only=on "
        "-blockdev driver=qcow2,node-name=top,backing=base,file.driver=file,file.filename=c.qcow2",
        [("c.qcow2", None)],
    ),
    ("-blockdev driver=qcow2,node-name=n,file.driver=nbd,file.host=h", [(None, "it is no file of this machine")]),
    ("-blockdev driver=raw,node-name=a,file=b -blockdev driver=raw,node-name=b,file=a", []),
    ("-blockdev {nonsense -hda b.qcow2", [("b.qcow2", None)]),
    ("-hda missing.qcow2", [("missing.qcow2", "there is no such file")]),
    ("-drive file=missing.qcow2,format=qcow2", [("missing.qcow2", "there is no such file")]),
    ("-name -hda -m 5", []),
]


@pytest.mark.parametrize(("line", "expected"), DISKS)
def test_disks(line: str, expected: list[tuple[str | None, str | None]], folder: Path) -> None:
    machine = machine_of(profile_of(line, folder))
    found = [(one.path and str(one.path.resolve().relative_to(folder)), one.unfit) for one in machine.disks]
    assert found == expected
    assert machine.name == "web"


def test_disks_that_the_guest_cannot_write_to_need_no_snapshots(folder: Path) -> None:
    line = "-cdrom b.qcow2 -drive if=none,id=cd -hda raw.img -pflash b.qcow2 -drive file=c.qcow2,readonly=on"
    machine = machine_of(profile_of(line, folder))
    assert [one.writable for one in machine.disks] == [False, False, True, True, False]
    assert [one.path for one in machine.left_out] == [folder / "raw.img"]
    assert [one.path for one in machine.fit_disks] == [folder / "b.qcow2"]


def test_its_snapshots(folder: Path) -> None:
    (disk,) = machine_of(profile_of("-hda b.qcow2", folder)).disks
    assert [(one.id, one.tag) for one in disk.snapshots] == [("1", "clean")]
    assert (disk.format, disk.virtual_size) == ("qcow2", MIB)


@pytest.mark.qemu
def test_from_a_running_qemu(folder: Path) -> None:
    image = folder / "b.qcow2"
    with Machine(["-nodefaults", "-name", "guest=lab,process=x", "-drive", f"file={image},if=none"]) as qemu:
        pid = int(qemu.qmp("query-status") is not None) and qemu._process.pid
        profile = from_process(pid)
        assert profile.name == "lab"
        assert Path(profile.arguments[0]).resolve() == Path("/usr/bin/qemu-system-x86_64").resolve()
        assert profile.arguments[1:] == tuple(qemu.arguments[qemu.arguments.index("qemu-system-x86_64") + 1 :])
        assert profile.directory == Path.cwd()
        assert profile.environment == ()
        assert [one.path for one in machine_of(profile).disks] == [image]
        assert len(launch_of(profile).obstacles) == 2  # the tests' own sockets, which QEMU inherited
    with pytest.raises(ControlError, match=f"there is no process {pid}"):
        from_process(pid)


def test_from_another_process() -> None:
    # of somebody else, or where these tests may look into everything, no QEMU
    with pytest.raises(ControlError, match=r"process 1 (cannot be read: you may not look into it|is no QEMU: \S)"):
        from_process(1)
    with subprocess.Popen(["cat"], stdin=subprocess.PIPE) as other:
        with pytest.raises(ControlError, match=f"process {other.pid} is no QEMU: cat"):
            from_process(other.pid)
        assert other.stdin is not None
        other.stdin.close()


def test_json_is_complete() -> None:
    profile = LaunchProfile(name="x", arguments=("q", "a b"), directory=Path("/d"), environment=(("A", "b"),)).confirm()
    assert LaunchProfile.from_json(json.loads(json.dumps(profile.as_json()))) == profile
    assert isinstance(machine_of(profile).disks, tuple)
    assert Disk(path=None, format="").fit
