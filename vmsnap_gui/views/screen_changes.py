"""The comparison's Screen tab: what both sides showed, one upon the other, and where they differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QComboBox, QHBoxLayout, QLabel, QVBoxLayout, QWidget

from vmsnap_gui.models import words
from vmsnap_gui.views.compare_part import ComparePart
from vmsnap_gui.views.screen_slider import ScreenSlider
from vmsnap_gui.views.zoom_buttons import ZoomButtons

if TYPE_CHECKING:
    from PySide6.QtGui import QShowEvent

    from vmsnap_gui.compare_session import CompareSession
    from vmsnap_gui.image.errors import Progress
    from vmsnap_gui.jobs import Jobs
    from vmsnap_gui.models.screen_changes import ScreenChangesShown


class ScreenChanges(ComparePart):
    """What became of the screen; rendered and compared when this is first looked at.

    Attributes:
        slider: Both screens.
        pair: Which two are shown; hidden without a base.
        about: How much differs.
    """

    def __init__(self, session: CompareSession, jobs: Jobs, parent: QWidget | None = None) -> None:
        content = QWidget()
        super().__init__(
            "screen_changes", content.tr("Screen"), content.tr("Compare screens"), content, session, jobs, parent
        )
        self._screens: ScreenChangesShown | None = None
        self.slider = ScreenSlider("screen_slider", self.tr("The screens of both sides"), content)
        self.pair = QComboBox()
        self.pair.setObjectName("screen_pair")
        self.pair.setAccessibleName(self.tr("Which screens"))
        self.pair.currentIndexChanged.connect(self._show_pair)
        self.about = QLabel()
        self.about.setObjectName("screen_difference")
        self.about.setTextFormat(Qt.TextFormat.PlainText)
        self.about.setMinimumWidth(1)  # in a narrow window it gives way to the buttons
        line = QHBoxLayout()
        line.setContentsMargins(8, 4, 8, 4)
        line.addWidget(self.pair)
        line.addWidget(self.about, 1)
        line.addWidget(ZoomButtons(self.slider))
        layout = QVBoxLayout(content)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addLayout(line)
        layout.addWidget(self.slider, 1)
        self.follow(session.screens, session.compare_screens)
        self.setFocusProxy(self.slider)

    def step(self, *, back: bool) -> bool:
        """Go to the next region that differs, or to the one before; False where there is none."""
        at = self.slider.current
        if at is None:
            return self.go_to_end(back=back)
        return self._go_to(at - 1 if back else at + 1)

    def go_to_end(self, *, back: bool) -> bool:
        """Go to the first region that differs, or to the last; False where there is none."""
        return self._go_to(self._count() - 1 if back else 0)

    def why_empty(self) -> tuple[str, str, str] | None:
        """See ComparePart."""
        compared = self.session.compared
        if compared is not None and compared.fields is None:
            text = self.tr("At least one side is a snapshot of the disk only.")
            return "screen", self.tr("There are no screens to compare"), text
        return None

    def look(self) -> None:
        """See ComparePart."""
        screens = self.session.screens.result
        if screens is None:
            return

        def work(_progress: Progress) -> ScreenChangesShown:
            from vmsnap_gui.models.screen_changes import look_at_screens

            return look_at_screens(screens)

        self.run_quietly(work, self._show_screens)

    def clear(self) -> None:
        """See ComparePart."""
        self._screens = None
        self.slider.show_pair(None, None, ("", ""), ())

    def showEvent(self, event: QShowEvent) -> None:
        """Override QWidget::showEvent: now the comparison is wanted."""
        super().showEvent(event)
        self.want()

    def _show_screens(self, screens: ScreenChangesShown) -> None:
        self._screens = screens
        letters = (self.tr("A"), self.tr("B"), self.tr("Base"))
        blocked, chosen = self.pair.blockSignals(True), max(0, self.pair.currentIndex())
        self.pair.clear()
        self.pair.addItems([f"{letters[first]} | {letters[second]}" for first, second in screens.pairs])
        self.pair.setCurrentIndex(min(chosen, len(screens.pairs) - 1))
        self.pair.blockSignals(blocked)
        self.pair.setVisible(len(screens.pairs) > 1)
        self._show_pair()
        self.show_content()

    def _show_pair(self) -> None:
        """Show the two that are chosen, and say how they differ or why one of them is not there."""
        screens, compared, number = self._screens, self.session.compared, self.pair.currentIndex()
        if screens is None or compared is None or number < 0:
            return
        from vmsnap_gui.models.screen_changes import difference_text

        first, second = screens.pairs[number]
        letters = (self.tr("A"), self.tr("B"), self.tr("Base"))
        sides = compared.sides.all
        names = [f"{letters[one]}: {words.snapshot_name(sides[one].snapshot)}" for one in (first, second)]
        displays = [screens.displays[one] for one in (first, second)]
        found = screens.found[number]
        regions = found.regions if found is not None else ()
        self.slider.show_pair(displays[0].picture, displays[1].picture, (letters[first], letters[second]), regions)
        self.about.setText(difference_text(found) or self.tr("There is nothing to compare"))
        self.slider.setAccessibleDescription(self.about.text())
        missing = [
            self.tr("%1 shows nothing. %2").replace("%1", name).replace("%2", display.text)
            for name, display in zip(names, displays, strict=True)
            if display.picture is None
        ]
        self.notice.show_message("problem", " ".join([*missing, *displays[0].notes, *displays[1].notes]))

    def _count(self) -> int:
        """Return how many regions of what is shown differ."""
        found = self._screens.found[self.pair.currentIndex()] if self._screens is not None else None
        return len(found.regions) if found is not None else 0

    def _go_to(self, number: int) -> bool:
        if not (self.has_result() and 0 <= number < self._count()):
            return False
        self.slider.go_to(number)
        return True
