"""The Screen tab: what the guest showed when its state was saved."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QGuiApplication, QKeySequence
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QStackedWidget, QToolButton, QVBoxLayout, QWidget

from vmsnap_gui.jobs import lane_of
from vmsnap_gui.models import words
from vmsnap_gui.telling import sentence
from vmsnap_gui.views import theme
from vmsnap_gui.views.action_making import context_menu, view_action
from vmsnap_gui.views.pages import Notice
from vmsnap_gui.views.picture_area import PictureArea
from vmsnap_gui.views.state_message import why_no_state
from vmsnap_gui.views.work_page import WorkPage
from vmsnap_gui.views.zoom_buttons import ZoomButtons

if TYPE_CHECKING:
    from PySide6.QtCore import QPoint
    from PySide6.QtGui import QShowEvent

    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.jobs import Job, Jobs
    from vmsnap_gui.models.screens import Display
    from vmsnap_gui.reading import LoadedState
    from vmsnap_gui.session import Session


class ScreenView(QWidget):
    """The displays of the session's state, of which one is shown; rendered when this is looked at.

    Signals:
        save_wanted: (Display, LoadedState) The person wants the display that is shown as a file.

    Attributes:
        area: The picture.
        page: What stands there where there is none.
        displays: Which display is shown; hidden where there is only one.
        about: What it shows, in words.
        notice: What is not sure about it.
        copy, save: What can be done with it.
    """

    save_wanted = Signal(object, object)

    def __init__(self, session: Session, jobs: Jobs, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setObjectName("screen")
        self.setAccessibleName(self.tr("Screen"))
        self._session = session
        self._jobs = jobs
        self._state: LoadedState | None = None
        self._found: tuple[Display, ...] = ()
        self._job: Job | None = None
        self.area = PictureArea("screen_area", self.tr("What the guest showed"), self)
        self.zoom = ZoomButtons(self.area, self)
        self.page = WorkPage("screen", self.tr("Render it"), self)
        self.displays = QComboBox()
        self.displays.setObjectName("screen_displays")
        self.displays.setAccessibleName(self.tr("Display"))
        self.about = QLabel()
        self.about.setObjectName("screen_about")
        self.about.setTextFormat(Qt.TextFormat.PlainText)
        self.about.setMinimumWidth(1)  # in a narrow window it gives way to the buttons
        self.about.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.notice = Notice("screen_notice", self)
        copy = QKeySequence.StandardKey.Copy
        self.copy = view_action(self.area, "copy_screen", self.tr("Copy the &screen"), copy, self._copy)
        self.save = view_action(self.area, "save_shown", self.tr("&Save as PNG…"), None, self._save)
        self._copy_button, self._save_button = QToolButton(), QToolButton()
        for button, end in ((self._copy_button, "copy"), (self._save_button, "save")):
            button.setObjectName(f"screen_{end}_button")
        self._lay_out()
        self._connect()
        self._follow()

    def _lay_out(self) -> None:
        theme.set_icon(self.copy, "copy")
        self.copy.setIconText(self.tr("Copy"))
        line = QHBoxLayout()
        line.setContentsMargins(8, 4, 8, 4)
        line.addWidget(self.displays)
        line.addWidget(self.about, 1)
        line.addWidget(self.zoom)
        line.addSpacing(8)
        for button in (self._copy_button, self._save_button):
            button.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
            button.setAutoRaise(True)
            line.addWidget(button)
        self._copy_button.setDefaultAction(self.copy)
        # No default action: those are of menus, and the Snapshot menu has an action of its own.
        self._save_button.setText(self.save.iconText())
        self._save_button.clicked.connect(self.save.trigger)
        self._stack = QStackedWidget()
        for one in (self.page, self.area):
            self._stack.addWidget(one)
        layout = QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(line)
        layout.addWidget(self.notice)
        layout.addWidget(self._stack, 1)
        self.setFocusProxy(self.area)

    def _connect(self) -> None:
        session = self._session
        for signal in (session.state_loading, session.state_loaded, session.state_failed, session.state_cleared):
            signal.connect(self._follow)
        session.selection_changed.connect(self._follow)
        self.displays.currentIndexChanged.connect(self._show)
        self.page.start_wanted.connect(self._render)
        self.page.cancel_wanted.connect(self._cancel)
        self._jobs.progressed.connect(self._progressed)
        self.area.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        self.area.customContextMenuRequested.connect(self._show_menu)

    @property
    def display(self) -> Display | None:
        """The display that is shown, or that shows nothing."""
        index = self.displays.currentIndex()
        return self._found[index] if 0 <= index < len(self._found) else None

    def is_working(self) -> bool:
        """Whether a picture is still to come."""
        return self._job is not None

    def showEvent(self, event: QShowEvent) -> None:
        """Override QWidget::showEvent: now the picture is wanted."""
        super().showEvent(event)
        self._follow()

    def _follow(self, *_: object) -> None:
        """Show the screen of the session's state, or why there is none."""
        state = self._session.loaded
        if not self.isVisible() or (state is not None and state is self._state):
            return
        self._cancel()
        self._state = state
        self._fill(())
        if state is None:
            self.page.show_still(*why_no_state(self._session))
        else:
            self._render()

    def _render(self) -> None:
        state = self._state
        if state is None or self._job is not None:
            return

        def work(progress: Progress) -> tuple[Display, ...]:
            from vmsnap_gui.models.screens import look_at_displays

            return look_at_displays(state.vmstate, progress)

        self.page.show_still("screen", self.tr("Rendering the screen"))
        self._job = self._jobs.run(
            self.tr("Rendering the screen of %1").replace("%1", words.snapshot_name(state.snapshot)),
            work,
            lane=lane_of(state.key.path, "screen"),
            success=partial(self._rendered, state),
            failure=self._failed,
        )

    def _cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._job = None
            text = self.tr("To find it, the memory of the saved state is read.")
            self.page.show_still("screen", self.tr("The screen is not rendered"), text, can_start=True)

    def _rendered(self, state: LoadedState, found: tuple[Display, ...]) -> None:
        self._job = None
        if state is self._state:
            self._fill(found)

    def _failed(self, error: Exception) -> None:
        self._job = None
        text = words.sentence(sentence(error))
        self.page.show_still("failed", self.tr("The screen cannot be rendered"), text, can_start=True)

    def _progressed(self, job: Job) -> None:
        if job is self._job:
            self.page.show_job("screen", self.tr("Rendering the screen"), job)

    def _fill(self, found: tuple[Display, ...]) -> None:
        """Offer these displays, and show the first that shows something."""
        self._found = found
        blocked = self.displays.blockSignals(True)
        self.displays.clear()
        self.displays.addItems([f"{number}: {display.name}" for number, display in enumerate(found, 1)])
        lit = [number for number, display in enumerate(found) if display.picture is not None]
        self.displays.setCurrentIndex(lit[0] if lit else 0)
        self.displays.blockSignals(blocked)
        self.displays.setVisible(len(found) > 1)
        self._show()

    def _show(self) -> None:
        display = self.display
        picture = display.picture if display is not None else None
        self.area.show_picture(picture)
        self._stack.setCurrentWidget(self.area if picture is not None else self.page)
        for part in (self.zoom, self.copy, self.save, self._save_button):
            part.setEnabled(picture is not None)
        notes = display.notes if display is not None else ()
        self.notice.show_message("problem", " ".join(notes))
        self.about.setText("")
        if picture is not None and display is not None:
            size = f"{picture.width} × {picture.height}"
            more = "" if size in display.text else " · " + self.tr("%1 pixels").replace("%1", size)
            self.about.setText(display.text + more)
            self.area.setAccessibleDescription(self.about.text())
        elif display is not None:
            nothing = self.tr("There is nothing on the screen")
            heading = nothing if display.name else self.tr("No display was found")
            self.page.show_still("screen", heading, display.text)

    def _copy(self) -> None:
        if self.area.picture is not None:
            QGuiApplication.clipboard().setImage(self.area.picture.levels[0])

    def _save(self) -> None:
        if self._state is not None and self.display is not None:
            self.save_wanted.emit(self.display, self._state)

    def _show_menu(self, place: QPoint) -> None:
        menu = context_menu(self, [self.copy, self.save])
        menu.popup(self.area.viewport().mapToGlobal(place))
