"""vmsnap machines: the running QEMUs of this machine, with their disks and the snapshots on each."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from vmsnap_gui.cli.listing import known_notes, snapshots_json
from vmsnap_gui.cli.output import aligned, print_json
from vmsnap_gui.vmstate.fields import printable

if TYPE_CHECKING:
    import argparse

    from vmsnap_gui.control.machine import Disk, Machine
    from vmsnap_gui.note_store import KnownNotes


def add(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("machines", help="list the running machines of this computer")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    parser.set_defaults(run=_machines)


def _machines(options: argparse.Namespace) -> int:
    from vmsnap_gui.control.running import find_machines

    machines = asyncio.run(find_machines())
    if options.json:
        known = known_notes()
        print_json([machine_json(one, known) for one in machines])
        return 0
    for one in machines:
        print(*machine_lines(one), sep="\n")
    if not machines:
        print("No QEMU is running.")
    return 0


def machine_json(machine: Machine, known: KnownNotes) -> dict[str, Any]:
    """Return a machine as JSON has it, with the notes on its snapshots."""
    return {
        "name": machine.name,
        "reach": machine.reach.value,
        "address": machine.address,
        "pid": machine.pid,
        "version": ".".join(map(str, machine.version)) if machine.version is not None else None,
        "status": machine.status,
        "note": machine.note,
        "disks": [_disk_json(disk, known) for disk in machine.disks],
    }


def _disk_json(disk: Disk, known: KnownNotes) -> dict[str, Any]:
    return {
        "path": str(disk.path) if disk.path is not None else None,
        "node": disk.node,
        "format": disk.format,
        "virtual_size": disk.virtual_size,
        "unfit": disk.unfit,
        "snapshots": snapshots_json(disk.path, disk.snapshots, known),
    }


def machine_lines(machine: Machine) -> list[str]:
    """Return a machine and its disks as lines."""
    facts = [machine.status or machine.reach.value]
    process = f"process {machine.pid}"
    facts += [process] if machine.pid is not None and process not in machine.name else []
    facts += [f"QEMU {'.'.join(map(str, machine.version))}"] if machine.version is not None else []
    facts += [machine.address or machine.reach.value] if machine.status is not None else []
    lines = [printable(f"{machine.name}: {', '.join(facts)}")]
    lines += [printable(f"  {machine.note}")] if machine.note is not None else []
    names = [printable(str(disk.path or disk.node or "a disk without a file")) for disk in machine.disks]
    tags = [", ".join(repr(one.tag) for one in disk.snapshots) or "no snapshots" for disk in machine.disks]
    held = [tag if disk.fit else f"holds none: {disk.unfit}" for tag, disk in zip(tags, machine.disks, strict=True)]
    return [*lines, *(f"  {line}" for line in aligned(list(zip(names, map(printable, held), strict=True))))]
