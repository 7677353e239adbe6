"""What the window's verbs do: those of its menus and tool bar, and what its parts ask of each other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt, QTimer
from PySide6.QtGui import QGuiApplication

from vmsnap_gui.models import words
from vmsnap_gui.views import theme

if TYPE_CHECKING:
    from pathlib import Path

    from PySide6.QtGui import QAction
    from PySide6.QtWidgets import QMenu, QWidget

    from vmsnap_gui.session import Session
    from vmsnap_gui.settings import Settings
    from vmsnap_gui.views.main_window import MainWindow


class WindowVerbs(QObject):
    """Does what the window's `Actions` say, to what is selected and shown, and tells which of them can be used."""

    def __init__(self, window: MainWindow, session: Session, settings: Settings) -> None:
        """Connect the actions of `window`, which has all its parts."""
        super().__init__(window)
        self._window = window
        self._session = session
        self._settings = settings
        self._connect_files()
        self._connect_rest()
        self._connect_parts()

    def show_tab(self, name: str) -> None:
        """Go to a tab of the inspector."""
        self._window.tabs.setCurrentIndex(0)
        self._window.inspector.show_tab(name)
        _go(self._window.inspector.currentWidget())

    def apply_filter(self, text: str) -> str | None:
        """Filter what is shown; return what is wrong with the filter, if anything is."""
        window = self._window
        if window.compare_tab.is_shown():
            return window.compare_tab.view.set_filter(text)
        wrong = window.devices.set_filter(text)
        if wrong is None and text.strip():
            window.inspector.show_tab("devices")  # where the filter shows; the typing goes on in the box
        return wrong

    def enable(self) -> None:
        """Enable what can be used now."""
        entry, verbs = self._session.entry(), self._window.verbs
        opened = bool(self._session.library.entries.opened())
        for action in (verbs.reload, verbs.copy_file):
            action.setEnabled(entry is not None)
        verbs.close_image.setEnabled(entry is not None and not entry.attached)
        verbs.close_all.setEnabled(opened)
        self._window.filter_box.setEnabled(opened or entry is not None)

    def _connect_files(self) -> None:
        verbs, session = self._window.verbs, self._session
        verbs.open.triggered.connect(self._ask_images)
        verbs.open_folder.triggered.connect(self._ask_folder)
        verbs.open_demo.triggered.connect(session.open_demo)
        verbs.demo_machine.triggered.connect(session.show_demo_machine)
        verbs.layouts.triggered.connect(self._window.layouts.ask)
        verbs.reload.triggered.connect(self._reload)
        verbs.close_image.triggered.connect(self._close_image)
        verbs.close_all.triggered.connect(session.close_all)
        verbs.copy_file.triggered.connect(self._copy_file_path)
        verbs.forget_recent.triggered.connect(lambda: self._settings.forget_recent())

    def _connect_rest(self) -> None:
        window, verbs = self._window, self._window.verbs
        verbs.quit.triggered.connect(window.close)
        verbs.find.triggered.connect(self._find)
        verbs.go_library.triggered.connect(lambda: _go(window.library.tree))
        verbs.go_snapshots.triggered.connect(lambda: self._go_in(window.snapshots))
        verbs.go_inspector.triggered.connect(lambda: self._go_in(window.inspector.currentWidget()))
        verbs.find_machines.triggered.connect(self._session.machines.refresh)
        verbs.profiles.triggered.connect(window.desk.show_profiles)
        verbs.notify.setChecked(self._settings.notify)
        verbs.notify.toggled.connect(self._choose_notify)
        verbs.about.triggered.connect(self._show_about)
        verbs.schemes.triggered.connect(self._choose_scheme)

    def _connect_parts(self) -> None:
        window = self._window
        window.library.menu_wanted.connect(self._fill_library_menu)
        window.library.machine_menu_wanted.connect(window.desk.fill_machine_menu)
        window.inspector.made.connect(self._made)
        window.compare_tab.filter_wanted.connect(window.filter_box.set_filter)
        window.compare_tab.column_wanted.connect(self._add_column)
        window.tabs.currentChanged.connect(lambda _index: self._filter_again())
        self._session.field_wanted.connect(self._show_field)

    def _made(self, view: QWidget) -> None:
        """Connect a tab's view that has just been made."""
        if view.objectName() == "disk":
            view.addAction(self._window.desk.actions.delete)
        elif view.objectName() == "screen":
            screen = self._window.inspector.screen_tab
            screen.save_wanted.connect(self._window.saving.ask_shown)
            self._window.verbs.add_copies("screen", [screen.copy])
        elif view.objectName() == "devices":
            window, exporting = self._window, self._window.exporting
            field = window.devices.actions_of_field
            copies = [field.copy_value, field.copy_path, field.copy_json, field.copy_hex, field.filter, field.column]
            window.verbs.add_copies("devices", [exporting.undo, exporting.redo, field.edit, *copies])
            field.column_wanted.connect(self._add_column)
            window.devices.filter_wanted.connect(window.filter_box.set_filter)
            window.devices.export_wanted.connect(lambda: exporting.ask())

    # Files

    def _ask_images(self) -> None:
        from vmsnap_gui.views import dialogs

        dialogs.ask_images(self._window, self._folder(), self._session.open_paths)

    def _ask_folder(self) -> None:
        from vmsnap_gui.views import dialogs

        dialogs.ask_folder(self._window, self._folder(), self._session.open_paths)

    def _folder(self) -> Path | None:
        """Return where the open dialog starts: beside what was opened last."""
        recent = self._settings.recent
        return recent[0].parent if recent else None

    def _reload(self) -> None:
        if self._session.image is not None:
            self._session.reload(self._session.image)

    def _close_image(self) -> None:
        if self._session.image is not None:
            self._session.close_image(self._session.image)

    def _copy_file_path(self) -> None:
        if self._session.image is not None:
            QGuiApplication.clipboard().setText(words.path_text(self._session.image))

    def _fill_library_menu(self, menu: QMenu, path: Path | None) -> None:
        verbs = self._window.verbs
        entry = self._session.library.entries.get(path)
        if entry is not None and entry.attached:
            menu.addActions([verbs.reload, verbs.copy_file])
            return
        if path is None:
            menu.addActions([verbs.open, verbs.open_folder])
            return
        menu.addActions([verbs.reload, verbs.copy_file])
        menu.addSeparator()
        menu.addAction(verbs.close_image)

    # Fields

    def _find(self) -> None:
        if not self._window.compare_tab.is_shown():
            self.show_tab("devices")
        self._window.filter_box.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._window.filter_box.selectAll()

    def _filter_again(self) -> None:
        """Let what is in the filter box also hold for the tab that is shown now."""
        window = self._window
        if window.compare_tab.is_shown():
            window.compare_tab.view.fields.set_filter(window.filter_box.text())
        elif window.inspector.has("devices"):
            window.devices.set_filter(window.filter_box.text())

    def _show_field(self, section: int, path: str) -> None:
        made = self._window.inspector.has("devices")
        self.show_tab("devices")
        if not made:  # it could not hear the session yet
            QTimer.singleShot(0, self, lambda: self._session.show_field(section, path))

    def _add_column(self, device: str, path: str) -> None:
        """Show a field as a column of the snapshot table."""
        self._window.columns.add(device, path)
        self._window.tabs.setCurrentIndex(0)

    # The window itself

    def _go_in(self, widget: QWidget | None) -> None:
        """Go to a part of the Snapshots tab."""
        self._window.tabs.setCurrentIndex(0)
        _go(widget)

    def _choose_notify(self, on: bool) -> None:
        self._settings.notify = on

    def _choose_scheme(self, action: QAction) -> None:
        self._settings.scheme = action.data()
        theme.set_scheme(action.data())

    def _show_about(self) -> None:
        from vmsnap_gui.views import dialogs

        dialogs.show_about(self._window)


def _go(widget: QWidget | None) -> None:
    if widget is not None:
        widget.setFocus(Qt.FocusReason.ShortcutFocusReason)
