"""The virtual machines that are known: those that run here, and those that a launch profile starts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, QTimer, Signal

from vmsnap_gui.entries import normal
from vmsnap_gui.vms import Vms, find_vms, qemu_processes

if TYPE_CHECKING:
    from pathlib import Path

    from vmsnap_gui.control.profile import LaunchProfile
    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.library import Library
    from vmsnap_gui.vms import Vm

POLL_MS = 10_000
"""How often the list of processes is looked at; that disturbs nobody."""
_LOOKS = 6
"""After so many of these all monitors are asked again: each serves one client at a time, so not more often."""
_LANE = "machines"


class Machines(QObject):
    """Follows the machines and keeps their images in the library.

    Signals:
        changed: A machine came, went, or is otherwise than it was.

    Attributes:
        vms: What is known.
    """

    changed = Signal()

    def __init__(self, jobs: Jobs, library: Library, parent: QObject | None = None) -> None:
        """Look for nothing before `start`."""
        super().__init__(parent)
        self.setObjectName("machines")
        self.vms = Vms()
        self._jobs = jobs
        self._library = library
        self._job: Job | None = None
        self._again = False
        self._polls = 0
        self._places: dict[Path, Vm] = {}
        self._clock = QTimer(self, interval=POLL_MS)
        self._clock.timeout.connect(self._poll)

    def start(self) -> None:
        """Look for machines now, and from now on."""
        self._clock.start()
        self.refresh()

    def stop(self) -> None:
        """Look for machines no more."""
        self._clock.stop()

    def refresh(self) -> None:
        """Ask all machines; once more afterwards if that is under way already."""
        if self._job is not None:
            self._again = True
            return
        self._polls = 0
        self._job = self._jobs.run(
            self.tr("Looking for running machines"),
            lambda _progress: find_vms(),
            lane=_LANE,
            success=self._found,
            failure=lambda _error: self._found(self.vms),
            quiet=True,
        )

    def of(self, path: Path | None) -> Vm | None:
        """Return the machine that an image belongs to; one that runs rather than a stopped one."""
        if path is None or path in self._places:
            return self._places.get(path) if path is not None else None
        # Perhaps under another name: QEMU was told a link, or the person opened one.
        entries = self._library.entries
        entry = entries.get(path)
        if entry is not None and entry.stamp is not None:
            for place, vm in self._places.items():
                there = entries.get(place)
                if there is not None and there.stamp is not None and there.stamp.file == entry.stamp.file:
                    return vm
        return None

    def profiles(self) -> tuple[LaunchProfile, ...]:
        """Return the launch profiles, also those of machines that run."""
        return self.vms.profiles

    def _poll(self) -> None:
        if self._jobs.writing():
            return  # the monitor of a machine that we work on is busy with us; all are asked when that is over
        self._polls += 1
        if self._polls >= _LOOKS:
            self.refresh()
        elif self._job is None:
            self._jobs.run(
                self.tr("Looking for running machines"),
                lambda _progress: qemu_processes(),
                lane=_LANE,
                success=lambda pids: self.refresh() if pids != self.vms.processes else None,
                quiet=True,
            )

    def _found(self, vms: Vms) -> None:
        self._job = None
        if vms != self.vms:
            self.vms = vms
            all_ = (*vms.stopped, *vms.running)
            self._places = {normal(path): vm for vm in all_ for path in vm.whom.paths}
            self._library.attach(self._places.keys())
            self.changed.emit()
        if self._again:
            self._again = False
            self.refresh()
