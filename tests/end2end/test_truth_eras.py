"""Every recorded state of QEMU 0.11 to 2.2, which describes nothing, against what that QEMU logged while it saved."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from tests.end2end.states import assert_all_bytes_covered, ram_of, section, show
from tests.samples import QCOW2, sample, sample_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.end2end.states import Document

PAGE = 4096
SHARE = 0.98
LOGGED = {
    "v0.11.1-i386-pcmin": ("reset", "real", "prot"),
    "v0.13.0-i386-pcdev": ("real", "prot"),
    "v0.14.1-x64-pcmin": ("reset", "real", "long"),
    "v1.0.1-i386-pcdev2": ("real", "prot"),
    "v2.2.0-i386-pcmin": ("reset", "real", "prot"),
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """One snapshot of a recorded image."""

    image: str
    tag: str

    @property
    def truth(self) -> dict[str, Any]:
        snapshots = sample_json(f"seed-era/{self.image}.truth.json")["snapshots"]
        (found,) = (one for one in snapshots if one["tag"] == self.tag)
        return dict(found)

    def show(self) -> Document:
        return show(sample(f"seed-era/{self.image}.qcow2"), self.tag, "--spans")


every_snapshot = pytest.mark.parametrize(
    "recorded",
    [pytest.param(Recorded(image, tag), id=f"{image}:{tag}") for image, tags in LOGGED.items() for tag in tags],
)


def test_the_list_here_has_every_recorded_snapshot() -> None:
    assert [f"seed-era/{image}.qcow2" for image in LOGGED] == [name for name in QCOW2 if "seed-era" in name]
    for image, tags in LOGGED.items():
        assert tuple(one["tag"] for one in sample_json(f"seed-era/{image}.truth.json")["snapshots"]) == tags


@every_snapshot
def test_sections_are_those_that_were_saved(recorded: Recorded) -> None:
    document = recorded.show()
    assert_all_bytes_covered(document)
    saved = [
        (s["type"].lower(), s["section_id"], s["idstr"], s["instance_id"], s["version_id"], s["offset"], s["end"])
        for s in recorded.truth["sections"]
    ]
    assert [
        (s["type"], s["section_id"], s["name"], s["instance_id"], s["version"], s["offset"], s["offset"] + s["size"])
        for s in document["sections"]
    ] == saved
    assert all(s["described"] for s in document["sections"] if s["type"] == "full")
    width = 8 if "-x64-" in recorded.image else 4
    assert [problem["message"] for problem in document["problems"]] == [
        f"the registers of cpu have {width} bytes: decided by the layout that fits"
    ]


@every_snapshot
def test_fields_are_those_that_were_logged(recorded: Recorded, record_property: Callable[[str, object], None]) -> None:
    document, truth = recorded.show(), recorded.truth
    spans = {s["offset"]: s["spans"] for s in document["sections"]}
    missing, total = [], 0
    for key, rows in truth["fields"]["sections"].items():
        number, _, name = key.partition(":")
        missing += [
            (name, *row) for row in rows if not _is_reproduced(row, spans[truth["sections"][int(number)]["offset"]])
        ]
        total += len(rows)
    share = 1 - len(missing) / total
    record_property("logged fields reproduced", share)
    print(f"{total - len(missing)} of {total} logged fields are reproduced")  # noqa: T201 (pytest -rP shows it)
    assert total > 600
    assert share >= SHARE, missing


def _is_reproduced(row: list[Any], spans: list[list[Any]]) -> bool:
    """Tell whether named leaves tile the logged field, or it has no bytes of its own."""
    start, size = row[:2]
    inside = [one for one in spans if start <= one[2] and one[2] + one[3] <= start + size]
    if any(one[0] in ("(raw)", "(records)") for one in inside):
        return False
    return sum(one[3] for one in inside) == size


SEGMENTS = ("ES", "CS", "SS", "DS", "FS", "GS")
SEGMENT_FLAGS = 0x00FFFF00  # no part of base and limit: some QEMU versions print these bits of the descriptor alone


@every_snapshot
def test_registers_are_those_that_were_printed(recorded: Recorded) -> None:
    document = recorded.show()
    fields = section(document, "cpu")["fields"]
    values = _general(fields) | _segments(fields)
    values |= {f"CR{i}": fields[f"env.cr[{i}]"] for i in (0, 2, 3, 4)}
    values |= {f"DR{i}": fields["env.dr"][i] for i in (0, 1, 2, 3, 6, 7)}
    values |= {"FCW": fields["env.fpuc"], "FSW": fields["env.fpus_vmstate"], "FTW": fields["env.fptag_vmstate"]}
    values |= {"MXCSR": fields["env.mxcsr"], "A20": fields["env.a20_mask"] >> 20 & 1}
    values["HLT"] = section(document, "cpu_common")["fields"]["halted"]
    values["EFER"] = fields.get("env.efer", 0)  # qemu-system-i386 has none to save
    (printed,) = recorded.truth["regs"]
    printed = {name: _without_base(value) for name, value in printed.items()}
    assert len(printed) > 35
    assert {name: (value, values[name]) for name, value in printed.items() if value != values[name]} == {}


def _general(fields: dict[str, Any]) -> dict[str, Any]:
    """Return the general registers by both names: outside of long mode QEMU prints the low halves."""
    order = ("AX", "CX", "DX", "BX", "SP", "BP", "SI", "DI")
    found = dict(zip(order, fields["env.regs"], strict=False)) | {"IP": fields["env.eip"], "FL": fields["env.eflags"]}
    values = {f"R{name}": value for name, value in found.items()}
    values |= {f"E{name}": value & 0xFFFFFFFF for name, value in found.items()}
    return values | {f"R{8 + i}": value for i, value in enumerate(fields["env.regs"][8:])}


def _without_base(value: Any) -> Any:  # noqa: ANN401 (a number, or a segment's parts)
    return value | {"flags": value["flags"] & SEGMENT_FLAGS} if isinstance(value, dict) and "flags" in value else value


def _segments(fields: dict[str, Any]) -> dict[str, Any]:
    found = dict(zip(SEGMENTS, fields["env.segs"], strict=True)) | {"LDT": fields["env.ldt"], "TR": fields["env.tr"]}
    values = {name: _without_base(one) for name, one in found.items()}
    for name in ("GDT", "IDT"):
        values[name] = {part: fields[f"env.{name.lower()}"][part] for part in ("base", "limit")}
    return values


@every_snapshot
def test_ram_is_what_was_dumped(recorded: Recorded) -> None:
    truth = recorded.truth
    index = ram_of(sample(f"seed-era/{recorded.image}.qcow2"), recorded.tag)
    block = next((one for one in index.blocks if one.name == "pc.ram"), index.blocks[0])
    pages: dict[str, str] = {}
    for start, end in truth["ram_kept_ranges"]:
        data = index.read(block, start, end - start)
        for at in range(0, len(data), PAGE):
            page = data[at : at + PAGE]
            if any(page):
                pages[hex(start + at)] = hashlib.sha256(page).hexdigest()[:16]
    assert pages == truth["ram_nonzero_pages_sha256_16"]
