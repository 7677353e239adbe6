"""The bytes that a hex view shows: pages of its source, fetched when they come into sight."""

from __future__ import annotations

from collections import OrderedDict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmsnap_gui.views.byte_source import ByteSource

PAGE = 4096
_KEPT = 512
"""Pages that are kept: 2 MiB."""
_AT_ONCE = 16
"""Pages in one request."""
_AROUND = 2
"""Pages before and after those in sight that are fetched too."""


class PageCache:
    """Pages of one source. There is at most one request under way; what comes next is decided when it is answered.

    So nothing queues up while somebody drags the scroll bar, and the page in sight is never far back in a queue.

    Attributes:
        source: Where the bytes come from.
    """

    def __init__(self, source: ByteSource, arrived: Callable[[], object]) -> None:
        """Call `arrived` whenever there are new bytes, or an error instead."""
        self.source = source
        self._arrived = arrived
        self._pages: OrderedDict[int, bytes | Exception] = OrderedDict()
        self._seen = range(0)
        self._wanted: list[int] = []
        self._alone: set[int] = set()  # pages of a request that failed: each is asked for again by itself
        self._busy = False

    @property
    def error(self) -> Exception | None:
        """Why bytes in sight could not be read; None if they could."""
        found = (self._pages.get(page) for page in self._seen)
        return next((one for one in found if isinstance(one, Exception)), None)

    def want(self, start: int, end: int) -> None:
        """Have the bytes from `start` to `end` fetched, and then those around them; what was wanted before is not."""
        pages = -(-self.source.size // PAGE)
        seen = range(start // PAGE, min(pages, -(-end // PAGE)))
        after = range(seen.stop, min(pages, seen.stop + _AROUND))
        before = range(max(0, seen.start - _AROUND), seen.start)
        self._seen, self._wanted = seen, [*seen, *after, *before]
        for page in self._wanted:
            if page in self._pages:
                self._pages.move_to_end(page)
        self._ask()

    def get(self, offset: int, length: int) -> bytes | None:
        """Return bytes if all of them are here; fewer at the source's end."""
        end = min(offset + length, self.source.size)
        if offset >= end:
            return b""
        parts = [self._pages.get(page) for page in range(offset // PAGE, (end - 1) // PAGE + 1)]
        here = [part for part in parts if isinstance(part, bytes)]
        if len(here) < len(parts):
            return None
        first = offset // PAGE * PAGE
        return b"".join(here)[offset - first : end - first]

    def has_failed(self, offset: int) -> bool:
        """Whether the bytes at `offset` could not be read."""
        return isinstance(self._pages.get(offset // PAGE), Exception)

    def _ask(self) -> None:
        if self._busy:
            return
        missing = [page for page in self._wanted if page not in self._pages]
        if not missing:
            return
        first = missing[0]
        count = 1
        most = 1 if first in self._alone else min(_AT_ONCE, len(missing))
        while count < most and missing[count] == first + count:
            count += 1
        self._busy = True
        length = min(count * PAGE, self.source.size - first * PAGE)
        self.source.request(first * PAGE, length, lambda result: self._take(first, count, result))

    def _take(self, first: int, count: int, result: bytes | Exception) -> None:
        self._busy = False
        if isinstance(result, Exception) and count > 1:
            # One page that cannot be read must not hide those around it.
            self._alone.update(range(first, first + count))
            self._ask()
            return
        self._alone.discard(first)
        for i in range(count):
            self._pages[first + i] = result if isinstance(result, Exception) else result[i * PAGE : (i + 1) * PAGE]
        while len(self._pages) > _KEPT:
            self._pages.popitem(last=False)
        self._arrived()
        self._ask()
