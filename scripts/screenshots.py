"""Pictures of every view, taken from the real application with the demo: both colour schemes, scale 1 and 2.

The few that README and docs show go to docs/pictures, all others to .cache/pictures. Needs no display.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

ROOT = Path(__file__).resolve().parent.parent
KEPT = {
    "gallery-light@1": "gallery-light.png",
    "gallery-dark@1": "gallery-dark.png",
    "compare-screen-light@1": "compare-screen.png",
    "devices-light@1": "main-light.png",
    "devices-dark@1": "main-dark.png",
    "overview-light@1": "overview.png",
    "memory-dark@1": "memory.png",
    "welcome-light@1": "welcome.png",
    "act-restore-light@1": "restore.png",
}
PATIENCE = 60
CALM = 0.25  # seconds in which nothing went on

if TYPE_CHECKING:
    from collections.abc import Callable

    from PySide6.QtWidgets import QApplication, QWidget

    from vmsnap_gui.app import Parts


def main() -> int:
    if len(sys.argv) > 1:
        return take_all(int(sys.argv[1]), Path(sys.argv[2]))
    others = ROOT / ".cache" / "pictures"
    others.mkdir(parents=True, exist_ok=True)
    for scale in (1, 2):
        home = Path(tempfile.gettempdir(), "vmsnap-pictures")  # always the same: the pictures show it
        shutil.rmtree(home, ignore_errors=True)
        try:
            command = [sys.executable, __file__, str(scale), str(others)]
            subprocess.run(command, env=surroundings(home, scale), check=True)
        finally:
            shutil.rmtree(home, ignore_errors=True)
    kept = ROOT / "docs" / "pictures"
    kept.mkdir(parents=True, exist_ok=True)
    for name, target in KEPT.items():
        (kept / target).write_bytes((others / f"{name}.png").read_bytes())
    print(f"{len(list(others.glob('*.png')))} pictures in {others}, {len(KEPT)} of them in {kept}")
    return 0


def surroundings(home: Path, scale: int = 1) -> dict[str, str]:
    """Return the environment of an application that draws to no display and keeps its files in `home`."""
    kept = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return {
        **kept,
        "QT_QPA_PLATFORM": "offscreen",
        "QT_SCALE_FACTOR": str(scale),
        **{f"XDG_{name.upper()}_HOME": str(home / name) for name in ("config", "cache", "state", "data")},
        "PYTHONPATH": str(ROOT),
    }


class Camera:
    """Waits until nothing goes on and takes pictures."""

    def __init__(self, app: QApplication, parts: Parts, scale: int, folder: Path) -> None:
        from PySide6.QtCore import QTimer

        self.app, self.parts, self.scale, self.folder = app, parts, scale, folder
        self.scheme = ""
        self._beat = QTimer(app, interval=20)  # so that waiting for events comes to look now and then
        self._beat.start()

    def settle(self) -> None:
        """Run the event loop until nothing has gone on for a while, and no map in sight is still being prepared."""
        window, busy = self.parts.window, time.monotonic()

        def is_calm() -> bool:
            nonlocal busy
            if (
                self.parts.jobs.unfinished()
                or window.thumbnails.is_working()
                or window.history.is_waiting()
                or self._is_map_missing()
            ):
                busy = time.monotonic()
            return time.monotonic() - busy > CALM

        self.wait(is_calm)

    def _is_map_missing(self) -> bool:
        window = self.parts.window
        if window.views.timeline.isVisible() and window.views.timeline.plot is None:
            return True
        return window.inspector.has("memory") and window.memory.map.isVisible() and window.memory.map.map is None

    def wait(self, condition: Callable[[], bool]) -> None:
        """Run the event loop until something is so."""
        from PySide6.QtCore import QEventLoop

        end = time.monotonic() + PATIENCE
        while not condition():
            self.app.processEvents(QEventLoop.ProcessEventsFlag.WaitForMoreEvents)
            if time.monotonic() > end:
                raise TimeoutError("something was never so")

    def take(self, name: str, widget: QWidget | None = None) -> None:
        """Write a picture of a widget, or of the window."""
        self.settle()
        file = self.folder / f"{name}-{self.scheme}@{self.scale}.png"
        if not (widget or self.parts.window).grab().save(str(file)):
            raise OSError(f"{file} cannot be written")


def take_all(scale: int, folder: Path) -> int:
    from PySide6.QtCore import Qt

    from vmsnap_gui.app import build, make_application
    from vmsnap_gui.settings import Settings, settings_file
    from vmsnap_gui.views import theme

    app = make_application()
    for scheme in (Qt.ColorScheme.Light, Qt.ColorScheme.Dark):
        settings = Settings(settings_file())
        settings.scheme = scheme
        settings.columns = []  # those of the first scheme's run
        parts = build(settings)
        parts.window.show()
        camera = Camera(app, parts, scale, folder)
        camera.scheme = scheme.name.lower()
        take_views(camera)
        parts.session.close_all()
        parts.shut_down()
        camera.settle()
    theme.forget_icons()
    return 0


def take_views(camera: Camera) -> None:
    from PySide6.QtWidgets import QMessageBox

    parts = camera.parts
    window, session = parts.window, parts.session
    camera.take("welcome")
    session.open_demo()
    camera.take("overview")
    take_gallery(camera)
    take_devices(camera)
    window.inspector.setCurrentWidget(window.memory)
    camera.take("memory")
    window.inspector.setCurrentWidget(window.overview)
    take_demo_history(camera)
    take_comparisons(camera)
    window.verbs.show_jobs.setChecked(True)
    camera.take("jobs")
    window.verbs.show_jobs.setChecked(False)
    window.verbs.about.trigger()
    about = window.findChild(QMessageBox)
    camera.take("about", about)
    about.close()
    with tempfile.TemporaryDirectory(prefix="vmsnap-pictures-") as scratch:
        take_states(camera, Path(scratch))
    session.close_all()
    with tempfile.TemporaryDirectory(prefix="vmsnap-pictures-") as scratch:
        take_streams(camera, Path(scratch))
    session.close_all()
    with tempfile.TemporaryDirectory(prefix="vmsnap-pictures-") as scratch:
        take_history(camera, Path(scratch))
        session.close_all()
    with tempfile.TemporaryDirectory(prefix="vmsnap-pictures-") as scratch:
        take_acting(camera, Path(scratch))


def take_demo_history(camera: Camera) -> None:
    """The timeline by the VM clock, and what the demo's snapshots occupy."""
    window = camera.parts.window
    window.views.show("timeline")
    window.views.timeline.clocks.button(1).click()
    camera.take("timeline-clock")
    window.views.timeline.clocks.button(0).click()
    window.views.show("table")
    window.inspector.setCurrentWidget(window.disk)
    camera.take("disk")
    window.inspector.setCurrentWidget(window.overview)


