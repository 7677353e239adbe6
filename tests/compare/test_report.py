"""Reports: well-formed, self-contained, bounded, and true to what was compared."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from scripts.demo_report import REPORT, make_report
from tests.compare.page import Page
from vmsnap_gui.cli import main
from vmsnap_gui.compare.change import Change
from vmsnap_gui.compare.comparison import Comparison, Side, ThreeWay
from vmsnap_gui.compare.disk import DiskComparison
from vmsnap_gui.compare.disk_map import DiskUse
from vmsnap_gui.compare.fields import FieldComparison, compare_fields
from vmsnap_gui.compare.noise_file import BUILT_IN, load_noise
from vmsnap_gui.compare.outcomes import FieldOutcome, SectionOutcome
from vmsnap_gui.compare.ram import BlockComparison, RamComparison
from vmsnap_gui.compare.ranges import Ranges
from vmsnap_gui.compare.report import report_text
from vmsnap_gui.compare.report_planes import MOST_CELLS, MOST_RANGES, disk_plane, memory_planes
from vmsnap_gui.compare.report_rows import MOST_IN_ALL, MOST_ROWS, row
from vmsnap_gui.compare.status import FieldChange, SectionChange
from vmsnap_gui.compare.terms import Outcome, Status
from vmsnap_gui.demo import demo_image
from vmsnap_gui.image.containers import open_image, select_snapshot
from vmsnap_gui.vmstate.devices import open_state
from vmsnap_gui.vmstate.fields import Field, Kind
from vmsnap_gui.vmstate.ram import RamBlock

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE = 4096
HOSTILE = "</td><script>alert(1)</script>&amp;\"'<!--"


@pytest.fixture(scope="module")
def demo_fields() -> Iterator[FieldComparison]:
    image = open_image(demo_image())
    states = [open_state(image.vm_state(select_snapshot(image, tag))) for tag in ("half-way", "finished")]
    yield compare_fields(*states, load_noise(Path("/none"), BUILT_IN))
    image.close()


def side(tag: str | None, path: str = "web.qcow2", machine: str | None = "pc") -> Side:
    return Side(path, None, tag, machine)


def integer(name: str, value: int) -> Field:
    return Field(name, "uint64", Kind.INTEGER, 0, 8, value)


def changed(path: str, a: int, b: int) -> FieldChange:
    return FieldChange(path, Status.CHANGED, integer(path, a), integer(path, b))


def section(name: str, fields: tuple[FieldChange, ...]) -> SectionChange:
    return SectionChange(name, 0, None, None, Status.CHANGED, fields)


def block(name: str, changes: np.ndarray) -> BlockComparison:
    held = RamBlock(name, len(changes) * PAGE, len(changes), np.ones(len(changes), np.int64))
    return BlockComparison(name, held, held, changes, (changes != 0).astype(np.uint32) * 7)


def disk(size: int, unit: int, ranges: Ranges) -> DiskComparison:
    use = DiskUse(size, 0, 0, 0, 0)
    return DiskComparison(size, size, ranges, int(ranges.lengths.sum()), False, unit, use, use)


@pytest.mark.parametrize("parts", ["nothing", "fields", "memory", "disk"])
def test_a_report_of_no_difference_and_of_parts_is_a_page(parts: str, demo_fields: FieldComparison) -> None:
    same = FieldComparison(demo_fields.a, demo_fields.b, ())
    comparison = Comparison(
        side("one"),
        side("one"),
        same if parts == "fields" else None,
        RamComparison(PAGE, (block("pc.ram", np.zeros(3, np.uint8)),)) if parts == "memory" else None,
        disk(1 << 20, 65536, Ranges.none()) if parts == "disk" else None,
    )
    page = Page(report_text(comparison, "html"))
    assert page.headings[0] == (1, "From one to one")
    sections = {text for level, text in page.headings if level == 2}
    expected = {"fields": {"Devices", "Noise rules that applied"}, "memory": {"Memory"}, "disk": {"Disk"}}
    assert sections == expected.get(parts, set())
    assert ("not compared" in page.text) is True
    assert (parts == "memory") == ("No page differs" in page.text)


def test_nothing_in_an_image_becomes_markup(demo_fields: FieldComparison) -> None:
    fields = FieldComparison(demo_fields.a, demo_fields.b, (section(HOSTILE, (changed(HOSTILE, 1, 2),)),))
    ram = RamComparison(PAGE, (block(HOSTILE, np.array([0, 1, 2], np.uint8)),), (HOSTILE,))
    sides = side(HOSTILE, f"/{HOSTILE}", HOSTILE), side(None, f"b{HOSTILE}", HOSTILE)
    page = Page(report_text(Comparison(*sides, fields, ram, problems=(HOSTILE,)), "html"))
    assert page.text.count(HOSTILE) >= 7
    markdown = report_text(Comparison(*sides, fields, ram, problems=(HOSTILE,)), "md")
    assert "<" not in markdown


def test_a_huge_comparison_makes_a_report_that_a_browser_opens(demo_fields: FieldComparison) -> None:
    fields = tuple(changed(f"table[{n}]", n, n + 1) for n in range(MOST_ROWS + 5))
    full = MOST_IN_ALL // MOST_ROWS + 1
    many = tuple(section(f"device{n}", fields if n < full else fields[:3]) for n in range(MOST_ROWS + 7))
    pages = np.arange(1 << 18, dtype=np.uint32).astype(np.uint8) % 4
    blocks = tuple(block(f"block{n}", pages[n:]) for n in range(60))
    starts = np.arange(100_000, dtype=np.int64) * 2 * 65536
    ranges = Ranges(starts, np.full(len(starts), 65536), np.ones(len(starts), np.uint8))
    comparison = Comparison(
        side("a"),
        side("b"),
        FieldComparison(demo_fields.a, demo_fields.b, many),
        RamComparison(PAGE, blocks),
        disk(1 << 40, 65536, ranges),
    )
    html, markdown = report_text(comparison, "html"), report_text(comparison, "md")
    page = Page(html)
    assert len(html) < 8 << 20
    assert len(markdown) < 4 << 20
    assert sum(page.tables) < MOST_IN_ALL + MOST_ROWS + 10 * MOST_RANGES
    assert "7 more devices: the JSON report has all." in page.text
    assert "5 more fields of this device: the JSON report has all." in page.text
    assert "20 more blocks: the JSON report has all." in page.text
    assert "100,000 ranges, the first 500 of them; the JSON report has all" in page.text
    assert "99,500 more ranges: the JSON report has all." in markdown


def test_the_first_difference_of_a_long_buffer_is_shown_and_marked() -> None:
    a, b = bytearray(range(200)), bytearray(range(200))
    b[70:73] = b"\0\0\0"
    sides = [Field("data", "buffer", Kind.BUFFER, 0, 200, bytes(value)) for value in (a, b)]
    found = row(FieldChange("data", Status.CHANGED, *sides), None)
    assert found.how == "bytes 70-72"
    assert found.a == f"0x40: {bytes(a[64:96]).hex(' ')} … (200 bytes)"
    assert [found.a[first:last] for first, last in found.marks_a] == ["46 47 48"]
    assert [found.b[first:last] for first, last in found.marks_b] == ["00 00 00"]


@pytest.mark.parametrize(
    ("a", "b", "how", "bits"),
    [
        (0, 1, "+1", "bit 0"),
        (5, 0, "-5", "bits 0, 2"),
        (0, 0xFF, "+255", "8 bits"),
        (0, 1 << 63, "+9223372036854775808", "bit 63"),
    ],
)
def test_flipped_bits_are_told(a: int, b: int, how: str, bits: str) -> None:
    found = row(changed("x", a, b), None)
    assert (found.how, found.bits) == (how, bits)


@pytest.mark.parametrize("units", [1, 5, 64, 65, 4096, 4097, 10_000, 100_001])
def test_a_square_shows_the_most_of_what_changed_in_it(units: int) -> None:
    random = np.random.default_rng(units)
    kinds = random.choice([0, 0, 0, 1, 2, 3], units).astype(np.uint8)
    kinds[0] = Change.CHANGED
    ((plane,), left) = memory_planes(Comparison(side("a"), side("b"), ram=RamComparison(PAGE, (block("x", kinds),))))
    assert left == 0
    assert len(plane.cells) <= MOST_CELLS
    each = plane.cell // PAGE
    for at, shown in enumerate(plane.cells.tolist()):
        counts = np.bincount(kinds[at * each : (at + 1) * each], minlength=4)[1:]
        assert counts.any() == bool(shown)
        assert not shown or counts[shown - 1] == counts.max()
    page = Page(report_text(Comparison(side("a"), side("b"), ram=RamComparison(PAGE, (block("x", kinds),))), "html"))
    assert page.headings[-1] == (3, "x")


def test_a_path_of_squares_covers_them() -> None:
    kinds = np.array([1, 1, 0, 2] * 20 + [1], np.uint8)
    html = report_text(Comparison(side("a"), side("b"), ram=RamComparison(PAGE, (block("x", kinds),))), "html")
    view, paths = re.findall(r'<svg viewBox="0 0 (64) (\d+)" role.*?>(.*?)</svg>', html)[0][1:]
    assert view == "2"
    found = np.zeros((2, 64), np.int64)
    for kind, outline in re.findall(r'class="k(\d)" d="(.*?)"', paths):
        for left, top, width in re.findall(r"M(\d+) (\d+)h(\d+)v1h-\3z", outline):
            found[int(top), int(left) : int(left) + int(width)] += 10 + int(kind)
    assert found.ravel()[: len(kinds)].tolist() == (10 + kinds.astype(int)).tolist()
    assert not found.ravel()[len(kinds) :].any()


def test_a_disk_whose_last_cluster_is_short_is_told_to_its_end() -> None:
    ranges = Ranges.one(65536, 65536, Change.CHANGED)
    plane = disk_plane(dataclasses.replace(disk(65536 + 512, 65536, ranges), size_b=512))
    assert [(one.start, one.length, one.units) for one in plane.ranges] == [(65536, 512, 1)]


def test_the_report_in_the_docs_is_what_the_script_makes(tmp_path: Path) -> None:
    make_report(tmp_path / "demo.html")
    made = (tmp_path / "demo.html").read_text("utf-8")
    assert made == REPORT.read_text("utf-8"), "run `make screenshots`"
    page = Page(made)
    assert page.headings[0] == (1, "From half-way to finished")
    assert not re.search(r"/(home|root|tmp|work)\b", page.text)


def test_a_base_has_its_column(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    image, report = demo_image(), tmp_path / "base.html"
    words = [f"{image}@half-way", f"{image}@finished", "--base", f"{image}@drawing", "--ram", "--disk"]
    assert main(["diff", *words, "--report", str(report)]) == 1
    capsys.readouterr()
    html = report.read_text("utf-8")
    page = Page(html)
    assert (2, "Since the base") in page.headings
    values = '<td data-head="Base">96 (0x60)</td><td data-head="A">0</td><td data-head="B">70 (0x46)</td>'
    since, since_a = re.findall(r"<b>RAX</b>.*", html)
    assert values in since
    assert ">in both differently</td>" in since
    assert values in since_a
    assert "<small>changed in both differently</small>" in since_a


def test_what_changed_since_the_base_is_listed_also_where_a_and_b_are_alike(demo_fields: FieldComparison) -> None:
    base, other = bytearray(range(200)), bytearray(range(200))
    other[70:73] = b"\0\0\0"
    before, after = (Field("data", "buffer", Kind.BUFFER, 0, 200, bytes(value)) for value in (base, other))
    many = tuple(
        FieldOutcome(f"x[{n}]", Outcome.IN_B, integer("x", n), integer("x", n), integer("x", n + 1))
        for n in range(MOST_ROWS + 3)
    )
    sections = (
        SectionOutcome("gone", 0, (FieldOutcome("", Outcome.IN_A),)),
        SectionOutcome("card", 0, (FieldOutcome("data", Outcome.ALIKE, before, after, after),)),
        SectionOutcome("many", 0, many),
    )
    comparison = Comparison(side("a"), side("b"), demo_fields, three=ThreeWay(side("c"), sections, None, None))
    html, markdown = report_text(comparison, "html"), report_text(comparison, "md")
    since = html.partition('<section id="base">')[2].partition("</section>")[0]
    assert Page(html).headings.count((3, "gone ")) == 1
    assert since.count("<tr><th scope") - since.count("<thead>") == MOST_ROWS + 1  # and how many of what
    assert '<th scope="row">The whole device</th>' in since
    for value in (base, other, other):
        assert f"0x40: {bytes(value[64:96]).hex(' ')} … (200 bytes)</td>" in since
    assert ">in both alike</td>" in since
    assert "5 more fields changed since the base: the JSON report has all." in since
    assert "| gone | in A |  |  |  |" in markdown
    assert "5 more fields: the JSON report has all." in markdown
