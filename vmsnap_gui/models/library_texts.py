"""What the library's lines say and look like: groups, machines, images and folders."""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING

from PySide6.QtCore import QCoreApplication

from vmsnap_gui.control.terms import Reach
from vmsnap_gui.entries import Entry, EntryState
from vmsnap_gui.models import numbers, words

if TYPE_CHECKING:
    from vmsnap_gui.control.machine import Disk, Machine
    from vmsnap_gui.vms import Vm


class Group(enum.IntEnum):
    """The library's parts, in their order."""

    RUNNING = 0
    PROFILES = 1
    FILES = 2


class Look(enum.Enum):
    """Which picture stands for a line; the value is the icon's name, but for that of a group, which has none."""

    GROUP = ""
    IMAGE = "image"
    STREAM = "stream"
    FOLDER = "folder"
    READING = "reading"
    IN_USE = "in-use"
    PROBLEM = "problem"
    FAILED = "failed"
    MACHINE = "machine"
    PAUSED = "machine-paused"
    OFF = "machine-off"


def group_name(group: Group) -> str:
    """Return what a group is called."""
    return {
        Group.RUNNING: _tr("Running"),
        Group.PROFILES: _tr("Launch profiles"),
        Group.FILES: _tr("Files"),
    }[group]


def look_of(entry: Entry) -> Look:
    """Return which picture stands for an entry."""
    if entry.state is EntryState.FAILED:
        return Look.FAILED
    if entry.is_folder:
        return Look.FOLDER
    if entry.info is None:
        return Look.READING
    if entry.doubtful:
        return Look.PROBLEM
    if entry.info.in_use:
        return Look.IN_USE
    if entry.info.problems:
        return Look.PROBLEM
    return Look.IMAGE if entry.info.format == "qcow2" else Look.STREAM


def detail_of(entry: Entry, found: tuple[int, int] = (0, 0)) -> str:
    """Return an entry's second line: what it holds, or why it cannot be shown.

    Args:
        entry: It.
        found: Of a folder, how many images in it can be read, and how many cannot.
    """
    if entry.state is EntryState.FAILED:
        return words.visible(getattr(entry.error, "message", "") or str(entry.error))
    if entry.is_folder:
        images = words.images(found[0])
        images += " · " + _tr("%1 unreadable").replace("%1", numbers.count(found[1])) if found[1] else ""
        return images if entry.state is EntryState.READY else _tr("looking for images… %1").replace("%1", images)
    if entry.info is None:
        return _tr("reading…")
    parts = [
        words.snapshots(len(entry.info.snapshots)) if entry.info.format == "qcow2" else _tr("saved state"),
        numbers.size(entry.info.stamp.size),
    ]
    if entry.info.in_use:
        parts.insert(0, _tr("in use"))
    if entry.doubtful:
        parts.insert(0, _tr("in quarantine"))
    if entry.info.problems:
        parts.append(words.problems(len(entry.info.problems)))
    return " · ".join(parts)


def tip_of(entry: Entry) -> str:
    """Return an entry's tool tip."""
    lines = [str(entry.path)]
    if entry.error is not None:
        lines.append(str(getattr(entry.error, "message", "") or entry.error))
    if entry.doubtful:
        lines.append(_tr("A write to it was interrupted: check and repair it before anything else writes to it."))
    if entry.in_use:
        lines.append(_tr("In use by a running machine: it may be changing while you look at it."))
    if entry.info is not None:
        lines.append(numbers.exact_size(entry.info.stamp.size))
        lines += [str(problem) for problem in entry.info.problems[:10]]
    return words.plain_tip(lines)


def machine_look(vm: Vm) -> Look:
    """Return which picture stands for a machine."""
    if vm.profile is not None:
        return Look.OFF
    return Look.PAUSED if vm.machine.status == "paused" else Look.MACHINE


def machine_detail(vm: Vm) -> str:
    """Return a machine's second line: its state, and how many disks it has."""
    state = _tr("not running") if vm.profile is not None else running_state(vm.machine)
    return f"{state} · {words.disks(len(vm.machine.filled_disks))}"


def running_state(machine: Machine) -> str:
    """Return the state of a running machine in a few words."""
    if machine.reach is Reach.QMP:
        return words.visible(machine.status or _tr("running"))
    return {
        Reach.BUSY: _tr("monitor busy"),
        Reach.LIBVIRT: _tr("libvirt's, left alone"),
        Reach.UNREACHABLE: _tr("running, no monitor"),
    }.get(machine.reach, _tr("running"))


def machine_tip(vm: Vm) -> str:
    """Return a machine's tool tip."""
    machine = vm.machine
    lines = [machine.name]
    if machine.pid is not None:
        lines.append(_tr("Process %1").replace("%1", str(machine.pid)))
    if machine.version is not None:
        lines.append("QEMU {}.{}.{}".format(*machine.version))
    if machine.address is not None:
        lines.append(machine.address)
    if machine.note is not None:
        lines.append(words.sentence(machine.note))
    for disk in machine.filled_disks:
        name = str(disk.path or disk.node or "–")
        lines.append(f"{name}: {disk.unfit}" if disk.unfit else name)
    return words.plain_tip(lines)


def disk_detail(disk: Disk) -> str:
    """Return the second line of a machine's disk."""
    if disk.unfit is not None:
        return words.visible(disk.unfit)
    return f"{words.snapshots(len(disk.snapshots))} · {words.visible(disk.format)}"


def _tr(text: str) -> str:
    return QCoreApplication.translate("library_texts", text)