def take_history(camera: Camera, scratch: Path) -> None:
    """A history with branches: timeline, tree, usage, the menu, and the pages while nothing is known."""
    window, session = camera.parts.window, camera.parts.session
    lab = scratch / "history.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", lab, "256M")
    steps = ("installed", "configured", "before-update", "updated", "updated>infected", "before-update>other-kernel")
    for number, step in enumerate((*steps, "tuned", "updated>cleaned", "verified")):
        back, _, tag = step.rpartition(">")
        if back:
            qemu_img("snapshot", "-a", back, lab)
        fill(lab, number + 1, number * 8, 2 + number * 3 % 7)
        qemu_img("snapshot", "-c", tag, lab)
    fill(lab, 99, 200, 1)
    session.open_paths([lab])
    camera.settle()
    for name in ("timeline", "tree"):
        window.views.show(name)
        camera.take(name)
    choose_rows(camera, 2, 4, 5)
    camera.take("tree-selected")
    window.views.show("timeline")
    camera.take("timeline-selected")
    window.inspector.setCurrentWidget(window.disk)
    camera.take("disk-selected")
    with lab.open("r+b") as file:  # the refcount table is beyond the end of the file
        file.seek(48)
        file.write((1 << 40).to_bytes(8, "big"))
    session.reload(lab)
    camera.take("disk-damaged")
    stop = window.history.changed.connect(window.history.cancel)
    shutil.copyfile(lab, scratch / "cancelled.qcow2")
    session.open_paths([scratch / "cancelled.qcow2"])
    camera.take("timeline-cancelled")
    window.history.changed.disconnect(stop)
    window.views.show("table")
    window.inspector.setCurrentWidget(window.overview)


