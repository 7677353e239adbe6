"""Layouts that are damaged, or used for bytes they are not of: only StreamError, in bounded time and memory.

Every input can be made again from its seed and number.
"""

from __future__ import annotations

import contextlib
import json
import random
import time
import tracemalloc
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

import pytest

from tests.fuzz.stream_corpus import built, real
from tests.fuzz.stream_mutations import JSON_VALUES, mutated
from tests.fuzz.test_fuzz_stream import LONGEST, MEMORY
from tests.samples import QCOW2, sample
from tests.vmstate.checks import check_state
from tests.vmstate.streams import Memory
from tests.vmstate.test_siblings import undescribed
from vmsnap_gui.image.containers import open_image
from vmsnap_gui.vmstate.decoder import Decoder
from vmsnap_gui.vmstate.description import Doubt, Pointers, VMStateDescription, VMStateField
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.dumped import read_dump
from vmsnap_gui.vmstate.fitting import Budget, fit
from vmsnap_gui.vmstate.resolving import resolve
from vmsnap_gui.vmstate.sections import SectionType
from vmsnap_gui.vmstate.siblings import source_of
from vmsnap_gui.vmstate.tail import find_tail
from vmsnap_gui.vmstate.wire import StreamError

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmsnap_gui.vmstate.layouts import LayoutSource

NUMBERS = (0, 1, 2, 3, 4, 8, 48, 255, 4096, 65535, 1 << 20, (1 << 31) - 1, 1 << 31, -1, 1 << 64)
SIZES = (0, 1, 1, 2, 2, 3, 4, 4, 8, 8, 16, 48, 256)
TYPES = ("uint8", "uint16", "uint32", "uint64", "(uint8)", "(uint32)", "(bytes)", "buffer", "bool", "struct", "vstruct",
         "qtailq", "qlist", "(list)", "str", "capability", "nullptr", "gtree", "unheard-of")  # fmt: skip


@cache
def bare_streams() -> tuple[bytes, ...]:
    """Streams that describe themselves, without that."""
    found = []
    for data in (*built(), *real()):
        if find_tail(Memory(data)) is not None:
            found.append(undescribed(Memory(data)).data)
    return tuple(found)


@cache
def sources() -> tuple[LayoutSource, ...]:
    """The layouts of those streams."""
    states = [open_state(Memory(data)) for data in (*built(), *real()) if find_tail(Memory(data)) is not None]
    return tuple(source_of([state], "its own") for state in states)


@cache
def era_streams() -> tuple[bytes, ...]:
    """The devices of old machines, without their memory."""
    found = []
    for name in QCOW2:
        if name.startswith("seed-era"):
            with contextlib.closing(open_image(sample(name))) as image:
                view = image.vm_state(image.snapshots[-1])
                devices = [s for s in open_state(view).sections if s.type is SectionType.FULL]
                found.append(view.read(0, 8) + b"".join(view.read(s.offset, s.size) for s in devices) + b"\0")
    return tuple(found)


def dump_of(source: LayoutSource, chance: random.Random) -> dict[str, Any]:
    """Write layouts as a QEMU would dump them."""

    def write(description: VMStateDescription) -> dict[str, Any]:
        fields = []
        for one in description.fields:
            entry: dict[str, Any] = {"field": one.name, "version_id": 0, "field_exists": one.maybe, "size": one.size}
            if one.is_array:
                entry["num"] = one.count
            if one.nested:
                entry["Description"] = write(one.nested[0])
            fields.append(entry)
        newest = min(description.version_id, 1 << 20)
        return {
            "name": description.name, "version_id": newest, "minimum_version_id": chance.choice((0, newest)),
            "Fields": fields, "Subsections": [write(one) for one in description.subsections],
        }  # fmt: skip

    classes = {name: {"Name": name, "Description": write(one)} for name, (one, *_) in source.layouts.items()}
    return {"vmschkmachine": {"Name": "pc"}, **classes}


def damaged(document: object, chance: random.Random) -> bytes:
    """Put other values into a JSON document."""
    places: list[tuple[Any, Any]] = []

    def collect(value: object) -> None:
        items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
        for key, inner in items:
            places.append((value, key))
            collect(inner)

    collect(document)
    for _ in range(chance.choice((1, 1, 2, 5, 20))):
        holder, key = chance.choice(places)
        value = holder.get(key) if isinstance(holder, dict) else holder[key % len(holder)] if holder else None
        if isinstance(value, bool):
            value = not value
        elif isinstance(value, int):
            value = chance.choice(NUMBERS)
        elif isinstance(value, list) and value:
            value = chance.choice((value * chance.choice((2, 50)), value[::-1], value[1:]))
        elif chance.random() < 0.3:
            value = json.loads(chance.choice(JSON_VALUES))
        if isinstance(holder, dict):
            holder[key] = value
        elif holder:
            holder[key % len(holder)] = value
    data = json.dumps(document).encode()
    return data if chance.random() < 0.95 else data[: chance.randrange(len(data))]


