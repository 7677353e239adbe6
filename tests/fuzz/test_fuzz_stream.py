"""Mutated and truncated streams: nothing but StreamError and ImageError, in bounded time and memory.

Every input can be made again from the seed and its number: `mutation(seed, number, corpus)`.
"""

from __future__ import annotations

import json
import random
import time
import tracemalloc
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.fuzz.stream_corpus import built, real
from tests.fuzz.stream_mutations import mutated
from tests.vmstate.streams import Memory
from vmsnap_gui.image.errors import ImageError
from vmsnap_gui.vmstate.devices import VMState, open_state
from vmsnap_gui.vmstate.fields import show, to_json, walk
from vmsnap_gui.vmstate.ram_search import Pattern, search
from vmsnap_gui.vmstate.wire import StreamError

LONGEST = 2.0
"""Seconds of the processor that one input may take."""

MEMORY = 64 << 20
"""Bytes that may be held beside four times the input."""

_TRACED_EVERY = 400
_REAL_SHARE = 0.06  # real streams are some ten times as long as built ones


@dataclass
class Report:
    """What a run of the fuzzer saw.

    Attributes:
        inputs: Inputs driven through.
        opened: How often a state was opened (each input by the tail and forward).
        by_tail: How often the tail was enough.
        refused: How often opening was refused.
        fields: Fields walked over.
        slowest: Seconds of the processor that the slowest input took, and its number.
        most_traced: Most bytes that Python allocated for an input, of those that were traced.
        most_anonymous: Growth of the process' anonymous memory over the run.
    """

    inputs: int = 0
    opened: int = 0
    by_tail: int = 0
    refused: int = 0
    fields: int = 0
    slowest: tuple[float, int] = (0.0, -1)
    most_traced: int = 0
    most_anonymous: int = 0


def mutation(seed: int, number: int, corpus: tuple[list[bytes], list[bytes]]) -> bytes:
    """Make the input of this number again."""
    chance = random.Random(f"{seed}:{number}")
    return mutated(chance.choice(corpus[chance.random() < _REAL_SHARE]), chance)


def fuzz_streams(seed: int, count: int) -> Report:
    """Drive `count` inputs through all of vmstate; AssertionError with seed and number for the first that breaks it."""
    corpus, report = (built(), real()), Report()
    for data in (*corpus[0], *corpus[1]):
        drive(data, report)
    anonymous = _anonymous()
    for number in range(count):
        data = mutation(seed, number, corpus)
        traced = number % _TRACED_EVERY == 0
        if traced:
            tracemalloc.start()
        started = time.process_time()
        try:
            drive(data, report)
        except Exception as error:
            raise AssertionError(f"input {number} of seed {seed}: {error!r}") from error
        seconds = time.process_time() - started
        report.inputs += 1
        if traced:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
            report.most_traced = max(report.most_traced, peak)
            assert peak < MEMORY + 4 * len(data), f"input {number} of seed {seed} takes {peak} bytes"
        elif seconds > report.slowest[0]:
            report.slowest = (seconds, number)
            assert seconds < LONGEST, f"input {number} of seed {seed} takes {seconds:.1f} seconds"
        if number % 100 == 0:
            report.most_anonymous = max(report.most_anonymous, _anonymous() - anonymous)
            assert report.most_anonymous < MEMORY, (
                f"{report.most_anonymous} bytes more at input {number} of seed {seed}"
            )
    return report


def drive(data: bytes, report: Report) -> None:
    """Open a stream both ways and do to it all that a person can do."""
    for forward in (False, True):
        try:
            state = open_state(Memory(data), forward=forward)
        except (StreamError, ImageError):
            report.refused += 1
            continue
        report.opened += 1
        report.by_tail += state.located.value == "tail"
        _decode(state, report)
        _read(state)


def _decode(state: VMState, report: Report) -> None:
    position = 8
    for section in sorted((*state.sections, *state.commands), key=lambda s: s.offset):
        assert section.offset >= position, "sections overlap"
        position = section.end
        root = state.decode(section)
        at = root.offset
        for _, each in walk(root):
            report.fields += 1
            assert "\n" not in show(each), "a value is shown in two lines"
            if not each.kind.is_container:
                assert each.offset == at, "the leaves do not tile the section"
                at += each.size
        assert at == section.end, "the leaves do not cover the section"
        json.dumps(to_json(root))
    if state.configuration is not None:
        json.dumps(to_json(state.configuration))
    assert state.sections or state.problems or state.view.size < 2000, "nothing is shown and nothing said"


def _read(state: VMState) -> None:
    index = state.index_ram()
    for block in index.blocks[:8]:
        block.states()
        for offset in (0, block.length // 2, max(block.length - 300, 0)):
            try:
                index.read(block, offset, min(300, block.length - offset))
            except (StreamError, ImageError):
                continue
        try:
            index.entropy(block, 0, min(block.pages, 4))
            next(search(index, block, Pattern(b"KLMN"), block.length - (1 << 16)), None)
        except (StreamError, ImageError):
            continue


def _anonymous() -> int:
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) << 10 for line in status.splitlines() if line.startswith("RssAnon"))


def test_the_corpus_itself_is_read() -> None:
    report = Report()
    for data in (*built(), *real()):
        drive(data, report)
    assert report.refused == 0
    assert report.by_tail >= 9


@pytest.mark.parametrize("seed", [1])
def test_some_mutations(seed: int) -> None:
    report = fuzz_streams(seed, 2000)
    assert report.inputs == 2000
    assert report.opened > 2000


@pytest.mark.verify
@pytest.mark.parametrize("seed", range(100, 108))
def test_many_mutations(seed: int) -> None:
    report = fuzz_streams(seed, 20_000)
    assert report.inputs == 20_000
    assert report.by_tail > 5000