def take_gallery(camera: Camera) -> None:
    """The screens of the demo: all of them as pictures, one from close by, two compared; and where there are none."""
    window, session = camera.parts.window, camera.parts.session
    for name in ("gallery", "table"):
        window.views.show(name)
        window.inspector.setCurrentWidget(window.inspector.screen_tab)
        camera.take(name)
    window.inspector.screen_tab.area.set_zoom(2.0)
    camera.take("screen-closer")
    window.inspector.screen_tab.area.set_zoom(None)
    choose_rows(camera, 1, 2)
    tab = window.compare_tab
    tab.actions.compare.trigger()
    tab.view.tabs.setCurrentWidget(tab.view.screens)
    camera.settle()
    tab.actions.next.trigger()
    camera.take("compare-screen")
    tab.view.tabs.setCurrentWidget(tab.view.fields)
    tab.actions.close.trigger()
    choose_rows(camera, 3)
    demo = session.image
    with tempfile.TemporaryDirectory(prefix="vmsnap-pictures-") as scratch:
        disk = Path(scratch) / "disk.qcow2"
        qemu_img("create", "-q", "-f", "qcow2", disk, "64M")
        for tag in ("installed", "updated"):
            qemu_img("snapshot", "-c", tag, disk)
        session.open_paths([disk])
        window.views.show("gallery")
        camera.take("gallery-none")
        session.close_image(disk)
    session.select_image(demo)
    window.views.show("table")
    window.inspector.setCurrentWidget(window.overview)
    camera.settle()


def take_devices(camera: Camera) -> None:
    window = camera.parts.window
    window.inspector.setCurrentWidget(window.devices)
    loaded = camera.parts.session.loaded
    assert loaded is not None
    cpu = next(i for i, section in enumerate(loaded.vmstate.sections) if section.name == "cpu")
    camera.parts.session.show_field(cpu, "env.eip")
    camera.take("devices")
    window.filter_box.set_filter("device ~ cpu and value > 0x1000")
    camera.take("filtered")
    window.filter_box.set_filter("device ~ (")
    camera.take("wrong-filter")
    window.filter_box.set_filter("")
    take_edits(camera, cpu)


def take_edits(camera: Camera, cpu: int) -> None:
    """Fields with other values, and the dialog that asks for one, with one that does not fit."""
    from vmsnap_gui.views.edit_dialog import EditDialog

    window, session = camera.parts.window, camera.parts.session
    for path, value in (("env.eflags", "0x46"), ("env.eip", "0x7c00")):
        session.show_field(cpu, path)
        window.devices.actions_of_field.edit.trigger()
        dialog = window.findChild(EditDialog)
        dialog.value.setText("seven")
        dialog.buttons.accepted.emit()
        camera.settle()
        if path == "env.eip":
            camera.take("edit-wrong", dialog)
        dialog.value.setText(value)
        dialog.buttons.accepted.emit()
        camera.wait(lambda: window.findChild(EditDialog) is None)
    camera.take("edited")
    window.devices.edits.discard.click()


def take_comparisons(camera: Camera) -> None:
    """The Compare tab: a small comparison in all its parts, an empty one and a huge one."""
    from PySide6.QtCore import QItemSelectionModel

    from vmsnap_gui.models.change_rows import Shown
    from vmsnap_gui.views.noise_dialog import NoiseDialog

    window = camera.parts.window
    tab, model = window.compare_tab, window.snapshots.table.selectionModel()
    flags = QItemSelectionModel.SelectionFlag
    for row, flag in ((0, flags.ClearAndSelect), (3, flags.Select)):
        model.select(window.snapshots.model.index(row, 0), flag | flags.Rows)
    camera.take("two-selected")
    tab.actions.compare.trigger()
    camera.settle()
    for _ in range(7):
        tab.actions.next.trigger()
    camera.take("compare-fields")
    tab.view.fields.shown.setCurrentIndex(Shown.FILTERED)
    camera.take("compare-filtered")
    tab.view.fields.shown.setCurrentIndex(Shown.CHANGED)
    for part, name in ((tab.view.memory, "compare-memory"), (tab.view.disk, "compare-disk")):
        tab.view.tabs.setCurrentWidget(part)
        camera.wait(lambda part=part: part.bytes.map.map is not None)
        tab.actions.next.trigger()
        camera.take(name)
    tab.actions.rules.trigger()
    camera.settle()
    dialog = window.findChild(NoiseDialog)
    camera.take("noise-rules", dialog)
    dialog.reject()
    tab.view.tabs.setCurrentWidget(tab.view.fields)
    tab.view.fields.tree.go_to_end(back=False)
    tab.view.fields.actions_of_change.column.trigger()
    camera.take("column")
    tab.show()
    take_huge(camera)
    take_base(camera)
    side = tab.session.compared.sides.a
    tab.session.compare(side, side)
    for part in ("fields", "memory", "disk"):
        tab.view.tabs.setCurrentWidget(getattr(tab.view, part))
        camera.take(f"compare-{part}-empty")
    tab.actions.close.trigger()
    model.select(window.snapshots.model.index(3, 0), flags.ClearAndSelect | flags.Rows)


