"""Noise: fields that change by themselves while a machine runs, and the rules that say which and why.

The rules stand in noise.toml, which a person can extend and switch off in part by a noise.toml of their own.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fnmatch import translate
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vmsnap_gui.compare.status import FieldChange
    from vmsnap_gui.image.errors import Problem

_WILD = re.compile(r"\[\*\]|\*")


@dataclass(frozen=True, slots=True)
class NoiseRule:
    """One kind of noise.

    Attributes:
        name: What it is called, to switch it off by.
        reason: Why a change of such a field says nothing, as a sentence.
        devices: Patterns (* and ?) for the last part of the section's name.
        paths: Patterns for the field's path: [*] is any index, * any part of a name; "**.x" starts in any struct.
            None of them: any path.
        types: QEMU field types; none of them: any type.
        within: (first, last) bytes of a buffer: the rule applies only where all that changed lies within these.
        own: Whether it comes from the person's own file.
    """

    name: str
    reason: str
    devices: tuple[str, ...] = ("*",)
    paths: tuple[str, ...] = ()
    types: frozenset[str] = frozenset()
    within: tuple[tuple[int, int], ...] = ()
    own: bool = False


@dataclass(frozen=True)
class NoiseRules:
    """All rules.

    Attributes:
        rules: Those of the person first.
        disabled: Names of rules that are switched off.
        problems: What could not be read, as sentences.
    """

    rules: tuple[NoiseRule, ...] = ()
    disabled: frozenset[str] = frozenset()
    problems: tuple[Problem, ...] = ()

    @cached_property
    def _active(self) -> tuple[tuple[NoiseRule, re.Pattern[str]], ...]:
        used = (rule for rule in self.rules if rule.name not in self.disabled)
        return tuple((rule, re.compile("|".join(map(translate, rule.devices)))) for rule in used)

    def for_device(self, section_name: str) -> DeviceNoise:
        """Return what is noise in the section of that name."""
        name = section_name.rsplit("/", 1)[-1]
        return DeviceNoise(tuple(rule for rule, devices in self._active if devices.match(name)))


@dataclass(frozen=True, slots=True)
class DeviceNoise:
    """The rules for one device."""

    rules: tuple[NoiseRule, ...] = ()

    def rule(self, change: FieldChange) -> NoiseRule | None:
        """Return the rule that makes a change noise, or None."""
        for rule in self.rules:
            if rule.types and change.field.type not in rule.types:
                continue
            if rule.paths and not any(_expression(pattern).fullmatch(change.path) for pattern in rule.paths):
                continue
            if not rule.within or _only_within(change, rule.within):
                return rule
        return None


def _only_within(change: FieldChange, within: tuple[tuple[int, int], ...]) -> bool:
    """Whether two buffers are equal outside these bytes."""
    values = [side.value for side in (change.a, change.b) if side is not None]
    blanked = [bytearray(value) for value in values if isinstance(value, bytes)]
    if len(blanked) != 2 or len(blanked[0]) != len(blanked[1]):
        return False
    for first, last in within:
        for buffer in blanked:
            part = buffer[first : last + 1]
            buffer[first : first + len(part)] = bytes(len(part))
    return blanked[0] == blanked[1]


@lru_cache(maxsize=1024)
def _expression(pattern: str) -> re.Pattern[str]:
    """Return what a path pattern means; it holds no repeats of repeats, so it cannot run for ever."""
    anywhere = pattern.startswith("**.")
    rest = pattern[3:] if anywhere else pattern
    pieces, end = [], 0
    for wild in _WILD.finditer(rest):
        pieces += [re.escape(rest[end : wild.start()]), r"\[[0-9]+\]" if wild[0] == "[*]" else r"[^.\[]*"]
        end = wild.end()
    pieces.append(re.escape(rest[end:]))
    return re.compile((r"(?:.*\.)?" if anywhere else "") + "".join(pieces), re.DOTALL)
