"""Network cards: ne2000, e1000, rtl8139, pcnet, eepro100, vmxnet3 (QEMU's hw/ne2000.c, e1000.c, ... below hw/net).

eepro100 left a counter out from 0.12 on and its register `pointer` from 0.15 on, rtl8139 its counter RxOkMul from 0.12
on, all without a new version: each of these layouts stands here, and the one that fits is taken.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.eras.building import (
    Fields,
    before,
    boolean,
    buffer,
    describe,
    i8,
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
    from collections.abc import Iterator

    from vmsnap_gui.vmstate.description import VMStateDescription

_NE2000: Fields = (
    *u8("rxcr cmd"),
    *u32("start stop"),
    *u8("boundary tsr tpsr"),
    *u16("tcnt rcnt"),
    *u32("rsar"),
    *u8("rsr isr dcfg imr"),
    *buffer("phys", 6),
    *u8("curpag"),
    *buffer("mult", 8),
    *unused(4),
    *buffer("mem", 48 * 1024),
)

_MAC = (
    "CTRL EECD EERD GPRC GPTC ICR ICS IMC IMS LEDCTL MANC MDIC MPC PBA RCTL RDBAH RDBAL RDH RDLEN RDT STATUS SWSM TCTL"
    " TDBAH TDBAL TDH TDLEN TDT TORH TORL TOTH TOTL TPR TPT TXDCTL WUFC VET"
)


def _mac(names: str) -> str:
    return " ".join(f"mac_reg[{name}]" for name in names.split())


_E1000 = describe(
    "e1000",
    2,
    pci(),
    unused(4, "instance", when=before(2)),
    unused(4),
    u32("rxbuf_size rxbuf_min_shift eecd_state.val_in"),
    u16("eecd_state.bitnum_in eecd_state.bitnum_out eecd_state.reading"),
    u32("eecd_state.old_eecd"),
    u8("tx.ipcss tx.ipcso"),
    u16("tx.ipcse"),
    u8("tx.tucss tx.tucso"),
    u16("tx.tucse"),
    u32("tx.paylen"),
    u8("tx.hdr_len"),
    u16("tx.mss tx.size tx.tso_frames"),
    u8("tx.sum_needed"),
    i8("tx.ip tx.tcp"),
    buffer("tx.header", 256),
    buffer("tx.data", 0x10000),
    u16("eeprom_data", 64),
    u16("phy_reg", 32),
    u32(_mac(_MAC)),
    u32("mac_reg[RA]", 32),
    u32("mac_reg[MTA] mac_reg[VFTA]", 128),
    subsections=(describe("e1000/mit_state", 1, u32(_mac("RDTR RADV TADV ITR")), boolean("mit_irq_level")),),
)


def _rtl8139(*, multicast_counter: bool) -> VMStateDescription:
    counters = describe(
        "tally_counters",
        1,
        u64("TxOk RxOk TxERR"),
        u32("RxERR"),
        u16("MissPkt FAE"),
        u32("Tx1Col TxMCol"),
        u64("RxOkPhy RxOkBrd"),
        u32("RxOkMul") if multicast_counter else (),
        u16("TxAbt TxUndrn"),
    )
    return describe(
        "rtl8139",
        4,
        pci(),
        buffer("phys", 6),
        buffer("mult", 8),
        u32("TxStatus TxAddr", 4),
        u32("RxBuf RxBufferSize RxBufPtr RxBufAddr"),
        u16("IntrStatus IntrMask"),
        u32("TxConfig RxConfig RxMissed"),
        u16("CSCR"),
        u8("Cfg9346 Config0 Config1 Config3 Config4 Config5 clock_enabled bChipCmdState"),
        u16("MultiIntr BasicModeCtrl BasicModeStatus NWayAdvert NWayLPAR NWayExpansion CpCmd"),
        u8("TxThresh"),
        unused(4),
        buffer("conf.macaddr", 6),
        i32("rtl8139_mmio_io_addr_dummy"),
        u32("currTxDesc currCPlusRxDesc currCPlusTxDesc RxRingAddrLO RxRingAddrHI"),
        u16("eeprom.contents", 64),
        i32("eeprom.mode"),
        u32("eeprom.tick"),
        u8("eeprom.address"),
        u16("eeprom.input eeprom.output"),
        u8("eeprom.eecs eeprom.eesk eeprom.eedi eeprom.eedo"),
        u32("TCTR TimerInt"),
        i64("TCTR_base"),
        struct("tally_counters", counters),
        u32("cplus_enabled", since=4),
        subsections=(describe("rtl8139/hotplug_ready", 1),),
    )


_PCNET = describe(
    "pcnet",
    3,
    i32("rap isr lnkst"),
    u32("rdra tdra"),
    buffer("prom", 16),
    u16("csr", 128),
    u16("bcr", 32),
    u64("timer"),
    i32("xmit_pos"),
    i32("recv_pos", when=before(3)),
    buffer("buffer", 4096),
    i32("tx_busy"),
    timer("poll_timer"),
)

_STATISTICS = (
    "tx_good_frames tx_max_collisions tx_late_collisions tx_underruns tx_lost_crs tx_deferred tx_single_collisions"
    " tx_multiple_collisions tx_total_collisions rx_good_frames rx_crc_errors rx_alignment_errors rx_resource_errors"
    " rx_overrun_errors rx_cdt_errors rx_short_frame_errors fc_xmt_pause fc_rcv_pause fc_rcv_unsupported"
)
_EEPRO_MODELS = "i82550 i82551 i82557a i82557b i82557c i82558a i82558b i82559a i82559b i82559c i82559er i82562 i82801"


def _statistics(names: str) -> str:
    return " ".join(f"statistics.{name}" for name in names.split())


_EEPRO_UNUSED: Fields = (
    *u8("rxcr cmd"),
    *u32("start stop"),
    *u8("boundary tsr tpsr"),
    *u16("tcnt rcnt"),
    *u32("rsar"),
    *u8("rsr isr dcfg imr"),
    *buffer("phys", 6),
    *u8("curpag"),
)
"""What the card has in common with ne2000, on which it was built, and never used."""


def _eepro100(model: str, *, newer: bool, pointer: bool) -> VMStateDescription:
    """Return a model's layout: as written by hand up to 0.11, or `newer`; with `pointer` up to 0.14."""
    return describe(
        model,
        3,
        pci("dev"),
        unused(32) if newer else _EEPRO_UNUSED,
        buffer("mult", 8),
        buffer("mem", 4096),
        u8("scb_stat int_stat"),
        unused(3 * 4) if newer else u32("region", 3),
        buffer("conf.macaddr", 6),
        unused(19 * 4) if newer else u32("statcounter", 19),
        u16("mdimem", 32),
        u32("device"),
        u32("pointer") if pointer else (),
        u32("cu_base cu_offset ru_base ru_offset statsaddr"),
        u32(_statistics(_STATISTICS)),
        u16(_statistics("xmt_tco_frames rcv_tco_frames")),
        () if newer else u32(_statistics("complete")),
        buffer("configuration", 22),
    )


