"""The dialog for launch profiles: how stopped machines are started. A command line is read here, never run."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtWidgets import (
    QDialog,
    QDialogButtonBox,
    QFileDialog,
    QFormLayout,
    QHBoxLayout,
    QLineEdit,
    QListWidget,
    QMenu,
    QPlainTextEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from vmsnap_gui.models import words
from vmsnap_gui.models.plan_rows import Note, Row, Tone
from vmsnap_gui.telling import sentence
from vmsnap_gui.views import theme
from vmsnap_gui.views.delegates import RowDelegate
from vmsnap_gui.views.plan_view import FileTable, NoteList, button_row
from vmsnap_gui.views.start_dialog import command_text
from vmsnap_gui.vms import profile_of_process, read_profile, read_script

if TYPE_CHECKING:
    from collections.abc import Callable

    from vmsnap_gui.control.profile import LaunchProfile
    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.machines import Machines
    from vmsnap_gui.vms import Drafted

_TYPING_MS = 300
_LANE = "profiles"


class ProfileDialog(QDialog):
    """Shows the profiles at the left, and one of them, or a new one, at the right.

    Signals:
        saved: (LaunchProfile) Keep this one.
        removed: (str) Forget the one of this name.
    """

    saved = Signal(object)
    removed = Signal(str)

    def __init__(self, machines: Machines, jobs: Jobs, parent: QWidget) -> None:
        super().__init__(parent)
        self.setObjectName("profile_dialog")
        self.setWindowTitle(self.tr("Launch profiles"))
        self.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        self._machines = machines
        self._jobs = jobs
        self._job: Job | None = None
        self._drafted: Drafted | None = None
        self._typing = QTimer(self, interval=_TYPING_MS, singleShot=True)
        self._typing.timeout.connect(self._read)
        self.list = QListWidget()
        self.list.setObjectName("profile_list")
        self.list.setAccessibleName(self.tr("Launch profiles"))
        self.list.setItemDelegate(RowDelegate(parent=self.list))
        self.name = self._line("profile_name", self.tr("Name"))
        self.directory = self._line("profile_directory", self.tr("Working directory"))
        self.command = QPlainTextEdit()
        self.command.setObjectName("profile_command")
        self.command.setAccessibleName(self.tr("Command line"))
        self.command.setTabChangesFocus(True)
        self.command.setFont(theme.monospaced())
        self.command.setPlaceholderText("qemu-system-x86_64 -m 2048 -drive file=web.qcow2")
        self.disks = FileTable("profile_disks", self.tr("The machine's disks"), self.tr("Snapshots"), self)
        self.notes = NoteList(self)
        self._lay_out()
        self.list.currentRowChanged.connect(self._chosen)
        self.name.textChanged.connect(self._typed)
        self.directory.textChanged.connect(self._typed)
        self.command.textChanged.connect(self._typed)
        machines.changed.connect(self._fill)
        self._fill()

    def drafted(self) -> Drafted | None:
        """Return the profile for what is in the form; None while it is none."""
        return None if self._typing.isActive() or self._job is not None else self._drafted

    def begin(self, make: Callable[[], Drafted]) -> None:
        """Fill the form with a new profile that `make` makes in a worker."""
        self.list.setCurrentRow(-1)
        self._work(make, self._put)

    def done(self, result: int) -> None:
        """Override QDialog::done."""
        self._typing.stop()
        self._jobs.release(_LANE)
        super().done(result)

    def _lay_out(self) -> None:
        form = QFormLayout()
        form.addRow(self.tr("&Name"), self.name)
        form.addRow(self.tr("Working &directory"), self.directory)
        form.addRow(self.tr("&Command line"), self.command)
        right = QVBoxLayout()
        right.addLayout(form, 1)
        right.addWidget(self.disks)
        right.addWidget(self.notes)
        middle = QHBoxLayout()
        middle.addWidget(self.list, 1)
        middle.addLayout(right, 3)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(14, 12, 14, 12)
        layout.setSpacing(10)
        layout.addLayout(middle, 1)
        layout.addLayout(self._make_buttons())
        wide = self.fontMetrics().averageCharWidth()
        self.list.setMinimumWidth(wide * 22)
        self.resize(wide * 130, self.fontMetrics().height() * 32)

    def _make_buttons(self) -> QHBoxLayout:
        self.new = self._button("profile_new", self.tr("New"), self._new)
        self.running = self._button("profile_running", self.tr("From a running machine"), None)
        menu = QMenu(self.running)
        menu.aboutToShow.connect(lambda: self._fill_running(menu))
        self.running.setMenu(menu)
        self.script = self._button("profile_script", self.tr("From a script…"), self._ask_script)
        self.remove = self._button("profile_remove", self.tr("Remove"), self._remove)
        buttons = QDialogButtonBox()
        self.save = buttons.addButton(self.tr("Save profile"), QDialogButtonBox.ButtonRole.AcceptRole)
        self.save.setObjectName("profile_save")
        self.save.clicked.connect(self._save)
        buttons.addButton(QDialogButtonBox.StandardButton.Close)
        buttons.rejected.connect(self.reject)
        return button_row([self.new, self.running, self.script, self.remove], buttons)

    def _button(self, name: str, text: str, act: Callable[[], object] | None) -> QPushButton:
        button = QPushButton(text)
        button.setObjectName(name)
        if act is not None:
            button.clicked.connect(act)
        return button

    def _line(self, name: str, title: str) -> QLineEdit:
        line = QLineEdit()
        line.setObjectName(name)
        line.setAccessibleName(title)
        return line

    # What is chosen

    def _profiles(self) -> list[LaunchProfile]:
        return list(self._machines.profiles())

    def _fill(self) -> None:
        """Show the profiles, keeping the one that is chosen."""
        item = self.list.currentItem()
        chosen = item.text() if item is not None else self.name.text()
        names = [words.visible(one.name) for one in self._profiles()]
        blocked = self.list.blockSignals(True)
        self.list.clear()
        self.list.addItems(names)
        self.list.setCurrentRow(names.index(chosen) if chosen in names else -1)
        self.list.blockSignals(blocked)
        if not self.command.toPlainText() and names:
            self.list.setCurrentRow(0)
        if self._machines.vms.problem:
            self.notes.show_notes([Note(Tone.BLOCKER, words.sentence(self._machines.vms.problem))])
        self._enable()

    def _chosen(self, row: int) -> None:
        profiles = self._profiles()
        if 0 <= row < len(profiles):
            self._show(profiles[row])
        self._enable()

    def _show(self, profile: LaunchProfile) -> None:
        self.name.setText(profile.name)
        self.directory.setText(str(profile.directory))
        self.command.setPlainText(command_text(profile))

    def _new(self) -> None:
        self.list.setCurrentRow(-1)
        for box in (self.name, self.directory):
            box.clear()
        self.directory.setText(str(Path.home()))
        self.command.clear()
        self.command.setFocus()

    def _fill_running(self, menu: QMenu) -> None:
        menu.clear()
        for vm in self._machines.vms.running:
            text = words.visible(vm.machine.name).replace("&", "&&")
            pid = vm.machine.pid
            if pid is not None:
                menu.addAction(text, partial(self._begin_with_process, pid))
        if menu.isEmpty():
            menu.addAction(self.tr("No machine runs")).setEnabled(False)

    def _begin_with_process(self, pid: int) -> None:
        self.begin(lambda: profile_of_process(pid))

    def _ask_script(self) -> None:
        dialog = QFileDialog(self, self.tr("Open a script that starts QEMU"))
        dialog.setObjectName("script_dialog")
        dialog.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.filesSelected.connect(lambda names: self.begin(lambda: read_script(Path(names[0]))))
        dialog.open()

    # What is made of it

    def _typed(self) -> None:
        self._typing.start()
        self._enable()

    def _read(self) -> None:
        text, name, directory = self.command.toPlainText(), self.name.text(), Path(self.directory.text() or Path.home())
        if text.strip():
            self._work(lambda: read_profile(text, name, directory), self._look_at)
        else:
            self._look_at(None)

    def _work(self, make: Callable[[], Drafted], then: Callable[[Drafted], object]) -> None:
        if self._job is not None:
            self._job.cancel()
        self._job = self._jobs.run(
            self.tr("Reading a launch profile"),
            lambda _progress: make(),
            lane=_LANE,
            success=then,
            failure=self._failed,
            quiet=True,
        )
        self._enable()

    def _put(self, drafted: Drafted) -> None:
        """Fill the form with what was made."""
        self._show(drafted.profile)
        self._typing.stop()
        self._look_at(drafted)

    def _look_at(self, drafted: Drafted | None) -> None:
        """Show what a profile would start."""
        self._job, self._drafted = None, drafted
        disks = drafted.machine.disks if drafted is not None else ()
        rows = [Row("", one.path, words.visible(one.unfit) if one.unfit else words.snapshots(len(one.snapshots)),
                    muted=one.unfit is not None) for one in disks]  # fmt: skip
        self.disks.show_rows(rows)
        obstacles = drafted.obstacles if drafted is not None else ()
        notes = [Note(Tone.BLOCKER, words.sentence(text)) for text in obstacles]
        notes += [Note(Tone.NOTE, words.sentence(text)) for text in (drafted.notes if drafted is not None else ())]
        if drafted is not None and not drafted.machine.fit_disks:
            text = self.tr("No disk of it can hold a snapshot.")
            notes.append(Note(Tone.WARNING, text))
        self.notes.show_notes(notes)
        self._enable()

    def _failed(self, error: Exception) -> None:
        self._job = self._drafted = None
        self.disks.show_rows(())
        self.notes.show_notes([Note(Tone.BLOCKER, words.sentence(sentence(error)))])
        self._enable()

    def _enable(self) -> None:
        ready = self.drafted() is not None
        self.save.setEnabled(ready)
        self.save.setToolTip("" if ready else self.tr("Give a command line that starts QEMU first"))
        chosen = self.list.currentRow() >= 0
        self.remove.setEnabled(chosen)
        self.remove.setToolTip("" if chosen else self.tr("Select a profile first"))

    def _save(self) -> None:
        drafted = self.drafted()
        if drafted is None:
            return
        old = {one.name: one for one in self._profiles()}.get(drafted.profile.name)
        # What was confirmed stays so where nothing was changed: the digest tells.
        confirmed = old.confirmed_as if old is not None else None
        self.name.setText(drafted.profile.name)
        self._typing.stop()
        self.saved.emit(replace(drafted.profile, confirmed_as=confirmed))

    def _remove(self) -> None:
        profiles, row = self._profiles(), self.list.currentRow()
        if 0 <= row < len(profiles):
            self.removed.emit(profiles[row].name)
            self._new()