def take_base(camera: Camera) -> None:
    """The same comparison with a base, in all its parts; then without one again."""
    from vmsnap_gui.compare.terms import Outcome
    from vmsnap_gui.sides import Side

    tab, snapshots = camera.parts.window.compare_tab, camera.parts.window.snapshots.model
    compared = tab.session.compared
    assert compared is not None
    base = snapshots.snapshot(snapshots.index(1, 0))
    assert base is not None
    tab.session.set_base(Side(compared.sides.a.path, base))
    camera.settle()
    for part, name in (("fields", "base-fields"), ("memory", "base-memory"), ("disk", "base-disk")):
        tab.view.tabs.setCurrentWidget(getattr(tab.view, part))
        camera.settle()
        for _ in range(3):
            tab.actions.next.trigger()
            camera.settle()
        camera.take(name)
    tab.view.tabs.setCurrentWidget(tab.view.fields)
    for outcome in (Outcome.IN_A, Outcome.DIFFERENTLY):
        tab.session.show_outcome(outcome, shown=False)
    tab.session.changed.emit()
    camera.take("base-ticks")
    button = tab.view.header.base
    button.choices.popup(button.mapToGlobal(button.rect().bottomLeft()))
    camera.take("base-menu", button.choices)
    button.choices.close()
    tab.session.set_base(None)
    camera.settle()


def take_huge(camera: Camera) -> None:
    """100,000 changed fields and a million changed pages, on top of the demo's."""
    import numpy as np

    from vmsnap_gui.compare.fields import FieldComparison
    from vmsnap_gui.compare.ram import BlockComparison, RamComparison
    from vmsnap_gui.compare.status import FieldChange, SectionChange
    from vmsnap_gui.compare.terms import Status
    from vmsnap_gui.comparing import Compared, Counts, MemoryCompared
    from vmsnap_gui.vmstate.fields import Field, Kind

    tab = camera.parts.window.compare_tab
    compared, memory = tab.session.compared, tab.session.memory.result
    assert compared is not None
    assert compared.fields is not None
    assert memory is not None

    def entry(number: int, value: int) -> Field:
        return Field(f"[{number}]", "uint64", Kind.INTEGER, 8 * number, 8, value)

    changes = tuple(
        FieldChange(f"table[{n}]", Status.CHANGED, entry(n, n * 977), entry(n, n * 977 + n % 4096 + 1))
        for n in range(100_000)
    )
    sections = (*compared.fields.sections, SectionChange("iommu", 0, None, None, Status.CHANGED, changes))
    fields = FieldComparison(compared.fields.a, compared.fields.b, sections)
    labels = (*compared.labels, {})
    huge = Compared(compared.sides, fields, labels, counts=Counts.of(fields))
    random = np.random.default_rng(1)
    pages = np.zeros(1 << 22, np.uint8)
    starts = random.integers(0, len(pages), 4000)
    for start in starts.tolist():
        pages[start : start + 330] = random.choice([1, 1, 1, 2, 3])
    block = memory.ram.blocks[0]
    great = BlockComparison(block.name, block.a, block.b, pages, pages.astype(np.uint32) * 700)
    ram = RamComparison(4096, (great, *memory.ram.blocks[1:]))
    tab.session.compared = huge
    tab.session.memory.forget()
    tab.session.memory.put(MemoryCompared.of(memory.a, memory.b, ram))
    tab.session.ready.emit()
    tab.session.changed.emit()
    tab.view.tabs.setCurrentWidget(tab.view.fields)
    camera.settle()
    tab.view.fields.tree.go_to_end(back=True)
    camera.take("compare-fields-huge")
    tab.view.tabs.setCurrentWidget(tab.view.memory)
    camera.settle()
    tab.view.memory.blocks.setCurrentIndex(tab.view.memory.model.index(0, 0))
    camera.take("compare-memory-huge")


