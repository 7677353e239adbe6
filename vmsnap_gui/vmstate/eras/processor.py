"""The processor and the clocks beside it: cpu, cpu_common, timer, kvmclock, kvm-tpr-opt.

Layouts: QEMU's target-i386/machine.c, exec.c, vl.c/qemu-timer.c/cpus.c, hw/kvm/clock.c and hw/i386/kvmvapic.c.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.eras.building import (
    before,
    describe,
    i32,
    i64,
    struct,
    u8,
    u16,
    u32,
    u64,
    unused,
)

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.description import Values, VMStateDescription

_MCE_WORDS = 40  # ten banks of four registers


def _only_mant(values: Values, _: int) -> bool:
    return values["env.fpregs_format_vmstate"] == 1


def _whole_fpregs(values: Values, _: int) -> bool:
    return values["env.fpregs_format_vmstate"] == 0


def _has_mce(values: Values, version: int) -> bool:
    """Version 10 (QEMU 0.11) left the machine-check registers out where the processor had none."""
    return version > 10 or (version == 10 and values["env.mcg_cap"] != 0)


def _mce_words(values: Values, version: int) -> int:
    return _MCE_WORDS if version > 10 else 4 * (int(values["env.mcg_cap"]) & 0xFF)


def _vector(name: str, words: int) -> VMStateDescription:
    return describe(name, 1, u64(" ".join(f"_q[{i}]" for i in range(words))))


_FPREG = describe("fpreg", 1, u64("mant"), u16("exp"))
_FPREG_MANT = describe("fpreg_1", 1, u64("mant"))
_XMM = _vector("xmm_reg", 2)
_YMMH = _vector("ymmh_reg", 2)
_ZMMH = _vector("zmmh_reg", 4)
_HI16_ZMM = _vector("hi16_zmm_reg", 8)
_MTRR = describe("mtrr_var", 1, u64("base mask"))
_BOUND = describe("bnd_regs", 1, u64("lb ub"))


def _msr(name: str, registers: str) -> VMStateDescription:
    return describe(f"cpu/{name}", 1, u64(registers))


def _subsections(registers: int) -> tuple[VMStateDescription, ...]:
    wide = struct("env.hi16_zmm_regs", _HI16_ZMM, 16) if registers == 16 else ()
    return (
        _msr("async_pf_msr", "env.async_pf_en_msr"),
        _msr("async_pv_eoi_msr", "env.pv_eoi_en_msr"),
        _msr("steal_time_msr", "env.steal_time_msr"),
        describe("cpu/fpop_ip_dp", 1, u16("env.fpop"), u64("env.fpip env.fpdp")),
        _msr("msr_tsc_adjust", "env.tsc_adjust"),
        _msr("msr_tscdeadline", "env.tsc_deadline"),
        _msr("msr_ia32_misc_enable", "env.msr_ia32_misc_enable"),
        _msr("msr_ia32_feature_control", "env.msr_ia32_feature_control"),
        describe(
            "cpu/msr_architectural_pmu",
            1,
            u64("env.msr_fixed_ctr_ctrl env.msr_global_ctrl env.msr_global_status env.msr_global_ovf_ctrl"),
            u64("env.msr_fixed_counters", 3),
            u64("env.msr_gp_counters env.msr_gp_evtsel", 18),
        ),
        describe(
            "cpu/mpx",
            1,
            struct("env.bnd_regs", _BOUND, 4),
            u64("env.bndcs_regs.cfgu env.bndcs_regs.sts env.msr_bndcfgs"),
        ),
        _msr("msr_hyperv_hypercall", "env.msr_hv_guest_os_id env.msr_hv_hypercall"),
        _msr("msr_hyperv_vapic", "env.msr_hv_vapic"),
        _msr("msr_hyperv_time", "env.msr_hv_tsc"),
        describe("cpu/avx512", 1, u64("env.opmask_regs", 8), struct("env.zmmh_regs", _ZMMH, registers), wide),
    )


def _cpu(width: int) -> VMStateDescription:
    """Return the processor's layout with registers of `width` bytes: 4 in qemu-system-i386, 8 in x86_64."""
    word, registers = (u64, 16) if width == 8 else (u32, 8)
    segment = describe("segment", 1, u32("selector"), word("base"), u32("limit flags"))
    long_mode = u64("env.efer env.star env.lstar env.cstar env.fmask env.kernelgsbase") if width == 8 else ()
    narrow = u32("env.sysenter_esp env.sysenter_eip", when=before(7)) if width == 8 else ()
    return describe(
        "cpu",
        12,
        word("env.regs", registers),
        word("env.eip env.eflags"),
        u32("env.hflags"),
        u16("env.fpuc env.fpus_vmstate env.fptag_vmstate env.fpregs_format_vmstate"),
        struct("env.fpregs", _FPREG, 8, when=_whole_fpregs),
        struct("env.fpregs", _FPREG_MANT, 8, when=_only_mant),
        struct("env.segs", segment, 6),
        *(struct(f"env.{name}", segment) for name in ("ldt", "tr", "gdt", "idt")),
        u32("env.sysenter_cs"),
        narrow,
        word("env.sysenter_esp env.sysenter_eip", since=7 if width == 8 else 0),
        word("env.cr[0] env.cr[2] env.cr[3] env.cr[4]"),
        word("env.dr", 8),
        i32("env.a20_mask"),
        u32("env.mxcsr"),
        struct("env.xmm_regs", _XMM, registers),
        long_mode,
        u32("env.smbase", since=4),
        u64("env.pat", since=5),
        u32("env.hflags2", since=5),
        u32("halted", when=lambda _, version: version == 5),
        u64("env.vm_hsave env.vm_vmcb env.tsc_offset env.intercept", since=5),
        u16("env.intercept_cr_read env.intercept_cr_write env.intercept_dr_read env.intercept_dr_write", since=5),
        u32("env.intercept_exceptions", since=5),
        u8("env.v_tpr", since=5),
        u64("env.mtrr_fixed", 11, since=8),
        u64("env.mtrr_deftype", since=8),
        struct("env.mtrr_var", _MTRR, 8, since=8),
        i32("env.interrupt_injected", since=9),
        u32("env.mp_state", since=9),
        u64("env.tsc", since=9),
        i32("env.exception_injected", since=11),
        u8("env.soft_interrupt env.nmi_injected env.nmi_pending env.has_error_code", since=11),
        u32("env.sipi_vector", since=11),
        u64("env.mcg_cap", since=10),
        u64("env.mcg_status env.mcg_ctl", when=_has_mce),
        u64("env.mce_banks", _mce_words, when=_has_mce),
        u64("env.tsc_aux env.system_time_msr env.wall_clock_msr", since=11),
        u64("env.xcr0 env.xstate_bv", since=12),
        struct("env.ymmh_regs", _YMMH, registers, since=12),
        subsections=_subsections(registers),
        minimum=3,
    )