def damaged_dump(chance: random.Random) -> None:
    number = chance.randrange(len(sources()))
    document = dump_of(sources()[number], chance)
    try:
        source = read_dump(damaged(document, chance), "damaged")
    except StreamError:
        return
    describe(bare_streams()[number], source)


def damaged_sibling(chance: random.Random) -> None:
    data = mutated(chance.choice(built()), chance)
    try:
        state = open_state(Memory(data))
    except StreamError:
        return
    describe(chance.choice(bare_streams()[:6]), source_of([state], "damaged"))


def damaged_target(chance: random.Random) -> None:
    number = chance.randrange(len(sources()))
    data = mutated(bare_streams()[number], chance)
    try:
        describe(data, sources()[number])
    except StreamError:
        return


def damaged_era(chance: random.Random) -> None:
    try:
        check_state(open_state(Memory(mutated(chance.choice(era_streams()), chance))))
    except StreamError:
        return


def random_layout(chance: random.Random) -> None:
    """Fit and decode a description of nothing real."""
    general = description(chance, 0)
    data = bytes(chance.choice((0, 0, 1, 1, 2, 5, 48, chance.randrange(256))) for _ in range(chance.randrange(400)))
    end, version = chance.randrange(len(data) + 1), chance.choice((0, 1, general.version_id))
    with contextlib.suppress(StreamError):
        end = chance.choice((end, resolve(general, data, 0, len(data), version)[1]))
    found = fit(general, data, end, version, Budget(20_000))
    if found is None:
        return
    size = found.description.payload_size
    assert size == end if found.is_whole else size <= end
    nodes, reached = Decoder(data, 0).description(found.description, 0, end)
    assert reached == size
    assert sum(node.size for node in nodes) == size


def description(chance: random.Random, depth: int) -> VMStateDescription:
    fields = tuple(random_field(chance, depth, number) for number in range(chance.randrange(6)))
    subsections = tuple(description(chance, depth + 1) for _ in range(chance.choice((0, 0, 1)) if depth < 3 else 0))
    return VMStateDescription(
        chance.choice(("", "a", "b")), chance.randrange(4), fields, subsections, chance.randrange(2)
    )


def random_field(chance: random.Random, depth: int, number: int) -> VMStateField:
    nested = (description(chance, depth + 1),) if depth < 4 and chance.random() < 0.4 else ()
    field = VMStateField(
        f"f{number}",
        chance.choice(TYPES),
        chance.choice(SIZES),
        chance.choice((0, 1, 1, 2, 5, 60)),
        chance.random() < 0.3,
        nested,
        version_id=chance.randrange(3),
        maybe=chance.random() < 0.3,
        doubt=chance.choice(tuple(Doubt)),
        pointers=chance.choice(tuple(Pointers)) if nested else Pointers.NONE,
        sizes=chance.choice(((), (8,))),
    )
    return field if field.is_array else replace(field, count=1)


def describe(data: bytes, source: LayoutSource) -> None:
    """Open a stream with these layouts and look at all of it."""
    check_state(open_state(Memory(data), layouts=lambda _machine: [source]))


KINDS = {damaged_dump: 100, damaged_sibling: 100, damaged_target: 60, damaged_era: 30, random_layout: 2000}
"""What is damaged, and how many inputs take a few seconds."""


def fuzz(kind: Callable[[random.Random], None], seed: int, count: int) -> None:
    for number in range(count):
        chance = random.Random(f"{kind.__name__}:{seed}:{number}")
        traced = number % 100 == 50
        if traced:
            tracemalloc.start()
        started = time.process_time()
        try:
            kind(chance)
        except Exception as error:
            error.add_note(f"input {number} of seed {seed}")
            raise
        seconds = time.process_time() - started
        if traced:
            assert tracemalloc.get_traced_memory()[1] < MEMORY, f"input {number} of seed {seed}"
            tracemalloc.stop()
        else:
            assert seconds < LONGEST, f"input {number} of seed {seed} takes {seconds:.1f} seconds"


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_some_damaged_layouts(kind: Callable[[random.Random], None]) -> None:
    fuzz(kind, 1, KINDS[kind])


@pytest.mark.verify
@pytest.mark.parametrize("seed", range(100, 103))
@pytest.mark.parametrize("kind", KINDS)
def test_many_damaged_layouts(kind: Callable[[random.Random], None], seed: int) -> None:
    fuzz(kind, seed, 12 * KINDS[kind])
