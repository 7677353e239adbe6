"""The disks that a command line gives to a VM, read from its words before it runs.

What is known here serves for planning. Once QEMU runs it is asked, and what it says counts.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from vmsnap_gui.control.machine import Disk, Machine
from vmsnap_gui.control.profile import launch_of
from vmsnap_gui.control.qemu_options import Option, is_on, options_of
from vmsnap_gui.control.survey import disk_at
from vmsnap_gui.control.terms import Reach
from vmsnap_gui.image.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from vmsnap_gui.control.profile import LaunchProfile

_PLAIN = frozenset(("", "hda", "hdb", "hdc", "hdd", "cdrom", "fda", "fdb", "pflash", "sd", "mtdblock"))
"""Options whose whole value is the name of an image, commas and all."""

_FILTERS = frozenset(("throttle", "copy-on-read", "compress", "preallocate", "blkdebug"))
"""Drivers that stand above an image without being its format."""

_LOCAL = frozenset(("file", "host_device", "host_cdrom"))

_Tree = dict[str, Any]
"""A block device as QMP has it: keys with values, and further trees for its children."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Drive:
    """A disk as the command line has it; `name` is its image's file name, "" for no local file, None without one."""

    name: str | None
    format: str | None = None
    read_only: bool = False
    temporary: bool = False


def machine_of(profile: LaunchProfile) -> Machine:
    """Return the machine that a profile starts, with its disks and the snapshots that their images hold now."""
    launch = launch_of(profile)
    drives = _drives(list(options_of(launch.arguments[1:])))
    disks = tuple(_disk(one, profile.directory, temporary=launch.temporary or one.temporary) for one in drives)
    return Machine(name=profile.name, reach=Reach.FILES, disks=disks)


def _drives(options: list[Option]) -> Iterator[_Drive]:
    """Yield the drives of a command line: those of -drive and its short forms first, as QEMU makes them."""
    for option in options:
        if option.name in _PLAIN and option.value is not None:
            yield _Drive(name=option.value, read_only=option.name == "cdrom")
        elif option.name == "drive":
            yield _of_drive(option.pairs)
    nodes = {tree.get("node-name", number): tree for number, tree in enumerate(_blockdevs(options))}
    inner = {name for tree in nodes.values() for name in _children(tree)}
    for name, tree in nodes.items():
        if name not in inner:
            yield _of_tree(tree, nodes)


def _of_drive(pairs: dict[str, str]) -> _Drive:
    tree = _nested(pairs)
    image = _Drive(name=None)
    if isinstance(tree.get("file"), str):
        image = _Drive(name=tree["file"], format=pairs.get("format", pairs.get("driver")))
    elif "file" in tree or "filename" in tree:
        image = _of_tree(tree, {})
    return replace(
        image,
        read_only=is_on(pairs.get("readonly", pairs.get("read-only"))) or pairs.get("media") == "cdrom",
        temporary=is_on(pairs.get("snapshot")),
    )


def _blockdevs(options: Iterable[Option]) -> Iterator[_Tree]:
    for option in options:
        if option.name == "blockdev" and option.value is not None:
            if option.value.startswith("{"):
                try:
                    tree = json.loads(option.value)
                except ValueError:
                    continue  # QEMU will say so when it is started
                if isinstance(tree, dict):
                    yield tree
            else:
                pairs = option.pairs
                yield _nested({"driver": pairs[""], **pairs} if "" in pairs else pairs)


def _nested(pairs: Mapping[str, str]) -> _Tree:
    """Make a tree of dotted keys: file.filename=x. A value that also has children keeps these only."""
    tree: _Tree = {}
    for key, value in pairs.items():
        *above, last = key.split(".")
        place = tree
        for part in above:
            inner = place.get(part)
            if not isinstance(inner, dict):
                inner = place[part] = {}
            place = inner
        if not isinstance(place.get(last), dict):
            place[last] = value
    return tree


def _children(tree: _Tree) -> Iterator[str]:
    """Yield the names of the nodes that a node stands upon, however deep they are named."""
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _children(value)
        elif isinstance(value, str) and key not in ("node-name", "driver", "filename"):
            yield value


def _of_tree(tree: _Tree, nodes: Mapping[Any, _Tree]) -> _Drive:
    """Follow a node down to its file."""
    driver = None
    read_only = tree.get("read-only") is True or is_on(str(tree.get("read-only")))
    for _ in range(16):  # deeper than any real chain; nodes that name each other in a circle would never end
        if driver is None and tree.get("driver") not in _FILTERS:
            driver = tree.get("driver")
        if tree.get("driver") in _LOCAL or "filename" in tree:
            name = tree.get("filename")
            return _Drive(
                name=f"file:{name}" if isinstance(name, str) else "",  # as it is, colons and all
                format="raw" if driver in _LOCAL else driver,
                read_only=read_only,
            )
        below = tree.get("file", tree.get("image"))
        found = nodes.get(below) if isinstance(below, str) else below
        if not isinstance(found, dict):
            break
        tree = found
    return _Drive(name="", format=driver, read_only=read_only)


def _of_json(text: str) -> _Drive:
    try:
        return _of_tree(json.loads(text), {})
    except (ValueError, AttributeError):
        return _Drive(name="")


def _path_of(name: str | None, directory: Path) -> Path | None:
    """Return the local file that an image's name means, None for any other (block.c: path_has_protocol)."""
    if not name or name.startswith("/dev/fdset/"):
        return None
    if name.startswith("file:"):
        return directory / name.removeprefix("file:")
    return None if re.match(r"[^/:]*:", name) else directory / name


def _disk(drive: _Drive, directory: Path, *, temporary: bool) -> Disk:
    """Look into a drive's image and say whether it can hold snapshots."""
    name, driver = drive.name, drive.format
    if name is not None and name.startswith("json:"):
        inner = _of_json(name.removeprefix("json:"))
        name, driver = inner.name, driver or inner.format
    path = _path_of(name, directory)
    writable = not drive.read_only
    if path is None:
        why = "it is removable and empty" if name is None else "it is no file of this machine"
        return Disk(path=None, format=driver or "", unfit=why, writable=writable and name is not None)
    if driver not in (None, "qcow2"):
        return Disk(path=path, format=driver or "", unfit=f"it is {driver}", writable=writable)
    try:
        found = disk_at(path)
    except ImageError as error:
        return Disk(path=path, format=driver or "", unfit=error.message, writable=writable)
    if drive.read_only:
        return replace(found, unfit=found.unfit or "it is read-only", writable=False)
    if temporary:
        return replace(found, unfit="what is written to it goes to a temporary file (-snapshot)")
    return found
