"""A walk through the real application with the demo machine in a real QEMU, with a picture at each step.

The machine is set up and started, two snapshots are taken, it is broken, restored, and the restore is undone. What the
pictures say is checked: through QEMU's monitor, while vmsnap does not talk to it. Writes docs/walk; needs no display.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "scripts")]

from screenshots import PATIENCE, Camera, choose_rows, surroundings  # noqa: E402 (found through the line above)

from tests.machines.monitor import Monitor  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Iterator

    from PySide6.QtGui import QImage
    from PySide6.QtWidgets import QDialog, QWidget

FOLDER = ROOT / "docs" / "walk"
RAM = 16 << 20
TICKS, STATE = (1 << 20) + 56, (1 << 20) + 72
"""Where the demo's guest counts the ticks of its timer, and says what it does: see scripts/demo_guest/guest.asm."""
FINISHED = 2
TWO_SECONDS = 200  # ticks
STILL = 25  # looks in a row that find no tick any more
MASKED = "o /b 0x21 0xff"
"""To the monitor: mask all interrupts of the guest's first controller. Its timer never wakes it again."""


def main() -> int:
    if len(sys.argv) > 1:
        return walk(Path(sys.argv[1]))
    home = Path(tempfile.gettempdir(), "vmsnap-walk")  # always the same: the pictures show it
    shutil.rmtree(home, ignore_errors=True)
    shutil.rmtree(FOLDER, ignore_errors=True)
    FOLDER.mkdir(parents=True)
    try:
        subprocess.run([*alone(), sys.executable, __file__, str(home)], env=surroundings(home), check=True)
    finally:
        shutil.rmtree(home, ignore_errors=True)
    pictures = list(FOLDER.glob("*.png"))
    print(f"{len(pictures)} pictures in {FOLDER}, {sum(one.stat().st_size for one in pictures) >> 10} KiB")
    return 0


