"""Disks: IDE, floppy, SCSI host adapters (QEMU's hw/ide*, fdc.c, lsi53c895a.c, esp*.c, megasas.c, vmw_pvscsi.c).

QEMU 0.12.1 to 0.12.5 gave the drives inside "ide" a version of their own that is not in the stream, so that layout
stands beside the other one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.eras.building import (
    Fields,
    before,
    boolean,
    buffer,
    describe,
    i32,
    i64,
    marked,
    pci,
    struct,
    timer,
    u8,
    u32,
    u64,
)
from vmsnap_gui.vmstate.eras.msix import msix

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.description import Values, VMStateDescription

_IO_BUFFER = 256 * 512 + 4  # IDE_DMA_BUF_SECTORS sectors and a word


def _identified(values: Values, _: int) -> bool:
    return values["identify_set"] != 0


_PIO: Fields = (
    *i32("req_nb_sectors"),
    *u8("io_buffer", _IO_BUFFER),
    *i32("cur_io_buffer_offset cur_io_buffer_len"),
    *u8("end_transfer_fn_idx"),
    *i32("elementary_transfer_size packet_transfer_size"),
)


def _drive(version: int) -> VMStateDescription:
    subsections = (
        describe("ide_drive/pio_state", 1, _PIO),
        describe("ide_drive/tray_state", 1, boolean("tray_open tray_locked")),
        describe("ide_drive/atapi/gesn_state", 1, boolean("events.new_media events.eject_request")),
    )
    return describe(
        "ide_drive",
        version,
        i32("mult_sectors identify_set"),
        buffer("identify_data", 512, when=_identified),
        u8("feature error"),
        u32("nsector"),
        u8("sector lcyl hcyl hob_feature hob_sector hob_nsector hob_lcyl hob_hcyl"),
        u8("select status lba48 sense_key asc"),
        u8("cdrom_changed") if version > 2 else (),
        _PIO if version > 3 else (),
        subsections=subsections,
    )


_CURRENT = describe("ide bmdma_current", 1, u32("cur_addr cur_prd_last cur_prd_addr cur_prd_len"))
_BMDMA = describe(
    "ide bmdma",
    3,
    u8("cmd status"),
    u32("addr"),
    i64("sector_num"),
    u32("nsector"),
    u8("unit"),
    subsections=(_CURRENT, describe("ide bmdma/status", 1, u8("status"))),
)
_BUS = describe("ide_bus", 1, u8("cmd unit"), subsections=(describe("ide_bus/error", 1, i32("error_status")),))


def _drives(name: str, newest: int) -> Fields:
    old = struct(name, _drive(2), 2, when=before(3))
    return (*old, *struct(name, _drive(newest), 2, since=3))


def _ide(newest: int) -> VMStateDescription:
    return describe(
        "ide",
        3,
        pci(),
        struct("bmdma", _BMDMA, 2),
        struct("bus", _BUS, 2),
        _drives("bus[0].ifs", newest),
        _drives("bus[1].ifs", newest),
    )


def _isa_ide(newest: int) -> VMStateDescription:
    return describe("isa-ide", 3, struct("bus", _BUS), _drives("bus.ifs", newest))


_FDRIVE = describe(
    "fdrive",
    1,
    u8("head track sect"),
    subsections=tuple(
        describe(f"fdrive/{name}", 1, u8(name)) for name in ("media_changed", "media_rate", "perpendicular")
    ),
)
_FDC = describe(
    "fdc",
    2,
    u8("sra srb dor_vmstate tdr dsr msr status0 status1 status2"),
    u8("fifo", 512),
    u32("data_pos data_len"),
    u8("data_state data_dir eot timer0 timer1 precomp_trk config lock pwrd num_floppies"),
    struct("drives", _FDRIVE, "num_floppies"),
    subsections=(
        describe("fdc/reset_sensei", 1, i32("reset_sensei")),
        describe("fdc/result_timer", 1, timer("result_timer")),
    ),
)

_LSI = describe(
    "lsiscsi",
    0,
    pci(),
    i32("carry status msg_action msg_len"),
    buffer("msg", 8),
    i32("waiting"),
    u32("dsa temp dnad dbc"),
    u8("istat0 istat1 dcmd dstat dien sist0 sist1 sien0 sien1 mbox0 mbox1 dfifo ctest2 ctest3 ctest4 ctest5"),
    u8("ccntl0 ccntl1"),
    u32("dsp dsps"),
    u8("dmode dcntl scntl0 scntl1 scntl2 scntl3 sstat0 sstat1 scid sxfer socl sdid ssid sfbr stest1 stest2"),
    u8("stest3 sidl stime0 respid0 respid1"),
    u32("mmrs mmws sfs drs sbms dbms dnad64 pmjad1 pmjad2 rbc ua ia sbc csbc"),
    buffer("scratch", 18 * 4),
    u8("sbr"),
    buffer("script_ram", 2048 * 4),
)

_ESP = describe(
    "esp",
    3,
    buffer("rregs", 16),
    buffer("wregs", 16),
    i32("ti_size"),
    u32("ti_rptr ti_wptr"),
    buffer("ti_buf", 16),
    u32("status dma"),
    buffer("cmdbuf", 16),
    u32("cmdlen do_cmd dma_left"),
)

_MEGASAS: Fields = (*i32("fw_state intr_mask doorbell"), *u64("reply_queue_pa consumer_pa producer_pa"))

_PVSCSI = describe(
    "pvscsi",
    0,
    pci(),
    u8("msi_used"),
    u32("resetting"),
    u64("reg_interrupt_status reg_interrupt_enabled reg_command_status curr_cmd"),
    u32("curr_cmd_data_cntr"),
    u32("curr_cmd_data", 132),
    u8("rings_info_valid msg_ring_info_valid use_msg"),
    u64("rings.rs_pa"),
    u32("rings.txr_len_mask rings.rxr_len_mask"),
    u64("rings.req_ring_pages_pa rings.cmp_ring_pages_pa", 32),
    u64("rings.consumed_ptr rings.filled_cmp_ptr"),
)

_SCSI_REQUEST = describe("scsi-request", 1, buffer("cmd.buf", 16), u32("tag lun"))
_SCSI_DEVICE = describe(
    "SCSIDevice",
    1,
    u8("unit_attention.key unit_attention.asc unit_attention.ascq"),
    boolean("sense_is_ua"),
    u8("sense", 96),
    u32("sense_len"),
    marked("requests", _SCSI_REQUEST),
    subsections=(describe("SCSIDevice/sense", 1, u8("sense", 252 - 96)),),
)

DESCRIPTIONS: tuple[VMStateDescription, ...] = (
    _ide(3),
    _ide(4),
    _isa_ide(3),
    _isa_ide(4),
    describe("fdc", 2, struct("state", _FDC)),
    _LSI,
    describe("pciespscsi", 0, pci(), buffer("dma_regs", 32), struct("esp", _ESP)),
    describe("megasas", 0, pci(), _MEGASAS),
    describe("megasas", 0, pci(), msix(), _MEGASAS),
    _PVSCSI,
    describe(
        "scsi-disk",
        1,
        struct("qdev", _SCSI_DEVICE),
        boolean("media_changed media_event eject_request tray_open tray_locked"),
    ),
)
