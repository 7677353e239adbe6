"""The engine behind the names: rules, formats, PCI headers, and what hostile input cannot do."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, overload

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.guest.made import array, buffer, integer, section, struct
from tests.guest.recorded import TAGS, built_in, devices
from vmsnap_gui.guest.formats import system_register
from vmsnap_gui.guest.names import LONGEST, Label, annotate, pci_header
from vmsnap_gui.guest.rules_file import BUILT_IN
from vmsnap_gui.guest.tables import BitField, flags, numbers
from vmsnap_gui.vmstate.fields import Field, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator


MACHINES = ("q35-default@10.0", "aarch64-virt-nofw@7.2", "riscv64-virt@10.0", "ppc64-pseries@10.0")
unhurried = settings(deadline=None)


def test_our_own_rules_are_whole() -> None:
    rules = built_in()
    assert rules.problems == []
    assert len(rules.rules) > 20
    assert all(rule.top.steps or rule.anywhere.steps for rule in rules.rules)
    used = BUILT_IN.read_text()
    for kind in ("bits", "values", "aliases"):
        for table in getattr(rules.tables, kind):
            assert used.count(f'"{table}"') + table.startswith(("pci-", "virtio-")) > 0, f"{table} is not used"


@pytest.mark.parametrize("machine", MACHINES)
def test_every_label_is_of_a_field_and_short(machine: str) -> None:
    for tag in TAGS:
        for key, device in devices(machine, tag).items():
            for path, label in device.labels.items():
                assert path in device.fields, (key, path)
                assert label.name or label.detail
                assert len(label.name or "") <= 30
                assert len(label.detail or "") <= LONGEST


def test_one_architecture_does_not_name_the_fields_of_another() -> None:
    arm = devices("aarch64-virt-nofw@7.2", "snap0")["cpu"].labels
    assert not {label.name for label in arm.values()} & {"RAX", "GPR0", "zero", "RIP", "NIP"}
    risc = devices("riscv64-virt@10.0", "snap0")["cpu"].labels
    assert risc["env.gpr[2]"].name == "sp"
    power = devices("ppc64-pseries@10.0", "snap0")["cpu"].labels
    assert power["env.gpr[2]"].name == "GPR2"


def x86(**values: int) -> Field:
    known = {"env.segs": array("env.segs"), "env.eip": integer("env.eip", 0)}
    known |= {f"env.{name}": integer(f"env.{name}", value) for name, value in values.items()}
    return struct("cpu", *known.values())


def test_x86_control_registers() -> None:
    top = x86(efer=0xD01, eflags=0x3286)
    cr = [integer(f"env.cr[{number}]", value) for number, value in ((0, 0x80050033), (3, 0x1234018), (4, 0x3506F0))]
    root = struct("cpu", *top.children, *cr)
    labels = annotate(section("cpu", 1), root, built_in())
    assert labels["env.cr[0]"] == Label("CR0", "PE MP ET NE WP AM PG")
    assert labels["env.cr[4]"].detail == "PSE PAE MCE PGE OSFXSR OSXMMEXCPT FSGSBASE OSXSAVE SMEP SMAP"
    assert labels["env.cr[3]"].detail == "PWT PCD"
    assert labels["env.efer"] == Label("EFER", "SCE LME LMA NXE")
    assert labels["env.eflags"] == Label("RFLAGS", "PF SF IF IOPL=3")
    cr[2].value = 0x20000
    assert annotate(section("cpu"), root, built_in())["env.cr[3]"].detail == "PCID=24"


def test_32_bit_and_older_processors_have_their_own_names() -> None:
    old = struct("cpu", array("regs", *range(8), size=4), integer("eip", 0xFFF0, 4), array("segs"))
    labels = annotate(section("cpu"), old, built_in())
    assert [labels[f"regs[{number}]"].name for number in (0, 4)] == ["EAX", "ESP"]
    assert labels["eip"].name == "EIP"


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (0xAF9B00, "DPL=0 code64 readable"), (0xCF9B00, "DPL=0 code32 readable"), (0xCFF300, "DPL=3 data writable"),
        (0x9B00, "DPL=0 code16 readable"), (0x8200, "DPL=0 LDT"), (0x1300, "DPL=0 data writable not present"),
        (0x9700, "DPL=0 data expands down writable"), (0xCF9E00, "DPL=0 code32 conforming readable"), (0, ""),
    ],
)  # fmt: skip
def test_segment_flags(flags: int, said: str) -> None:
    segment = struct("[1]", integer("flags", flags, 4))
    segments = Field("env.segs", "struct", Kind.ARRAY, 0, 8, None, [segment])
    root = struct("cpu", segments, integer("env.eip", 0))
    assert (annotate(section("cpu"), root, built_in())["env.segs[1].flags"].detail or "") == said


def test_arm_status_registers() -> None:
    def said(value: int, *more: Field) -> Label | None:
        status = buffer("cpsr", value.to_bytes(4, "big"), "cpsr")
        root = struct("cpu", status, array("cpreg_vmstate_indexes"), array("env.xregs"), *more)
        return annotate(section("cpu"), root, built_in()).get("cpsr")

    assert said(0x600003C5) == Label("PSTATE", "EL1h F I A D C Z")
    assert said(0x80000010) == Label("CPSR", "usr N")
    assert said(0x200001F3) == Label("CPSR", "svc T F I A C")
    assert said(0x01000003, struct("cpu/m")) is None  # an M-profile xPSR is neither


@pytest.mark.parametrize(
    ("identity", "name"),
    [
        (0x603000000013C080, "S3_0_C1_C0_0"), (0x603000000013DF19, "S3_3_C14_C3_1"),
        (0x40200000200F0801, "p15,0,c1,c0,1"), (0x40300000200F0780, "p15,0,c15"),
        (0x40200000000F6801, "p15,0,c13,c0,1 (S)"), (0, None), (0x6030000000100000, None), (1 << 63, None),
    ],
)  # fmt: skip
def test_arm_register_numbers(identity: int, name: str | None) -> None:
    assert system_register(identity) == name


def test_bits_and_numbers() -> None:
    table = (BitField(0, 1, "A"), BitField(1, 2, "two"), BitField(3, 1, ""), BitField(4, 1, {0: "off", 1: "on"}))
    assert flags(0, table) == "off"
    assert flags(0b11111, table) == "A two=3 on"
    assert flags(0b11100000 | 1, table) == "A off +0xe0"
    assert flags(1, (BitField(0, 1, "two words"), BitField(1, 1, {0: "x"}))) == "two words, x"
    assert flags(0x7F0, (BitField(4, 8, "wide"),)) == "wide=0x7f"
    assert numbers(0b1101, "IRQ", 8) == "IRQ 8 10-11"
    assert numbers(0, "IRQ", 8) == ""


def test_vectors_of_an_apic_and_interrupts_of_old_controllers() -> None:
    apic = struct("apic", array("isr", 0, 1 << 1, 0, 0, 0, 0, 0, 1 << 31, size=4))
    labels = annotate(section("apic"), apic, built_in())
    assert labels["isr[1]"].detail == "vector 33"
    assert labels["isr[7]"].detail == "vector 255"
    old = struct("i8259", integer("imr", 0x81, 1))
    assert annotate(section("i8259", 0xA0), old, built_in())["imr"].detail == "IRQ 8 15"
    assert annotate(section("i8259", 7), old, built_in()) == {}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "2026-03-05 13:45:59"),
        ({0x0B: 0x06, 0: 59, 2: 45, 4: 13, 7: 5, 8: 3, 9: 26, 0x32: 20}, "2026-03-05 13:45:59"),
        ({0x0B: 0x00, 4: 0x81}, "2026-03-05 13:45:59"),
        ({0x0B: 0x00, 4: 0x12}, "2026-03-05 00:45:59"),
        ({8: 0x13}, None),
        ({0x32: 0xFF, 9: 0xFF}, None),
    ],
)
def test_cmos_clock(changes: dict[int, int], said: str | None) -> None:
    memory = bytearray(128)
    for at, value in {0: 0x59, 2: 0x45, 4: 0x13, 7: 5, 8: 3, 9: 0x26, 0x32: 0x20, 0x0B: 2, **changes}.items():
        memory[at] = value
    labels = annotate(section("mc146818rtc"), struct("rtc", buffer("cmos_data", bytes(memory))), built_in())
    assert (labels.get("cmos_data") or Label()).detail == said


class Endless(Sequence[Field]):
    """The elements of an array that a hostile description makes enormous."""

    def __init__(self) -> None:
        self.asked = 0

    def __len__(self) -> int:
        return 1 << 40

    @overload
    def __getitem__(self, index: int) -> Field: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Field]: ...
    def __getitem__(self, index: int | slice) -> Field | Sequence[Field]:
        assert isinstance(index, int)
        self.asked += 1
        return integer(f"[{index}]", index)

    def __iter__(self) -> Iterator[Field]:
        return (self[place] for place in range(len(self)))


def test_huge_arrays_are_not_gone_through() -> None:
    named, unnamed = Endless(), Endless()
    root = struct(
        "cpu",
        integer("env.eip", 1),
        array("env.segs"),
        Field("env.regs", "uint64", Kind.ARRAY, 0, 1 << 43, None, named),
        Field("env.other", "uint64", Kind.ARRAY, 0, 1 << 43, None, unnamed),
    )
    assert annotate(section("cpu"), root, built_in())["env.regs[15]"].name == "R15"
    assert named.asked <= 4096
    assert unnamed.asked == 0


def test_structs_nested_without_end_are_left() -> None:
    deep = struct("x", integer("ier", 1, 1))
    for _ in range(3000):
        deep = struct("x", deep)
    assert annotate(section("serial"), struct("serial", deep, struct("state", integer("ier", 1, 1))), built_in()) == {
        "state.ier": Label("IER", "data")
    }


FIELD_NAMES = [
    "env.eip",
    "env.segs",
    "env.regs",
    "env.cr[3]",
    "env.cr[4]",
    "cmos_data",
    "config",
    "config[0]",
    "virtio",
    "ier",
    "env.xregs",
    "cpsr",
    "cpreg_vmstate_indexes",
    "cpreg_vmstate_values",
    "flags",
    "[0]",
    "[1]",
    "[99999999999999999]",
]
field_names = st.sampled_from(FIELD_NAMES) | st.text(max_size=8)
values = st.none() | st.booleans() | st.integers(-(1 << 70), 1 << 70) | st.floats() | st.binary(max_size=300)
leaves = st.builds(
    Field,
    name=field_names,
    type=st.sampled_from(["pci config", "virtio", "uint64", "buffer"]),
    kind=st.just(Kind.BUFFER),
    offset=st.just(0),
    size=st.integers(0, 300),
    value=values | st.text(),
)


def containers(below: st.SearchStrategy[Field]) -> st.SearchStrategy[Field]:
    return st.builds(
        Field,
        name=field_names,
        type=st.just("struct"),
        kind=st.sampled_from([Kind.STRUCT, Kind.ARRAY, Kind.SUBSECTION]),
        offset=st.just(0),
        size=st.just(8),
        value=st.none(),
        children=st.lists(below, max_size=4),
    )


trees = st.recursive(leaves, containers, max_leaves=12)


@pytest.mark.slow
@unhurried
@given(
    children=st.lists(trees, max_size=6),
    name=st.sampled_from(["cpu", "serial", "mc146818rtc", "0000:00:01.0/vga", "i8259"]) | st.text(max_size=5),
)
def test_any_tree_can_be_named(children: list[Field], name: str) -> None:
    for path, label in annotate(section(name), struct("top", *children), built_in()).items():
        assert isinstance(path, str)
        assert len(label.detail or "") <= LONGEST


@unhurried
@given(config=st.binary(max_size=4096) | st.binary(min_size=64, max_size=300))
def test_any_bytes_have_a_pci_header(config: bytes) -> None:
    for part in pci_header(config, built_in()):
        assert 0 <= part.offset < part.offset + part.size <= len(config)
        assert part.name


def test_lists_of_capabilities_that_bite_their_tails_end() -> None:
    config = bytearray(4096)
    config[6], config[0x34], config[0x40], config[0x41] = 0x10, 0x40, 5, 0x50
    config[0x50], config[0x51] = 0x11, 0x40
    config[0x100:0x104] = (1 | 1 << 16 | 0x100 << 20).to_bytes(4, "little")
    rows = [part.name for part in pci_header(bytes(config), built_in()) if part.name.startswith(("Cap", "Ext"))]
    expected = ["Capabilities", "Capability: MSI", "Capability: MSI-X", "Extended capability: advanced error reporting"]
    assert [name for name in rows if "capab" in name.lower()] == expected


def test_a_pci_bridge_has_its_own_header() -> None:
    config = bytearray(256)
    config[0x0E], config[0x18], config[0x19], config[0x1A] = 0x81, 0, 1, 2
    config[0x1C], config[0x1D], config[0x20:0x24] = 0xC0, 0xD0, b"\x80\xfe\x90\xfe"
    config[0x24:0x28] = b"\xf0\xff\x00\x00"
    rows = {part.name: part.text for part in pci_header(bytes(config), built_in())}
    assert rows["Header type"] == "PCI bridge, multi-function"
    assert rows["Secondary bus"] == "1"
    assert rows["I/O window"] == "0xc000 - 0xdfff"
    assert rows["Memory window"] == "0xfe800000 - 0xfe9fffff"
    assert rows["Prefetchable window"] == "closed"
