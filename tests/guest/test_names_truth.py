"""Names and flags against what QEMU's own monitor said about the same machine at the same moment."""

from __future__ import annotations

import re

import pytest

from tests.guest.recorded import TAGS, Device, built_in, devices, monitor, processors
from vmsnap_gui.guest.names import pci_header
from vmsnap_gui.guest.pci import config_space

Q35, AARCH64 = "q35-default@10.0", "aarch64-virt-nofw@7.2"
RISCV, PPC = "riscv64-virt@10.0", "ppc64-pseries@10.0"


def processor(machine: str, tag: str, number: int) -> Device:
    return devices(machine, tag)["cpu" if number == 0 else f"cpu:{number}"]


@pytest.mark.parametrize("tag", TAGS)
def test_x86_registers(tag: str) -> None:
    blocks = processors(Q35, tag)
    assert len(blocks) == 2
    for number, text in enumerate(blocks):
        cpu = processor(Q35, tag, number)
        told = {name: int(value, 16) for name, value in re.findall(r"\b(\w+) ?=([0-9a-f]{4,16})\b", text)}
        renamed = {
            "EFL": "RFLAGS",
            **{f"E{name}": f"R{name}" for name in (["AX", "BX", "CX", "DX", "SI", "DI", "BP", "SP", "IP"])},
        }
        plain = [*renamed, "CR0", "CR2", "CR3", "CR4", "DR0", "DR1", "DR2", "DR3", "DR6", "DR7", "EFER"]
        for name in [*plain, "FCW", "FSW", "MXCSR"]:
            assert cpu.number(renamed.get(name, name)) == told[name], name
        for name, parts in re.findall(r"(?m)^([E-G]S|CS|DS|SS) =([0-9a-f ]+)", text):
            selector, base, limit, _ = (int(part, 16) for part in parts.split()[:4])
            assert [cpu.number(f"{name}.{part}") for part in ("selector", "base", "limit")] == [selector, base, limit]
            assert cpu.detail(name) == f"{selector:04x} base {base:x} limit {limit:x}"


@pytest.mark.parametrize("tag", TAGS)
def test_x86_flags(tag: str) -> None:
    for number, text in enumerate(processors(Q35, tag)):
        cpu = processor(Q35, tag, number)
        (shown,) = re.findall(r"EFL=\w+ \[(.{7})\]", text)
        flags = cpu.detail("RFLAGS").split()
        assert {flag for flag in ("DF", "OF", "SF", "ZF", "AF", "PF", "CF") if flag in flags} == {
            f"{letter}F" for letter in shown if letter != "-"
        }
        for name, kind, access in re.findall(r"(?m)^([C-G]S) =.*DPL=0 (CS32|DS  ) *\[(...)\]", text):
            said = cpu.detail(f"{name}.flags")
            assert ("code32" in said) == (kind == "CS32")
            assert ("writable" in said) == (kind == "DS  " and access[1] == "W")
            assert ("readable" in said) == (kind == "CS32" and access[1] == "R")
        if "TSS32-busy" in text:
            assert cpu.said("env.tr.flags") == "DPL=0 TSS busy"
        halted = devices(Q35, tag)["cpu_common" if number == 0 else f"cpu_common:{number}"].said("halted")
        assert halted == ("halted" if "HLT=1" in text else "running")
    assert processor(Q35, tag, 0).said("env.a20_mask") == "A20 on"


@pytest.mark.parametrize("tag", TAGS)
def test_interrupt_controllers(tag: str) -> None:
    for line in re.findall(r"(?m)^pic\d:.*", monitor(Q35, tag, "info pic")):
        chip = int(line[3])
        pic = devices(Q35, tag)["i8259" if chip == 0 else "i8259:1"]
        for name, value in re.findall(r"\b(irr|imr|isr|elcr)=(\w\w)", line):
            expected = {8 * chip + bit for bit in range(8) if int(value, 16) >> bit & 1}
            assert _numbers(pic.said(name), "IRQ") == expected
    apic = devices(Q35, tag)["apic"]
    lapic = monitor(Q35, tag, "info lapic")
    names = {"LVT0": "LINT0", "LVT1": "LINT1", "LVTPC": "performance", "LVTERR": "error", "LVTTHMR": "thermal"}
    for name, ours in {**names, "LVTT": "timer"}.items():
        (value, words) = re.findall(rf"(?m)^{name}\t (0x\w+) (.*)", lapic)[0]
        assert apic.number(ours) == int(value, 16)
        said = apic.detail(ours)
        assert ("masked" in said, "level" in said.split()) == ("masked" in words, "level" in words.split())
        for mode in ("ExtINT", "NMI", "one-shot"):
            assert (mode in said) == (mode in words)
    assert ("enabled" in apic.said("spurious_vec")) == ("APIC enabled" in lapic)
    assert "BSP" in apic.said("apicbase")
    assert "BSP" not in devices(Q35, tag)["apic:1"].said("apicbase")
    ioapic = devices(Q35, tag)["ioapic"]
    for pin, words in re.findall(r"(?m)^  pin (\d+) +0x\w+ (.*)", monitor(Q35, tag, "info pic")):
        assert ("masked" in ioapic.detail(f"pin {pin}")) == ("masked" in words)


