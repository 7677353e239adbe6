"""Launch profiles: the command line that starts a VM, kept so that it can be started straight from a snapshot.

A profile holds what a person gave, unchanged. `launch_of` says what becomes of it when vmsnap starts it: paused, with a
QMP socket, watched, and without what would be in the way of that.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vmsnap_gui.control.errors import ControlError
from vmsnap_gui.control.qemu_options import Option, is_on, options_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchProfile:
    """How to start a VM.

    Attributes:
        name: What a person calls it.
        arguments: QEMU's command line, the program first.
        directory: The working directory, which relative paths are meant against.
        environment: Variables (name, value) to add to vmsnap's own.
        confirmed_as: Digest of what a person saw and confirmed, None for nothing yet. See `confirmed`.
    """

    name: str
    arguments: tuple[str, ...]
    directory: Path
    environment: tuple[tuple[str, str], ...] = ()
    confirmed_as: str | None = None

    @property
    def confirmed(self) -> bool:
        """Whether a person saw and confirmed it as it is now; a changed one must be confirmed again."""
        return self.confirmed_as == self._digest()

    def confirm(self) -> LaunchProfile:
        """Return it as confirmed."""
        return replace(self, confirmed_as=self._digest())

    def _digest(self) -> str:
        content = json.dumps([self.arguments, str(self.directory), self.environment])
        return hashlib.sha256(content.encode()).hexdigest()

    def as_json(self) -> dict[str, Any]:
        """Return it as it is stored."""
        return {
            "name": self.name,
            "arguments": list(self.arguments),
            "directory": str(self.directory),
            "environment": dict(self.environment),
            "confirmed_as": self.confirmed_as,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> LaunchProfile:
        """Return what `as_json` gave.

        Raises:
            ControlError: it is something else.
        """
        try:
            profile = cls(
                name=document["name"],
                arguments=tuple(document["arguments"]),
                directory=Path(document["directory"]),
                environment=tuple(document["environment"].items()),
                confirmed_as=document["confirmed_as"],
            )
            words = (profile.name, *profile.arguments, *(word for pair in profile.environment for word in pair))
            if all(isinstance(word, str) for word in words) and profile.arguments:
                return profile
        except (KeyError, TypeError, AttributeError):
            pass
        raise ControlError(f"this is no launch profile: {json.dumps(document)[:200]}")


def checked_name(name: str) -> str:
    """Return a profile's name if it can be one.

    Raises:
        ControlError: it is empty, or holds what a terminal does not show.
    """
    if not name or not name.isprintable() or name != name.strip():
        raise ControlError(f"{name!r} cannot be a profile's name: use letters that can be seen")
    return name


def from_process(pid: int, name: str | None = None) -> LaunchProfile:
    """Make a profile of a running QEMU: its command line and its working directory, not its environment.

    Args:
        pid: Its process id.
        name: The profile's name; QEMU's -name or the program's where it is None.

    Raises:
        ControlError: there is no such process, or it belongs to somebody else.
    """
    import psutil  # 20 ms, and only needed here

    try:
        process = psutil.Process(pid)
        words, directory, program = process.cmdline(), Path(process.cwd()), process.exe()
    except psutil.NoSuchProcess as error:
        raise ControlError(f"there is no process {pid}") from error
    except psutil.AccessDenied as error:
        raise ControlError(f"the command line of process {pid} cannot be read: you may not look into it") from error
    if not words or not (is_qemu(words[0]) or is_qemu(program)):
        raise ControlError(f"process {pid} is no QEMU: {' '.join(words[:1]) or program or 'it has no command line'}")
    # What it was called as may mean nothing in our PATH; its program file is certain.
    arguments = (program or words[0], *_without_ours(words[1:]))
    return LaunchProfile(name=checked_name(name or guest_name(arguments)), arguments=arguments, directory=directory)


def _without_ours(words: Sequence[str]) -> Iterator[str]:
    """Yield the words of a command line without what vmsnap added when it started this QEMU."""
    ours = False
    for option in options_of(words):
        ours = _is_ours(option) or (ours and option.name == "S")
        yield from () if ours else option.words


def _is_ours(option: Option) -> bool:
    return (option.name == "chardev" and option.pairs.get("id") == MONITOR) or (
        option.name == "mon" and MONITOR in (option.pairs.get(""), option.pairs.get("chardev"))
    )


def is_qemu(program: str) -> bool:
    """Whether a program's name is that of a QEMU that runs machines."""
    name = Path(program).name
    return name == "kvm" or (
        "qemu" in name and not name.startswith(("qemu-img", "qemu-nbd", "qemu-io", "qemu-storage"))
    )


