"""Ways to damage a stream: bytes, numbers, borders, and the vmdesc's text with its length put right again."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from tests.vmstate.streams import u32

if TYPE_CHECKING:
    import random

NUMBERS = (0, 1, 2, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0xFFFF, 1 << 20, 1 << 31, (1 << 32) - 1, 1 << 63, (1 << 64) - 1)
JSON_NUMBERS = (
    "0", "1", "-1", "2", "255", "4096", "65537", "4294967295", "4294967296", "9223372036854775808",
    "18446744073709551615", "18446744073709551616", "1e400", "-1e400", "1.5", "1e5", "NaN", "Infinity", "9" * 5000,
)  # fmt: skip
JSON_VALUES = (
    "null",
    "true",
    "[]",
    "{}",
    '""',
    '"x"',
    '"\\ud800"',
    '"\\u0000"',
    '"' + "n" * 300 + '"',
    "[[[[]]]]",
    '{"a": {}}',
)
TYPES = (
    "struct", "vstruct", "tmp", "qtailq", "qlist", "gtree", "nullptr", "ptr-marker", "str", "capability", "bool",
    "timer", "uint8", "int64", "float64", "buffer", "uint32 equal", "unheard-of", "",
)  # fmt: skip
_NUMBER = re.compile(rb"(?<=: )-?\d+")
_VALUE = re.compile(rb'(?<=: )("[^"]*"|-?\d+|\{\}|\[\])')
_PAIR = re.compile(rb'"\w+": ("[^"]*"|-?\d+)(, )?')
_TYPE = re.compile(rb'(?<="type": ")[^"]*')
_OBJECT = re.compile(rb"\{[^{}]*\}")
_PLACES = re.compile(rb"[\x01-\x04]\0\0\0[\0-\x40]|\x7e\0\0\0[\0-\x40]|\x06\0\0|\x05[\x04-\x40][a-z]|\x07\0\0\0")


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Damage a stream in one to three ways."""
    for _ in range(chance.choice((1, 1, 1, 2, 3))):
        kind = chance.random()
        if kind < 0.35:
            data = _with_vmdesc(data, chance)
        elif kind < 0.9:
            data = chance.choice(_BYTES)(data, chance)
        else:
            data = data[: _place(data, chance)]
    return data


def _place(data: bytes, chance: random.Random) -> int:
    """Choose where to damage: anywhere, or near what frames sections."""
    if chance.random() < 0.6:
        start = chance.randrange(len(data) + 1)
        found = _PLACES.search(data, start)
        if found is not None:
            return min(found.start() + chance.randrange(16), len(data))
    return chance.randrange(len(data) + 1)


def _replace_bytes(data: bytes, chance: random.Random) -> bytes:
    at = _place(data, chance)
    new = bytes(
        chance.choice((0, 1, 2, 4, 5, 6, 7, 8, 0x7B, 0x7E, 0x80, 0xFF, chance.randrange(256))) for _ in range(1)
    )
    return data[:at] + new + data[at + 1 :]


def _flip_bit(data: bytes, chance: random.Random) -> bytes:
    at = _place(data, chance)
    return data[:at] + bytes(b ^ 1 << chance.randrange(8) for b in data[at : at + 1]) + data[at + 1 :]


def _replace_number(data: bytes, chance: random.Random) -> bytes:
    at, width = _place(data, chance), chance.choice((2, 4, 8))
    number = chance.choice(NUMBERS) & (1 << 8 * width) - 1
    return data[:at] + number.to_bytes(width, "big") + data[at + width :]


def _delete(data: bytes, chance: random.Random) -> bytes:
    at = _place(data, chance)
    return data[:at] + data[at + chance.choice((1, 2, 4, 5, 8, 9, 100, 1000)) :]


def _repeat(data: bytes, chance: random.Random) -> bytes:
    at, length = _place(data, chance), chance.choice((1, 5, 9, 14, 50, 300))
    return data[:at] + data[at : at + length] * chance.choice((2, 3, 30)) + data[at + length :]


def _insert(data: bytes, chance: random.Random) -> bytes:
    at = _place(data, chance)
    new = chance.choice(
        (bytes(chance.randrange(20)), b"\xff" * 8, chance.randbytes(chance.randrange(1, 40)), b"\x7e\0\0\0\x01" * 3)
    )
    return data[:at] + new + data[at:]


