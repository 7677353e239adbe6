"""The window's actions, with the menus and the tool bar that hold them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QAction, QActionGroup, QKeySequence
from PySide6.QtWidgets import QApplication, QMenu, QMenuBar, QSizePolicy, QToolBar, QWidget

from vmsnap_gui.models import words
from vmsnap_gui.views import theme
from vmsnap_gui.views.action_making import separator, window_action

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from PySide6.QtWidgets import QMainWindow

    from vmsnap_gui.settings import Settings

_Key = QKeySequence.StandardKey


class Actions(QObject):
    """All that the menus offer. What each does is connected by the window; shortcuts and texts are here."""

    def __init__(self, parent: QMainWindow) -> None:
        super().__init__(parent)
        self._window = parent
        make = partial(window_action, parent)
        self.open = make("open", self.tr("&Open images…"), "open", _Key.Open)
        self.open_folder = make("open_folder", self.tr("Open &folder…"), "open-folder", "Ctrl+Shift+O")
        self.open_demo = make("open_demo", self.tr("Open the &demo"), "demo")
        self.demo_machine = make("demo_machine", self.tr("&Try the demo machine"), "machine")
        self.layouts = make("use_layouts", self.tr("Use &layouts from a QEMU binary…"), "details")
        self.reload = make("reload", self.tr("&Reload"), "reload", _Key.Refresh)
        self.close_image = make("close_image", self.tr("&Close image"), None, "Ctrl+W")
        self.close_all = make("close_all", self.tr("Close &all"))
        self.copy_file = make("copy_file_path", self.tr("Copy the &file's path"), "copy")
        self.quit = make("quit", self.tr("&Quit"), None, "Ctrl+Q")
        self.find = make("find", self.tr("&Filter fields"), "filter", _Key.Find)
        self.forget_recent = make("forget_recent", self.tr("&Clear this list"))
        self.go_library = make("go_library", self.tr("Go to &library"), None, "Alt+1")
        self.go_snapshots = make("go_snapshots", self.tr("Go to &snapshots"), None, "Alt+2")
        self.go_inspector = make("go_inspector", self.tr("Go to &inspector"), None, "Alt+3")
        self.show_jobs = make("show_jobs", self.tr("&Jobs"), "jobs", "Ctrl+J")
        self.show_jobs.setCheckable(True)
        self.find_machines = make("find_machines", self.tr("Find &running machines"), "machine", "Ctrl+Shift+F")
        self.profiles = make("launch_profiles", self.tr("&Launch profiles…"), "start")
        self.notify = make("notify", self.tr("&Notify when a long job ends"))
        self.notify.setCheckable(True)
        self.about = make("about", self.tr("&About vmsnap"), "details")
        _explain(self.open, self.tr("Open QEMU images and saved states"))
        _explain(self.open_folder, self.tr("Open a folder: the images in it and below it are listed"))
        _explain(self.open_demo, self.tr("Open an image that comes with vmsnap, to look around in"))
        _explain(self.demo_machine, self.tr("Get a copy of the demo that can be started, with a launch profile for it"))
        _explain(self.find_machines, self.tr("Look for the QEMU processes of this computer, and ask each"))
        _explain(self.profiles, self.tr("How stopped machines are started, from a snapshot or as they are"))
        _explain(self.notify, self.tr("By the desktop, if the window is not in front and the job took over 10 seconds"))
        _explain(self.reload, self.tr("Read the selected image again"))
        _explain(
            self.layouts,
            self.tr(
                "For states that do not describe themselves: run a QEMU to tell its layouts, or take them from a file"
            ),
        )
        self.about.setMenuRole(QAction.MenuRole.AboutRole)
        self.quit.setMenuRole(QAction.MenuRole.QuitRole)
        self.tabs: list[QAction] = []
        self.schemes = self._make_schemes()
        self._focus: QWidget | None = None
        app = QApplication.instance()
        assert isinstance(app, QApplication)
        app.focusChanged.connect(self._focused)

    def add_tab(self, name: str, text: str) -> QAction:
        """Make the action that shows an inspector's tab; its shortcut is Ctrl and the tab's number."""
        action = window_action(self._window, f"show_{name}", text, None, f"Ctrl+{len(self.tabs) + 1}")
        self.tabs.append(action)
        return action

    def check_scheme(self, scheme: Qt.ColorScheme) -> None:
        """Tick the action of a colour scheme."""
        for action in self.schemes.actions():
            action.setChecked(action.data() == scheme)

    def add_copies(self, tab: str, actions: list[QAction]) -> None:
        """Put the actions on what is selected in a tab into the Edit menu, in one order whichever tab is made first."""
        self._edit.insertActions(self._ends[tab], actions)

    def fill_menus(
        self,
        recent: QMenu,
        views: list[QAction],
        docks: list[QAction],
        snapshot: list[QAction],
        compare: list[QAction],
    ) -> None:
        """Build the menu bar.

        Args:
            recent: The menu of recent files.
            views: The actions that show the snapshots in another way.
            docks: The actions that show and hide docks.
            snapshot: The Snapshot menu's actions.
            compare: The Compare menu's actions.
        """
        bar = self._window.menuBar()
        file = _menu(bar.addMenu(self.tr("&File")), "menu_file")
        file.addActions([self.open, self.open_folder])
        file.addMenu(recent)
        file.addActions(
            [self.open_demo, self.demo_machine, separator(file), self.reload, self.close_image, self.close_all]
        )
        file.addActions([separator(file), self.layouts, separator(file), self.quit])
        self._edit = edit = _menu(bar.addMenu(self.tr("&Edit")), "menu_edit")
        self._show_own_keys(edit)
        self._ends = {tab: separator(edit) for tab in ("devices", "screen")}
        edit.addActions([*self._ends.values(), self.copy_file, separator(edit), self.find])
        view = _menu(bar.addMenu(self.tr("&View")), "menu_view")
        view.addActions([*views, separator(view), *self.tabs, separator(view)])
        view.addActions([self.go_library, self.go_snapshots, self.go_inspector, separator(view)])
        view.addActions([*docks, self.show_jobs, separator(view)])
        schemes = _menu(view.addMenu(self.tr("&Colour scheme")), "menu_scheme")
        schemes.addActions(self.schemes.actions())
        acts = _menu(bar.addMenu(self.tr("&Snapshot")), "menu_snapshot")
        acts.addActions(snapshot)
        self._show_own_keys(acts)
        _menu(bar.addMenu(self.tr("&Compare")), "menu_compare").addActions(compare)
        tools = _menu(bar.addMenu(self.tr("&Tools")), "menu_tools")
        tools.addActions([self.find_machines, self.profiles, separator(tools), self.notify])
        about = _menu(bar.addMenu(self.tr("&Help")), "menu_help")
        about.addAction(self.about)

    def _show_own_keys(self, menu: QMenu) -> None:
        """Have a menu show the keys of a view's action only while the view has the focus: others may use them, too."""

        def follow() -> None:
            for action in menu.actions():
                if action.shortcutContext() is Qt.ShortcutContext.WidgetShortcut:
                    works = self._focus is not None and self._focus in action.associatedObjects()
                    # What stands behind a tab is shown in the place of the keys.
                    action.setText(action.text().removesuffix("\t") + ("" if works else "\t"))

        def forget() -> None:
            for action in menu.actions():
                action.setText(action.text().removesuffix("\t"))

        menu.aboutToShow.connect(follow)
        menu.aboutToHide.connect(forget)

    def _focused(self, _old: QWidget | None, new: QWidget | None) -> None:
        if new is not None and not isinstance(new, QMenuBar):  # which has it while it is used by keys
            self._focus = new

    def make_tool_bar(self, acting: list[QAction], compare: QAction, filter_box: QWidget) -> QToolBar:
        """Build the tool bar, with what changes images, *Compare*, and the filter box at its right end."""
        bar = QToolBar(self.tr("Tool bar"), self._window)
        bar.setObjectName("tool_bar")
        bar.setMovable(False)
        bar.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        theme.draw_icons([self.open, self.open_folder, self.reload, *acting, compare])
        bar.addActions([self.open, self.open_folder, self.reload, separator(self._window)])
        bar.addActions([*acting, separator(self._window), compare])
        stretch = QWidget()
        stretch.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        bar.addWidget(stretch)
        bar.addWidget(filter_box)
        bar.toggleViewAction().setVisible(False)
        for action in (self.open, self.open_folder, self.reload, *acting, compare):
            button = bar.widgetForAction(action)
            button.setObjectName(f"tool_{action.objectName()}")
            button.setAccessibleName(action.text().replace("&", "").replace("…", ""))
        return bar

    def _make_schemes(self) -> QActionGroup:
        group = QActionGroup(self)
        schemes = (
            (Qt.ColorScheme.Unknown, "scheme_system", self.tr("As the &system")),
            (Qt.ColorScheme.Light, "scheme_light", self.tr("&Light")),
            (Qt.ColorScheme.Dark, "scheme_dark", self.tr("&Dark")),
        )
        for scheme, name, text in schemes:
            action = window_action(self._window, name, text)
            action.setCheckable(True)
            action.setData(scheme)
            group.addAction(action)
        return group