_HANDLERS = describe("kvmvapic-handlers", 1, u32("set_tpr set_tpr_eax"), u32("get_tpr", 8), u32("get_tpr_stack"))
_GUEST_ROM = describe(
    "kvmvapic-guest-rom",
    1,
    unused(8),
    u32("vaddr fixup_start fixup_end vapic_vaddr vapic_size vcpu_shift real_tpr_addr"),
    struct("up", _HANDLERS),
    struct("mp", _HANDLERS),
)

CPU_32 = _cpu(4)
CPU_64 = _cpu(8)

DESCRIPTIONS: tuple[VMStateDescription, ...] = (
    CPU_32,
    CPU_64,
    describe(
        "cpu_common",
        1,
        u32("halted interrupt_request"),
        subsections=(describe("cpu_common/exception_index", 1, i32("exception_index")),),
    ),
    describe(
        "timer",
        2,
        i64("cpu_ticks_offset dummy"),
        i64("cpu_clock_offset", since=2),
        subsections=(describe("timer/icount", 1, i64("qemu_icount_bias qemu_icount")),),
    ),
    describe("kvmclock", 1, u64("clock")),
    describe(
        "kvm-tpr-opt",
        1,
        struct("rom_state", _GUEST_ROM),
        u32("state real_tpr_addr rom_state_vaddr vapic_paddr rom_state_paddr"),
    ),
)
