"""The ways to look at the snapshots of an image, with the buttons that switch them; made when they are first wanted."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject, Signal
from PySide6.QtGui import QAction, QActionGroup
from PySide6.QtWidgets import QToolButton

from vmsnap_gui.views.action_making import window_action

if TYPE_CHECKING:
    from PySide6.QtWidgets import QMainWindow, QWidget

    from vmsnap_gui.history_session import HistorySession
    from vmsnap_gui.jobs import Jobs
    from vmsnap_gui.session import Session
    from vmsnap_gui.settings import Settings
    from vmsnap_gui.views.gallery_view import GalleryView
    from vmsnap_gui.views.history_view import HistoryView
    from vmsnap_gui.views.snapshot_table import SnapshotTable
    from vmsnap_gui.views.timeline_view import TimelineView
    from vmsnap_gui.views.tree_view import TreeView


class SnapshotViews(QObject):
    """Table, Timeline, Tree and Gallery, of which one is shown; what they know also fills the table.

    Signals:
        made: (QWidget) A view was made.
        screen_wanted: The person wants to see the screen of the selected snapshot from close by.

    Attributes:
        actions: What shows each, in the order of the View menu.
    """

    made = Signal(object)
    screen_wanted = Signal()

    def __init__(
        self,
        window: QMainWindow,
        session: Session,
        jobs: Jobs,
        settings: Settings,
        snapshots: SnapshotTable,
        history: HistorySession,
    ) -> None:
        super().__init__(window)
        self._window = window
        self._session = session
        self._jobs = jobs
        self._settings = settings
        self._snapshots = snapshots
        self._history = history
        self._views: dict[str, HistoryView | GalleryView] = {}
        self.actions = self._make_actions()
        history.changed.connect(self._follow)
        snapshots.selection_changed.connect(lambda: history.choose(snapshots.selected()))
        self._follow()

    def _make_actions(self) -> list[QAction]:
        group, made = QActionGroup(self), []
        texts = (
            ("table", self.tr("T&able"), self.tr("All snapshots with their sizes and dates")),
            ("timeline", self.tr("Time&line"), self.tr("When each was taken, and what goes back to what")),
            ("tree", self.tr("T&ree"), self.tr("Each below the one that it goes back to, and where the disk is now")),
            ("gallery", self.tr("&Gallery"), self.tr("What the screen of each showed")),
        )
        for number, (name, text, tip) in enumerate(texts, 1):
            action = window_action(self._window, f"view_{name}", text, None, f"Ctrl+Alt+{number}")
            action.setCheckable(True)
            action.setToolTip(f"{tip} ({action.shortcut().toString()})")
            action.triggered.connect(partial(self._choose, name))
            group.addAction(action)
            button = QToolButton()
            button.setObjectName(f"switch_{name}")
            button.setDefaultAction(action)
            button.setAccessibleName(action.iconText())
            button.setAutoRaise(True)
            self._snapshots.switch.addWidget(button)
            made.append(action)
        made[0].setChecked(True)
        return made

    @property
    def gallery(self) -> GalleryView:
        """The Gallery; made now if it is not there yet."""
        from vmsnap_gui.views.gallery_view import GalleryView

        view = self._views.get("gallery")
        if not isinstance(view, GalleryView):
            view = GalleryView(self._snapshots)
            view.activated.connect(lambda _index: self.screen_wanted.emit())
            self._add("gallery", view)
        return view

    @property
    def timeline(self) -> TimelineView:
        """The Timeline; made now if it is not there yet."""
        from vmsnap_gui.views.timeline_view import TimelineView

        view = self._views.get("timeline")
        if not isinstance(view, TimelineView):
            view = TimelineView(self._history, self._session, self._jobs, self._settings, self._snapshots)
            self._add("timeline", view)
        return view

    @property
    def tree(self) -> TreeView:
        """The Tree; made now if it is not there yet."""
        from vmsnap_gui.views.tree_view import TreeView

        view = self._views.get("tree")
        if not isinstance(view, TreeView):
            view = TreeView(self._history, self._session, self._jobs, self._snapshots)
            self._add("tree", view)
        return view

    def show(self, name: str) -> None:
        """Show the view `name`, the table where there is none of that name."""
        view: QWidget = self._snapshots.table
        if name == "gallery":
            view = self.gallery
        elif name in ("timeline", "tree"):
            view = self.timeline if name == "timeline" else self.tree
        self._snapshots.show_view(view)
        for action in self.actions:
            action.setChecked(action.objectName() == f"view_{name}")

    def _add(self, name: str, view: HistoryView | GalleryView) -> None:
        self._views[name] = view
        self._snapshots.add_view(view)
        self.made.emit(view)

    def _choose(self, name: str, _checked: bool = False) -> None:
        self._settings.view = name
        self.show(name)

    def _follow(self) -> None:
        """Fill the table with what is known, and say where the disk is now."""
        found = self._history.history()
        model = self._snapshots.model
        if found is None:
            model.show_frees((), str)
            self._snapshots.show_here("", "")
            return
        from vmsnap_gui.models import history_texts  # it needs what the worker has imported

        model.show_frees(found.frees, partial(history_texts.freed_text, found), at_least=found.at_least)
        edge = found.tree.here
        self._snapshots.show_here(history_texts.here_text(found), history_texts.reason_text(edge))
