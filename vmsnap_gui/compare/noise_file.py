"""Reading and writing the TOML files of noise rules; their format is documented at the top of noise.toml."""

from __future__ import annotations

import json
import os
import tempfile
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import platformdirs

from vmsnap_gui.compare.errors import CompareError
from vmsnap_gui.compare.noise import NoiseRule, NoiseRules
from vmsnap_gui.guest.toml_file import BrokenError, only, read_document, text, texts
from vmsnap_gui.image.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Iterable

BUILT_IN = Path(__file__).with_name("noise.toml")
_MOST_STARS = 4  # in a path pattern: each more multiplies the time that a path without a match takes


def user_file() -> Path:
    """Return where a person can put noise rules of their own, and switch ours off."""
    return platformdirs.user_config_path("vmsnap") / "noise.toml"


@lru_cache(maxsize=1)
def default_noise() -> NoiseRules:
    """Return our rules with the person's before them, read once (`cache_clear` after a change of the file)."""
    return load_noise(user_file(), BUILT_IN)


def load_noise(own: Path, built_in: Path = BUILT_IN) -> NoiseRules:
    """Read both files. What is broken becomes a problem and the rest counts; a file that does not exist is none."""
    found = _Found()
    for file in (own, built_in):
        _take(file, file == own, found)
    return NoiseRules(tuple(found.rules), frozenset(found.disabled), tuple(found.problems))


def save_own(file: Path, rules: Iterable[NoiseRule], disabled: Iterable[str]) -> None:
    """Write a person's file: rules of their own, and the names of those that are switched off.

    Raises:
        CompareError: it cannot be written; the file is as it was.
    """
    lines = [f"disable = [{', '.join(_quoted(name) for name in sorted(disabled))}]", ""]
    for rule in rules:
        lines += ["[[rule]]", f"name = {_quoted(rule.name)}", f"reason = {_quoted(rule.reason)}"]
        for key, values in (("device", rule.devices), ("path", rule.paths), ("type", sorted(rule.types))):
            lines += [f"{key} = [{', '.join(map(_quoted, values))}]"] if values else []
        lines += [f"bytes = {[list(pair) for pair in rule.within]}"] if rule.within else []
        lines.append("")
    temporary = None
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", encoding="utf-8", dir=file.parent, delete=False) as output:
            temporary = Path(output.name)
            output.write("\n".join(lines))
        temporary.replace(file)
    except (OSError, UnicodeEncodeError) as error:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
        reason = error.strerror if isinstance(error, OSError) else "a name holds what no text file can"
        raise CompareError(f"the noise rules cannot be written: {reason}", what=os.fspath(file)) from error


@dataclass(slots=True)
class _Found:
    rules: list[NoiseRule] = field(default_factory=list)
    disabled: set[str] = field(default_factory=set)
    problems: list[Problem] = field(default_factory=list)


def _take(file: Path, own: bool, found: _Found) -> None:
    """Take over what a file holds."""
    document = read_document(file, "noise rules", found.problems)
    try:
        only(document, {"disable", "rule"})
        found.disabled.update(texts(document.get("disable", [])))
    except BrokenError as error:
        found.problems.append(Problem(f"In {file}: {error}."))
    rules = document.get("rule", [])
    known = {rule.name for rule in found.rules}
    for number, rule in enumerate(rules if isinstance(rules, list) else [rules], 1):
        try:
            made = _rule(rule, own)
        except BrokenError as error:
            found.problems.append(Problem(f"In {file}: rule {number}: {error}."))
            continue
        if made.name not in known:  # one of the person's replaces ours of that name
            found.rules.append(made)


def _rule(rule: object, own: bool) -> NoiseRule:
    if not isinstance(rule, dict):
        raise BrokenError("it is not a table")
    only(rule, {"name", "reason", "device", "path", "type", "bytes"})
    if "name" not in rule or "reason" not in rule:
        raise BrokenError("a rule has a 'name' and a 'reason'")
    paths, types = texts(rule.get("path", [])), texts(rule.get("type", []))
    if not paths and not types:
        raise BrokenError("a rule has a 'path' or a 'type'")
    for pattern in paths:
        if pattern.removeprefix("**.").replace("[*]", "").count("*") > _MOST_STARS:
            raise BrokenError(f"'{pattern}' has more than {_MOST_STARS} stars")
    devices = texts(rule.get("device", "*"))
    return NoiseRule(
        text(rule["name"]), text(rule["reason"]), devices, paths, frozenset(types), _ranges(rule.get("bytes", [])), own
    )


def _ranges(value: object) -> tuple[tuple[int, int], ...]:
    pairs = value if isinstance(value, list) else [value]
    found = []
    for pair in pairs:
        if not isinstance(pair, list) or len(pair) != 2 or not all(type(one) is int for one in pair):
            raise BrokenError("'bytes' is a list of pairs [first, last]")
        first, last = pair
        if not 0 <= first <= last:
            raise BrokenError(f"bytes {first} to {last} are no range")
        found.append((first, last))
    return tuple(found)


def _quoted(value: str) -> str:
    """Return a text as TOML has it; JSON's escapes are TOML's, but for DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
