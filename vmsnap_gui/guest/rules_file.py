"""Reading the TOML files that say what fields are called; their format is documented at the top of names.toml."""

from __future__ import annotations

import re
from pathlib import Path
from reprlib import repr
from typing import TYPE_CHECKING

from vmsnap_gui.guest.formats import FORMATS
from vmsnap_gui.guest.rules import Entry, Node, Rule, RuleSet
from vmsnap_gui.guest.tables import BitField
from vmsnap_gui.guest.toml_file import BrokenError, only, read_document, text, texts
from vmsnap_gui.image.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Mapping

BUILT_IN = Path(__file__).with_name("names.toml")
_BITS = re.compile(r"([0-9]{1,3})(?:-([0-9]{1,3}))?")
_PARTS = {"bits", "values", "aliases", "rule"}


def load_rules(files: Iterable[Path]) -> RuleSet:
    """Read rules from `files`, those that win first. What is broken becomes a problem; everything else still counts.

    A file that does not exist is none. The rules of one file may refer to the tables of all.
    """
    rules = RuleSet()
    documents = [(file, read_document(file, "names", rules.problems)) for file in files]
    readers = [(_Reader(file, rules, number << 32), document) for number, (file, document) in enumerate(documents)]
    for reader, document in readers:
        reader.read_tables(document)
    for reader, document in readers:
        reader.read_rules(document)
    return rules


