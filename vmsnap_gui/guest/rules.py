"""The rules that give fields their names, ready to be matched. `rules_file` reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING

from vmsnap_gui.guest.tables import Tables

if TYPE_CHECKING:
    from collections.abc import Mapping

    from vmsnap_gui.image.errors import Problem
    from vmsnap_gui.vmstate.sections import Section

_TOKEN = re.compile(r"\[[^\]]*\]?|[^.\[]+")


@lru_cache(maxsize=8192)
def split(path: str) -> tuple[str, ...]:
    """Return the steps of a path: "env.cr[0]" is ("env", "cr", "[0]")."""
    return tuple(_TOKEN.findall(path))


@dataclass(frozen=True, slots=True)
class Entry:
    """How the fields at one path are named.

    Attributes:
        name: The name; "{0}" stands for the number that the first [*] of the path matched, "{1}" for the second.
        names: A name for each number that the first [*] matched.
        size: Only fields of so many bytes (0: of any).
        type: Only fields of this QEMU type ("": of any).
        when: (mask, value): only fields whose value & mask is this.
        how: What makes the detail: "bits", "values", "numbers", "format", "text", or "" for none.
        what: The table, the word, the format or the text for `how`.
        first: For "numbers": what the lowest bit counts as,
        stride: and what is added to that for each step of the first [*].
        aliases: The table of better names for the name that a format found, or "".
        order: Its place in the files; of two entries for one field, the lower wins.
    """

    name: str | None
    names: Mapping[int, str]
    size: int
    type: str
    when: tuple[int, int] | None
    how: str
    what: str
    first: int
    stride: int
    aliases: str
    order: int


@dataclass(slots=True)
class Node:
    """A step in the tree of path patterns."""

    entries: list[Entry] = field(default_factory=list)
    steps: dict[str, Node] = field(default_factory=dict)

    def add(self, pattern: str, entry: Entry) -> None:
        """Add an entry for the fields that `pattern` matches, below this node."""
        node = self
        for token in split(pattern):
            node = node.steps.setdefault(token, Node())
        node.entries.append(entry)


@dataclass(frozen=True, slots=True)
class Rule:
    """Names for the fields of one kind of device.

    Attributes:
        devices: Patterns (* and ?) for the last part of the section's name.
        instances: Only sections with one of these instance ids; empty: with any.
        has: Names of fields or subsections at the top that must be there.
        lacks: Those that must not.
        top: Patterns that start at the top of the section.
        anywhere: Patterns that start in any struct or subsection.
    """

    devices: tuple[str, ...]
    instances: frozenset[int]
    has: frozenset[str]
    lacks: frozenset[str]
    top: Node
    anywhere: Node

    def fits(self, section: Section, top_names: frozenset[str]) -> bool:
        """Tell whether this rule is about `section`, whose topmost fields have the names `top_names`."""
        if self.instances and section.instance_id not in self.instances:
            return False
        if not self.has <= top_names or self.lacks & top_names:
            return False
        name = section.name.rsplit("/", 1)[-1]
        return any(fnmatchcase(name, pattern) for pattern in self.devices)


@dataclass(slots=True)
class RuleSet:
    """All rules and tables.

    Attributes:
        rules: The rules; the user's first.
        tables: What they refer to.
        problems: What could not be read, as sentences.
    """

    rules: list[Rule] = field(default_factory=list)
    tables: Tables = field(default_factory=Tables)
    problems: list[Problem] = field(default_factory=list)
