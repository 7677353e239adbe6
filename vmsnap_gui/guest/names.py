"""Names for people beside QEMU's raw ones: registers where QEMU has indexes, flags where it has bits.

What is named how stands in names.toml, which a person can extend by a names.toml of their own; this is only the engine.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import TYPE_CHECKING

import platformdirs

from vmsnap_gui.guest.formats import FORMATS, unsigned
from vmsnap_gui.guest.pci import PciPart, header
from vmsnap_gui.guest.rules import Entry, Node, RuleSet, split
from vmsnap_gui.guest.rules_file import BUILT_IN, load_rules
from vmsnap_gui.guest.tables import numbers
from vmsnap_gui.vmstate.fields import Field, Kind, join_path

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from vmsnap_gui.vmstate.sections import Section

LONGEST = 120
"""Characters that a detail may have."""
_MOST_ELEMENTS = 4096  # of an array are looked at
_DEEPEST = 32  # structs in structs that are looked at


@dataclass(frozen=True, slots=True)
class Label:
    """What a field is called beside its raw name.

    Attributes:
        name: A short name ("RAX", "SCTLR_EL1"), or None.
        detail: What its value says ("PF ZF IF"), short enough for a table column, or None.
        bits: The table of bits (`Tables.bits`) that `detail` was made with, or None.
    """

    name: str | None = None
    detail: str | None = None
    bits: str | None = dataclasses.field(default=None, compare=False)


def user_file() -> Path:
    """Return where a person can put rules of their own; they win over ours."""
    return platformdirs.user_config_path("vmsnap") / "names.toml"


@lru_cache(maxsize=1)
def default_rules() -> RuleSet:
    """Return our rules with the user's before them, read once. What was wrong in a file is in its `problems`."""
    return load_rules((user_file(), BUILT_IN))


def annotate(section: Section, root: Field, rules: RuleSet | None = None) -> dict[str, Label]:
    """Return the labels of the fields of a decoded section, by their paths as `walk` gives them.

    Only what some rule is about is decoded and looked at, so this is quick on sections with huge arrays.

    Args:
        section: The section.
        root: Its tree, as `VMState.decode` gives it.
        rules: The rules; without them the default ones.
    """
    rules = default_rules() if rules is None else rules
    top_names = frozenset(child.name for child in root.children)
    fitting = [rule for rule in rules.rules if rule.fits(section, top_names)]
    if not fitting:
        return {}
    naming = _Naming(rules, root)
    at_top = [_State(node, ()) for rule in fitting for node in (rule.top, rule.anywhere)]
    naming.visit(root, "", at_top, [_State(rule.anywhere, ()) for rule in fitting if rule.anywhere.steps], 0)
    return naming.labels


def pci_header(config: bytes, rules: RuleSet | None = None) -> list[PciPart]:
    """Return the parts of a PCI configuration space as rows: header, BARs, capabilities.

    Args:
        config: Its first bytes (at least 64; 256 or 4096 for all). See `config_space` for where a field has them.
        rules: Whose names are used; without them the default ones.
    """
    return header(config, (default_rules() if rules is None else rules).tables)


@dataclass(frozen=True, slots=True)
class _State:
    """How far a pattern has matched, and the numbers that its [*] matched."""

    node: Node
    indexes: tuple[int, ...]

    def advance(self, name: str) -> Iterator[_State]:
        """Yield where the field `name` leads from here."""
        states = [self]
        for token in split(name):
            states = [state for before in states for state in before._step(token)]
        yield from states

    def _step(self, token: str) -> Iterator[_State]:
        exact = self.node.steps.get(token)
        if exact is not None:
            yield _State(exact, self.indexes)
        star = self.node.steps.get("[*]") if token.startswith("[") else None
        if star is not None and token[1:-1].isdecimal() and len(token) < 20:
            yield _State(star, (*self.indexes, int(token[1:-1])))


class _Naming:
    """One walk over a section's tree, along what patterns can match."""

    def __init__(self, rules: RuleSet, root: Field) -> None:
        self.labels: dict[str, Label] = {}
        self._tables = rules.tables
        self._root = root

    def visit(self, parent: Field, path: str, states: list[_State], anywhere: list[_State], depth: int) -> None:
        """Label what is below `parent`; `anywhere` are the patterns that start in every struct."""
        for child in islice(parent.children, _MOST_ELEMENTS):
            here = [reached for state in states for reached in state.advance(child.name)]
            at = join_path(path, child.name)
            entries = [(entry, state.indexes) for state in here for entry in state.node.entries]
            if entries:
                self._label(child, at, entries)
            if not child.kind.is_container or depth >= _DEEPEST:
                continue
            below = [state for state in here if state.node.steps]
            if child.kind is not Kind.ARRAY:
                below += anywhere
            if below:
                self.visit(child, at, below, anywhere if child.kind is not Kind.ARRAY else [], depth + 1)

    def _label(self, field: Field, path: str, entries: list[tuple[Entry, tuple[int, ...]]]) -> None:
        name = detail = bits = None
        for entry, indexes in sorted(entries, key=lambda pair: pair[0].order):
            if not _applies(entry, field):
                continue
            said_name, said_detail = self._say(entry, field, indexes)
            name = name or said_name
            detail = detail or said_detail
            bits = bits or (entry.what if entry.how == "bits" else None)
        if detail is not None and len(detail) > LONGEST:
            detail = detail[: LONGEST - 2] + " …"
        if name or detail:
            self.labels[path] = Label(name, detail if detail != name else None, bits)

    def _say(self, entry: Entry, field: Field, indexes: tuple[int, ...]) -> tuple[str | None, str | None]:
        name, detail = _name(entry, indexes), None
        value = unsigned(field)
        first = indexes[0] if indexes else 0
        if entry.how == "format":
            found, detail = FORMATS[entry.what](field, self._root, first, self._tables)
            if found is not None:
                name = name or self._tables.aliases.get(entry.aliases, {}).get(found, found)
        elif entry.how == "text":
            detail = entry.what
        elif value is not None and entry.how == "bits":
            detail = self._tables.flags(entry.what, value)
        elif value is not None and entry.how == "values":
            signed = field.value if isinstance(field.value, int) else value
            detail = self._tables.value(entry.what, value) or self._tables.value(entry.what, signed)
        elif value is not None and entry.how == "numbers":
            detail = numbers(value, entry.what, entry.first + entry.stride * first)
        return name, detail or None


def _applies(entry: Entry, field: Field) -> bool:
    if (entry.size and field.size != entry.size) or (entry.type and field.type != entry.type):
        return False
    if entry.when is None:
        return True
    value = unsigned(field)
    return value is not None and value & entry.when[0] == entry.when[1]


def _name(entry: Entry, indexes: tuple[int, ...]) -> str | None:
    if entry.names and indexes:
        return entry.names.get(indexes[0])
    name = entry.name
    for place, index in enumerate(indexes) if name else ():
        name = name.replace(f"{{{place}}}", str(index)) if name else None
    return name
