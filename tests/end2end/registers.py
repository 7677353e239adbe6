"""What `info registers` prints against what a saved processor holds, for each architecture."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.end2end.states import section

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.end2end.states import Document

Fields = dict[str, Any]
Printed = dict[str, list[str]]
"""A printed register: its name and the hex groups after it ("CS": selector, base, limit, flags)."""


def assert_registers(document: Document, printed: str) -> int:
    """Compare every register that QEMU printed with the state's fields.

    A register that is printed with fewer digits than the field is wide is compared in those digits.

    Args:
        document: The state as `vmsnap show` gives it.
        printed: The text of `info registers` (of one processor, or `-a`).

    Returns:
        How many values were compared.
    """
    texts = [text for text in re.split(r"(?m)^CPU#\d+\n", printed.replace("\r", "")) if text.strip()]
    compared = 0
    for number, text in enumerate(texts):
        fields = section(document, "cpu", number)["fields"]
        common = section(document, "cpu_common", number)["fields"]
        architecture = next(expected for mark, expected in ARCHITECTURES.items() if re.search(mark, text))
        for name, shown, value in architecture(fields, common, text):
            got = int(value) & (1 << 4 * len(shown)) - 1
            assert f"{got:0{len(shown)}x}" == shown, f"CPU {number}: {name} is {got:#x}, not {shown}"
            compared += 1
    assert texts
    return compared


Compared = list[tuple[str, str, int]]
"""(name, hex digits as printed, our value)"""


def _x86(fields: Fields, common: Fields, text: str) -> Compared:
    names = r"\b([A-Z]+\d*) ?= *([0-9a-f]+(?: [0-9a-f]+)*)"
    printed: Printed = {name: groups.split() for name, groups in re.findall(names, text)}
    wide = "RAX" in printed
    letter = "R" if wide else "E"
    result: Compared = []

    def compare(name: str, *values: int) -> None:
        shown = printed.pop(name)
        assert len(shown) == len(values), (name, shown)
        result.extend((name, one, value) for one, value in zip(shown, values, strict=True))

    order = ("AX", "CX", "DX", "BX", "SP", "BP", "SI", "DI")
    general = [letter + name for name in order] + ([f"R{i}" for i in range(8, 16)] if wide else [])
    for name, value in zip(general, fields["env.regs"], strict=False):
        compare(name, value)
    compare(f"{letter}IP", fields["env.eip"])
    compare(f"{letter}FL", fields["env.eflags"])
    _x86_modes(compare, fields, common)
    _x86_segments(compare, fields)
    for i in (0, 2, 3, 4):
        compare(f"CR{i}", fields[f"env.cr[{i}]"])
    for i, value in enumerate(fields["env.dr"]):
        if f"DR{i}" in printed:  # 4 and 5 are other names of 6 and 7, and not printed
            compare(f"DR{i}", value)
    compare("EFER", fields["env.efer"])
    _x86_floating_point(compare, fields, 16 if wide else 8)
    printed.pop("DPL", None)  # a part of a segment's flags, which were compared
    assert not printed, f"printed, but not compared: {sorted(printed)}"
    return result


def _x86_modes(compare: Callable[..., None], fields: Fields, common: Fields) -> None:
    """Compare what QEMU prints out of its own flags: HF_CPL_MASK, HF_INHIBIT_IRQ_SHIFT 3, HF_SMM_SHIFT 19."""
    flags = fields["env.hflags"]
    compare("CPL", flags & 3)
    compare("II", flags >> 3 & 1)
    compare("A20", fields["env.a20_mask"] >> 20 & 1)
    compare("SMM", flags >> 19 & 1)
    compare("HLT", common["halted"])


def _x86_segments(compare: Callable[..., None], fields: Fields) -> None:
    segments = dict(zip(("ES", "CS", "SS", "DS", "FS", "GS"), fields["env.segs"], strict=True))
    for name, found in {**segments, "LDT": fields["env.ldt"], "TR": fields["env.tr"]}.items():
        # QEMU prints the bits of the descriptor's second word that are no part of base and limit.
        compare(name, found["selector"], found["base"], found["limit"], found["flags"] & 0x00FFFF00)
    for name in ("gdt", "idt"):
        compare(name.upper(), fields[f"env.{name}"]["base"], fields[f"env.{name}"]["limit"])


def _x86_floating_point(compare: Callable[..., None], fields: Fields, vectors: int) -> None:
    compare("FCW", fields["env.fpuc"])
    compare("FSW", fields["env.fpus_vmstate"])
    compare("ST", fields["env.fpus_vmstate"] >> 11 & 7)
    compare("FTW", fields["env.fptag_vmstate"])
    compare("MXCSR", fields["env.mxcsr"])
    for i, found in enumerate(fields["env.fpregs"]):
        compare(f"FPR{i}", found["tmp"]["tmp_mant"], found["tmp"]["tmp_exp"])
    low = next(value for name, value in fields.items() if name.startswith("env.xmm_regs"))
    for i in range(vectors):
        compare(f"XMM{i:02}", *reversed(_numbers(low[i])))


def _numbers(found: Fields) -> list[int]:
    """Return an element's numbers in order, whatever QEMU's macro made of their names."""
    return list(found.values())


def _aarch64(fields: Fields, common: Fields, text: str) -> Compared:
    del common
    values = {f"X{i:02}": value for i, value in enumerate(fields["env.xregs"][:31])}
    values |= {"SP": fields["env.xregs"][31], "PC": fields["env.pc"], "PSTATE": int(fields["cpsr"], 16)}
    found: dict[str, str] = dict(re.findall(r"\b(PC|SP|PSTATE|X\d\d)=([0-9a-f]+)", text))
    assert found.keys() == values.keys()
    assert "FPU disabled" in text  # otherwise there is more to compare here
    return [(name, found[name], value) for name, value in values.items()]


_PPC_SPRS = {
    "XER": 1, "LR": 8, "CTR": 9, "DSISR": 18, "DAR": 19, "SRR0": 26, "SRR1": 27, "CFAR": 28, "VRSAVE": 256, "PVR": 287,
    "HSRR0": 314, "HSRR1": 315, "LPCR": 318, "PTCR": 464, **{f"SPRG{i}": 272 + i for i in range(8)},
}  # fmt: skip


def _ppc64(fields: Fields, common: Fields, text: str) -> Compared:
    del common
    values = {name: fields["env.spr"][number] for name, number in _PPC_SPRS.items()}
    values |= {"NIP": fields["env.nip"], "MSR": fields["env.msr"], "FPSCR": fields["cpu/fpu"]["env.fpscr"]}
    values["CR"] = sum(nibble << 28 - 4 * i for i, nibble in enumerate(fields["env.crf"]))
    found: dict[str, str] = dict(re.findall(r"\b([A-Z]+\d?) ([0-9a-f]{8,16})\b", text))
    result = [(name, found[name], value) for name, value in values.items()]
    floats = [int(value, 16) for value in fields["cpu/fpu"]["env.vsr"]]
    for kind, numbers in (("GPR", fields["env.gpr"]), ("FPR", floats)):
        rows = re.findall(rf"(?m)^{kind}(\d\d) ([0-9a-f ]+)$", text)
        shown = [one for _, row in rows for one in row.split()]
        assert len(shown) == 32
        result += [(f"{kind}{i}", one, numbers[i]) for i, one in enumerate(shown)]
    return result


def _riscv64(fields: Fields, common: Fields, text: str) -> Compared:
    del common
    known = {**fields, **fields["cpu/hyper"]}
    result: Compared = []
    for name, shown in re.findall(r"(?m)^ ([a-z]+\d?) +([0-9a-f]{16})$", text):
        if name == "fcsr":
            continue  # frm << 5 | fflags, and the stream does not hold fflags as such
        result.append((name, shown, _riscv_as_read(name, known[f"env.{name}"])))
    for kind, numbers in (("x", fields["env.gpr"]), ("f", fields["env.fpr"])):
        found = re.findall(rf"\b{kind}(\d+)/\w+ +([0-9a-f]{{16}})", text)
        assert [int(i) for i, _ in found] == list(range(32))
        result += [(f"{kind}{i}", shown, numbers[int(i)]) for i, shown in found]
    return result


def _riscv_as_read(name: str, value: int) -> int:
    """Add the bits that a hart makes up when the register is read, and so does `info registers`."""
    if name == "mstatus" and 3 in (value >> 13 & 3, value >> 15 & 3, value >> 9 & 3):
        return value | 1 << 63  # SD: one of FS, XS, VS is dirty
    if name == "hstatus":
        return value & ~(3 << 32) | 2 << 32  # VSXL: always 64 bits
    return value


ARCHITECTURES: dict[str, Callable[[Fields, Fields, str], Compared]] = {
    r"\b[ER]IP=": _x86,
    r"\bPSTATE=": _aarch64,
    r"\bNIP ": _ppc64,
    r"\bmhartid ": _riscv64,
}
"""What only that architecture prints, and how its registers are compared."""
