"""Which layout describes a section that its stream does not describe: the one that fits to the byte."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from vmsnap_gui.image.errors import Problem
from vmsnap_gui.image.texts import counted
from vmsnap_gui.vmstate.description import DeviceDescription
from vmsnap_gui.vmstate.resolving import Budget, Exhausted, resolve
from vmsnap_gui.vmstate.wire import ShortRead, StreamError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from vmsnap_gui.image.byteview import ByteView
    from vmsnap_gui.vmstate.description import VMStateDescription
    from vmsnap_gui.vmstate.fitting import Fit
    from vmsnap_gui.vmstate.sections import Header, Section

_WINDOWS = tuple(1 << bits for bits in range(12, 23, 2))
"""Bytes to look at, step by step: most sections are short; the longest that is known (gus) has a MiB."""

_MAX_FITTED = 4 << 20
_BEYOND = 4 << 10  # bytes after a section: by them a layout that is too long tells by how much
_OLD_STEPS = 20_000  # fields looked at in sections of old machines: ten times those of the largest that is known
_NAMED = 8  # sections that a sentence names
_STEPS = 80_000  # fields looked at and answers tried, about a second of work


@dataclass(frozen=True, slots=True)
class LayoutSource:
    """Layouts from outside of the stream that they are used for.

    Attributes:
        name: Where they are from, for people.
        machine: The machine type that they are of, None where that is not known.
        layouts: General descriptions by the section's name, and by that without its device's path.
        has_types: Whether they tell the types of fields; QEMU's dumps do not.
    """

    name: str
    machine: str | None
    layouts: Mapping[str, tuple[VMStateDescription, ...]]
    has_types: bool = True

    def candidates(self, name: str) -> tuple[VMStateDescription, ...]:
        """Return the layouts that a section of this name can have, the likelier first."""
        of_device = self.layouts.get(name.rpartition("/")[2], ())
        own = self.layouts.get(name, ())
        return (*own, *(one for one in of_device if one not in own))


def undescribed(sections: Sequence[Section], sources: Sequence[LayoutSource]) -> Problem:
    """Say that nothing describes some sections, and what would; or what was wrong with the layouts that there are."""
    raw = f"nothing describes {counted(len(sections), 'section')}, shown as raw bytes"
    if not sources:
        would = "layouts of its QEMU, or of another state of this machine type, would"
        return Problem(f"{raw}; {would}", sections[0].offset)
    told = []
    known = {name for name in {one.name for one in sections} if any(source.candidates(name) for source in sources)}
    unfit = [one.key for one in sections if one.name in known]
    unknown = [one.key for one in sections if one.name not in known]
    if unfit:
        told.append(f"what the layouts have for {_some(unfit)} does not fit")
    if unknown:
        told.append(f"the layouts have nothing for {_some(unknown)}")
    return Problem(f"{raw}; {', and '.join(told)}", sections[0].offset)


def _some(keys: list[str]) -> str:
    keys = list(dict.fromkeys(keys))
    more = f" and {len(keys) - _NAMED} more" if len(keys) > _NAMED else ""
    return ", ".join(keys[:_NAMED]) + more


class Layouts:
    """Finds layouts for the sections of one stream; what it reads and tries for that is bounded.

    Attributes:
        is_old: Whether the layouts of old machines are looked at, too.
        used: For each source by its name how many sections it describes.
        partly: How many of these only in part: several layouts fit, and agree on no more.
        decided: Decisions that were made by what fits.
    """

    def __init__(self, view: ByteView, sources: Sequence[LayoutSource], *, is_old: bool) -> None:
        """Take where layouts may come from; those of old machines where `is_old` says that the stream is of one."""
        self._view = view
        self._readable = 8 * view.size + (64 << 20)
        self._sources = sources
        self.is_old = is_old
        self._left = _STEPS if sources else _OLD_STEPS
        self._budget = Budget(_OLD_STEPS)
        self._exhausted: int | None = None
        self.used: dict[str, int] = {}
        self.partly: dict[str, int] = {}
        self._untyped = False
        self.decided = 0

    def fitting(self, header: Header, payload: int) -> Iterator[tuple[DeviceDescription, int]]:
        """Yield what can describe the section whose payload starts at `payload`, with where it would end."""
        if not self.is_old or self._budget.steps < 0:
            return
        # all of these take longer to import than to show a stream that describes itself
        from vmsnap_gui.vmstate.eras import candidates

        left = self._view.size - payload
        waiting = [(0, description) for description in candidates(header.name)]  # with the bytes they need, at least
        for window in _WINDOWS:
            available = min(window, left)
            trying = [description for needed, description in waiting if needed <= available]
            if not waiting or self._budget.steps < 0 or self._readable < available:
                return
            if not trying:
                continue
            self._readable -= available
            data = self._view.read(payload, available)
            waiting = [(needed, description) for needed, description in waiting if needed > available]
            for description in trying:
                try:
                    concrete, size = resolve(description, data, 0, available, header.version, budget=self._budget)
                except ShortRead as error:
                    if error.needed is not None and error.needed <= left:
                        waiting.append((error.needed, description))
                except Exhausted:
                    self._give_up(payload)
                    return
                except StreamError:
                    continue
                else:
                    yield DeviceDescription(header.name, header.instance_id, concrete), payload + size

    def bounded(self, header: Header, payload: int, end: int) -> DeviceDescription | None:
        """Return what describes the section whose payload stands between `payload` and `end`, or its beginning."""
        if self._left <= 0 and self._exhausted is not None:
            return None
        length = min(end - payload + _BEYOND, self._view.size - payload)
        candidates = [
            (general, source)
            for source in (*self._sources, *self._old(header.name))
            for general in source.candidates(header.name)
        ]
        if not candidates or end - payload > _MAX_FITTED or self._readable < length:
            return None
        if self._left <= 0:
            self._give_up(payload)
            return None
        self._readable -= length
        data = self._view.read(payload, length)
        best: tuple[Fit, LayoutSource] | None = None
        for found, source in self._fits(header, candidates, data, end - payload):
            if best is None or (found.is_whole, -found.decided) > (best[0].is_whole, -best[0].decided):
                best = found, source
            if found.is_whole and not found.decided:
                break
        if best is None:
            return None
        fit, source = best
        self.used[source.name] = self.used.get(source.name, 0) + 1
        self.partly[source.name] = self.partly.get(source.name, 0) + (not fit.is_whole)
        self._untyped |= not source.has_types
        self.decided += fit.decided
        return DeviceDescription(header.name, header.instance_id, fit.description)

    def _fits(
        self, header: Header, candidates: Sequence[tuple[VMStateDescription, LayoutSource]], data: bytes, end: int
    ) -> Iterator[tuple[Fit, LayoutSource]]:
        from vmsnap_gui.vmstate.fitting import fit

        for general, source in candidates:
            budget = Budget(min(self._left, _STEPS // 2))
            before = budget.steps
            found = fit(general, data, end, header.version, budget)
            self._left -= before - max(budget.steps, 0)
            if found is not None:
                yield found, source

    def _old(self, name: str) -> Iterator[LayoutSource]:
        if self.is_old:
            from vmsnap_gui.vmstate.eras import candidates

            yield LayoutSource("old machines", None, {name: candidates(name)})

    def _give_up(self, payload: int) -> None:
        """Remember from where on nothing is sought any more."""
        if self._exhausted is None:
            self._exhausted = payload

    def notices(self, described: Mapping[int, DeviceDescription]) -> list[Problem]:
        """Say which sections are described from elsewhere, and what was decided by what fits.

        Args:
            described: What describes the stream's sections, by their offset.
        """
        notices = _width_notice(described) if self.is_old else []
        if self.used:
            uses = " and ".join(
                f"{counted(count, 'section')}{self._in_part(name)} by layouts of {name}"
                for name, count in self.used.items()
            )
            places = f"; in {counted(self.decided, 'place')} what they leave open was decided by what fits"
            decided = places if self.decided else ""
            untyped = "; numbers whose type a dump does not tell are shown in hexadecimal" if self._untyped else ""
            message = f"what the stream does not describe itself: {uses}{decided}{untyped}"
            notices.append(Problem(message, min(described), is_notice=True))
        if self._exhausted is not None:
            message = "finding layouts took too much work: from here on, sections may be raw that have one"
            notices.append(Problem(message, self._exhausted))
        return notices

    def _in_part(self, name: str) -> str:
        count = self.partly[name]
        return f" ({count} in part: several layouts fit, and what they do not agree on is raw)" if count else ""


def _width_notice(described: Mapping[int, DeviceDescription]) -> list[Problem]:
    """Say which register width was taken for the processors: nothing in such a stream tells it."""
    for offset, device in described.items():
        fields = device.description.fields if device.name == "cpu" else ()
        width = next((field.size for field in fields if field.name == "env.eip"), None)
        if width is not None:
            message = f"the registers of cpu have {width} bytes: decided by the layout that fits"
            return [Problem(message, offset, is_notice=True)]
    return []
