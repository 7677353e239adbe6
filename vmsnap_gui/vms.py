"""The virtual machines that are known, and their launch profiles: what workers find out of them, and keep. Qt-free."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.terms import Reach
from vmsnap_gui.operating import Whom

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.control.machine import Machine
    from vmsnap_gui.control.profile import LaunchProfile


@dataclass(frozen=True, slots=True)
class Vm:
    """A virtual machine that is known as one: it runs here, or there is a launch profile for it.

    Attributes:
        machine: As it was when it was looked at.
        profile: How it is started; None for one that runs.
    """

    machine: Machine
    profile: LaunchProfile | None = None

    @property
    def key(self) -> str:
        """What tells it from all others."""
        return f"profile {self.profile.name}" if self.profile is not None else f"process {self.machine.pid}"

    @property
    def whom(self) -> Whom:
        """How to come back to it."""
        machine = self.machine
        reached = machine.reach in (Reach.QMP, Reach.FILES)
        return Whom(
            paths=tuple(disk.path for disk in machine.disks if disk.path is not None),
            name=machine.name,
            address=machine.address if machine.reach is Reach.QMP else None,
            profile=self.profile,
            unreached=None if reached else machine,
        )

    @property
    def main_image(self) -> Path | None:
        """The image that is looked at for all of it: that with the VM state."""
        first = self.machine.vmstate_disk or next((one for one in self.machine.disks if one.path is not None), None)
        return first.path if first is not None else None

    @property
    def tags(self) -> tuple[tuple[str, frozenset[str | None]], ...]:
        """The disks that hold snapshots, each by its name with the tags that are on it."""
        disks = [one for one in self.machine.fit_disks if one.path is not None]
        return tuple((one.path.name, frozenset(s.tag for s in one.snapshots)) for one in disks if one.path is not None)


@dataclass(frozen=True, slots=True)
class Vms:
    """The virtual machines that are known.

    Attributes:
        running: Those that run on this machine.
        stopped: Those with a launch profile that do not run.
        profiles: All launch profiles.
        processes: The process ids of QEMU when this was looked at.
        problem: Why launch profiles cannot be shown; empty if they can.
    """

    running: tuple[Vm, ...] = ()
    stopped: tuple[Vm, ...] = ()
    profiles: tuple[LaunchProfile, ...] = ()
    processes: frozenset[int] = frozenset()
    problem: str = ""


def find_vms() -> Vms:
    """Find the QEMU processes of this machine and ask each, and look at the machines of the launch profiles."""
    import asyncio

    from vmsnap_gui.control.running import find_machines, processes

    pids = frozenset(one.pid for one in processes())
    running = tuple(Vm(one) for one in asyncio.run(find_machines()))
    profiles, problem = _profiles()
    return Vms(running, _stopped(running, profiles), profiles, pids, problem)


def _profiles() -> tuple[tuple[LaunchProfile, ...], str]:
    """Return the launch profiles, or why there are none to be seen."""
    from vmsnap_gui.control.profile_store import ProfileStore

    try:
        return ProfileStore().all(), ""
    except ControlError as error:
        return (), str(error)


def _stopped(running: tuple[Vm, ...], profiles: tuple[LaunchProfile, ...]) -> tuple[Vm, ...]:
    """Return the machines of launch profiles, but for those of which an image is a running machine's."""
    from vmsnap_gui.control.profile_disks import machine_of

    busy = {path.resolve() for vm in running for path in vm.whom.paths}
    vms = [Vm(machine_of(profile), profile) for profile in profiles]
    return tuple(vm for vm in vms if not busy & {path.resolve() for path in vm.whom.paths})


def demo_machine_image() -> Path:
    """Set up the demo machine where it is not there yet, and return the image that is looked at for it.

    Raises:
        ControlError, ImageError: it cannot be set up, or a person has made a machine without disks of its profile.
    """
    from vmsnap_gui.control.profile_disks import machine_of
    from vmsnap_gui.demo_machine import demo_machine

    profile = demo_machine()
    path = Vm(machine_of(profile), profile).main_image
    if path is None:
        raise ControlError(f"the launch profile {profile.name!r} names no disk: remove it, and choose this again")
    return path


def qemu_processes() -> frozenset[int]:
    """Return the process ids of QEMU on this machine; nothing is connected to."""
    from vmsnap_gui.control.running import processes

    return frozenset(one.pid for one in processes())


def put_profile(profile: LaunchProfile) -> None:
    """Keep a launch profile, instead of one of the same name; raises ControlError."""
    from vmsnap_gui.control.profile_store import ProfileStore

    ProfileStore().put(profile)


def remove_profile(name: str) -> None:
    """Forget a launch profile; raises ControlError."""
    from vmsnap_gui.control.profile_store import ProfileStore

    ProfileStore().remove(name)


@dataclass(frozen=True, slots=True)
class Drafted:
    """A launch profile in the making, looked at.

    Attributes:
        profile: It.
        machine: The machine that it starts, with what is in its images now.
        notes: What vmsnap changes in the command line, and why.
        obstacles: Why it cannot be started.
    """

    profile: LaunchProfile
    machine: Machine
    notes: tuple[str, ...]
    obstacles: tuple[str, ...]


def read_profile(text: str, name: str, directory: Path, script: Path | None = None) -> Drafted:
    """Make a launch profile of a command line or a script's text.

    Raises:
        ControlError: it holds something that cannot be told for certain; says the line and the reason.
    """
    from vmsnap_gui.control.profile_script import from_script

    return _drafted(from_script(text, script, name=name or None, directory=directory))


def read_script(script: Path) -> Drafted:
    """Make a launch profile of a script; raises ControlError."""
    try:
        text = script.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ControlError(f"it cannot be read: {error}", path=script) from error
    return read_profile(text, "", script.parent, script)


def profile_of_process(pid: int) -> Drafted:
    """Make a launch profile of a running QEMU; raises ControlError."""
    from vmsnap_gui.control.profile import from_process

    return _drafted(from_process(pid))


def _drafted(profile: LaunchProfile) -> Drafted:
    from vmsnap_gui.control.profile import launch_of
    from vmsnap_gui.control.profile_disks import machine_of

    launch = launch_of(profile)
    return Drafted(profile, machine_of(profile), launch.notes, launch.obstacles)
