"""Memory and disk in the HTML report: what changed, a picture of it, and the ranges."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from vmsnap_gui.compare import report_map
from vmsnap_gui.compare.change import Change
from vmsnap_gui.compare.report_planes import disk_facts, disk_plane, memory_planes, plane_line
from vmsnap_gui.compare.report_rows import SHORT
from vmsnap_gui.image.texts import counted, size_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from vmsnap_gui.compare.comparison import Comparison
    from vmsnap_gui.compare.disk import DiskComparison
    from vmsnap_gui.compare.report_planes import PlaneReport, RangeRow


def memory_part(comparison: Comparison) -> Iterator[str]:
    """Yield the blocks of memory in which something differs."""
    assert comparison.ram is not None
    planes, left = memory_planes(comparison)
    yield '<section id="memory"><h2>Memory</h2>'
    same = [block for block in comparison.ram.blocks if not block.differing]
    if not planes:
        yield "<p>No page differs.</p>"
    for plane in planes:
        yield f"<h3>{escape(plane.name)}</h3><p>{escape(plane_line(plane))}.</p>"
        yield from _plane(plane)
    if left:
        yield f"<p>{counted(left, 'more block')}: the JSON report has all.</p>"
    if same and planes:
        yield f'<p class="soft">In {counted(len(same), "more block")} of memory no page differs.</p>'
    yield "</section>"


def disk_part(disk: DiskComparison) -> Iterator[str]:
    """Yield the disk."""
    plane = disk_plane(disk)
    yield '<section id="disk"><h2>Disk</h2>'
    line = plane_line(plane)
    yield f"<p>{escape(line[0].upper() + line[1:])}. {escape(disk_facts(disk))}</p>"
    if plane.ranges:
        yield from _plane(plane)
    rows = [
        ("Stored as they are", disk.use_a.data, disk.use_b.data),
        ("Compressed", disk.use_a.compressed, disk.use_b.compressed),
        ("Marked as zeros", disk.use_a.zero, disk.use_b.zero),
        ("Not allocated", disk.use_a.unallocated, disk.use_b.unallocated),
        ("Damaged", disk.use_a.damaged, disk.use_b.damaged),
    ]
    yield '<table class="few short"><caption>How the bytes of the disk are stored</caption>'
    yield '<thead><tr><th scope="col">Bytes</th><th scope="col" class="count">A</th>'
    yield '<th scope="col" class="count">B</th></tr></thead><tbody>'
    for what, a, b in rows:
        if a or b:
            cells = "".join(f'<td class="count">{size_text(number)}</td>' for number in (a, b))
            yield f'<tr><th scope="row">{what}</th>{cells}</tr>'
    yield "</tbody></table></section>"


def _plane(plane: PlaneReport) -> Iterator[str]:
    """Yield the picture and the ranges."""
    what = escape(f"Map of {plane.name or 'the disk'}: {plane_line(plane)}")
    yield '<figure><div class="map"><div class="at" aria-hidden="true">'
    yield f"<i>{plane.size:#x}</i>"
    for share, start in report_map.places(plane):
        yield f'<span style="top:{share:.2%}">{start:#x}</span>'
    yield f"</div>{report_map.picture(plane, what)}</div>"
    inside = plane.cell // plane.unit
    square = f"a {plane.noun}" if inside == 1 else f"{inside:,} {plane.noun}s"
    row = size_text(report_map.columns(plane) * plane.cell)
    mixed = "; of several changes in one the largest shows" if plane.cell > plane.unit else ""
    yield f"<figcaption>A square is {square} ({size_text(plane.cell)}), a row {row}{mixed}.</figcaption>"
    yield '<ul class="legend">'
    unit = f" {plane.noun}s" if plane.name else " bytes"
    for change, count in ((Change.SAME, None), *plane.counts):
        number = "" if count is None else f", {count:,}{unit}"
        yield f'<li><svg viewBox="0 0 1 1" aria-hidden="true"><path class="k{change:d}" d="M0 0h1v1h-1z"/></svg>'
        yield f"{change.words}{number}</li>"
    yield "</ul></figure>"
    yield from _ranges(plane)


def _ranges(plane: PlaneReport) -> Iterator[str]:
    differ = bool(plane.name)
    total = len(plane.ranges) + plane.left
    more = f", the first {len(plane.ranges):,} of them; the JSON report has all" if plane.left else ""
    where = "in the block" if plane.name else "on the disk"
    short = " short" if len(plane.ranges) <= SHORT else ""
    yield f'<table class="few{short}"><caption>{counted(total, "range")}{more}</caption><thead><tr>'
    yield f'<th scope="col">Bytes {where}</th><th scope="col" class="count">{plane.noun.capitalize()}s</th>'
    yield '<th scope="col" class="count">Size</th>'
    yield '<th scope="col" class="count">Bytes that differ</th>' if differ else ""
    yield '<th scope="col">Change</th></tr></thead><tbody>'
    for one in plane.ranges:
        yield _range(one, differ=differ)
    yield "</tbody></table>"


def _range(one: RangeRow, *, differ: bool) -> str:
    last = one.start + one.length - 1
    count = f'<td class="count">{"" if one.differ is None else f"{one.differ:,}"}</td>' if differ else ""
    return (
        f'<tr><th scope="row"><code>{one.start:#x} – {last:#x}</code></th><td class="count">{one.units:,}</td>'
        f'<td class="count">{size_text(one.length)}</td>{count}<td>{one.what}</td></tr>'
    )