def _numbers(text: str, word: str) -> set[int]:
    if not text:
        return set()
    first, *runs = text.split()
    assert first == word
    bounds = [[int(end) for end in run.split("-")] for run in runs]
    return {number for run in bounds for number in range(run[0], run[-1] + 1)}


@pytest.mark.parametrize("tag", TAGS)
def test_pci_headers(tag: str) -> None:
    told = monitor(Q35, tag, "info pci")
    seen = 0
    for bus, device, function, text in re.findall(r"Bus +(\d+), device +(\d+), function (\d+):\n((?:    .*\n)+)", told):
        prefix = f"0000:{int(bus):02x}:{int(device):02x}.{function}/"
        (key,) = (key for key in devices(Q35, tag) if key.startswith(prefix))
        found = devices(Q35, tag)[key]
        configs = [space for field in found.fields.values() if (space := config_space(field)) is not None]
        (_, config) = configs[0]
        rows = {part.name: part.text for part in pci_header(config, built_in())}
        kind, identity = re.findall(r"^    (.*): PCI device (\w+:\w+)", text)[0]
        assert f"{rows['Vendor'][:4]}:{rows['Device']}" == identity
        assert kind.split()[0].lower() in rows["Class"].lower()
        assert any((label.detail or "").startswith(identity) for label in found.labels.values())
        subsystem = re.findall(r"PCI subsystem (\w+):(\w+)", text)[0]
        assert (rows["Subsystem vendor"][:4], rows["Subsystem"]) == subsystem
        for line, pin in re.findall(r"IRQ (\d+), pin (\w)", text):
            assert (rows["Interrupt line"], rows["Interrupt pin"]) == (line, f"INT{pin}")
        for number, bar, address in re.findall(r"BAR([0-5]): (.*) at 0x(\w+) ", text):
            assert f"{int(address, 16):#x}" in rows[f"BAR {number}"]
            assert ("I/O" in rows[f"BAR {number}"]) == (bar == "I/O")
            assert ("64-bit" in rows[f"BAR {number}"]) == ("64 bit" in bar)
            assert ("prefetchable" in rows[f"BAR {number}"]) == ("prefetchable" in bar)
        seen += 1
    assert seen >= 7


def test_pci_capabilities() -> None:
    found = devices(Q35, "snap0")
    ahci = found["0000:00:1f.2/ich9_ahci"].fields["parent_obj.config[0]"].value
    assert isinstance(ahci, bytes)
    rows = {part.name: part for part in pci_header(ahci, built_in())}
    assert rows["Capability: MSI"].offset == ahci[0x34]
    assert "Capability: SATA index and data" in rows
    network = found["0000:00:02.0/e1000e"].fields["parent_obj[0].config[1]"].value
    assert isinstance(network, bytes)
    assert len(network) == 4096
    names = [part.name for part in pci_header(network, built_in())]
    assert {"Capability: power management", "Capability: MSI-X", "Capability: PCI Express"} <= set(names)
    assert "Extended capability: advanced error reporting" in names
    disk = config_space(found["0000:00:03.0/virtio-blk"].fields["virtio"])
    assert disk is not None
    virtio = [part.text for part in pci_header(disk[1], built_in()) if part.name == "Capability: vendor specific"]
    assert {"virtio common configuration", "virtio ISR status", "virtio notification"} <= set(virtio)


@pytest.mark.parametrize("tag", TAGS)
def test_aarch64_registers(tag: str) -> None:
    blocks = processors(AARCH64, tag)
    assert len(blocks) == 2
    for number, text in enumerate(blocks):
        cpu = processor(AARCH64, tag, number)
        told = {name: int(value, 16) for name, value in re.findall(r"\b(PC|SP|X\d\d)=(\w{16})", text)}
        assert len(told) == 33
        for name, value in told.items():
            assert cpu.number(re.sub("X0(.)", r"X\1", name)) == value
        (state, flags, level) = re.findall(r"PSTATE=(\w{8}) (....) (EL\d[th])", text)[0]
        assert cpu.number("PSTATE") == int(state, 16)
        said = cpu.detail("PSTATE").split()
        assert level in said
        assert [flag for flag in "NZCV" if flag in said] == [letter for letter in flags if letter != "-"]


