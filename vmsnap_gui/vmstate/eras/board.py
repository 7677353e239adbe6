"""What sits on the board: interrupt controllers, timers, clock, DMA, firmware interface, PCI and ISA bridges.

Layouts: QEMU's hw/i8259.c, i8254.c, apic.c, ioapic.c, mc146818rtc.c, hpet.c, dma.c, fw_cfg.c, pci.c, piix_pci.c, pc.c,
i2c.c and their later homes below hw/.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.eras.building import (
    Fields,
    before,
    buffer,
    describe,
    i32,
    i64,
    pci,
    since,
    struct,
    timer,
    u8,
    u16,
    u32,
    u64,
    unused,
)

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.description import VMStateDescription


def _apic_bits(when_new: int) -> Fields:
    """The three register files: interleaved word by word up to version 2, one after the other since."""
    old = before(when_new)
    words = (u32(f"isr[{i}] tmr[{i}] irr[{i}]", when=old) for i in range(8))
    return (*(field for word in words for field in word), *u32("isr tmr irr", 8, since=when_new))


_APIC = describe(
    "apic",
    3,
    u32("apicbase"),
    u8("id arb_id tpr"),
    u32("spurious_vec"),
    u8("log_dest dest_mode"),
    _apic_bits(3),
    u32("lvt", 6),
    u32("esr"),
    u32("icr", 2),
    u32("divide_conf"),
    i32("count_shift"),
    u32("initial_count"),
    i64("initial_count_load_time next_time"),
    timer("timer_expiry"),
    subsections=(describe("apic_sipi", 1, i32("sipi_vector wait_for_sipi")),),
    minimum=2,
)

_IOAPIC = describe(
    "ioapic", 3, u8("id ioregsel"), unused(8, since=2), u32("irr", since=2),
    u64("ioredtbl", 24),
)  # fmt: skip

_PIC = describe(
    "i8259",
    1,
    u8("last_irr irr imr isr priority_add irq_base read_reg_select poll special_mask init_state auto_eoi"),
    u8("rotate_on_auto_eoi special_fully_nested_mode init4 single_mode elcr"),
)

_CHANNEL: Fields = (
    *i32("count"),
    *u16("latched_count"),
    *u8("count_latched status_latched status read_state write_state write_latch rw_mode mode bcd gate"),
    *i64("count_load_time"),
)
_CHANNEL_ALONE = describe("pit channel", 1, _CHANNEL)
_CHANNEL_NEXT = describe("pit channel", 2, _CHANNEL, i64("next_transition_time"))

_PIT = describe(
    "i8254",
    3,
    u32("channels[0].irq_disabled", since=3),
    struct("channels", _CHANNEL_NEXT, 3, since=2),
    # Up to version 1 only the first channel, which has the interrupt, saved when that comes.
    struct("channels[0]", _CHANNEL_NEXT, when=before(2)),
    timer("channels[0].irq_timer"),
    struct("channels[1]", _CHANNEL_ALONE, when=before(2)),
    struct("channels[2]", _CHANNEL_ALONE, when=before(2)),
)

_REINJECT = u16("irq_reinject_on_ack_count")
_RTC = describe(
    "mc146818rtc",
    3,
    buffer("cmos_data", 128),
    u8("cmos_index"),
    i32("current_tm.tm_sec current_tm.tm_min current_tm.tm_hour current_tm.tm_wday", when=before(3)),
    i32("current_tm.tm_mday current_tm.tm_mon current_tm.tm_year", when=before(3)),
    unused(7 * 4, when=since(3)),
    timer("periodic_timer"),
    i64("next_periodic_time"),
    i64("next_second_time", when=before(3)),
    timer("second_timer second_timer2", when=before(3)),
    unused(3 * 8, when=since(3)),
    u32("irq_coalesced period", since=2),
    u64("base_rtc last_update", since=3),
    i64("offset", since=3),
    timer("update_timer", since=3),
    u64("next_alarm_time", since=3),
    subsections=(
        describe("irq_reinject_on_ack_count", 1, _REINJECT),
        describe("mc146818rtc/irq_reinject_on_ack_count", 1, _REINJECT),
    ),
)

_HPET_TIMER = describe("hpet_timer", 1, u8("tn"), u64("config cmp fsb period"), u8("wrap_flag"), timer("qemu_timer"))
_HPET = describe(
    "hpet",
    2,
    u64("config isr hpet_counter"),
    u8("num_timers", since=2),
    struct("timer", _HPET_TIMER, 3, when=before(2)),
    struct("timer", _HPET_TIMER, "num_timers", since=2),
    subsections=(describe("hpet/rtc_irq_level", 1, u8("rtc_irq_level")),),
)

_DMA_REGS = describe("dma_regs", 1, i32("now", 2), u16("base", 2), u8("mode page pageh dack eop"))

_LEVELS = i32("pci_irq_levels_vmstate", 4, since=3)

DESCRIPTIONS: tuple[VMStateDescription, ...] = (
    _APIC,
    _IOAPIC,
    _PIC,
    _PIT,
    _RTC,
    describe("mc146818rtc-td", 1, i32("irq_coalesced period")),
    _HPET,
    describe("dma", 1, u8("command mask flip_flop"), i32("dshift"), struct("regs", _DMA_REGS, 4)),
    describe("fw_cfg", 2, u16("cur_entry"), u16("cur_offset", when=before(2)), u32("cur_offset", since=2)),
    describe("port92", 1, u8("outport")),
    describe("i2c_bus", 1, u8("saved_address")),
    describe("PCIBUS", 1, i32("nirq"), i32("irq_count", "nirq")),
    describe("I440FX", 3, pci(), u8("smm_enabled"), i32("pci_irq_levels", 4, when=before(3))),
    describe("PIIX3", 3, pci(), _LEVELS, subsections=(describe("PIIX3/rcr", 1, u8("rcr")),)),
    describe("acpi_build", 1, u8("patched")),
    describe("isa-i82374", 0, u8("state.commands", 8)),
    describe("pc87312", 1, u8("read_id_step selected_index"), u8("regs", 3)),
    describe("platform", 4, pci(), u8("flags")),  # Xen's platform device
    describe("pci_bridge", 0, pci(), buffer("shpc", 0x24 + 4 * 31)),
    describe("ich9_smb", 1, pci()),
)
