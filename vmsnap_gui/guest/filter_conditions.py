"""The conditions of the filter language: each becomes a closure that tests one row."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

from vmsnap_gui.guest.filter_pattern import text_matcher
from vmsnap_gui.guest.filter_text import ORDERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmsnap_gui.vmstate.fields import Value


class FilterRow(Protocol):
    """What a filter looks at in one row of a tree, of a comparison or of a list of matches."""

    @property
    def device(self) -> str:
        """The section's key: "cpu", "cpu:1", "0000:00:1f.2/ich9_ahci"."""

    @property
    def name(self) -> str:
        """The field's own name ("env.eip")."""

    @property
    def path(self) -> str:
        """The field's path in its section, as `walk` gives it; empty for the section itself."""

    @property
    def type(self) -> str:
        """QEMU's type name."""

    @property
    def value(self) -> Value:
        """The value of a leaf; None for what has none."""

    @property
    def size(self) -> int:
        """Bytes."""

    @property
    def offset(self) -> int:
        """First byte, from the start of the stream."""

    @property
    def label(self) -> str | None:
        """The name that the mapping gives it ("RIP"), without the detail."""

    @property
    def changed(self) -> bool:
        """Whether it differs, in a comparison; False elsewhere."""

    @property
    def outcome(self) -> str:
        """What happened to it since a base, one of `OUTCOMES`, or "same"; empty where there is no base."""

    @property
    def problem(self) -> str | None:
        """What is wrong with it, if anything."""


if TYPE_CHECKING:
    Test = Callable[[FilterRow], bool]
    ValueTest = Callable[[Value], bool]

OUTCOMES = ("in_a", "in_b", "both_alike", "both_differently")
"""The words for what happened since a base, as the JSON of comparisons has them."""
_INSTANCE = re.compile(r":\d+$")


def any_of(choices: tuple[Test, ...]) -> Test:
    """Return a test whether any of `choices` holds."""
    if len(choices) == 1:
        return choices[0]

    def test(row: FilterRow) -> bool:
        for choice in choices:  # noqa: SIM110 - any() costs three times as much per row
            if choice(row):
                return True
        return False

    return test


def all_of(parts: tuple[Test, ...]) -> Test:
    """Return a test whether all of `parts` hold."""
    if len(parts) == 1:
        return parts[0]

    def test(row: FilterRow) -> bool:
        for part in parts:  # noqa: SIM110 - see any_of
            if not part(row):
                return False
        return True

    return test


def word(text: str) -> Test:
    """Return a test whether device, path or label contain `text`, ignoring case."""
    needle = text.casefold()
    dotted = "." in needle

    def test(row: FilterRow) -> bool:
        path = row.path.casefold()
        device = row.device.casefold()
        if needle in path or needle in device:
            return True
        label = row.label
        if label is not None and needle in label.casefold():
            return True
        return dotted and needle in f"{device}.{path}"

    return test


def number_value(op: str, wanted: int | float, text: str) -> ValueTest:
    """Return a test of a value against a number (written as `text`, which is what texts are compared with)."""
    compare = ORDERS[op]
    same_text = {"==": True, "!=": False}.get(op)
    lowered = text.casefold()

    def test(value: Value) -> bool:
        if isinstance(value, (int, float)):
            return compare(value, wanted)
        if same_text is None or value is None:
            return False
        if isinstance(value, str):
            return (value.casefold() == lowered) is same_text
        return not same_text

    return test


def text_value(wanted: str, equal: bool) -> ValueTest:
    """Return a test whether a text or a buffer is `wanted`; a buffer as hex digits or as text without its padding."""
    lowered = wanted.casefold()
    as_bytes = _hex(wanted)

    def same(value: Value) -> bool:
        if isinstance(value, str):
            return value.casefold() == lowered
        if isinstance(value, bytes):
            return value == as_bytes or value.rstrip(b"\0").lower() == wanted.lower().encode("utf-8", "replace")
        return False

    return lambda value: value is not None and same(value) is equal


def truth_value(wanted: bool, equal: bool) -> ValueTest:
    """Return a test of a boolean; other kinds of values are neither equal nor unequal to one."""
    return lambda value: isinstance(value, bool) and (value is wanted) is equal


def contains_value(pattern: str, expected: bool) -> ValueTest:
    """Return a test whether a value, written out, contains `pattern`: numbers as hex and decimal, buffers as bytes.

    Raises:
        PatternError: see `text_matcher`.
    """
    matches = text_matcher(pattern)
    as_bytes = _hex(pattern)
    as_text = pattern.lower().encode("utf-8", "replace")

    def found(value: Value) -> bool:
        if isinstance(value, str):
            return matches(value)
        if isinstance(value, bytes):
            return (as_bytes is not None and as_bytes in value) or as_text in value.lower()
        if isinstance(value, int) and not isinstance(value, bool):
            return matches(hex(value)) or matches(str(value))
        return matches(str(value))

    return lambda value: value is not None and found(value) is expected


def _hex(text: str) -> bytes | None:
    try:
        return bytes.fromhex(text) or None
    except ValueError:
        return None


def null(equal: bool) -> Test:
    """Return a test for NULL pointers; only a leaf of that type is one, any other value is not."""
    if equal:
        return lambda row: row.value is None and row.type in ("nullptr", "ptr-marker")
    return lambda row: row.value is not None


def path_is(text: str) -> Test:
    """Return a test whether a row is the field `text`: the end of its path, or its label, with or without its device.

    Only whole components count: "eip" is not the end of "env.old_eip". A device may be named with or without its
    instance ("cpu" names all of them, "cpu:0" the first) and its bus address.
    """
    wanted = text.casefold()
    tail = re.split(r"[./]", wanted)[-1]
    ends = (f".{wanted}", f"/{wanted}")

    def is_it(full: str) -> bool:
        return full == wanted or full.endswith(ends)

    def test(row: FilterRow) -> bool:
        path = row.path.casefold()
        label = (row.label or "").casefold()
        here = [name for name in (path, label) if name.endswith(tail)]
        if not here:
            return not path and any(is_it(name) for name in _device_names(row.device))
        if any(is_it(name) for name in here):
            return True
        return any(is_it(f"{device}.{name}") for device in _device_names(row.device) for name in here)

    return test


def device_is(text: str) -> Test:
    """Return a test whether a row is of the device `text`, named with or without instance and bus address."""
    wanted = text.casefold()
    end = f"/{wanted}"

    @lru_cache(maxsize=4096)  # rows are many, devices few
    def is_it(device: str) -> bool:
        return any(name == wanted or name.endswith(end) for name in _device_names(device))

    return lambda row: is_it(row.device)


@lru_cache(maxsize=4096)
def _device_names(device: str) -> tuple[str, ...]:
    key = device.casefold()
    bare = _INSTANCE.sub("", key)
    return (key, f"{key}:0") if bare == key else (key, bare)
