"""A notification service on a session bus; run as a program with the bus's address and a file.

It is a process of its own, since Qt's D-Bus thread reads an exported object on its own: where that object is partly
Python's and goes, that thread has crashed the process.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from PySide6.QtCore import ClassInfo, QCoreApplication, QObject, Slot
from PySide6.QtDBus import QDBusConnection

ASKED = Path(sys.argv[2])
"""A line of JSON, the arguments of Notify, for each notification; written before the call is answered."""


@ClassInfo({"D-Bus Interface": "org.freedesktop.Notifications"})
class _Service(QObject):
    @Slot(str, "uint", str, str, str, "QStringList", "QVariantMap", int, result="uint")
    def Notify(self, *arguments: object) -> int:
        with ASKED.open("a") as file:
            file.write(json.dumps(arguments) + "\n")
        return 7


if __name__ == "__main__":
    application = QCoreApplication()
    service = _Service()
    connection = QDBusConnection.connectToBus(sys.argv[1], "tests")
    ExportAllSlots = QDBusConnection.RegisterOption.ExportAllSlots
    # The object before the name: who finds the service can call it.
    assert connection.registerObject("/org/freedesktop/Notifications", service, ExportAllSlots)
    assert connection.registerService("org.freedesktop.Notifications")
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    application.exec()
