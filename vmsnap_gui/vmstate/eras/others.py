"""Watchdogs and the user-mode network (QEMU's hw/wdt_ib700.c, wdt_i6300esb.c and slirp/slirp.c)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from vmsnap_gui.vmstate.eras.building import (
    Fields,
    buffer,
    describe,
    i8,
    i16,
    i32,
    marked,
    pci,
    struct,
    timer,
    u8,
    u16,
    u32,
)

if TYPE_CHECKING:
    from vmsnap_gui.vmstate.description import VMStateDescription

_SBUF = describe("sbuf", 1, u32("sb_cc sb_datalen"), i32("sb_wptr sb_rptr"), buffer("sb_data", "sb_datalen"))
_TCP = describe(
    "tcpcb",
    1,
    i16("t_state"),
    i16("t_timer", 4),
    i16("t_rxtshift t_rxtcur t_dupacks"),
    u16("t_maxseg"),
    i8("t_force"),
    u16("t_flags"),
    u32("snd_una snd_nxt snd_up snd_wl1 snd_wl2 iss snd_wnd rcv_wnd rcv_nxt rcv_up irs rcv_adv snd_max snd_cwnd"),
    u32("snd_ssthresh"),
    i16("t_idle t_rtt"),
    u32("t_rtseq"),
    i16("t_srtt t_rttvar"),
    u16("t_rttmin"),
    u32("max_sndwnd"),
    u8("t_oobflags t_iobc"),
    i16("t_softerror"),
    u8("snd_scale rcv_scale request_r_scale requested_s_scale"),
    u32("ts_recent ts_recent_age last_ack_sent"),
)
_SOCKET = describe(
    "socket",
    1,
    u32("so_urgc so_faddr so_laddr"),
    u16("so_fport so_lport"),
    u8("so_iptos so_emu so_type"),
    u32("so_state"),
    struct("so_rcv", _SBUF),
    struct("so_snd", _SBUF),
    struct("so_tcpcb", _TCP),
)
_CLIENT = describe("BOOTPClient", 1, u16("allocated"), buffer("macaddr", 6))
_SLIRP: Fields = (
    *marked("sockets", _SOCKET),
    *u16("ip_id", since=2),
    *struct("bootp_clients", _CLIENT, 16, since=3),
)

DESCRIPTIONS: tuple[VMStateDescription, ...] = (
    describe("ib700_wdt", 0, timer("timer")),
    # Its version is the size of QEMU's struct (720, 1336, ...), or 10000 since 1.6.
    describe(
        "i6300esb_wdt",
        10000,
        pci("dev"),
        i32("reboot_enabled clock_scale int_type free_run locked enabled"),
        timer("timer"),
        u32("timer1_preload timer2_preload"),
        i32("stage unlock_state previous_reboot_flag"),
    ),
    describe("slirp", 3, _SLIRP),
)
