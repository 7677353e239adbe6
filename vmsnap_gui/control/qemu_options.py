"""A QEMU command line taken apart: its options with their values, and the key=value lists in these.

The rules are those of lookup_opt in QEMU's softmmu/vl.c: an option begins with one or two dashes and takes the next
word unless it is one of those that take none; any other word is the first hard disk's image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# qemu-options.hx: those without HAS_ARG, of QEMU 0.12 to 10. A wrong guess would misread all that follows.
_FLAGS = frozenset(
    """
    S alt-grab async-teardown audio-help ctrl-grab curses daemonize enable-fips enable-hax enable-kvm
    enable-sync-profile full-screen h help jitdump localtime mem-prealloc no-acpi no-fd-bootchk no-frame no-hpet no-kvm
    no-kvm-irqchip no-kvm-pit no-kvm-pit-reinjection no-quit no-reboot no-shutdown no-user-config nodefaults nodefconfig
    nographic old-param only-migratable perfmap portrait preconfig rtc-td-hack s sdl semihosting show-cursor singlestep
    snapshot std-vga tdf usb version win2k-hack xen-attach xen-create
    """.split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Option:
    """One option of a command line.

    Attributes:
        name: Without dashes; "" for a word that is no option, which QEMU takes as the image of the first hard disk.
        value: What follows it, None for one that takes nothing (or where nothing follows).
        words: It as it stands there.
    """

    name: str
    value: str | None
    words: tuple[str, ...]

    @property
    def pairs(self) -> dict[str, str]:
        """Its value as a key=value list."""
        return pairs_of(self.value or "")


def options_of(arguments: Sequence[str]) -> Iterator[Option]:
    """Yield the options of a command line; `arguments` are without the program."""
    at = 0
    while at < len(arguments):
        word = arguments[at]
        if not word.startswith("-"):
            yield Option("", word, (word,))
            at += 1
            continue
        name = word.removeprefix("-").removeprefix("-")
        count = 1 if name in _FLAGS else 2
        words = tuple(arguments[at : at + count])
        yield Option(name, words[1] if len(words) == 2 else None, words)
        at += count


def pairs_of(text: str) -> dict[str, str]:
    """Take a key=value list apart as QEMU does (util/qemu-option.c): a doubled comma is a comma of the value.

    The last of several equal keys counts. A first word without "=" is kept under "" (a type: "socket,id=x"), a later
    one is switched on, or off with "no" before it, as in "server,nowait".
    """
    found: dict[str, str] = {}
    for number, part in enumerate(text.replace(",,", "\0").split(",")):
        key, equals, value = part.replace("\0", ",").partition("=")
        if equals:
            found[key] = value
        elif number == 0:
            found[""] = key
        elif key.startswith("no"):
            found[key.removeprefix("no")] = "off"
        elif key:
            found[key] = "on"
    return found


def is_on(value: str | None) -> bool:
    """Whether a value means on, as QEMU's parse_option_bool has it."""
    return value in ("on", "yes", "true", "y")