def guest_name(arguments: tuple[str, ...]) -> str:
    """Return the name that a command line gives its guest, or the program's name."""
    for option in options_of(arguments[1:]):
        if option.name == "name":
            name = option.pairs.get("guest") or option.pairs.get("")
            if name:
                return name
    return Path(arguments[0]).name


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    """What vmsnap makes of a profile.

    Attributes:
        arguments: The command line without what must go; `-S` and the QMP socket are still to be added.
        notes: What goes or is changed, and why, and what cannot be foreseen; sentences for people.
        obstacles: Why it cannot be started by vmsnap; sentences.
        temporary: Whether all writes of the guest go to temporary files (-snapshot).
    """

    arguments: tuple[str, ...]
    notes: tuple[str, ...] = ()
    obstacles: tuple[str, ...] = ()
    temporary: bool = False


_DROPPED = {
    "daemonize": "vmsnap puts QEMU into the background itself, where it sees why it ends",
    "incoming": "the machine's state comes from the snapshot",
    "loadvm": "vmsnap loads the snapshot itself",
    "S": "vmsnap starts every machine paused and lets it go on",
    "preconfig": "QEMU would wait for commands that nobody gives",
}

# Those whose value names a character device, which may be a socket that QEMU waits for.
_CHARACTER_DEVICES = frozenset(("chardev", "qmp", "qmp-pretty", "monitor", "serial", "parallel", "debugcon"))

_TAKING_FILES = _CHARACTER_DEVICES | {"netdev", "nic", "net", "fsdev", "virtfs", "spice", "object", "device"}
_DESCRIPTOR = re.compile(r"[,:][a-z_]*fds?=\d")

MONITOR = "vmsnap-qmp"
"""The id of the QMP socket that vmsnap adds."""


def launch_of(profile: LaunchProfile) -> Launch:
    """Say what becomes of a profile's command line when vmsnap starts it."""
    program, *rest = profile.arguments
    arguments, notes, obstacles = [program], [], []
    temporary = False
    for option in options_of(rest):
        if option.name in _DROPPED:
            notes.append(f"{' '.join(option.words)} is left out: {_DROPPED[option.name]}")
            continue
        if option.name == "snapshot":
            temporary = True
            notes.append("-snapshot: nothing that the guest writes is kept when it ends")
        if option.name in ("readconfig", "set"):
            notes.append(f"{' '.join(option.words)} may name disks, which vmsnap sees only once QEMU runs")
        if option.name == "add-fd" or (option.name in _TAKING_FILES and _DESCRIPTOR.search(option.value or "")):
            obstacles.append(f"{' '.join(option.words)} needs an open file that another program gave to QEMU")
        words = _without_waiting(option)
        if words != option.words:
            notes.append(f"{' '.join(option.words)} does not wait for a client: nobody would connect before the start")
        arguments += words
    return Launch(arguments=tuple(arguments), notes=tuple(notes), obstacles=tuple(obstacles), temporary=temporary)


def _without_waiting(option: Option) -> tuple[str, ...]:
    """Return an option's words so that a server socket does not keep QEMU from starting until somebody connects."""
    if option.name not in _CHARACTER_DEVICES or option.value is None:
        return option.words
    pairs = option.pairs
    if not is_on(pairs.get("server")) or pairs.get("wait", "on") != "on":
        return option.words
    return (option.words[0], f"{option.value},wait=off")