class _Reader:
    """Turns one parsed file into rules and tables."""

    def __init__(self, file: Path, rules: RuleSet, order: int) -> None:
        self._file = file
        self._rules = rules
        self._known = rules.tables
        self._order = order

    def read_rules(self, document: dict[str, object]) -> None:
        """Take over the rules of a file."""
        rules = document.get("rule", [])
        for number, rule in enumerate(rules if isinstance(rules, list) else [rules], 1):
            try:
                self._rule(rule, number)
            except BrokenError as error:
                self._complain(f"rule {number}: {error}")

    def _complain(self, message: str) -> None:
        self._rules.problems.append(Problem(f"In {self._file}: {message}."))

    def read_tables(self, document: dict[str, object]) -> None:
        """Take over the tables of a file; what an earlier file has stays."""
        for name in document.keys() - _PARTS:
            self._complain(f"'{name}' is not one of {', '.join(sorted(_PARTS))}")
        for name, table in self._tables_of(document, "bits"):
            self._attempt(f"bits.{name}", self._bits, name, table)
        for name, table in self._tables_of(document, "values"):
            self._attempt(f"values.{name}", self._values, name, table)
        for name, table in self._tables_of(document, "aliases"):
            self._attempt(f"aliases.{name}", self._add_aliases, name, table)

    def _tables_of(self, document: dict[str, object], kind: str) -> list[tuple[str, dict[str, object]]]:
        tables = document.get(kind, {})
        if not isinstance(tables, dict) or not all(isinstance(table, dict) for table in tables.values()):
            self._complain(f"'{kind}' must hold tables only, as in [{kind}.something]")
            return []
        return list(tables.items())

    def _attempt(
        self, place: str, take: Callable[[str, dict[str, object]], None], name: str, table: dict[str, object]
    ) -> None:
        try:
            take(name, table)
        except BrokenError as error:
            self._complain(f"{place}: {error}")

    def _bits(self, name: str, table: dict[str, object]) -> None:
        kept = self._known.bits.get(name, ())
        taken = {bits.low for bits in kept}
        added = [bits for key, part in table.items() if (bits := _bit_field(key, part)).low not in taken]
        self._known.bits[name] = tuple(sorted((*kept, *added), key=lambda bits: bits.low))

    def _values(self, name: str, table: dict[str, object]) -> None:
        numbered = {_integer(key): text(name) for key, name in table.items()}
        self._known.values[name] = numbered | self._known.values.get(name, {})

    def _add_aliases(self, name: str, table: dict[str, object]) -> None:
        texts = {key: text(name) for key, name in table.items()}
        self._known.aliases[name] = texts | self._known.aliases.get(name, {})

    def _rule(self, rule: object, number: int) -> None:
        if not isinstance(rule, dict):
            raise BrokenError("it is not a table")
        only(rule, {"device", "instance", "has", "lacks", "prefix", "fields"})
        devices = texts(rule.get("device", "*"))
        instances = frozenset(_integers(rule.get("instance", [])))
        fields = rule.get("fields")
        if not isinstance(fields, list):
            raise BrokenError("'fields' must be a list of tables")
        for prefix in texts(rule.get("prefix", "")):
            has = frozenset(prefix + name for name in texts(rule.get("has", [])))
            made = Rule(devices, instances, has, frozenset(texts(rule.get("lacks", []))), Node(), Node())
            for position, entry in enumerate(fields, 1):
                try:
                    self._field(made, entry, prefix)
                except BrokenError as error:
                    self._complain(f"rule {number}, field {position}: {error}")
            self._rules.rules.append(made)

    def _field(self, rule: Rule, entry: object, prefix: str) -> None:
        if not isinstance(entry, dict) or "path" not in entry:
            raise BrokenError("a field is a table with a 'path'")
        made = self._entry(entry)
        for path in texts(entry["path"]):
            if path.startswith("**."):
                rule.anywhere.add(path[3:], made)
            else:
                rule.top.add(prefix + path, made)

    def _entry(self, entry: dict[str, object]) -> Entry:
        hows = {"bits", "values", "numbers", "format", "text"} & entry.keys()
        only(entry, {"path", "name", "names", "size", "type", "when", "first", "stride", "aliases"} | hows)
        if len(hows) > 1:
            raise BrokenError(f"only one of {', '.join(sorted(hows))} can be used")
        how = hows.pop() if hows else ""
        what = text(entry[how]) if how else ""
        tables: dict[str, Container[str]] = {
            "bits": self._known.bits,
            "values": self._known.values,
            "format": FORMATS,
        }
        if how in tables and what not in tables[how]:
            raise BrokenError(f"{how} = '{what}' is not known")
        self._order += 1
        when = _integers(entry.get("when", []))
        if when and len(when) != 2:
            raise BrokenError("'when' must be [mask, value]")
        return Entry(
            name=text(entry["name"]) if "name" in entry else None,
            names=self._names(entry.get("names")),
            size=_integer(entry.get("size", 0)),
            type=text(entry.get("type", "")),
            when=(when[0], when[1]) if when else None,
            how=how,
            what=what,
            first=_integer(entry.get("first", 0)),
            stride=_integer(entry.get("stride", 0)),
            aliases=self._aliases(entry.get("aliases", "")),
            order=self._order,
        )

    def _aliases(self, name: object) -> str:
        table = text(name)
        if table and table not in self._known.aliases:
            raise BrokenError(f"aliases = '{table}' is not known")
        return table

    def _names(self, names: object) -> Mapping[int, str]:
        if names is None:
            return {}
        if isinstance(names, str):
            if names not in self._known.values:
                raise BrokenError(f"names = '{names}' is not known")
            return self._known.values[names]
        return dict(enumerate(texts(names)))


def _bit_field(key: str, part: object) -> BitField:
    match = _BITS.fullmatch(key)
    if match is None:
        raise BrokenError(f"'{key}' is neither a bit (7) nor a range of bits (4-6)")
    low = int(match[1])
    high = int(match[2] or low)
    if not low <= high < 128:
        raise BrokenError(f"'{key}' is not a range of bits from low to high, below 128")
    if isinstance(part, str):
        return BitField(low, high - low + 1, part)
    if isinstance(part, dict):
        return BitField(low, high - low + 1, {_integer(value): text(name) for value, name in part.items()})
    return BitField(low, high - low + 1, dict(enumerate(texts(part))))


def _integer(value: object) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    try:
        return int(text(value), 0)
    except ValueError as error:
        raise BrokenError(f"{repr(value)} should be a number") from error


def _integers(value: object) -> tuple[int, ...]:
    return tuple(_integer(item) for item in value) if isinstance(value, list) else (_integer(value),)