def take_states(camera: Camera, scratch: Path) -> None:
    """The library with all that can happen, and the pages for it."""
    session = camera.parts.session
    (scratch / "notes.txt").write_text("this is no image")
    lab = scratch / "lab"
    lab.mkdir()
    for name in ("empty.qcow2", "lab/web.qcow2", "lab/db.qcow2"):
        qemu_img("create", "-q", "-f", "qcow2", scratch / name, "64M")
    qemu_img("snapshot", "-c", "before-update", lab / "web.qcow2")
    (lab / "broken.qcow2").write_bytes((lab / "db.qcow2").read_bytes()[:50])
    session.open_paths([scratch / "notes.txt"])
    camera.take("unreadable")
    session.open_paths([scratch / "empty.qcow2"])
    camera.take("no-snapshots")
    session.open_paths([lab])
    camera.take("folder")
    session.select_image(lab / "web.qcow2")
    camera.take("disk-only")
    command = [
        "qemu-nbd",
        "--fork",
        "-t",
        "-k",
        str(scratch / "nbd"),
        "--pid-file",
        str(scratch / "pid"),
        "-f",
        "qcow2",
    ]
    subprocess.run([*command, str(lab / "web.qcow2")], check=True, stdout=subprocess.DEVNULL)
    try:
        session.reload(lab / "web.qcow2")
        camera.take("in-use")
    finally:
        os.kill(int((scratch / "pid").read_text()), signal.SIGKILL)