def alone() -> list[str]:
    """Return the command that hides other processes, where that is allowed: else their QEMUs are in the library."""
    command = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"]
    try:
        subprocess.run([*command, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    return command


@dataclass(frozen=True, slots=True)
class Moment:
    """What a machine was at a moment: all its processors' registers, and a digest of all its memory."""

    registers: str
    memory: str


class Guest:
    """The demo's guest, looked at through the monitor that vmsnap gave it: that serves one client at a time."""

    def __init__(self, address: str, scratch: Path) -> None:
        self._path = address.removeprefix("qmp:")
        self._dump = scratch / "memory"

    def hold(self) -> Moment:
        """Stop the machine, so that the moment can be compared, and return it."""
        with self._monitor() as monitor:
            monitor.execute("stop")
            return self._moment(monitor)

    def look(self) -> Moment:
        """Return the moment of a machine that stands still, or that hangs."""
        with self._monitor() as monitor:
            return self._moment(monitor)

    def go_on(self) -> None:
        """Let a machine that was held go on."""
        with self._monitor() as monitor:
            monitor.execute("cont")

    def status(self) -> str:
        """Return what QEMU calls the state of the machine."""
        with self._monitor() as monitor:
            status: str = monitor.execute("query-status")["status"]
            return status

    def number(self, address: int) -> int:
        """Return a number from the guest's memory."""
        with self._monitor() as monitor:
            return int.from_bytes(self._memory(monitor, address, 4), "little")

    def hang(self) -> None:
        """Break the machine."""
        with self._monitor() as monitor:
            monitor.execute("human-monitor-command", command_line=MASKED)

    @contextlib.contextmanager
    def _monitor(self) -> Iterator[Monitor]:
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(self._path)
        monitor = Monitor(connection, PATIENCE)
        try:
            yield monitor
        finally:
            monitor.close()

    def _moment(self, monitor: Monitor) -> Moment:
        registers = monitor.execute("human-monitor-command", command_line="info registers -a")
        return Moment(registers, hashlib.sha256(self._memory(monitor, 0, RAM)).hexdigest())

    def _memory(self, monitor: Monitor, address: int, size: int) -> bytes:
        monitor.execute("pmemsave", val=address, size=size, filename=str(self._dump))
        return self._dump.read_bytes()


class Walker(Camera):
    """Uses the window as a person does, and takes numbered pictures of it."""

    number = 0

    def picture(self, name: str, dialog: QDialog | None = None) -> None:
        """Write a picture of the window, with a dialog before it."""
        self.settle()
        self.number += 1
        image = self.parts.window.grab().toImage()
        if dialog is not None:
            put_before(image, dialog)
        file = self.folder / f"{self.number:02}-{name}.png"
        if not image.save(str(file), "PNG", 0):  # 0: as small as it gets
            raise OSError(f"{file} cannot be written")

    def click(self, name: str, within: QWidget | None = None) -> None:
        """Click a button, once it can be."""
        from PySide6.QtWidgets import QAbstractButton

        button = (within or self.parts.window).findChild(QAbstractButton, name)
        self.wait(lambda: button.isVisible() and button.isEnabled())
        button.click()
        self.app.processEvents()

    def dialog(self) -> QDialog:
        """Return the dialog that is open, once its plan is there."""
        from vmsnap_gui.views.plan_dialog import PlanDialog

        (found,) = [one for one in self.parts.window.findChildren(PlanDialog) if one.isVisible()]
        self.wait(lambda: not found.is_waiting())
        self.settle()
        return found

    def choose(self, *tags: str) -> None:
        """Select snapshots by their tags, and scroll to the last of them."""
        rows = [self.tags().index(tag) for tag in tags]
        table = self.parts.window.snapshots.table
        table.scrollTo(table.model().index(rows[-1], 0))
        choose_rows(self, *rows)

    def tags(self) -> list[str]:
        """Return the tags of the table, from above."""
        model = self.parts.window.snapshots.table.model()
        return [model.index(row, 0).data() for row in range(model.rowCount())]

    def look_again(self) -> None:
        """Have the library show what the machine does now."""
        self.parts.window.verbs.find_machines.trigger()
        self.settle()


def put_before(image: QImage, dialog: QDialog) -> None:
    """Draw a dialog before a picture of the window."""
    from PySide6.QtGui import QColor, QPainter, QPalette

    shown = dialog.grab()
    place = shown.rect()
    place.moveCenter(image.rect().center())
    with QPainter(image) as painter:
        painter.fillRect(image.rect(), QColor(0, 0, 0, 70))
        painter.fillRect(place.adjusted(-1, -1, 1, 1), dialog.palette().color(QPalette.ColorRole.Dark))
        painter.drawPixmap(place.topLeft(), shown)


def walk(home: Path) -> int:
    """Go through it all, in the process that has its own files."""
    from PySide6.QtCore import Qt

    from vmsnap_gui.app import build, make_application
    from vmsnap_gui.settings import Settings, settings_file
    from vmsnap_gui.views import theme

    app = make_application()
    settings = Settings(settings_file())
    settings.scheme = Qt.ColorScheme.Light
    parts = build(settings)
    parts.window.show()
    walker = Walker(app, parts, 1, FOLDER)
    try:
        set_up(walker)
        with started(walker) as address:
            guest = Guest(address, home)
            two_snapshots(walker, guest)
            broken = break_it(walker, guest)
            restore(walker, guest)
            show_what_it_was(walker)
            undo(walker, guest, broken)
    finally:
        parts.session.close_all()
        parts.shut_down()
        walker.settle()
        theme.forget_icons()
    return 0


def set_up(walker: Walker) -> None:
    """Get the demo machine."""
    walker.picture("welcome")
    walker.click("welcome_demo_machine")
    walker.wait(lambda: walker.parts.session.loaded is not None)
    walker.choose("half-way")
    walker.picture("demo-machine")


@contextlib.contextmanager
def started(walker: Walker) -> Iterator[str]:
    """Start the machine from a snapshot, and give its monitor's address; it ends, whatever happens."""
    window = walker.parts.window
    outcomes: list[object] = []
    window.desk.session.ended.connect(outcomes.append)
    window.desk.actions.start.trigger()
    dialog = walker.dialog()
    walker.click("start_seen", dialog)
    walker.picture("start", walker.dialog())
    dialog.confirm.click()
    walker.wait(lambda: bool(outcomes))
    (outcome,) = outcomes
    assert outcome.error is None, outcome.error
    watch = os.pidfd_open(outcome.pid)
    machines = walker.parts.session.machines

    def address() -> str | None:
        found = (vm.machine.address for vm in machines.vms.running if vm.machine.pid == outcome.pid)
        return next(found, None)

    try:
        walker.wait(lambda: address() is not None)
        walker.picture("started")
        yield address()
    finally:
        poll = select.poll()
        poll.register(watch)
        signal.pidfd_send_signal(watch, signal.SIGTERM)
        if not poll.poll(1000 * PATIENCE):
            signal.pidfd_send_signal(watch, signal.SIGKILL)
        os.close(watch)


def two_snapshots(walker: Walker, guest: Guest) -> None:
    """Take one when the guest has drawn its picture, and another a while later."""
    walker.wait(lambda: guest.number(STATE) == FINISHED)
    walker.before = take(walker, guest, "before")
    then = guest.number(TICKS)
    walker.wait(lambda: guest.number(TICKS) >= then + TWO_SECONDS)
    take(walker, guest, "later")
    walker.picture("two-snapshots")


def take(walker: Walker, guest: Guest, tag: str) -> Moment:
    """Take a snapshot; return the moment that it holds. The guest stands still for that, so that there is only one."""
    walker.click("tool_take")
    dialog = walker.dialog()
    dialog.tag.setText(tag)
    dialog = walker.dialog()
    if tag == "before":
        walker.picture("take", dialog)
    moment = guest.hold()
    dialog.confirm.click()
    walker.wait(lambda: tag in walker.tags())
    walker.settle()
    assert guest.look() == moment, "taking a snapshot has changed the machine"
    guest.go_on()
    walker.look_again()
    return moment


def break_it(walker: Walker, guest: Guest) -> Moment:
    """Have the guest hang; return the moment that it stands at then."""
    guest.hang()
    before, still = -1, 0

    def stands_still() -> bool:
        nonlocal before, still
        now = guest.number(TICKS)
        still = still + 1 if now == before else 0
        before = now
        return still > STILL

    walker.wait(stands_still)
    broken = guest.look()
    assert "HLT=1" in broken.registers
    assert guest.status() == "running"
    return broken


def restore(walker: Walker, guest: Guest) -> None:
    """Go back to the first snapshot: the machine is as it was then, and goes on from there."""
    walker.choose("before")
    walker.click("tool_restore")
    walker.picture("restore", walker.dialog())
    guest.hold()
    confirm(walker)
    assert guest.look() == walker.before, "it is not as it was"
    then = guest.number(TICKS)
    guest.go_on()
    walker.wait(lambda: guest.number(TICKS) > then)
    walker.look_again()
    walker.picture("restored")


def confirm(walker: Walker) -> None:
    """Carry a restore out, and wait until it is over."""
    ended: list[object] = []
    walker.parts.window.desk.session.ended.connect(ended.append)
    walker.dialog().confirm.click()
    walker.wait(lambda: bool(ended))
    walker.settle()
    assert ended[0].error is None, ended[0].error


def show_what_it_was(walker: Walker) -> None:
    """Compare the safety snapshot, which holds the broken machine, with the one before."""
    window = walker.parts.window
    walker.choose("before", safety_of(walker))
    walker.click("tool_compare")
    walker.settle()
    window.filter_box.set_filter("device ~ i8259")
    walker.settle()
    for _ in range(2):
        window.compare_tab.actions.next.trigger()
    walker.picture("what-it-was")
    window.filter_box.set_filter("")
    window.compare_tab.actions.close.trigger()


def undo(walker: Walker, guest: Guest, broken: Moment) -> None:
    """Take the restore back: the machine hangs again."""
    walker.choose("before")
    walker.click("snapshots_result_undo_restore")
    walker.picture("undo", walker.dialog())
    confirm(walker)
    assert guest.look() == broken, "it is not as it was before the restore"
    assert guest.status() == "running"
    walker.look_again()
    walker.choose(safety_of(walker))
    walker.picture("undone")


def safety_of(walker: Walker) -> str:
    """Return the tag of the safety snapshot of the restore: it holds the broken machine."""
    return next(tag for tag in walker.tags() if tag.startswith("before-restore-of-before"))


if __name__ == "__main__":
    sys.exit(main())