def _move(data: bytes, chance: random.Random) -> bytes:
    at, to, length = _place(data, chance), _place(data, chance), chance.randrange(1, 200)
    return data[:to] + data[at : at + length] + data[to:]


def _follow(data: bytes, chance: random.Random) -> bytes:
    return data + chance.choice((bytes(chance.randrange(600)), b"}", b"junk}", data[-50:], data))


_BYTES = (
    _replace_bytes, _replace_bytes, _flip_bit, _replace_number, _replace_number, _delete, _repeat, _insert, _move,
    _follow,
)  # fmt: skip


def _with_vmdesc(data: bytes, chance: random.Random) -> bytes:
    """Damage the vmdesc's text, and put its length right, mostly."""
    start = data.rfind(b'{"page_size"')
    start = start if start >= 0 else data.rfind(b'{"devices"')
    if start < 6:
        return chance.choice(_BYTES)(data, chance)
    padding = len(data) - len(data.rstrip(b"\0"))
    text = data[start : len(data) - padding]
    for _ in range(chance.choice((1, 1, 2, 5))):
        text = chance.choice(_TEXTS)(text, chance)
    length = u32(len(text)) if chance.random() < 0.95 else data[start - 4 : start]
    return data[: start - 4] + length + text + bytes(padding)


def _sub(pattern: re.Pattern[bytes], text: bytes, new: bytes, chance: random.Random) -> bytes:
    """Replace one match of a pattern, any of those after a random place."""
    found = pattern.search(text, chance.randrange(len(text) + 1)) or pattern.search(text)
    return text if found is None else text[: found.start()] + new + text[found.end() :]


def _number(text: bytes, chance: random.Random) -> bytes:
    return _sub(_NUMBER, text, chance.choice(JSON_NUMBERS).encode(), chance)


def _value(text: bytes, chance: random.Random) -> bytes:
    return _sub(_VALUE, text, chance.choice(JSON_VALUES).encode(), chance)


def _type(text: bytes, chance: random.Random) -> bytes:
    return _sub(_TYPE, text, chance.choice(TYPES).encode(), chance)


def _without_pair(text: bytes, chance: random.Random) -> bytes:
    return _sub(_PAIR, text, b"", chance)


def _pair_again(text: bytes, chance: random.Random) -> bytes:
    found = _PAIR.search(text, chance.randrange(len(text) + 1))
    return text if found is None else text[: found.end()] + found[0].rstrip(b", ") + b", " + text[found.end() :]


def _array(text: bytes, chance: random.Random) -> bytes:
    count, size = chance.choice((0, 2, 4097, 65536, 1 << 32, (1 << 64) - 1)), chance.choice((0, 0, 1, 1 << 32))
    new = f'{{"name": "x", "array_len": {count}, "type": "{chance.choice(TYPES)}", "size": {size}}}'
    return _sub(_OBJECT, text, new.encode(), chance)


def _deep(text: bytes, chance: random.Random) -> bytes:
    depth = chance.choice((3, 40, 47, 48, 200, 10_000))
    if chance.random() < 0.5:
        return _sub(_VALUE, text, b"[" * depth + b"]" * depth, chance)
    size = chance.choice((b"0", b"1", b"4"))
    end = b'"size": ' + size + b"}"
    head = b'{"name": "d", "type": "struct", "array_len": 2, "struct": {"fields": ['
    return _sub(
        _OBJECT, text, head * depth + b'{"name": "e", "type": "uint8", ' + end + (b"]}, " + end) * depth, chance
    )


def _device(text: bytes, chance: random.Random) -> bytes:
    """Repeat, drop or exchange devices."""
    parts = re.split(rb'(?=\{"name": "[^"]*", "instance_id")', text)
    if len(parts) < 3:
        return text
    i, j = chance.randrange(1, len(parts)), chance.randrange(1, len(parts))
    kind = chance.randrange(3)
    if kind == 0:
        parts[i] = parts[i].rstrip(b"]}, ") and parts[j]
    elif kind == 1:
        del parts[i]
    else:
        parts[i], parts[j] = parts[j], parts[i]
    return b"".join(parts)


def _text_bytes(text: bytes, chance: random.Random) -> bytes:
    return chance.choice((_replace_bytes, _delete, _repeat, _insert))(text, chance)


_TEXTS = (
    _number,
    _number,
    _number,
    _value,
    _value,
    _type,
    _type,
    _without_pair,
    _pair_again,
    _array,
    _array,
    _deep,
    _device,
    _text_bytes,
)
