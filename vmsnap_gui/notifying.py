"""Desktop notifications (org.freedesktop.Notifications), sent by a worker. Qt-free.

PySide's QtDBus cannot send the unsigned number that `Notify` takes, and holds the interpreter while it waits for a
service. One method call is little to write down: the wire format is that of the D-Bus Specification, "Message Protocol"
and "Authentication Protocol".
"""

from __future__ import annotations

import os
import socket
import struct
from urllib.parse import unquote

_PATIENCE = 5.0
"""Seconds until a bus or a service that does not answer is given up."""

_CALL, _REPLY, _ERROR = 1, 2, 3
_PATH, _INTERFACE, _MEMBER, _REPLY_SERIAL, _DESTINATION, _SIGNATURE = 1, 2, 3, 5, 6, 8
_MOST = 1 << 20

_BUS = "org.freedesktop.DBus"
_SERVICE = "org.freedesktop.Notifications"


class NoDesktop(Exception):
    """There is nobody who would show a notification."""


def notify(summary: str, body: str, *, lasting: bool = False) -> None:
    """Have the desktop show a notification.

    Args:
        summary: The heading.
        body: The text; shown as it is.
        lasting: It stays until it is dismissed.

    Raises:
        NoDesktop: there is no session bus, or no notification service on it.
    """
    try:
        with _connect() as bus:
            _call(bus, 1, _BUS, f"/{_BUS.replace('.', '/')}", "Hello", "", b"")
            path = f"/{_SERVICE.replace('.', '/')}"
            _call(bus, 2, _SERVICE, path, "Notify", "susssasa{sv}i", _arguments(summary, body, lasting))
    except (OSError, ValueError, struct.error) as error:
        raise NoDesktop(str(error)) from error


def _arguments(summary: str, body: str, lasting: bool) -> bytes:
    """Return Notify's arguments (Desktop Notifications Specification, D-BUS Protocol)."""
    # A service that advertises body-markup reads tags; escaped, a file's name is shown as it is.
    plain = body.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    message = _Writer()
    message.text("vmsnap")
    message.number(0)
    message.text("org.vmsnap.Vmsnap")
    message.text(summary)
    message.text(plain)
    message.number(0)  # no actions
    hint = _Writer()
    hint.text("desktop-entry")
    hint.variant("s", "org.vmsnap.Vmsnap")
    message.number(len(hint.data))
    message.align(8)
    message.data += hint.data
    message.align(4)
    message.data += struct.pack("<i", 0 if lasting else -1)
    return bytes(message.data)


class _Writer:
    """Writes values as D-Bus aligns them, in little-endian order."""

    def __init__(self) -> None:
        self.data = bytearray()

    def align(self, to: int) -> None:
        self.data += bytes(-len(self.data) % to)

    def number(self, value: int) -> None:
        self.align(4)
        self.data += struct.pack("<I", value)

    def text(self, value: str) -> None:
        encoded = value.encode("utf-8", "backslashreplace").replace(b"\0", b"")
        self.number(len(encoded))
        self.data += encoded + b"\0"

    def variant(self, kind: str, value: str) -> None:
        self.data += bytes((len(kind),)) + kind.encode() + b"\0"
        if kind == "g":
            self.data += bytes((len(value),)) + value.encode() + b"\0"
        else:
            self.text(value)


def _connect() -> socket.socket:
    """Connect to the session bus and authenticate as the user that we are."""
    given = os.environ.get("DBUS_SESSION_BUS_ADDRESS") or f"unix:path=/run/user/{os.getuid()}/bus"
    kind, _, rest = given.split(";")[0].partition(":")
    pairs = dict(pair.partition("=")[::2] for pair in rest.split(","))
    place = unquote(pairs["path"]) if "path" in pairs else "\0" + unquote(pairs.get("abstract", ""))
    if kind != "unix" or place == "\0":
        raise NoDesktop(f"the session bus is at {given}, which is no socket of this machine")
    bus = socket.socket(socket.AF_UNIX)
    try:
        bus.settimeout(_PATIENCE)
        bus.connect(place)
        bus.sendall(b"\0AUTH EXTERNAL " + str(os.getuid()).encode().hex().encode() + b"\r\n")
        if not bus.recv(256).startswith(b"OK "):
            raise NoDesktop("the session bus does not let us in")
        bus.sendall(b"BEGIN\r\n")
    except BaseException:
        bus.close()
        raise
    return bus


def _call(bus: socket.socket, serial: int, service: str, path: str, member: str, signature: str, body: bytes) -> None:
    """Call a method and wait until it has answered."""
    fields = _Writer()
    values = ((_PATH, "o", path), (_INTERFACE, "s", service), (_MEMBER, "s", member), (_DESTINATION, "s", service))
    for code, kind, value in (*values, *(((_SIGNATURE, "g", signature),) if signature else ())):
        fields.align(8)
        fields.data.append(code)
        fields.variant(kind, value)
    head = struct.pack("<cBBBIII", b"l", _CALL, 0, 1, len(body), serial, len(fields.data))
    bus.sendall(head + fields.data + bytes(-len(fields.data) % 8) + body)
    while True:
        kind, answers = _receive(bus)
        if answers == serial and kind in (_REPLY, _ERROR):
            break
    if kind == _ERROR:
        raise NoDesktop(f"{service} does not answer")


def _receive(bus: socket.socket) -> tuple[int, int | None]:
    """Read one message; return its type, and the serial of the call that it answers."""
    start = _exactly(bus, 16)
    order = "<" if start[:1] == b"l" else ">"
    body, _, fields = struct.unpack(f"{order}III", start[4:])
    if body > _MOST or fields > _MOST:
        raise ValueError("a message of that size is none for us")
    rest = _exactly(bus, fields + -fields % 8 + body)
    # The field's value follows its code and signature, aligned to 4: code, 1, "u", 0, number.
    mark = bytes((_REPLY_SERIAL, 1)) + b"u\0"
    at = next((at for at in range(0, fields, 8) if rest[at : at + 4] == mark), None)
    return start[1], struct.unpack(f"{order}I", rest[at + 4 : at + 8])[0] if at is not None else None


def _exactly(bus: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = bus.recv(size - len(data))
        if not part:
            raise ValueError("the session bus closed the connection")
        data += part
    return data