def test_aarch64_system_registers() -> None:
    cpu = processor(AARCH64, "snap0", 0)
    values = {label.name: path for path, label in cpu.labels.items() if path.startswith("cpreg_vmstate_values")}
    indexes = {label.name: label.detail for path, label in cpu.labels.items() if "_indexes" in path}
    count = len(cpu.fields["cpreg_vmstate_indexes"].children)
    assert len(values) == len(indexes) == count
    # The board's clock, and what the same register of the processor says in 64-bit and in 32-bit state.
    assert cpu.fields[values["CNTFRQ_EL0"]].value == 62_500_000
    assert cpu.fields[values["CTR_EL0"]].value == cpu.fields[values["CTR"]].value == 0x8444C004
    assert cpu.fields[values["ID_AA64MMFR0_EL1"]].value == 0x1124
    assert cpu.fields[values["CLIDR_EL1"]].value == cpu.fields[values["CLIDR"]].value == 0x0A200023
    assert indexes["SCTLR_EL1"] == "S3_0_C1_C0_0"
    assert indexes["CONTEXTIDR (secure)"] == "p15,0,c13,c0,1 (S)"
    unnamed = [name for name in indexes if name is not None and re.match(r"S\d_|p1\d", name)]
    assert len(unnamed) < count / 3


@pytest.mark.parametrize("tag", TAGS)
def test_riscv_registers(tag: str) -> None:
    blocks = processors(RISCV, tag)
    assert len(blocks) == 2
    for number, text in enumerate(blocks):
        cpu = processor(RISCV, tag, number)
        general = re.findall(r"\b[xf]\d+/(\w+) +(\w{16})", text)
        assert len(general) == 64
        named = ["pc", "mhartid", "mip", "mie", "mideleg", "mtvec", "stvec", "mepc", "sepc", "mcause", "scause"]
        named += ["mtval", "stval", "mscratch", "sscratch", "satp"]
        for name in named:
            general += re.findall(rf"(?m)^ ({name}) +(\w+)", text)
        assert len(general) == 64 + len(named)
        for name, value in general:
            assert cpu.number(name) == int(value, 16), name
        (status,) = re.findall(r"mstatus +(\w+)", text)
        assert cpu.number("mstatus") == int(status, 16) & ~(1 << 63)  # SD is made up when it is read
    assert processor(RISCV, tag, 0).said("env.misa_ext") == "A C D F H I M S U"
    assert processor(RISCV, tag, 0).said("env.misa_mxl") == "RV64"


@pytest.mark.parametrize("tag", TAGS)
def test_powerpc_registers(tag: str) -> None:
    blocks = processors(PPC, tag)
    assert len(blocks) == 2
    for number, text in enumerate(blocks):
        cpu = processor(PPC, tag, number)
        for first, values in re.findall(r"(?m)^GPR(\d\d)((?: \w{16}){4})", text):
            for place, value in enumerate(values.split()):
                assert cpu.number(f"GPR{int(first) + place}") == int(value, 16)
        names = "NIP LR CTR XER MSR SRR0 SRR1 PVR VRSAVE SPRG0 SPRG1 SPRG2 SPRG3 HSRR0 HSRR1 CFAR LPCR PTCR DAR DSISR"
        for name in names.split():
            (value,) = re.findall(rf"\b{name} +(\w{{16}})", text)
            assert cpu.number(name) == int(value, 16), name
        (condition,) = re.findall(r"CR \w{8} +\[(.*)\]", text)
        short = {"LT": "L", "GT": "G", "EQ": "E", "SO": "O"}
        for place, letters in enumerate(condition.split()):
            said = cpu.detail(f"CR{place}").split()
            assert sorted(short[flag] for flag in said) == sorted(letters.replace("-", ""))
    assert {"SF", "ME"} <= set(processor(PPC, tag, 0).detail("MSR").split())


def test_clocks_and_run_state() -> None:
    for tag in TAGS:
        clock = devices(Q35, tag)["mc146818rtc"]
        base = clock.said("base_rtc").removesuffix(" UTC")
        assert re.fullmatch(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", base)
        assert base[:13] <= clock.said("cmos_data") <= base[:10] + " 24"
        assert devices(Q35, tag)["globalstate"].said("runstate") == "paused"
        assert devices(Q35, tag)["i8254"].said("channels[0].mode") == "2: rate generator"
        assert devices(Q35, tag)["serial"].detail("LSR") == "THRE TEMT"
        assert devices(Q35, tag)["port92"].said("outport") == "A20"