def take_streams(camera: Camera, scratch: Path) -> None:
    """Streams that do not describe themselves, before and after layouts are used, and such as are refused."""
    from vmsnap_gui.demo import demo_image
    from vmsnap_gui.image.containers import open_image
    from vmsnap_gui.vmstate.tail import find_tail

    image = open_image(demo_image())
    view = image.vm_state(image.snapshots[0])
    tail = find_tail(view)
    assert tail is not None
    whole = view.read(0, tail.eof + 1)  # without its description
    image.close()
    window, session = camera.parts.window, camera.parts.session
    streams = {
        "undescribed": whole,
        "refused-obsolete": whole[:7] + b"\2" + whole[8:],
        "refused-unknown": whole[:4] + b"what" + whole[8:],
        "refused-cut-off": whole[: len(whole) // 2],
    }
    for name, data in streams.items():
        (scratch / f"{name}.vmstate").write_bytes(data)
        session.open_paths([scratch / f"{name}.vmstate"])
        camera.take(name)
    session.select_image(scratch / "undescribed.vmstate")
    camera.settle()
    window.inspector.setCurrentWidget(window.devices)
    camera.take("undescribed-devices")
    window.layouts.use(demo_image())
    camera.take("layouts")
    window.inspector.setCurrentWidget(window.overview)


def take_acting(camera: Camera, scratch: Path) -> None:
    """Everything that changes images: dialogs, what blocks them, results, running machines, launch profiles."""
    session = camera.parts.session
    web = scratch / "web.qcow2"
    qemu_img("create", "-q", "-f", "qcow2", web, "64M")
    for tag in ("clean", "updated", "infected"):
        fill(web, len(tag))
        qemu_img("snapshot", "-c", tag, web)
    session.open_paths([web])
    camera.settle()
    choose_rows(camera, 0)
    take_dialogs(camera, web)
    take_quarantine(camera, web)
    take_machines(camera, scratch)


def fill(image: Path, byte: int, start: int = 0, size: int = 4) -> None:
    """Write to an image's disk; `start` and `size` are MiB."""
    command = ["qemu-io", "-f", "qcow2", "-c", f"write -P {byte} {start}M {size}M", str(image)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def choose_rows(camera: Camera, *rows: int) -> None:
    """Select rows of the snapshot table."""
    from PySide6.QtCore import QItemSelectionModel

    table, flags = camera.parts.window.snapshots.table, QItemSelectionModel.SelectionFlag
    for number, row in enumerate(rows):
        flag = flags.Select if number else flags.ClearAndSelect
        table.selectionModel().select(table.model().index(row, 0), flag | flags.Rows)
    camera.settle()


def take_dialogs(camera: Camera, web: Path) -> None:
    from vmsnap_gui.views.plan_dialog import PlanDialog, TakeDialog

    window = camera.parts.window
    actions = window.desk.actions

    def shown(name: str) -> PlanDialog:
        (dialog,) = [one for one in window.findChildren(PlanDialog) if one.isVisible()]
        camera.wait(lambda: not dialog.is_waiting())
        camera.take(name, dialog)
        return dialog

    actions.take.trigger()
    dialog = shown("act-take")
    assert isinstance(dialog, TakeDialog)
    for tag, name in (("clean", "act-take-exists"), ("12", "act-take-wrong")):
        dialog.tag.setText(tag)
        shown(name)
    dialog.reject()
    choose_rows(camera, 0, 2)
    actions.delete.trigger()
    shown("act-delete").reject()
    choose_rows(camera, 0)
    actions.repair.trigger()
    shown("act-repair-nothing").reject()
    actions.restore.trigger()
    shown("act-restore").confirm.click()
    camera.take("act-restored")
    actions.restore.trigger()
    dialog = shown("act-restore-again")
    qemu_img("snapshot", "-c", "meanwhile", web)
    dialog.confirm.click()
    camera.settle()
    take_and_close(camera, "act-failed", "outcome_dialog")


def take_and_close(camera: Camera, name: str, dialog: str) -> None:
    """Take a picture of the dialog of this object name, and close it."""
    from PySide6.QtWidgets import QWidget

    camera.wait(lambda: camera.parts.window.findChild(QWidget, dialog) is not None)
    widget = camera.parts.window.findChild(QWidget, dialog)
    camera.take(name, widget)
    widget.close()
    camera.settle()


def take_quarantine(camera: Camera, web: Path) -> None:
    from tests.views.interrupting import interrupt

    window = camera.parts.window
    fill(web, 9)
    interrupt(web, damage=True)
    window.desk.session.look_for_interrupted()
    take_and_close(camera, "act-interrupted", "report")
    camera.take("act-quarantine")
    window.desk.actions.repair.trigger()
    take_and_close(camera, "act-repair", "repair_dialog")
    window.desk.actions.repair.trigger()
    camera.settle()
    (dialog,) = [one for one in window.children() if one.objectName() == "repair_dialog"]
    dialog.confirm.click()
    camera.settle()
    take_and_close(camera, "act-repaired", "outcome_dialog")


def take_machines(camera: Camera, scratch: Path) -> None:
    from vmsnap_gui.control.profile import LaunchProfile
    from vmsnap_gui.control.profile_store import ProfileStore

    window, session = camera.parts.window, camera.parts.session
    disks = [scratch / "lab.qcow2", scratch / "lab-data.qcow2"]
    for disk in disks:
        qemu_img("create", "-q", "-f", "qcow2", disk, "64M")
    command = ["qemu-system-x86_64", "-accel", "tcg", "-m", "64", "-display", "none", "-name", "lab"]
    drives = [word for disk in disks for word in ("-drive", f"file={disk},format=qcow2,if=virtio")]
    profile = LaunchProfile(
        name="web", arguments=(*command[:-1], "web", "-hda", str(scratch / "web.qcow2")), directory=scratch
    )
    ProfileStore().put(profile)
    with subprocess.Popen([*command, *drives, "-qmp", f"unix:{scratch / 'qmp'},server=on,wait=off"]) as machine:
        camera.wait((scratch / "qmp").exists)
        try:
            take_running(camera, machine.pid, disks)
        finally:
            machine.kill()
    session.machines.refresh()
    window.verbs.profiles.trigger()
    camera.settle()
    take_and_close(camera, "act-profiles", "profile_dialog")
    ProfileStore().remove("web")
    session.machines.refresh()
    camera.settle()


def take_running(camera: Camera, pid: int, disks: list[Path]) -> None:
    window, session = camera.parts.window, camera.parts.session

    def vm() -> bool:
        session.machines.refresh()
        return any(one.machine.pid == pid for one in session.machines.vms.running)

    camera.wait(vm)
    camera.settle()
    session.select_image(disks[0])
    camera.settle()
    window.desk.actions.take.trigger()
    take_and_close(camera, "act-take-live", "take_dialog")
    window.desk.actions.take.trigger()
    camera.settle()
    (dialog,) = [one for one in window.children() if one.objectName() == "take_dialog"]
    dialog.confirm.click()
    window.verbs.show_jobs.setChecked(True)
    camera.settle()
    session.machines.refresh()
    camera.take("act-running")
    window.verbs.show_jobs.setChecked(False)
    window.inspector.setCurrentWidget(window.disk)
    camera.take("disk-machine")
    window.inspector.setCurrentWidget(window.overview)
    choose_rows(camera, 0)
    window.desk.actions.restore.trigger()
    take_and_close(camera, "act-restore-live", "restore_dialog")
    (stopped,) = session.machines.vms.stopped
    window.desk.ask_start(stopped.whom)
    take_and_close(camera, "act-start", "start_dialog")


def qemu_img(*arguments: str | Path) -> None:
    subprocess.run(["qemu-img", *map(str, arguments)], check=True)


if __name__ == "__main__":
    sys.exit(main())
