"""Keyboard, mouse, serial and parallel ports (QEMU's hw/ps2.c, pckbd.c, vmmouse.c, serial*.c, parallel.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.eras.building import (
    boolean,
    buffer,
    describe,
    i32,
    pci,
    struct,
    timer,
    u8,
    u16,
    u32,
)

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.description import VMStateDescription

_PS2 = describe("PS2 Common State", 3, i32("write_cmd queue.rptr queue.wptr queue.count"), buffer("queue.data", 256))
_FIFO = describe("Fifo8", 1, buffer("data", 16), u32("head num"))  # UART_FIFO_LENGTH
_SERIAL = describe(
    "serial",
    3,
    u16("divider", since=2),
    u8("rbr ier iir lcr mcr lsr msr scr"),
    u8("fcr_vmstate", since=3),
    subsections=(
        describe("serial/thr_ipending", 1, i32("thr_ipending")),
        describe("serial/tsr", 1, i32("tsr_retry"), u8("thr tsr")),
        describe("serial/recv_fifo", 1, struct("recv_fifo", _FIFO)),
        describe("serial/xmit_fifo", 1, struct("xmit_fifo", _FIFO)),
        describe("serial/fifo_timeout_timer", 1, timer("fifo_timeout_timer")),
        describe("serial/timeout_ipending", 1, i32("timeout_ipending")),
        describe("serial/poll", 1, i32("poll_msl"), timer("modem_status_poll")),
    ),
)
_KBD = describe(
    "pckbd",
    3,
    u8("write_cmd status mode pending"),
    subsections=(describe("pckbd_outport", 1, u8("outport")),),
)
_IPOCTAL_CHANNEL = describe(
    "scc2698_channel",
    1,
    boolean("rx_enabled"),
    u8("mr", 2),
    u8("mr_idx sr"),
    u8("rhr", 3),
    u8("rhr_idx rx_pending"),
)

DESCRIPTIONS: tuple[VMStateDescription, ...] = (
    describe(
        "ps2kbd",
        3,
        struct("common", _PS2),
        i32("scan_enabled translate"),
        i32("scancode_set", since=3),
        subsections=(describe("ps2kbd/ledstate", 3, i32("ledstate")),),
    ),
    describe(
        "ps2mouse",
        2,
        struct("common", _PS2),
        u8("mouse_status mouse_resolution mouse_sample_rate mouse_wrap mouse_type mouse_detect_state"),
        i32("mouse_dx mouse_dy mouse_dz"),
        u8("mouse_buttons"),
    ),
    describe("pckbd", 3, struct("kbd", _KBD)),
    describe("vmmouse", 0, i32("queue_size"), u32("queue", "queue_size"), u16("nb_queue status"), u8("absolute")),
    describe("serial", 3, struct("state", _SERIAL)),
    describe("pci-serial", 1, pci("dev"), struct("state", _SERIAL)),
    *(
        describe("pci-serial-multi", 1, pci("dev"), struct("state", _SERIAL, ports), u32("level", ports))
        for ports in (4, 2)
    ),
    describe(
        "parallel_isa",
        1,
        u8("state.dataw state.datar state.status state.control"),
        i32("state.irq_pending state.epp_timeout"),
    ),
    describe("tpci200", 1, pci("dev"), boolean("big_endian", 3), u8("ctrl", 4), u16("status"), u8("int_set")),
    describe(
        "ipoctal232",
        1,
        i32("parent_obj.slot"),
        struct("ch", _IPOCTAL_CHANNEL, 8),
        struct("blk", describe("scc2698_block", 1, u8("imr isr")), 4),
        u8("irq_vector"),
    ),
)
