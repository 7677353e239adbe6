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
    from vmsnap_gui.image.errors import Problem
    from vmsnap_gui.vmstate.fields import Field

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
        own: Whether it comes from the person's own file.
    """

    name: str
    reason: str
    devices: tuple[str, ...] = ("*",)
    paths: tuple[str, ...] = ()
    types: frozenset[str] = frozenset()
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

    def rule(self, path: str, field: Field) -> NoiseRule | None:
        """Return the rule that makes a change of `field` noise, or None."""
        for rule in self.rules:
            if rule.types and field.type not in rule.types:
                continue
            if not rule.paths or any(_expression(pattern).fullmatch(path) for pattern in rule.paths):
                return rule
        return None


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