class RecentMenu(QMenu):
    """The recently opened files, and an action that forgets them."""

    def __init__(self, settings: Settings, forget: QAction, choose: Callable[[Path], object]) -> None:
        super().__init__()
        self.setObjectName("menu_recent")
        self.setTitle(self.tr("Open &recent"))
        self._settings = settings
        self._forget = forget
        self._choose = choose
        self.aboutToShow.connect(self.fill)
        self.fill()

    def fill(self) -> None:
        """Show the present list."""
        self.clear()
        paths = self._settings.recent
        for number, path in enumerate(paths, 1):
            text = words.path_text(path).replace("&", "&&")
            action = self.addAction(f"&{number}  {text}" if number < 10 else text)
            action.setData(str(path))
            action.triggered.connect(lambda _checked=False, path=path: self._choose(path))
        if paths:
            self.addSeparator()
            self.addAction(self._forget)
        self.menuAction().setVisible(bool(paths))


def _explain(action: QAction, tip: str) -> None:
    keys = action.shortcut().toString(QKeySequence.SequenceFormat.NativeText)
    action.setToolTip(f"{tip} ({keys})" if keys else tip)


def _menu(menu: QMenu, name: str) -> QMenu:
    menu.setObjectName(name)
    menu.setToolTipsVisible(True)
    return menu