_OLD_EEPROM = 20061112

_EEPROM = describe(
    "eeprom",
    _OLD_EEPROM + 1,
    u8("tick address command writable eecs eesk eedo addrbits"),
    # The old version wrote QEMU's own struct, with the low byte of the size first.
    u8("size", when=before(_OLD_EEPROM + 1)),
    unused(1, when=before(_OLD_EEPROM + 1)),
    u16("size", when=since(_OLD_EEPROM + 1)),
    u16("data"),
    u16("contents", "size"),
    minimum=_OLD_EEPROM,
)

_RING = describe("ring", 1, u64("pa"), u32("size cell_size next"), u8("gen"))


def _counters(names: str) -> Fields:
    kinds = " ".join(f"{cast}{unit}" for cast in ("ucast", "mcast", "bcast") for unit in ("Pkts", "Bytes"))
    return u64(f"{names.split(',')[0]} {kinds} {names.split(',')[1]}")


_TXQ = describe(
    "txq_descr",
    1,
    struct("tx_ring", _RING),
    struct("comp_ring", _RING),
    u8("intr_idx"),
    u64("tx_stats_pa"),
    _counters("TSOPkts TSOBytes,pktsTxError pktsTxDiscard"),
)
_RXQ = describe(
    "rxq_descr",
    1,
    struct("rx_ring", _RING, 2),
    struct("comp_ring", _RING),
    u8("intr_idx"),
    u64("rx_stats_pa"),
    _counters("LROPkts LROBytes,pktsRxOutOfBuf pktsRxError"),
)
_VMXNET3 = describe(
    "vmxnet3",
    1,
    pci(),
    boolean("rx_packets_compound rx_vlan_stripping lro_supported"),
    u32("rx_mode mcast_list_len mcast_list_buff_size"),
    u32("vlan_table", 128),
    u32("mtu"),
    u16("max_rx_frags"),
    u32("max_tx_frags"),
    u8("event_int_idx"),
    boolean("auto_int_masking"),
    u8("txq_num rxq_num"),
    u32("device_active last_command link_status_and_speed temp_mac"),
    u64("drv_shmem temp_shared_guest_driver_memory"),
    struct("txq_descr", _TXQ, 8),
    struct("rxq_descr", _RXQ, 8),
    struct("interrupt_states", describe("int_state", 1, u8("is_masked is_pending is_asserted")), 25),
    subsections=(describe("vmxnet3/mcast_list", 1, buffer("mcast_list", "mcast_list_buff_size")),),
)


def _cards() -> Iterator[VMStateDescription]:
    yield describe("ne2000", 3, pci("dev", when=since(3)), struct("ne2000", describe("ne2000", 2, _NE2000)))
    yield _E1000
    yield from (_rtl8139(multicast_counter=counter) for counter in (False, True))
    yield describe("pcnet", 3, pci(), struct("state", _PCNET))
    yield _EEPROM
    for model in _EEPRO_MODELS.split():
        yield _eepro100(model, newer=True, pointer=False)
        yield _eepro100(model, newer=True, pointer=True)
        yield _eepro100(model, newer=False, pointer=True)
    yield _VMXNET3
    # A section of its own, whose length its 25 vectors give.
    yield describe("vmxnet3-msix", 1, buffer("msix_table", 25 * 16), buffer("msix_pba", 4))


DESCRIPTIONS: tuple[VMStateDescription, ...] = tuple(_cards())
