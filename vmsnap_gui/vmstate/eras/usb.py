"""USB controllers and devices (QEMU's hw/usb-uhci.c, usb-hid.c, usb-hub.c, ... below hw/usb).

Devices are saved since 0.14. xhci does not say how many ports, slots and interrupters it has: these are its defaults.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.eras.building import (
    PCIE_DEVICE,
    Fields,
    boolean,
    buffer,
    describe,
    i32,
    i64,
    pci,
    struct,
    timer,
    u8,
    u16,
    u32,
    u64,
)
from vmsnap_gui.vmstate.eras.msix import msix

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.description import Values, VMStateDescription

_DEVICE = struct(
    "dev",
    describe(
        "USBDevice",
        1,
        u8("addr"),
        i32("state remote_wakeup setup_state setup_len setup_index"),
        u8("setup_buf", 8),
    ),
)
_POINTER_EVENT = describe("HIDPointerEventQueue", 1, i32("xdx ydy dz buttons_state"))
_POINTER = describe(
    "HIDPointerDevice", 1, struct("ptr.queue", _POINTER_EVENT, 16), u32("head n"), i32("protocol"), u8("idle")
)
_KEYBOARD = describe(
    "HIDKeyboardDevice",
    1,
    u32("kbd.keycodes", 16),
    u32("head n"),
    u16("kbd.modifiers"),
    u8("kbd.leds"),
    u8("kbd.key", 16),
    i32("kbd.keys protocol"),
    u8("idle"),
)
_HUB_PORT = describe("usb-hub-port", 1, u16("wPortStatus wPortChange"))

_UHCI = describe(
    "uhci",
    3,
    pci("dev"),
    u8("num_ports_vmstate"),
    struct("ports", describe("uhci port", 1, u16("ctrl")), "num_ports_vmstate"),
    u16("cmd status intr frnum"),
    u32("fl_base_addr"),
    u8("sof_timing status2"),
    timer("frame_timer"),
    i64("expire_time", since=2),
    u32("pending_int_mask", since=3),
)
_EHCI = describe(
    "ehci-core",
    2,
    u32("usbcmd usbsts"),
    u32("usbsts_pending usbsts_frindex", since=2),
    u32("usbintr frindex ctrldssegment periodiclistbase asynclistaddr configflag"),
    u32(" ".join(f"portsc[{port}]" for port in range(6))),
    timer("frame_timer"),
    u64("last_run_ns"),
    u32("async_stepdown astate pstate a_fetch_addr p_fetch_addr"),
)
_OHCI = describe(
    "ohci-core",
    1,
    i64("sof_time"),
    u32("ctl status intr_status intr hcca ctrl_head ctrl_cur bulk_head bulk_cur per_cur done"),
    i32("done_count"),
    u16("fsmps"),
    u8("fit"),
    u16("fi"),
    u8("frt"),
    u16("frame_number padding"),
    u32("pstart lst rhdesc_a rhdesc_b rhstatus"),
    struct("rhport", describe("ohci-core/port", 1, u32("ctrl")), 15),
    u32("hstatus hmask hreset htest old_ctl"),
    u8("usb_buf", 8192),
    u32("async_td"),
    boolean("async_complete"),
    subsections=(describe("ohci-core/eof-timer", 1, timer("eof_timer")),),
)


def _full(values: Values, _: int) -> bool:
    return bool(values["er_full"])


_XHCI_EVENT = describe("xhci-event", 1, u32("type ccode"), u64("ptr"), u32("length flags"), u8("slotid epid"))
_XHCI_INTERRUPTER = describe(
    "xhci-intr",
    1,
    u32("iman imod erstsz erstba_low erstba_high erdp_low erdp_high"),
    boolean("msix_used er_pcs"),
    u64("er_start"),
    u32("er_size er_ep_idx"),
    boolean("er_full"),
    u32("ev_buffer_put ev_buffer_get", when=_full),
    struct("ev_buffer", _XHCI_EVENT, (3 * 24 + 16) * 64, when=_full),
)
_XHCI = describe(
    "xhci",
    1,
    struct("parent_obj", PCIE_DEVICE),
    msix(),
    struct("ports", describe("xhci-port", 1, u32("portsc")), 8),
    struct("slots", describe("xhci-slot", 1, boolean("enabled addressed")), 64),
    struct("intr", _XHCI_INTERRUPTER, 16),
    u32("usbcmd usbsts dnctrl crcr_low crcr_high dcbaap_low dcbaap_high config"),
    i64("mfindex_start"),
    timer("mfwrap_timer"),
    struct("cmd_ring", describe("xhci-ring", 1, u64("dequeue"), boolean("ccs"))),
)

_CCID_DEVICE = describe("usb_device", 1, u8("addr"), buffer("setup_buf", 8), buffer("data_buf", 4096))
_CCID_BULK = describe("CCID BulkIn state", 1, buffer("data", 384), u32("len pos"))
_CCID: Fields = (
    *struct("dev", _CCID_DEVICE),
    *u8("debug"),
    *buffer("bulk_out_data", 65536),
    *u32("bulk_out_pos"),
    *u8("bmSlotICCState powered notify_slot_change"),
    *u64("last_answer_error"),
    *u8("bError bmCommandStatus bProtocolNum"),
    *buffer("abProtocolDataStructure", 7),
    *u32("ulProtocolDataStructureSize"),
    *struct("bulk_in_pending", _CCID_BULK, 8),
    *u32("bulk_in_pending_start bulk_in_pending_end"),
    *struct("pending_answers", describe("CCID Answer state", 1, u8("slot seq")), 128),
    *u32("pending_answers_num"),
    *u8("migration_state"),
    *u32("state_vmstate"),
)

DESCRIPTIONS: tuple[VMStateDescription, ...] = (
    _UHCI,
    describe("ehci", 2, pci("pcidev"), struct("ehci", _EHCI)),
    describe("ohci", 1, pci(), struct("state", _OHCI)),
    _XHCI,
    describe("usb-ptr", 1, _DEVICE, struct("hid", _POINTER)),
    describe("usb-kbd", 1, _DEVICE, struct("hid", _KEYBOARD)),
    describe("usb-hub", 1, _DEVICE, struct("ports", _HUB_PORT, 8)),
    describe(
        "usb-storage",
        1,
        _DEVICE,
        u32("mode scsi_len scsi_off data_len csw.sig csw.tag csw.residue"),
        u8("csw.status"),
    ),
    describe("usb-ccid", 1, _CCID),
    describe(
        "ccid-card-passthru",
        1,
        buffer("vscard_in_data", 65536),
        u32("vscard_in_pos vscard_in_hdr"),
        buffer("atr", 40),
        u8("atr_length"),
    ),
)
