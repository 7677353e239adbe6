"""Sound cards: sb16, es1370, ac97, gus, cs4231a, intel-hda (QEMU's hw/sb16.c, ... below hw/audio).

adlib saves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.eras.building import (
    boolean,
    buffer,
    describe,
    i32,
    i64,
    pci,
    struct,
    u8,
    u16,
    u32,
    unused,
)

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.description import VMStateDescription

_SB16 = describe(
    "sb16",
    1,
    u32("irq dma hdma port ver"),
    i32("in_index out_data_len fmt_stereo fmt_signed fmt_bits"),
    u32("fmt"),
    i32("dma_auto block_size fifo freq time_const speaker needed_bytes cmd use_hdma highspeed can_write v2x6"),
    u8("csp_param csp_value csp_mode csp_param[1]"),  # QEMU writes csp_param twice
    buffer("csp_regs", 256),
    u8("csp_index"),
    buffer("csp_reg83", 4),
    i32("csp_reg83r csp_reg83w"),
    buffer("in2_data", 10),
    buffer("out_data", 50),
    u8("test_reg last_read_byte"),
    i32("nzero left_till_irq dma_running bytes_per_second align mixer_nreg"),
    buffer("mixer_regs", 256),
)
_ES1370_CHANNEL = describe("es1370_channel", 2, u32("shift leftover scount frame_addr frame_cnt"))
_AC97_MASTER = describe(
    "ac97_bm_regs", 1, u32("bdbar"), u8("civ lvi"), u16("sr picb"), u8("piv cr"), u32("bd_valid bd.addr bd.ctl_len")
)
_HDA_STREAM = describe("intel-hda-stream", 1, u32("ctl lpib cbl lvi fmt bdlp_lbase bdlp_ubase"))
_INTEL_HDA = describe(
    "intel-hda",
    1,
    pci("pci"),
    u32("g_ctl wake_en state_sts int_ctl int_sts wall_clk"),
    u32("corb_lbase corb_ubase corb_rp corb_wp corb_ctl corb_sts corb_size"),
    u32("rirb_lbase rirb_ubase rirb_wp rirb_cnt rirb_ctl rirb_sts rirb_size dp_lbase dp_ubase icw irr ics"),
    struct("st", _HDA_STREAM, 8),
    u32("rirb_count"),
    i64("wall_base_ns"),
)
_HDA_AUDIO_STREAM = describe(
    "hda-audio-stream",
    1,
    u32("stream channel format gain_left gain_right"),
    boolean("mute_left mute_right"),
    u32("bpos"),
    buffer("buf", 256),
)

DESCRIPTIONS: tuple[VMStateDescription, ...] = (
    describe("audio", 1),
    _SB16,
    describe("es1370", 2, pci("dev"), struct("chan", _ES1370_CHANNEL, 3), u32("ctl status mempage codec sctl")),
    describe(
        "ac97",
        3,
        pci("dev"),
        u32("glob_cnt glob_sta cas"),
        struct("bm_regs", _AC97_MASTER, 3),
        buffer("mixer_data", 256),
        unused(3, "active", when=lambda _, version: version == 2),
    ),
    describe("gus", 2, i32("pos left shift irqs samples"), i64("last_ticks"), buffer("himem", (1 << 20) + 32 + 4096)),
    describe("cs4231a", 1, u32("regs", 16), buffer("dregs", 32), i32("dma_running audio_free transferred aci_counter")),
    _INTEL_HDA,
    describe(
        "hda-audio",
        2,
        struct("st", _HDA_AUDIO_STREAM, 4),
        boolean("running_compat", 16),
        boolean("running_real", 32, since=2),
    ),
)
