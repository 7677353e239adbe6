"""Layouts that leave something open, fitted to a section whose end is known: what covers it to the byte.

A layout from -dump-vmstate does not tell which fields are there and how many elements are saved, one from another
state tells what was there in that one. So the likeliest is tried first, then what differs from that in one decision,
and so on, all of one likelihood before the next. Where several fit equally well, only what they agree on is believed.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.description import Doubt
from vmsnap_gui.vmstate.resolving import Budget, Exhausted, resolve
from vmsnap_gui.vmstate.wire import ShortRead, StreamError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from vmsnap_gui.vmstate.description import VMStateDescription, VMStateField

_MAX_RUNS = 300
_MAX_SOLUTIONS = 64
_MAX_COST = 9
_NEAR = 256  # numbers before a count that may be it
_MAX_NUMBER = 1 << 16  # that is taken for a count
_PRESENCE, _SIZE = 2, 2
_COUNTED, _FREE, _UNSOLVED = {Doubt.FULL: 2, Doubt.SLIGHT: 3}, {Doubt.FULL: 3, Doubt.SLIGHT: 6}, 2
"""What decisions cost: a field there or not, another likely size; a number that an earlier field has, and any other;
more where that does not make up for all that is missing."""

Script = tuple[tuple[int, int], ...]
"""Decisions that differ from the likeliest: (number of the question, answer), in order."""


@dataclass(slots=True)
class _Question:
    """Something that was decided: what else it could be, each with its cost, and the bytes that one more takes."""

    default: int
    others: dict[int, int]
    seen: tuple[tuple[list[int], int], ...] = ()  # numbers in the stream, and how many of each list came before
    doubt: Doubt = Doubt.NONE  # whether it can be anything
    unit: int = 0

    @property
    def likely(self) -> frozenset[int]:
        return frozenset(number for numbers, end in self.seen for number in numbers[max(0, end - _NEAR) : end])


class Guide:
    """Decides what a description leaves open, by a script.

    Attributes:
        questions: What was decided so far.
        arrays: In how many arrays of structs, within each other, the reading is.
    """

    def __init__(self, script: Script, budget: Budget) -> None:
        self.questions: list[_Question] = []
        self.arrays = 0
        self._script = dict(script)
        self._seen: list[list[int]] = []  # for each description that is being read the numbers in it so far
        self._budget = budget

    def step(self, count: int = 1) -> None:
        """Count work; raises Exhausted."""
        self._budget.take(count)

    def is_there(self, likely: bool) -> bool:
        """Decide whether a field is there."""
        return bool(self._decide(_Question(likely, {not likely: _PRESENCE})))

    def enter(self) -> None:
        """Begin a description within those that are being read."""
        self._seen.append([])

    def leave(self) -> None:
        """End the innermost description."""
        self._seen.pop()

    def asks(self, doubt: Doubt) -> bool:
        """Tell whether a number is to be decided: in each element of an array only what is quite unknown."""
        return doubt is Doubt.FULL or (doubt is Doubt.SLIGHT and not self.arrays)

    def saw(self, values: Iterable[int | bytes]) -> None:
        """Take values of fields of the innermost description."""
        self._seen[-1] += [value for value in values if isinstance(value, int) and 0 <= value < _MAX_NUMBER]

    def number(self, likely: int, sizes: tuple[int, ...], doubt: Doubt) -> int:
        """Decide a count or size."""
        named = tuple((numbers, len(numbers)) for numbers in self._seen)
        return self._decide(_Question(likely, dict.fromkeys(sizes, _SIZE), named, doubt))

    @property
    def asked(self) -> int:
        """The number of the last question."""
        return len(self.questions) - 1

    def measured(self, number: int, unit: int) -> None:
        """Take what one more of what was decided would take, in bytes; 0 where that is not known."""
        self.questions[number].unit = unit

    def is_free(self, script: Script) -> bool:
        """Tell whether a number in a script is one that nothing speaks for, but that it makes up for a difference."""
        decided = [(self.questions[number], answer) for number, answer in script]
        return any(q.doubt is not Doubt.NONE and a not in q.others and a not in q.likely for q, a in decided)

    def _decide(self, question: _Question) -> int:
        number = len(self.questions)
        self.questions.append(question)
        return self._script.get(number, question.default)


@dataclass(frozen=True, slots=True)
class Fit:
    """A layout that fits.

    Attributes:
        description: The concrete description.
        decided: How many decisions differ from the likeliest.
        is_whole: Whether it covers the section; otherwise it is what several layouts that fit agree on.
    """

    description: VMStateDescription
    decided: int
    is_whole: bool


@dataclass(order=True, slots=True)
class _Try:
    cost: int
    number: int
    script: Script = field(compare=False)


def fit(general: VMStateDescription, data: bytes, end: int, version: int, budget: Budget) -> Fit | None:
    """Find the layout that covers `data` up to `end`.

    Args:
        general: What the section can hold.
        data: Its payload, and perhaps what follows: a layout that is too long tells by how much.
        end: Where the payload ends.
        version: The stream's version of the section.
        budget: What all fitting of one stream may take.

    Returns:
        The likeliest layout, or what several that are as likely have in common; None where none fits.
    """
    waiting = [_Try(0, 0, ())]
    found: list[VMStateDescription] = []
    best, most, made = waiting[0], _MAX_COST, 1
    for _ in range(_MAX_RUNS):
        if not waiting or waiting[0].cost > most or len(found) >= _MAX_SOLUTIONS:
            break
        attempt = heapq.heappop(waiting)
        guide = Guide(attempt.script, budget)
        reached = None
        try:
            concrete, reached = resolve(general, data, 0, len(data), version, guide)
        except Exhausted:
            return None
        except ShortRead:
            pass
        except StreamError:
            if not guide.questions:
                return None
        if reached == end:
            if not found:
                best, most = attempt, attempt.cost + (_PRESENCE if guide.is_free(attempt.script) else 0)
            if concrete not in found:
                found.append(concrete)
            continue
        try:
            for script, cost in _next(attempt, guide, None if reached is None else end - reached, most):
                heapq.heappush(waiting, _Try(cost, made, script))
                made += 1
        except Exhausted:
            return None
    else:
        return None if waiting and waiting[0].cost <= most else _outcome(found, best)
    return _outcome(found, best)


def _next(attempt: _Try, guide: Guide, missing: int | None, most: int) -> Iterator[tuple[Script, int]]:
    """Yield the scripts that decide one thing more than this one and cost at most `most`, each with its cost."""
    spare = most - attempt.cost
    for number in range(attempt.script[-1][0] + 1 if attempt.script else 0, len(guide.questions)):
        question = guide.questions[number]
        answers = _answers(question, missing, spare)
        guide.step(1 + len(answers))
        for answer, cost in answers.items():
            if cost <= spare and answer != question.default:
                yield (*attempt.script, (number, answer)), attempt.cost + cost


def _answers(question: _Question, missing: int | None, spare: int) -> dict[int, int]:
    """Return what else can be answered, with its cost."""
    answers = dict(question.others)
    if question.doubt is Doubt.NONE or spare < _COUNTED[question.doubt]:
        return answers
    if missing is not None and question.unit and missing % question.unit == 0:
        solved = question.default + missing // question.unit
        if solved >= 0:
            costs = _COUNTED if solved in question.likely else _FREE
            answers.setdefault(solved, costs[question.doubt])
    if question.doubt is Doubt.FULL:  # two counts that are nearly always 1 are not both another
        for value in question.likely:
            answers.setdefault(value, _COUNTED[question.doubt] + _UNSOLVED)
    return answers


def _outcome(found: list[VMStateDescription], best: _Try) -> Fit | None:
    if not found:
        return None
    if len(found) == 1:
        return Fit(found[0], len(best.script), is_whole=True)
    common = _common(found)
    return Fit(common, len(best.script), is_whole=False) if common.fields else None


def _common(found: list[VMStateDescription]) -> VMStateDescription:
    """Return what these descriptions begin with, all of them."""
    fields: list[VMStateField] = []
    for same in zip(*(one.fields for one in found), strict=False):
        if all(one == same[0] for one in same):
            fields.append(same[0])
            continue
        if all(len(one.nested) == 1 and not one.is_array and one.name == same[0].name for one in same):
            nested = _common([one.nested[0] for one in same])
            if nested.fields:
                fields.append(replace(same[0], size=nested.payload_size, nested=(nested,)))
        break
    else:
        if all(len(one.fields) == len(fields) for one in found):
            subsections = [sub for sub in found[0].subsections if all(sub in one.subsections for one in found)]
            return replace(found[0], subsections=tuple(subsections))
    return replace(found[0], fields=tuple(fields), subsections=())
